"""Wake-ups of the simulation: within one process, and seldom.

Every look at the database costs the one who waits for the simulation, virtual or not. So rings are gathered for a
moment, and a loop that nobody rings looks less often than in earnest: slower, never wrong, as where Redis is away.
"""

import asyncio
import contextlib
from collections.abc import Collection
from typing import Final

GATHER_S: Final = 1.0


class Patience:
    """By how much longer than in earnest loops wait that nobody rings: `factor`, the same for all processes."""

    def __init__(self, factor: float) -> None:
        self.factor = factor


class SeldomWake:
    """See `gateway.kernel.coordination.Wake`."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._rung: set[str] = set()
        self._waiting: dict[object, tuple[frozenset[str], asyncio.Event]] = {}
        self._pending: dict[object, set[str]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def ring(self, channel: str) -> None:
        """See `Wake.ring`."""
        self._rung.add(channel)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._flush)

    async def wait(
        self,
        channels: Collection[str],
        timeout: float,  # noqa: ASYNC109
        subscriber: object | None = None,
    ) -> frozenset[str]:
        """See `Wake.wait`."""
        who = subscriber or asyncio.current_task()
        pending = self._pending.setdefault(who, set())
        if pending.isdisjoint(channels):
            event = asyncio.Event()
            self._waiting[who] = (frozenset(channels), event)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout * self._patience.factor):
                    await event.wait()
        rung = frozenset(pending.intersection(channels))
        pending -= rung
        return rung

    async def close(self) -> None:
        """See `Wake.close`."""

    def _flush(self) -> None:
        self._timer = None
        rung, self._rung = self._rung, set()
        for who, (channels, event) in list(self._waiting.items()):
            if meant := rung & channels:
                self._pending[who] |= meant
                event.set()
