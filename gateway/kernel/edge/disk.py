"""How much room is left where the gateway keeps its files: what is told to callers before there is none.

Files are refused first, because a report without its photo is still a report; reports are refused last, and what calls
for help is never refused for want of room: it is tried.
"""

import shutil
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from gateway.sdk.clock import Clock

_REMEMBERED_S: Final = 2.0
_MB: Final = 1024 * 1024


class Space(StrEnum):
    """What the room allows: everything, no files, or only what calls for help."""

    AMPLE = "ok"
    LOW = "low"
    FULL = "full"


class Free(msgspec.Struct, frozen=True):
    """A reading of a file system, in bytes."""

    free: int
    total: int


class Reserve(msgspec.Struct, frozen=True):
    """The free megabytes below which files, and below which reports are refused; None: the house's own measure, 5 % of
    the file system but at most 2 GB, and 1 % but at most 256 MB."""

    files_mb: int | None = None
    reports_mb: int | None = None

    def space(self, found: Free) -> Space:
        """Return what a reading allows."""
        files = min(found.total // 20, 2048 * _MB) if self.files_mb is None else self.files_mb * _MB
        reports = min(found.total // 100, 256 * _MB) if self.reports_mb is None else self.reports_mb * _MB
        if found.free < reports:
            return Space.FULL
        return Space.LOW if found.free < files else Space.AMPLE


def free_in(folder: Path) -> Callable[[], Free]:
    """Return a reading of the file system that holds a folder, or will hold it."""

    def read() -> Free:
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        usage = shutil.disk_usage(there)
        return Free(free=usage.free, total=usage.total)

    return read


class Disk:
    """The room that is left, looked at every few seconds at the most."""

    def __init__(self, free: Callable[[], Free], reserve: Reserve, clock: Clock) -> None:
        self._free, self._reserve, self._clock = free, reserve, clock
        self._known: tuple[float, Space] | None = None

    @property
    def space(self) -> Space:
        """What the room allows now. Where it cannot be read, everything: the write itself will tell."""
        now = self._clock.monotonic()
        if self._known is None or now - self._known[0] >= _REMEMBERED_S:
            try:
                self._known = (now, self._reserve.space(self._free()))
            except OSError:
                self._known = (now, Space.AMPLE)
        return self._known[1]

    async def word(self) -> str | None:
        """Return what is wrong, for `health.Check`; None if there is room for everything."""
        return None if self.space is Space.AMPLE else str(self.space)
