"""Small tools for what apps send: rows judged one by one, times without a zone, our mark in a text."""

import hashlib
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from gateway.model.codes import MARK, parse_key
from gateway.sdk.errors import ContractBroken
from gateway.sdk.types import News, Unreadable

Row = TypeVar("Row")

_MISREAD: Final = (
    ContractBroken,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,  # includes msgspec.ValidationError and UnicodeError
)
"""How translating a row that is not as agreed can fail."""

_QUOTED: Final = re.compile(r"'[^']*'")


def rows(
    items: Iterable[Row],
    decode: Callable[[Row], News | Iterable[News] | None],
    identify: Callable[[Row], str],
) -> list[News]:
    """Translate rows one by one; a row that cannot be read becomes `Unreadable`, its neighbours go on.

    `decode` gives a row's news: one, several, or None for a row that means nothing here. `identify` names a
    row that could not be read; where that fails too, its digest does. Errors that are not about a row's
    content (the app is unreachable) are not caught.
    """
    news: list[News] = []
    for row in items:
        try:
            given = decode(row)
            found = [] if given is None else [given] if isinstance(given, News) else list(given)
        except _MISREAD as error:
            news.append(_unreadable(row, error, identify))
        else:
            news.extend(found)
    return news


def _unreadable(row: Row, error: Exception, identify: Callable[[Row], str]) -> Unreadable:
    raw = _raw(row)
    try:
        name = str(identify(row))
    except _MISREAD:
        name = ""
    # Values of the row are blotted out: the reason stands in entries and logs, the row itself in quarantine.
    told = _QUOTED.sub("'…'", str(error)) if isinstance(error, msgspec.ValidationError) else ""
    reason = f"{type(error).__name__}: {told}" if told else type(error).__name__
    return Unreadable(id=name or f"sha256:{hashlib.sha256(raw).hexdigest()}", reason=reason, raw=raw)


def _raw(row: object) -> bytes:
    if isinstance(row, bytes):
        return row
    try:
        return msgspec.json.encode(row)
    except (TypeError, ValueError, RecursionError):
        return repr(row).encode("utf-8", "backslashreplace")


def local_time(text: str, fmt: str, zone: ZoneInfo | str) -> datetime:
    """Read a time that carries no zone, in the app's `fmt` (strptime) and `zone`; return it in UTC.

    Raises ValueError where the text is not of that form or already carries a zone.
    """
    naive = datetime.strptime(text, fmt)  # noqa: DTZ007 - the zone follows from the app's contract
    if naive.tzinfo is not None:
        raise ValueError("the time carries a zone of its own")
    return naive.replace(tzinfo=ZoneInfo(zone) if isinstance(zone, str) else zone).astimezone(UTC)


def mark(text: str) -> str | None:
    """Return our delivery key from the last valid `[BRU-…-N]` in a text, None if there is none."""
    found = [key for key in MARK.findall(text) if parse_key(key) is not None]
    return found[-1] if found else None
