"""Reads of the delivery flow (the gateway's own work: no caller's scope applies)."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, exists, func, select

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.reading import Whole, events_of, report_by_id
from gateway.model.case import CaseEvent
from gateway.model.delivery import MAX_AGE, Command, DeliveryState
from gateway.model.principal import EVERYTHING

Row = dict[str, Any]


def standing(connection: Connection, delivery_id: UUID) -> tuple[Row, Whole, list[CaseEvent]]:
    """Return a delivery as it stands now, its report, and the events of its case."""
    row = dict(connection.execute(select(t.delivery).where(t.delivery.c.id == delivery_id)).mappings().one())
    whole = report_by_id(connection, EVERYTHING, row["report_id"])
    assert whole is not None, "a delivery without a report breaks a foreign key"
    return row, whole, events_of(connection, [row["case_id"]])[row["case_id"]]


def attachments(connection: Connection, report_id: UUID, digests: list[str]) -> list[Row]:
    """Return the attachments of a report with these digests."""
    found = connection.execute(
        select(t.attachment).where(t.attachment.c.report_id == report_id, t.attachment.c.digest.in_(digests))
    )
    return [dict(row) for row in found.mappings()]


def given_up(connection: Connection, real: datetime, limit: int) -> list[UUID]:
    """Return held deliveries that nobody moved for 72 hours: they become dead, visibly."""
    since = func.coalesce(t.delivery.c.replayed_at, t.delivery.c.made_at)
    found = connection.execute(
        select(t.delivery.c.id)
        .where(t.delivery.c.state == DeliveryState.HELD, since <= real - MAX_AGE)
        .order_by(t.delivery.c.made_at)
        .limit(limit)
    )
    return list(found.scalars())


def unacknowledged(connection: Connection, real: datetime, after: timedelta, limit: int) -> list[Row]:
    """Return emergencies that no app has acknowledged in time and that nobody was alerted about."""
    told = exists().where(t.alert.c.kind == "emergency_unacknowledged", t.alert.c.subject == t.delivery.c.key)
    waiting = and_(
        t.delivery.c.emergency,
        t.delivery.c.command == Command.OPEN,
        t.delivery.c.state.in_(
            [
                DeliveryState.QUEUED,
                DeliveryState.SENDING,
                DeliveryState.UNSURE,
                DeliveryState.HELD,
                DeliveryState.DEAD,
            ]
        ),
        t.delivery.c.made_at <= real - after,
    )
    found = connection.execute(
        select(t.delivery).where(waiting, ~told).order_by(t.delivery.c.made_at).limit(limit)
    ).mappings()
    return [dict(row) for row in found]
