"""Reads that several flows share: a whole report by code or id, under a scope; its events, numbers and links."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam, or_, select

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.parts import CaseRef, ReportRef
from gateway.kernel.ledger.rows import padded
from gateway.kernel.ledger.scope import visible
from gateway.kernel.ledger.vault import ReportKey, Vault
from gateway.model.case import CaseEvent
from gateway.model.file import FileState
from gateway.model.principal import Scope
from gateway.model.report import Content
from gateway.model.status import Status

Row = dict[str, Any]


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """A report as it stands: its row, its cases in order, the numbers apps gave to them, the clocks that are not
    over, and what its reporter was asked for and has not answered yet."""

    report: Row
    cases: tuple[Row, ...]
    references: tuple[Row, ...]
    running: tuple[Row, ...] = ()
    asks: tuple[Row, ...] = ()

    @property
    def id(self) -> UUID:
        """Internal id; never leaves the gateway."""
        return UUID(str(self.report["id"]))

    @property
    def code(self) -> str:
        """Public code."""
        return str(self.report["code"])

    def key(self, vault: Vault) -> ReportKey:
        """Unwrap the report's key; raises `Erased` if it was destroyed."""
        return vault.unwrap(self.report["kek"], self.report["wrapped"], self.id.hex)

    def ref(self, vault: Vault) -> ReportRef:
        """Return what an act needs to change this report."""
        return ReportRef(
            id=self.id, code=self.code, version=self.report["version"], key=self.key(vault), row=self.report
        )

    def content(self, vault: Vault) -> Content:
        """Decrypt what the reporter said; raises `Erased` if it was erased."""
        return self.key(vault).open("content", self.report["sealed"], Content)

    def case(self, case_id: UUID) -> Row:
        """Return one of the cases."""
        return next(case for case in self.cases if case["id"] == case_id)

    def references_of(self, case_id: UUID) -> tuple[Row, ...]:
        """Return the numbers of one case, in the order in which they became known."""
        return tuple(row for row in self.references if row["case_id"] == case_id)


NUMBERS: Final = (t.reference.c.at, t.reference.c.kind, t.reference.c.value)
"""The order of an app's numbers for a case: as they became known."""


def case_ref(row: Row) -> CaseRef:
    """Return what an act needs to change this case."""
    return CaseRef(id=row["id"], number=row["number"], app=row["app"], version=row["version"])


def wholes(connection: Connection, reports: Sequence[Row]) -> list[Whole]:
    """Return reports, given their rows, with everything that belongs to them."""
    ids = [report["id"] for report in reports]
    cases = by_report(connection, t.cases, ids, t.cases.c.number)
    numbers = by_report(connection, t.reference, ids, *NUMBERS)
    clocks = by_report(connection, t.deadline, ids, t.deadline.c.by, t.deadline.c.clock, where=_RUNNING)
    asks = by_report(connection, t.ask, ids, t.ask.c.id, where=_OPEN)
    return [
        Whole(
            report=report,
            cases=tuple(cases[report["id"]]),
            references=tuple(numbers[report["id"]]),
            running=tuple(clocks[report["id"]]),
            asks=tuple(asks[report["id"]]),
        )
        for report in reports
    ]


_RUNNING: Final = t.deadline.c.state.in_(["running", "paused"])
_OPEN: Final = t.ask.c.state == "open"


def by_report(
    connection: Connection,
    table: Table,
    report_ids: Sequence[UUID],
    *order: ColumnElement[Any],
    where: ColumnElement[bool] | None = None,
) -> defaultdict[UUID, list[Row]]:
    """Return the rows of a table that belong to reports, by report, in an order."""
    found: defaultdict[UUID, list[Row]] = defaultdict(list)
    names = tuple(table.c.keys())
    at = names.index("report_id")
    for row in connection.execute(_of_reports(table, order, where), {"reports": padded(report_ids)}):
        found[row[at]].append(dict(zip(names, row, strict=True)))
    return found


@lru_cache(64)
def _of_reports(table: Table, order: tuple[ColumnElement[Any], ...], where: ColumnElement[bool] | None) -> Select[Any]:
    # Made once: what SQLAlchemy does to make a statement anew costs several times what it does to run it.
    statement = select(table).where(table.c.report_id.in_(bindparam("reports", expanding=True))).order_by(*order)
    return statement if where is None else statement.where(where)


def reports(connection: Connection, which: ColumnElement[bool]) -> list[Row]:
    """Return the rows of reports that meet a condition, which holds the caller's scope."""
    rows = connection.execute(select(t.report).where(which))
    names = tuple(t.report.c.keys())
    return [dict(zip(names, row, strict=True)) for row in rows]


def _whole(connection: Connection, row: Any) -> Whole | None:
    return None if row is None else wholes(connection, [dict(row)])[0]


def report_by_code(connection: Connection, scope: Scope, code: str) -> Whole | None:
    """Return the report with this code if the scope may see it."""
    found = connection.execute(select(t.report).where(t.report.c.code == code, visible(scope)))
    return _whole(connection, found.mappings().first())


def report_by_id(connection: Connection, scope: Scope, report_id: UUID) -> Whole | None:
    """Return the report with this internal id if the scope may see it."""
    found = connection.execute(select(t.report).where(t.report.c.id == report_id, visible(scope)))
    return _whole(connection, found.mappings().first())


def report_by_number(connection: Connection, scope: Scope, number: str) -> list[Whole]:
    """Return the reports that a number of any app names (`112-BRU-…`, `kerusakan:45`), newest first."""
    ids = select(t.reference.c.report_id).where(t.reference.c.value == number)
    rows = connection.execute(
        select(t.report).where(t.report.c.id.in_(ids), visible(scope)).order_by(t.report.c.received_at.desc()).limit(20)
    ).mappings()
    return wholes(connection, [dict(row) for row in rows])


_EVENTS: Final = select(t.event).where(t.event.c.case_id.in_(bindparam("cases", expanding=True)))


def events_of(connection: Connection, case_ids: Sequence[UUID]) -> dict[UUID, list[CaseEvent]]:
    """Return all events of cases, by case, ready to be folded."""
    found: dict[UUID, list[CaseEvent]] = {case_id: [] for case_id in case_ids}
    for row in connection.execute(_EVENTS, {"cases": padded(case_ids)}).mappings():
        found[row["case_id"]].append(
            CaseEvent(
                id=row["event_id"],
                at=row["at"],
                seq=row["seq"],
                word=row["word"],
                by_gateway=row["by_gateway"],
                status=Status(row["status"]) if row["status"] else None,
            )
        )
    return found


def with_events(
    connection: Connection, scope: Scope, report_id: UUID
) -> tuple[Whole, dict[UUID, list[CaseEvent]]] | None:
    """Return a report together with the events of all its cases."""
    whole = report_by_id(connection, scope, report_id)
    return None if whole is None else (whole, events_of(connection, [case["id"] for case in whole.cases]))


def links_of(connection: Connection, report_id: UUID) -> list[Row]:
    """Return the links of a report, both ways: `{direction, kind, code, owner, report_id, at}`."""
    other = t.report.alias("other")
    found: list[Row] = []
    for mine, theirs, direction in (
        (t.link.c.report_id, t.link.c.other_id, "to"),
        (t.link.c.other_id, t.link.c.report_id, "from"),
    ):
        rows = connection.execute(
            select(t.link.c.kind, t.link.c.at, other.c.code, other.c.owner, other.c.id.label("report_id"))
            .join(other, other.c.id == theirs)
            .where(mine == report_id)
        ).mappings()
        found += [dict(row) | {"direction": direction} for row in rows]
    return sorted(found, key=lambda row: (row["at"], row["code"], row["kind"]))


def linked_numbers(connection: Connection, report_id: UUID) -> list[Row]:
    """Return the numbers that apps gave to the reports this one is a follow-up (part, objection, …) of:
    `{kind, code, identity, privacy, app, value}`."""
    rows = connection.execute(
        select(
            t.link.c.kind,
            t.report.c.code,
            t.report.c.identity,
            t.report.c.privacy,
            t.reference.c.app,
            t.reference.c.value,
        )
        .join(t.report, t.report.c.id == t.link.c.other_id)
        .join(t.reference, t.reference.c.report_id == t.report.c.id)
        .where(t.link.c.report_id == report_id)
        .order_by(t.link.c.at, t.report.c.code, *NUMBERS)
    ).mappings()
    return [dict(row) for row in rows]


def attached(connection: Connection, report_id: UUID) -> list[Row]:
    """Return the reporter's own files of a report, oldest first: not what an app handed out, nor what is only passed
    on."""
    mine = (t.attachment.c.report_id == report_id, t.attachment.c.state == FileState.KEPT)
    found = connection.execute(
        select(t.attachment).where(*mine, t.attachment.c.app.is_(None)).order_by(t.attachment.c.id)
    )
    return [dict(row) for row in found.mappings()]


def in_transit(connection: Connection, case_id: UUID) -> list[Row]:
    """Return the files that are only passed on to a case's app, oldest first."""
    found = connection.execute(
        select(t.attachment)
        .where(t.attachment.c.case_id == case_id, t.attachment.c.state == FileState.TRANSIT)
        .order_by(t.attachment.c.id)
    )
    return [dict(row) for row in found.mappings()]


def clocks(connection: Connection, report_id: UUID) -> set[str]:
    """Return the clocks that a report has or had."""
    found = connection.execute(select(t.deadline.c.clock).where(t.deadline.c.report_id == report_id))
    return set(found.scalars())


def case_by_number(connection: Connection, app: str, values: Sequence[str]) -> Row | None:
    """Return the case that one of an app's numbers names."""
    found = connection.execute(
        select(t.cases)
        .join(t.reference, t.reference.c.case_id == t.cases.c.id)
        .where(t.reference.c.app == app, t.reference.c.value.in_(values))
        .limit(1)
    )
    row = found.mappings().first()
    return None if row is None else dict(row)


def delivery_by_key(connection: Connection, keys: Sequence[str]) -> list[Row]:
    """Return the deliveries that keys name."""
    found = connection.execute(select(t.delivery).where(t.delivery.c.key.in_(keys)))
    return [dict(row) for row in found.mappings()]


def delivery_by_id(connection: Connection, delivery_id: UUID) -> Row | None:
    """Return a delivery."""
    row = connection.execute(select(t.delivery).where(t.delivery.c.id == delivery_id)).mappings().first()
    return None if row is None else dict(row)


def report_named(connection: Connection, scope: Scope, name: str) -> Whole | None:
    """Return the report that a code or an app's number names, under a scope."""
    row = connection.execute(
        select(t.report)
        .where(
            visible(scope),
            or_(
                t.report.c.code == name,
                t.report.c.id.in_(select(t.reference.c.report_id).where(t.reference.c.value == name)),
            ),
        )
        .order_by(t.report.c.received_at.desc())
        .limit(1)
    )
    return _whole(connection, row.mappings().first())
