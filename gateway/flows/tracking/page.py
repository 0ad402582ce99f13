"""Lists by pages: the cursor is where the last page ended, opaque to callers, good for one order only."""

import base64
import binascii
import re
from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from gateway.flows.tracking.queries import Filters, Known
from gateway.model.codes import parse_code
from gateway.model.problem import Fault, Problem
from gateway.model.status import Status

WITA: Final = ZoneInfo("Asia/Makassar")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class _Mark(msgspec.Struct, frozen=True, array_like=True):
    at: datetime
    code: str


def cursor_after(last: Known) -> str:
    """Return the cursor of the page that follows a report."""
    mark = msgspec.json.encode(_Mark(last.whole.report["received_at"], last.whole.code))
    return base64.urlsafe_b64encode(mark).rstrip(b"=").decode()


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Return where a cursor stands. Raises Problem `invalid-cursor` for anything we did not make."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        mark = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=_Mark)
    except (binascii.Error, msgspec.MsgspecError, UnicodeError, ValueError):
        raise Problem("invalid-cursor") from None
    if mark.at.tzinfo is None or parse_code(mark.code) != mark.code:
        raise Problem("invalid-cursor")
    return mark.at, mark.code


def filters(service: str | None, status: Status | None, since: str | None, q: str | None) -> Filters:
    """Return what a list is narrowed to, from what was typed."""
    return Filters(
        service=service,
        status=status and str(status),
        since=_since(since) if since else None,
        code=q and parse_code(q),
        number=q and q.strip(),
    )


def _since(text: str) -> datetime:
    """Return an instant from RFC 3339, or the beginning of a day in Barru (`2026-01-28`)."""
    try:
        if _DAY.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), time(), WITA)
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Problem("invalid-parameter", faults=[Fault(code="bad-time", parameter="since")]) from None
    return at if at.tzinfo is not None else at.replace(tzinfo=WITA)
