"""Counters for limits: how often someone may do something, counted in this process.

A limit of `limit` hits in `window_s` seconds lets that many through at once and then regains one every
`window_s / limit` seconds: no border between windows at which twice as many get through.
"""

from typing import Final, Protocol

from gateway.kernel.coordination.gcra import MICRO, Verdict, decide, interval_of
from gateway.sdk.clock import Clock

_SWEEP_FROM: Final = 1024


class Counters(Protocol):
    """Counts hits by key and says which are within the limit."""

    async def hit(self, key: str, limit: int, window_s: float) -> Verdict:
        """Count one hit of `key` against `limit` per `window_s` seconds. A refused hit costs nothing.

        `key` may be personal (an address, a number): it does not leave the process as it is. Raises
        ValueError for a limit below 1 or a window of 0, and nothing else.
        """

    async def close(self) -> None:
        """Let go of everything."""


class LocalCounters:
    """Counters of this process alone; forgets keys that are back to their full limit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._arrivals: dict[str, int] = {}
        self._sweep_at = _SWEEP_FROM

    async def hit(self, key: str, limit: int, window_s: float) -> Verdict:
        """See `Counters.hit`."""
        now = int(self._clock.monotonic() * MICRO)
        verdict, arrival = decide(now, self._arrivals.get(key), limit, interval_of(limit, window_s))
        self._arrivals[key] = arrival
        if len(self._arrivals) >= self._sweep_at:
            self._arrivals = {name: at for name, at in self._arrivals.items() if at > now}
            self._sweep_at = max(_SWEEP_FROM, 2 * len(self._arrivals))
        return verdict

    async def close(self) -> None:
        """See `Counters.close`."""
        self._arrivals.clear()

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._arrivals)
