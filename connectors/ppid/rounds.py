"""How a list is gone through again and again, so that no change is missed and none told twice.

A round reads all pages of what changed since a time, and then page 1 again: whatever changes meanwhile may change the
order, and a row that slipped from a page not read yet to one read already is not seen. The list says how many rows it
has; a round that has not met as many, or during which that number changed or another page came than was asked for, is
gone through again before the time moves on. What changes during a round is met by the next one, for that begins before
this one began.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from .heard import Page, changed_at, name_of, stamp, time_in, version_of

BEGINNING: Final = timedelta(days=7)
"""How far back the first round of all begins. What changed before it is the app's own history."""

OVERLAP: Final = timedelta(minutes=2)
"""What the app commits late, or its replica shows late, lies at most so far behind what was already seen."""

RUNNING: Final = timedelta(seconds=2)
"""How far the app's second that is still running may be ahead of where we believe its clock to be."""

LATEST_AHEAD: Final = timedelta(hours=1)
"""How far ahead of the app's clock a row may be dated and still say something about where it stands."""

AT_ONCE: Final = 6
"""So many rounds follow each other without a pause until one was whole."""


class Stand(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the rounds of one kind stand, in the app's own time.

    `since` is from when on changes are asked for, `page` which page of them is next; `began` when the round began
    (None: it has not), `closing`: page 1 is read again; `total` how many rows its list has (None: not asked yet),
    `torn`: that number changed, or another page came; `latest` the last change seen. `told` are the versions of rows
    told before the round, `met` those that it met. Where rounds had to follow each other, `round` counts them, `first`
    is when the first of them began, and `names` are the records that they met together.
    """

    since: datetime
    page: int = 1
    began: datetime | None = None
    closing: bool = False
    total: int | None = None
    torn: bool = False
    latest: datetime | None = None
    told: list[str] = []
    met: list[str] = []
    names: list[str] = []
    round: int = 0
    first: datetime | None = None

    @property
    def under_way(self) -> bool:
        """Tell whether the next page is to be asked for at once."""
        return self.began is not None or 0 < self.round < AT_ONCE


def resumed(stand: Stand | None, now: datetime) -> Stand:
    """Return a stand with a page to ask for; a round begins if the one before is over. `now` is the app's time."""
    if stand is None:
        stand = Stand(since=now - BEGINNING)
    if stand.began is not None:
        return stand
    # Never ahead of the app's own clock: were it put back, changes would fall behind.
    return msgspec.structs.replace(stand, since=min(stand.since, now - OVERLAP), began=now)


def met(stand: Stand, page: Page, now: datetime) -> tuple[Stand, list[Any]]:
    """Return where it goes on after a page, and those of its undecoded rows that are to be told.

    `now` is the app's time before the page was asked for. A row that changed in the second which was running then may
    change once more under the same time: it is left for the next round.
    """
    named = {version_of(row): row for row in page.rows}
    known = {*stand.told, *stand.met}
    running = {name for name, row in named.items() if name not in known and _is_running(row, now)}
    fresh = [row for name, row in named.items() if name not in known and name not in running]
    times = [at for row in page.rows if (at := changed_at(row)) is not None and at <= now + LATEST_AHEAD]
    stand = msgspec.structs.replace(
        stand,
        total=page.total,
        torn=stand.torn or page.number != stand.page or stand.total not in {None, page.total},
        latest=max([*times, *([stand.latest] if stand.latest else [])], default=None),
        met=[*dict.fromkeys([*stand.met, *(name for name in named if name not in running)])],
        names=[*dict.fromkeys([*stand.names, *map(name_of, page.rows)])],
    )
    if stand.closing or page.last <= 1:
        return _over(stand, page.total), fresh
    if stand.page < page.last:
        return msgspec.structs.replace(stand, page=stand.page + 1), fresh
    return msgspec.structs.replace(stand, page=1, closing=True), fresh


def _over(stand: Stand, total: int) -> Stand:
    """Return a stand after a round: from a later time on, if it was whole."""
    told, first = [*dict.fromkeys([*stand.told, *stand.met])], stand.first or stand.began
    if stand.torn or len(stand.names) < total:
        return Stand(
            since=stand.since,
            latest=stand.latest,
            told=told,
            names=stand.names,
            round=stand.round % AT_ONCE + 1,
            first=first,
        )
    since = stand.since
    if stand.latest is not None:
        since = (min(stand.latest, first) if first is not None else stand.latest) - OVERLAP
    met, edge = set(stand.met), stamp(since)
    return Stand(since=since, latest=stand.latest, told=[name for name in told if name in met or time_in(name) >= edge])


def _is_running(row: Any, now: datetime) -> bool:
    changed = changed_at(row)
    return changed is not None and timedelta(0) <= changed - now.replace(microsecond=0) <= RUNNING
