"""Reads of the audit flow: from any number to a report, then along its links to everything told of it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, or_, select

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.reading import NUMBERS, Row, Whole, events_of
from gateway.kernel.ledger.scope import visible
from gateway.model.case import CaseEvent
from gateway.model.codes import parse_code
from gateway.model.principal import Scope

MOST_REPORTS: Final = 200
"""How many reports one trace follows at the most."""
MOST_FOUND: Final = 20


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """All that is told of one report; `links` as in `reading.links_of`, `head` the length of its stream."""

    whole: Whole
    links: tuple[Row, ...]
    deadlines: tuple[Row, ...]
    head: int
    entries: tuple[Row, ...]
    events: dict[UUID, list[CaseEvent]]


def _names(name: str) -> ColumnElement[bool]:
    """Return the condition on `report` that any number a person holds stands for.

    A code (as typed), a delivery's key, or a number of an app, alone or behind the app's name (`ppid/12`).
    """
    typed = name.strip()
    spellings = {typed, typed.upper(), typed.lower()}
    app, _, value = typed.partition("/")
    number = select(t.reference.c.report_id).where(
        or_(
            t.reference.c.value.in_(spellings),
            and_(t.reference.c.app == app.lower(), t.reference.c.value == value),
        )
    )
    key = select(t.delivery.c.report_id).where(t.delivery.c.key == typed.upper())
    any_of: list[ColumnElement[bool]] = [t.report.c.id.in_(number), t.report.c.id.in_(key)]
    if (code := parse_code(typed)) is not None:
        any_of.append(t.report.c.code == code)
    return or_(*any_of)


def named(connection: Connection, scope: Scope, name: str) -> list[Row]:
    """Return the reports that a name stands for, newest first (at most 20)."""
    found = connection.execute(
        select(t.report)
        .where(_names(name), visible(scope))
        .order_by(t.report.c.received_at.desc(), t.report.c.code)
        .limit(MOST_FOUND)
    ).mappings()
    return [dict(row) for row in found]


def _linked(connection: Connection, scope: Scope, start: UUID) -> tuple[list[UUID], bool]:
    """Walk the links both ways from one report; return the ids met and whether some were left out."""
    met, edge = {start: None}, [start]
    while edge:
        found: set[UUID] = set()
        for mine, theirs in (
            (t.link.c.report_id, t.link.c.other_id),
            (t.link.c.other_id, t.link.c.report_id),
        ):
            found.update(
                connection.execute(
                    select(theirs).join(t.report, t.report.c.id == theirs).where(mine.in_(edge), visible(scope))
                ).scalars()
            )
        edge = sorted(found - met.keys())
        room = MOST_REPORTS - len(met)
        if len(edge) > room:
            return [*met, *edge[:room]], True
        met |= dict.fromkeys(edge)
    return list(met), False


def walk(connection: Connection, scope: Scope, start: UUID) -> tuple[list[Found], bool]:
    """Return everything about a report and all reports linked to it, the report itself first.

    The second value tells that there are more linked reports than one trace follows. The heads of the
    streams are read before the entries, so that an entry written meanwhile is never taken for a missing one.
    """
    ids, cut = _linked(connection, scope, start)
    reports = {
        row["id"]: dict(row)
        for row in connection.execute(select(t.report).where(t.report.c.id.in_(ids), visible(scope))).mappings()
    }
    codes = [row["code"] for row in reports.values()]
    heads: dict[str, int] = {
        row.name: row.head
        for row in connection.execute(select(t.stream.c.name, t.stream.c.head).where(t.stream.c.name.in_(codes)))
    }
    entries = _grouped(connection, t.entry, t.entry.c.stream, codes, t.entry.c.seq)
    cases = _grouped(connection, t.cases, t.cases.c.report_id, ids, t.cases.c.number)
    numbers = _grouped(connection, t.reference, t.reference.c.report_id, ids, *NUMBERS)
    deadlines = _grouped(connection, t.deadline, t.deadline.c.report_id, ids, t.deadline.c.by)
    links = _links(connection, ids)
    events = events_of(connection, [case["id"] for group in cases.values() for case in group])
    return [
        Found(
            whole=Whole(report=reports[at], cases=tuple(cases[at]), references=tuple(numbers[at])),
            links=tuple(links[at]),
            deadlines=tuple(deadlines[at]),
            head=heads.get(reports[at]["code"], 0),
            entries=tuple(entries[reports[at]["code"]]),
            events={case["id"]: events[case["id"]] for case in cases[at]},
        )
        for at in ids
        if at in reports
    ], cut


def _grouped(
    connection: Connection, table: Any, by: Any, values: Sequence[object], *order: Any
) -> defaultdict[Any, list[Row]]:
    grouped: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in connection.execute(select(table).where(by.in_(values)).order_by(*order)).mappings():
        grouped[row[by.name]].append(dict(row))
    return grouped


def _links(connection: Connection, ids: Sequence[UUID]) -> defaultdict[UUID, list[Row]]:
    """Return the links of reports among themselves, both ways, by report."""
    mine, other = t.report.alias("mine"), t.report.alias("other")
    rows = connection.execute(
        select(t.link, mine.c.code.label("code"), other.c.code.label("other_code"))
        .join(mine, mine.c.id == t.link.c.report_id)
        .join(other, other.c.id == t.link.c.other_id)
        .where(t.link.c.report_id.in_(ids), t.link.c.other_id.in_(ids))
        .order_by(t.link.c.at, t.link.c.kind)
    ).mappings()
    grouped: defaultdict[UUID, list[Row]] = defaultdict(list)
    for row in rows:
        told = {"kind": row["kind"], "at": row["at"]}
        grouped[row["report_id"]].append(told | {"direction": "to", "code": row["other_code"]})
        grouped[row["other_id"]].append(told | {"direction": "from", "code": row["code"]})
    return grouped
