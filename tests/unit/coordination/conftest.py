"""Wake-ups and counters of both kinds, and a Redis that a test may hurt."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import NamedTuple

import pytest

from gateway.kernel.coordination import LocalWake, RedisWake, Wake
from tests.unit.coordination.mortal import MortalRedis, mortal_redis

BEAT = 0.1
"""Seconds; short, so that a test of a silent Redis need not wait long."""


class Pair(NamedTuple):
    """Who rings and who waits: the same object within a process, two with Redis between."""

    ringer: Wake
    waiter: Wake


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition; fail when it does not come about."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what happens in another process sets no event of ours
            await asyncio.sleep(0.005)


async def connected(*wakes: RedisWake) -> None:
    """Wait until these wake-ups hear each other through Redis."""
    for wake in wakes:
        await wake.wait(["nothing"], 0)
    await until(lambda: all(wake.connected for wake in wakes))


@pytest.fixture(params=["local", "redis, one process", "redis, two processes"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    if request.param == "local":
        wake = LocalWake()
        yield Pair(wake, wake)
        await wake.close()
        return
    url = request.getfixturevalue("redis_url")
    one = RedisWake(url, beat=BEAT)
    other = RedisWake(url, beat=BEAT) if "two" in request.param else one
    await connected(one, other)
    yield Pair(one, other)
    await one.close()
    await other.close()


@pytest.fixture
def mortal() -> Iterator[MortalRedis]:
    with mortal_redis() as server:
        yield server
