"""How the days' pages are gone through again and again, so that no change is missed and none told twice.

Days, their pages and the rows on a page lie in order of change: what changes again moves to the end of today, and
everything behind it moves up. Each pass reads all pages from `start` to the end of today. What moved up past us
while we read is met by the next pass, for `start` moves on only after a pass that met nothing new (during that one
nothing has moved), or over a day that is past and fits on one page.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec

from .heard import EPOCH, version_of

PAGE: Final = 20
"""Rows on a page; the last page of a day has fewer."""

BEGINNING: Final = timedelta(days=7)
"""How far back the first pass of all begins. What changed before it is the app's own history."""

OVERLAP: Final = timedelta(minutes=2)
"""What the app commits late lies at most so far behind what was already seen."""

ONE_DAY: Final = timedelta(days=1)
RUNNING: Final = timedelta(seconds=2)
"""How far the app's second that is still running may be ahead of where we believe its clock to be."""

LATEST_AHEAD: Final = timedelta(hours=1)
"""How far ahead of the app's clock a row may be dated and still say something about where it stands."""

LAST_S: Final = 253_402_300_800
"""Unix seconds when the year 9999 is over."""

DayOf = Callable[[datetime], date]
"""The day of an instant in the app's calendar."""


class Spot(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A page of a day; pages count from 1."""

    day: date
    page: int


class Stand(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the passes stand, in the app's own time and words.

    `next` is the page to ask for now, `asked` when its pass began (None and then: a pass is over). `told` are the
    versions of rows told before this pass, `seen` those that it met; `still`: it has met nothing new; `aside`: its last
    page whose first row is older than what may still be committed late.
    """

    start: Spot
    asked: datetime
    next: Spot | None = None
    told: list[str] = []
    seen: list[str] = []
    still: bool = True
    aside: Spot | None = None


def resumed(stand: Stand | None, now: datetime, day_of: DayOf) -> Stand:
    """Return a stand with a page to ask for; a pass begins if the one before is over. `now` is the app's time."""
    if stand is None:
        stand = Stand(start=Spot(day_of(now - BEGINNING), 1), asked=now)
    if stand.next is not None:
        return stand
    start = stand.start
    if now < stand.asked:
        # Its clock was put back: new changes would fall behind where we are.
        start = min(start, Spot(day_of(now - OVERLAP), 1))
    return Stand(start=start, asked=now, next=start, told=stand.told)


def met(stand: Stand, page: Sequence[Any], now: datetime, day_of: DayOf) -> tuple[Stand, list[Any]]:
    """Return where it goes on after a page of undecoded rows, and those rows that are to be told.

    `now` is the app's time before the page was asked for. A row that changed in the second which was running then may
    change once more under the same time: it is left for the next pass.
    """
    spot = stand.next or stand.start
    named = {version_of(row): row for row in page}
    known, seen = {*stand.told, *stand.seen}, set(stand.seen)
    running = {name for name, row in named.items() if name not in known and _is_running(row, now)}
    fresh = [row for name, row in named.items() if name not in known and name not in running]
    times = [at for row in page if (at := _time(row)) is not None and at <= now + LATEST_AHEAD]
    # A page that comes twice, or for another day: what should stand there was not seen.
    again = (bool(named) and named.keys() <= seen) or (bool(times) and spot.day not in map(day_of, times))
    late = stand.asked - OVERLAP
    following: Spot | None = None
    if len(page) >= PAGE and not again:
        following = Spot(spot.day, spot.page + 1)
    elif spot.day < day_of(now):
        following = Spot(spot.day + ONE_DAY, 1)
    whole = spot == stand.start and spot.page == 1 and spot.day < day_of(late) and not again
    stand = Stand(
        start=following if whole and following is not None and following.page == 1 else stand.start,
        asked=stand.asked,
        next=following,
        told=stand.told,
        seen=[*stand.seen, *(name for name in named if name not in seen and name not in running)],
        still=stand.still and not (fresh or running or again),
        aside=spot if times and min(times) < late else stand.aside,
    )
    return (stand if following is not None else _over(stand, day_of)), fresh


def _over(stand: Stand, day_of: DayOf) -> Stand:
    """Return a stand after the last page of a pass: further on, if that pass was still."""
    if not stand.still:
        return Stand(start=stand.start, asked=stand.asked, told=[*dict.fromkeys([*stand.told, *stand.seen])])
    start = Spot(day_of(stand.asked - OVERLAP), 1)
    if stand.aside is not None:
        # One page more, for rows that are committed late and move up at once.
        start = max(start, Spot(stand.aside.day, max(1, stand.aside.page - 1)))
    return Stand(start=max(start, stand.start), asked=stand.asked, told=stand.seen)


def _time(row: Any) -> datetime | None:
    """Return when an undecoded row changed; None where it does not say so."""
    changed = row.get("diubah") if isinstance(row, dict) else None
    return EPOCH + timedelta(seconds=changed) if type(changed) is int and 0 <= changed < LAST_S else None


def _is_running(row: Any, now: datetime) -> bool:
    changed = _time(row)
    return changed is not None and timedelta(0) <= changed - now.replace(microsecond=0) <= RUNNING
