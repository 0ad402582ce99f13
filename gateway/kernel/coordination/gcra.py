"""The rule behind every counter: the generic cell rate algorithm over whole microseconds, pure.

State is one number, the theoretical arrival time: the instant at which the whole limit would be free again.
"""

from typing import Final

import msgspec

MICRO: Final = 1_000_000


class Verdict(msgspec.Struct, frozen=True):
    """Whether a hit is allowed, how many more are right now, and in how many seconds there will be one more.

    For a refused hit `reset_s` is the time to wait before trying again (Retry-After).
    """

    allowed: bool
    remaining: int
    reset_s: float


def interval_of(limit: int, window_s: float) -> int:
    """Return the microseconds in which one hit is regained. Raises ValueError if a limit makes no sense."""
    if limit < 1 or window_s <= 0:
        raise ValueError("a limit is at least 1 hit in more than 0 seconds")
    return max(1, int(window_s * MICRO) // limit)


def decide(now: int, arrival: int | None, limit: int, interval: int) -> tuple[Verdict, int]:
    """Judge a hit at `now` (µs) and return the verdict and the new theoretical arrival time (µs).

    `arrival` is the old one, None for a key never seen. One that lies further ahead than a full limit (the
    clock went back, the limit was lowered) counts as a full limit.
    """
    full = limit * interval
    old = now if arrival is None else min(max(arrival, now), now + full)
    new = old + interval
    if new - now > full:
        return Verdict(False, 0, (new - now - full) / MICRO), old
    used = new - now
    remaining = (full - used) // interval
    # One more is free as soon as the time still used up has shrunk below what (remaining + 1) hits leave.
    return Verdict(True, remaining, (used - (full - (remaining + 1) * interval)) / MICRO), new
