"""The checker of the fault campaigns finds every kind of planted evidence, and nothing where all is well."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from gateway.model.codes import new_code
from tests.faults.checker import Ack, Case, Crossing, Evidence, Held, Hop, Sent, Told, check

EXACT, SEARCHED = new_code(lambda _: 1), new_code(lambda _: 2)
"""A report in an app that is asked exactly, with a message; and one that an app which is only searched never showed."""


def hops(*told: tuple[str, Mapping[str, Any]]) -> tuple[Hop, ...]:
    return tuple(Hop(seq=seq, kind=kind, **more) for seq, (kind, more) in enumerate(told, start=1))


def delivery(key: str, app: str, **more: Any) -> dict[str, Any]:
    return {"delivery": key, "app": app, "operation": "open", **more}


def good() -> Evidence:
    """Evidence of a run in which all is well."""
    first, second, parked = f"{EXACT}-1", f"{EXACT}-2", f"{SEARCHED}-1"
    message = {"operation": "message"}
    exact = Told(
        cases=(Case(app="sigapdes", status="in_progress", references=("kerusakan:1",)),),
        hops=hops(
            ("report.opened", {}),
            ("delivery.queued", delivery(first, "sigapdes")),
            ("delivery.attempt", delivery(first, "sigapdes", attempt=1)),
            ("delivery.unsure", delivery(first, "sigapdes", attempt=1, http=500)),
            ("delivery.accepted", delivery(first, "sigapdes", operation="find", http=200)),
            ("delivery.queued", delivery(second, "sigapdes") | message),
            ("message.received", {}),
            ("delivery.attempt", delivery(second, "sigapdes", attempt=1) | message),
            ("delivery.accepted", delivery(second, "sigapdes", attempt=1, http=200) | message),
        ),
    )
    searched = Told(
        cases=(Case(app="ppid", status="received"),),
        hops=hops(
            ("report.opened", {}),
            ("delivery.queued", delivery(parked, "ppid")),
            ("delivery.attempt", delivery(parked, "ppid", attempt=1)),
            ("delivery.unsure", delivery(parked, "ppid", attempt=1)),
            ("delivery.held", delivery(parked, "ppid", operation="find", http=200)),
        ),
    )
    return Evidence(
        acks=[
            Ack(what="report", key="k1", code=EXACT, app="sigapdes", text="#k1"),
            Ack(what="report", key="k1", code=EXACT, app="sigapdes", text="#k1"),
            Ack(what="message", key="k2", code=EXACT, app="sigapdes", text="#k2"),
            Ack(what="report", key="k3", code=SEARCHED, app="ppid", text="#k3"),
        ],
        records=[
            Held(
                app="sigapdes",
                reference="kerusakan:1",
                key=first,
                word="2",
                messages=((None, "Kami datang"), (second, "Masih menunggu #k2")),
            )
        ],
        sends=[
            Sent(app="sigapdes", key=first, status=401),
            Sent(app="sigapdes", key=first, status=201),
            Sent(app="sigapdes", key=second, status=201),
        ],
        crossings=[
            Crossing(app="sigapdes", key=first),
            Crossing(app="sigapdes", key=first, fault="accept_then_500", doubt=True),
            Crossing(app="sigapdes", key=second),
            Crossing(app="ppid", key=parked, fault="reset_unread", doubt=True),
        ],
        told={EXACT: exact, SEARCHED: searched},
        parked={parked: "not_found"},
        levels={"sigapdes": "L2", "ppid": "L1"},
        meaning={"sigapdes": {"1": "received", "2": "in_progress"}, "ppid": {"n": "received"}},
        faults={"accept_then_500": 1, "reset_unread": 1},
    )


def changed(evidence: Evidence, **more: Any) -> Evidence:
    return msgspec.structs.replace(evidence, **more)


def told(evidence: Evidence, code: str, change: Callable[[Told], Told]) -> Evidence:
    """Change what is told of a report."""
    found = evidence.told[code]
    assert found is not None
    return changed(evidence, told={**evidence.told, code: change(found)})


def without(kind: str, code: str = EXACT, key: str | None = None) -> Callable[[Evidence], Evidence]:
    """Leave entries of a kind out, and number the rest anew."""

    def change(one: Told) -> Told:
        left = [hop for hop in one.hops if hop.kind != kind or (key is not None and hop.delivery != key)]
        anew = tuple(msgspec.structs.replace(hop, seq=seq) for seq, hop in enumerate(left, start=1))
        return msgspec.structs.replace(one, hops=anew)

    return lambda evidence: told(evidence, code, change)


def record(evidence: Evidence, **more: Any) -> Evidence:
    return changed(evidence, records=[msgspec.structs.replace(evidence.records[0], **more)])


def one_more(evidence: Evidence, **more: Any) -> Evidence:
    return changed(evidence, records=[*evidence.records, msgspec.structs.replace(evidence.records[0], **more)])


def hole(one: Told) -> Told:
    return msgspec.structs.replace(one, hops=(*one.hops[:3], *one.hops[4:]))


def again(evidence: Evidence) -> Evidence:
    said = Hop(seq=10, kind="delivery.accepted", delivery=f"{EXACT}-1", app="sigapdes", operation="open")
    return told(evidence, EXACT, lambda one: msgspec.structs.replace(one, hops=(*one.hops, said)))


SAID_TWICE = ((f"{EXACT}-2", "Masih menunggu #k2"), (f"{EXACT}-2", "Masih menunggu #k2"))
PLANTED: Mapping[str, tuple[str, Callable[[Evidence], Evidence]]] = {
    "an acknowledged report that nobody knows": (
        "lost_report",
        lambda good: changed(good, told={**good.told, EXACT: None}),
    ),
    "an acknowledged message that nobody received": ("lost_message", without("message.received")),
    "one key with two codes": (
        "split",
        lambda good: changed(good, acks=[*good.acks, msgspec.structs.replace(good.acks[0], code=SEARCHED)]),
    ),
    "one code under two keys": (
        "shared",
        lambda good: changed(good, acks=[*good.acks, msgspec.structs.replace(good.acks[0], key="k9")]),
    ),
    "a report that is carried nowhere": (
        "unrouted",
        lambda good: without("delivery.queued", SEARCHED)(good),
    ),
    "accepted, and not in the app": ("lost", lambda good: changed(good, records=[])),
    "a message accepted, and not in the app": ("lost", lambda good: record(good, messages=())),
    "a record too many": ("doubled", lambda good: one_more(good, reference="kerusakan:2")),
    "a message said twice": ("doubled", lambda good: record(good, messages=SAID_TWICE)),
    "still unsure": ("limbo", without("delivery.accepted", key=f"{EXACT}-1")),
    "still sending": (
        "limbo",
        lambda good: without("delivery.unsure", SEARCHED)(without("delivery.held", SEARCHED)(good)),
    ),
    "parked, and not shown": ("silent", lambda good: changed(good, parked={})),
    "parked without a cause": ("silent", lambda good: changed(good, parked={f"{SEARCHED}-1": ""})),
    "parked where exactly once is promised": (
        "undelivered",
        lambda good: changed(good, levels={"sigapdes": "L2", "ppid": "L2"}),
    ),
    "a record that nobody filed": ("unknown", lambda good: one_more(good, key="BRU-CCCC-CCCC-1")),
    "a record without a key": ("unknown", lambda good: one_more(good, key=None, reference="kerusakan:9")),
    "a message before its report": ("disorder", lambda good: changed(good, sends=list(reversed(good.sends)))),
    "a write that has no entry": (
        "unentered",
        lambda good: changed(good, crossings=[*good.crossings, good.crossings[2]]),
    ),
    "a write in the app's journal that has no entry": (
        "unentered",
        lambda good: changed(good, sends=[*good.sends, good.sends[2]]),
    ),
    "an answer that nobody gave": ("unsent", lambda good: changed(good, crossings=good.crossings[3:])),
    "accepted, and never sent": ("unsent", lambda good: changed(good, sends=good.sends[:2])),
    "sent again in doubt to an app that is only searched": (
        "resent",
        lambda good: changed(good, crossings=[*good.crossings, good.crossings[3]]),
    ),
    "a hole in the entries": ("gap", lambda good: told(good, EXACT, hole)),
    "a hole that is admitted": (
        "gap",
        lambda good: told(good, EXACT, lambda one: msgspec.structs.replace(one, gaps=1)),
    ),
    "accepted twice": ("reaccepted", again),
    "a case that does not stand where its record stands": ("astray", lambda good: record(good, word="1")),
    "a run without faults": ("vacuous", lambda good: changed(good, faults={})),
}


def test_where_all_is_well_nothing_is_found() -> None:
    assert check(good()) == []


@pytest.mark.parametrize(("kind", "plant"), PLANTED.values(), ids=list(PLANTED))
def test_what_is_planted_is_found(kind: str, plant: Callable[[Evidence], Evidence]) -> None:
    assert kind in {finding.kind for finding in check(plant(good()))}
