"""Stories are played together and told apart; weeks go by once; one that is stuck stops no other."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gateway.demo.ending import Ending
from gateway.demo.memory import start
from gateway.demo.people import Company
from gateway.demo.programme import Act, Programme, Story
from gateway.demo.stage import Props, Stage
from gateway.demo.teller import Tale, Teller
from gateway.demo.texts import Inbox
from gateway.demo.travel import SETTLES, WEEKS, Travel
from gateway.demo.waiting import Late, NotYet
from gateway.sdk.clock import SystemClock, read_offset, travel
from gateway.sdk.entropy import SeededEntropy


class Held:
    """What keeps the gateway still, counted."""

    def __init__(self) -> None:
        self.times = 0

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        self.times += 1
        yield


def props(folder: Path, held: Held) -> Props:
    clock = SystemClock(folder / "clock")
    return Props(
        company=Company(people={}, officers={}),
        memory=start(folder, {}, clock, SeededEntropy(1)),
        clock=clock,
        inbox=Inbox(folder),
        travel=Travel(folder / "clock", clock, held.still),
        patience_s=1.0,
    )


def loud() -> tuple[Teller, io.StringIO]:
    told = io.StringIO()
    console = Console(file=told, force_terminal=True, width=100, no_color=True, legacy_windows=False)
    return Teller(silent=False, out=console, err=console), told


def story(name: str, play: Act, **acts: Act) -> Story:
    return Story(indonesian=name, english=name, ending=Ending(name=name, wanted=()), play=play, **acts)


async def test_they_are_played_together_and_told_one_after_the_other(tmp_path: Path) -> None:
    both: list[str] = []
    met = asyncio.Event()

    async def first(stage: Stage) -> None:
        await met.wait()  # the second plays meanwhile
        stage.say("112", "pertama", "first")
        both.append("first")

    async def second(stage: Stage) -> None:
        stage.say("112", "kedua", "second")
        both.append("second")
        met.set()

    teller, told = loud()
    programme = Programme([story("satu", first), story("dua", second)], props(tmp_path, Held()), teller)
    await asyncio.wait_for(programme.perform(), 10)
    assert both == ["second", "first"]
    text = told.getvalue()
    assert text.index("satu") < text.index("pertama") < text.index("dua") < text.index("kedua")


async def test_weeks_go_by_once_for_all_and_not_again_after_a_kill(tmp_path: Path) -> None:
    offsets: list[timedelta] = []

    async def look(stage: Stage) -> None:
        offsets.append(read_offset(tmp_path / "clock"))

    held, (teller, _) = Held(), loud()
    stories = [story("satu", look, later=look), story("dua", look, later=look, alone=look)]
    await Programme(stories, props(tmp_path, held), teller).perform()
    assert offsets == [timedelta(0)] * 2 + [WEEKS] * 3
    assert held.times == 1, "the gateway was still while the clock moved far"
    travel(tmp_path / "clock", timedelta(days=10))
    await Programme(stories, props(tmp_path, held), teller).perform()
    assert (read_offset(tmp_path / "clock"), held.times) == (WEEKS + timedelta(days=10), 1)


@pytest.mark.parametrize("trouble", [Late("not in time"), NotYet("not there")])
async def test_one_that_is_stuck_stops_no_other_and_has_no_second_act(tmp_path: Path, trouble: Exception) -> None:
    played: list[str] = []

    async def stuck(stage: Stage) -> None:
        raise trouble

    async def good(stage: Stage) -> None:
        played.append("good")

    async def never(stage: Stage) -> None:
        played.append("never")

    teller, _ = loud()
    programme = Programme([story("satu", stuck, later=never), story("dua", good)], props(tmp_path, Held()), teller)
    await programme.perform()
    assert programme.troubles == {"satu": str(trouble)}
    assert played == ["good"]


async def test_a_mistake_of_ours_ends_the_show_and_no_act_plays_on(tmp_path: Path) -> None:
    ended: list[str] = []

    async def wrong(stage: Stage) -> None:
        raise ZeroDivisionError

    async def endless(stage: Stage) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("endless")

    teller, _ = loud()
    with pytest.raises(ZeroDivisionError):
        await Programme([story("satu", wrong), story("dua", endless)], props(tmp_path, Held()), teller).perform()
    assert ended == ["endless"]


def test_settling_moves_the_clock_at_most_every_three_seconds(tmp_path: Path) -> None:
    class Stopwatch(SystemClock):
        at = 100.0

        def monotonic(self) -> float:
            return self.at

    clock: Any = Stopwatch()
    moving = Travel(tmp_path / "clock", clock, Held().still)
    for at in (100.0, 101.0, 102.9, 103.0):
        clock.at = at
        moving.settle()
    assert read_offset(tmp_path / "clock") == 2 * SETTLES


def test_a_tale_keeps_its_lines_until_its_turn() -> None:
    teller, told = loud()
    tale = Tale(teller, 1, "Banjir", "Flood")
    tale.say("112", "lebih dulu", "before")
    with tale.waiting("menunggu", "waiting"):
        assert told.getvalue() == ""
    tale.speak()
    tale.say("112", "kemudian", "after")
    text = told.getvalue()
    assert text.index("Banjir") < text.index("lebih dulu") < text.index("kemudian")


async def test_a_text_message_is_read_when_it_is_whole(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    with pytest.raises(NotYet):
        await inbox.first("+62811", "BRU-1")
    line = b'{"id":"1","to":"+62811","text":"Kode: BRU-1"}\n'
    (tmp_path / "sms.jsonl").write_bytes(line + b'{"id":"2","to":"+628')
    assert await inbox.first("+62811", "BRU-1") == "Kode: BRU-1"
    for number, code in (("+62812", "BRU-1"), ("+62811", "BRU-2")):
        with pytest.raises(NotYet):
            await inbox.first(number, code)
