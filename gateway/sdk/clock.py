"""Time, injected everywhere. In development it can travel.

`gateway clock +10d` writes an offset into `GATEWAY_DATA/clock`; API, worker and sandboxes read it, so that a
60-day deadline can be seen in a minute. Stamps, legal clocks, settle times and signatures travel; leases,
backoff, tokens, parking and the 72 hours use `real()` and do not.
"""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """The one source of time."""

    def now(self) -> datetime:
        """Return the travelling time, aware, UTC."""

    def real(self) -> datetime:
        """Return the real time, aware, UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring durations."""


class SystemClock:
    """The machine's clock, moved by the offset in `file` (seconds, as text) if there is one.

    The file is looked at four times a second at the most.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._offset = timedelta(0)
        self._checked = float("-inf")

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC) + self._travelled()

    def real(self) -> datetime:
        """See `Clock.real`."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    def _travelled(self) -> timedelta:
        if self._file is None:
            return self._offset
        moment = time.monotonic()
        if moment - self._checked >= 0.25:
            self._checked = moment
            self._offset = read_offset(self._file)
        return self._offset


def read_offset(file: Path) -> timedelta:
    """Return the offset kept in `file`, zero if there is none."""
    try:
        return timedelta(seconds=float(file.read_text()))
    except (FileNotFoundError, ValueError):
        return timedelta(0)


def travel(file: Path, by: timedelta) -> timedelta:
    """Move the development clock by `by` and return the new offset."""
    total = read_offset(file) + by
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(f"{total.total_seconds()}\n")
    part.replace(file)
    return total
