"""How the stories let time pass: the development clock, which gateway and apps follow together."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Final

from gateway.sdk.clock import Clock, read_offset, travel

WEEKS: Final = timedelta(weeks=5)
"""How far the clock goes on between two acts: longer than any request for information may take, extension and all."""
SETTLES: Final = timedelta(seconds=61)
"""How far it goes on for PPID to have had time to settle."""
_APART_S: Final = 3.0


class Travel:
    """Moves the clock in `file`. `still` keeps the gateway from speaking while it is moved far."""

    def __init__(self, file: Path, clock: Clock, still: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        self._file, self._clock, self._still = file, clock, still
        self._settled_at = float("-inf")

    async def weeks(self) -> None:
        """Let the weeks go by, unless an earlier run did."""
        missing = WEEKS - read_offset(self._file)
        if missing > timedelta(0):
            # Each process looks at the file by itself, some moments apart. A request that is signed five weeks ahead of
            # the app would be refused, and the app left alone for a minute.
            async with self._still():
                travel(self._file, missing)

    def settle(self) -> None:
        """Let as much time go by as PPID needs to settle; not again before three seconds have passed."""
        if self._clock.monotonic() - self._settled_at >= _APART_S:
            travel(self._file, SETTLES)
            self._settled_at = self._clock.monotonic()
