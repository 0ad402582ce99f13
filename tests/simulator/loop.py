"""Virtual time and processes that can be stopped dead: nothing here waits, and one seed repeats everything.

The loop has no sockets and no threads. Where nothing is ready it goes straight to what is due next. Work belongs to a
`Process` by its context: a process that is stopped runs no further callback, not even the end of a `finally`, as after
kill -9; one that goes on (a zombie) does so exactly where it stood.
"""

import asyncio
import heapq
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar, TypeVarTuple

_Ts = TypeVarTuple("_Ts")
_T = TypeVar("_T")
START: Final = datetime(2026, 1, 28, 2, 15, 30, tzinfo=UTC)
_PROCESS: ContextVar["Process | None"] = ContextVar("simulator_process", default=None)


class Process:
    """A program on the simulated machine, in which tasks are started."""

    def __init__(self, name: str, loop: "Loop") -> None:
        self.name = name
        self.stopped = False
        self.parked: list[asyncio.Handle] = []
        self._loop = loop
        self._context = copy_context()
        self._context.run(_PROCESS.set, self)

    def start(self, work: Coroutine[Any, Any, _T], name: str | None = None) -> asyncio.Task[_T]:
        """Run something in this process."""
        task = self._loop.create_task(work, name=name, context=self._context.copy())
        task.add_done_callback(_heard)
        return task

    def stop(self) -> None:
        """Let it run no further (SIGSTOP; without `go_on`: SIGKILL)."""
        self.stopped = True

    def go_on(self) -> None:
        """Let it run on where it stood (SIGCONT)."""
        self.stopped = False
        parked, self.parked = self.parked, []
        self._loop.again(parked)


def _heard(task: asyncio.Task[Any]) -> None:
    """Take note of how a task ended: whoever waited for it may have gone."""
    if not task.cancelled():
        task.exception()


class _Handle(asyncio.Handle):
    """A callback of a process: kept for later while the process is stopped."""

    __slots__ = ("process",)
    process: Process

    def _run(self) -> None:
        if self.process.stopped:
            self.process.parked.append(self)
        else:
            super()._run()


class _Timer(asyncio.TimerHandle):
    """The same for a timer."""

    __slots__ = ("process",)
    process: Process

    def _run(self) -> None:
        if self.process.stopped:
            self.process.parked.append(self)
        else:
            super()._run()


class Deadlock(AssertionError):
    """Nothing is ready and nothing is due: whoever waits will wait for ever."""


class _Skipping(selectors.SelectSelector):
    """Waits for nothing: lets the time pass at once."""

    loop: "Loop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock
        self.loop.moment += timeout
        return []


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time is a number."""

    def __init__(self) -> None:
        self.moment = 0.0
        selector = _Skipping()
        selector.loop = self
        super().__init__(selector)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Return the seconds since the beginning."""
        return self.moment

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Call something next, as every loop does."""
        process = _PROCESS.get() if context is None else context.get(_PROCESS)
        if process is None:
            return super().call_soon(callback, *args, context=context)
        handle = _Handle(callback, args, self, context)
        handle.process = process
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call something at a time, as every loop does."""
        process = _PROCESS.get() if context is None else context.get(_PROCESS)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        timer = _Timer(when, callback, args, self, context)
        timer.process = process
        timer._scheduled = True  # type: ignore[attr-defined]
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        return timer

    def again(self, handles: list[asyncio.Handle]) -> None:
        """Call what was kept while its process was stopped."""
        self._ready.extend(handle for handle in handles if not handle.cancelled())  # type: ignore[attr-defined]

    def outside(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Run something that belongs to no process, whoever starts it."""
        context = copy_context()
        context.run(_PROCESS.set, None)
        return self.create_task(work, context=context)


class Time:
    """The clock of every process: virtual time, and by how much the machine's clock is off (`gateway.sdk.clock.Clock`).

    All processes run on one machine: a step of its clock is seen by all of them at once.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.off = timedelta(0)

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self.true() + self.off

    def true(self) -> datetime:
        """The time without any step: by which the apps' own clocks run."""
        return START + timedelta(seconds=self._loop.moment)

    def real(self) -> datetime:
        """See `Clock.real`: in a simulation no time is more real than the other."""
        return self.now()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._loop.moment
