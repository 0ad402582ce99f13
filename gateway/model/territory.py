"""Districts and villages of Barru in the code systems that apps use, and what a name or a point may mean.

Two systems collide: Kemendagri calls Barru `73.11`, BPS calls it `7310`; read in the other system each is a
neighbouring regency and nothing complains. So a code always travels with its system, and reading one in a system
it is not of is refused with the reason. Names and points only ever give ranked candidates: choosing is a person's.
"""

import re
from enum import StrEnum
from math import cos, hypot, radians
from typing import Final

import msgspec

REGENCY: Final = "73.11"
"""Kemendagri code of Kabupaten Barru."""
REGENCY_BPS: Final = "7310"
"""BPS 2018 code of Kabupaten Barru."""

_COMPACT: Final = REGENCY.replace(".", "")
_DOTTED_FORM: Final = re.compile(r"[0-9]{2}\.[0-9]{2}(?:\.[0-9]{2}(?:\.[0-9]{4})?)?")
_COMPACT_FORM: Final = re.compile(r"[0-9]{4}(?:[0-9]{2}(?:[0-9]{4})?)?")
_BPS_FORM: Final = re.compile(r"[0-9]{4}(?:[0-9]{3}(?:[0-9]{3})?)?")
_METRES_PER_DEGREE: Final = 111_195.0


class CodeSystem(StrEnum):
    """Whose code it is: Kemendagri with dots, the same without dots, or the statistics office's list of 2018."""

    KEMENDAGRI = "kemendagri"
    COMPACT = "compact"
    BPS = "bps2018"


class Level(StrEnum):
    """Level of a territory. Kelurahan and desa are both villages here; a kelurahan has no village government."""

    REGENCY = "regency"
    DISTRICT = "district"
    KELURAHAN = "kelurahan"
    DESA = "desa"


class CodeFault(StrEnum):
    """Why a code was refused."""

    MALFORMED = "malformed"
    OTHER_SYSTEM = "other_system"
    OUTSIDE = "outside_regency"
    UNKNOWN = "unknown"


class CodeRefused(ValueError):
    """A territory code that cannot be taken: `reason` is a CodeFault, the message says what to do instead."""

    def __init__(self, code: str, system: CodeSystem, reason: CodeFault, detail: str) -> None:
        super().__init__(f"{code!r} read as {system} code: {detail}")
        self.code, self.system, self.reason = code, system, reason


class Territory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One regency, district or village. `code` is dotted Kemendagri, `bps` None where BPS 2018 has no code for it.

    Centroid and bounding box are WGS 84 degrees.
    """

    code: str
    compact: str
    level: Level
    name: str
    parent: str
    bps: str | None
    latitude: float
    longitude: float
    min_latitude: float
    min_longitude: float
    max_latitude: float
    max_longitude: float

    @property
    def is_village(self) -> bool:
        """Tell whether this is a kelurahan or desa."""
        return self.level in {Level.KELURAHAN, Level.DESA}

    def in_system(self, system: CodeSystem) -> str | None:
        """Return this territory's code in a system; None where that system has none."""
        if system is CodeSystem.KEMENDAGRI:
            return self.code
        return self.compact if system is CodeSystem.COMPACT else self.bps

    def bounds(self, latitude: float, longitude: float) -> bool:
        """Tell whether a point lies within the bounding box (never true for NaN)."""
        return (
            self.min_latitude <= latitude <= self.max_latitude and self.min_longitude <= longitude <= self.max_longitude
        )

    def metres_to_box(self, latitude: float, longitude: float) -> float:
        """Return the distance from a point to the bounding box, 0 within it; metres."""
        nearest_latitude = min(max(latitude, self.min_latitude), self.max_latitude)
        nearest_longitude = min(max(longitude, self.min_longitude), self.max_longitude)
        return metres(latitude, longitude, nearest_latitude, nearest_longitude)


def metres(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Return the distance between two points in metres (flat earth: good to a metre within the regency)."""
    north = (latitude - other_latitude) * _METRES_PER_DEGREE
    east = (longitude - other_longitude) * _METRES_PER_DEGREE * cos(radians((latitude + other_latitude) / 2))
    return hypot(north, east)


def to_dotted(compact: str) -> str:
    """Turn a compact Kemendagri code (4, 6 or 10 digits) into the dotted one.

    Raises CodeRefused for anything that is not a compact code of Barru, first of all for a BPS code, which looks
    the same but for its first four digits.
    """
    expect(compact, CodeSystem.COMPACT)
    parts = (compact[:2], compact[2:4], compact[4:6], compact[6:])
    return ".".join(part for part in parts if part)


def to_compact(dotted: str) -> str:
    """Turn a dotted Kemendagri code of Barru into the compact one; raises CodeRefused."""
    expect(dotted, CodeSystem.KEMENDAGRI)
    return dotted.replace(".", "")


def system_of(code: str) -> CodeSystem | None:
    """Tell which system a code of Barru is written in, by its form and first digits; None if it is not Barru's.

    Only for reading what people type: an app's code is read in the system its contract names.
    """
    if _DOTTED_FORM.fullmatch(code) and _within(code, CodeSystem.KEMENDAGRI):
        return CodeSystem.KEMENDAGRI
    if _COMPACT_FORM.fullmatch(code) and code.startswith(_COMPACT):
        return CodeSystem.COMPACT
    if _BPS_FORM.fullmatch(code) and code.startswith(REGENCY_BPS):
        return CodeSystem.BPS
    return None


def _within(code: str, system: CodeSystem) -> bool:
    if system is CodeSystem.KEMENDAGRI:
        return code == REGENCY or code.startswith(f"{REGENCY}.")
    return code.startswith(_COMPACT if system is CodeSystem.COMPACT else REGENCY_BPS)


def expect(code: str, system: CodeSystem) -> None:
    """Raise CodeRefused unless `code` has the form of a code of Barru in `system` (it may still be unknown)."""
    fits = _FORMS[system].fullmatch(code) is not None
    if fits and _within(code, system):
        return
    other = system_of(code)
    if other is not None and other is not system:
        raise CodeRefused(code, system, CodeFault.OTHER_SYSTEM, f"it is a {other} code; say so or translate it")
    if not fits:
        raise CodeRefused(code, system, CodeFault.MALFORMED, _EXPECTED[system])
    raise CodeRefused(code, system, CodeFault.OUTSIDE, "it belongs to another regency than Barru")


_FORMS: Final = {CodeSystem.KEMENDAGRI: _DOTTED_FORM, CodeSystem.COMPACT: _COMPACT_FORM, CodeSystem.BPS: _BPS_FORM}
_EXPECTED: Final = {
    CodeSystem.KEMENDAGRI: "expected dots, as in 73.11.07.1001",
    CodeSystem.COMPACT: "expected 4, 6 or 10 digits, as in 7311071001",
    CodeSystem.BPS: "expected 4, 7 or 10 digits, as in 7310041003",
}


class MatchReason(StrEnum):
    """Why a territory is a candidate for a name or a point."""

    SAME_NAME = "same_name"
    SAME_SPELLING = "same_spelling"
    BEGINS = "begins"
    SIMILAR = "similar"
    INSIDE_BOX = "inside_box"
    NEAR_BOX = "near_box"


class Candidate(msgspec.Struct, frozen=True):
    """A territory that may be meant: `score` in (0, 1], the reason, and for points the metres to the centroid."""

    territory: Territory
    score: float
    reason: MatchReason
    distance_m: float | None = None
