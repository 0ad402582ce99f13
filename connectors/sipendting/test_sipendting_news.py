"""What Si-PeNDTING tells: callbacks, daily pages, words, officers' notes, reports born there, rows to be wary of."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.sipendting import places
from connectors.sipendting.connector import Connector
from connectors.sipendting.sandbox import CATEGORIES, WORDS
from connectors.sipendting.test_sipendting import MORE, ROAD
from gateway.sdk import Event, Hook, Look, News, Opening, Reference, Unreadable
from gateway.sdk.manifest import read_manifest
from tests.samples import samples
from tests.sandboxes import CONNECTORS, MORNING, Bench, bench, listening

LAMP: dict[str, Any] = {
    "kategori": "in-light",
    "judul": "Lampu jalan mati",
    "isi": "Lampu jalan di depan pasar mati",
    "pelapor": {"nama": "Andi", "no_hp": "081342000205", "rahasia": "T"},
    "wilayah": {"kode_bps": "7310041003"},
    "lokasi": {"lat": "-4.32249", "lon": "119.65035"},
    "tanggal": "2026-01-27",
}


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench("sipendting", tmp_path, Connector) as made:
        yield made


async def gathered(office: Bench[Connector], cursor: str | None = None) -> tuple[list[News], str | None]:
    """Poll, a second later, until a pass is over; return the news and the cursor."""
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


def numbers(news: list[News]) -> list[str]:
    return [event.references[0].value for event in events(news)]


def opening(news: list[News]) -> Opening:
    """Return what the one report that was told of may open."""
    (event,) = events(news)
    assert event.opening is not None
    return event.opening


# Words.


def test_every_word_has_its_status() -> None:
    manifest = read_manifest(CONNECTORS / "sipendting")
    agreed = {
        "pengaduan": "received verified routed in_progress in_progress resolved rejected duplicate",
        "stunting": "received in_progress verified routed in_progress resolved",
    }
    assert {word: str(status) for word, status in manifest.statuses.items()} == {
        f"{profile}/{number}": status
        for profile, statuses in agreed.items()
        for number, status in enumerate(statuses.split(), start=1)
    }
    assert set(manifest.statuses) == {f"{profile}/{word}" for profile, words in WORDS.items() for word in words}
    for profile, words in WORDS.items():
        own = manifest.statuses_of(profile)
        assert set(own) == {f"{profile}/{word}" for word in words}
        assert own == {word: status for word, status in manifest.statuses.items() if word in own}


@pytest.mark.parametrize(("profile", "word"), [(profile, word) for profile, words in WORDS.items() for word in words])
async def test_every_status_becomes_its_word(office: Bench[Connector], profile: str, word: str) -> None:
    number = await office.born({"profil": profile})
    await office.advance(number, word)
    (event,) = events((await gathered(office))[0])
    assert (event.kind, event.word) == (profile, f"{profile}/{word}")
    facts = {"stunting/2": {"flagged": True}, "pengaduan/5": {"awaiting_verification": True}}
    assert event.facts == facts.get(f"{profile}/{word}", {})


async def test_an_unknown_word_is_told_as_it_is(office: Bench[Connector]) -> None:
    await office.control("quirks", {"status_added": True})
    await office.advance(await office.born(LAMP), "9")
    (event,) = events((await gathered(office))[0])
    assert event.word == "pengaduan/9"
    assert event.word not in read_manifest(CONNECTORS / "sipendting").statuses


async def test_what_the_officer_wrote_comes_once_and_whole(office: Bench[Connector]) -> None:
    number = await office.born(LAMP)
    _, cursor = await gathered(office)
    for note in ("Petugas turun Senin", "ᨅᨑᨘ sudah dipasang 💡"):
        await office.advance(number, "4", note=note)
    news, cursor = await gathered(office, cursor)
    assert [event.text for event in events(news)] == [None, "Petugas turun Senin", "ᨅᨑᨘ sudah dipasang 💡"]
    assert [event.kind for event in events(news)] == ["pengaduan", "tambahan", "tambahan"]
    assert (await gathered(office, cursor))[0] == []


async def test_our_own_report_and_addition_are_known_by_their_keys(office: Bench[Connector]) -> None:
    await office.connector.submit(ROAD)
    await office.connector.amend("PDT-2026-000001", MORE)
    (event,) = events((await gathered(office))[0])
    assert (event.key, event.marks, event.opening) == (ROAD.key, (MORE.key,), None)
    (read,) = (await office.connector.read("PDT-2026-000001", None)).news
    assert read == event, "the same news is the same, however it came"


# Callbacks.


async def test_a_callback_is_a_hint_and_nothing_else(tmp_path: Path) -> None:
    (sample,) = [one for one in samples("sipendting") if one.sender == "app"]
    async with listening() as ear, bench("sipendting", tmp_path, Connector, ear.address) as made:
        await made.connector.submit(ROAD)
        await made.advance("PDT-2026-000001", "6", note="Selesai")
        await ear.until(2)
        for headers, body in ear.heard:
            assert headers["x-callback-token"] == sample.request.headers["X-Callback-Token"]
            assert json.loads(body) == json.loads(sample.request.body) | {
                "no_laporan": "PDT-2026-000001",
                "ref_cons": ROAD.key,
            }
        looks = [
            look
            for headers, body in ear.heard
            for look in made.connector.receive(Hook(headers=headers, body=body, received_at=MORNING))
        ]
        assert (
            looks
            == [Look(id="hint:PDT-2026-000001@1769566530", reference=Reference("no_laporan", "PDT-2026-000001"))] * 2
        )
        read = (await made.connector.read("PDT-2026-000001", None)).news
        assert [event.word for event in events(list(read))] == ["pengaduan/6", None]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"no_laporan": 7, "waktu": 1}', b'{"no_laporan": "PDT-2026-000001", "waktu": "x"}']
)
async def test_a_callback_in_no_known_form_is_set_aside(office: Bench[Connector], body: bytes) -> None:
    (news,) = office.connector.receive(Hook(headers={}, body=body, received_at=MORNING))
    assert isinstance(news, Unreadable)


async def test_a_lost_callback_loses_nothing(tmp_path: Path) -> None:
    async with listening() as ear, bench("sipendting", tmp_path, Connector, ear.address) as made:
        await made.control("quirks", {"drop_webhooks": 9})
        number = await made.born(LAMP)
        assert numbers((await gathered(made))[0]) == [number]
        assert ear.heard == []


async def test_a_callback_is_kept_until_it_is_heard(tmp_path: Path) -> None:
    async with listening() as ear, bench("sipendting", tmp_path, Connector, ear.address) as made:
        ear.status = 503
        await made.born(LAMP)
        await ear.until(2, within=30)
        ear.status = 202
        await ear.until(3, within=30)


# Times and completeness, over sockets; the rules themselves are in test_sipendting_passes.py.


@pytest.mark.parametrize(
    "at",
    [
        datetime(2028, 2, 29, 15, 59, 59, tzinfo=UTC),
        datetime(2028, 2, 29, 16, 0, tzinfo=UTC),
        datetime(2026, 12, 31, 16, 0, tzinfo=UTC),
    ],
)
async def test_times_are_instants_and_days_are_those_of_barru(office: Bench[Connector], at: datetime) -> None:
    office.clock.at = at
    await office.born({"isi": "Lampu"})
    news, _ = await gathered(office)
    assert [event.at for event in events(news)] == [at]
    day = (at + timedelta(hours=8)).date()
    assert opening(news).occurred_at == datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=8)
    assert numbers(list((await office.connector.sweep(day)).news)) == numbers(news)


async def test_a_change_of_the_running_second_is_left_for_the_next_poll(office: Bench[Connector]) -> None:
    number = await office.born(LAMP)
    batch = await office.connector.poll(None)
    while batch.more:
        batch = await office.connector.poll(batch.cursor)
    assert batch.news == []
    await office.advance(number, "2")
    await office.advance(number, "3")
    news, cursor = await gathered(office, batch.cursor)
    assert [event.word for event in events(news)] == ["pengaduan/3"]
    assert (await gathered(office, cursor))[0] == []


async def test_more_changes_than_a_page_in_one_second(office: Bench[Connector]) -> None:
    born = [await office.born(LAMP) for _ in range(50)]
    news, cursor = await gathered(office)
    assert sorted(numbers(news)) == born
    for number in born:
        await office.advance(number, "2")
    news, cursor = await gathered(office, cursor)
    assert sorted(numbers(news)) == born
    assert (await gathered(office, cursor))[0] == []


async def test_what_was_stamped_long_before_it_was_committed_is_not_missed(office: Bench[Connector]) -> None:
    await office.control("quirks", {"commit_lag_s": 100})
    late = await office.born(LAMP)
    office.clock.forward(seconds=30)
    await office.connector.submit(ROAD)
    news, cursor = await gathered(office)
    assert numbers(news) == ["PDT-2026-000002"]
    office.clock.forward(seconds=75)
    news, cursor = await gathered(office, cursor)
    assert numbers(news) == [late]
    assert (await gathered(office, cursor))[0] == []


async def test_a_page_that_comes_twice_hides_nothing(office: Bench[Connector]) -> None:
    born = [await office.born(LAMP) for _ in range(45)]
    office.clock.forward(seconds=1)
    batch = await office.connector.poll(None)
    while not batch.news:
        batch = await office.connector.poll(batch.cursor)
    await office.control("quirks", {"repeat_page": 1})
    told = list(batch.news)
    news, cursor = await gathered(office, batch.cursor)
    told += news
    news, cursor = await gathered(office, cursor)
    told += news
    assert sorted(numbers(told)) == born


async def test_a_clock_put_back_hides_no_change(office: Bench[Connector]) -> None:
    await office.control("quirks", {"clock_offset_s": 900})
    number = await office.born(LAMP)
    _, cursor = await gathered(office)
    await office.control("quirks", {"clock_offset_s": 0})
    _, cursor = await gathered(office, cursor)
    await office.advance(number, "2")
    second = await office.born(LAMP)
    news, _ = await gathered(office, cursor)
    assert {(event.references[0].value, event.word) for event in events(news)} >= {
        (number, "pengaduan/2"),
        (second, "pengaduan/1"),
    }


async def test_a_sweep_names_each_report_of_a_day_once(office: Bench[Connector]) -> None:
    born = [await office.born(LAMP) for _ in range(25)]
    await office.advance(born[3], "2", note="Dicek")
    office.clock.forward(days=1)
    await office.advance(born[5], "6", note="Selesai")
    first = (await office.connector.sweep(date(2026, 1, 28))).news
    assert sorted(numbers(list(first))) == [number for number in born if number != born[5]]
    assert {event.word for event in events(list(first)) if event.references[0].value == born[3]} == {"pengaduan/2"}
    (second,) = events(list((await office.connector.sweep(date(2026, 1, 29))).news))
    assert (second.references[0].value, second.word) == (born[5], "pengaduan/6")
    assert (await office.connector.sweep(date(2026, 1, 30))).news == ()


# Its lists.


async def test_its_lists_are_ours(office: Bench[Connector]) -> None:
    manifest = read_manifest(CONNECTORS / "sipendting")
    listed = await office.connector.catalogue()
    told = {kind: {one.value for one in listed if one.kind == kind} for kind in ("category", "status", "village")}
    assert told == {
        "category": set(manifest.categories.inward),
        "status": set(manifest.statuses),
        "village": set(places.VILLAGES),
    }
    assert sum(len(words) for words in (*CATEGORIES.values(), *WORDS.values())) + 53 == len(listed)


@pytest.mark.parametrize(
    ("quirk", "more", "less"),
    [
        ("category_added", {"in-port"}, set()),
        ("category_renamed", {"in-roads"}, {"in-road"}),
        ("category_removed", set(), {"tr-market"}),
        ("status_added", {"pengaduan/9"}, set()),
    ],
)
async def test_a_list_that_drifts_shows_it(
    office: Bench[Connector], quirk: str, more: set[str], less: set[str]
) -> None:
    before = {one.value for one in await office.connector.catalogue()}
    await office.control("quirks", {quirk: True})
    after = {one.value for one in await office.connector.catalogue()}
    assert (after - before, before - after) == (more, less)


def test_the_readme_names_tests_that_exist() -> None:
    folder = Path(__file__).parent
    named = set(re.findall(r"`(test_\w+)`", (folder / "README.md").read_text(encoding="utf-8")))
    defined = re.findall(
        r"def (test_\w+)", "".join(file.read_text(encoding="utf-8") for file in folder.glob("test_*.py"))
    )
    assert named
    assert named <= set(defined)
