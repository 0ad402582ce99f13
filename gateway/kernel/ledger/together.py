"""Reads asked for at the same time share their queries. There is no timer: what arrives while a group is read makes up
the next one, so that a single caller never waits and a crowd pays once.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from gateway.kernel.ledger.writer import Unavailable

GROUP: Final = 64

Work = Callable[[Connection, Sequence[Any]], list[Any]]
"""Returns for each item of a group, in their order, what was found. A query function of its module: its identity tells
which reads can share."""


class Together:
    """Groups reads by their query function."""

    def __init__(self, read: Callable[[Work, Sequence[Any]], Awaitable[list[Any]]]) -> None:
        self._read = read
        self._waiting: dict[Work, deque[tuple[Any, asyncio.Future[Any]]]] = {}
        self._tasks: dict[Work, asyncio.Task[None]] = {}

    async def load(self, work: Work, item: Any) -> Any:
        """Return what `work` finds for one item. Raises what reading raises; an item that cannot be asked for fails
        alone."""
        waiting = self._waiting.setdefault(work, deque())
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        waiting.append((item, answer))
        if work not in self._tasks:
            self._tasks[work] = asyncio.create_task(self._serve(work, waiting))
        return await answer

    async def _serve(self, work: Work, waiting: deque[tuple[Any, "asyncio.Future[Any]"]]) -> None:
        while waiting:
            group = [waiting.popleft() for _ in range(min(GROUP, len(waiting)))]
            if not await self._answered(work, group) and len(group) > 1:
                for one in group:
                    await self._answered(work, [one])
        del self._tasks[work]

    async def _answered(self, work: Work, group: Sequence[tuple[Any, "asyncio.Future[Any]"]]) -> bool:
        """Read a group and answer its callers; False if it cannot be read as a whole."""
        (task,), _ = await asyncio.wait([asyncio.create_task(self._found(work, [item for item, _ in group]))])
        fault = task.exception()
        if fault is not None and len(group) > 1 and not isinstance(fault, Unavailable):
            return False
        found = [None] * len(group) if fault is not None else task.result()
        for (_, answer), value in zip(group, found, strict=True):
            with contextlib.suppress(asyncio.InvalidStateError):  # its caller has gone away
                if fault is None:
                    answer.set_result(value)
                else:
                    answer.set_exception(fault)
        return True

    async def _found(self, work: Work, items: Sequence[Any]) -> list[Any]:
        return await self._read(work, items)
