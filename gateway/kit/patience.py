"""Patience: for how long something may take before it is given up, on a machine that has other things to do as well.

with Patience(90.0, give_up):  # give_up() is called from a thread, at most once
    ...
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

_TENFOLD: Final = 0.9
"""Share of the time that may count as waiting for a processor: however busy the machine, there is an end."""
_TASKS: Final = Path("/proc/self/task")


def waited() -> float:
    """Return for how many seconds the threads of this process have been ready and without a processor, in all."""
    total = 0.0
    with suppress(OSError):  # not Linux, or a thread that ended meanwhile
        for task in _TASKS.iterdir():
            with suppress(OSError, ValueError, IndexError):
                total += int((task / "schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    return total


class Patience:
    """Gives up after so many seconds, without those in which this process was ready to go on and got no processor.

    Where the system does not tell how long that was (Linux does), every second counts.
    """

    def __init__(self, seconds: float, give_up: Callable[[], object], without: Callable[[], float] = waited) -> None:
        self._seconds, self._give_up, self._without = seconds, give_up, without
        self._lock, self._over = threading.Lock(), False

    def __enter__(self) -> Self:
        self._began, self._waited = time.monotonic(), self._without()
        self._wait(self._seconds)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._over = True
            self._timer.cancel()

    def _wait(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._look)
        self._timer.daemon = True
        self._timer.start()

    def _look(self) -> None:
        passed = time.monotonic() - self._began
        left = self._seconds - (passed - min(self._without() - self._waited, passed * _TENFOLD))
        with self._lock:
            if self._over:
                return
            if left > 0:
                self._wait(left)
                return
            self._over = True
        self._give_up()
