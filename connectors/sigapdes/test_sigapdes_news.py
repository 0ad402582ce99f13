"""What Si-GAPDes tells: two feeds of three kinds, words, replies, records born there, and rows to be wary of."""

import itertools
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.sigapdes.connector import Connector
from connectors.sigapdes.sandbox import FORMS, LABELS
from connectors.sigapdes.test_sigapdes import CODE, FUND, LETTER, REPLY
from gateway.sdk import ContractBroken, Document, Event, News, Opening, Person, Unreadable
from gateway.sdk.manifest import read_manifest
from tests.sandboxes import CONNECTORS, MORNING, Bench, bench

HOUSE: dict[str, Any] = {
    "kind": "kerusakan",
    "kode_desa": "7311052006",
    "nama_kk": "Abd. Malik",
    "nik_kk": "7311051203780002",
    "jumlah_jiwa": 5,
    "jenis_bencana": "kebakaran",
    "tingkat": "berat",
    "keterangan": "Rumah panggung terbakar",
    "lat": -4.15136,
    "lon": 119.69904,
}
COMPLAINT: dict[str, Any] = {
    "kode_desa": "7311071001",
    "judul": "Lampu",
    "isi": "Lampu balai desa mati",
    "kategori": "infrastruktur",
}


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench("sigapdes", tmp_path, Connector) as made:
        yield made


async def gathered(office: Bench[Connector], cursor: str | None = None) -> tuple[list[News], str | None]:
    """Poll until there is no more, when the second of the last change is over; return the news and the cursor."""
    office.clock.forward(seconds=2)
    news: list[News] = []
    more = True
    while more:
        batch = await office.connector.poll(cursor)
        news += batch.news
        cursor, more = batch.cursor, batch.more
    return news, cursor


def events(news: list[News]) -> list[Event]:
    return [one for one in news if isinstance(one, Event)]


def references(news: list[News]) -> list[str]:
    return [event.references[0].value for event in events(news)]


# Words.


def test_every_word_has_its_status() -> None:
    words = {f"{kind}/{status}" for kind, labels in LABELS.items() for status in labels}
    words |= {"pengaduan/3/ditolak", "kerusakan/3/ditolak"}
    assert set(read_manifest(CONNECTORS / "sigapdes").statuses) == words


@pytest.mark.parametrize(("kind", "status"), [(kind, status) for kind, labels in LABELS.items() for status in labels])
async def test_every_status_becomes_its_word(office: Bench[Connector], kind: str, status: int) -> None:
    born = {"pengaduan": COMPLAINT, "kerusakan": HOUSE, "surat": {"kind": "surat", "kode_desa": "7311071001"}}[kind]
    nik = {"nik": "7311071203780002", "no_hp": "+6281342000205"} if kind == "surat" else {}
    reference = await office.born({**born, **nik})
    await office.advance(reference, str(status))
    (event,) = events((await gathered(office))[0])
    assert (event.kind, event.word) == (kind, f"{kind}/{status}")
    assert event.facts == ({"ready": True} if (kind, status) == ("surat", 3) else {})


REPLIES = [
    (["Ditolak: bukan wewenang desa"], "pengaduan/3/ditolak"),
    (["  DITOLAK karena ganda"], "pengaduan/3/ditolak"),
    (["Ditolak sementara", "Sudah diperbaiki"], "pengaduan/3"),
    (["Tidak ditolak"], "pengaduan/3"),
    ([], "pengaduan/3"),
]


@pytest.mark.parametrize(("replies", "word"), REPLIES)
async def test_done_with_a_refusing_reply_is_refused(office: Bench[Connector], replies: list[str], word: str) -> None:
    reference = await office.born(COMPLAINT)
    for reply in replies:
        await office.advance(reference, "2", note=reply)
    await office.advance(reference, "3")
    event = events((await gathered(office))[0])[0]
    assert event.word == word
    assert event.facts == ({"flagged": True} if word.endswith("ditolak") else {})


async def test_the_reporter_writing_ditolak_refuses_nothing(office: Bench[Connector]) -> None:
    await office.connector.submit(FUND)
    await office.connector.amend("pengaduan:1", msgspec.structs.replace(REPLY, text="Ditolak kepala desa!"))
    await office.advance("pengaduan:1", "3")
    (event,) = events((await gathered(office))[0])
    assert (event.word, event.key, event.marks, event.opening) == ("pengaduan/3", FUND.key, (REPLY.key,), None)


async def test_what_the_officer_wrote_comes_once_and_whole(office: Bench[Connector]) -> None:
    reference = await office.born(COMPLAINT)
    _, cursor = await gathered(office)
    for reply in ("Petugas turun Senin", "ᨅᨑᨘ sudah dipasang"):
        await office.advance(reference, "2", note=reply)
        office.clock.forward(seconds=1)
    news, cursor = await gathered(office, cursor)
    assert [event.text for event in events(news)] == [None, "Petugas turun Senin", "ᨅᨑᨘ sudah dipasang"]
    assert (await gathered(office, cursor))[0] == []


async def test_a_finished_letter_is_handed_over(office: Bench[Connector]) -> None:
    await office.connector.submit(LETTER)
    letter = {"name": "surat tidak mampu.pdf", "media_type": "application/pdf", "data": "JVBERi0="}
    await office.advance("surat:1", "3", document=letter)
    (event,) = (await office.connector.read("surat:1", None)).news
    (document,) = event.documents if isinstance(event, Event) else ()
    assert document == Document(name="surat tidak mampu.pdf", media_type="application/pdf", url=document.url)
    assert document.url is not None
    fetched = await office.app.http.call("GET", document.url, write=False, decode=bytes)
    assert fetched.body == b"%PDF-"


# Records born there.


async def test_a_damage_record_opens_a_report(office: Bench[Connector]) -> None:
    reference = await office.born(HOUSE)
    (event,) = events((await gathered(office))[0])
    assert (event.references[0].value, event.kind, event.word, event.key) == (
        reference,
        "kerusakan",
        "kerusakan/1",
        None,
    )
    assert event.opening == Opening(
        category="kerusakan",
        text="Rumah panggung terbakar",
        occurred_at=datetime(2026, 1, 27, 16, 0, tzinfo=UTC),  # the app tells the day, which begins in Barru
        site_village="73.11.05.2006",
        latitude=-4.15136,
        longitude=119.69904,
        reporter=Person(name="Abd. Malik", national_id="7311051203780002"),
        attributes={
            "head_of_family": "Abd. Malik",
            "head_of_family_nik": "7311051203780002",
            "people": 5,
            "disaster": "kebakaran",
            "severity": "berat",
        },
    )


async def test_a_complaint_brings_its_reporters_wish(office: Bench[Connector]) -> None:
    await office.born({**COMPLAINT, "nama": "Dirahasiakan"})
    await office.born({**COMPLAINT, "nama": "Andi", "no_hp": "081342000205"})
    hidden, known = [event.opening for event in events((await gathered(office))[0])]
    assert hidden is not None
    assert known is not None
    assert hidden.reporter == Person(hidden=True)
    assert known.reporter == Person(name="Andi", phone="081342000205")
    assert (known.category, known.text) == ("pengaduan/infrastruktur", "Lampu\nLampu balai desa mati")
    assert known.occurred_at == MORNING


def test_every_category_of_the_app_is_known_here() -> None:
    known = read_manifest(CONNECTORS / "sigapdes").categories.inward
    told = FORMS["pengaduan"]["kategori"]("?")
    assert told is not None
    words = told.partition(": ")[2].split(", ")
    assert set(known) == {"surat", "kerusakan"} | {f"pengaduan/{word}" for word in words}


# Times.


@pytest.mark.parametrize("at", [datetime(2028, 2, 29, 15, 59, 59, tzinfo=UTC), datetime(2026, 1, 27, 16, tzinfo=UTC)])
async def test_naive_times_are_those_of_barru(office: Bench[Connector], at: datetime) -> None:
    office.clock.at = at
    await office.born(COMPLAINT)
    (event,) = events((await gathered(office))[0])
    assert event.at == at


# Completeness.


async def test_every_change_comes_once(office: Bench[Connector]) -> None:
    """A history of births and moves over minutes, polled now and then, each version told exactly once."""
    told: list[News] = []
    cursor = None
    expected = set()
    births = itertools.cycle([COMPLAINT, HOUSE])
    born: list[str] = []
    for step in range(40):
        if step % 3 == 0:
            born.append(await office.born(next(births)))
            reference, status = born[-1], 1
        else:
            reference, status = born[step % len(born)], 2 + step % 2
            await office.advance(reference, str(status))
        stamp = office.clock.at.astimezone(UTC)
        if step % 5 == 4:
            news, cursor = await gathered(office, cursor)
            told += news
        expected.add((reference, status, stamp))
        office.clock.forward(seconds=20)
    told += (await gathered(office, cursor))[0]
    found = [(event.references[0].value, event.word, event.at) for event in events(told)]
    assert len(found) == len(set(found))
    known = {(reference, f"{reference.partition(':')[0]}/{status}", at) for reference, status, at in expected}
    assert set(found) <= known
    latest = {reference: max(entry[2] for entry in known if entry[0] == reference) for reference in born}
    assert {(reference, at) for reference, _, at in found} >= set(latest.items())


async def test_of_two_changes_in_one_second_the_last_is_told(office: Bench[Connector]) -> None:
    """Polled while that second runs, and after: "incomplete" must not be folded before "is being checked"."""
    letter = (await office.connector.submit(LETTER)).references[0].value
    early = await office.connector.poll(None)
    await office.advance(letter, "0", note="Mohon sebutkan nama orang tua")
    later = await office.connector.poll(early.cursor)
    news, cursor = await gathered(office, later.cursor)
    assert [event.word for event in events([*early.news, *later.news, *news]) if event.word] == ["surat/0"]
    assert (await gathered(office, cursor))[0] == []


async def test_what_was_stamped_long_before_it_was_committed_is_not_missed(office: Bench[Connector]) -> None:
    await office.control("quirks", {"commit_lag_s": 100})
    late = await office.born(COMPLAINT)  # number 1, seen only after 100 seconds
    office.clock.forward(seconds=30)
    await office.connector.submit(FUND)  # number 2, seen at once: the id feed is past number 1
    news, cursor = await gathered(office)
    assert references(news) == ["pengaduan:2"]
    office.clock.forward(seconds=75)
    news, cursor = await gathered(office, cursor)
    assert references(news) == [late]
    assert (await gathered(office, cursor))[0] == []


async def test_more_changes_than_a_page_in_one_second(office: Bench[Connector]) -> None:
    born = [await office.born(COMPLAINT) for _ in range(120)]
    news, cursor = await gathered(office)
    assert sorted(references(news), key=lambda name: int(name[10:])) == born
    office.clock.forward(minutes=10)
    for reference in born:
        await office.advance(reference, "2")
    news, cursor = await gathered(office, cursor)
    assert sorted(references(news), key=lambda name: int(name[10:])) == born
    assert (await gathered(office, cursor))[0] == []


async def test_rows_that_move_between_pages_hide_nobody(office: Bench[Connector]) -> None:
    born = []
    for _ in range(70):
        born.append(await office.born(COMPLAINT))
        office.clock.forward(seconds=1)
    _, cursor = await gathered(office)
    office.clock.forward(minutes=10)
    for reference in born:
        await office.advance(reference, "2")
        office.clock.forward(seconds=1)
    batch = await office.connector.poll(cursor)
    assert batch.more
    await office.advance(born[3], "3")  # leaves the first page, and all behind it move up
    news, _ = await gathered(office, batch.cursor)
    assert {*references(list(batch.news)), *references(news)} == set(born)


async def test_a_page_that_comes_again_moves_nothing_back(office: Bench[Connector]) -> None:
    await office.born(COMPLAINT)
    _, cursor = await gathered(office)
    office.clock.forward(minutes=10)
    second = await office.born(COMPLAINT)
    await office.control("quirks", {"repeat_page": 2})
    news, cursor = await gathered(office, cursor)
    later, _ = await gathered(office, cursor)
    assert references(news + later) == [second]


async def test_a_clock_put_back_hides_no_change(office: Bench[Connector]) -> None:
    await office.control("quirks", {"clock_offset_s": 900})
    await office.born(COMPLAINT)
    _, cursor = await gathered(office)
    await office.control("quirks", {"clock_offset_s": 0})
    _, cursor = await gathered(office, cursor)
    await office.advance("pengaduan:1", "2")
    second = await office.born(COMPLAINT)
    news, _ = await gathered(office, cursor)
    assert {(event.references[0].value, event.word) for event in events(news)} >= {
        ("pengaduan:1", "pengaduan/2"),
        (second, "pengaduan/1"),
    }


# Rows to be wary of.


async def test_rows_of_other_regencies_are_refused_with_the_reason(office: Bench[Connector]) -> None:
    foreign = await office.born({**COMPLAINT, "kode_desa": "7310030005", "nama": "Warga Pangkep", "no_hp": "0811"})
    ours = await office.born(COMPLAINT)
    news, _ = await gathered(office)
    assert references(news) == [ours]
    await office.control("quirks", {"leak_villages": True})
    news, cursor = await gathered(office)
    assert references(news) == [ours]
    (refused,) = [one for one in news if isinstance(one, Unreadable)]
    assert refused.id == f"{foreign}:2026-01-28 10:15:30"
    assert "7310030005" in refused.reason
    assert b"Pangkep" not in refused.raw
    assert b"0811" not in refused.raw
    assert (await gathered(office, cursor))[0] == []


async def test_a_broken_row_does_not_hide_its_neighbours(office: Bench[Connector]) -> None:
    ours = await office.born(COMPLAINT)
    await office.control("quirks", {"malformed_row": True})
    news, cursor = await gathered(office)
    assert references(news) == [ours]
    assert {one.id for one in news if isinstance(one, Unreadable)} == {
        f"{kind}:rusak:2999-12-31 23:59:59" for kind in FORMS
    }
    office.clock.forward(minutes=10)
    second = await office.born(COMPLAINT)
    assert references((await gathered(office, cursor))[0]) == [second]


async def test_a_broken_row_that_is_dated_ahead_hides_no_page(office: Bench[Connector]) -> None:
    born = []
    for _ in range(70):
        born.append(await office.born(COMPLAINT))
        office.clock.forward(seconds=1)
    await office.connector.amend(born[-1], REPLY)
    _, cursor = await gathered(office)
    await office.control("quirks", {"malformed_row": True})
    assert await office.connector.find(REPLY.key) is not None
    office.clock.forward(minutes=10)
    for reference in born:
        await office.advance(reference, "2")
        office.clock.forward(seconds=1)
    assert set(references((await gathered(office, cursor))[0])) == set(born)


async def test_half_an_emoji_in_a_sound_row_is_no_text(office: Bench[Connector]) -> None:
    for isi in ("Lampu \ud83d", "Lampu"):
        await office.born({**COMPLAINT, "isi": isi})
    news, _ = await gathered(office)
    assert references(news) == ["pengaduan:2"]
    assert [one.id for one in news if isinstance(one, Unreadable)] == ["pengaduan:1:2026-01-28 10:15:30"]


@pytest.mark.parametrize("wrong", [{"updated_at": "2999-12-31 00:00:00"}, {"updated_at": "2026-02-30 00:00:00"}])
async def test_a_row_with_an_impossible_time_leads_no_cursor_astray(
    office: Bench[Connector], wrong: dict[str, Any]
) -> None:
    broken = await office.born(COMPLAINT)
    record = office.sandbox.store.records[broken]
    office.sandbox.store.put(msgspec.structs.replace(record, row={**record.row, **wrong}))
    _, cursor = await gathered(office)
    office.clock.forward(minutes=10)
    second = await office.born(HOUSE)
    third = await office.born(COMPLAINT)
    await office.advance(third, "2")
    news, _ = await gathered(office, cursor)
    assert {second, third} <= set(references(news))


async def test_a_defaced_page_is_no_news(office: Bench[Connector]) -> None:
    await office.born(COMPLAINT)
    await office.connector.find(f"{CODE}-31")
    await office.control("quirks", {"html": 1})
    with pytest.raises(ContractBroken):
        await office.connector.poll(None)
    assert references((await gathered(office))[0]) == ["pengaduan:1"]


async def test_reading_what_is_not_there_brings_nothing(office: Bench[Connector]) -> None:
    assert (await office.connector.read("pengaduan:77", None)).news == ()


def test_the_readme_names_tests_that_exist() -> None:
    folder = Path(__file__).parent
    named = set(re.findall(r"`(test_\w+)`", (folder / "README.md").read_text(encoding="utf-8")))
    written = "".join(file.read_text(encoding="utf-8") for file in folder.glob("test_*.py"))
    defined = re.findall(r"def (test_\w+)", written)
    assert named
    assert named <= set(defined)
