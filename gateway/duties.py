"""Duties: what one process at a time does, and this process's share of what each app bears.

Every second the election tells which seats this process has. With the first seat of a group come the group's loops;
with each seat of an app's group a share of its limits. A loop that loses its seat is cut short where it stands, as a
kill would do: everything these loops write has preconditions, and all they do in apps is to read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

import structlog

from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host
from gateway.kernel.host.shares import allot, shares_of
from gateway.kernel.ledger import Unavailable
from gateway.kernel.ledger.election import BEAT_S, Election, Seat, Standing

HOUSE: Final = "house"
"""The group of what no app is needed for."""
BELL: Final = "duties"
"""Rung when somebody has given a seat up."""
_NOTHING: Final = Standing(held=frozenset(), until=0.0)
_log = structlog.get_logger()

Loop = Callable[[asyncio.Event], Awaitable[None]]
Keep = Callable[[str, Loop], Coroutine[Any, Any, None]]
"""Runs a loop by its name, and again whenever it falls over, until the worker is to stop."""


class Duties:
    """Runs the loops of each group where its first seat is held. `loops` are named by group, then by name."""

    def __init__(
        self, election: Election, host: Host, wake: Wake, loops: Mapping[str, Mapping[str, Loop]], keep: Keep
    ) -> None:
        self._election, self._host, self._wake, self._loops, self._keep = election, host, wake, loops, keep
        self._apps = frozenset(host.apps())
        self._groups = {group: self._seats(group) for group in loops}
        self._running: dict[str, list[asyncio.Task[None]]] = {}
        self._away = False
        self._use(_NOTHING)

    def _seats(self, group: str) -> int:
        return len(shares_of(self._host.manifest(group).limits)) if group in self._apps else 1

    async def run(self, stop: asyncio.Event) -> None:
        """Hold what falls to this process until `stop` is set, then give all of it up."""
        try:
            while not stop.is_set():
                await self.round()
                if not stop.is_set():
                    await self._wake.wait({BELL}, BEAT_S)
        finally:
            for group in list(self._running):
                await self._end(group)
            await self._election.close()
            self._wake.ring(BELL)

    async def ended(self) -> None:
        """Return when all loops that run here have come to an end by themselves."""
        await asyncio.gather(*(task for tasks in self._running.values() for task in tasks), return_exceptions=True)

    async def round(self) -> None:
        """Ask once how things stand, and act on it."""
        try:
            standing = await self._election.beat(self._groups)
            if standing.wanted:
                await self._give_up(standing)
        except Unavailable as fault:
            standing = _NOTHING
            if not self._away:
                _log.warning("duties.lost", cause=str(fault))
            self._away = True
        else:
            self._away = False
        self._use(standing)
        held = standing.held - standing.wanted
        for group, loops in self._loops.items():
            if (group, 0) not in held:
                await self._end(group)
            elif group not in self._running:
                self._running[group] = [
                    asyncio.create_task(self._keep(name, loop), name=name) for name, loop in loops.items()
                ]

    def _use(self, standing: Standing) -> None:
        """Speak to each app as far as the shares allow that are held."""
        for app in self._apps:
            mine = {index for group, index in standing.held - standing.wanted if group == app}
            fresh = {index for group, index in standing.taken if group == app}
            allot(self._host.get(app).app, mine, standing.until, fresh & mine)

    async def _give_up(self, standing: Standing) -> None:
        """Let go of what others are to have, as far as nothing of it is in use."""
        self._use(standing)
        free: set[Seat] = set()
        for group, index in standing.wanted:
            if index == 0:
                await self._end(group)
            if group in self._apps:
                pace = self._host.get(group).app.http.pace
                if pace.running > pace.places:
                    continue
            free.add((group, index))
        if free:
            await self._election.release(free)
            self._wake.ring(BELL)

    async def _end(self, group: str) -> None:
        """Cut the loops of a group short."""
        left = set(self._running.pop(group, []))
        while left:
            # A cancellation can be swallowed below us (Python 3.11's wait_for, a library's clean-up): say it again.
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=1.0)
