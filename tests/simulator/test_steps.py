"""A clock that is put forward ends leases that are not over: their holders still write, and must be waited for."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from gateway.flows.delivery.reconcile import Reconciler
from tests.planting import replaced
from tests.simulator.world import Plan, World, played

LATE = "effect after the silence"
PLAN = Plan(seed=2, commands=0, questions=0)
"""An even seed: apps that settle soon and may answer late."""


async def stepped(world: World) -> None:
    """A command takes effect as late as it can; meanwhile the clock is put forward by a quarter of an hour."""
    world.boot()
    world.boot()
    world.weather.commands_meet = [LATE] * 4
    for app in ("dua", "tiga") * 2:
        await world.offices[0].file([(app, 0)], emergency=False)
    await asyncio.sleep(2.0)
    assert len(world.weather.written) == 4
    world.time.off = timedelta(minutes=15)
    await asyncio.sleep(120.0)
    assert not world.under_way()


def effects() -> list[int]:
    """Return how often commands took effect in the apps of L2 and L3."""
    with played(PLAN, stepped) as world:
        assert world.weather.counts[LATE] == 4
        assert {state for _, state, _ in world.evidence().deliveries.values()} == {"accepted"}
        return [len(world.apps[app].journal) for app in ("dua", "tiga")]


@contextlib.contextmanager
def only_settle_is_waited_for() -> Iterator[None]:
    real: Any = Reconciler._move

    async def hasty(self: Reconciler, *what: Any) -> None:
        await real(self, *what[:5])

    with replaced(Reconciler, "_move", hasty):
        yield


def test_whoever_holds_a_lease_is_waited_for_whatever_the_clock_says() -> None:
    assert effects() == [2, 2]


def test_an_app_that_is_asked_too_soon_gets_it_twice() -> None:
    with only_settle_is_waited_for():
        doubled, honoured = effects()
    assert doubled > 2, "the planted bug must be seen"
    assert honoured == 2, "an app that honours our key has it once all the same"
