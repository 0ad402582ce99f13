"""The outbox as a queue: claim what is due, oldest first, one lane per case, emergencies apart.

A claim is a transaction of its own: the delivery becomes `sending`, its attempt gets a number and a lease, and
the entry "about to send" is written, all committed before any socket opens.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, and_, exists, or_, select, update

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.act import Act
from gateway.kernel.ledger.apply import apply
from gateway.model.delivery import Command, DeliveryState
from gateway.model.entry import Hop
from gateway.model.file import DocumentState


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery taken up by this worker; `row` is the delivery as it stands now, with its report's key."""

    row: dict[str, Any]
    code: str
    case_number: int
    wrapped: bytes | None
    kek: int
    expired_lease: bool


_LANE = t.delivery.alias("earlier")
_BLOCKING = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.UNSURE, DeliveryState.HELD)


def _first_in_lane() -> Any:
    """No earlier delivery of the same case is under way; a dead `open` blocks too (later words need its record)."""
    return ~exists().where(
        _LANE.c.case_id == t.delivery.c.case_id,
        _LANE.c.number < t.delivery.c.number,
        or_(
            _LANE.c.state.in_(_BLOCKING),
            and_(_LANE.c.state == DeliveryState.DEAD, _LANE.c.command == Command.OPEN),
        ),
    )


def _due(state: DeliveryState, emergency: bool, apps: Sequence[str], real: datetime) -> Any:
    return (
        select(
            t.delivery,
            t.report.c.code,
            t.report.c.wrapped,
            t.report.c.kek,
            t.cases.c.number.label("case_number"),
        )
        .join(t.report, t.report.c.id == t.delivery.c.report_id)
        .join(t.cases, t.cases.c.id == t.delivery.c.case_id)
        .where(t.delivery.c.state == state, t.delivery.c.app.in_(apps), t.delivery.c.emergency == emergency)
        .order_by(t.delivery.c.due_at, t.delivery.c.id)
    )


def claim(
    connection: Connection,
    act: Act,
    apps: Sequence[str],
    emergency: bool,
    limit: int,
    lease: timedelta,
    worker: str,
) -> list[Claimed]:
    """Claim up to `limit` queued deliveries to `apps` that are due; each is now `sending` under `worker`.

    `act` carries the actor, the cause and the clocks of the claim; its entries are written here.
    """
    statement = (
        _due(DeliveryState.QUEUED, emergency, apps, act.real)
        .where(t.delivery.c.due_at <= act.real, _first_in_lane())
        .limit(limit)
    )
    if connection.dialect.name == "postgresql":
        # The stream's row is the report's lock: taken first here as in every act, skipped where it is busy.
        statement = statement.join(t.stream, t.stream.c.name == t.report.c.code)
        statement = statement.with_for_update(of=t.stream, skip_locked=True)
    claimed: list[Claimed] = []
    for found in connection.execute(statement).mappings().all():
        row = {column.name: found[column.name] for column in t.delivery.columns}
        moved = connection.execute(
            update(t.delivery)
            .where(
                t.delivery.c.id == row["id"],
                t.delivery.c.state == row["state"],
                t.delivery.c.attempt == row["attempt"],
            )
            .values(
                state=DeliveryState.SENDING,
                attempt=row["attempt"] + 1,
                lease_until=act.real + lease,
                worker=worker,
                updated_at=act.real,
            )
        )
        if moved.rowcount != 1:
            continue
        row |= {"state": DeliveryState.SENDING, "attempt": row["attempt"] + 1, "worker": worker}
        act.record(
            found["code"],
            "delivery.attempt",
            case=found["case_number"],
            hop=Hop(
                direction="out", app=row["app"], operation=row["command"], delivery=row["key"], attempt=row["attempt"]
            ),
        )
        claimed.append(
            Claimed(
                row=row,
                code=found["code"],
                case_number=found["case_number"],
                wrapped=found["wrapped"],
                kek=found["kek"],
                expired_lease=False,
            )
        )
    if claimed:
        apply(connection, [act])
    return claimed


def expire_leases(connection: Connection, real: datetime) -> int:
    """End the leases of whoever worked here before, and return how many there were.

    Only for a process that knows itself to be the only one: then whoever held them is gone.
    """
    left = update(t.delivery).where(t.delivery.c.state == DeliveryState.SENDING, t.delivery.c.lease_until > real)
    # Documents that were being fetched are put off like those that could not be had: one look more does no harm.
    files = update(t.document).where(t.document.c.state == DocumentState.WAITING, t.document.c.due_at > real)
    connection.execute(files.values(due_at=real))
    return connection.execute(left.values(lease_until=real)).rowcount


def unsettled(connection: Connection, apps: Sequence[str], now: datetime, real: datetime, limit: int) -> list[Claimed]:
    """Return deliveries that need to be looked at: leases that ran out, and unsure ones that have settled."""
    ready = or_(
        and_(t.delivery.c.state == DeliveryState.SENDING, t.delivery.c.lease_until <= real),
        and_(
            t.delivery.c.state == DeliveryState.UNSURE,
            t.delivery.c.due_at <= real,
            or_(t.delivery.c.settle_at.is_(None), t.delivery.c.settle_at <= now),
        ),
    )
    statement = (
        select(
            t.delivery,
            t.report.c.code,
            t.report.c.wrapped,
            t.report.c.kek,
            t.cases.c.number.label("case_number"),
        )
        .join(t.report, t.report.c.id == t.delivery.c.report_id)
        .join(t.cases, t.cases.c.id == t.delivery.c.case_id)
        .where(t.delivery.c.app.in_(apps), ready)
        .order_by(t.delivery.c.due_at, t.delivery.c.id)
        .limit(limit)
    )
    return [
        Claimed(
            row={column.name: found[column.name] for column in t.delivery.columns},
            code=found["code"],
            case_number=found["case_number"],
            wrapped=found["wrapped"],
            kek=found["kek"],
            expired_lease=found["state"] == DeliveryState.SENDING,
        )
        for found in connection.execute(statement).mappings()
    ]


def next_due(connection: Connection, real: datetime) -> datetime | None:
    """Return when the next queued or unsure delivery falls due, None if there is none."""
    states = (DeliveryState.QUEUED, DeliveryState.UNSURE)
    found = connection.execute(
        select(t.delivery.c.due_at).where(t.delivery.c.state.in_(states)).order_by(t.delivery.c.due_at).limit(1)
    ).scalar()
    return found if found is None else max(found, real)


def case_of(connection: Connection, case_id: UUID) -> dict[str, Any]:
    """Return a case's row."""
    return dict(connection.execute(select(t.cases).where(t.cases.c.id == case_id)).mappings().one())
