"""What a disk may hold after a power cut, rebuilt from a recording (`power_layer`).

Kept is what was synced; of the rest any part may be there and any part may not: whole writes in any order, or some of
their 512-byte sectors. A name in a folder is there once the folder was synced, which SQLite does with the first sync of
a journal or log that it made.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.faults.power_layer import HEAD, What

SECTOR: Final = 512
_CHANCES: Final = (0.0, 0.1, 0.5, 0.9)
"""With which likelihood a write that was not synced is kept; drawn anew for each cut."""
_TORN: Final = 0.25
"""How many of the writes that are neither kept nor dropped as a whole."""


class Step(NamedTuple):
    """One event of a recording."""

    what: What
    file: int
    offset: int
    data: memoryview


class Remains(NamedTuple):
    """What a cut left: the files by name, and how many writes were dropped or torn."""

    files: dict[str, bytes]
    dropped: int
    torn: int


def steps_of(file: Path) -> list[Step]:
    """Read a recording; an event whose end is missing was not finished when its process was killed."""
    data = memoryview(file.read_bytes())
    place, found = 0, []
    while place + HEAD.size <= len(data):
        what, number, offset, size = HEAD.unpack_from(data, place)
        place += HEAD.size
        if place + size > len(data):
            break
        found.append(Step(What(what), number, offset, data[place : place + size]))
        place += size
    return found


class Disk:
    """A disk, and what its cache holds that was not synced yet."""

    def __init__(self) -> None:
        self._files: dict[int, bytearray] = {}
        self._waiting: defaultdict[int, list[Step]] = defaultdict(list)
        self._names: dict[str, int] = {}
        self._renamed: list[tuple[str, int | None]] = []

    @property
    def unsynced(self) -> bool:
        """Tell whether a cut could drop a write now."""
        return any(self._waiting.values())

    def take(self, step: Step) -> None:
        """Let the next event of the recording happen."""
        match step.what:
            case What.CREATE:
                self._files[step.file] = bytearray()
                self._renamed.append((bytes(step.data).decode(), step.file))
            case What.WRITE | What.TRUNCATE:
                self._waiting[step.file].append(step)
            case What.SYNC:
                for waiting in self._waiting.pop(step.file, ()):
                    _write(self._files[step.file], waiting)
                if any(number == step.file and not name.endswith(".db") for name, number in self._renamed):
                    self._settle(len(self._renamed))
            case What.DELETE:
                self._renamed.append((bytes(step.data).decode(), None))
                if step.offset:
                    self._settle(len(self._renamed))

    def _settle(self, count: int) -> None:
        for name, number in self._renamed[:count]:
            _name(self._names, name, number)
        del self._renamed[:count]

    def cut(self, chance: random.Random) -> Remains:
        """Return what may be left if the power failed now. The disk itself goes on as if nothing had happened."""
        keep, dropped, torn = chance.choice(_CHANCES), 0, 0
        names = dict(self._names)
        for name, number in self._renamed[: chance.randint(0, len(self._renamed))]:
            _name(names, name, number)
        files = {}
        for name, number in names.items():
            content = bytearray(self._files[number])
            for step in self._waiting.get(number, ()):
                if chance.random() < keep:
                    _write(content, step)
                elif step.what is What.WRITE and chance.random() < _TORN and len(step.data) > SECTOR:
                    torn += 1
                    for part in _sectors(step, chance):
                        _write(content, part)
                else:
                    dropped += 1
            files[name] = bytes(content)
        return Remains(files, dropped, torn)


def _name(names: dict[str, int], name: str, number: int | None) -> None:
    if number is None:
        names.pop(name, None)
    else:
        names[name] = number


def _write(content: bytearray, step: Step) -> None:
    if step.what is What.TRUNCATE:
        del content[step.offset :]
        return
    if len(content) < step.offset:
        content.extend(bytes(step.offset - len(content)))
    content[step.offset : step.offset + len(step.data)] = step.data


def _sectors(step: Step, chance: random.Random) -> Iterator[Step]:
    """Return some sectors of a write, never all of them."""
    starts = range(0, len(step.data), SECTOR)
    for start in chance.sample(starts, chance.randrange(len(starts))):
        yield step._replace(offset=step.offset + start, data=step.data[start : start + SECTOR])
