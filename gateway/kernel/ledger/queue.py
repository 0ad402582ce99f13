"""The outbox as a queue: claim what is due, oldest first, one lane per case, emergencies apart.

A claim is a transaction of its own: the delivery becomes `sending`, its attempt gets a number and a lease, and
the entry "about to send" is written, all committed before any socket opens.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, exists, or_, select, tuple_, update

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.act import Act
from gateway.kernel.ledger.apply import apply
from gateway.kernel.ledger.rows import padded
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


_FIRST_IN_LANE: Final = ~exists().where(
    _LANE.c.case_id == t.delivery.c.case_id,
    _LANE.c.number < t.delivery.c.number,
    or_(
        _LANE.c.state.in_(_BLOCKING),
        and_(_LANE.c.state == DeliveryState.DEAD, _LANE.c.command == Command.OPEN),
    ),
)
"""No earlier delivery of the same case is under way; a dead `open` blocks too (later words need its record)."""

# Made once: what SQLAlchemy does to make a statement anew costs several times what it does to run it.
_WITH_REPORT: Final = (
    select(
        t.delivery,
        t.report.c.code,
        t.report.c.wrapped,
        t.report.c.kek,
        t.cases.c.number.label("case_number"),
    )
    .join(t.report, t.report.c.id == t.delivery.c.report_id)
    .join(t.cases, t.cases.c.id == t.delivery.c.case_id)
    .where(t.delivery.c.app.in_(bindparam("apps", expanding=True)))
    .limit(bindparam("most"))
)


def _due(first_in_lane: ColumnElement[bool]) -> Select[Any]:
    """Return the statement for deliveries that may be claimed."""
    return _WITH_REPORT.where(
        t.delivery.c.state == DeliveryState.QUEUED,
        t.delivery.c.emergency == bindparam("emergency"),
        t.delivery.c.due_at <= bindparam("real"),
        first_in_lane,
    ).order_by(t.delivery.c.due_at, t.delivery.c.id)


_DUE: Final = _due(_FIRST_IN_LANE)
_FRESH: Final = _DUE.where(t.delivery.c.attempt == 0)
_UNSETTLED: Final = _WITH_REPORT.where(
    or_(
        and_(t.delivery.c.state == DeliveryState.SENDING, t.delivery.c.lease_until <= bindparam("real")),
        and_(
            t.delivery.c.state == DeliveryState.UNSURE,
            t.delivery.c.due_at <= bindparam("real"),
            or_(t.delivery.c.settle_at.is_(None), t.delivery.c.settle_at <= bindparam("now")),
        ),
    )
).order_by(t.delivery.c.emergency.desc(), t.delivery.c.due_at, t.delivery.c.id)
_CLAIM: Final = (
    update(t.delivery)
    .where(
        tuple_(t.delivery.c.id, t.delivery.c.attempt).in_(bindparam("found", expanding=True)),
        t.delivery.c.state == DeliveryState.QUEUED,
    )
    .values(
        state=DeliveryState.SENDING,
        attempt=t.delivery.c.attempt + 1,
        lease_until=bindparam("until"),
        worker=bindparam("by"),
        updated_at=bindparam("real"),
    )
    .returning(t.delivery.c.id)
)


def claim(
    connection: Connection,
    act: Act,
    apps: Sequence[str],
    emergency: bool,
    limit: int,
    lease: timedelta,
    worker: str,
    fresh: bool = False,
) -> list[Claimed]:
    """Claim up to `limit` queued deliveries to `apps` that are due; each is now `sending` under `worker`.

    `fresh` leaves out those that were tried before.

    `act` carries the actor, the cause and the clocks of the claim; its entries are written here.
    """
    statement = _FRESH if fresh else _DUE
    if connection.dialect.name == "postgresql":
        # The stream's row is the report's lock: taken first here as in every act, skipped where it is busy.
        statement = statement.join(t.stream, t.stream.c.name == t.report.c.code)
        statement = statement.with_for_update(of=t.stream, skip_locked=True)
    asked = {"apps": list(apps), "emergency": emergency, "real": act.real, "most": limit}
    found_rows = connection.execute(statement, asked).mappings().all()
    if not found_rows:
        return []
    pairs = padded([(found["id"], found["attempt"]) for found in found_rows])
    given = {"found": pairs, "until": act.real + lease, "by": worker, "real": act.real}
    moved = connection.execute(_CLAIM, given)
    taken = set(moved.scalars())
    claimed: list[Claimed] = []
    for found in found_rows:
        if found["id"] not in taken:
            continue  # somebody else was quicker
        row = {column.name: found[column.name] for column in t.delivery.columns}
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

    Only for a process that knows itself to be the only one: then whoever held them is gone, and nobody holds them now.
    """
    left = update(t.delivery).where(t.delivery.c.state == DeliveryState.SENDING)
    # Documents that were being fetched are put off like those that could not be had: one look more does no harm.
    files = update(t.document).where(t.document.c.state == DocumentState.WAITING, t.document.c.due_at > real)
    connection.execute(files.values(due_at=real))
    return connection.execute(left.values(lease_until=real, worker=None)).rowcount


def unsettled(connection: Connection, apps: Sequence[str], now: datetime, real: datetime, limit: int) -> list[Claimed]:
    """Return deliveries that need to be looked at: leases that ran out, and unsure ones that have settled;
    emergencies first."""
    asked = {"apps": list(apps), "now": now, "real": real, "most": limit}
    return [
        Claimed(
            row={column.name: found[column.name] for column in t.delivery.columns},
            code=found["code"],
            case_number=found["case_number"],
            wrapped=found["wrapped"],
            kek=found["kek"],
            expired_lease=found["state"] == DeliveryState.SENDING,
        )
        for found in connection.execute(_UNSETTLED, asked).mappings()
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
