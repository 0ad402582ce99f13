"""How days are read again and again, so that no change is missed and none told twice.

The app lists a day's reports in no order that could be relied on, and rows move from page to page while it is read:
one that changes leaves its place, and those behind it move up. So a day stays open, and is read whole in pass after
pass, until it is over for longer than anything may still be written into it and was once read without anything moving.
That is sure where the whole day stands on one page, which is one answer, and else where two passes in a row met the
same rows.

A round reads today, then each past day that is still open; where those are many, today comes between each two of them,
so that what happens now never waits for what is long past. Times here are the app's own, without a zone.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

import msgspec

from .heard import changed_at, version_of
from .wire import PAGE

BEGINNING: Final = timedelta(days=7)
"""How far back the first round of all begins. What changed before it is the app's own history."""

OVERLAP: Final = timedelta(hours=1)
"""How long after its end a day may still be written into: late commits, and a clock that is not where we think."""

RUNNING: Final = timedelta(seconds=2)
"""How far the app's second that is still running may be ahead of where we believe its clock to be."""

ONE_DAY: Final = timedelta(days=1)


class Open(msgspec.Struct, frozen=True, omit_defaults=True):
    """A day that is still open: the versions of rows told of it, and a digest of what its last pass met."""

    told: list[str] = []
    last: str = ""


class Reading(msgspec.Struct, frozen=True, omit_defaults=True):
    """A pass over one day: since when, which row comes next, what it met, and whether all of that can be relied on."""

    day: date
    began: datetime
    start: int = 0
    met: list[str] = []
    sure: bool = True


class Stand(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the reading stands: the latest day that was opened, the open days, the past ones left in this round, and
    the pass that is going on (None: the round is over)."""

    latest: date
    open: dict[date, Open]
    left: list[date] = []
    reading: Reading | None = None


def resumed(stand: Stand | None, now: datetime) -> tuple[Stand, Reading]:
    """Return a stand with the pass that goes on; a round begins if the one before is over."""
    today = now.date()
    if stand is None:
        stand = Stand(latest=today - BEGINNING - ONE_DAY, open={})
    # Today is among them even where it was over once, because the app's clock was ahead then.
    fresh = [*_days(stand.latest + ONE_DAY, today), today]
    opened = {**{day: Open() for day in fresh}, **stand.open}
    reading, left = stand.reading, stand.left
    if reading is None or reading.day not in opened:
        reading, left = Reading(day=today, began=now), sorted(opened.keys() - {today}, reverse=True)
    return Stand(latest=max(stand.latest, today), open=opened, left=left, reading=reading), reading


def met(stand: Stand, page: Sequence[Any], now: datetime) -> tuple[Stand, list[Any]]:
    """Return where it goes on after a page of undecoded rows, and those rows that are to be told.

    `now` is the app's time before the page was asked for. A row that changed in the second which was running then may
    change once more under the same time: it is left for the next pass.
    """
    reading = stand.reading
    assert reading is not None
    named = {version_of(row): row for row in page}
    known = {name for one in stand.open.values() for name in one.told}
    running = {name for name, row in named.items() if name not in known and _is_running(row, now)}
    fresh = {name: row for name, row in named.items() if name not in known and name not in running}
    # A page that comes twice, or for another day: what should stand there was not seen.
    days = {at.date() for at in map(changed_at, page) if at is not None}
    again = (bool(named) and named.keys() <= set(reading.met)) or (bool(days) and reading.day not in days)
    day = stand.open[reading.day]
    day = Open(told=[*day.told, *fresh], last=day.last)
    reading = Reading(
        day=reading.day,
        began=reading.began,
        start=reading.start + PAGE,
        met=[*dict.fromkeys([*reading.met, *named])],
        sure=reading.sure and not (again or running),
    )
    stand = msgspec.structs.replace(stand, open={**stand.open, reading.day: day}, reading=reading)
    goes_on = len(page) >= PAGE and not again
    return (stand if goes_on else _over(stand, reading, now)), list(fresh.values())


def _over(stand: Stand, reading: Reading, now: datetime) -> Stand:
    """Return a stand after the last page of a pass: the day over where that is sure, and the next day of the round."""
    seen = _digest(reading.met)
    opened, day = dict(stand.open), stand.open[reading.day]
    whole = reading.sure and (reading.start == PAGE or seen == day.last)
    if whole and (reading.began - OVERLAP).date() > reading.day:
        del opened[reading.day]
    else:
        opened[reading.day] = Open(told=day.told, last=seen)
    left, following = stand.left, None
    if left and left[0] == reading.day:
        left = left[1:]
        following = now.date() if left else None
    elif left:
        following = left[0]
    return Stand(
        latest=stand.latest,
        open=opened,
        left=left,
        reading=None if following is None else Reading(day=following, began=now),
    )


def _days(first: date, last: date) -> Iterable[date]:
    return (first + ONE_DAY * count for count in range((last - first).days + 1))


def _digest(names: Iterable[str]) -> str:
    return blake2b("\n".join(sorted(names)).encode(), digest_size=8).hexdigest()


def _is_running(row: Any, now: datetime) -> bool:
    changed = changed_at(row)
    return changed is not None and timedelta(0) <= changed - now.replace(microsecond=0) <= RUNNING
