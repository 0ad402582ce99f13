"""What Singgah Di Barru tells: words, answers, times, days over the wire, and rows to be wary of."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.singgah_di_barru.connector import Connector
from connectors.singgah_di_barru.sandbox import WORDS
from connectors.singgah_di_barru.test_singgah_di_barru import APP, CODE, LEVY, MORE, RAILING
from gateway.sdk import ContractBroken, Document, Event, News, Retryable, Unreadable
from gateway.sdk.manifest import read_manifest
from tests.sandboxes import CONNECTORS, MORNING, Bench, bench

SLIPPERY: dict[str, Any] = {
    "id_kategori": "3",
    "id_destinasi": "2",
    "judul": "Slippery rocks",
    "isi": "Two people slipped near the waterfall ⚠️",
    "nama": "Anna Lindqvist",
    "telp": "+46701234567",
    "email": "anna@example.se",
    "bahasa": "en",
}
TODAY = date(2026, 1, 28)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench(APP, tmp_path, Connector) as made:
        yield made


async def gathered(desk: Bench[Connector], cursor: str | None = None) -> tuple[list[News], str | None]:
    """Let the running second pass, then poll until there is no more; return the news and the cursor."""
    desk.clock.forward(seconds=3)
    news: list[News] = []
    more = True
    while more:
        batch = await desk.connector.poll(cursor)
        news += batch.news
        cursor, more = batch.cursor, batch.more
    return news, cursor


def events(news: list[News], kind: str = "laporan") -> list[Event]:
    return [one for one in news if isinstance(one, Event) and one.kind == kind]


def numbers(news: list[News]) -> list[str]:
    return [event.references[0].value for event in events(news)]


# Words.


def test_every_word_has_its_status() -> None:
    assert list(read_manifest(CONNECTORS / APP).statuses) == WORDS


@pytest.mark.parametrize("word", WORDS)
async def test_every_word_is_told(desk: Bench[Connector], word: str) -> None:
    await desk.connector.submit(RAILING)
    await desk.advance("1", word)
    (event,) = events((await gathered(desk))[0])
    assert (event.word, event.key, event.opening, event.at) == (word, RAILING.key, None, MORNING)
    assert [(one.kind, one.value) for one in event.references] == [("id", "1")]


async def test_a_word_that_nobody_knows_is_told_as_it_stands(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    await desk.control("quirks", {"word_added": True})
    await desk.advance("1", "diarsipkan")
    assert events((await gathered(desk))[0])[0].word == "diarsipkan"
    assert "diarsipkan" not in read_manifest(CONNECTORS / APP).statuses


async def test_what_the_officer_wrote_comes_once_and_whole(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    cursor, told = None, []
    for word, note in (
        ("diverifikasi", "ᨅᨑᨘ Petugas ke lokasi"),
        ("ditindaklanjuti", None),
        ("selesai", "Sudah baik 👍"),
    ):
        await desk.advance("1", word, note=note)
        news, cursor = await gathered(desk, cursor)
        told += events(news, "tanggapan")
    assert [(one.text, one.word, one.key) for one in {one.id: one for one in told}.values()] == [
        ("ᨅᨑᨘ Petugas ke lokasi", None, RAILING.key),
        ("Sudah baik 👍", None, RAILING.key),
    ]


async def test_what_the_officer_added_is_handed_over(desk: Bench[Connector]) -> None:
    await desk.connector.submit(LEVY)
    for name in ("tarif resmi.pdf", "ᨅ.pdf"):
        file = {"name": name, "media_type": "application/pdf", "data": "JVBERi0="}
        await desk.advance("1", "selesai", note="Tarif resmi terlampir", document=file)
    (event,) = events((await gathered(desk))[0])
    assert [one.name for one in event.documents] == ["tarif resmi.pdf", "ᨅ.pdf"]
    for document in event.documents:
        assert document == Document(name=document.name, media_type="application/pdf", url=document.url)
        assert document.url is not None
        fetched = await desk.app.http.call("GET", document.url, write=False, decode=bytes)
        assert fetched.body == b"%PDF-"
    missing = await desk.app.http.call(
        "GET", f"/berkas/{'0' * 64}/x.pdf", write=False, missing=(), expect=(404,), decode=bytes
    )
    assert missing.status == 404


async def test_our_messages_are_marks(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    born = await desk.born(SLIPPERY)
    await desk.connector.amend("1", MORE)
    await desk.connector.amend(born, msgspec.structs.replace(MORE, key=f"{CODE}-7"))
    found = {event.references[0].value: event.marks for event in events((await gathered(desk))[0])}
    assert found == {"1": (MORE.key,), born: (f"{CODE}-7",)}


# Times.


@pytest.mark.parametrize("at", [datetime(2028, 2, 29, 15, 59, 59, tzinfo=UTC), datetime(2026, 1, 27, 16, tzinfo=UTC)])
async def test_naive_times_are_those_of_barru(desk: Bench[Connector], at: datetime) -> None:
    desk.clock.at = at
    await desk.born(SLIPPERY)
    (event,) = events((await gathered(desk))[0])
    assert event.at == at
    assert event.opening is not None
    assert event.opening.occurred_at == at


# Completeness, over the wire.


async def test_every_change_comes_once_over_midnight(desk: Bench[Connector]) -> None:
    """Births and moves for hours, across midnight in Barru, polled now and then."""
    desk.clock.at = datetime(2026, 1, 28, 14, 30, tzinfo=UTC)
    told: list[News] = []
    cursor, expected, born = None, set(), []
    for step in range(60):
        if step % 3 == 0:
            born.append(await desk.born(SLIPPERY))
            number, word = born[-1], "baru"
        else:
            number, word = born[step % len(born)], WORDS[step % len(WORDS)]
            await desk.advance(number, word)
        expected.add((number, word, desk.clock.at))
        if step % 5 == 4:
            news, cursor = await gathered(desk, cursor)
            told += news
        desk.clock.forward(minutes=3)
    told += (await gathered(desk, cursor))[0]
    found = [(event.references[0].value, event.word, event.at) for event in events(told)]
    assert len(found) == len(set(found))
    assert set(found) <= expected
    latest = {number: max(at for name, _, at in expected if name == number) for number in born}
    assert {(number, at) for number, _, at in found} >= set(latest.items())
    assert {at.astimezone(UTC).date() for _, _, at in found} == {TODAY}
    assert {(at + timedelta(hours=8)).day for _, _, at in found} == {28, 29}


async def test_more_reports_than_a_page_in_one_second(desk: Bench[Connector]) -> None:
    born = [await desk.born(SLIPPERY) for _ in range(120)]
    news, cursor = await gathered(desk)
    assert sorted(numbers(news), key=int) == born
    desk.clock.forward(minutes=10)
    for number in born:
        await desk.advance(number, "diverifikasi")
    news, cursor = await gathered(desk, cursor)
    assert sorted(numbers(news), key=int) == born
    assert (await gathered(desk, cursor))[0] == []


async def test_a_row_that_comes_on_two_pages_is_told_once(desk: Bench[Connector]) -> None:
    for _ in range(70):
        await desk.born(SLIPPERY)
        desk.clock.forward(seconds=1)
    desk.clock.forward(seconds=3)
    first = await desk.connector.poll(None)
    await desk.born(SLIPPERY)  # comes first, and pushes what was last on the first page to the second
    rest, cursor = await gathered(desk, first.cursor)
    later, _ = await gathered(desk, cursor)
    found = [*numbers(list(first.news)), *numbers(rest), *numbers(later)]
    assert sorted(found, key=int) == [str(number) for number in range(1, 72)]


async def test_a_page_that_comes_again_moves_nothing_back(desk: Bench[Connector]) -> None:
    await desk.born(SLIPPERY)
    _, cursor = await gathered(desk)
    second = await desk.born(SLIPPERY)
    await desk.control("quirks", {"repeat_page": 1})
    news, cursor = await gathered(desk, cursor)
    later, _ = await gathered(desk, cursor)
    assert numbers(news + later) == [second]


async def test_what_was_stamped_long_before_it_was_committed_is_not_missed(desk: Bench[Connector]) -> None:
    desk.clock.at = datetime(2026, 1, 28, 15, 59, tzinfo=UTC)
    await desk.control("quirks", {"commit_lag_s": 100})
    late = await desk.born(SLIPPERY)  # stamped before midnight, seen only after it
    news, cursor = await gathered(desk)
    assert news == []
    desk.clock.forward(seconds=110)
    news, cursor = await gathered(desk, cursor)
    assert numbers(news) == [late]


async def test_the_clock_of_the_app_may_be_off(desk: Bench[Connector]) -> None:
    for minutes in (15, -15):
        desk.clock.at = datetime(2026, 1, 28, 15, 50, tzinfo=UTC) - timedelta(minutes=minutes)
        await desk.control("reset", {})
        await desk.control("quirks", {"unlimited": True, "clock_offset_s": minutes * 60.0})
        first = await desk.born(SLIPPERY)
        news, cursor = await gathered(desk)
        desk.clock.forward(minutes=12)  # midnight passes by the app's clock
        second = await desk.born(SLIPPERY)
        more, cursor = await gathered(desk, cursor)
        assert numbers(news + more) == [first, second]


# Rows to be wary of.


async def test_a_broken_row_does_not_hide_its_neighbours(desk: Bench[Connector]) -> None:
    ours = await desk.born(SLIPPERY)
    await desk.control("quirks", {"malformed_row": True})
    news, cursor = await gathered(desk)
    assert numbers(news) == [ours]
    (broken,) = [one for one in news if isinstance(one, Unreadable)]
    assert broken.id.startswith("rusak@31-12-2999 23:59:59:")
    second = await desk.born(SLIPPERY)
    news, _ = await gathered(desk, cursor)
    assert numbers(news) == [second]
    assert [one for one in news if isinstance(one, Unreadable)] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": "x1"},
        {"isi": "Tangga \ud83d"},
        {"status": 1},
        {"tgl_update": "2026-01-28 10:15:30"},
        {"tgl_kirim": "30-02-2026 10:00:00"},
        {"lat": "91.5", "lon": "119.7"},
        {"lat": "-4,5", "lon": "119.7"},
        {"lat": "-4.5", "lon": ""},
        {"komentar": "{"},
    ],
)
async def test_a_row_that_is_not_as_agreed_is_set_aside_alone(desk: Bench[Connector], changes: dict[str, Any]) -> None:
    for _ in range(2):
        await desk.born(SLIPPERY)
    record = desk.sandbox.store.records["1"]
    rows = [{**record.row, **changes}, desk.sandbox.store.records["2"].row]
    news = await desk.connector._news(rows)
    assert numbers(news) == ["2"]
    (broken,) = [one for one in news if isinstance(one, Unreadable)]
    assert broken.id.isascii()
    assert "slipped" not in broken.reason


async def test_a_defaced_page_is_no_news(desk: Bench[Connector]) -> None:
    await desk.born(SLIPPERY)
    desk.clock.forward(seconds=3)
    await desk.control("quirks", {"html": 1})
    with pytest.raises(ContractBroken):
        await desk.connector.poll(None)
    await desk.control("quirks", {"html_502": 1})
    with pytest.raises(Retryable):
        await desk.connector.poll(None)
    assert numbers((await gathered(desk))[0]) == ["1"]


# Reading one, a whole day, and what the app has lists of.


async def test_one_report_is_read_if_it_changed_lately(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    for _ in range(60):
        await desk.born(SLIPPERY)
    await desk.advance("1", "selesai", note="Pagar diganti")
    desk.clock.forward(days=3)
    read = list((await desk.connector.read("1", None)).news)
    assert [(one.word, one.text) for one in read if isinstance(one, Event)] == [
        ("selesai", None),
        (None, "Pagar diganti"),
    ]
    polled, _ = await gathered(desk)
    assert {one.id for one in read} <= {one.id for one in polled}
    assert (await desk.connector.read("77", None)).news == []
    desk.clock.forward(days=12)
    assert (await desk.connector.read("1", None)).news == []


async def test_a_day_is_swept_with_one_event_for_each_report(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    for _ in range(60):
        await desk.born(SLIPPERY)
    desk.clock.forward(days=1)
    await desk.advance("5", "selesai", note="Sudah diberi tali")
    await desk.control("quirks", {"malformed_row": True})
    first, second, third = [(await desk.connector.sweep(TODAY + timedelta(days=days))).news for days in range(3)]
    assert sorted(numbers(list(first)), key=int) == [str(number) for number in range(1, 62) if number != 5]
    assert [(one.word, one.kind) for one in second if isinstance(one, Event)] == [("selesai", "laporan")]
    assert events(list(third)) == []
    assert [len([one for one in day if isinstance(one, Unreadable)]) for day in (second, third)] == [1, 1]
    polled = {one.id for one in (await gathered(desk))[0]}
    assert {one.id for one in [*first, *second]} <= polled


@pytest.mark.parametrize(
    ("quirk", "changes"),
    [
        ("category_added", {"6": "Penginapan"}),
        ("category_renamed", {"2": "Sampah"}),
        ("category_removed", {"5": None}),
    ],
)
async def test_categories_that_drift_show(desk: Bench[Connector], quirk: str, changes: dict[str, str | None]) -> None:
    before = {one.value: one.label for one in await desk.connector.catalogue()}
    assert set(before) == set(read_manifest(CONNECTORS / APP).categories.inward)
    await desk.control("quirks", {quirk: True})
    after = {one.value: one.label for one in await desk.connector.catalogue()}
    assert after == {name: label for name, label in (before | changes).items() if label is not None}


async def test_a_category_that_nobody_knows_is_told_as_it_stands(desk: Bench[Connector]) -> None:
    await desk.control("quirks", {"category_added": True})
    await desk.born({**SLIPPERY, "id_kategori": "6"})
    opening = events((await gathered(desk))[0])[0].opening
    assert opening is not None
    assert opening.category == "6"
    assert "6" not in read_manifest(CONNECTORS / APP).categories.inward


def test_the_readme_names_tests_that_exist() -> None:
    folder = Path(__file__).parent
    named = set(re.findall(r"`(test_\w+)`", (folder / "README.md").read_text(encoding="utf-8")))
    defined = re.findall(
        r"def (test_\w+)", "".join(file.read_text(encoding="utf-8") for file in folder.glob("test_*.py"))
    )
    assert named
    assert named <= set(defined)
