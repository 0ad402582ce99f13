"""Call Center 112: connector and simulated app against the contract, and against each other on real sockets."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.cc112.connector import Connector
from gateway.sdk import (
    Amendment,
    ContractBroken,
    Document,
    Event,
    Hook,
    Linked,
    Look,
    Person,
    PlaceCodes,
    Receipt,
    Reference,
    Rejected,
    Retryable,
    Site,
    Submission,
    Tally,
    Unauthorized,
)
from gateway.sdk.manifest import read_manifest
from tests.samples import differences, play, raw, recorded, samples
from tests.sandboxes import (
    CONNECTORS,
    MORNING,
    Bench,
    Ear,
    StillClock,
    app_at,
    bench,
    connector_of,
    listening,
)

CODE = "BRU-7Q4M-2XKT"
TICKET = "112-BRU-20260128-0001"
CALLED = "112-BRU-20260128-0003"
NEPO = PlaceCodes(
    kemendagri="73.11.05.2006",
    compact="7311052006",
    bps="7310050006",
    bps_district="7310050",
    village="Nepo",
    district="Mallusetasi",
)
FIRE = Submission(
    key=f"{CODE}-1",
    code=CODE,
    service="EM-FIRE",
    category="KEBAKARAN",
    profile=None,
    priority="P1",
    title="Rumah panggung terbakar",
    text="Rumah panggung terbakar ᨅᨑᨘ 🔥",
    occurred_at=datetime(2026, 1, 28, 0, 15, 30, tzinfo=UTC),
    received_at=MORNING,
    site=Site(
        codes=NEPO,
        latitude=-4.15136,
        longitude=119.69904,
        accuracy_m=25.0,
        address="Dusun Bola Bulu",
        landmark="dekat mushala",
    ),
    reporter=Person(name="Andi Ramlah", phone="+6281242000112"),
    documents=(Document(name="api.png", media_type="image/png", content=b"\x89PNG\r\n\x1a\n"),),
)
HIDDEN = Submission(
    key=f"{CODE}-3",
    code=CODE,
    service="EM-DV",
    category="KDRT",
    profile=None,
    priority="P1",
    title="Tetangga berteriak minta tolong",
    text="Tetangga berteriak minta tolong",
    occurred_at=MORNING,
    received_at=MORNING,
    reporter=Person(hidden=True),
)
NOTE = Amendment(key=f"{CODE}-2", code=CODE, command="message", text="Api sudah menjalar ke rumah sebelah", at=MORNING)


def changed(submission: Submission, **changes: Any) -> Submission:
    return msgspec.structs.replace(submission, **changes)


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


# Contract samples, against both sides (K02).


async def test_the_simulated_app_keeps_the_contract(tmp_path: Path) -> None:
    async with bench("cc112", tmp_path, Connector, unlimited=False) as made:
        for sample in samples("cc112"):
            for step in sample.given:
                assert (await play(step, made.address)).status < 300, sample.name
            if sample.sender == "app":
                owed = list(made.sandbox.store.callbacks.values())[-1].body
                signed = made.sandbox.signed(owed.encode(), made.clock.now())
                assert owed == sample.request.body, sample.name
                assert signed.items() <= sample.request.headers.items(), sample.name
                continue
            await asyncio.sleep(0.05)  # its limit is 20 a second
            found = await play(sample.request, made.address)
            assert differences(sample.response, found, made.address) == {}, sample.name


OPENED = Receipt(references=(Reference("ticket_no", TICKET),), at=MORNING, word="NEW", key=FIRE.key)
NOTED = Receipt(references=(Reference("ticket_no", TICKET),), at=MORNING, key=NOTE.key)
Act = Callable[[Connector], Awaitable[Any]]
PLAYED: list[tuple[str, Act, Any]] = [
    ("open", lambda c: c.submit(FIRE), OPENED),
    ("open-again", lambda c: c.submit(FIRE), OPENED),
    ("open-hidden", lambda c: c.submit(HIDDEN), "112-BRU-20260128-0002"),
    ("find", lambda c: c.find(FIRE.key), OPENED),
    ("find-absent", lambda c: c.find(f"{CODE}-9"), None),
    ("note", lambda c: c.amend(TICKET, NOTE), NOTED),
    ("note-again", lambda c: c.amend(TICKET, NOTE), NOTED),
    ("note-unknown-ticket", lambda c: c.amend("112-BRU-20260128-9999", NOTE), Rejected),
    ("events", lambda c: c.read(TICKET, "1"), ["VERIFIED", "ON_THE_WAY", "CLOSED/handled"]),
    ("changes", lambda c: c.poll('{"after":"2026-01-28T10:13:30+08:00"}'), 3),
]


@pytest.mark.parametrize(("name", "act", "expected"), PLAYED, ids=[name for name, _, _ in PLAYED])
async def test_the_connector_keeps_the_contract(tmp_path: Path, name: str, act: Act, expected: Any) -> None:
    clock = StillClock()
    async with recorded("cc112", tmp_path, clock, {name}) as (fake, address):
        app = app_at("cc112", address, clock)
        try:
            found = await act(connector_of(app, Connector))
        except Rejected as refused:
            found = type(refused)
        finally:
            await app.close()
        assert fake.played == [name]
    if name == "events":
        found = [event.word for event in found.news]
    elif name == "changes":
        found = len(found.news)
    elif name == "open-hidden":
        found = found.references[0].value
    assert found == expected


def test_every_sample_is_played_to_the_connector() -> None:
    refused = {"open-key-reused", "open-unknown-village", "unauthorized"}
    born = {"events-of-a-call", "incident-of-a-call"}
    tested = {name for name, _, _ in PLAYED} | refused | born
    assert {sample.name for sample in samples("cc112") if sample.sender == "gateway"} == tested


@pytest.mark.parametrize(
    ("name", "kind"), [("webhook-prank", Tally), ("webhook-informasi", Look), ("webhook-closed", Event)]
)
def test_recorded_webhooks(name: str, kind: type) -> None:
    sample = next(sample for sample in samples("cc112") if sample.name == name)
    (news,) = hear(raw(sample.request.body))
    assert type(news) is kind


def hear(body: bytes) -> Any:
    connector = connector_of(app_at("cc112", "http://127.0.0.1:9", StillClock()), Connector)
    return connector.receive(Hook(headers={}, body=body, received_at=MORNING))


# Opening.


async def test_a_report_arrives_whole(room: Bench[Connector]) -> None:
    linked = (Linked(kind="follow_up_to", app="sigapdes", value="kerusakan:2", code="BRU-0000-0000"),)
    assert await room.connector.submit(changed(FIRE, attributes={"trapped": True}, linked=linked)) == OPENED
    (record,) = await room.records()
    assert record["key"] == FIRE.key
    assert record["images"][0]["sha256"] == hashlib.sha256(b"\x89PNG\r\n\x1a\n").hexdigest()
    row = record["fields"]
    assert row["narrative"] == f"{FIRE.text}\ntrapped: ya\nTerkait (follow_up_to): sigapdes kerusakan:2"
    assert row["location"]["kode_wilayah"] == "73.11.05.2006"
    assert row["occurred_at"] == "2026-01-28T08:15:30+08:00"
    assert row["priority"] == 1
    assert row["caller"] == {"withheld": False, "name": "Andi Ramlah", "msisdn": "+6281242000112"}


async def test_every_service_has_a_category_there_and_back(room: Bench[Connector]) -> None:
    maps = read_manifest(CONNECTORS / "cc112").categories
    for number, (service, word) in enumerate(maps.out.items(), start=1):
        assert maps.inward[word] == service
        await room.connector.submit(changed(FIRE, key=f"{CODE}-{number}", service=service, category=word))
    assert {record["fields"]["category"] for record in await room.records()} == set(maps.inward)


async def test_only_the_most_urgent_are_priority_one(room: Bench[Connector]) -> None:
    await room.connector.submit(changed(FIRE, priority="P2"))
    assert (await room.records())[0]["fields"]["priority"] == 2


async def test_the_same_key_opens_one_incident(room: Bench[Connector]) -> None:
    receipts = [await room.connector.submit(FIRE) for _ in range(3)]
    assert receipts == [OPENED] * 3
    assert len(await room.records()) == 1


async def test_a_reused_key_is_answered_with_what_stands_there(room: Bench[Connector]) -> None:
    await room.connector.submit(FIRE)
    assert await room.connector.submit(changed(FIRE, text="Lain")) == OPENED
    assert (await room.records())[0]["fields"]["narrative"] == FIRE.text


async def test_find_knows_its_own(room: Bench[Connector]) -> None:
    await room.connector.submit(FIRE)
    await room.connector.submit(HIDDEN)
    assert await room.connector.find(FIRE.key) == OPENED
    assert await room.connector.find(f"{CODE}-31") is None


async def test_the_incident_of_another_key_is_not_accepted(room: Bench[Connector]) -> None:
    await room.connector.submit(FIRE)
    room.sandbox.store._keys[f"incident {CODE}-31"] = TICKET
    with pytest.raises(ContractBroken):
        await room.connector.find(f"{CODE}-31")


async def test_a_hidden_reporter_stays_hidden(room: Bench[Connector]) -> None:
    await room.connector.submit(HIDDEN)
    assert (await room.records())[0]["fields"]["caller"] == {"withheld": True, "name": "Dirahasiakan"}


async def test_a_place_nobody_knows_is_said_so(room: Bench[Connector]) -> None:
    await room.connector.submit(HIDDEN)
    assert (await room.records())[0]["fields"]["location"] == {"text": "tidak diketahui"}


@pytest.mark.parametrize("text", ["ᨅᨑᨘ " * 1000, "مطر\u202eغزير", "👩‍🚒" * 900, "a\x00b"])
async def test_text_of_every_script_is_carried(room: Bench[Connector], text: str) -> None:
    await room.connector.submit(changed(FIRE, text=text[:4000]))
    assert (await room.records())[0]["fields"]["narrative"] == text[:4000]


async def test_longer_text_is_refused_by_name_and_never_cut(room: Bench[Connector]) -> None:
    with pytest.raises(Rejected) as refused:
        await room.connector.submit(changed(FIRE, text="x" * 4001))
    assert refused.value.field == "description"
    assert await room.journal() == []


async def test_files_that_do_not_fit_are_mentioned(room: Bench[Connector]) -> None:
    files = [Document(name=f"{n}.jpg", media_type="image/jpeg", content=b"%d" % n) for n in range(1, 6)]
    sound = Document(name="suara.ogg", media_type="audio/ogg", content=b"o")
    await room.connector.submit(changed(FIRE, documents=(sound, *files)))
    (record,) = await room.records()
    assert [image["name"] for image in record["images"]] == ["1.jpg", "2.jpg", "3.jpg"]
    assert record["fields"]["narrative"].endswith(f"\n(3 lampiran lain ada di laporan {CODE})")


async def test_a_refusal_names_what_can_be_mended(room: Bench[Connector]) -> None:
    with pytest.raises(Rejected) as refused:
        await room.connector.submit(changed(FIRE, site=Site(codes=changed_codes("73.10.03.1001"))))
    assert refused.value.field == "place.village"


def changed_codes(code: str) -> PlaceCodes:
    return PlaceCodes(kemendagri=code, compact="", bps=None, bps_district="7309", village="Bukan", district="Barru")


async def test_a_wrong_credential_is_told_apart(room: Bench[Connector]) -> None:
    wrong = {"GATEWAY_CC112_API_KEY": "not-the-key", "GATEWAY_CC112_WEBHOOK_SECRET": "x"}
    app = app_at("cc112", room.address, room.clock, secrets=wrong)
    with pytest.raises(Unauthorized) as refused:
        await connector_of(app, Connector).submit(FIRE)
    await app.close()
    assert "not-the-key" not in str(refused.value)
    assert await room.records() == []


async def test_the_limit_of_the_app_is_obeyed(tmp_path: Path) -> None:
    async with bench("cc112", tmp_path, Connector, unlimited=False) as made:
        many = [made.connector.submit(changed(FIRE, key=f"{CODE}-{n}")) for n in range(1, 46)]
        await asyncio.gather(*many)
        assert {request["status"] for request in await made.journal()} == {201}
        app = app_at("cc112", made.address, made.clock)
        impatient = connector_of(app, Connector)
        with pytest.raises(Retryable) as later:
            await asyncio.gather(*(impatient.find(f"{CODE}-{n}") for n in range(60)))
        await app.close()
        assert later.value.after == 1


# Notes.


async def test_a_note_is_written_once(room: Bench[Connector]) -> None:
    await room.connector.submit(FIRE)
    assert [await room.connector.amend(TICKET, NOTE) for _ in range(2)] == [NOTED] * 2
    assert (await room.records())[0]["messages"] == [{"key": NOTE.key, "text": NOTE.text}]


async def test_a_withdrawal_cannot_be_carried(room: Bench[Connector]) -> None:
    await room.connector.submit(FIRE)
    with pytest.raises(Rejected):
        await room.connector.amend(TICKET, changed_note(command="withdraw"))


def changed_note(**changes: Any) -> Amendment:
    return msgspec.structs.replace(NOTE, **changes)
