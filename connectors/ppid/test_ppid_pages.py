"""PPID's pages: whatever shifts, lags, repeats or is broken, every change is told, and none twice."""

import re
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from connectors.ppid.connector import Connector
from connectors.ppid.test_ppid import ASKED, TICKET, changed
from connectors.ppid.test_ppid_news import BORN, events, gathered, retype, tickets
from gateway.sdk import ContractBroken, Unreadable
from tests.sandboxes import Bench, bench


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench("ppid", tmp_path, Connector) as made:
        yield made


# Completeness, over sockets; the rules themselves are in test_ppid_rounds.py.


async def test_a_change_of_the_running_second_is_left_for_the_next_poll(office: Bench[Connector]) -> None:
    ticket = await office.born(BORN)
    batch = await office.connector.poll(None)
    assert (batch.news, batch.more) == ([], False)
    await office.advance(ticket, "1")
    await office.advance(ticket, "5")
    news, cursor = await gathered(office, batch.cursor)
    assert [event.word for event in events(news)] == ["permohonan/5"]
    assert (await gathered(office, cursor))[0] == []


async def test_more_changes_than_a_page_in_one_second(office: Bench[Connector]) -> None:
    born = [await office.born(BORN) for _ in range(40)]
    news, cursor = await gathered(office)
    assert sorted(tickets(news)) == born
    for ticket in born:
        await office.advance(ticket, "1")
    news, cursor = await gathered(office, cursor)
    assert sorted(tickets(news)) == born
    assert (await gathered(office, cursor))[0] == []


async def test_rows_that_shift_while_pages_are_read_are_told_once(office: Bench[Connector]) -> None:
    born = [await office.born(BORN) for _ in range(40)]
    await office.control("quirks", {"shift_pages": True})
    news, cursor = await gathered(office)
    assert sorted(tickets(news)) == born
    assert (await gathered(office, cursor))[0] == []
    swept = (await office.connector.sweep(date(2026, 1, 28))).news
    assert sorted(tickets(list(swept))) == born


async def test_a_row_that_moves_to_a_page_read_before_is_told(office: Bench[Connector]) -> None:
    born = [await office.born(BORN) for _ in range(40)]
    office.clock.forward(seconds=1)
    batch = await office.connector.poll(None)
    assert batch.more
    await office.advance(born[0], "1")  # from the last page to the first
    news, cursor = await gathered(office, batch.cursor)
    later, _ = await gathered(office, cursor)
    told = [(event.references[0].value, event.word) for event in events([*batch.news, *news, *later])]
    assert len(told) == len(set(told))
    assert set(told) >= {(born[0], "permohonan/1"), *((ticket, "permohonan/0") for ticket in born[1:])}


async def test_what_a_replica_shows_late_is_not_missed(office: Bench[Connector]) -> None:
    first = await office.born(BORN)
    await office.control("quirks", {"replica_lag_s": 100})
    assert (await gathered(office))[0] == []
    office.clock.forward(seconds=100)
    news, cursor = await gathered(office)
    assert tickets(news) == [first]
    await office.advance(first, "1")
    second = await office.born(BORN)
    office.clock.forward(seconds=50)
    news, cursor = await gathered(office, cursor)
    assert news == []
    office.clock.forward(seconds=50)
    news, cursor = await gathered(office, cursor)
    assert {(event.references[0].value, event.word) for event in events(news)} == {
        (first, "permohonan/1"),
        (second, "permohonan/0"),
    }


async def test_a_page_that_comes_again_is_not_taken_for_another(office: Bench[Connector]) -> None:
    born = [await office.born(BORN) for _ in range(20)]
    office.clock.forward(seconds=1)
    batch = await office.connector.poll(None)
    await office.control("quirks", {"repeat_page": 1})
    news, cursor = await gathered(office, batch.cursor)
    assert sorted(tickets([*batch.news, *news])) == born
    assert (await gathered(office, cursor))[0] == []
    await office.connector._page("permohonan-informasi", 2)
    await office.control("quirks", {"repeat_page": 1})
    with pytest.raises(ContractBroken):
        await office.connector.find(ASKED.key)  # page 2 for page 1: nothing is known of what is absent


async def test_a_clock_put_back_hides_no_change(office: Bench[Connector]) -> None:
    await office.control("quirks", {"clock_offset_s": 900})
    ticket = await office.born(BORN)
    _, cursor = await gathered(office)
    await office.control("quirks", {"clock_offset_s": 0})
    _, cursor = await gathered(office, cursor)
    await office.advance(ticket, "1")
    second = await office.born(BORN)
    news, _ = await gathered(office, cursor)
    assert {(event.references[0].value, event.word) for event in events(news)} >= {
        (ticket, "permohonan/1"),
        (second, "permohonan/0"),
    }


async def test_a_sweep_names_each_record_of_a_day_once(office: Bench[Connector]) -> None:
    born = [await office.born(BORN) for _ in range(20)]
    objected = await office.born({"kind": "keberatan"})
    await office.advance(born[3], "2", note="Terlampir", fields={"diperpanjang": True})
    office.clock.forward(days=1)
    await office.advance(born[5], "3")
    first = (await office.connector.sweep(date(2026, 1, 28))).news
    assert sorted(tickets(list(first))) == [*(ticket for ticket in born if ticket != born[5]), objected]
    assert {event.word for event in events(list(first)) if event.references[0].value == born[3]} == {"permohonan/2"}
    (second,) = events(list((await office.connector.sweep(date(2026, 1, 29))).news))
    assert (second.references[0].value, second.word) == (born[5], "permohonan/3")
    assert (await office.connector.sweep(date(2026, 1, 30))).news == []


# Rows and pages to be wary of.


async def test_a_broken_row_does_not_hide_its_neighbours(office: Bench[Connector]) -> None:
    ours = await office.born(BORN)
    await office.control("quirks", {"malformed_row": True})
    news, cursor = await gathered(office)
    assert tickets(news) == [ours]
    assert len([one for one in news if isinstance(one, Unreadable)]) == 2  # one in each list
    assert (await gathered(office, cursor))[0] == []
    office.clock.forward(minutes=10)
    second = await office.born(BORN)
    assert tickets((await gathered(office, cursor))[0]) == [second]


async def test_half_an_emoji_in_a_sound_row_is_no_text(office: Bench[Connector]) -> None:
    broken, sound = await office.born(BORN), await office.born(BORN)
    retype(office, broken, jawaban="Lampu \ud83d")
    news, _ = await gathered(office)
    assert tickets(news) == [sound]
    assert [one.id.partition("@")[0] for one in news if isinstance(one, Unreadable)] == [broken]


async def test_a_defaced_page_is_no_news_and_never_absence(office: Bench[Connector]) -> None:
    await office.connector.submit(ASKED)
    await office.control("quirks", {"deface": True})
    for act in (
        office.connector.poll(None),
        office.connector.find(ASKED.key),
        office.connector.read(TICKET, None),
        office.connector.catalogue(),
        office.connector.sweep(date(2026, 1, 28)),
    ):
        with pytest.raises(ContractBroken):
            await act
    await office.control("quirks", {"deface": False})
    assert tickets((await gathered(office))[0]) == [TICKET]


async def test_reading_what_is_not_there_brings_nothing(office: Bench[Connector]) -> None:
    await office.connector.submit(changed(ASKED, text="Lihat PPID-2026-000077"))
    assert (await office.connector.read("PPID-2026-000077", None)).news == ()


def test_the_readme_names_tests_that_exist() -> None:
    folder = Path(__file__).parent
    named = set(re.findall(r"`(test_\w+)`", (folder / "README.md").read_text(encoding="utf-8")))
    defined = re.findall(
        r"def (test_\w+)", "".join(file.read_text(encoding="utf-8") for file in folder.glob("test_*.py"))
    )
    assert named
    assert named <= set(defined)
