"""Wake-ups across processes over Redis publish and subscribe, and within the process whatever Redis does."""

import asyncio
import contextlib
from collections.abc import Collection
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from gateway.kernel.coordination.connection import FAULTS, open_redis
from gateway.kernel.coordination.outage import Outage
from gateway.kernel.coordination.wake import LocalWake, Wake
from gateway.sdk.entropy import Entropy, SystemEntropy

CHANNEL: Final = "gateway:wake"
"""The one Redis channel. A message is the sender's name and the rung channels, one a line, UTF-8."""

BEAT: Final = 2.0
"""Seconds between signs of life that go through Redis and back. Redis is away when none comes for two."""

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


class RedisWake:
    """Rings within the process at once, and in other processes through Redis while it is there.

    Redis may be absent, emptied, frozen or restarted at any moment: nothing is raised, waits end by their
    timeouts, one line is logged when it goes and one when it is back. Then everybody is rung once, since
    rings may have been missed.
    """

    def __init__(self, url: str, entropy: Entropy | None = None, beat: float = BEAT) -> None:
        """Connects when first used. Raises ValueError if `url` is not a Redis address."""
        open_redis(url, beat)  # a wrong address is a mistake of the settings, told at once
        self._url, self._beat = url, beat
        self._name = (entropy or SystemEntropy()).bytes(8).hex()
        self._local = LocalWake(self._spread)
        self._outgoing: set[str] = set()
        self._something_to_say = asyncio.Event()
        self._outage = Outage("wake")
        self._heard = False
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def connected(self) -> bool:
        """Whether rings reach other processes at this moment, as far as is known."""
        return self._heard

    def ring(self, channel: str) -> None:
        """See `Wake.ring`."""
        self._local.ring(channel)

    async def wait(
        self,
        channels: Collection[str],
        timeout: float,  # noqa: ASYNC109
        subscriber: object | None = None,
    ) -> frozenset[str]:
        """See `Wake.wait`."""
        self._start()
        return await self._local.wait(channels, timeout, subscriber or asyncio.current_task())

    async def close(self) -> None:
        """See `Wake.close`. Rings of the last moment may reach this process only."""
        self._closed = True
        await self._local.close()
        if self._task is not None:
            # A cancellation can be swallowed below us (Python 3.11's wait_for, a library's clean-up): say it again.
            while not self._task.done():
                self._task.cancel()
                await asyncio.wait([self._task], timeout=0.5)

    def _start(self) -> None:
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._stay_connected(), name="redis-wake")

    def _spread(self, channels: frozenset[str]) -> None:
        self._start()
        # While it is away the others look by themselves, and everybody is rung when it is back.
        if not self._outage.away:
            self._outgoing |= channels
            self._something_to_say.set()

    async def _stay_connected(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                async with open_redis(self._url, self._beat) as redis, redis.pubsub() as ears:
                    async with asyncio.timeout(self._beat):
                        await ears.subscribe(CHANNEL)
                    async with asyncio.TaskGroup() as both:
                        both.create_task(self._listen(ears))
                        both.create_task(self._talk(redis))
            except* FAULTS as faults:
                self._outage.began(faults.exceptions[0])
            self._outgoing.clear()
            pause = _FIRST_PAUSE if self._heard else min(pause * 2, _LONGEST_PAUSE)
            self._heard = False
            await asyncio.sleep(pause)

    async def _talk(self, redis: Redis) -> None:
        """Say what rang here, or nothing but our name as a sign of life. The first sign goes out at once."""
        while True:
            self._something_to_say.clear()
            channels, self._outgoing = self._outgoing, set()
            message = "\n".join([self._name, *sorted(channels)]).encode(errors="replace")
            async with asyncio.timeout(self._beat):
                await redis.publish(CHANNEL, message)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._beat):
                    await self._something_to_say.wait()

    async def _listen(self, ears: PubSub) -> None:
        """Hear others' rings and our own signs of life. Raises TimeoutError when these stay out."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            message = await ears.get_message(ignore_subscribe_messages=True, timeout=self._beat)
            if message is not None:
                last = loop.time()
                self._hear(message["data"])
            elif loop.time() - last > 2 * self._beat:
                raise TimeoutError

    def _hear(self, data: bytes) -> None:
        sender, *channels = data.decode(errors="replace").split("\n")
        if sender != self._name:
            self._local.deliver(channels)
        elif not self._heard:
            self._heard = True
            if self._outage.away:
                self._outage.ended()
                self._local.deliver(None)


def open_wake(url: str | None, entropy: Entropy | None = None) -> Wake:
    """Return wake-ups over the Redis at `url`, or within this process if there is none.

    Raises ValueError if `url` is not a Redis address; whether Redis is there does not matter.
    """
    return LocalWake() if url is None else RedisWake(url, entropy)
