"""The index over territories: by code in any system, by name, by point. Only codes give one answer."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from math import hypot, isfinite
from typing import Final

from gateway.model.territory import (
    Candidate,
    CodeFault,
    CodeRefused,
    CodeSystem,
    Level,
    MatchReason,
    Territory,
    expect,
    metres,
    system_of,
)

_WORD: Final = re.compile(r"[a-z]+|\d+")
_LEVEL_WORDS: Final = {
    "desa": Level.DESA,
    "ds": Level.DESA,
    "village": Level.DESA,
    "kelurahan": Level.KELURAHAN,
    "kel": Level.KELURAHAN,
    "lurah": Level.KELURAHAN,
    "kecamatan": Level.DISTRICT,
    "kec": Level.DISTRICT,
    "camat": Level.DISTRICT,
    "district": Level.DISTRICT,
    "kabupaten": Level.REGENCY,
    "kab": Level.REGENCY,
    "regency": Level.REGENCY,
}
_SAME, _SPELLING, _BEGINS, _SIMILAR = 1.0, 0.95, 0.8, 0.75
_LEAST_LIKE: Final = 0.75
_OTHER_LEVEL, _OTHER_PARENT = 0.6, 0.7
_NEAR_M: Final = 3000.0
"""How far outside every village's box a point still gives candidates: boats, beaches, phones with a poor fix."""


class Gazetteer:
    """All territories, indexed. Raises ValueError if two share a code in one system."""

    def __init__(self, territories: Iterable[Territory]) -> None:
        self._all = tuple(territories)
        self._by_code: dict[CodeSystem, dict[str, Territory]] = {}
        for system in CodeSystem:
            index: dict[str, Territory] = {}
            for territory in self._all:
                code = territory.in_system(system)
                if code is not None and index.setdefault(code, territory) is not territory:
                    raise ValueError(f"{code} names two territories in {system}")
            self._by_code[system] = index
        self._named = tuple((territory, *_keys(territory.name)) for territory in self._all)
        self.villages = tuple(one for one in self._all if one.is_village)
        self.districts = tuple(one for one in self._all if one.level is Level.DISTRICT)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Territory]:
        return iter(self._all)

    def by_code(self, code: str, system: CodeSystem = CodeSystem.KEMENDAGRI) -> Territory:
        """Return the territory with this code in this system.

        Raises CodeRefused with the reason: malformed, of another system, of another regency, or unknown.
        """
        found = self._by_code[system].get(code)
        if found is not None:
            return found
        expect(code, system)
        raise CodeRefused(code, system, CodeFault.UNKNOWN, "Barru has no such code")

    def find(self, code: str, system: CodeSystem = CodeSystem.KEMENDAGRI) -> Territory | None:
        """Return the territory with this code in this system, or None."""
        return self._by_code[system].get(code)

    def identify(self, code: str) -> tuple[CodeSystem, Territory] | None:
        """Return what a code of Barru stands for whatever its system, with that system; None if it is none.

        For search boxes. An app's code is read with `by_code` in the system its contract names.
        """
        system = system_of(code)
        found = None if system is None else self._by_code[system].get(code)
        return None if system is None or found is None else (system, found)

    def children(self, code: str) -> tuple[Territory, ...]:
        """Return the territories right below a dotted code."""
        return tuple(one for one in self._all if one.parent == code)

    def district_of(self, territory: Territory) -> Territory | None:
        """Return the district a territory is in (itself, if it is one); None for the regency."""
        if territory.level is Level.DISTRICT:
            return territory
        return self.find(territory.parent) if territory.is_village else None

    def covers(self, latitude: float, longitude: float, margin_m: float = 0.0) -> bool:
        """Tell whether a point lies in the regency's bounding box or at most `margin_m` metres from it.

        Most of the sea off the coast is outside the box, and calls from across the border are real: a margin is
        for what must not be turned away. Never true for NaN.
        """
        return isfinite(latitude + longitude) and any(
            one.level is Level.REGENCY and one.metres_to_box(latitude, longitude) <= margin_m for one in self._all
        )

    def by_name(self, text: str, limit: int = 5) -> list[Candidate]:
        """Return what a name may mean, best first.

        Spelling variants are forgiven (hyphens, doubled letters, `Jangan2`); a level word (`Kec.`, `Desa`) and
        what follows a comma (`Takkalasi, Balusu`) lower the score of what they do not fit. Equal names of
        different places come back with equal scores.
        """
        first, _, rest = text.partition(",")
        level, flat, spelled = _asked(first)
        if not flat:
            return []
        context = _asked(rest)[2]
        found = []
        for territory, own_flat, own_spelled in self._named:
            scored = _score(flat, spelled, own_flat, own_spelled)
            if scored is None:
                continue
            score, reason = scored
            if level is not None and territory.level is not level:
                score *= _OTHER_LEVEL
            if context and not self._is_in(territory, context):
                score *= _OTHER_PARENT
            found.append(Candidate(territory, round(score, 4), reason))
        return _best(found, limit)

    def by_point(self, latitude: float, longitude: float, limit: int = 5) -> list[Candidate]:
        """Return the villages a point may be in, best first; empty where it is in none and near none.

        Boxes overlap, so several villages are the rule. The score falls with the distance to the centroid in
        proportion to the village's size, and is below 0.5 outside the box.
        """
        if not (isfinite(latitude) and isfinite(longitude)):
            return []
        found = []
        for village in self.villages:
            distance = village.metres_to_box(latitude, longitude)
            if distance > _NEAR_M:
                continue
            inside = distance == 0
            # In halves of the box: 0 at the centroid, about 1 at an edge.
            north = 2 * (latitude - village.latitude) / (village.max_latitude - village.min_latitude)
            east = 2 * (longitude - village.longitude) / (village.max_longitude - village.min_longitude)
            score = 1 - 0.5 * min(hypot(north, east), 1) if inside else 0.5 * (1 - distance / _NEAR_M)
            reason = MatchReason.INSIDE_BOX if inside else MatchReason.NEAR_BOX
            from_centre = metres(latitude, longitude, village.latitude, village.longitude)
            found.append(Candidate(village, round(max(score, 0.0001), 4), reason, round(from_centre)))
        return _best(found, limit)

    def _is_in(self, territory: Territory, context: str) -> bool:
        parent = self.find(territory.parent)
        while parent is not None:
            if _keys(parent.name)[1] == context:
                return True
            parent = self.find(parent.parent)
        return False


def _best(found: list[Candidate], limit: int) -> list[Candidate]:
    found.sort(key=lambda one: (-one.score, one.distance_m or 0.0, one.territory.code))
    return found[:limit]


def _asked(text: str) -> tuple[Level | None, str, str]:
    """Split a typed name into its level word, if any, and the keys of the rest."""
    words = _WORD.findall(_plain(text))
    if len(words) > 1 and words[0] in _LEVEL_WORDS:
        return _LEVEL_WORDS[words[0]], *_keys(" ".join(words[1:]))
    return None, *_keys(" ".join(words))


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _keys(name: str) -> tuple[str, str]:
    """Return a name without spaces and marks, and the same without what people spell differently."""
    words = _WORD.findall(_plain(name))
    if words and words[0] in {"kabupaten", "kab"}:
        words = words[1:]
    flat = "".join(words[at - 1] if word == "2" and at else word for at, word in enumerate(words))
    spelled = re.sub(r"(.)\1+", r"\1", flat.replace("oe", "u").replace("dj", "j").replace("tj", "c"))
    return flat, spelled


def _score(flat: str, spelled: str, own_flat: str, own_spelled: str) -> tuple[float, MatchReason] | None:
    if flat == own_flat:
        return _SAME, MatchReason.SAME_NAME
    if spelled == own_spelled:
        return _SPELLING, MatchReason.SAME_SPELLING
    if len(flat) >= 3 and own_flat.startswith(flat):
        return _BEGINS * (0.75 + 0.25 * len(flat) / len(own_flat)), MatchReason.BEGINS
    likeness = SequenceMatcher(None, spelled, own_spelled).ratio()
    return (likeness * _SIMILAR, MatchReason.SIMILAR) if likeness >= _LEAST_LIKE else None
