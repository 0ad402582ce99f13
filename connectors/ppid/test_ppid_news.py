"""What PPID tells: words, answers with documents, extensions, records born there, and rows to be wary of."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.ppid.connector import Connector
from connectors.ppid.sandbox import LABELS, OBJECTION, REQUEST
from connectors.ppid.test_ppid import ASKED, CODE, OBJECTS, TICKET
from gateway.sdk import ContractBroken, Document, Event, News, Opening, Person, Reference, Unreadable
from gateway.sdk.manifest import read_manifest
from tests.sandboxes import CONNECTORS, MORNING, Bench, bench

BORN: dict[str, Any] = {
    "nama": "Andi Tenri",
    "nik": "7311031203780002",
    "email": "andi@contoh.id",
    "no_hp": "081342000205",
    "alamat": "Jl. Sultan Hasanuddin 2",
    "domisili_id": 64,
    "pekerjaan_id": 3,
    "id_bentuk_informasi": 2,
    "rincian": "APBDes Madello 2025",
    "tujuan": "Mengetahui dana desa",
}
PAPER = {"name": "daftar bantuan.pdf", "media_type": "application/pdf", "data": "JVBERi0="}


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench("ppid", tmp_path, Connector) as made:
        yield made


async def gathered(office: Bench[Connector], cursor: str | None = None) -> tuple[list[News], str | None]:
    """Poll, when the second of the last change is over, until there is no more; return the news and the cursor."""
    office.clock.forward(seconds=1)
    news: list[News] = []
    more = True
    while more:
        batch = await office.connector.poll(cursor)
        news += batch.news
        cursor, more = batch.cursor, batch.more
    return news, cursor


def events(news: list[News]) -> list[Event]:
    return [one for one in news if isinstance(one, Event)]


def tickets(news: list[News]) -> list[str]:
    return [event.references[0].value for event in events(news)]


def opening(news: list[News]) -> Opening:
    """Return what the one record that was told of may open."""
    (event,) = events(news)
    assert event.opening is not None
    return event.opening


# Words.


def test_every_word_has_its_status() -> None:
    statuses = read_manifest(CONNECTORS / "ppid").statuses
    assert set(statuses) == {
        *(f"permohonan/{word}" for word in LABELS[REQUEST]),
        *(f"keberatan/{word}" for word in LABELS[OBJECTION]),
    }


@pytest.mark.parametrize(
    ("kind", "word"),
    [*(("permohonan", word) for word in LABELS[REQUEST]), *(("keberatan", word) for word in LABELS[OBJECTION])],
)
async def test_every_status_becomes_its_word(office: Bench[Connector], kind: str, word: str) -> None:
    await office.advance(await office.born({"kind": kind}), word)
    (event,) = events((await gathered(office))[0])
    assert (event.kind, event.word, event.facts) == (kind, f"{kind}/{word}", {})


async def test_an_unknown_word_is_told_as_it_is(office: Bench[Connector]) -> None:
    ticket = await office.born(BORN)
    retype(office, ticket, status=9)
    (event,) = events((await gathered(office))[0])
    assert event.word == "permohonan/9"
    assert event.word not in read_manifest(CONNECTORS / "ppid").statuses


def retype(office: Bench[Connector], ticket: str, **fields: Any) -> None:
    """Let a row say what no form would let in."""
    record = office.sandbox.store.records[ticket]
    row = {**record.row, **fields}
    office.sandbox.store.put(msgspec.structs.replace(record, row=row, history=(*record.history[:-1], row)))


# Numbers.


async def test_our_own_records_are_known_by_the_key_at_their_end(office: Bench[Connector]) -> None:
    await office.connector.submit(ASKED)
    await office.connector.submit(OBJECTS)
    news, _ = await gathered(office)
    assert [(event.key, event.opening) for event in events(news)] == [(ASKED.key, None), (OBJECTS.key, None)]
    (read,) = (await office.connector.read(TICKET, None)).news
    assert read == news[0], "the same news is the same, however it came"


async def test_a_key_that_somebody_wrote_into_a_text_is_not_ours(office: Bench[Connector]) -> None:
    await office.born({**BORN, "rincian": f"Bagaimana dengan [{CODE}-1] saya?"})
    (event,) = events((await gathered(office))[0])
    assert event.key is None
    assert event.opening is not None


async def test_the_registration_number_is_kept_and_nothing_depends_on_it(office: Bench[Connector]) -> None:
    await office.connector.submit(ASKED)
    _, cursor = await gathered(office)
    seen = []
    for number in ("012/PPID/I/2026", "013/PPID/I/2026"):
        await office.advance(TICKET, "1", fields={"no_registrasi": number})
        news, cursor = await gathered(office, cursor)
        (event,) = events(news)
        seen.append(event.references)
        assert event.facts == {"no_registrasi": number}
        found = await office.connector.find(ASKED.key)
        assert found is not None
        assert found.references == event.references
    tiket = Reference("tiket", TICKET)
    assert seen == [
        (tiket, Reference("tiket_no_registrasi", "012/PPID/I/2026")),
        (tiket, Reference("tiket_no_registrasi", "013/PPID/I/2026")),
    ]


async def test_a_number_typed_for_another_record_takes_nothing_there(office: Bench[Connector]) -> None:
    """Only a record with our key is named by a number that an officer types: he may type ours for a stranger's."""
    await office.connector.submit(ASKED)
    stranger = await office.born(BORN)
    for ticket in (TICKET, stranger):
        await office.advance(ticket, "1", fields={"no_registrasi": "012/PPID/I/2026"})
    named = {event.key: [one.value for one in event.references] for event in events((await gathered(office))[0])}
    assert named == {ASKED.key: [TICKET, "012/PPID/I/2026"], None: [stranger]}


# Answers and extensions.


async def test_an_answer_comes_once_and_whole_with_its_documents(office: Bench[Connector]) -> None:
    await office.connector.submit(ASKED)
    _, cursor = await gathered(office)
    await office.advance(TICKET, "2", note="Terlampir ᨅᨑᨘ 📄", document=PAPER)
    news, cursor = await gathered(office, cursor)
    moved, answer = events(news)
    assert (moved.word, moved.text, moved.documents) == ("permohonan/2", None, ())
    (document,) = answer.documents
    assert (answer.kind, answer.word, answer.text) == ("jawaban", None, "Terlampir ᨅᨑᨘ 📄")
    assert document == Document(name="daftar bantuan.pdf", media_type="application/pdf", url=document.url)
    assert document.url is not None
    fetched = await office.app.http.call(
        "GET", document.url, write=False, decode=bytes, headers=office.connector.document_headers
    )
    assert fetched.body == b"%PDF-"
    await office.advance(TICKET, "2", fields={"no_registrasi": "012/PPID/I/2026"})
    news, _ = await gathered(office, cursor)
    assert [event.id for event in events(news)][1:] == [answer.id], "the same answer is the same news"


async def test_documents_are_for_whoever_holds_the_token(office: Bench[Connector]) -> None:
    await office.connector.submit(ASKED)
    await office.advance(TICKET, "2", document=PAPER)
    (answer,) = [event for event in events((await gathered(office))[0]) if event.documents]
    url = str(answer.documents[0].url)
    found = await office.app.http.call("GET", url, write=False, decode=bytes, expect=(401,))
    assert b"PDF" not in found.body


async def test_a_document_elsewhere_is_named_and_never_fetched(office: Bench[Connector]) -> None:
    await office.connector.submit(ASKED)
    elsewhere = [{"nama": "a.pdf", "url": "https://contoh.id/a.pdf", "mime": "application/pdf", "size": 1}]
    await office.advance(TICKET, "2", fields={"dokumen_jawaban": elsewhere})
    _, answer = events((await gathered(office))[0])
    assert (answer.kind, answer.text) == ("jawaban", None)
    assert answer.documents == (Document(name="a.pdf", media_type="application/pdf", url="https://contoh.id/a.pdf"),)
    with pytest.raises(ContractBroken):
        await office.app.http.call("GET", "https://contoh.id/a.pdf", write=False, decode=bytes)


async def test_more_time_is_an_event_and_no_status(office: Bench[Connector]) -> None:
    await office.connector.submit(ASKED)
    await office.advance(TICKET, "1", fields={"diperpanjang": True, "alasan_perpanjangan": "Menunggu data dari BPBD"})
    news, cursor = await gathered(office)
    moved, extended = events(news)
    assert (moved.word, moved.facts) == ("permohonan/1", {})
    assert (extended.kind, extended.word, extended.facts) == ("perpanjangan", None, {"extended": True})
    assert extended.text == "Menunggu data dari BPBD"
    await office.advance(TICKET, "5")
    news, _ = await gathered(office, cursor)
    assert [event.id for event in events(news)][1:] == [extended.id], "more time is taken once"


# Records born there.


async def test_a_request_opens_a_report_with_all_it_says(office: Bench[Connector]) -> None:
    ticket = await office.born(BORN)
    news, _ = await gathered(office)
    (event,) = events(news)
    assert (event.references, event.kind, event.word, event.key) == (
        (Reference("tiket", ticket),),
        "permohonan",
        "permohonan/0",
        None,
    )
    assert opening(news) == Opening(
        category="permohonan-informasi",
        text="APBDes Madello 2025",
        occurred_at=MORNING,
        site_village="73.11.07.2005",
        address="Jl. Sultan Hasanuddin 2",
        reporter=Person(
            name="Andi Tenri", phone="081342000205", email="andi@contoh.id", national_id="7311031203780002"
        ),
        attributes={"occupation": "business", "form_of_information": "hard_copy", "purpose": "Mengetahui dana desa"},
    )


async def test_an_objection_opens_a_report_too(office: Bench[Connector]) -> None:
    asked = await office.born(BORN)
    _, cursor = await gathered(office)
    await office.born({"kind": "keberatan", "no_pendaftaran": asked, "alasan": ["c", "g"], "nama": "Dirahasiakan"})
    news, _ = await gathered(office, cursor)
    assert (opening(news).category, opening(news).text) == ("pengajuan-keberatan", "Tidak dijawab")
    assert opening(news).attributes == {"ticket": asked, "grounds": ["c", "g"]}
    assert (opening(news).reporter.name, opening(news).reporter.hidden) == (None, True)


async def test_every_category_of_the_app_is_known_here(office: Bench[Connector]) -> None:
    manifest = read_manifest(CONNECTORS / "ppid")
    for kind in manifest.opening.kinds:
        await office.born({"kind": kind})
    told = events((await gathered(office))[0])
    assert {event.kind for event in told} == set(manifest.opening.kinds)
    assert {event.opening.category for event in told if event.opening} == set(manifest.categories.inward)


@pytest.mark.parametrize("home", [99, 12345])
async def test_a_place_that_is_no_village_of_ours_is_its_address(office: Bench[Connector], home: int) -> None:
    await office.born({**BORN, "domisili_id": home})
    found = opening((await gathered(office))[0])
    assert (found.site_village, found.address) == (None, "Jl. Sultan Hasanuddin 2")


# Times.


@pytest.mark.parametrize(
    "at",
    [
        datetime(2028, 2, 29, 15, 59, 59, 999_999, tzinfo=UTC),
        datetime(2028, 2, 29, 16, 0, tzinfo=UTC),
        datetime(2026, 12, 31, 16, 0, 0, 1, tzinfo=UTC),
    ],
)
async def test_times_are_utc_and_days_are_those_of_barru(office: Bench[Connector], at: datetime) -> None:
    office.clock.at = at
    await office.born(BORN)
    office.clock.forward(seconds=1)
    news, _ = await gathered(office)
    assert [event.at for event in events(news)] == [at]
    assert opening(news).occurred_at == at
    day = (at + timedelta(hours=8)).date()
    for off, expected in ((-1, []), (0, tickets(news)), (1, [])):
        swept = await office.connector.sweep(day + timedelta(days=off))
        assert tickets(list(swept.news)) == expected


@pytest.mark.parametrize("wrong", ["2026-01-28 10:15:30", "2026-02-30T00:00:00.000000Z", 5, None])
async def test_a_row_with_an_impossible_time_is_set_aside(office: Bench[Connector], wrong: Any) -> None:
    broken, sound = await office.born(BORN), await office.born(BORN)
    retype(office, broken, created_at=wrong)
    news, cursor = await gathered(office)
    assert tickets(news) == [sound]
    (refused,) = [one for one in news if isinstance(one, Unreadable)]
    assert refused.id.startswith(broken)
    assert (await gathered(office, cursor))[0] == []
