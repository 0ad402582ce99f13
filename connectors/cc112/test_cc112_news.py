"""What 112 tells: webhooks, gaps, the safety net, calls that began there, and how far an incident is."""

import hashlib
import hmac
import itertools
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.cc112 import wire
from connectors.cc112.connector import Connector
from connectors.cc112.sandbox import OUTCOMES, UNIT_WORDS, WORDS
from gateway.sdk import Event, Hook, Look, Opening, Person, Tally, Unreadable
from gateway.sdk.manifest import read_manifest
from tests.sandboxes import CONNECTORS, MORNING, Bench, Ear, bench, listening

CALL = {
    "category": "BANJIR",
    "call": {"type": "normal", "msisdn": "+6281342000205"},
    "caller": {"name": "Hj. Rosmini", "withheld": True},
    "location": {"lat": -4.32249, "lon": 119.65035, "text": "dekat jembatan", "kode_wilayah": "73.11.07.1001"},
    "narrative": "Air sungai setinggi pinggang",
    "occurred_at": "2026-01-28T09:00:00+08:00",
}


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench("cc112", tmp_path, Connector) as made:
        yield made


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    async with listening() as made:
        yield made


@pytest.fixture
async def calling(tmp_path: Path, ear: Ear) -> AsyncIterator[Bench[Connector]]:
    """A call centre that sends its webhooks to `ear`."""
    async with bench("cc112", tmp_path, Connector, ear.address) as made:
        yield made


def heard(connector: Connector, body: bytes | dict[str, Any]) -> Any:
    """Return what a connector makes of one webhook."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    (news,) = connector.receive(Hook(headers={}, body=raw, received_at=MORNING))
    return news


def unit(status: str, name: str = "DAMKAR-01") -> dict[str, str]:
    return {"unit": name, "opd": "SATPOLPP-DAMKAR", "status": status}


# Calls that began there.


async def test_a_call_opens_a_report_with_its_callers_wish(room: Bench[Connector]) -> None:
    ticket = await room.born(CALL)
    (event,) = (await room.connector.read(ticket, None)).news
    assert isinstance(event, Event)
    assert (event.kind, event.word, event.seq, event.key) == ("incident.created", "NEW", 1, None)
    assert event.references[0].value == ticket
    assert event.opening == Opening(
        category="BANJIR",
        text="Air sungai setinggi pinggang",
        occurred_at=datetime(2026, 1, 28, 1, 0, tzinfo=UTC),
        site_village="73.11.07.1001",
        latitude=-4.32249,
        longitude=119.65035,
        address="dekat jembatan",
        reporter=Person(name="Hj. Rosmini", phone="+6281342000205", hidden=True),
    )


async def test_its_webhook_is_a_hint_to_read_what_the_caller_said(calling: Bench[Connector], ear: Ear) -> None:
    ticket = await calling.born(CALL)
    await ear.until(1)
    look = heard(calling.connector, ear.heard[0][1])
    (event,) = (await calling.connector.read(look.reference.value, None)).news
    assert isinstance(look, Look)
    assert look.reference.value == ticket
    assert look.id != event.id  # both are kept in one inbox, where ids are unique


@pytest.mark.parametrize(("named", "service"), [("IN-LIGHT", "IN-LIGHT"), (None, "XX-OTHER")])
async def test_an_informasi_call_becomes_what_it_asks_about(
    room: Bench[Connector], named: str | None, service: str
) -> None:
    ticket = await room.born({"call": {"type": "informasi", "service": named}, "narrative": "Lampu jalan mati"})
    (event,) = (await room.connector.read(ticket, None)).news
    assert isinstance(event, Event)
    assert event.opening is not None
    assert event.opening.service == service
    assert event.facts["call"] == "informasi"


async def test_pranks_are_counted_and_nothing_else(calling: Bench[Connector], ear: Ear) -> None:
    for kind in ("prank", "ghost", "prank"):
        await calling.born({"call": {"type": kind, "msisdn": "+6285255000040"}})
    await calling.born({"call": {"type": "normal", "msisdn": "+6285255000040"}, "ticket": False})
    ticket = await calling.born({**CALL, "call": {"type": "normal", "msisdn": "+6285255000040"}})
    await ear.until(5)
    news = [heard(calling.connector, body) for _, body in ear.heard]
    assert sorted(one.kind for one in news if isinstance(one, Tally)) == ["ghost", "normal", "prank", "prank"]
    assert len({one.id for one in news}) == 5
    assert [one.reference.value for one in news if isinstance(one, Look)] == [ticket]
    assert b"6285255000040" not in msgspec.json.encode(news)
    assert [record["reference"] for record in await calling.records()] == [ticket]


@pytest.mark.parametrize("kind", ["prank", "ghost"])
@pytest.mark.parametrize(("ref", "news"), [(None, Tally), ("BRU-7Q4M-2XKT-1", Event)])
async def test_a_prank_with_a_ticket_is_only_counted_unless_it_is_ours(
    room: Bench[Connector], kind: str, ref: str | None, news: type
) -> None:
    body = {"event_id": "e", "type": "incident.created", "ticket_no": "112-1", "external_ref": ref, "seq": 1}
    told = heard(room.connector, {**body, "at": "2026-01-28T10:00:00+08:00", "call": {"type": kind}})
    assert type(told) is news
    assert getattr(told, "opening", None) is None


async def test_an_incident_of_another_system_is_not_taken_for_ours(room: Bench[Connector]) -> None:
    body = {"event_id": "e", "type": "incident.created", "ticket_no": "112-1", "external_ref": "RSUD-77", "seq": 1}
    news = heard(room.connector, {**body, "at": "2026-01-28T10:00:00+08:00", "call": {"type": "normal"}})
    assert isinstance(news, Look)


# How far an incident is.

FOLDS: list[tuple[str, list[str], str]] = [
    ("NEW", [], "NEW"),
    ("DISPATCHED", ["ASSIGNED"], "DISPATCHED"),
    ("DISPATCHED", ["ASSIGNED", "ON_SCENE", "ON_THE_WAY"], "ON_SCENE"),
    ("ON_SCENE", ["WITHDRAWN", "ON_THE_WAY"], "ON_THE_WAY"),
    ("ON_SCENE", ["DONE", "DONE"], "ON_SCENE"),
    ("ON_SCENE", ["DONE", "ASSIGNED"], "DISPATCHED"),
    ("CANCELLED", ["ON_SCENE"], "CANCELLED"),
    ("CLOSED", ["ON_SCENE"], "CLOSED/handled"),
    ("DISPATCHED", ["ON_FIRE", "ON_SCENE"], "unit ON_FIRE"),
]


@pytest.mark.parametrize(("status", "units", "word"), FOLDS)
def test_an_incident_is_as_far_as_its_furthest_unit(status: str, units: list[str], word: str) -> None:
    happening = msgspec.convert(
        {
            "event_id": "e",
            "type": "dispatch.updated",
            "ticket_no": "112-1",
            "external_ref": "BRU-7Q4M-2XKT-1",
            "at": "2026-01-28T10:00:00+08:00",
            "call": {"type": "normal"},
            "status": status,
            "dispatches": [unit(one, f"U{n}") for n, one in enumerate(units)],
            "closing": {"outcome": "handled", "text": ""} if status == "CLOSED" else None,
        },
        wire.Happening,
    )
    event = wire.news(happening)
    assert isinstance(event, Event)
    assert event.word == word


def test_every_word_has_its_status() -> None:
    composed = {f"CLOSED/{outcome}" for outcome in OUTCOMES} | (set(WORDS) - {"CLOSED"})
    assert set(read_manifest(CONNECTORS / "cc112").statuses) == composed
    assert set(UNIT_WORDS) == {*wire.ACTIVE, "DONE", "WITHDRAWN"}


async def test_units_and_outcome_are_facts_of_the_event(room: Bench[Connector]) -> None:
    ticket = await room.born(CALL)
    await room.advance(ticket, "DISPATCHED", fields={"dispatches": [unit("ASSIGNED"), unit("ON_THE_WAY", "PMI-2")]})
    await room.advance(ticket, "ON_SCENE")
    closing = {"closing": {"outcome": "false_alarm"}, "dispatches": [unit("DONE"), unit("DONE", "PMI-2")]}
    await room.advance(ticket, "CLOSED", note="Tidak ada banjir", fields=closing)
    sent, arrived, closed = (await room.connector.read(ticket, "1")).news
    assert isinstance(sent, Event)
    assert isinstance(arrived, Event)
    assert isinstance(closed, Event)
    assert (sent.word, sent.facts["unit"], sent.facts["opd"]) == ("ON_THE_WAY", "PMI-2", "SATPOLPP-DAMKAR")
    assert arrived.word == "ON_SCENE"
    assert (closed.word, closed.text, closed.facts["outcome"]) == (
        "CLOSED/false_alarm",
        "Tidak ada banjir",
        "false_alarm",
    )


# Webhooks.


async def test_webhooks_are_signed_over_time_and_raw_body(calling: Bench[Connector], ear: Ear) -> None:
    await calling.born(CALL)
    await ear.until(1)
    headers, body = ear.heard[0]
    stamp = headers["x-112-timestamp"]
    right = hmac.new(b"sandbox-cc112-WEBHOOK_SECRET", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["x-112-signature"] == f"sha256={right}"
    assert int(stamp) == int(MORNING.timestamp())


async def test_every_order_and_repetition_brings_the_same_events(room: Bench[Connector]) -> None:
    ticket = await room.born(CALL)
    for word in ("VERIFIED", "DISPATCHED", "CLOSED"):
        await room.advance(ticket, word)
    bodies = [callback.body.encode() for callback in room.sandbox.store.callbacks.values()]
    expected = {one.id: one for one in (heard(room.connector, body) for body in bodies)}
    assert len(expected) == 4
    for order in itertools.permutations([*bodies, bodies[2]]):
        found = {one.id: one for one in (heard(room.connector, body) for body in order)}
        assert found == expected


async def test_a_broken_webhook_is_named_and_kept(room: Bench[Connector]) -> None:
    half = b'{"event_id": "evt-9", "type": "incident.updated", "at": "kemarin", "call": {"type": "\\ud83d"}}'
    for body, name in ((half, "evt-9"), (b"\xff", f"sha256:{hashlib.sha256(bytes([255])).hexdigest()}")):
        news = heard(room.connector, body)
        assert isinstance(news, Unreadable)
        assert (news.id, news.raw) == (name, body)


# Gaps and the safety net.


async def test_a_gap_is_read(calling: Bench[Connector], ear: Ear) -> None:
    ticket = await calling.born(CALL)
    await ear.until(1)
    await calling.control("quirks", {"drop_webhooks": 2})
    for word in ("VERIFIED", "DISPATCHED", "ON_THE_WAY"):
        await calling.advance(ticket, word)
    await ear.until(2)
    assert [event["seq"] for event in ear.events()] == [1, 4]
    batch = await calling.connector.read(ticket, "1")
    assert [(one.seq, one.word) for one in batch.news if isinstance(one, Event)] == [
        (2, "VERIFIED"),
        (3, "DISPATCHED"),
        (4, "ON_THE_WAY"),
    ]
    assert batch.cursor == "4"
    assert (await calling.connector.read(ticket, "4")).news == []
    assert (await calling.connector.read("112-BRU-20260128-9999", None)).news == ()


async def test_a_broken_event_does_not_hide_its_neighbours(room: Bench[Connector]) -> None:
    ticket = await room.born(CALL)
    await room.advance(ticket, "VERIFIED")
    record = room.sandbox.store.records[ticket]
    broken = {**record.history[0], "event_id": "evt-broken", "call": {"type": "\ud83d"}}
    room.sandbox.store.put(msgspec.structs.replace(record, history=(record.history[0], broken, record.history[1])))
    news = (await room.connector.read(ticket, None)).news
    assert [type(one) for one in news] == [Event, Unreadable, Event]
    assert news[1].id == "evt-broken"


async def gathered(room: Bench[Connector], cursor: str | None) -> tuple[list[str], str | None]:
    """Poll until there is no more; return the tickets named and the cursor."""
    tickets: list[str] = []
    more = True
    while more:
        batch = await room.connector.poll(cursor)
        tickets += [one.reference.value for one in batch.news if isinstance(one, Look)]
        cursor, more = batch.cursor, batch.more
    return tickets, cursor


async def test_the_safety_net_names_every_change_once(room: Bench[Connector]) -> None:
    born = []
    for _ in range(120):
        born.append(await room.born(CALL))
        room.clock.forward(seconds=5)
    tickets, cursor = await gathered(room, None)
    assert tickets == born
    room.clock.forward(minutes=5)
    await room.advance(born[7], "VERIFIED")
    tickets, cursor = await gathered(room, cursor)
    assert tickets == [born[7]]
    room.clock.forward(seconds=1)
    await room.advance(born[7], "CLOSED")
    assert (await gathered(room, cursor))[0] == [born[7]]


async def test_many_changes_in_one_instant_keep_their_names(room: Bench[Connector]) -> None:
    for _ in range(60):
        await room.born(CALL)
    ids: list[str] = []
    cursor, more = None, True
    while more:
        batch = await room.connector.poll(cursor)
        ids += [one.id for one in batch.news if isinstance(one, Look)]
        cursor, more = batch.cursor, batch.more
    again = await room.connector.poll(cursor)
    assert len(set(ids)) == 60
    assert {one.id for one in again.news if isinstance(one, Look)} <= set(ids)


async def test_a_clock_put_back_hides_no_change(room: Bench[Connector]) -> None:
    await room.control("quirks", {"clock_offset_s": 900})
    first = await room.born(CALL)
    _, cursor = await gathered(room, None)
    await room.control("quirks", {"clock_offset_s": 0})
    _, cursor = await gathered(room, cursor)
    second = await room.born(CALL)
    tickets, _ = await gathered(room, cursor)
    assert second in tickets
    assert first in {first, *tickets}


async def test_a_broken_row_does_not_hide_its_neighbours(room: Bench[Connector]) -> None:
    good = await room.born(CALL)
    bad = await room.born(CALL)
    record = room.sandbox.store.records[bad]
    row = {**record.row, "location": {"text": "\ud83d"}, "caller": "bukan objek"}
    room.sandbox.store.put(msgspec.structs.replace(record, row=row))
    batch = await room.connector.poll(None)
    assert [type(one) for one in batch.news] == [Look, Unreadable]
    assert good in str(batch.news[0])
    assert batch.news[1].id == f"incident {bad}"


def test_the_readme_names_tests_that_exist() -> None:
    folder = Path(__file__).parent
    named = set(re.findall(r"`(test_\w+)`", (folder / "README.md").read_text(encoding="utf-8")))
    defined = re.findall(
        r"def (test_\w+)", "".join(file.read_text(encoding="utf-8") for file in folder.glob("test_*.py"))
    )
    assert named
    assert named <= set(defined)
