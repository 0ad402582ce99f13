"""Where the reading of Si-GAPDes' changes stands: pure rules over its own times and numbers, and undecoded rows."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from . import wire

BEGINNING = "2000-01-01 00:00:00"
OVERLAP = timedelta(minutes=2)
"""What the app commits late lies at most so far behind what was already seen."""

LATEST_AHEAD = timedelta(hours=1)
"""How far ahead of us an app's clock may be and still be believed in a row."""


class Feed(msgspec.Struct, omit_defaults=True):
    """Where the poll of one kind stands, in the app's own time.

    The greatest id; since when changes are asked for and which page of them; the latest change seen; and the
    versions of rows near it that were told already, for the overlap brings them again.
    """

    id: int = 0
    since: str = BEGINNING
    page: int = 1
    latest: str = BEGINNING
    told: list[str] = []


def stamp(at: datetime, zone: ZoneInfo) -> str:
    """Return an instant as the app writes it."""
    return at.astimezone(zone).strftime(wire.TIME)


def before(at: str, span: timedelta) -> str:
    """Return the app's time `span` earlier."""
    return (datetime.strptime(at, wire.TIME) - span).strftime(wire.TIME)  # noqa: DTZ007 - it has no zone


def next_page(since: str, page: int, times: Sequence[str]) -> tuple[str, int]:
    """Return where the next page of changes begins: at the last time seen, so that rows that move shift nothing.

    Only where a whole page lies within one second is a page number of use.
    """
    return (newest, 1) if (newest := max(times, default=since)) > since else (since, page + 1)


def changed_at(row: Any) -> str | None:
    """Return when an undecoded row changed; None where it does not say so in the app's form."""
    try:
        return datetime.strptime(row["updated_at"], wire.TIME).strftime(wire.TIME)  # noqa: DTZ007 - it has no zone
    except (LookupError, TypeError, ValueError):
        return None


def version(row: Any, otherwise: str) -> str:
    """Name an undecoded row as it is now: when it changed, and a digest of all it says."""
    said = blake2b(json.dumps(row, sort_keys=True).encode(), digest_size=8).hexdigest()
    return f"{changed_at(row) or otherwise} {said}"


def last_id(born: Sequence[Any], known: int) -> int:
    """Return the greatest number among undecoded rows, at least the one known."""
    return max([known, *(number for row in born if (number := _number(row)) is not None)])


def last_of_each(rows: Sequence[Any]) -> list[Any]:
    """Return undecoded rows without those that come again further on, where they were read later."""
    last = {_number(row): place for place, row in enumerate(rows)}
    return [row for place, row in enumerate(rows) if _number(row) is None or last[_number(row)] == place]


def _number(row: Any) -> int | None:
    number = row.get("id") if isinstance(row, dict) else None
    return number if isinstance(number, int) else None
