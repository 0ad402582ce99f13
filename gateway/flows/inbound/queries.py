"""Reads of the inbound flow (the gateway's own work: no caller's scope applies)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.reading import Whole, with_events
from gateway.model.case import CaseEvent
from gateway.model.delivery import DeliveryState
from gateway.model.file import DocumentState
from gateway.model.principal import EVERYTHING

Row = dict[str, Any]


def known_ids(connection: Connection, app: str, ids: Sequence[str]) -> set[str]:
    """Return those of the ids that the inbox of an app already holds."""
    found = connection.execute(select(t.inbox.c.event_id).where(t.inbox.c.app == app, t.inbox.c.event_id.in_(ids)))
    return set(found.scalars())


def due(connection: Connection, app: str, real: datetime, limit: int, *, hints: bool) -> list[Row]:
    """Return hints of an app that wait to be followed, or its other news that waits to be applied or matched, oldest
    first."""
    found = connection.execute(
        select(t.inbox)
        .where(
            t.inbox.c.app == app,
            t.inbox.c.hint == hints,
            t.inbox.c.state.in_(["new", "parked"]),
            t.inbox.c.due_at <= real,
        )
        .order_by(t.inbox.c.due_at, t.inbox.c.received_at, t.inbox.c.event_id)
        .limit(limit)
    )
    return [dict(row) for row in found.mappings()]


def backlog(connection: Connection, app: str, most: int) -> int:
    """Return how much news of an app waits to be applied, counted no further than to `most`."""
    waiting = select(t.inbox.c.event_id).where(t.inbox.c.state == "new", t.inbox.c.app == app).limit(most)
    return int(connection.execute(select(func.count()).select_from(waiting.subquery())).scalar_one())


def standing(
    connection: Connection, app: str, event_ids: Sequence[str], report_id: UUID
) -> tuple[dict[str, Row], Whole, dict[UUID, list[CaseEvent]]]:
    """Return inbox rows of an app as they stand, by id, and the report they are about with the events of its cases."""
    mine = (t.inbox.c.app == app, t.inbox.c.event_id.in_(event_ids))
    rows = {row["event_id"]: dict(row) for row in connection.execute(select(t.inbox).where(*mine)).mappings()}
    found = with_events(connection, EVERYTHING, report_id)
    assert found is not None, "a case without a report breaks a foreign key"
    return rows, *found


def cursor(connection: Connection, app: str) -> Row | None:
    """Return how far an app has been read; None before the first time."""
    found = connection.execute(select(t.cursor).where(t.cursor.c.app == app)).mappings().first()
    return None if found is None else dict(found)


def unresolved(connection: Connection, app: str) -> bool:
    """Tell whether any delivery to an app may have arrived without our knowing."""
    after_unsure = and_(t.delivery.c.state == DeliveryState.HELD, t.delivery.c.absences > 0)
    found = connection.execute(
        select(t.delivery.c.id)
        .where(
            t.delivery.c.app == app,
            or_(t.delivery.c.state.in_([DeliveryState.SENDING, DeliveryState.UNSURE]), after_unsure),
        )
        .limit(1)
    )
    return found.first() is not None


def held(connection: Connection, app: str, values: Sequence[str]) -> set[tuple[str, str]]:
    """Return which numbers of an app, by kind, belong to a case already."""
    mine = (t.reference.c.app == app, t.reference.c.value.in_(values))
    return {
        (kind, value)
        for kind, value in connection.execute(select(t.reference.c.kind, t.reference.c.value).where(*mine))
    }


def sequence(connection: Connection, case_id: UUID) -> set[int]:
    """Return the app's sequence numbers known for a case."""
    found = connection.execute(select(t.event.c.seq).where(t.event.c.case_id == case_id, t.event.c.seq.is_not(None)))
    return set(found.scalars())


def last_changed(connection: Connection, app: str, since: datetime, until: datetime) -> list[tuple[UUID, list[str]]]:
    """Return the cases whose last word from the app lies in a span, each with the app's numbers for it."""
    spoken = (
        select(t.event.c.case_id, func.max(t.event.c.at).label("last"))
        .join(t.cases, t.cases.c.id == t.event.c.case_id)
        .where(t.cases.c.app == app, t.event.c.by_gateway.is_(False))
        .group_by(t.event.c.case_id)
        .subquery()
    )
    numbers: dict[UUID, list[str]] = {}
    found = connection.execute(
        select(spoken.c.case_id, t.reference.c.value)
        .join(t.reference, t.reference.c.case_id == spoken.c.case_id)
        .where(spoken.c.last >= since, spoken.c.last < until, t.reference.c.app == app)
        .order_by(t.reference.c.value)
    )
    for case_id, value in found:
        numbers.setdefault(case_id, []).append(value)
    return list(numbers.items())


def open_alerts(connection: Connection, app: str, kind: str) -> dict[str, UUID]:
    """Return the alerts of a kind about an app that nobody has cleared, by subject."""
    found = connection.execute(
        select(t.alert.c.subject, t.alert.c.id).where(
            t.alert.c.app == app, t.alert.c.kind == kind, t.alert.c.cleared_at.is_(None)
        )
    )
    return {row.subject: row.id for row in found}


def documents_due(connection: Connection, app: str, real: datetime, limit: int) -> list[Row]:
    """Return documents of an app that wait to be fetched, with their report and case, oldest first."""
    return _documents(connection, limit, t.document.c.app == app, t.document.c.due_at <= real)


def documents_overdue(connection: Connection, before: datetime, limit: int) -> list[Row]:
    """Return documents that wait since before an instant, of whatever app."""
    return _documents(connection, limit, t.document.c.made_at <= before)


def _documents(connection: Connection, limit: int, *which: ColumnElement[bool]) -> list[Row]:
    found = connection.execute(
        select(
            t.document,
            t.report.c.code,
            t.report.c.version.label("report_version"),
            t.report.c.kek.label("report_kek"),
            t.report.c.wrapped.label("report_wrapped"),
            t.cases.c.number,
            t.cases.c.version.label("case_version"),
        )
        .join(t.report, t.report.c.id == t.document.c.report_id)
        .join(t.cases, t.cases.c.id == t.document.c.case_id)
        .where(t.document.c.state == DocumentState.WAITING, *which)
        .order_by(t.document.c.due_at, t.document.c.id)
        .limit(limit)
    )
    return [dict(row) for row in found.mappings()]


def files_of(connection: Connection, report_id: UUID) -> list[Row]:
    """Return all files that a report has or had."""
    found = connection.execute(select(t.attachment).where(t.attachment.c.report_id == report_id))
    return [dict(row) for row in found.mappings()]
