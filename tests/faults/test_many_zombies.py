"""A worker that slept through its leases wakes up: somebody else has its deliveries, and it changes nothing (P6).

`GATEWAY_SOAK_ZOMBIES` says how many outcomes zombies shall bring; each wake brings several.
"""

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.faults.many import Fleet, Sleeper, fleet, until
from tests.faults.proxy import Passage, Seen

ZOMBIES = int(os.environ.get("GATEWAY_SOAK_ZOMBIES", "12"))
pytestmark = pytest.mark.timeout(120 + 5 * ZOMBIES)
EACH = 3
"""Deliveries to each of the two apps that a worker has in hand when it falls asleep."""


class Held:
    """Passes requests on and keeps the answers of each round's first ones back: half come late, half are lost."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.kept = 0

    async def __call__(self, passage: Passage) -> None:
        lost = self.kept % 2
        self.kept += 1
        said = await passage.forward()
        await self.open.wait()
        if lost:
            passage.cut()
        else:
            await passage.answer(said)


def opens(seen: Seen) -> bool:
    return seen.method == "POST" and (b"BRU-" in seen.body)


async def wake(many: Fleet, sleeper: Any, other: Any) -> list[str]:
    """Let one worker sleep through its leases while the other takes over; return what the sleeper changed."""
    held = {app: Held() for app in many.town.lines}
    with other.held():
        for app, line in many.town.lines.items():
            line.clear()
            line.when(opens, held[app], times=EACH, name="held")
        codes = [await many.client.file(app) for app in many.town.lines for _ in range(EACH)]
        await until(lambda: all_kept(held), "requests in the air")
        sleep = Sleeper(sleeper)
    await many.throw_out(sleeper)
    await many.hurry(sleeper)
    keys = [f"{code}-1" for code in codes]
    await many.settled()
    before = await entered(many, codes)
    for one in held.values():
        one.open.set()
    sleep.wake()
    await until(lambda: heard_of(many, sleeper, keys), "what the sleeper had to say")
    # Whatever it would have changed stands in the entries, also where somebody has put it right since.
    added = await entered(many, codes) - before
    return [one for one in added.elements() if "delivery.late" not in one]


async def all_kept(held: dict[str, Held]) -> bool:
    return all(one.kept == EACH for one in held.values())


async def entered(many: Fleet, codes: list[str]) -> Counter[str]:
    """Return what was entered of the deliveries of these reports."""
    rows = await many.rows("SELECT stream, kind FROM entry WHERE stream = ANY($1) AND kind LIKE 'delivery.%'", codes)
    return Counter(f"{row['stream']} {row['kind']}" for row in rows)


async def heard_of(many: Fleet, sleeper: Any, keys: list[str]) -> bool:
    """Tell whether the sleeper has committed an outcome of each of its deliveries."""
    told = [line for line in sleeper.last_words(400).splitlines() if "delivery.outcome" in line]
    return all(any(key in line for line in told) for key in keys)


async def test_a_worker_that_slept_through_its_leases_changes_nothing(tmp_path: Path, postgres_url: str) -> None:
    async with fleet(tmp_path, postgres_url, apis=1) as many:
        one, other = many.workers
        filed = 0
        # Counted is what came too late for sure: now and then one has given an answer up before it falls asleep.
        while await late(many) < ZOMBIES:
            assert await wake(many, one, other) == []
            filed += EACH * len(many.town.lines)
            one, other = other, one
        assert filed <= 2 * ZOMBIES + 2 * EACH, "hardly a zombie spoke"
        assert await many.proven() == filed


async def late(many: Fleet) -> int:
    return int((await many.rows("SELECT count(*) AS n FROM entry WHERE kind = 'delivery.late'"))[0]["n"])


async def test_without_its_fence_it_is_caught(tmp_path: Path, postgres_url: str) -> None:
    async with fleet(tmp_path, postgres_url, apis=1, workers=1) as many:
        sleeper = await many.work("unfenced")
        changed = await wake(many, sleeper, many.workers[0])
        assert changed, "a worker without a fence was not noticed"
