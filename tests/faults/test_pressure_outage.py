"""An app that is away for ten minutes, and one that asks to be left alone: what it costs, and when it is called again.

The real host, deliverer and reconciler over real sockets, in virtual time; judged from what was seen on the wire.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from email.utils import format_datetime
from random import Random
from typing import Final

import msgspec
import pytest

from gateway.kit.check import Bench
from gateway.kit.report import Verdict
from gateway.kit.room import Room
from gateway.kit.rule import Rule, expect, fail
from gateway.kit.trial import Trial
from gateway.model.delivery import DeliveryState
from gateway.sdk.pace import Pace
from gateway.sdk.tier import Tier
from tests.faults.proxy import Passage, Seen, answer_of
from tests.journeys.stage import ROOT

BACKLOG: Final = 1000 if os.environ.get("GATEWAY_SOAK") == "1" else 320
MINUTES: Final = 10
ROUNDS: Final = 3000


def tried(app: str, test: Callable[[Trial], Awaitable[None]]) -> str | None:
    """Try something in a room with an app; return why it failed, None if it did not."""
    rule = Rule(id="T1", tier=Tier.GOLD, title="-", why="-", tested="-", passing="-", exempt="-", test=test)
    with Bench(ROOT / "connectors" / app) as bench:
        result = bench.tried(rule, date(2026, 1, 28))
    return None if result.verdict is Verdict.PASSED else f"{result.verdict}: {result.detail}"


async def drained(room: Room, keys: list[str], pause: float) -> None:
    """Let the workers go on until everything has arrived."""
    rows = [await room.delivery(key) for key in keys]
    for _ in range(ROUNDS):
        await room.all_of([room.carry(), room.look()])
        rows = [await room.delivery(key) for key in keys]
        if all(row["state"] == DeliveryState.ACCEPTED for row in rows):
            return
        await room.travel(pause)
    fail(f"not everything has arrived: {', '.join(sorted({str(row['state']) for row in rows}))}")


async def away(trial: Trial) -> None:
    """Ten minutes in which nobody listens, and reports go on coming in; then all of them want in at once."""
    async with trial.room(limited=True) as room:
        keys = []
        async with room.wire.down():
            for minute in range(MINUTES):
                keys += [await room.file(text=f"Laporan {minute}-{n}") for n in range(BACKLOG // MINUTES)]
                for _ in range(12):
                    await room.all_of([room.carry(), room.look()])
                    await room.travel(5.0)
        failed = sum([(await room.delivery(key))["attempt"] for key in keys])
        expect(failed > 0, "nobody called while the app was away: nothing is proven")
        await drained(room, keys, 5.0)
        attempts = sum([(await room.delivery(key))["attempt"] for key in keys])
        expect(attempts <= 1.10 * len(keys), f"{attempts} attempts for {len(keys)} reports")
        refused = [entry for entry in room.journal() if entry["status"] == 429]
        expect(not refused, f"the app had to refuse {len(refused)} requests")
        expect(len(room.records()) == len(keys), f"{len(room.records())} records of {len(keys)} reports")


def test_ten_minutes_away_cost_a_tenth() -> None:
    assert tried("sigapdes", away) is None


class Asks:
    """An app that asks to be left alone now and then, in both forms; and when it may be called again."""

    def __init__(self, room: Room, chance: Random) -> None:
        self.room, self.chance, self.until = room, chance, float("-inf")
        self.early: list[float] = []
        self.asked = {"seconds": 0, "date": 0}

    async def __call__(self, passage: Passage) -> None:
        loop = asyncio.get_running_loop()
        seconds = self.chance.randint(5, 90)
        form = self.chance.choice(["seconds", "date"])
        self.asked[form] += 1
        now = self.room.time.now()
        if form == "seconds":
            said = str(seconds)
        else:
            said = format_datetime((now + timedelta(seconds=seconds)).replace(microsecond=0), usegmt=True)
        # A date has whole seconds: what it cuts off may be cut off.
        self.until = max(self.until, loop.time() + seconds - (1.0 if form == "date" else 0.0))
        status = self.chance.choice([429, 503])
        await passage.answer(answer_of(status, b'{"success": false, "message": "-"}', retry_after=said))

    def fits(self, seen: Seen) -> bool:
        """Look at every request that comes: too early, or one to be put off."""
        if seen.at < self.until:
            self.early.append(self.until - seen.at)
        return self.chance.random() < 0.15


async def left_alone(trial: Trial) -> None:
    """A backlog for an app that puts off every seventh request, whoever else is already waiting for his turn."""
    # One place: what has left already when the app asks cannot be called back.
    limits = msgspec.structs.replace(trial.subject.unhurried.limits, concurrency=1)
    async with trial.room(msgspec.structs.replace(trial.subject.unhurried, limits=limits)) as room:
        asks = Asks(room, Random(11))
        room.wire.when(asks.fits, asks, times=10_000, name="asks")
        keys = [await room.file(text=f"Laporan {n}") for n in range(BACKLOG // 4)]
        await drained(room, keys, 20.0)
        expect(min(asks.asked.values()) >= 3, f"put off {asks.asked}: nothing is proven")
        expect(
            not asks.early, f"{len(asks.early)} requests came too early, by up to {max(asks.early, default=0):.1f} s"
        )
        expect(len(room.records()) == len(keys), f"{len(room.records())} records of {len(keys)} reports")


def test_nobody_calls_earlier_than_an_app_allows() -> None:
    assert tried("sigapdes", left_alone) is None


def test_a_gateway_that_does_not_rest_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: Retry-After moves the delivery it was said to, and nobody else."""
    monkeypatch.setattr(Pace, "rest", lambda self, seconds: None)
    found = tried("sigapdes", left_alone)
    assert found is not None
    assert "came too early" in found
