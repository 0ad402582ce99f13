"""The demo's judge is lied to in every way it must not believe."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from gateway.demo.callers import Record
from gateway.demo.ending import Ending, Hop, Texted, Unseen, Wanted
from gateway.demo.memory import Ack
from gateway.demo.verdict import Evidence, Listed, Text, judge, strays
from gateway.flows.audit import Trace
from gateway.flows.audit.trace import Gap, TraceCase, TraceDue, TraceHop, TraceLink, TraceNumber, TraceReport
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
    hops=(Hop(step="house", kind="delivery.accepted", times=2, app="sigapdes"), Hop(step="call", kind="case.event")),
    unseen=(
        Unseen(texts=("KENARI",), codes=("call",), apps=("sigapdes",)),
        Unseen(texts=("KENARI",), reporters=("house",), seen=("ditangani",)),
    ),
    texted=(Texted(step="call", number="+628111", says="dicatat"),),
    calm=("house",),
    late=(("house", "village_service"),),
    ghosts=2,
    ghost_number="+628222",
)


def report(code: str, app: str, number: str, *links: TraceLink, service: str = "VI-DAMAGE") -> TraceReport:
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
        service=service,
        status="resolved",
        created_at=AT,
        occurred_at=None,
        channel="cc112",
        agency="BPBD",
        links=links,
        cases=(case,),
        due=() if service.startswith("EM-") else (TraceDue(clock="village_service", by=AT, state="late"),),
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
GHOSTS = tuple(
    msgspec.structs.replace(record(f"call-{n}", "-"), kind="call", fields={"call": {"msisdn": "+628222"}})
    for n in (1, 2)
)
ACK = Ack(step="house", key="k", code=HOUSE, at=AT, replayed=False)
TRACE = Trace(
    report=report(CALL, "cc112", TICKET, service="EM-FLOOD"),
    reports=(
        report(CALL, "cc112", TICKET, service="EM-FLOOD"),
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
    reports=[Listed(CALL, frozenset({("cc112", TICKET)})), Listed(HOUSE, frozenset({("sigapdes", NUMBER)}))],
    views={"house": f"{HOUSE} sedang ditangani"},
    texts=[Text("1", "+628111", f"Panggilan dicatat: {CALL}"), Text("1", "+628111", f"Panggilan dicatat: {CALL}")],
)
VISITOR = Listed(OTHER, frozenset({("sigapdes", "kerusakan:7")}))


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
        "is no follow_up_to of call",
    ),
    "a secret in another app": (with_records("sigapdes", again(BUILT, fields={"text": "KENARI"})), "knows 'KENARI'"),
    "another report's code in an app": (with_records("sigapdes", again(BUILT, fields={"text": CALL})), "knows"),
    "a secret that a reporter reads": (
        again(TRUE, views={"house": f"{HOUSE} sedang ditangani KENARI"}),
        "the reporter of house knows",
    ),
    "an empty page": (again(TRUE, views={"house": f"{HOUSE}"}), "does not read 'ditangani'"),
    "no page at all": (again(TRUE, views={}), "does not see the report"),
    "no text message": (again(TRUE, texts=[]), "0 text messages"),
    "a text message twice": (
        again(TRUE, texts=[*TRUE.texts, Text("2", "+628111", f"Panggilan dicatat: {CALL}")]),
        "2 text messages",
    ),
    "a text message to another number": (again(TRUE, texts=[Text("1", "+628112", f"dicatat {CALL}")]), "0 text"),
    "an emergency that is none": (
        with_trace(reports=(TRACE.reports[0], again(TRACE.reports[1], service="EM-FIRE"))),
        "counts as an emergency",
    ),
    "an emergency's clock": (
        with_trace(
            reports=(
                TRACE.reports[0],
                again(TRACE.reports[1], due=(*TRACE.reports[1].due, TraceDue(clock="dispatch", by=AT, state="met"))),
            )
        ),
        "counts as an emergency",
    ),
    "a clock that still runs": (
        with_trace(
            reports=(
                TRACE.reports[0],
                again(TRACE.reports[1], due=(TraceDue(clock="village_service", by=AT, state="running"),)),
            )
        ),
        "has not run out",
    ),
    "an entry too many": (with_trace(hops=(*TRACE.hops, TRACE.hops[0])), "2 entries case.event, not 1"),
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


def test_what_a_visitor_filed_meanwhile_is_his_own() -> None:
    his = msgspec.structs.replace(BUILT, reference="kerusakan:7", key=f"{OTHER}-1")
    rung = record("112-BRU-20260128-0009", "NEW")
    ghost = again(GHOSTS[0], reference="call-3", fields={"call": {"msisdn": "+628333"}})
    played = again(
        TRUE,
        records={"cc112": [CALLED, *GHOSTS, ghost, rung], "sigapdes": [BUILT, his]},
        reports=[*TRUE.reports, VISITOR],
    )
    assert judge(ENDING, played).faults == ()
    assert strays([ENDING], played) == []


def escalated() -> TraceReport:
    link = TraceLink(kind="escalated_from", direction="from", code=OTHER)
    return report(CALL, "cc112", TICKET, link, service="EM-FLOOD")


STRAYS: dict[str, Callable[[], Evidence]] = {
    "which belongs to another report": lambda: again(
        TRUE, reports=[*TRUE.reports, Listed(OTHER, frozenset({("sigapdes", NUMBER)}))]
    ),
    "is listed 2 times": lambda: again(TRUE, reports=[*TRUE.reports, TRUE.reports[1]]),
    "the gateway does not have it": lambda: again(TRUE, reports=TRUE.reports[:1]),
    "was promised, but no story": lambda: again(
        TRUE, reports=[*TRUE.reports, VISITOR], acks=[ACK, again(ACK, step="strange", code=OTHER)]
    ),
    "no story asked for it": lambda: again(TRUE, traces={CALL: again(TRACE, reports=(escalated(), TRACE.reports[1]))}),
    "of no report": lambda: with_records("sigapdes", BUILT, again(BUILT, key=f"{OTHER}-1")),
}


@pytest.mark.parametrize("told", STRAYS)
def test_what_nobody_asked_for_is_seen(told: str) -> None:
    assert told in " | ".join(strays([ENDING], STRAYS[told]()))


# -- what a person resolved, and what stands at a desk ---------------------------------------------------------------

ASKED = Ending(
    name="asked",
    wanted=(
        Wanted(step="ask", app="ppid", word="2", status="resolved", parked=True),
        Wanted(step="ask", app="gateway", agency="PUTR", status="resolved"),
    ),
)
DESK = TraceCase(case=2, app="gateway", agency="PUTR", status="resolved", reason="x", word=None, references=())
ASK = report(OTHER, "ppid", "PPID-2026-000001")
ASK = again(ASK, cases=(*ASK.cases, DESK))
BY_HAND = again(hop(OTHER, "ppid", "delivery.accepted", "here", f"{OTHER}-1"), facts={"how": "person"})
SENT = hop(OTHER, "ppid", "delivery.accepted", "out", f"{OTHER}-1")
HEARD = hop(OTHER, "ppid", "case.event", "in")
TYPED = record("PPID-2026-000001", "2", None, f"rincian {MARK}")
WITH_KEY = record("PPID-2026-000001", "2", f"{OTHER}-1")


def asked(held: list[Record], *hops: TraceHop, cases: tuple[TraceCase, ...] = ASK.cases) -> list[str]:
    whole = again(ASK, cases=cases)
    evidence = Evidence(
        acks=[again(ACK, step="ask", code=OTHER)],
        marks={"ask": MARK},
        records={"ppid": held},
        found={},
        traces={OTHER: Trace(report=whole, reports=(whole,), hops=(*hops, HEARD), gaps=())},
        reports=[Listed(OTHER)],
    )
    assert strays([ASKED], evidence) == []
    return list(judge(ASKED, evidence).faults)


def test_a_request_arrives_by_itself_or_by_hand() -> None:
    assert asked([WITH_KEY], SENT) == []
    assert asked([TYPED], BY_HAND) == []
    assert asked([WITH_KEY], BY_HAND) == [], "an officer found it there"


@pytest.mark.parametrize(
    ("held", "hops", "told"),
    [
        ([WITH_KEY, TYPED], [BY_HAND], "2 records"),
        ([WITH_KEY, again(WITH_KEY, reference="PPID-2")], [SENT], "2 records"),
        ([TYPED], [], "not both"),
        ([TYPED], [SENT], "not both"),
        ([TYPED], [SENT, BY_HAND], "holds the keys"),
        ([WITH_KEY], [], "holds the keys"),
        ([], [BY_HAND], "0 records"),
    ],
)
def test_a_request_that_is_there_twice_or_not_at_all_is_seen(
    held: list[Record], hops: list[TraceHop], told: str
) -> None:
    assert told in " | ".join(asked(held, *hops))


@pytest.mark.parametrize("cases", [ASK.cases[:1], (*ASK.cases, again(DESK, case=3))])
def test_a_case_at_a_desk_is_there_once(cases: tuple[TraceCase, ...]) -> None:
    assert "at the desk of PUTR" in " | ".join(asked([WITH_KEY], SENT, cases=cases))
