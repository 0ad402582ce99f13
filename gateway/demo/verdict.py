"""Whether a story reached its end: judged by what the apps themselves hold and by the auditor's trace.

Nothing here believes what the demo did. What must be there is written down with each story (`ending`); what is there
comes from `acks.jsonl`, from the sandboxes' records, from the trace, from what reporters may read and from the text
messages that went out. `judge` is pure, so that tests can lie to it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from gateway.demo.callers import Record
from gateway.demo.ending import DESK, Ending, Hop, Unseen, Wanted
from gateway.demo.memory import Ack
from gateway.flows.audit import Trace
from gateway.flows.audit.trace import TraceCase, TraceReport
from gateway.model.codes import parse_key

GHOST_CALL: Final = "call"
"""Kind under which the 112 sandbox keeps calls without a ticket."""
_ALARM: Final = frozenset({"acknowledge", "dispatch", "arrival_town", "arrival_remote"})
"""Clocks that run for emergencies only."""
_AFTER: Final = {"resolved": "closed"}
"""What becomes of a status by itself, when weeks go by."""
_OVER: Final = frozenset({"late", "missed"})


class Text(msgspec.Struct, frozen=True):
    """A text message that went out; `id` is the same over all tries."""

    id: str
    to: str
    text: str


class Listed(msgspec.Struct, frozen=True):
    """A report of the gateway as the coordinator's list shows it: its code, and every number it has from apps."""

    code: str
    numbers: frozenset[tuple[str, str]] = frozenset()


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is there.

    `marks` are by step; `records` by app (all kinds); `found` are the codes under which an auditor finds the
    number of a record; `traces` are by code; `reports` are all reports of the gateway, a visitor's too; `views` are
    what the reporter of a step may read, as text; `texts` are the messages that went out.
    """

    acks: Sequence[Ack]
    marks: Mapping[str, str]
    records: Mapping[str, Sequence[Record]]
    found: Mapping[str, Sequence[str]]
    traces: Mapping[str, Trace]
    reports: Sequence[Listed]
    views: Mapping[str, str] = {}
    texts: Sequence[Text] = ()


class CaseTold(msgspec.Struct, frozen=True, kw_only=True):
    """A case of a story: the report's code, the app, its number there, our status."""

    code: str
    app: str
    reference: str | None
    status: str


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a story: the code of its first report, the cases of all its reports, how many entries those have
    and which apps they touched. `faults` say in plain English what is not as it must be."""

    name: str
    code: str | None
    cases: tuple[CaseTold, ...]
    entries: int
    ok: bool
    faults: tuple[str, ...]
    apps: tuple[str, ...] = ()


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
        if code is not None and codes.setdefault(wanted.step, code) != code:
            faults.append(f"{wanted.step}: its record is of {code}, not of {codes[wanted.step]}")
    root = codes.get(ending.wanted[0].step)
    trace = evidence.traces.get(root) if root is not None else None
    cases: dict[CaseTold, None] = {}
    if trace is None:
        faults.append(f"no trace of {root}")
    else:
        faults += _whole(trace)
        for wanted in ending.wanted:
            if wanted.step in codes:
                told, wrong = _one(wanted, codes, trace, evidence)
                cases |= dict.fromkeys(told)
                faults += wrong
        for hop in ending.hops:
            faults += _hop(hop, codes, trace)
        faults += _clocks(ending, codes, trace)
    faults += _ghosts(ending, evidence)
    faults += _texted(ending, codes, evidence)
    for unseen in ending.unseen:
        faults += _unseen(unseen, codes, evidence)
    mine = [hop for hop in trace.hops if hop.report in codes.values()] if trace else []
    return Scene(
        name=ending.name,
        code=root,
        cases=tuple(cases),
        entries=len(mine),
        ok=not faults,
        faults=tuple(faults),
        apps=tuple(dict.fromkeys(case.app for case in cases if case.app != DESK)),
    )


def strays(endings: Sequence[Ending], evidence: Evidence) -> list[str]:
    """Say what the stories left behind that none of them asked for. What a visitor filed meanwhile is his own."""
    codes = {code for ending in endings for wanted in ending.wanted if (code := code_of(wanted, evidence)[0])}
    listed = [report.code for report in evidence.reports]
    faults = [f"{code} is listed {listed.count(code)} times" for code in sorted(codes) if listed.count(code) > 1]
    promised = {ack.code for ack in evidence.acks}
    faults += [f"{code} was promised, but the gateway does not have it" for code in sorted(promised - set(listed))]
    faults += [f"{code} was promised, but no story asked for it" for code in sorted(promised - codes)]
    ours = {
        (app, record.reference)
        for app, records in evidence.records.items()
        for record in records
        if _is_ours(record, codes, evidence)
    }
    for report in evidence.reports:
        if report.code not in codes and (taken := report.numbers & ours):
            number = " ".join(min(taken))
            faults.append(f"{report.code} was opened for {number}, which belongs to another report")
    for trace in evidence.traces.values():
        for link in (link for report in trace.reports if report.code in codes for link in report.links):
            # A visitor may follow up what he sees here; everything else is made by officers, and those are ours.
            if link.code not in codes and link.kind != "follow_up_to":
                faults.append(f"{link.code} is linked as {link.kind}, but no story asked for it")
    known = set(listed)
    for app, records in evidence.records.items():
        for record in records:
            key = parse_key(record.key) if record.key is not None else None
            if record.key is not None and (key is None or key[0] not in known):
                faults.append(f"{app} {record.reference}: its key {record.key} is of no report of this gateway")
    return faults


def _is_ours(record: Record, codes: set[str], evidence: Evidence) -> bool:
    """Tell whether a record belongs to the stories: by our key, or by a mark of theirs."""
    key = parse_key(record.key) if record.key is not None else None
    if key is not None:
        return key[0] in codes
    told = [str(value) for value in record.fields.values()]
    return any(mark in value for mark in evidence.marks.values() for value in told)


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
    if report.status not in {wanted.status, _AFTER.get(wanted.status)} and not wanted.left_open:
        faults.append(f"{wanted.step}: {code} is {report.status}, not {wanted.status}")
    if wanted.app == DESK:
        faults += _at_desk(wanted, report.cases)
    else:
        record, wrong = _record(wanted, code, evidence)
        faults += wrong
        if record is not None:
            faults += _agree(wanted, report, record, trace)
    if wanted.follows is not None:
        other = codes.get(wanted.follows)
        told_links = {(link.kind, link.direction, link.code) for link in report.links}
        if (wanted.kind, "to", other) not in told_links:
            faults.append(f"{wanted.step}: {code} is no {wanted.kind} of {wanted.follows}")
    return told, faults


def _at_desk(wanted: Wanted, cases: Sequence[TraceCase]) -> Iterator[str]:
    mine = [case for case in cases if case.app == DESK and case.agency == wanted.agency]
    if len(mine) != 1:
        yield f"{wanted.step}: {len(mine)} cases at the desk of {wanted.agency}, not 1"


def _record(wanted: Wanted, code: str, evidence: Evidence) -> tuple[Record | None, list[str]]:
    """Return the one record of a report in its app."""
    records = evidence.records[wanted.app]
    mine = [record for record in records if record.key and (parse_key(record.key) or ("", 0))[0] == code]
    if wanted.born:
        mine = born_records(records, evidence.marks[wanted.step])
    elif wanted.parked:  # typed in by hand as well, it would be there twice
        mine += born_records(records, evidence.marks[wanted.step])
    if len(mine) != 1:
        return None, [f"{wanted.step}: {code} has {len(mine)} records in {wanted.app}, not 1"]
    return mine[0], []


def _agree(wanted: Wanted, report: TraceReport, record: Record, trace: Trace) -> Iterator[str]:
    """Hold the app's record against the trace."""
    name = f"{wanted.step}: {wanted.app} {record.reference}"
    if record.word != wanted.word and not wanted.left_open:
        yield f"{name} says {record.word!r}, not {wanted.word!r}"
    numbers = {number.value for case in report.cases if case.app == wanted.app for number in case.references}
    if record.reference not in numbers:
        yield f"{name} is not among the numbers of {report.code} ({', '.join(sorted(numbers))})"
    hops = [hop for hop in trace.hops if hop.report == report.code and hop.app == wanted.app]
    keys = [str(message["key"]) for message in record.messages if message["key"]]
    held = {*keys, record.key} - {None}
    accepted = [hop for hop in hops if hop.kind == "delivery.accepted"]
    if wanted.parked:
        by_hand = [hop for hop in accepted if hop.facts.get("how") == "person" and record.key != hop.delivery]
        if (record.key is None) is not (len(by_hand) == 1):
            yield f"{name} was typed in by hand, or resolved by hand, and not both"
        accepted = [hop for hop in accepted if hop not in by_hand]
    elif wanted.born is not (record.key is None):
        yield f"{name} has the key {record.key}"
    carried = {hop.delivery for hop in accepted}
    if held != carried:
        yield f"{name} holds the keys {sorted(map(str, held))}, the trace tells of {sorted(map(str, carried))}"
    if not any(hop.direction == "in" for hop in hops):
        yield f"{name}: nothing in the trace came from the app"
    if len(keys) != wanted.messages or len(set(keys)) != len(keys):
        yield f"{name} has {len(keys)} messages of ours, not {wanted.messages}"


def _hop(wanted: Hop, codes: Mapping[str, str], trace: Trace) -> Iterator[str]:
    code = codes.get(wanted.step)
    there = [
        hop
        for hop in trace.hops
        if hop.report == code
        and hop.kind == wanted.kind
        and wanted.app in {None, hop.app}
        and wanted.rule in {None, hop.rule}
    ]
    if not there or wanted.times not in {None, len(there)}:
        yield f"{wanted.step}: {len(there)} entries {wanted.kind}, not {wanted.times or 'any'}"


def _clocks(ending: Ending, codes: Mapping[str, str], trace: Trace) -> Iterator[str]:
    reports = {report.code: report for report in trace.reports}
    for step in ending.calm:
        report = reports.get(codes.get(step, ""))
        if report is None or report.service.startswith("EM-") or _ALARM & {due.clock for due in report.due}:
            yield f"{step}: counts as an emergency"
    for step, clock in ending.late:
        report = reports.get(codes.get(step, ""))
        if report is None or not any(due.clock == clock and due.state in _OVER for due in report.due):
            yield f"{step}: {clock} has not run out"


def _ghosts(ending: Ending, evidence: Evidence) -> Iterator[str]:
    if ending.ghosts:
        calls = [
            record
            for record in evidence.records["cc112"]
            if record.kind == GHOST_CALL and ending.ghost_number in str(record.fields.get("call"))
        ]
        if len(calls) != ending.ghosts:
            yield f"{len(calls)} calls without a ticket in cc112, not {ending.ghosts}"


def _texted(ending: Ending, codes: Mapping[str, str], evidence: Evidence) -> Iterator[str]:
    for wanted in ending.texted:
        code = codes.get(wanted.step, "no report")
        sent = {
            text.id
            for text in evidence.texts
            if text.to == wanted.number and code in text.text and wanted.says in text.text
        }
        if len(sent) != 1:
            yield f"{wanted.step}: {len(sent)} text messages say {wanted.says!r} and its code, not 1"


def _unseen(unseen: Unseen, codes: Mapping[str, str], evidence: Evidence) -> Iterator[str]:
    """Look for what must not be known wherever it must not be."""
    secrets = [*unseen.texts, *(codes[step] for step in unseen.codes if step in codes)]
    places = {app: msgspec.json.encode(list(evidence.records[app])).decode() for app in unseen.apps}
    for step in unseen.reporters:
        view = places[f"the reporter of {step}"] = evidence.views.get(step, "")
        yield from (f"the reporter of {step} does not read {text!r}" for text in unseen.seen if text not in view)
        if codes.get(step, "no code") not in view:
            yield f"the reporter of {step} does not see the report"
    for place, content in places.items():
        yield from (f"{place} knows {secret!r}" for secret in secrets if secret in content)


def _first(numbers: Sequence[object]) -> str | None:
    return str(getattr(numbers[0], "value", "")) if numbers else None
