"""The destinations of Singgah Di Barru, as its `getdestinasi` lists them, and which of them a place means."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from gateway import sdk
from gateway.sdk import territory

NEAR_M: Final = 3000.0
"""How many metres from a destination's point a reporter may be and still mean it."""

_DECIMAL: Final = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,20})?")


class Destination(msgspec.Struct, frozen=True):
    """A destination or lodging; `desa` is its village in compact Kemendagri code, empty on islands without one."""

    id: str
    nama: str
    desa: str = ""
    lat: str = ""
    lon: str = ""

    @property
    def village(self) -> str | None:
        """The dotted code of its village; None where it has none in Barru."""
        try:
            return territory.to_dotted(self.desa) if len(self.desa) == 10 else None
        except territory.CodeRefused:
            return None

    @property
    def point(self) -> tuple[float, float] | None:
        """Its latitude and longitude."""
        return point_of(self.lat, self.lon)


Destinations = Mapping[str, Destination]
"""Destinations by id."""


def destinations_of(rows: Iterable[Any]) -> dict[str, Destination]:
    """Decode the list. An entry that cannot be read is no destination; its neighbours are."""
    found: dict[str, Destination] = {}
    for row in rows:
        try:
            msgspec.json.encode(row)  # half an emoji is no text
            one = msgspec.convert(row, Destination)
            _ = one.point
        except ValueError:
            continue
        found[one.id] = one
    return found


def point_of(lat: str, lon: str) -> tuple[float, float] | None:
    """Read latitude and longitude, None where both are empty. Raises ValueError where they are no point on earth."""
    if not (lat or lon):
        return None
    if not (_DECIMAL.fullmatch(lat) and _DECIMAL.fullmatch(lon)):
        raise ValueError("a coordinate that is no decimal")
    latitude, longitude = float(lat), float(lon)
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise ValueError("a point that is none on earth")
    return latitude, longitude


def meant(known: Destinations, site: sdk.Site, answer: object) -> str:
    """Return the id of the destination that a report is about, empty where that is not certain.

    What the reporter answered (`answer`: an id, or a name that one destination alone has) comes first, then the nearest
    destination within `NEAR_M`, then the only one of the village.
    """
    said = str(answer).strip().casefold() if isinstance(answer, str | int) else ""
    if said in known:
        return said
    if said and (named := _only(one.id for one in known.values() if one.nama.strip().casefold() == said)):
        return named
    if site.latitude is not None and site.longitude is not None:
        away = {
            one.id: territory.metres(site.latitude, site.longitude, *one.point)
            for one in known.values()
            if one.point is not None
        }
        nearest = min(away, key=lambda name: (away[name], name), default="")
        if nearest and away[nearest] <= NEAR_M:
            return nearest
    if site.codes is None:
        return ""
    return _only(one.id for one in known.values() if one.village == site.codes.kemendagri)


def _only(names: Iterable[str]) -> str:
    found = list(names)
    return found[0] if len(found) == 1 else ""
