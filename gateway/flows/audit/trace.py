"""The trace: every hop of a report in order, across apps and linked reports, and what is missing from it.

Pure: rows in, document out. It holds what entries hold, so there is no personal data in it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from gateway.flows.audit.queries import Found
from gateway.kernel.ledger.reading import Row
from gateway.model.case import fold
from gateway.model.entry import Entry, leaf_hash
from gateway.model.principal import Actor


class TraceLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link of a report; `direction` is `to` (this report is a `kind` of the other) or `from`."""

    kind: str
    direction: str
    code: str


class TraceNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A number an app gave to a case."""

    kind: str
    value: str


class TraceCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case as it stands now; `reason` is why it is where it is, `word` the app's own last word."""

    case: int
    app: str
    agency: str
    status: str
    reason: str
    word: str | None
    references: tuple[TraceNumber, ...]


class TraceDue(msgspec.Struct, frozen=True, kw_only=True):
    """A deadline; `state` is `running`, `met`, `missed` or as the clocks have it."""

    clock: str
    by: datetime
    state: str


class TraceReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report of the trace as it stands now."""

    code: str
    service: str
    status: str
    created_at: datetime
    occurred_at: datetime | None
    channel: str
    agency: str
    links: tuple[TraceLink, ...]
    cases: tuple[TraceCase, ...]
    due: tuple[TraceDue, ...]


class TraceHop(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the log.

    `direction` is `out` (to an app), `in` (from an app) or `here`; `superseded` marks what an app said that
    changes nothing any more. `facts` are the entry's small plain facts, `cause` what set the actor going.
    """

    report: str
    case: int | None
    seq: int
    at: str
    kind: str
    direction: str
    app: str | None
    actor: Actor
    delivery: str | None
    attempt: int | None
    operation: str | None
    outcome: str | None
    http: int | None
    word: str | None
    status: str | None
    rule: str | None
    config: str | None
    latency_ms: int | None
    event: str | None
    cause: str
    facts: dict[str, str | int | bool]
    superseded: bool


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Entries that should be there: `missing` from the stream, or `altered` since they were written."""

    report: str
    first: int
    last: int
    reason: str


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """The way of one report. `report` was asked for, `reports` are it and all linked to it, oldest first.

    `truncated` tells that more reports are linked than one trace follows. `sealed` is null as long as the
    entries are not in the signed log.
    """

    report: TraceReport
    reports: tuple[TraceReport, ...]
    hops: tuple[TraceHop, ...]
    gaps: tuple[Gap, ...]
    truncated: bool = False
    sealed: None = None


def assemble(found: Sequence[Found], truncated: bool = False) -> Trace:
    """Build the trace from all that was found, the report that was asked for first."""
    hops: list[tuple[str, TraceHop]] = []
    gaps: list[Gap] = []
    for one in found:
        entries, altered = _checked(one)
        gaps += _gaps(one, altered)
        told = {case["number"]: fold(one.events[case["id"]]).superseded for case in one.whole.cases}
        # Within a stream the numbers rule; a clock that was set back must not shuffle them.
        latest = ""
        for entry in entries:
            latest = max(latest, entry.at)
            hops.append((latest, _hop(entry, told, one.whole.cases)))
    hops.sort(key=lambda pair: (pair[0], pair[1].report, pair[1].seq))
    reports = [_report(one) for one in found]
    return Trace(
        report=reports[0],
        reports=tuple(sorted(reports, key=lambda report: (report.created_at, report.code))),
        hops=tuple(hop for _, hop in hops),
        gaps=tuple(sorted(gaps, key=lambda gap: (gap.report, gap.first))),
        truncated=truncated,
    )


def _checked(one: Found) -> tuple[list[Entry], list[int]]:
    """Return the readable entries of a stream, and the numbers of those that were altered."""
    good: list[Entry] = []
    altered: list[int] = []
    for row in one.entries:
        entry = _decoded(row)
        if entry is None:
            altered.append(row["seq"])
        else:
            good.append(entry)
    return good, altered


def _decoded(row: Row) -> Entry | None:
    """Return the entry of a row, or None where body, hash and place in the stream do not fit each other."""
    if leaf_hash(row["body"]) != row["leaf"]:
        return None
    try:
        entry = msgspec.json.decode(row["body"], type=Entry)
    except msgspec.DecodeError:
        return None
    return entry if (entry.stream, entry.seq) == (row["stream"], row["seq"]) else None


def _gaps(one: Found, altered: Iterable[int]) -> Iterator[Gap]:
    there = {row["seq"] for row in one.entries}
    missing = sorted(set(range(1, max(one.head, *there, 0) + 1)) - there)
    for reason, numbers in (("missing", missing), ("altered", sorted(altered))):
        for first, last in _runs(numbers):
            yield Gap(report=one.whole.code, first=first, last=last, reason=reason)


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the runs of consecutive numbers in an ascending sequence."""
    start = 0
    for index, number in enumerate(numbers):
        if index + 1 == len(numbers) or numbers[index + 1] != number + 1:
            yield numbers[start], number
            start = index + 1


def _hop(entry: Entry, superseded: Mapping[int, frozenset[str]], cases: Sequence[Row]) -> TraceHop:
    hop = entry.hop
    by_case = {case["number"]: str(case["app"]) for case in cases}
    return TraceHop(
        report=entry.stream,
        case=entry.case,
        seq=entry.seq,
        at=entry.at,
        kind=entry.kind,
        direction=hop.direction if hop else _direction(entry),
        app=hop.app if hop else (by_case.get(entry.case) if entry.case is not None else None),
        actor=entry.actor,
        delivery=hop.delivery if hop else None,
        attempt=hop.attempt if hop else None,
        operation=hop.operation if hop else None,
        outcome=hop.outcome if hop else None,
        http=hop.http if hop else None,
        word=entry.word,
        status=entry.status,
        rule=entry.rule,
        config=entry.config,
        latency_ms=hop.latency_ms if hop else None,
        event=entry.event,
        cause=entry.cause,
        facts=entry.facts,
        superseded=entry.case is not None
        and entry.event is not None
        and entry.event in superseded.get(entry.case, frozenset()),
    )


def _direction(entry: Entry) -> str:
    """Return where an entry without a hop points: an app's event came in, the rest happened here."""
    return "in" if entry.actor.kind == "app" and entry.event is not None else "here"


def _report(one: Found) -> TraceReport:
    row = one.whole.report
    return TraceReport(
        code=one.whole.code,
        service=row["service"],
        status=row["status"],
        created_at=row["received_at"],
        occurred_at=row["occurred_at"],
        channel=row["channel"],
        agency=row["agency"],
        links=tuple(TraceLink(kind=link["kind"], direction=link["direction"], code=link["code"]) for link in one.links),
        cases=tuple(_case(one, case) for case in one.whole.cases),
        due=tuple(TraceDue(clock=due["clock"], by=due["by"], state=due["state"]) for due in one.deadlines),
    )


def _case(one: Found, case: Row) -> TraceCase:
    case_id: UUID = case["id"]
    return TraceCase(
        case=case["number"],
        app=case["app"],
        agency=case["agency"],
        status=case["status"],
        reason=case["reason"],
        word=case["word"],
        references=tuple(TraceNumber(kind=row["kind"], value=row["value"]) for row in one.whole.references_of(case_id)),
    )
