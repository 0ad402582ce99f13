"""How much trouble an app is given while it fails: three quick tries, a budget for retries, then one probe at a time.

Whoever fails is not helped by being asked more often. Where failures are more than a tenth of what was answered, only
what was never tried goes on at full speed, and retries one by one; after three failures in a row everything waits, and
one delivery goes from time to time to show how the app is. Each process judges for itself: what one of them has seen
is no truth for another.
"""

from collections.abc import Callable
from typing import Final

import msgspec

QUICK: Final = 3
"""Failures in a row that are borne at full speed."""
SHARE: Final = 0.1
"""What an answer earns for the budget: failures beyond the reserve may be a tenth of the answers."""
RESERVE: Final = 10.0
"""Failures that may be spent before anything was earned, beside those that are under way together."""
WELL: Final = 10
"""Answers in a row after which an app is well again, whatever was before."""
DOUBLINGS: Final = 6
"""How often the interval between two probes doubles while nobody answers: from 1 second to about a minute."""


class Leave(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries may go to an app now; `fresh`: only such as were never tried. A `probe` is one alone, taken
    from all others until it is noted what became of it, or until it is given back."""

    number: int
    fresh: bool = False
    probe: bool = False


class Breaker:
    """Says when deliveries may go to one app, within one process.

    `interval_s` is the shortest time between two probes; each is cut by up to a half by chance (`fraction`, uniform in
    [0, 1)), so that processes do not probe together. `monotonic` tells the time in seconds.
    """

    def __init__(
        self, concurrency: int, interval_s: float, monotonic: Callable[[], float], fraction: Callable[[], float]
    ) -> None:
        self._interval_s, self._monotonic, self._fraction = interval_s, monotonic, fraction
        self._full = RESERVE + concurrency
        self._left = self._full
        self._failed_in_a_row = self._answered_in_a_row = 0
        self._doubled = 0
        self._open = self._probing = False
        self._until = float("-inf")

    @property
    def open(self) -> bool:
        """Tell whether everything waits for a probe."""
        return self._open

    @property
    def longest_s(self) -> float:
        """The longest time between two probes, in seconds."""
        return float(self._interval_s * 2**DOUBLINGS)

    def wait(self) -> float:
        """Return for how many more seconds no delivery at all may go (0.0: some may go now)."""
        return max(0.0, self._until - self._monotonic()) if self._open else 0.0

    def take(self, wanted: int) -> Leave:
        """Return how many of `wanted` deliveries may go now. A probe is taken by that: who does not use it gives it
        back, else nobody has another before the longest interval is over."""
        if not self._open and self._left >= 1.0:
            return Leave(number=wanted)
        now = self._monotonic()
        if wanted > 0 and now >= self._until:
            self._probing = True
            self._until = now + self.longest_s
            return Leave(number=1, probe=True)
        return Leave(number=0 if self._open else wanted, fresh=True)

    def give_back(self) -> None:
        """Give a probe back that was not used: there was nothing to send."""
        if self._probing:
            self._probing = False
            self._until = self._monotonic()

    def note(self, *, failed: bool) -> None:
        """Learn what became of a call that carried or looked for a delivery."""
        if failed:
            self._failure()
        else:
            self._answer()

    def _answer(self) -> None:
        self._failed_in_a_row = self._doubled = 0
        self._answered_in_a_row += 1
        well = self._answered_in_a_row >= WELL
        self._left = self._full if well else min(self._full, self._left + SHARE)
        if self._open or self._probing:
            self._pause()
        self._open = False

    def _failure(self) -> None:
        self._answered_in_a_row = 0
        self._failed_in_a_row += 1
        if self._open:
            if self._probing:  # what was under way when it opened says nothing new
                self._doubled = min(DOUBLINGS, self._doubled + 1)
                self._pause()
            return
        self._left = max(0.0, self._left - 1.0)
        if self._failed_in_a_row >= QUICK:
            self._open = True
            self._pause()
        elif self._probing:
            self._pause()

    def _pause(self) -> None:
        """Let the next probe wait for an interval from now."""
        self._probing = False
        self._until = self._monotonic() + self._interval_s * 2**self._doubled * (1.0 - self._fraction() / 2)
