"""The same expectations of wake-ups within a process and through Redis."""

import asyncio
import gc
import threading
from weakref import ref

import pytest

from gateway.kernel.coordination import LocalWake, RedisWake, open_wake
from gateway.kernel.coordination.wake import COALESCE
from tests.unit.coordination.conftest import Pair

LONG, SHORT = 20.0, 0.1


def now() -> float:
    return asyncio.get_running_loop().time()


async def subscribed(pair: Pair, *channels: str, subscriber: object | None = None) -> None:
    await pair.waiter.wait(channels, 0, subscriber)


async def test_a_ring_ends_the_wait_early_and_names_the_channel(pair: Pair) -> None:
    waiting = asyncio.create_task(pair.waiter.wait(["delivery", "inbound"], LONG))
    await asyncio.sleep(0.05)
    began = now()
    pair.ringer.ring("inbound")
    assert await waiting == {"inbound"}
    assert now() - began < 2


async def test_without_a_ring_the_wait_lasts_its_time(pair: Pair) -> None:
    began = now()
    assert await pair.waiter.wait(["delivery"], SHORT) == frozenset()
    assert SHORT * 0.9 <= now() - began < 5


async def test_a_ring_between_two_waits_is_kept(pair: Pair) -> None:
    await subscribed(pair, "delivery")
    pair.ringer.ring("delivery")
    await asyncio.sleep(SHORT)
    began = now()
    assert await pair.waiter.wait(["delivery"], LONG) == {"delivery"}
    assert now() - began < 1
    assert await pair.waiter.wait(["delivery"], 0.05) == frozenset()


async def test_a_ring_during_a_wait_for_another_channel_is_kept(pair: Pair) -> None:
    await subscribed(pair, "a")
    pair.ringer.ring("a")
    assert await pair.waiter.wait(["b"], SHORT) == frozenset()
    assert await pair.waiter.wait(["a", "b"], LONG) == {"a"}


async def test_each_subscriber_hears_each_ring(pair: Pair) -> None:
    waits = [asyncio.create_task(pair.waiter.wait(["delivery"], LONG)) for _ in range(5)]
    await asyncio.sleep(0.05)
    pair.ringer.ring("delivery")
    assert await asyncio.gather(*waits) == [{"delivery"}] * 5


async def test_a_named_subscriber_keeps_its_rings_over_many_tasks(pair: Pair) -> None:
    class Loop:
        pass

    loop = Loop()
    await asyncio.create_task(pair.waiter.wait(["delivery"], 0, loop))
    pair.ringer.ring("delivery")
    await asyncio.sleep(SHORT)
    assert await asyncio.create_task(pair.waiter.wait(["delivery"], LONG, loop)) == {"delivery"}


async def test_rings_count_as_one_within_ten_milliseconds(pair: Pair) -> None:
    await subscribed(pair, "delivery")
    woken, began = 0, now()
    stop = asyncio.Event()

    async def ringing() -> None:
        while now() - began < 0.5:
            pair.ringer.ring("delivery")
            await asyncio.sleep(0)
        stop.set()

    ring = asyncio.create_task(ringing())
    while not stop.is_set():
        woken += bool(await pair.waiter.wait(["delivery"], 0.05))
    await ring
    assert 2 <= woken <= (now() - began) / COALESCE + 2


async def test_a_thousand_channels_at_once(pair: Pair) -> None:
    names = [f"report:BRU-{number}" for number in range(1000)]
    await subscribed(pair, *names)
    for name in names:
        pair.ringer.ring(name)
    heard: set[str] = set()
    async with asyncio.timeout(LONG):
        while len(heard) < len(names):
            heard |= await pair.waiter.wait(names, LONG)
    assert heard == set(names)


async def test_odd_channel_names_break_nothing(pair: Pair) -> None:
    await subscribed(pair, "delivery", "é\U0001f30a", "")
    for name in ("\ud800", "", "a\nb", "\x00", "x" * 100_000, "é\U0001f30a"):
        pair.ringer.ring(name)
    heard: set[str] = set()
    async with asyncio.timeout(LONG):
        while "é\U0001f30a" not in heard:
            heard |= await pair.waiter.wait(["é\U0001f30a", ""], LONG)
    pair.ringer.ring("delivery")
    assert await pair.waiter.wait(["delivery"], LONG) == {"delivery"}


async def test_a_ring_from_another_thread(pair: Pair) -> None:
    pair.ringer.ring("anything")  # the ringer knows its loop
    waiting = asyncio.create_task(pair.waiter.wait(["delivery"], LONG))
    await asyncio.sleep(0.05)
    thread = threading.Thread(target=pair.ringer.ring, args=("delivery",))
    thread.start()
    thread.join()
    assert await waiting == {"delivery"}


async def test_close_ends_the_waits_and_later_calls_are_harmless(pair: Pair) -> None:
    waiting = asyncio.create_task(pair.waiter.wait(["delivery"], LONG))
    await asyncio.sleep(0.05)
    await pair.waiter.close()
    assert await waiting == frozenset()
    pair.waiter.ring("delivery")
    began = now()
    assert await pair.waiter.wait(["delivery"], SHORT) == frozenset()
    assert now() - began >= SHORT * 0.9, "a loop that goes on waiting after the close must not spin"
    await pair.waiter.close()


async def test_a_cancelled_wait_loses_no_ring(pair: Pair) -> None:
    class Loop:
        pass

    loop = Loop()
    waiting = asyncio.create_task(pair.waiter.wait(["delivery"], LONG, loop))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    pair.ringer.ring("delivery")
    await asyncio.sleep(SHORT)
    assert await pair.waiter.wait(["delivery"], LONG, loop) == {"delivery"}


async def test_subscribers_that_are_gone_are_forgotten(pair: Pair) -> None:
    class Loop:
        pass

    loop = Loop()
    gone = ref(loop)
    await pair.waiter.wait(["delivery"], 0, loop)
    del loop
    await asyncio.sleep(0)  # the task lets go of its last exception, and with it of the frames of the wait
    gc.collect()
    assert gone() is None


def test_ringing_without_a_loop_is_harmless() -> None:
    LocalWake().ring("delivery")
    RedisWake("redis://127.0.0.1:1/0").ring("delivery")


def test_ringing_after_the_loop_ended_is_harmless() -> None:
    wake = LocalWake()
    asyncio.run(wake.close())

    async def listen() -> None:
        await living.wait(["delivery"], 0)

    living = LocalWake()
    asyncio.run(listen())
    living.ring("delivery")


async def test_without_an_address_wake_ups_stay_within_the_process() -> None:
    wake = open_wake(None)
    assert isinstance(wake, LocalWake)
    await wake.close()


def test_a_wrong_address_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="redis://"):
        open_wake("http://127.0.0.1/")
