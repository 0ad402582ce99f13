"""The ends of a report, counted, and the events by which the gateway closes a case or opens it again."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from gateway.kernel.ledger import Act
from gateway.kernel.ledger.progress import DESK, said
from gateway.kernel.ledger.reading import Row
from gateway.model.case import CaseEvent
from gateway.model.status import Status

REOPENED: Final = "gateway:reopened:"
"""Beginning of the ids of events by which cases are reopened; the number of the end that they undo follows."""
_INSTANT: Final = timedelta(microseconds=1)


def endings(events: Iterable[Iterable[CaseEvent]]) -> int:
    """Return the number of a report's present or coming end, given the events of all its cases: one more than it was
    reopened."""
    undone = {event.id for case in events for event in case if event.id.startswith(REOPENED)}
    return 1 + len(undone)


def by_gateway(
    act: Act,
    case: Row,
    known: Iterable[CaseEvent],
    status: Status,
    name: str | None = None,
    now: datetime | None = None,
) -> CaseEvent:
    """Return an event by which the gateway closes or reopens a case, after everything that is known of it.

    In a case of an app it stands in the app's own time (`now`), before the second in which it is said: an app's clock
    need not agree with ours and may tell whole seconds only, and what its officer does next comes after it.
    """
    before = list(known)
    event = said(act, case, before, status)
    at = event.at
    if case["app"] != DESK:
        begun = (now or event.at).replace(microsecond=0) - _INSTANT
        at = max([begun, *(one.at + _INSTANT for one in before)])
    return msgspec.structs.replace(event, id=name or event.id, at=at, by_gateway=True)
