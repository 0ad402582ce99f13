"""The demo's judge is lied to in every way it must not believe."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from gateway.demo.callers import Record
from gateway.demo.memory import Ack
from gateway.demo.verdict import Ending, Evidence, Wanted, judge, strays
from gateway.flows.audit import Trace
from gateway.flows.audit.trace import Gap, TraceCase, TraceHop, TraceLink, TraceNumber, TraceReport
from gateway.model.codes import new_code
from gateway.model.principal import GATEWAY

AT = datetime(2026, 1, 28, tzinfo=UTC)
CALL, HOUSE, OTHER = new_code(lambda bound: 7), new_code(lambda bound: 8), new_code(lambda bound: 9)
TICKET, NUMBER, MARK = "112-BRU-20260128-0001", "kerusakan:1", "#0011AABB"
ENDING = Ending(
    name="flood",
    wanted=(
        Wanted(step="call", app="cc112", born=True, word="CLOSED", status="resolved"),
        Wanted(step="house", app="sigapdes", word="3", status="resolved", follows="call", messages=1),
    ),
    ghosts=2,
)


def report(code: str, app: str, number: str, *links: TraceLink) -> TraceReport:
    case = TraceCase(
        case=1,
        app=app,
        agency="BPBD",
        status="resolved",
        reason="routed",
        word="3",
        references=(TraceNumber(kind="id", value=number),),
    )
    return TraceReport(
        code=code,
        service="EM-FLOOD",
        status="resolved",
        created_at=AT,
        occurred_at=None,
        channel="cc112",
        agency="BPBD",
        links=links,
        cases=(case,),
        due=(),
    )


def hop(code: str, app: str, kind: str, direction: str, delivery: str | None = None) -> TraceHop:
    return TraceHop(
        report=code,
        case=1,
        seq=1,
        at="2026-01-28T00:00:00.000Z",
        kind=kind,
        direction=direction,
        app=app,
        actor=GATEWAY,
        delivery=delivery,
        attempt=None,
        operation=None,
        outcome=None,
        http=None,
        word=None,
        status=None,
        rule=None,
        config=None,
        latency_ms=None,
        event=None,
        cause="",
        facts={},
        superseded=False,
    )


def record(reference: str, word: str, key: str | None = None, text: str = "", *keys: str) -> Record:
    messages: list[dict[str, Any]] = [{"key": None, "text": "officer"}]
    messages += [{"key": one, "text": "ours"} for one in keys]
    return Record(reference=reference, kind="incident", key=key, word=word, messages=messages, fields={"text": text})


CALLED = record(TICKET, "CLOSED", None, f"air naik {MARK}")
BUILT = record(NUMBER, "3", f"{HOUSE}-1", "", f"{HOUSE}-2")
GHOSTS = tuple(msgspec.structs.replace(record(f"call-{n}", "-"), kind="call") for n in (1, 2))
ACK = Ack(step="house", key="k", code=HOUSE, at=AT, replayed=False)
TRACE = Trace(
    report=report(CALL, "cc112", TICKET),
    reports=(
        report(CALL, "cc112", TICKET),
        report(HOUSE, "sigapdes", NUMBER, TraceLink(kind="follow_up_to", direction="to", code=CALL)),
    ),
    hops=(
        hop(CALL, "cc112", "case.event", "in"),
        hop(HOUSE, "sigapdes", "delivery.accepted", "out", f"{HOUSE}-1"),
        hop(HOUSE, "sigapdes", "delivery.accepted", "out", f"{HOUSE}-2"),
        hop(HOUSE, "sigapdes", "case.event", "in"),
    ),
    gaps=(),
)
TRUE = Evidence(
    acks=[ACK],
    marks={"call": MARK},
    records={"cc112": [CALLED, *GHOSTS], "sigapdes": [BUILT]},
    found={TICKET: [CALL]},
    traces={CALL: TRACE},
    reports=[CALL, HOUSE],
)


def with_records(app: str, *records: Record) -> Evidence:
    return msgspec.structs.replace(TRUE, records={**TRUE.records, app: list(records)})


def with_trace(**changes: object) -> Evidence:
    return msgspec.structs.replace(TRUE, traces={CALL: msgspec.structs.replace(TRACE, **changes)})


def test_what_is_as_it_must_be_is_believed() -> None:
    scene = judge(ENDING, TRUE)
    assert scene.faults == ()
    assert scene.ok
    assert (scene.code, scene.entries) == (CALL, 4)
    assert [(case.app, case.reference) for case in scene.cases] == [("cc112", TICKET), ("sigapdes", NUMBER)]
    assert strays([ENDING], TRUE) == []


again = msgspec.structs.replace
LIES: dict[str, tuple[Evidence, str]] = {
    "a second ticket for one report": (
        with_records("sigapdes", BUILT, again(BUILT, reference="kerusakan:2")),
        "2 records",
    ),
    "a report that never arrived": (with_records("sigapdes"), "0 records"),
    "a key that is not the delivery's": (
        with_records("sigapdes", again(BUILT, key=f"{HOUSE}-7")),
        "holds the keys",
    ),
    "a birth that happened twice": (
        with_records("cc112", CALLED, again(CALLED, reference="112-2"), *GHOSTS),
        "2 records",
    ),
    "a born record that we sent back to its app": (
        with_records("cc112", again(CALLED, key=f"{CALL}-1"), *GHOSTS),
        "holds the keys",
    ),
    "a word that is not the last": (with_records("sigapdes", again(BUILT, word="2")), "says '2'"),
    "a message that came twice": (
        with_records("sigapdes", record(NUMBER, "3", f"{HOUSE}-1", "", f"{HOUSE}-2", f"{HOUSE}-2")),
        "2 messages",
    ),
    "a message that did not come": (
        with_records("sigapdes", record(NUMBER, "3", f"{HOUSE}-1")),
        "holds the keys",
    ),
    "a ghost too few": (with_records("cc112", CALLED, GHOSTS[0]), "1 calls"),
    "one key, two reports": (
        again(TRUE, acks=[ACK, again(ACK, code=CALL)]),
        "2 reports",
    ),
    "nothing promised": (again(TRUE, acks=[]), "0 reports"),
    "a number that nobody finds": (again(TRUE, found={}), "0 reports"),
    "a number of two reports": (again(TRUE, found={TICKET: [CALL, HOUSE]}), "2 reports"),
    "no trace": (again(TRUE, traces={}), "no trace"),
    "a hole in the trace": (
        with_trace(gaps=(Gap(report=CALL, first=3, last=4, reason="missing"),)),
        "missing",
    ),
    "a cut trace": (with_trace(truncated=True), "truncated"),
    "a report that the trace forgets": (with_trace(reports=TRACE.reports[:1]), "0 times"),
    "a delivery that the trace forgets": (with_trace(hops=(TRACE.hops[0], *TRACE.hops[2:])), "holds the keys"),
    "an app that was never heard": (with_trace(hops=TRACE.hops[:3]), "nothing in the trace came"),
    "a link that is lost": (
        with_trace(reports=(TRACE.reports[0], again(TRACE.reports[1], links=()))),
        "does not follow up",
    ),
    "a status that is not the last": (
        with_trace(reports=(TRACE.reports[0], again(TRACE.reports[1], status="in_progress"))),
        "is in_progress",
    ),
    "another record's number": (
        with_trace(
            reports=(TRACE.reports[0], again(report(HOUSE, "sigapdes", "kerusakan:9"), links=TRACE.reports[1].links))
        ),
        "not among the numbers",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_not_believed(name: str) -> None:
    evidence, told = LIES[name]
    scene = judge(ENDING, evidence)
    assert not scene.ok
    assert told in " | ".join(scene.faults)


STRAYS: dict[str, Callable[[], Evidence]] = {
    "opened, but nobody filed it": lambda: again(TRUE, reports=[CALL, HOUSE, OTHER]),
    "listed twice": lambda: again(TRUE, reports=[CALL, HOUSE, HOUSE]),
    "promised, but": lambda: again(TRUE, reports=[CALL]),
    "of no report": lambda: with_records("sigapdes", BUILT, again(BUILT, key=f"{OTHER}-1")),
}


@pytest.mark.parametrize("told", STRAYS)
def test_what_nobody_asked_for_is_seen(told: str) -> None:
    assert told in " | ".join(strays([ENDING], STRAYS[told]()))
