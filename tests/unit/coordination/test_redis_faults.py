"""Redis is absent, killed, frozen, emptied and started again: wake-ups and counters go on without it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.kernel.coordination import RedisCounters, RedisWake
from gateway.kernel.coordination.redis_counters import TIMEOUT
from gateway.sdk.clock import SystemClock
from tests.unit.coordination.conftest import BEAT, Pair, connected, until
from tests.unit.coordination.mortal import MortalRedis

AWAY, BACK = "redis_away", "redis_back"
LONG = 20.0


@pytest.fixture
async def apart(mortal: MortalRedis) -> AsyncIterator[Pair]:
    """Two wake-ups that only Redis joins; it is not running yet."""
    one, other = RedisWake(mortal.url, beat=BEAT), RedisWake(mortal.url, beat=BEAT)
    yield Pair(one, other)
    await one.close()
    await other.close()


@pytest.fixture
async def counters(mortal: MortalRedis) -> AsyncIterator[RedisCounters]:
    made = RedisCounters(mortal.url, SystemClock())
    yield made
    await made.close()


def said(logs: Sequence[Mapping[str, Any]], use: str) -> list[str]:
    return [line["event"] for line in logs if line["use"] == use]


async def rings_locally(wake: RedisWake) -> None:
    waiting = asyncio.create_task(wake.wait(["delivery"], LONG))
    await asyncio.sleep(0.02)
    began = asyncio.get_running_loop().time()
    wake.ring("delivery")
    assert await waiting == {"delivery"}
    assert asyncio.get_running_loop().time() - began < 1


async def rings_across(pair: Pair) -> None:
    waiting = asyncio.create_task(pair.waiter.wait(["inbound"], LONG))
    await asyncio.sleep(0.02)
    pair.ringer.ring("inbound")
    assert await waiting == {"inbound"}


def wakes(pair: Pair) -> tuple[RedisWake, RedisWake]:
    assert isinstance(pair.ringer, RedisWake)
    assert isinstance(pair.waiter, RedisWake)
    return pair.ringer, pair.waiter


async def test_redis_that_is_absent_at_the_start_is_used_once_it_is_there(mortal: MortalRedis, apart: Pair) -> None:
    one, other = wakes(apart)
    with capture_logs() as logs:
        await rings_locally(one)
        await rings_locally(other)
        await until(lambda: said(logs, "wake") == [AWAY, AWAY])
        await asyncio.sleep(1)  # several attempts to connect, and no further line
        assert not one.connected
        mortal.start()
        await connected(one, other)
        await rings_across(apart)
    assert said(logs, "wake") == [AWAY, AWAY, BACK, BACK]
    assert all("redis://" not in str(line) for line in logs), "an address may hold a password"


@pytest.mark.parametrize(
    ("hurt", "heal"),
    [
        pytest.param(MortalRedis.kill, MortalRedis.start, id="killed"),
        pytest.param(MortalRedis.freeze, MortalRedis.thaw, id="frozen"),
    ],
)
async def test_redis_goes_and_comes_back_three_times(
    mortal: MortalRedis, apart: Pair, hurt: Callable[[MortalRedis], None], heal: Callable[[MortalRedis], None]
) -> None:
    one, other = wakes(apart)
    mortal.start()
    await connected(one, other)
    with capture_logs() as logs:
        for times in (1, 2, 3):
            await other.wait(["missed"], 0)
            hurt(mortal)
            one.ring("missed")
            await until(lambda: not (one.connected or other.connected))
            await rings_locally(one)
            await rings_locally(other)
            heal(mortal)
            # What was rung while nobody could hear it: everybody is rung when Redis is back.
            assert await other.wait(["missed"], LONG) == {"missed"}
            await until(lambda: one.connected and other.connected)
            await rings_across(apart)
            assert said(logs, "wake").count(AWAY) == 2 * times
            assert said(logs, "wake").count(BACK) == 2 * times


class Proxy:
    """Stands between a process and Redis; can let whoever subscribed hear nothing more, without a word."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.deaf = False

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up, down = await asyncio.open_connection("127.0.0.1", self._port)
        subscriber = asyncio.Event()
        await asyncio.gather(self._carry(reader, down, subscriber), self._carry(up, writer, subscriber, back=True))

    async def _carry(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, subscriber: asyncio.Event, back: bool = False
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if not back and b"SUBSCRIBE" in data:
                    subscriber.set()
                if not (back and self.deaf and subscriber.is_set()):
                    to.write(data)
                    await to.drain()
        to.close()


async def test_a_subscription_that_died_in_silence_is_noticed(mortal: MortalRedis) -> None:
    """Publishing still works, nothing is heard: only the missing signs of life tell."""
    mortal.start()
    proxy = Proxy(mortal.port)
    server = await asyncio.start_server(proxy.meet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    wake = RedisWake(f"redis://127.0.0.1:{port}/0", beat=BEAT)
    try:
        await connected(wake)
        with capture_logs() as logs:
            proxy.deaf = True
            await until(lambda: said(logs, "wake") == [AWAY])
            proxy.deaf = False
            await until(lambda: said(logs, "wake") == [AWAY, BACK])
    finally:
        await wake.close()
        server.close()
        await server.wait_closed()


async def test_emptying_redis_harms_no_wake_up(mortal: MortalRedis, apart: Pair) -> None:
    one, other = wakes(apart)
    mortal.start()
    await connected(one, other)
    with capture_logs() as logs:
        mortal.flush()
        await rings_across(apart)
    assert logs == []


async def test_closing_while_redis_is_frozen_does_not_hang(mortal: MortalRedis) -> None:
    mortal.start()
    wake = RedisWake(mortal.url, beat=BEAT)
    await connected(wake)
    mortal.freeze()
    async with asyncio.timeout(2):
        await wake.close()


async def test_a_foreign_message_on_the_channel_breaks_nothing(mortal: MortalRedis, apart: Pair) -> None:
    one, other = wakes(apart)
    mortal.start()
    await connected(one, other)
    with capture_logs() as logs:
        async with Redis.from_url(mortal.url) as foreign:
            for data in (b"", b"\xff\xfe", b"\n\n\n", b"x" * 1_000_000):
                await foreign.publish("gateway:wake", data)
        await rings_across(apart)
    assert logs == []


async def test_counters_go_on_while_redis_is_killed(mortal: MortalRedis, counters: RedisCounters) -> None:
    with capture_logs() as logs:
        assert (await counters.hit("absent", 2, 1000)).allowed
        assert (await counters.hit("absent", 2, 1000)).allowed
        assert not (await counters.hit("absent", 2, 1000)).allowed, "the limit holds in this process"
        mortal.start()
        await until_shared(counters)
        mortal.kill()
        assert (await counters.hit("killed", 1, 1000)).allowed
        assert not (await counters.hit("killed", 1, 1000)).allowed
        mortal.start()
        await until_shared(counters)
    assert said(logs, "counters") == [AWAY, BACK, AWAY, BACK]


async def test_a_frozen_redis_delays_one_hit_and_no_other(mortal: MortalRedis, counters: RedisCounters) -> None:
    mortal.start()
    await counters.hit("warm", 10, 1000)
    mortal.freeze()
    loop = asyncio.get_running_loop()
    began = loop.time()
    with capture_logs() as logs:
        await counters.hit("first", 10, 1000)
        assert loop.time() - began < 4 * TIMEOUT
        began = loop.time()
        for _ in range(200):
            await counters.hit("more", 1000, 1000)
        assert loop.time() - began < TIMEOUT, "a known absence costs nothing"
        mortal.thaw()
        await until_shared(counters)
    assert said(logs, "counters") == [AWAY, BACK]


async def test_a_flush_empties_the_counters_and_nothing_else(mortal: MortalRedis, counters: RedisCounters) -> None:
    mortal.start()
    assert (await counters.hit("k", 1, 1000)).allowed
    assert not (await counters.hit("k", 1, 1000)).allowed
    mortal.flush()
    assert (await counters.hit("k", 1, 1000)).allowed


async def until_shared(counters: RedisCounters) -> None:
    """Hit until hits are counted in Redis again."""
    async with asyncio.timeout(LONG):
        while not counters.shared:
            await counters.hit("probe", 10**6, 1000)
            await asyncio.sleep(0.02)
