"""Reads of the desk: what waits, what could not be delivered, how the apps are. Scoped like every read."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, case, exists, func, or_, select, true

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.reading import Row, Whole, events_of, report_by_code, report_by_id
from gateway.kernel.ledger.scope import visible
from gateway.model.case import CaseEvent
from gateway.model.delivery import Command, DeliveryState
from gateway.model.entry import Hop
from gateway.model.link import LinkKind
from gateway.model.principal import Scope
from gateway.model.status import ENDED, OPEN, Status

_CASE: Final = t.cases.alias("desk_case")
"""The case a desk works on, apart from the cases that a scope looks at."""
DESK: Final = "gateway"
"""The app's name of cases that are worked at the gateway's own desk."""
STUCK: Final = (DeliveryState.HELD, DeliveryState.DEAD)
UNDELIVERED: Final = (*STUCK, DeliveryState.UNSURE, DeliveryState.QUEUED, DeliveryState.SENDING)


def _at(agency: str | None) -> ColumnElement[bool]:
    """Return the condition on `cases` for a desk: one agency's cases, or all of them."""
    return true() if agency is None else _CASE.c.agency == agency


def queue(
    connection: Connection, scope: Scope, agency: str | None, now: datetime, limit: int, offset: int
) -> list[Row]:
    """Return open cases that wait for a person at the desk, most pressing first.

    First those of the gateway's own desk, then those whose delivery is stuck, then those with a deadline gone by;
    within each emergencies first, then the oldest. `why` is `desk`, `stuck` or `late`.
    """
    stuck = exists().where(t.delivery.c.case_id == _CASE.c.id, t.delivery.c.state.in_(STUCK))
    late = exists().where(
        t.deadline.c.report_id == _CASE.c.report_id,
        or_(t.deadline.c.state == "missed", and_(t.deadline.c.state == "running", t.deadline.c.by < now)),
    )
    why = case((_CASE.c.app == DESK, "desk"), (stuck, "stuck"), else_="late")
    rank = case((_CASE.c.app == DESK, 0), (stuck, 1), else_=2)
    next_due = (
        select(func.min(t.deadline.c.by))
        .where(t.deadline.c.report_id == _CASE.c.report_id, t.deadline.c.state.in_(["running", "missed"]))
        .scalar_subquery()
    )
    rows = connection.execute(
        select(
            _CASE,
            t.report.c.code,
            t.report.c.service.label("asked"),
            t.report.c.priority,
            t.report.c.emergency,
            t.report.c.received_at,
            t.report.c.status.label("report_status"),
            why.label("why"),
            next_due.label("due_by"),
        )
        .join(t.report, t.report.c.id == _CASE.c.report_id)
        .where(visible(scope), _at(agency), _CASE.c.status.in_(OPEN), or_(_CASE.c.app == DESK, stuck, late))
        .order_by(rank, t.report.c.emergency.desc(), t.report.c.received_at, t.report.c.code, _CASE.c.number)
        .limit(limit)
        .offset(offset)
    ).mappings()
    return [dict(row) for row in rows]


def stuck_of(connection: Connection, case_ids: Sequence[UUID]) -> list[Row]:
    """Return the held and dead deliveries of cases, oldest first."""
    found = connection.execute(
        select(t.delivery)
        .where(t.delivery.c.case_id.in_(case_ids), t.delivery.c.state.in_(STUCK))
        .order_by(t.delivery.c.number)
    )
    return [dict(row) for row in found.mappings()]


def deliveries(
    connection: Connection, scope: Scope, agency: str | None, states: Collection[str], limit: int, offset: int
) -> list[Row]:
    """Return deliveries in these states, oldest first, with report, case and agency, and as `exchanged` what went last
    between us and the app (None: nothing did)."""
    rows = connection.execute(
        _shown(scope, agency)
        .where(t.delivery.c.state.in_(states))
        .order_by(t.delivery.c.emergency.desc(), t.delivery.c.made_at, t.delivery.c.key)
        .limit(limit)
        .offset(offset)
    ).mappings()
    return _exchanged(connection, [dict(row) for row in rows])


def delivery_shown(connection: Connection, scope: Scope, agency: str | None, delivery_id: UUID) -> Row | None:
    """Return one delivery as `deliveries` does, if this desk may see it."""
    row = connection.execute(_shown(scope, agency).where(t.delivery.c.id == delivery_id)).mappings().first()
    return None if row is None else _exchanged(connection, [dict(row)])[0]


class Exchanged(msgspec.Struct, frozen=True):
    """An exchange with an app as it was entered, and when."""

    at: datetime
    hop: Hop


class _Crossing(msgspec.Struct, frozen=True):
    """The part of an entry that tells of a crossing."""

    hop: Hop | None = None


def _exchanged(connection: Connection, rows: list[Row]) -> list[Row]:
    """Add to deliveries the last exchange with their app that was entered: whoever may see them may see that."""
    keys, codes = {row["key"] for row in rows}, {row["code"] for row in rows}
    found = connection.execute(
        select(t.entry.c.at, t.entry.c.body)
        .where(t.entry.c.stream.in_(codes), t.entry.c.kind.like("delivery.%"))
        .order_by(t.entry.c.stream, t.entry.c.seq)
    )
    last: dict[str, Exchanged] = {}
    for at, body in found:
        hop = msgspec.json.decode(body, type=_Crossing).hop
        if hop is not None and hop.request is not None and hop.delivery in keys:
            last[str(hop.delivery)] = Exchanged(at, hop)
    return [row | {"exchanged": last.get(row["key"])} for row in rows]


def _shown(scope: Scope, agency: str | None) -> Select[Any]:
    return (
        select(
            t.delivery,
            t.report.c.code,
            t.report.c.kek,
            t.report.c.wrapped,
            _CASE.c.number.label("case_number"),
            _CASE.c.agency,
            _CASE.c.assignee,
        )
        .join(t.report, t.report.c.id == t.delivery.c.report_id)
        .join(_CASE, _CASE.c.id == t.delivery.c.case_id)
        .where(visible(scope), _at(agency))
    )


def delivery(
    connection: Connection, scope: Scope, agency: str | None, delivery_id: UUID
) -> tuple[Row, Whole, list[CaseEvent]] | None:
    """Return a delivery as it stands, its report and the events of its case, if this desk may move it."""
    row = connection.execute(
        select(t.delivery)
        .join(t.report, t.report.c.id == t.delivery.c.report_id)
        .join(_CASE, _CASE.c.id == t.delivery.c.case_id)
        .where(t.delivery.c.id == delivery_id, visible(scope), _at(agency))
    ).mappings()
    found = row.first()
    if found is None:
        return None
    whole = report_by_id(connection, scope, found["report_id"])
    assert whole is not None, "a delivery without a report breaks a foreign key"
    return dict(found), whole, events_of(connection, [found["case_id"]])[found["case_id"]]


def report(connection: Connection, scope: Scope, code: str) -> tuple[Whole, dict[UUID, list[CaseEvent]]] | None:
    """Return a report together with the events of its cases, if the scope may see it."""
    whole = report_by_code(connection, scope, code)
    return None if whole is None else (whole, events_of(connection, [row["id"] for row in whole.cases]))


def waiting_behind(connection: Connection, case_id: UUID, number: int) -> list[Row]:
    """Return deliveries of a case that wait behind another and of which no byte has left."""
    found = connection.execute(
        select(t.delivery).where(
            t.delivery.c.case_id == case_id,
            t.delivery.c.number > number,
            t.delivery.c.command != Command.OPEN,
            t.delivery.c.state == DeliveryState.QUEUED,
            t.delivery.c.attempt == 0,
        )
    )
    return [dict(row) for row in found.mappings()]


def open_alerts(connection: Connection, subject: str) -> list[UUID]:
    """Return the alerts about a subject that nobody has cleared."""
    found = connection.execute(select(t.alert.c.id).where(t.alert.c.subject == subject, t.alert.c.cleared_at.is_(None)))
    return list(found.scalars())


def health(connection: Connection) -> dict[str, Row]:
    """Return, by app: `undelivered` with the `oldest`, counts of `held`, `dead`, `unsure`, of `parked` and
    `quarantined` news, open `alerts`, and when it was last `polled` and last `answered`, with the `fault`."""
    apps: defaultdict[str, Row] = defaultdict(dict)
    total = func.count().label("total")
    waiting = connection.execute(
        select(t.delivery.c.app, t.delivery.c.state, total, func.min(t.delivery.c.made_at).label("oldest"))
        .where(t.delivery.c.state.in_(UNDELIVERED))
        .group_by(t.delivery.c.app, t.delivery.c.state)
    )
    for row in waiting.mappings():
        facts = apps[row["app"]]
        facts[row["state"]] = row["total"]
        facts["undelivered"] = facts.get("undelivered", 0) + row["total"]
        facts["oldest"] = min(facts.get("oldest", row["oldest"]), row["oldest"])
    inbox = connection.execute(
        select(t.inbox.c.app, t.inbox.c.state, total)
        .where(t.inbox.c.state.in_(["parked", "quarantined"]))
        .group_by(t.inbox.c.app, t.inbox.c.state)
    )
    for row in inbox.mappings():
        apps[row["app"]][row["state"]] = row["total"]
    alerts = connection.execute(
        select(t.alert.c.app, total)
        .where(t.alert.c.app.is_not(None), t.alert.c.cleared_at.is_(None))
        .group_by(t.alert.c.app)
    )
    for row in alerts.mappings():
        apps[row["app"]]["alerts"] = row["total"]
    for row in connection.execute(select(t.cursor)).mappings():
        apps[row["app"]].update(polled=row["polled_at"], answered=row["answered_at"], fault=row["fault"])
    return apps


def children(connection: Connection, report_id: UUID, kind: str) -> list[Row]:
    """Return the reports that are a `kind` of this one, oldest first."""
    found = connection.execute(
        select(t.report)
        .join(t.link, t.link.c.report_id == t.report.c.id)
        .where(t.link.c.other_id == report_id, t.link.c.kind == kind)
        .order_by(t.link.c.at, t.report.c.code)
    )
    return [dict(row) for row in found.mappings()]


def originals(connection: Connection, report_id: UUID) -> set[UUID]:
    """Return the reports that this one is a duplicate of, directly or by way of others; itself not among them."""
    first = select(t.link.c.other_id.label("id")).where(
        t.link.c.report_id == report_id, t.link.c.kind == LinkKind.DUPLICATE_OF
    )
    chain = first.cte("chain", recursive=True)
    chain = chain.union(
        select(t.link.c.other_id).where(t.link.c.report_id == chain.c.id, t.link.c.kind == LinkKind.DUPLICATE_OF)
    )
    return set(connection.execute(select(chain.c.id)).scalars())


def untold(connection: Connection, limit: int) -> list[Row]:
    """Return duplicates whose reporters have not been told that what they reported has ended: `{report_id, other_id,
    status}`, with the end of the report they are, directly or by way of others, a duplicate of."""
    first = select(t.link.c.report_id, t.link.c.other_id, t.link.c.other_id.label("main_id")).where(
        t.link.c.kind == LinkKind.DUPLICATE_OF, t.link.c.told.is_(None)
    )
    chain = first.cte("chain", recursive=True)
    chain = chain.union(
        select(chain.c.report_id, chain.c.other_id, t.link.c.other_id).where(
            t.link.c.report_id == chain.c.main_id, t.link.c.kind == LinkKind.DUPLICATE_OF
        )
    )
    found = connection.execute(
        select(chain.c.report_id, chain.c.other_id, t.report.c.status)
        .join(t.report, t.report.c.id == chain.c.main_id)
        .where(t.report.c.status.in_(ENDED - {Status.DUPLICATE}))
        .order_by(chain.c.report_id, t.report.c.received_at)
        .limit(limit)
    ).mappings()
    return [dict(row) for row in found]


def taken_up_again(connection: Connection, limit: int) -> list[Row]:
    """Return links of duplicates whose reporters were told of an end that is none any more."""
    found = connection.execute(
        select(t.link)
        .join(t.report, t.report.c.id == t.link.c.other_id)
        .where(t.link.c.kind == LinkKind.DUPLICATE_OF, t.link.c.told.is_not(None), t.report.c.status.in_(OPEN))
        .limit(limit)
    ).mappings()
    return [dict(row) for row in found]
