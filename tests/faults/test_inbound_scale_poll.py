"""An app whose clock is put forward and back by a quarter of an hour, and that changes many things in one second while
it is asked: whatever the polls miss, the sweep of the night brings. In virtual time, over real sockets.
"""

import os
from collections.abc import Sequence
from datetime import date, timedelta
from random import Random
from typing import Final

import pytest

from gateway.flows.inbound.poll import Poller
from gateway.flows.inbound.store import Moved
from gateway.kit.acting import arrived, journey, spelled
from gateway.kit.check import Bench
from gateway.kit.report import Verdict
from gateway.kit.room import Room
from gateway.kit.rule import Rule, expect
from gateway.kit.trial import Trial
from gateway.sdk import News
from gateway.sdk.tier import Tier
from tests.journeys.stage import ROOT

CHANGES: Final = int(os.environ.get("GATEWAY_SOAK_CHANGES", "40"))
RECORDS: Final = max(6, CHANGES // 4)
QUARTER_S: Final = 900.0
STEPS: Final = (0.0, 0.0, 0.0, 0.4, 1.0, 30.0, 130.0, 600.0)
"""Seconds that pass between two things: mostly none, so that many share one second."""


class Story:
    """What the app's officers did, and what the gateway must know of it in the end."""

    def __init__(self, room: Room, chance: Random) -> None:
        self.room, self.chance = room, chance
        self.stands: dict[str, tuple[str, int]] = {}
        self.words: dict[str, str] = {}
        self.jumps = 0

    async def begins(self) -> None:
        """Let records come into being, and be known here."""
        service, moves = journey(self.room.subject)
        self.moves = [spelled(move) for move in moves]
        for _ in range(RECORDS):
            key, reference = await arrived(self.room, service)
            self.stands[reference] = (key, 0)
        await self.room.hear(60.0)

    async def happens(self) -> None:
        """Let one thing happen: a record moves, the app's clock jumps, time passes, the gateway asks."""
        match self.chance.randrange(8):
            case 0 if self.jumps < CHANGES // 4:
                self.jumps += 1
                self.room.quirk(clock_offset_s=self.chance.choice([-QUARTER_S, QUARTER_S, 0.0]))
            case 1 | 2:
                await self.room.hear(self.chance.choice(STEPS))
            case _:
                await self._moves()
                await self.room.travel(self.chance.choice(STEPS))

    async def _moves(self) -> None:
        left = [reference for reference, (_, at) in self.stands.items() if at < len(self.moves)]
        if not left:
            return
        reference = self.chance.choice(left)
        key, at = self.stands[reference]
        self.stands[reference] = (key, at + 1)
        self.words[reference] = self.moves[at].to
        await self.room.move(reference, self.moves[at])

    async def missing(self) -> list[str]:
        """Return the records whose last word has not been heard."""
        return [
            f"{reference} at {word}"
            for reference, word in self.words.items()
            if word not in [event.word for event in await self.room.events(self.stands[reference][0])]
        ]


def tried(app: str, seed: int, *, swept: bool = True) -> tuple[str | None, Story | None]:
    """Tell one story of an app; return why it failed (None if it did not), and the story."""
    told: list[Story] = []

    async def test(trial: Trial) -> None:
        async with trial.room() as room:
            story = Story(room, Random(seed))
            told.append(story)
            await story.begins()
            while len(story.words) < min(RECORDS, CHANGES // 4) or story.jumps < 2:
                await story.happens()
            for _ in range(CHANGES):
                await story.happens()
            room.quirk(clock_offset_s=0.0)
            await room.hear(60.0)
            if swept:
                # The sweep asks for the day that is over; a clock that was ahead may have written into the next.
                for _ in range(2):
                    await room.travel(timedelta(hours=26).total_seconds())
                    await room.called()
                    expect(await room.sweep(), "the day is not swept")
            missing = await story.missing()
            expect(not missing, f"{len(missing)} of {len(story.words)} are missed: {missing[:3]}")

    rule = Rule(id="T2", tier=Tier.GOLD, title="-", why="-", tested="-", passing="-", exempt="-", test=test)
    with Bench(ROOT / "connectors" / app) as bench:
        result = bench.tried(rule, date(2026, 1, 28))
    found = None if result.verdict is Verdict.PASSED else f"{result.verdict}: {result.detail}"
    return found, told[0] if told else None


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("app", ["sigapdes", "ppid", "singgah_di_barru", "sipendting"])
def test_nothing_is_missed_after_the_sweep(app: str, seed: int) -> None:
    found, story = tried(app, seed)
    assert found is None, f"seed {seed}: {found}"
    assert story is not None
    assert story.jumps >= 2, "the clock never jumped: nothing is proven"


async def torn(self: Poller, news: Sequence[News], moved: Moved) -> bool:
    """The planted bug: the cursor moves on, and half of what came with it is lost."""
    return await whole(self, news[::2], moved)


whole = Poller._keep


@pytest.mark.parametrize("swept", [False, True])
def test_what_a_torn_poll_loses_is_missed_unless_somebody_sweeps(monkeypatch: pytest.MonkeyPatch, swept: bool) -> None:
    monkeypatch.setattr(Poller, "_keep", torn)
    found = [tried("sigapdes", seed, swept=swept)[0] for seed in range(2)]
    if swept:
        assert found == [None, None]
    else:
        assert all(one is not None and "are missed" in one for one in found), found
