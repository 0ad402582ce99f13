"""PPID: connector and simulated app against the contract, and against each other on real sockets."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.ppid.connector import Connector
from connectors.ppid.places import NAMES
from connectors.ppid.wire import FORMS, OCCUPATIONS
from gateway.sdk import (
    Amendment,
    Document,
    Linked,
    Person,
    PlaceCodes,
    Receipt,
    Reference,
    Rejected,
    Site,
    Submission,
)
from gateway.sdk.manifest import read_manifest
from tests.samples import differences, play, recorded, samples
from tests.sandboxes import CONNECTORS, MORNING, Bench, StillClock, app_at, bench, connector_of

CODE = "BRU-7Q4M-2XKT"
GIF = b"GIF89a"
CARD = Document(name="ktp.gif", media_type="image/gif", content=GIF, role="identity_card")
TICKET = "PPID-2026-000001"
MADELLO = PlaceCodes(
    kemendagri="73.11.07.2005",
    compact="7311072005",
    bps="7310041001",
    bps_district="7310041",
    village="Madello",
    district="Balusu",
)
WHO = Person(name="Nur Afiah", phone="+6282193000207", email="nur.afiah@contoh.id", national_id="7311075408050003")
ASKED = Submission(
    key=f"{CODE}-1",
    code=CODE,
    service="IF-REQUEST",
    category="permohonan-informasi",
    profile=None,
    priority="P3",
    title="Daftar penerima bantuan banjir",
    text="Daftar penerima bantuan banjir ᨅᨑᨘ Takkalasi, tanpa nama 🌊",
    occurred_at=MORNING,
    received_at=MORNING,
    site=Site(codes=MADELLO, address="Jl. Poros Madello 4"),
    reporter=WHO,
    attributes={"purpose": "Penelitian", "occupation": "student", "form_of_information": "soft_copy"},
    documents=(CARD, Document(name="surat.pdf", media_type="application/pdf", content=b"%PDF-")),
    linked=(Linked(kind="follow_up_to", app="sigapdes", value="kerusakan:1", code="BRU-0000-0000"),),
)
OBJECTS = Submission(
    key=f"{CODE}-2",
    code=CODE,
    service="IF-OBJECT",
    category="pengajuan-keberatan",
    profile=None,
    priority="P3",
    title="Tidak dijawab",
    text="Permohonan saya tidak dijawab",
    occurred_at=MORNING,
    received_at=MORNING,
    reporter=WHO,
    attributes={"grounds": ["c", "g"]},
    linked=(Linked(kind="objection_to", app="ppid", value=TICKET, code="BRU-0000-0000"),),
)
GONE = Amendment(key=f"{CODE}-3", code=CODE, command="withdraw", text="Sudah tidak perlu", at=MORNING)


def changed(submission: Submission, **changes: Any) -> Submission:
    return msgspec.structs.replace(submission, **changes)


def answering(submission: Submission, **answers: object) -> Submission:
    return changed(submission, attributes={**submission.attributes, **answers})


def got(ticket: str, key: str, word: str | None = None) -> Receipt:
    return Receipt(references=(Reference("tiket", ticket),), key=key, word=word)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench("ppid", tmp_path, Connector) as made:
        yield made


async def row(office: Bench[Connector], number: int = 1) -> dict[str, Any]:
    """Return a record as the app has it."""
    fields: dict[str, Any] = (await office.records())[number - 1]["fields"]
    return fields


# Contract samples, against both sides.


async def test_the_simulated_app_keeps_the_contract(tmp_path: Path) -> None:
    async with bench("ppid", tmp_path, Connector) as made:
        for sample in samples("ppid"):
            for step in sample.given:
                assert (await play(step, made.address)).status < 300, sample.name
            found = await play(sample.request, made.address)
            assert differences(sample.response, found, made.address) == {}, sample.name


Act = Callable[[Connector], Awaitable[Any]]
LISTS = {"occupations", "homes", "forms"}
SINCE = '{"since":"2026-01-28T02:13:30Z"}'
CURSOR = f'{{"permohonan-informasi":{SINCE},"pengajuan-keberatan":{SINCE}}}'
LONG = changed(ASKED, key=f"{CODE}-4", text="x" * 5000, documents=(CARD,), linked=())
LATE = answering(changed(OBJECTS, key=f"{CODE}-5", linked=()), ticket="PPID-2026-000099", grounds=["c"])
PLAYED: list[tuple[set[str], Act, Any]] = [
    (LISTS | {"open-request"}, lambda c: c.submit(ASKED), got(TICKET, ASKED.key, "permohonan/0")),
    (LISTS | {"open-too-long"}, lambda c: c.submit(LONG), "description"),
    ({"open-objection"}, lambda c: c.submit(OBJECTS), got("PPID-2026-000002", OBJECTS.key)),
    ({"open-objection-to-nothing"}, lambda c: c.submit(LATE), "attributes.ticket"),
    (
        {"find"},
        lambda c: c.find(ASKED.key),
        msgspec.structs.replace(got(TICKET, ASKED.key, "permohonan/0"), at=MORNING),
    ),
    ({"find-not-a-request", "find-absent"}, lambda c: c.find(OBJECTS.key), None),
    (
        {"find-not-a-request", "find-objection"},
        lambda c: c.find(OBJECTS.key),
        msgspec.structs.replace(got("PPID-2026-000002", OBJECTS.key, "keberatan/n"), at=MORNING),
    ),
    ({"read-extended"}, lambda c: c.read(TICKET, None), ["permohonan/1", "perpanjangan"]),
    ({"read-answered"}, lambda c: c.read(TICKET, None), ["permohonan/2", "perpanjangan", "jawaban"]),
    ({"read-answered", "cancel-answered"}, lambda c: c.amend(TICKET, GONE), "status"),
    (
        {"read-born", "cancel"},
        lambda c: c.amend("PPID-2026-000003", GONE),
        got("PPID-2026-000003", GONE.key, "permohonan/4"),
    ),
    (
        LISTS | {"changes-permohonan", "changes-keberatan"},
        lambda c: c.poll(CURSOR),
        ["permohonan/4", "permohonan/2", "perpanjangan", "jawaban", "keberatan/n"],
    ),
    (
        LISTS,
        lambda c: c.catalogue(),
        {"occupation": set(OCCUPATIONS), "form_of_information": set(FORMS), "village": {"Lainnya", *NAMES}},
    ),
]


@pytest.mark.parametrize(("names", "act", "expected"), PLAYED, ids=["+".join(sorted(one)) for one, _, _ in PLAYED])
async def test_the_connector_keeps_the_contract(tmp_path: Path, names: set[str], act: Act, expected: Any) -> None:
    clock = StillClock()
    clock.forward(seconds=5)  # what a list shows of the running second may change again, and is told later
    async with recorded("ppid", tmp_path, clock, names) as (fake, address):
        app = app_at("ppid", address, clock)
        try:
            found = await act(connector_of(app, Connector))
        except Rejected as refused:
            found = refused.field
        finally:
            await app.close()
        assert set(fake.played) == names
    if isinstance(expected, dict):
        found = {kind: {one.value for one in found if one.kind == kind} for kind in expected}
    elif isinstance(expected, list):
        found = [event.word or event.kind for event in found.news]
    assert found == expected


def test_every_sample_is_played_to_the_connector() -> None:
    refused = {"open-incomplete", "unauthorized", "changes-malformed", "changes-page-beyond"}
    assert {sample.name for sample in samples("ppid")} == refused | {name for names, _, _ in PLAYED for name in names}


# Opening.


async def test_a_request_arrives_whole(office: Bench[Connector]) -> None:
    assert await office.connector.submit(ASKED) == got(TICKET, ASKED.key, "permohonan/0")
    (record,) = await office.records()
    assert (record["key"], record["word"]) == (ASKED.key, "0")
    contents = (GIF, b"%PDF-")
    assert record["images"] == [{"bytes": len(one), "sha256": hashlib.sha256(one).hexdigest()} for one in contents]
    fields = record["fields"]
    assert fields["rincian"] == (f"{ASKED.text}\nTerkait (follow_up_to): sigapdes kerusakan:1\n[{ASKED.key}]"), (
        "our key is the last word"
    )
    names = ("nama", "nik", "email", "no_hp", "alamat", "tujuan", "pekerjaan_id", "domisili_id", "id_bentuk_informasi")
    assert [fields[name] for name in names] == [
        *("Nur Afiah", "7311075408050003", "nur.afiah@contoh.id", "+6282193000207"),
        *("Jl. Poros Madello 4, Madello, Kec. Balusu", "Penelitian", 5, 64, 1),
    ]


async def test_the_trap_for_robots_stays_empty(office: Bench[Connector]) -> None:
    await office.connector.submit(ASKED)
    assert 'name="website"\r\n\r\n\r\n--part-' in (await office.journal())[-1]["body"]


async def test_equal_requests_are_equal_bytes(office: Bench[Connector]) -> None:
    for _ in range(2):
        await office.connector.submit(ASKED)
    sent = [one for one in await office.journal() if one["method"] == "POST"]
    assert len(sent) == 2
    assert len({one["sha256"] for one in sent}) == 1


async def test_an_objection_names_the_request(office: Bench[Connector]) -> None:
    await office.connector.submit(ASKED)
    assert await office.connector.submit(OBJECTS) == got("PPID-2026-000002", OBJECTS.key)
    fields = await row(office, 2)
    assert (fields["no_pendaftaran"], fields["alasan"], fields["status"]) == (TICKET, ["c", "g"], "n")
    assert fields["kasus"] == f"Permohonan saya tidak dijawab\n[{OBJECTS.key}]"


NUMBERED = Linked(kind="objection_to", app="ppid", value="012/PPID/I/2026", code="BRU-0000-0000")
OF_ANOTHER = Linked(kind="objection_to", app="sigapdes", value="pengaduan:1", code="BRU-0000-0000")


@pytest.mark.parametrize(
    ("linked", "typed"),
    [
        (OBJECTS.linked, None),
        ((), f" {TICKET} "),
        ((NUMBERED, *OBJECTS.linked), TICKET),
        (OBJECTS.linked, "PPID-2026-000077"),
        ((OF_ANOTHER,), TICKET),
    ],
)
async def test_the_request_is_known_by_its_link_or_by_what_was_typed(
    office: Bench[Connector], linked: tuple[Linked, ...], typed: str | None
) -> None:
    await office.connector.submit(ASKED)
    await office.connector.submit(answering(changed(OBJECTS, linked=linked), **({"ticket": typed} if typed else {})))
    fields = await row(office, 2)
    assert fields["no_pendaftaran"] == TICKET
    assert (f"\nticket: {typed}\n" in fields["kasus"]) == (typed == "PPID-2026-000077"), "what was typed is not lost"


@pytest.mark.parametrize("linked", [(), (OF_ANOTHER,), (msgspec.structs.replace(NUMBERED, kind="follow_up_to"),)])
async def test_an_objection_to_nothing_is_not_sent(office: Bench[Connector], linked: tuple[Linked, ...]) -> None:
    with pytest.raises(Rejected) as refused:
        await office.connector.submit(changed(OBJECTS, linked=linked))
    assert refused.value.field == "attributes.ticket"
    assert await office.journal() == []


async def test_every_service_has_a_kind_there_and_back(office: Bench[Connector]) -> None:
    maps = read_manifest(CONNECTORS / "ppid").categories
    assert {word: service for service, word in maps.out.items()} == maps.inward
    for service, word in maps.out.items():
        base = ASKED if service == "IF-REQUEST" else OBJECTS
        await office.connector.submit(changed(base, service=service, category=word))
    assert [record["kind"] for record in await office.records()] == list(maps.inward)
    with pytest.raises(Rejected) as refused:
        await office.connector.submit(changed(ASKED, category="sengketa"))
    assert refused.value.field == "service"
