"""Whether a story reached its end: judged by what the apps themselves hold and by the auditor's trace.

Nothing here believes what the demo did. What must be there is written down with each story; what is there comes
from `acks.jsonl`, from the sandboxes' records and from the trace. `judge` is pure, so that tests can lie to it.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from gateway.demo.callers import Record
from gateway.demo.memory import Ack
from gateway.flows.audit import Trace
from gateway.flows.audit.trace import TraceReport
from gateway.model.codes import parse_key

GHOST_CALL = "call"
"""Kind under which the 112 sandbox keeps calls without a ticket."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One report that must be there at the end, and its one record in one app.

    `step` made it: by filing it at the gateway (then the record must carry our key), or, `born`, by its birth in
    the app (then the record carries the step's mark and no key). `word` and `status` are the app's and our last
    word; `follows` the step of the report it must be linked to; `messages` how many words of ours the record has.
    """

    step: str
    app: str
    word: str
    status: str
    born: bool = False
    follows: str | None = None
    messages: int = 0


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a story must end; the first report is the one whose trace tells it. `ghosts`: calls without a report."""

    name: str
    wanted: tuple[Wanted, ...]
    ghosts: int = 0


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is there.

    `marks` are by step; `records` by app (all kinds); `found` are the codes under which an auditor finds the
    number of a record; `traces` are by code; `reports` are the codes of all reports of the gateway.
    """

    acks: Sequence[Ack]
    marks: Mapping[str, str]
    records: Mapping[str, Sequence[Record]]
    found: Mapping[str, Sequence[str]]
    traces: Mapping[str, Trace]
    reports: Sequence[str]


class CaseTold(msgspec.Struct, frozen=True, kw_only=True):
    """A case of a story: the report's code, the app, its number there, our status."""

    code: str
    app: str
    reference: str | None
    status: str


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a story. `faults` say in plain English what is not as it must be."""

    name: str
    code: str | None
    cases: tuple[CaseTold, ...]
    entries: int
    ok: bool
    faults: tuple[str, ...]


def born_records(records: Sequence[Record], mark: str) -> list[Record]:
    """Return the records whose content carries a mark."""
    return [record for record in records if any(mark in str(value) for value in record.fields.values())]


def code_of(wanted: Wanted, evidence: Evidence) -> tuple[str | None, list[str]]:
    """Return the one code of a wanted report, or None with what is wrong about it."""
    if wanted.born:
        records = born_records(evidence.records[wanted.app], evidence.marks[wanted.step])
        if len(records) != 1:
            return None, [f"{wanted.step}: {len(records)} records in {wanted.app}, not 1"]
        codes = set(evidence.found.get(records[0].reference, ()))
    else:
        codes = {ack.code for ack in evidence.acks if ack.step == wanted.step}
    if len(codes) != 1:
        return None, [f"{wanted.step}: {len(codes)} reports, not 1 ({', '.join(sorted(codes))})"]
    return codes.pop(), []


def judge(ending: Ending, evidence: Evidence) -> Scene:
    """Judge one story."""
    faults: list[str] = []
    codes: dict[str, str] = {}
    for wanted in ending.wanted:
        code, wrong = code_of(wanted, evidence)
        faults += wrong
        if code is not None:
            codes[wanted.step] = code
    root = codes.get(ending.wanted[0].step)
    trace = evidence.traces.get(root) if root is not None else None
    cases: list[CaseTold] = []
    if trace is None:
        faults.append(f"no trace of {root}")
    else:
        faults += _whole(trace)
        for wanted in ending.wanted:
            if wanted.step in codes:
                told, wrong = _one(wanted, codes, trace, evidence)
                cases += told
                faults += wrong
    faults += _ghosts(ending, evidence)
    hops = [hop for hop in trace.hops if hop.report in codes.values()] if trace else []
    return Scene(
        name=ending.name,
        code=root,
        cases=tuple(cases),
        entries=len(hops),
        ok=not faults,
        faults=tuple(faults),
    )


def strays(endings: Sequence[Ending], evidence: Evidence) -> list[str]:
    """Say what is there that no story asked for: records of unknown reports, reports that nobody filed."""
    codes = {code for ending in endings for wanted in ending.wanted if (code := code_of(wanted, evidence)[0])}
    faults = [f"{code} was opened, but nobody filed it" for code in evidence.reports if code not in codes]
    doubled = len(evidence.reports) - len(set(evidence.reports))
    if doubled:
        faults.append(f"{doubled} reports are listed twice")
    promised = {ack.code for ack in evidence.acks}
    faults += [f"{code} was promised, but the gateway does not have it" for code in promised - set(evidence.reports)]
    for app, records in evidence.records.items():
        for record in records:
            known = parse_key(record.key) if record.key is not None else None
            if record.key is not None and (known is None or known[0] not in codes):
                faults.append(f"{app} {record.reference}: its key {record.key} is of no report of these stories")
    return faults


def _whole(trace: Trace) -> Iterator[str]:
    for gap in trace.gaps:
        yield f"{gap.report}: entries {gap.first} to {gap.last} {gap.reason}"
    if trace.truncated:
        yield "the trace is truncated"


def _one(
    wanted: Wanted, codes: Mapping[str, str], trace: Trace, evidence: Evidence
) -> tuple[list[CaseTold], list[str]]:
    """Judge one report of a story."""
    code = codes[wanted.step]
    reports = [report for report in trace.reports if report.code == code]
    if len(reports) != 1:
        return [], [f"{wanted.step}: {code} is {len(reports)} times in the trace"]
    report = reports[0]
    told = [
        CaseTold(code=code, app=case.app, reference=_first(case.references), status=case.status)
        for case in report.cases
    ]
    faults: list[str] = []
    if report.status != wanted.status:
        faults.append(f"{wanted.step}: {code} is {report.status}, not {wanted.status}")
    record, wrong = _record(wanted, code, evidence)
    faults += wrong
    if record is not None:
        faults += _agree(wanted, report, record, trace)
    if wanted.follows is not None:
        other = codes.get(wanted.follows)
        told_links = {(link.kind, link.direction, link.code) for link in report.links}
        if ("follow_up_to", "to", other) not in told_links:
            faults.append(f"{wanted.step}: {code} does not follow up {wanted.follows}")
    return told, faults


def _record(wanted: Wanted, code: str, evidence: Evidence) -> tuple[Record | None, list[str]]:
    """Return the one record of a report in its app."""
    records = evidence.records[wanted.app]
    if wanted.born:
        mine = born_records(records, evidence.marks[wanted.step])
    else:
        mine = [record for record in records if record.key and (parse_key(record.key) or ("", 0))[0] == code]
    if len(mine) != 1:
        return None, [f"{wanted.step}: {code} has {len(mine)} records in {wanted.app}, not 1"]
    return mine[0], []


def _agree(wanted: Wanted, report: TraceReport, record: Record, trace: Trace) -> Iterator[str]:
    """Hold the app's record against the trace."""
    name = f"{wanted.step}: {wanted.app} {record.reference}"
    if record.word != wanted.word:
        yield f"{name} says {record.word!r}, not {wanted.word!r}"
    numbers = {number.value for case in report.cases if case.app == wanted.app for number in case.references}
    if record.reference not in numbers:
        yield f"{name} is not among the numbers of {report.code} ({', '.join(sorted(numbers))})"
    hops = [hop for hop in trace.hops if hop.report == report.code and hop.app == wanted.app]
    keys = [str(message["key"]) for message in record.messages if message["key"]]
    held = {*keys, record.key} - {None}
    carried = {hop.delivery for hop in hops if hop.kind == "delivery.accepted"}
    if wanted.born is not (record.key is None) or held != carried:
        yield f"{name} holds the keys {sorted(map(str, held))}, the trace tells of {sorted(map(str, carried))}"
    if not any(hop.direction == "in" for hop in hops):
        yield f"{name}: nothing in the trace came from the app"
    if len(keys) != wanted.messages or len(set(keys)) != len(keys):
        yield f"{name} has {len(keys)} messages of ours, not {wanted.messages}"


def _ghosts(ending: Ending, evidence: Evidence) -> Iterator[str]:
    if ending.ghosts:
        calls = [record for record in evidence.records["cc112"] if record.kind == GHOST_CALL]
        if len(calls) != ending.ghosts:
            yield f"{len(calls)} calls without a ticket in cc112, not {ending.ghosts}"


def _first(numbers: Sequence[object]) -> str | None:
    return str(getattr(numbers[0], "value", "")) if numbers else None
