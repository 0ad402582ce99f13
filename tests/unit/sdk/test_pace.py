"""The pace: never above the limit in any window, urgent calls first, a place kept for them."""

import asyncio
from itertools import pairwise

import pytest

from gateway.sdk import Retryable
from gateway.sdk.pace import Pace


async def hold(pace: Pace, log: list[float], seconds: float = 0.0, *, urgent: bool = False) -> None:
    async with pace.turn(urgent=urgent):
        log.append(asyncio.get_running_loop().time())
        await asyncio.sleep(seconds)


async def test_in_no_window_more_than_the_limit() -> None:
    pace, log = Pace(rate_per_s=20.0, concurrency=100), list[float]()
    await asyncio.gather(*(hold(pace, log) for _ in range(45)))
    for start in log:
        assert sum(start <= moment < start + 1.0 for moment in log) <= 20
    assert log[-1] - log[0] < 3.0


async def test_a_slow_limit_spaces_single_requests() -> None:
    pace, log = Pace(rate_per_s=10 / 3, concurrency=5), list[float]()
    await asyncio.gather(*(hold(pace, log) for _ in range(7)))
    for start in log:
        assert sum(start <= moment < start + 0.9 for moment in log) <= 3
    half, log = Pace(rate_per_s=0.5, concurrency=5), []
    await hold(half, log)
    with pytest.raises(Retryable):
        async with half.turn(asyncio.get_running_loop().time() + 0.05):
            pass


async def test_never_more_at_once_than_the_app_bears_and_bulk_leaves_a_place() -> None:
    pace = Pace(rate_per_s=10_000.0, concurrency=4)
    running = most = 0

    async def work() -> None:
        nonlocal running, most
        async with pace.turn():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1

    bulk = [asyncio.create_task(work()) for _ in range(30)]
    await asyncio.sleep(0.005)
    start = asyncio.get_running_loop().time()
    async with pace.turn(urgent=True):
        assert asyncio.get_running_loop().time() - start < 0.005, "an urgent call waited behind bulk"
    await asyncio.gather(*bulk)
    assert most == 3


async def test_urgent_goes_before_all_that_wait_for_the_limit() -> None:
    pace, order = Pace(rate_per_s=20.0, concurrency=50), list[str]()

    async def named(name: str, urgent: bool) -> None:
        async with pace.turn(urgent=urgent):
            order.append(name)

    bulk = [asyncio.create_task(named("bulk", urgent=False)) for _ in range(30)]
    await asyncio.sleep(0.01)
    await asyncio.gather(*bulk, asyncio.create_task(named("urgent", urgent=True)))
    assert order.index("urgent") == 20


async def test_one_place_serves_everybody() -> None:
    pace, log = Pace(rate_per_s=1000.0, concurrency=1), list[float]()
    await asyncio.gather(*(hold(pace, log, 0.01) for _ in range(3)), hold(pace, log, 0.01, urgent=True))
    assert all(after - before >= 0.009 for before, after in pairwise(log))


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.02])
async def test_who_gives_up_gives_his_turn_back(moment: float) -> None:
    pace, log = Pace(rate_per_s=1000.0, concurrency=1), list[float]()
    first = asyncio.create_task(hold(pace, log, 0.02))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(hold(pace, log)) for _ in range(5)]
    await asyncio.sleep(moment)
    for task in waiting[:-1]:
        task.cancel()
    await asyncio.wait_for(asyncio.gather(first, waiting[-1]), 1)
    await asyncio.wait_for(hold(pace, log), 1)


async def test_rest_is_kept_and_told() -> None:
    pace = Pace(rate_per_s=1000.0, concurrency=2)
    loop = asyncio.get_running_loop()
    assert pace.resting() == 0.0
    pace.rest(0.2)
    pace.rest(0.1)
    assert 0.1 < pace.resting() <= 0.2
    start = loop.time()
    with pytest.raises(Retryable) as raised:
        async with pace.turn(loop.time() + 0.1, urgent=True):
            pass
    assert loop.time() - start < 0.05, "known beforehand, so not waited for"
    assert raised.value.after == pytest.approx(0.2, abs=0.05)
    async with pace.turn(loop.time() + 1):
        assert loop.time() - start >= 0.195


async def test_what_is_allotted_bounds_the_pace_until_it_lapses() -> None:
    pace, loop = Pace(rate_per_s=100.0, concurrency=8), asyncio.get_running_loop()
    pace.allot(0, 0, loop.time() + 60)
    assert pace.places == 0
    with pytest.raises(Retryable):
        async with pace.turn(loop.time() + 0.02):
            pass
    waiting = asyncio.create_task(hold(pace, []))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    pace.allot(50, 4, loop.time() + 60)
    await waiting
    pace.allot(50, 4, loop.time())
    assert pace.places == 0, "whoever cannot show that he lives starts nothing"
    with pytest.raises(Retryable):
        async with pace.turn(loop.time() + 0.02, urgent=True):
            pass


async def test_a_share_that_was_anothers_rests_for_one_window() -> None:
    pace, log, loop = Pace(rate_per_s=20.0, concurrency=8), list[float](), asyncio.get_running_loop()
    pace.allot(5, 2, float("inf"))
    taken = loop.time()
    pace.allot(20, 8, float("inf"), fresh=15)
    await asyncio.gather(*(hold(pace, log) for _ in range(20)))
    assert sum(moment < taken + 1.0 for moment in log) == 5


async def test_with_a_smaller_share_what_is_under_way_goes_on() -> None:
    pace, log = Pace(rate_per_s=100.0, concurrency=4), list[float]()
    running = [asyncio.create_task(hold(pace, log, 0.05)) for _ in range(3)]
    await asyncio.sleep(0.01)
    pace.allot(25, 1, float("inf"))
    assert (pace.running, pace.places) == (3, 1)
    late = asyncio.create_task(hold(pace, log))
    await asyncio.gather(*running, late)
    assert pace.running == 0
    assert log[3] - log[0] >= 0.04
