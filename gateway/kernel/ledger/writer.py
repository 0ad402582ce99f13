"""Group commit: acts that arrive while a transaction is under way share the next one. There is no timer.

Nobody is answered before their own rows are durable. The queue is bounded: when it is full the door says so
before memory grows.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.kernel.ledger.act import Act
from gateway.kernel.ledger.apply import Dropped

GROUP: Final = 256
QUEUE: Final = 4096
TRIES: Final = 5
UNREACHABLE: Final = (OSError, TimeoutError, OperationalError, InterfaceError, PoolTimeout)
"""How a database that cannot be reached shows itself."""


class Overloaded(Exception):
    """More acts wait than the writer will take; nothing was accepted. Come back in `after` seconds."""

    after: Final = 2


class Unavailable(Exception):
    """The database cannot be reached. Whether the act was kept is not known if the connection broke while it was being
    committed: whoever repeats it must do so under the same key."""

    after: Final = 5


class _Waiting:
    __slots__ = ("act", "done")

    def __init__(self, act: Act, done: "asyncio.Future[Dropped | None]") -> None:
        self.act, self.done = act, done


class Writer:
    """Feeds acts in groups to `commit`, with `flushers` transactions under way at a time."""

    def __init__(self, commit: Callable[[Sequence[Act]], Awaitable[list[Dropped | None]]], flushers: int) -> None:
        self._commit = commit
        self._flushers = flushers
        self._queue: deque[_Waiting] = deque()
        self._more = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False

    def start(self) -> None:
        """Start the flushers on the running loop."""
        self._tasks = [asyncio.create_task(self._flush(), name=f"ledger-flusher-{n}") for n in range(self._flushers)]

    async def close(self) -> None:
        """Commit what is queued, then stop."""
        self._closing = True
        self._more.set()
        await asyncio.gather(*self._tasks)

    async def submit(self, act: Act) -> None:
        """Return when the act's rows are durable; raise `Dropped` if it was dropped.

        A caller that goes away does not take the act along: once queued, it is committed.
        """
        if self._closing or len(self._queue) >= QUEUE:
            raise Overloaded
        waiting = _Waiting(act, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._more.set()
        if (dropped := await waiting.done) is not None:
            raise dropped

    async def _flush(self) -> None:
        while True:
            if not self._queue:
                if self._closing:
                    return
                self._more.clear()
                await self._more.wait()
                continue
            group = [self._queue.popleft() for _ in range(min(GROUP, len(self._queue)))]
            if not await self._settle(group) and len(group) > 1:
                # One act broke the transaction itself: each goes alone, so that only the one at fault fails.
                for waiting in group:
                    await self._settle([waiting])

    async def _settle(self, group: list[_Waiting]) -> bool:
        """Commit a group and answer its callers; False if the group broke and nobody was answered."""
        task = asyncio.create_task(self._try([waiting.act for waiting in group]))
        await asyncio.wait([task])
        if (fault := task.exception()) is None:
            for waiting, result in zip(group, task.result(), strict=True):
                _answer(waiting, result=result)
            return True
        if isinstance(fault, UNREACHABLE):
            for waiting in group:
                _answer(waiting, fault=Unavailable(type(fault).__name__))
            return True
        if len(group) == 1:
            _answer(group[0], fault=fault)
        return False

    async def _try(self, acts: Sequence[Act]) -> list[Dropped | None]:
        """Commit; a deadlock or serialization failure is nobody's fault, so the group simply tries again."""
        for attempt in range(TRIES):
            try:
                return await self._commit(acts)
            except DBAPIError as fault:
                if attempt == TRIES - 1 or not _transient(fault):
                    raise
        raise AssertionError("unreachable")


def _transient(fault: DBAPIError) -> bool:
    return getattr(fault.orig, "sqlstate", None) in {"40001", "40P01", "55P03"}


def _answer(waiting: _Waiting, result: Dropped | None = None, fault: BaseException | None = None) -> None:
    with contextlib.suppress(asyncio.InvalidStateError):
        if fault is not None:
            waiting.done.set_exception(fault)
        else:
            waiting.done.set_result(result)
