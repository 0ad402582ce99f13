"""Reads of the delivery flow (the gateway's own work: no caller's scope applies)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, String, and_, cast, exists, func, or_, select

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.reading import Whole, events_of, report_by_id, reports, wholes
from gateway.kernel.ledger.rows import padded
from gateway.model.case import CaseEvent
from gateway.model.delivery import MAX_AGE, Command, DeliveryState
from gateway.model.file import FileState
from gateway.model.principal import EVERYTHING
from gateway.model.status import Status

Row = dict[str, Any]
UNACKNOWLEDGED: Final = "emergency_unacknowledged"
"""Kind of the alert about an emergency that nobody has acknowledged; its subject is the delivery, or the case."""
DESK: Final = "gateway"
_WAITING: Final = (DeliveryState.QUEUED, DeliveryState.UNSURE, DeliveryState.HELD)
_SENDING: Final = t.delivery.c.state == DeliveryState.SENDING


def standing(connection: Connection, delivery_ids: Sequence[UUID]) -> list[tuple[Row, Whole, list[CaseEvent]]]:
    """Return deliveries as they stand now, each with its report and the events of its case."""
    statement = select(t.delivery).where(t.delivery.c.id.in_(padded(delivery_ids)))
    rows = {row["id"]: dict(row) for row in connection.execute(statement).mappings()}
    ids = list({row["report_id"] for row in rows.values()})
    found = {whole.id: whole for whole in wholes(connection, reports(connection, t.report.c.id.in_(padded(ids))))}
    events = events_of(connection, list({row["case_id"] for row in rows.values()}))
    return [(row, found[row["report_id"]], events[row["case_id"]]) for row in (rows[one] for one in delivery_ids)]


def attachments(connection: Connection, report_id: UUID, digests: list[str]) -> list[Row]:
    """Return the attachments of a report with these digests."""
    found = connection.execute(
        select(t.attachment).where(
            t.attachment.c.report_id == report_id,
            t.attachment.c.digest.in_(digests),
            t.attachment.c.state == FileState.KEPT,
        )
    )
    return [dict(row) for row in found.mappings()]


def given_up(connection: Connection, real: datetime, limit: int) -> list[UUID]:
    """Return deliveries that nobody brought to an end for 72 hours, whatever keeps them: their app may be gone."""
    since = func.coalesce(t.delivery.c.replayed_at, t.delivery.c.made_at)
    left = or_(t.delivery.c.state.in_(_WAITING), and_(_SENDING, t.delivery.c.lease_until <= real - MAX_AGE))
    found = connection.execute(
        select(t.delivery.c.id).where(left, since <= real - MAX_AGE).order_by(t.delivery.c.made_at).limit(limit)
    )
    return list(found.scalars())


def is_given_up(row: Row, real: datetime) -> bool:
    """Tell the same of one delivery as it was read."""
    lease: datetime | None = row["lease_until"]
    left = row["state"] in _WAITING or (lease is not None and lease <= real - MAX_AGE)
    since: datetime = row["replayed_at"] or row["made_at"]
    return left and since <= real - MAX_AGE


def whole(connection: Connection, report_id: UUID) -> Whole:
    """Return a report."""
    found = report_by_id(connection, EVERYTHING, report_id)
    assert found is not None, "reports are never deleted"
    return found


def alerted(connection: Connection, subject: str) -> bool:
    """Tell whether an alert about an unacknowledged emergency was ever raised for a subject."""
    found = select(t.alert.c.id).where(t.alert.c.kind == UNACKNOWLEDGED, t.alert.c.subject == subject)
    return connection.execute(found).first() is not None


def unacknowledged(connection: Connection, made_before: datetime, limit: int) -> list[Row]:
    """Return emergencies on their way that no app has acknowledged in time and that nobody was alerted about."""
    told = exists().where(t.alert.c.kind == UNACKNOWLEDGED, t.alert.c.subject == t.delivery.c.key)
    waiting = and_(
        t.delivery.c.emergency,
        t.delivery.c.command == Command.OPEN,
        t.delivery.c.state.in_([*_WAITING, DeliveryState.SENDING, DeliveryState.DEAD]),
        t.delivery.c.made_at <= made_before,
    )
    found = connection.execute(
        select(t.delivery).where(waiting, ~told).order_by(t.delivery.c.made_at).limit(limit)
    ).mappings()
    return [dict(row) for row in found]


def unattended(connection: Connection, since: datetime, limit: int) -> list[Row]:
    """Return emergencies at the gateway's own desk that no officer has taken up, and nobody was alerted about."""
    subject = t.report.c.code + " case " + cast(t.cases.c.number, String)
    told = exists().where(t.alert.c.kind == UNACKNOWLEDGED, t.alert.c.subject == subject)
    found = connection.execute(
        select(t.report.c.id.label("report_id"), t.report.c.code, t.cases.c.id.label("case_id"), t.cases.c.number)
        .join(t.report, t.report.c.id == t.cases.c.report_id)
        .where(
            t.report.c.emergency,
            t.cases.c.app == DESK,
            t.cases.c.status == Status.RECEIVED,
            t.cases.c.assignee.is_(None),
            t.cases.c.since <= since,
            ~told,
        )
        .order_by(t.cases.c.since)
        .limit(limit)
    )
    return [dict(row) for row in found.mappings()]


def spent(connection: Connection, limit: int) -> list[Row]:
    """Return files that are only passed on and that nobody carries any more: no delivery of their case is under way,
    and the case does not wait to be complete before it begins. `ended` is how the case's last delivery stands."""
    under_way = exists().where(
        t.delivery.c.case_id == t.attachment.c.case_id,
        t.delivery.c.command == Command.OPEN,
        or_(t.delivery.c.state.in_(_WAITING), _SENDING),
    )
    incomplete = exists().where(t.ask.c.case_id == t.attachment.c.case_id, t.ask.c.state == "open", t.ask.c.opens)
    ended = (
        select(t.delivery.c.state)
        .where(t.delivery.c.case_id == t.attachment.c.case_id, t.delivery.c.command == Command.OPEN)
        .order_by(t.delivery.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    found = connection.execute(
        select(
            t.attachment,
            t.report.c.code,
            t.report.c.version.label("report_version"),
            t.report.c.kek.label("report_kek"),
            t.report.c.wrapped.label("report_wrapped"),
            t.cases.c.number,
            t.cases.c.app.label("case_app"),
            t.cases.c.version.label("case_version"),
            ended.label("ended"),
        )
        .join(t.report, t.report.c.id == t.attachment.c.report_id)
        .join(t.cases, t.cases.c.id == t.attachment.c.case_id)
        .where(t.attachment.c.state == FileState.TRANSIT, ~under_way, ~incomplete)
        .order_by(t.attachment.c.created_at)
        .limit(limit)
    )
    return [dict(row) for row in found.mappings()]


def unnamed(connection: Connection, before: datetime, limit: int) -> list[Row]:
    """Return uploads made before an instant that no report has named."""
    found = connection.execute(
        select(t.attachment)
        .where(t.attachment.c.state == FileState.UPLOAD, t.attachment.c.created_at <= before)
        .order_by(t.attachment.c.created_at)
        .limit(limit)
    )
    return [dict(row) for row in found.mappings()]
