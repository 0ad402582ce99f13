"""What a citizen may be told about a report, and which moves between those words are legal."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Status of a case (one report inside one app) and, folded, of the whole report."""

    RECEIVED = "received"
    VERIFIED = "verified"
    NEEDS_INFO = "needs_info"
    ROUTED = "routed"
    IN_PROGRESS = "in_progress"
    ON_SCENE = "on_scene"
    RESOLVED = "resolved"
    CLOSED = "closed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    DUPLICATE = "duplicate"
    REOPENED = "reopened"


OPEN: Final = frozenset(
    {
        Status.RECEIVED,
        Status.VERIFIED,
        Status.NEEDS_INFO,
        Status.ROUTED,
        Status.IN_PROGRESS,
        Status.ON_SCENE,
        Status.REOPENED,
    }
)
ENDED: Final = frozenset(Status) - OPEN

GATEWAY_ONLY: Final = frozenset({Status.CLOSED, Status.REOPENED})
"""Only the gateway closes (citizen confirms, or the closing clock) and reopens; an app's "done" is `resolved`."""

RANK: Final[dict[Status, int]] = {
    Status.RECEIVED: 0,
    Status.VERIFIED: 1,
    Status.ROUTED: 2,
    Status.NEEDS_INFO: 3,
    Status.IN_PROGRESS: 4,
    Status.ON_SCENE: 5,
    Status.DUPLICATE: 6,
    Status.CANCELLED: 6,
    Status.REJECTED: 7,
    Status.RESOLVED: 8,
    Status.CLOSED: 9,
    Status.REOPENED: 10,
}
"""Progress, used only to order events that carry the same instant."""

_WORKED: Final = OPEN - {Status.RECEIVED, Status.REOPENED}
_AGAIN: Final = (_WORKED - {Status.VERIFIED}) | GATEWAY_ONLY
_OUTCOMES: Final = frozenset({Status.RESOLVED, Status.REJECTED, Status.CANCELLED, Status.DUPLICATE})

TRANSITIONS: Final[dict[Status, frozenset[Status]]] = {
    Status.RECEIVED: _WORKED | _OUTCOMES,
    Status.VERIFIED: (_WORKED | _OUTCOMES) - {Status.VERIFIED},
    Status.NEEDS_INFO: (_WORKED | _OUTCOMES) - {Status.NEEDS_INFO},
    Status.ROUTED: (_WORKED | _OUTCOMES) - {Status.ROUTED},
    Status.IN_PROGRESS: (_WORKED | _OUTCOMES) - {Status.IN_PROGRESS, Status.VERIFIED},
    Status.ON_SCENE: (_WORKED | _OUTCOMES) - {Status.ON_SCENE, Status.VERIFIED},
    # An officer may take a finished case up again in his own app: later evidence is believed, not refused. Were it
    # refused after one end and not after another, an older event that comes late could undo a newer one.
    Status.RESOLVED: _AGAIN | {Status.REJECTED},
    Status.REJECTED: _AGAIN | {Status.RESOLVED},
    Status.CANCELLED: _AGAIN | _OUTCOMES - {Status.CANCELLED},
    Status.DUPLICATE: _AGAIN | _OUTCOMES - {Status.DUPLICATE},
    Status.CLOSED: frozenset({Status.REOPENED}),
    Status.REOPENED: _WORKED | _OUTCOMES,
}
"""Which status may follow which. A move that is not here changes nothing (the event is kept, *superseded*)."""


def may_follow(before: Status, after: Status) -> bool:
    """Tell whether a case in status `before` may move to `after`."""
    return after in TRANSITIONS[before]


def report_status(cases: Iterable[Status]) -> Status:
    """Fold the statuses of a report's cases into the status of the report; first match wins.

    A report without a case yet is `received`. Ending in one app never ends the whole report: as long as one
    case is open the report is open.
    """
    seen = set(cases)
    if not seen:
        return Status.RECEIVED
    if Status.NEEDS_INFO in seen:
        return Status.NEEDS_INFO
    if Status.ON_SCENE in seen:
        return Status.ON_SCENE
    if seen & {Status.IN_PROGRESS, Status.REOPENED}:
        return Status.IN_PROGRESS if Status.IN_PROGRESS in seen else Status.REOPENED
    for status in (Status.ROUTED, Status.VERIFIED, Status.RECEIVED):
        if status in seen:
            return status
    for status in (Status.RESOLVED, Status.CLOSED, Status.REJECTED):
        if status in seen:
            return status
    return Status.DUPLICATE if seen == {Status.DUPLICATE} else Status.CANCELLED
