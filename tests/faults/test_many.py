"""Many processes on one PostgreSQL: what one may do one does, what an app bears no two exceed together, and whoever is
killed, frozen or replaced is followed without anything lost or doubled."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.many import Fleet, fleet, until
from tests.faults.proxy import Passage
from tests.faults.town import QUICK

pytestmark = pytest.mark.timeout(240)
RATE, AT_ONCE = 8, 4
NARROW = {**QUICK, "sigapdes": {**QUICK["sigapdes"], "limits.rate_per_s": RATE, "limits.concurrency": AT_ONCE}}


class Meter:
    """A wire that is a little slow, and knows how many requests were on it at once."""

    def __init__(self) -> None:
        self.running = self.most = self.seen = 0

    async def __call__(self, passage: Passage) -> None:
        self.seen += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0.2)
            await passage.answer(await passage.forward())
        finally:
            self.running -= 1


def fullest(starts: list[float], seconds: float) -> int:
    """Return how many requests came in the fullest window of so many seconds."""
    return max(sum(start <= moment < start + seconds for moment in starts) for start in starts)


async def test_an_app_is_never_asked_more_than_it_bears_by_all_workers_together(
    tmp_path: Path, postgres_url: str
) -> None:
    async with fleet(tmp_path, postgres_url, apis=1, workers=3, manifests=NARROW, poll_s=4.0) as many:
        line, meter = many.town.lines["sigapdes"], Meter()
        line.when(lambda _: True, meter, times=sys.maxsize, name="slow")
        leader = (await many.seated("sigapdes", "cc112", "house"))["sigapdes"]
        await asyncio.gather(*(many.client.file("sigapdes") for _ in range(10)))
        await until(lambda: some(len(many.town.records("sigapdes")) >= 4), "a beginning")
        await many.kill(leader)
        await many.hurry(leader)
        await asyncio.gather(*(many.client.file("sigapdes") for _ in range(4)))
        follower = (await many.seated("sigapdes", "cc112", "house"))["sigapdes"]
        assert follower.pid != leader.pid
        await many.rest(follower)
        await many.work()
        await asyncio.gather(*(many.client.file("sigapdes") for _ in range(4)))
        assert await many.proven() == 18
        assert meter.most <= AT_ONCE
        assert meter.most > AT_ONCE // 2, "one share alone did all the work"
        # What is seen is when requests came, which may bunch a little on their way: hence more than one second.
        assert fullest([one.at for one in line.seen], 4.0) <= RATE * 4
        assert meter.seen >= 18


async def some(found: Any) -> Any:
    return found


async def test_a_leader_that_freezes_is_replaced_and_changes_nothing_when_it_wakes(
    tmp_path: Path, postgres_url: str
) -> None:
    """It is frozen with a poll's answer on its way. Whoever follows polls on; its cursor and its rows are forgotten."""
    async with fleet(tmp_path, postgres_url, apis=1, workers=2, poll_s=0.3) as many:
        seated = await many.seated("cc112", "sigapdes", "house")
        leader = seated["sigapdes"]
        other = next(one for one in many.workers if one is not leader)
        with leader.held():
            followed = await until(lambda: led_by(many, other, *seated), "a follower")
            assert followed
            before = await polled(many)
            await many.client.file("sigapdes")
            await until(lambda: later(many, before), "the follower's polls")
        await until(lambda: some("duties.lost" in leader.last_words(200)), "the knowledge that it was replaced")
        assert await many.proven() == 1
        assert (await many.rows("SELECT count(*) AS n FROM alert"))[0]["n"] == 0


async def led_by(many: Fleet, child: Any, *groups: str) -> bool:
    return all([(await many.holder(group)) is child for group in groups])


async def polled(many: Fleet) -> int:
    return int((await many.rows("SELECT version FROM cursor WHERE app = 'sigapdes'"))[0]["version"])


async def later(many: Fleet, before: int) -> bool:
    return await polled(many) > before + 1


async def test_replaced_one_after_another_under_load_nothing_is_lost(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with fleet(tmp_path, postgres_url, redis_url) as many:
        stop = asyncio.Event()
        load = asyncio.create_task(many.client.load(stop))
        code = await many.client.file("cc112")
        for url in list(many.apis):
            await many.serve()
            async with many.follows(url, code) as stream:
                assert b"event: told" in await stream.readuntil(b"told")
                await many.drop(url)
                await stream.read()  # it ends well: anything else is raised
        for child in list(many.workers):
            await many.work()
            await many.rest(child)
        stop.set()
        await load
        total = await many.proven()
        assert total >= 20
        assert many.client.unhinted == 0
        late = await many.rows("SELECT count(*) AS n FROM delivery WHERE attempt > 1")
        assert late[0]["n"] == 0, "a worker that was asked to end left something in the air"
        assert "request.fell" not in many.words()
