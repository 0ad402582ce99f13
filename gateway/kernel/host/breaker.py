"""How much trouble an app is given while it fails: three quick tries, a budget, then one probe at a time.

Whoever fails is not helped by being asked more often. After a few failures in a row, or when failures were more than a
tenth of what was answered, deliveries to the app wait; from time to time one of them goes and shows how the app is.
Each process judges for itself: what one of them has seen is no truth for another, and needs none to be shared.
"""

from collections.abc import Callable
from typing import Final

QUICK: Final = 3
"""Failures in a row that are borne at full speed."""
SHARE: Final = 0.1
"""What an answer earns for the budget: failures beyond the reserve may be a tenth of the answers."""
RESERVE: Final = 10.0
"""Failures that may be spent before anything was earned, beside those that are under way together."""
FIRST_S: Final = 1.0
LONGEST_S: Final = 60.0
"""Seconds between two probes: they double from the first to the longest, each cut by up to a half by chance."""


class Breaker:
    """Says when deliveries may go to one app, within one process. Closed: as many as the app bears; open: one probe
    for each interval. Times are seconds of `monotonic`; `fraction` is uniform in [0, 1)."""

    def __init__(self, concurrency: int, monotonic: Callable[[], float], fraction: Callable[[], float]) -> None:
        self._monotonic, self._fraction = monotonic, fraction
        self._full = RESERVE + concurrency
        self._left = self._full
        self._in_a_row = 0
        self._level = 0
        self._until: float | None = None
        self._probing = False

    @property
    def open(self) -> bool:
        """Tell whether deliveries wait for a probe."""
        return self._until is not None

    def wait(self) -> float:
        """Return for how many more seconds no delivery may go (0.0: one may go now)."""
        return 0.0 if self._until is None else max(0.0, self._until - self._monotonic())

    def take(self, wanted: int) -> int:
        """Return how many of `wanted` deliveries may go now. Where that is one as a probe, it is taken: nobody else
        gets it before it is noted what became of it, or it is given back, or the longest interval is over."""
        if self._until is None:
            return wanted
        if wanted < 1 or self.wait() > 0:
            return 0
        self._probing = True
        self._until = self._monotonic() + LONGEST_S
        return 1

    def give_back(self) -> None:
        """Give back what was taken and not used: there was nothing to send."""
        if self._probing:
            self._probing = False
            self._until = self._monotonic()

    def note(self, *, failed: bool) -> None:
        """Learn what became of a call that carried or looked for a delivery."""
        if not failed:
            self._left = min(self._full, self._left + SHARE)
            self._in_a_row, self._level, self._probing = 0, 0, False
            # An answer closes; without a budget the next one may go after the shortest interval only.
            self._until = None if self._left >= 1.0 else self._monotonic() + self._interval()
            return
        self._in_a_row += 1
        if self._until is None:
            self._left = max(0.0, self._left - 1.0)
            if self._in_a_row >= QUICK or self._left < 1.0:
                self._until = self._monotonic() + self._interval()
        elif self._probing:
            self._probing = False
            self._level += 1
            self._until = self._monotonic() + self._interval()
        # What was under way when it opened says nothing new.

    def _interval(self) -> float:
        whole = min(LONGEST_S, FIRST_S * 2.0 ** min(self._level, 10))
        return whole * (1.0 - self._fraction() / 2)
