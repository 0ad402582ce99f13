"""Reads of the tracking flow. Every read of reports takes the caller's scope and applies it in the query."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Connection, and_, or_, select

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.reading import Row, Whole, by_report, reports, wholes
from gateway.kernel.ledger.rows import padded
from gateway.kernel.ledger.scope import Viewers, grouped, visible
from gateway.kernel.policy.matter import protects
from gateway.model.delivery import FILE_NEEDED, DeliveryState
from gateway.model.file import FileState
from gateway.model.principal import Scope

_WHOSE: Final = ("owner", "identity", "privacy")


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed to. `code` is a report's code, `number` any number an app gave; either may match."""

    service: str | None = None
    status: str | None = None
    since: datetime | None = None
    code: str | None = None
    number: str | None = None


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A report with what is shown beside it: deadlines, links to reports the caller may see, and its last rating."""

    whole: Whole
    deadlines: tuple[Row, ...]
    links: tuple[Row, ...]
    stars: int | None = None


def known(connection: Connection, asked: Sequence[tuple[Scope, str]]) -> list[Known | None]:
    """Return for each scope and code the report with its deadlines and visible links, None if the scope may not see it.

    Many callers share the queries; each one's scope is applied in them.
    """
    found: dict[tuple[Scope, str], Known] = {}
    for viewers in grouped(asked):
        for one in _beside(connection, viewers, wholes(connection, reports(connection, viewers.theirs))):
            found[viewers.of(one.whole.report), one.whole.code] = one
    return [found.get(one) for one in asked]


def page(
    connection: Connection, scope: Scope, filters: Filters, after: tuple[datetime, str] | None, limit: int
) -> list[Known]:
    """Return up to `limit` reports, newest first, that come after the (received_at, code) of the last one seen."""
    statement = select(t.report).where(visible(scope))
    if filters.service is not None:
        statement = statement.where(t.report.c.service == filters.service)
    if filters.status is not None:
        statement = statement.where(t.report.c.status == filters.status)
    if filters.since is not None:
        statement = statement.where(t.report.c.received_at >= filters.since)
    if filters.number is not None:
        numbered = select(t.reference.c.report_id).where(t.reference.c.value == filters.number)
        statement = statement.where(or_(t.report.c.code == filters.code, t.report.c.id.in_(numbered)))
    if after is not None:
        at, code = after
        statement = statement.where(
            or_(t.report.c.received_at < at, and_(t.report.c.received_at == at, t.report.c.code < code))
        )
    statement = statement.order_by(t.report.c.received_at.desc(), t.report.c.code.desc()).limit(limit)
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    return _beside(connection, Viewers(scope), wholes(connection, rows))


def _beside(connection: Connection, viewers: Viewers, found: Sequence[Whole]) -> list[Known]:
    ids = [whole.id for whole in found]
    if not ids:
        return []
    deadlines = by_report(connection, t.deadline, ids, t.deadline.c.by)
    links = _links(connection, viewers, ids)
    ratings = by_report(connection, t.rating, ids, t.rating.c.ending)
    return [
        Known(
            whole=whole,
            deadlines=tuple(deadlines[whole.id]),
            links=tuple(links[whole.id]),
            stars=next((row["stars"] for row in reversed(ratings[whole.id])), None),
        )
        for whole in found
    ]


def _links(connection: Connection, viewers: Viewers, ids: Sequence[UUID]) -> defaultdict[UUID, list[Row]]:
    """Return the links of reports, both ways, to reports that whoever sees these may see as well.

    An agency that handles both a hidden reporter's report and one that names somebody is not told that they belong
    together: only he who filed both is, and those who see no names.
    """
    grouped: defaultdict[UUID, list[Row]] = defaultdict(list)
    own = t.report.alias("own")
    for mine, theirs, direction in (
        (t.link.c.report_id, t.link.c.other_id, "to"),
        (t.link.c.other_id, t.link.c.report_id, "from"),
    ):
        rows = connection.execute(
            select(
                mine.label("mine"),
                t.link.c.kind,
                t.link.c.at,
                t.report.c.code,
                *(t.report.c[name] for name in _WHOSE),
                *(own.c[name].label(f"own_{name}") for name in _WHOSE),
            )
            .join(t.report, t.report.c.id == theirs)
            .join(own, own.c.id == mine)
            .where(mine.in_(padded(ids)), viewers.linked(own))
            .order_by(t.link.c.at, t.report.c.code)
        ).mappings()
        for row in rows:
            if not _together(viewers.of({"owner": row["own_owner"]}), dict(row)):
                continue
            link = {"kind": row["kind"], "at": row["at"], "code": row["code"], "direction": direction}
            grouped[row["mine"]].append(link)
    return grouped


def _together(scope: Scope, row: Mapping[str, Any]) -> bool:
    """Tell whether this caller may know that two linked reports belong together."""
    alike = protects(row["identity"], row["privacy"]) == protects(row["own_identity"], row["own_privacy"])
    filed_both = scope.owner is not None and row["owner"] == row["own_owner"] == scope.owner
    return alike or filed_both or scope.everything or scope.code is not None


def timeline(connection: Connection, report_id: UUID, internal: bool) -> list[Row]:
    """Return what was told about a report, oldest first; `internal` notes only for those who may read them."""
    statement = (
        select(t.timeline, t.cases.c.app, t.cases.c.agency)
        .outerjoin(t.cases, t.cases.c.id == t.timeline.c.case_id)
        .where(t.timeline.c.report_id == report_id)
    )
    if not internal:
        statement = statement.where(t.timeline.c.internal.is_(False))
    # Some apps tell the second only: within a second the order in which it was told here rules, and that the
    # report came in stands before what followed from it in the same act.
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    return sorted(
        rows,
        key=lambda row: (row["at"].replace(microsecond=0), row["notice"] != "report.received", row["id"].int >> 80),
    )


def first_answer(connection: Connection, scope: str, key: str) -> Row | None:
    """Return the answer once given under an idempotency key."""
    found = connection.execute(select(t.idempotency).where(t.idempotency.c.scope == scope, t.idempotency.c.key == key))
    row = found.mappings().first()
    return None if row is None else dict(row)


def files(connection: Connection, owner: str, ids: Sequence[UUID]) -> list[Row]:
    """Return uploads of a caller that are not yet part of a report."""
    found = connection.execute(
        select(t.attachment).where(
            t.attachment.c.owner == owner, t.attachment.c.id.in_(ids), t.attachment.c.state == FileState.UPLOAD
        )
    )
    return [dict(row) for row in found.mappings()]


def held_for_a_file(connection: Connection, case_id: UUID) -> list[Row]:
    """Return the deliveries of a case that wait for a file that was destroyed."""
    found = connection.execute(
        select(t.delivery).where(
            t.delivery.c.case_id == case_id,
            t.delivery.c.state == DeliveryState.HELD,
            t.delivery.c.cause == FILE_NEEDED,
        )
    )
    return [dict(row) for row in found.mappings()]


def open_alerts(connection: Connection, subject: str) -> list[UUID]:
    """Return the alerts about a subject that nobody has cleared."""
    found = connection.execute(select(t.alert.c.id).where(t.alert.c.subject == subject, t.alert.c.cleared_at.is_(None)))
    return list(found.scalars())


def deliveries(connection: Connection, report_id: UUID) -> list[Row]:
    """Return all deliveries of a report, in order."""
    found = connection.execute(
        select(t.delivery).where(t.delivery.c.report_id == report_id).order_by(t.delivery.c.number)
    )
    return [dict(row) for row in found.mappings()]


def rating(connection: Connection, report_id: UUID, ending: int) -> Row | None:
    """Return how an end of a report was rated."""
    found = connection.execute(select(t.rating).where(t.rating.c.report_id == report_id, t.rating.c.ending == ending))
    row = found.mappings().first()
    return None if row is None else dict(row)


def stopped(connection: Connection, report_id: UUID) -> list[Row]:
    """Return the clocks of a report that waited for its end and have stopped."""
    found = connection.execute(
        select(t.deadline).where(
            t.deadline.c.report_id == report_id,
            t.deadline.c.until == "ended",
            t.deadline.c.state.in_(["met", "missed"]),
        )
    )
    return [dict(row) for row in found.mappings()]


def unclaimed_parts(connection: Connection, report_id: UUID) -> list[UUID]:
    """Return the reports that were split off one and belong to nobody yet."""
    found = connection.execute(
        select(t.report.c.id)
        .where(t.report.c.part_of == report_id, t.report.c.epoch == 0, t.report.c.owner.is_(None))
        .order_by(t.report.c.id)
    )
    return list(found.scalars())


def waiting_texts(connection: Connection, report_id: UUID) -> list[Row]:
    """Return the text messages of a report that have not been sent."""
    found = connection.execute(select(t.sms).where(t.sms.c.report_id == report_id, t.sms.c.state == "queued"))
    return [dict(row) for row in found.mappings()]
