"""How fast an app is spoken to: never above its limit, never more at once than it bears, urgent calls first."""

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from gateway.sdk.errors import Retryable

_MARGIN: Final = 1.1
"""A window is held a tenth longer than the limit says, because a network can bunch requests on their way."""


class Pace:
    """Turns for one app, given within one event loop.

    In any window of `count` / `rate_per_s` seconds at most `count` requests start, `count` being what one second
    holds (at least one). One of several places is kept free for urgent calls: bulk can never hold all of them.
    Where several processes speak to one app, each is allotted a part of both.
    """

    def __init__(self, rate_per_s: float, concurrency: int) -> None:
        self._count = max(1, int(rate_per_s))
        self._window = self._count / rate_per_s * _MARGIN
        self._places = concurrency
        self._running = 0
        self._started: deque[float] = deque(maxlen=self._count)
        self._rest_until = float("-inf")
        self._allotted_until = float("inf")
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None

    def allot(self, count: int, places: int, until: float, *, fresh: int = 0) -> None:
        """Start at most `count` requests in a window and have at most `places` under way, until a moment (seconds of
        the event loop's clock) at which nothing may start any more unless it was allotted again.

        `fresh` of the count were another's until now: they count as used, since he may have used them.
        """
        now = asyncio.get_running_loop().time()
        self._started = deque([*self._started, *[now] * fresh], maxlen=count)
        self._count, self._places, self._allotted_until = count, places, until
        self._give()

    @property
    def places(self) -> int:
        """How many requests may be under way at this moment; 0 where nothing is allotted to this process."""
        return self._places if asyncio.get_running_loop().time() < self._allotted_until else 0

    @property
    def running(self) -> int:
        """How many requests are under way."""
        return self._running

    def rest(self, seconds: float) -> None:
        """Start nothing for so many seconds: the app asked for it."""
        self._rest_until = max(self._rest_until, asyncio.get_running_loop().time() + seconds)

    def resting(self) -> float:
        """Return for how many more seconds the app asked to be left alone (0.0: it does not)."""
        return max(0.0, self._rest_until - asyncio.get_running_loop().time())

    @asynccontextmanager
    async def turn(self, deadline: float | None = None, *, urgent: bool = False) -> AsyncIterator[None]:
        """Wait for a turn and hold it.

        Raises Retryable if none comes before `deadline` (seconds of the event loop's clock), at once where that
        is known beforehand.
        """
        rest = self.resting()
        if deadline is not None and self._rest_until >= deadline:
            raise Retryable("the app asked to be left alone", rest)
        try:
            async with asyncio.timeout_at(deadline):
                await self._take(urgent)
        except TimeoutError:
            raise Retryable("no turn within the time limit", self._window) from None
        try:
            yield
        finally:
            self._running -= 1
            self._give()

    async def _take(self, urgent: bool) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._number += 1
        heapq.heappush(self._waiting, (0 if urgent else 1, self._number, mine))
        self._give()
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._running -= 1  # the turn came in the same moment; it goes to the next
                self._give()
            raise

    def _give(self) -> None:
        """Give turns to whoever may start now; come back when the next one may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        while self._waiting:
            rank, _, waiter = self._waiting[0]
            if waiter.done():
                heapq.heappop(self._waiting)
                continue
            all_places = self.places
            if self._running >= (all_places if rank == 0 or all_places == 1 else all_places - 1):
                return
            wait = self._wait(loop.time())
            if wait > 0:
                self._timer = loop.call_later(wait, self._give)
                return
            heapq.heappop(self._waiting)
            self._running += 1
            self._started.append(loop.time())
            waiter.set_result(None)

    def _wait(self, now: float) -> float:
        earliest = self._rest_until
        if len(self._started) == self._count:
            earliest = max(earliest, self._started[0] + self._window)
        return earliest - now
