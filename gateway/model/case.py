"""A case is one report inside one app (or at the gateway's own desk); its status is a fold of all its events.

The fold sorts before it judges, so the order in which events arrive, and how often, cannot matter.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from gateway.model.status import GATEWAY_ONLY, RANK, Status, may_follow


class CaseEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a case, as its app, the desk or the gateway said it.

    `id` is unique within the case. `seq` is the app's own running number for this case, where it has one;
    `at` is the app's time (UTC). `status` is None where the event moves nothing (a note, a comment).
    """

    id: str
    at: datetime
    status: Status | None
    seq: int | None = None
    word: str | None = None
    by_gateway: bool = False


class Folded(msgspec.Struct, frozen=True):
    """Result of a fold: the status, the app's last effective word, since when, and what changed nothing."""

    status: Status
    word: str | None
    since: datetime | None
    superseded: frozenset[str]


def _content(event: CaseEvent) -> tuple[Any, ...]:
    """All that an event says, comparable: of two that claim the same id the same one wins whatever came first."""
    status, word = event.status or "", event.word or ""
    return (event.at, event.seq is not None, event.seq or 0, status, event.word is not None, word, event.by_gateway)


def in_order(events: Iterable[CaseEvent]) -> list[CaseEvent]:
    """Sort events into the one order in which they are judged, whatever order they came in.

    An app's sequence rules over its times: an event counts as no earlier than the latest of those numbered
    before it. Ties are broken by sequence, by progress and by id.
    """
    once = {event.id: event for event in sorted(events, key=_content)}
    effective: dict[str, datetime] = {}
    latest: datetime | None = None
    for event in sorted((e for e in once.values() if e.seq is not None), key=lambda e: (e.seq or 0, e.at, e.id)):
        latest = event.at if latest is None else max(latest, event.at)
        effective[event.id] = latest

    def place(event: CaseEvent) -> tuple[datetime, int, int, str]:
        rank = RANK[event.status] if event.status else -1
        return (effective.get(event.id, event.at), event.seq if event.seq is not None else -1, rank, event.id)

    return sorted(once.values(), key=place)


def fold(events: Iterable[CaseEvent], start: Status = Status.RECEIVED) -> Folded:
    """Fold a case's events into its status.

    An event whose move is not legal from where the case then stands, or that changes nothing, is listed in
    `superseded`; events without a status are never superseded. The gateway closed or reopened a case on what it
    knew then: an event that comes late and belongs before that does not undo it. Nor does an app end a reopened
    case by repeating the word with which it had ended: many tell how a record stands whenever anything in it changes.
    """
    status, word, since = start, None, None
    said: str | None = None  # the app's last word, whatever the gateway said since
    superseded: set[str] = set()
    for event in in_order(events):
        if event.status is None:
            continue
        repeated = status is Status.REOPENED and event.word is not None and event.word == said
        if repeated or (event.status in GATEWAY_ONLY and not event.by_gateway):
            superseded.add(event.id)
        elif event.status == status:
            if since is None:
                since, word, said = event.at, event.word, event.word
            elif event.word is not None and event.word != word:
                word = said = event.word  # another word of the app for the same status: news for the desk
            else:
                superseded.add(event.id)
        elif event.status in GATEWAY_ONLY or may_follow(status, event.status):
            status, word, since = event.status, event.word, event.at
            said = said if event.by_gateway else event.word
        else:
            superseded.add(event.id)
    return Folded(status, word, since, frozenset(superseded))
