"""Virtual time: real sockets, and a clock that is moved instead of waited for.

The event loop's own clock runs as always and can be put ahead: timers, timeouts and pauses that lie in between are due
at once. The clock that gateway and app tell time by stands still until it is moved, so that runs repeat exactly.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from contextvars import Context
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from math import inf
from typing import Any, Final, TypeVar, TypeVarTuple

from gateway.kit.patience import Patience

START: Final = datetime(2026, 1, 28, 2, 15, 30, tzinfo=UTC)
"""When a trial begins: a working morning in Barru, 10:15:30. Contract samples are recorded at this moment."""
NOWHERE: Final = "tidak-ada.invalid"
"""A name that no server has (RFC 6761, section 6.4)."""
_TURNS: Final = 20
_Ts = TypeVarTuple("_Ts")
_T = TypeVar("_T")


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock can be put ahead; names under `.invalid` are unknown without asking anybody."""

    ahead = 0.0

    def __init__(self) -> None:
        super().__init__()
        self._due: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._threads = 0

    @property
    def working(self) -> bool:
        """Tell whether a thread works for the loop: reading the ledger, or writing to a disk."""
        return self._threads > 0

    def run_in_executor(self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts) -> asyncio.Future[_T]:
        """Let a thread do something, as every loop does."""
        future = super().run_in_executor(executor, func, *args)
        self._threads += 1
        future.add_done_callback(self._done)
        return future

    def _done(self, _: asyncio.Future[Any]) -> None:
        self._threads -= 1

    def time(self) -> float:
        """Return the loop's clock in seconds."""
        return super().time() + self.ahead

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call something at a time, as every loop does."""
        handle = super().call_at(when, callback, *args, context=context)
        heappush(self._due, (when, id(handle), handle))
        return handle

    def until_due(self) -> float:
        """Return for how many seconds nothing is due that waits for time."""
        now = self.time()
        while self._due and (self._due[0][0] <= now or self._due[0][2].cancelled()):
            heappop(self._due)
        return self._due[0][0] - now if self._due else inf

    async def getaddrinfo(self, host: Any, port: Any, **more: Any) -> Any:
        """Look a name up, as every loop does."""
        if isinstance(host, str) and host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return await super().getaddrinfo(host, port, **more)


class Time:
    """The clock of a trial, for gateway, host and app alike (`gateway.sdk.clock.Clock`), and the way to move it."""

    def __init__(self, loop: Loop, start: datetime = START) -> None:
        self._loop, self._start, self._from = loop, start, loop.ahead

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self._start + timedelta(seconds=self._loop.ahead - self._from)

    def real(self) -> datetime:
        """See `Clock.real`: in a trial no time is more real than the other."""
        return self.now()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._loop.time()

    @property
    def working(self) -> bool:
        """Tell whether a thread works for whoever waits."""
        return self._loop.working

    def skip(self, seconds: float) -> None:
        """Let time pass at once; what was due meanwhile happens when the loop turns."""
        self._loop.ahead += seconds

    def on(self, seconds: float) -> bool:
        """Let time pass at once, but no further than to what is due next; tell whether nothing was."""
        free = self._loop.until_due()
        self.skip(min(seconds, free))
        return seconds < free

    async def travel(self, seconds: float) -> None:
        """Let time pass and what was due meanwhile happen, as far as it waits for nothing but time."""
        self.skip(seconds)
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    @asynccontextmanager
    async def patience(self, seconds: float) -> AsyncIterator[None]:
        """Give up, with TimeoutError, what takes longer than so many seconds of real time (see `Patience`)."""
        task = asyncio.current_task()
        assert task is not None
        given_up = over = False

        def end() -> None:
            nonlocal given_up
            if not over:
                given_up = True
                task.cancel()

        try:
            with Patience(seconds, lambda: self._loop.call_soon_threadsafe(end)):
                yield
        except asyncio.CancelledError:
            if not given_up:
                raise
            task.uncancel()
            raise TimeoutError from None
        finally:
            over = True

    async def to(self, moment: datetime) -> None:
        """Travel to a moment. It must not have passed."""
        await self.travel((moment - self.now()).total_seconds())
