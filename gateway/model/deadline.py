"""By when: clocks that count working days, calendar days, hours or minutes.

Days are counted from the day after a complete submission and end at 23:59:59 in Barru (WITA, UTC+8, no summer
time); what comes in after office hours counts as of that day. Hours and minutes run by the clock.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import StrEnum
from typing import Final

import msgspec

from gateway.model.calendar import Calendar
from gateway.model.status import ENDED, Status

WITA: Final = timezone(timedelta(hours=8), "WITA")
_END_OF_DAY: Final = time(23, 59, 59, tzinfo=WITA)
_DAY: Final = timedelta(days=1)


class Unit(StrEnum):
    """What a clock counts."""

    WORKING_DAYS = "working_days"
    CALENDAR_DAYS = "calendar_days"
    HOURS = "hours"
    MINUTES = "minutes"


class ClockSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of deadline: so many units, and by how many it may be extended once, with a reason in writing.

    `legal` tells a limit that a rule of law or a published service standard sets from a target of our own;
    `basis` names it.
    """

    name: str
    amount: int
    unit: Unit
    extension: int = 0
    legal: bool = True
    basis: str = ""


class Pause(msgspec.Struct, frozen=True):
    """A time in which a clock stands still, because the reporter was asked for something. Aware instants.

    A pause that still lasts is closed by the caller with the present time: the date shown then moves on until
    the answer comes.
    """

    begin: datetime
    end: datetime


def due(
    spec: ClockSpec,
    start: datetime,
    calendar: Calendar,
    pauses: Sequence[Pause] = (),
    *,
    extended: bool = False,
) -> datetime:
    """Return the last instant (UTC) that is still in time, for a clock started at the aware instant `start`.

    Day clocks: the day on which something is asked still counts, the days after it up to and including the day
    of the answer do not. Hour and minute clocks are prolonged by exactly the paused time. A pause that begins
    after the clock has run out changes nothing.
    """
    amount = spec.amount + (spec.extension if extended else 0)
    if spec.unit is Unit.HOURS:
        return _elapsed(start, timedelta(hours=amount), pauses)
    if spec.unit is Unit.MINUTES:
        return _elapsed(start, timedelta(minutes=amount), pauses)
    first = start.astimezone(WITA).date()
    working = spec.unit is Unit.WORKING_DAYS
    if pauses:
        last = _counted(first, amount, calendar if working else None, _stopped(pauses))
    else:
        last = calendar.add(first, amount) if working else first + timedelta(days=amount)
    return datetime.combine(last, _END_OF_DAY).astimezone(UTC)


def resumed(unit: Unit, by: datetime, calendar: Calendar, pause: Pause) -> datetime:
    """Return by when (UTC) a clock runs out after a pause that began before `by`, its last instant until then.

    The same as `due` with that pause among the others, where pauses come one after the other.
    """
    if unit in {Unit.HOURS, Unit.MINUTES}:
        return by + (pause.end - pause.begin)
    begin, end = (moment.astimezone(WITA).date() for moment in (pause.begin, pause.end))
    last = by.astimezone(WITA).date()
    if begin >= last:
        return by  # the day on which something is asked still counts, and it was the last
    if unit is Unit.WORKING_DAYS:
        last = calendar.add(last, calendar.between(begin, end))
    else:
        last += end - begin
    return datetime.combine(last, _END_OF_DAY).astimezone(UTC)


def _elapsed(start: datetime, span: timedelta, pauses: Iterable[Pause]) -> datetime:
    end, paused_to = start + span, start
    for pause in sorted(pauses, key=lambda one: one.begin):
        begin = max(pause.begin, paused_to)
        if begin >= end:
            break
        if pause.end > begin:
            end += pause.end - begin
            paused_to = pause.end
    return end.astimezone(UTC)


def _stopped(pauses: Iterable[Pause]) -> list[tuple[date, date]]:
    """Return the days that do not count, as (the day before the first, the last)."""
    return [(one.begin.astimezone(WITA).date(), one.end.astimezone(WITA).date()) for one in pauses]


def _counted(first: date, amount: int, calendar: Calendar | None, stopped: Sequence[tuple[date, date]]) -> date:
    day = first
    while amount:
        day += _DAY
        if any(begin < day <= end for begin, end in stopped):
            continue
        if calendar is None or calendar.is_working(day):
            amount -= 1
    return day


_WORKED: Final = (Status.VERIFIED, Status.ROUTED, Status.IN_PROGRESS, Status.ON_SCENE)
MILESTONES: Final = {
    **{str(one): frozenset(_WORKED[index:]) | ENDED for index, one in enumerate(_WORKED)},
    "ended": ENDED,
}
"""What a clock may wait for, and the statuses that show it: the milestone itself or anything further."""


def reached(milestone: str, status: Status) -> bool:
    """Tell whether a report in a status has reached what a clock waits for."""
    return status in MILESTONES[milestone]
