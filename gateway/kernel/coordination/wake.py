"""Wake-ups: "look again, something may have changed". A hint that saves waiting, never a message.

Whoever waits must also look without being rung, after `timeout`: a ring can be lost when Redis goes away. A
ring too many is possible as well (when Redis is back everybody is rung once).
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from typing import Final, Protocol
from weakref import WeakKeyDictionary

COALESCE: Final = 0.010
"""Seconds within which rings count as one. The first ring after a quiet time goes out at once."""


class Wake(Protocol):
    """Rings channels (plain names such as `delivery` or `report:BRU-…`) and waits for them."""

    def ring(self, channel: str) -> None:
        """Wake whoever waits for `channel`, here and in other processes. Returns at once, never raises."""

    async def wait(
        self,
        channels: Collection[str],
        timeout: float,  # noqa: ASYNC109
        subscriber: object | None = None,
    ) -> frozenset[str]:
        """Return the channels that were rung, at the latest after `timeout` seconds (then possibly none).

        The subscriber is the current task, or any object that can be weakly referenced. Its first wait begins
        the subscription; from then on a ring between two of its waits is kept for the next one. A loop that
        wraps every wait into a new task must name its subscriber, otherwise each task is a new one.
        """

    async def close(self) -> None:
        """Let go of everything; waits under way return early. Rings now do nothing, waits only wait."""


class _Subscription:
    """What one subscriber listens to, and what rang since it last waited."""

    __slots__ = ("channels", "pending", "rung")

    def __init__(self) -> None:
        self.channels: set[str] = set()
        self.pending: set[str] = set()
        self.rung = asyncio.Event()


class LocalWake:
    """Wake-ups within this process.

    `spread`, if given, is called on the loop with what rang here, at most once per `COALESCE`. Rings from
    other threads are handed to the loop.
    """

    def __init__(self, spread: Callable[[frozenset[str]], None] | None = None) -> None:
        self._subscriptions: WeakKeyDictionary[object, _Subscription] = WeakKeyDictionary()
        self._spread = spread
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rung: set[str] = set()
        self._last = float("-inf")
        self._closed = False

    def ring(self, channel: str) -> None:
        """See `Wake.ring`."""
        running = _running()
        loop = self._loop = self._loop or running
        if loop is None or self._closed:
            return  # nobody ever waited, or nobody will
        if running is not loop:
            with contextlib.suppress(RuntimeError):  # that loop has ended: nobody waits any more
                loop.call_soon_threadsafe(self.ring, channel)
            return
        self._rung.add(channel)
        if self._timer is None:
            self._timer = loop.call_later(max(0.0, self._last + COALESCE - loop.time()), self._flush)

    async def wait(
        self,
        channels: Collection[str],
        timeout: float,  # noqa: ASYNC109
        subscriber: object | None = None,
    ) -> frozenset[str]:
        """See `Wake.wait`."""
        self._loop = asyncio.get_running_loop()
        subscription = self._subscription_of(subscriber or asyncio.current_task())
        subscription.channels.update(channels)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, timeout)):
                while subscription.pending.isdisjoint(channels):
                    subscription.rung.clear()
                    await subscription.rung.wait()
                    if self._closed:
                        break
        rung = subscription.pending.intersection(channels)
        subscription.pending -= rung
        return frozenset(rung)

    async def close(self) -> None:
        """See `Wake.close`."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for subscription in list(self._subscriptions.values()):
            subscription.rung.set()

    def deliver(self, channels: Collection[str] | None) -> None:
        """Wake who waits here for these channels (None: everybody, for all they wait for). On the loop."""
        for subscription in list(self._subscriptions.values()):
            meant = subscription.channels
            if channels is not None:
                meant = meant.intersection(channels)
            if meant:
                subscription.pending |= meant
                subscription.rung.set()

    def _flush(self) -> None:
        self._timer = None
        self._last = asyncio.get_running_loop().time()
        channels, self._rung = frozenset(self._rung), set()
        self.deliver(channels)
        if self._spread is not None:
            self._spread(channels)

    def _subscription_of(self, subscriber: object) -> _Subscription:
        found = self._subscriptions.get(subscriber)
        if found is None:
            found = self._subscriptions[subscriber] = _Subscription()
        return found


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
