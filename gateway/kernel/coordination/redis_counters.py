"""Counters shared by all processes through Redis: one call per hit, Redis's own time, no race.

While Redis is away each process counts by itself, so that a limit never turns into an outage.
"""

import asyncio
import hashlib
from typing import Final

from gateway.kernel.coordination.connection import FAULTS, open_redis
from gateway.kernel.coordination.counters import Counters, LocalCounters
from gateway.kernel.coordination.gcra import MICRO, Verdict, interval_of
from gateway.kernel.coordination.outage import Outage
from gateway.sdk.clock import Clock

PREFIX: Final = "gateway:rate:"

TIMEOUT: Final = 0.25
"""Seconds a hit waits for Redis before it is counted locally."""

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0

# The same whole numbers as in `gcra.decide`; Lua's are exact up to 2^53, and microseconds stay below.
_SCRIPT: Final = """
local limit, interval = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local full = limit * interval
local arrival = tonumber(redis.call('GET', KEYS[1]) or now)
local new = math.min(math.max(arrival, now), now + full) + interval
local used = new - now
if used > full then
  return {0, 0, used - full}
end
redis.call('SET', KEYS[1], string.format('%.0f', new), 'PX', math.ceil(used / 1000))
local remaining = math.floor((full - used) / interval)
return {1, remaining, used - (full - (remaining + 1) * interval)}
"""


class RedisCounters:
    """Counters in Redis, or in this process while Redis is away. Keys reach Redis only as a digest."""

    def __init__(self, url: str, clock: Clock) -> None:
        """Connects when first used. Raises ValueError if `url` is not a Redis address."""
        self._redis = open_redis(url, TIMEOUT)
        self._clock = clock
        self._local = LocalCounters(clock)
        self._outage = Outage("counters")
        self._pause = _FIRST_PAUSE
        self._not_before = float("-inf")

    @property
    def shared(self) -> bool:
        """Whether hits are counted for all processes at this moment, as far as is known."""
        return not self._outage.away

    async def hit(self, key: str, limit: int, window_s: float) -> Verdict:
        """See `Counters.hit`."""
        interval = interval_of(limit, window_s)
        if self._outage.away:
            if self._clock.monotonic() < self._not_before:
                return await self._local.hit(key, limit, window_s)
            self._put_off()  # this hit alone tries Redis again; those that come meanwhile do not wait for it
        name = PREFIX + hashlib.blake2b(key.encode(errors="replace"), digest_size=16).hexdigest()
        try:
            async with asyncio.timeout(TIMEOUT):
                allowed, remaining, reset = await self._redis.eval(_SCRIPT, 1, name, limit, interval)
        except FAULTS as fault:
            if not self._outage.away:
                self._pause = _FIRST_PAUSE
                self._put_off()
            self._outage.began(fault)
            return await self._local.hit(key, limit, window_s)
        self._outage.ended()
        return Verdict(bool(allowed), int(remaining), int(reset) / MICRO)

    async def close(self) -> None:
        """See `Counters.close`."""
        await self._redis.aclose()
        await self._local.close()

    def _put_off(self) -> None:
        self._not_before = self._clock.monotonic() + self._pause
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)


def open_counters(url: str | None, clock: Clock) -> Counters:
    """Return counters in the Redis at `url`, or of this process if there is none.

    Raises ValueError if `url` is not a Redis address; whether Redis is there does not matter.
    """
    return LocalCounters(clock) if url is None else RedisCounters(url, clock)
