"""A report followed live, as server-sent events (WHATWG): what stood when it began, then whatever is new.

Events are `report` (how it stands) and `told` (a row of the timeline, named by its `id`). After a break the
reader names the last one it saw and gets what came since; a row may come twice then, never not at all.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from litestar.response import ServerSentEventMessage

from gateway.flows.tracking import queries
from gateway.flows.tracking.bodies import ReportView
from gateway.flows.tracking.door import enter
from gateway.flows.tracking.eyes import eyes_of, sees_notes
from gateway.flows.tracking.show import Shower
from gateway.kernel.coordination import Wake
from gateway.kernel.ledger import Ledger
from gateway.model.principal import Principal, Scope
from gateway.model.problem import Problem

BEAT: Final = 15.0
"""Seconds after which a sign of life is sent, and the report is looked at whether anything rang or not."""
LIFE: Final = 900.0
"""Seconds after which a stream ends; the reader comes back by itself."""
_OVERLAP: Final = timedelta(seconds=5)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a report stands."""

    code: str
    status: str
    status_title: str
    updated_at: datetime


class _Reader:
    """Identity of one open stream among those who wait for a ring."""

    __slots__ = ("__weakref__",)


async def follow(
    ledger: Ledger,
    wake: Wake,
    shower: Shower,
    principal: Principal,
    scope: Scope,
    code: str,
    secret: str | None,
    last: str | None,
) -> AsyncIterator[ServerSentEventMessage]:
    """Yield the events of a report until the stream's life is over or the caller may no longer see it.

    `last` is the id of the last row seen (Last-Event-ID); without it the whole timeline comes first. Who may see
    the report is asked anew each time: a secret that was ended, or a role that was taken away, ends the stream.
    """
    reader, ends = _Reader(), ledger.clock.monotonic() + LIFE
    seen: set[UUID] = set()
    since, stood = _instant(last), ""
    if last is not None and since is not None:
        seen.add(UUID(last))
    while True:
        try:
            entered = await enter(ledger, principal, scope, code, secret)
        except Problem:
            return
        whole = entered.known.whole
        eyes = eyes_of(principal, whole, entered.by_secret)
        view = shower.report(entered.known, eyes)
        fresh = [
            row
            for row in await ledger.read(queries.timeline, whole.id, sees_notes(eyes))
            if row["id"] not in seen and (since is None or _made(row["id"]) >= since)
        ]
        seen.update(row["id"] for row in fresh)
        for row, told in zip(fresh, shower.timeline(whole, fresh, eyes), strict=True):
            yield _event("told", told, row["id"].hex)
        if view.status != stood:
            stood = view.status
            yield _event("report", _standing(view))
        left = ends - ledger.clock.monotonic()
        if left <= 0:
            return
        if not await wake.wait({f"report:{whole.code}"}, min(BEAT, left), reader):
            yield ServerSentEventMessage(data=None, comment="…")


def _event(name: str, value: object, id_: str | None = None) -> ServerSentEventMessage:
    return ServerSentEventMessage(data=msgspec.json.encode(value), event=name, id=id_)


def _standing(view: ReportView) -> Standing:
    return Standing(code=view.code, status=view.status, status_title=view.status_title, updated_at=view.updated_at)


def _made(row_id: UUID) -> int:
    """Return when a row was made, in milliseconds, as its id tells (RFC 9562, version 7)."""
    return row_id.int >> 80


def _instant(last: str | None) -> int | None:
    """Return from when on rows are new to a reader who has seen `last`; None if that is no id of ours.

    Rows are committed in another order than they are made, so a little is read again.
    """
    try:
        return None if last is None else _made(UUID(last)) - int(_OVERLAP.total_seconds() * 1000)
    except ValueError:
        return None
