"""Reads of the kit: what became of deliveries, of the inbox, and what was alerted (of a trial's own ledger)."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from gateway.kernel.ledger import tables as t
from gateway.model.delivery import DeliveryState

Row = dict[str, Any]


def due(connection: Connection, app: str, emergency: bool, real: datetime) -> int:
    """Return how many deliveries of a lane class could be claimed now."""
    found = select(func.count()).where(
        t.delivery.c.app == app,
        t.delivery.c.emergency == emergency,
        t.delivery.c.state == DeliveryState.QUEUED,
        t.delivery.c.due_at <= real,
    )
    return int(connection.execute(found).scalar_one())


def soon(connection: Connection, app: str, real: datetime, until: datetime) -> bool:
    """Tell whether the app will be asked for something that is missing, after `real` and by `until`."""
    found = select(t.inbox.c.event_id).where(
        t.inbox.c.app == app,
        t.inbox.c.hint,
        t.inbox.c.state == "new",
        t.inbox.c.due_at > real,
        t.inbox.c.due_at <= until,
    )
    return connection.execute(found.limit(1)).first() is not None


def alerts(connection: Connection, kind: str | None = None) -> list[Row]:
    """Return alerts, of one kind or all."""
    wanted = select(t.alert) if kind is None else select(t.alert).where(t.alert.c.kind == kind)
    return [dict(row) for row in connection.execute(wanted).mappings()]


def inbox(connection: Connection, app: str) -> list[Row]:
    """Return the inbox of an app, without content."""
    columns = (t.inbox.c.event_id, t.inbox.c.source, t.inbox.c.state, t.inbox.c.reason)
    return [dict(row) for row in connection.execute(select(*columns).where(t.inbox.c.app == app)).mappings()]


def waiting(connection: Connection, app: str, real: datetime) -> int:
    """Return how many rows of an app's inbox could be applied now."""
    found = select(func.count()).where(
        t.inbox.c.app == app, t.inbox.c.state.in_(("new", "parked")), t.inbox.c.due_at <= real
    )
    return int(connection.execute(found).scalar_one())


def codes(connection: Connection) -> list[str]:
    """Return the codes of all reports, the oldest first."""
    return list(connection.execute(select(t.report.c.code).order_by(t.report.c.id)).scalars())


def said(connection: Connection, code: str, notice: str) -> int:
    """Return how often a report's readers were told something."""
    found = (
        select(func.count())
        .select_from(t.timeline.join(t.report, t.report.c.id == t.timeline.c.report_id))
        .where(t.report.c.code == code, t.timeline.c.notice == notice)
    )
    return int(connection.execute(found).scalar_one())


def deliveries(connection: Connection) -> list[Row]:
    """Return all deliveries, the oldest first."""
    return [dict(row) for row in connection.execute(select(t.delivery).order_by(t.delivery.c.id)).mappings()]


def files(connection: Connection, code: str) -> list[Row]:
    """Return the files of a report, whoever added them, without their content."""
    columns = (t.attachment.c.digest, t.attachment.c.app, t.attachment.c.role, t.attachment.c.state)
    found = select(*columns).join(t.report, t.report.c.id == t.attachment.c.report_id).where(t.report.c.code == code)
    return [dict(row) for row in connection.execute(found.order_by(t.attachment.c.created_at)).mappings()]


def documents(connection: Connection, code: str) -> list[Row]:
    """Return state and cause of the documents that apps named in a report."""
    columns = (t.document.c.state, t.document.c.cause)
    found = select(*columns).join(t.report, t.report.c.id == t.document.c.report_id).where(t.report.c.code == code)
    return [dict(row) for row in connection.execute(found.order_by(t.document.c.made_at)).mappings()]
