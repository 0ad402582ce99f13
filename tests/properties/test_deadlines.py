"""Working days and clocks, whatever the holidays, the pauses and the day."""

from datetime import UTC, date, datetime, timedelta
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from gateway.model.calendar import Calendar, Week
from gateway.model.deadline import WITA, ClockSpec, Pause, Unit, due, resumed

FIRST, LAST = date(2025, 1, 1), date(2028, 12, 31)
days = st.dates(FIRST, LAST)
calendars = st.builds(Calendar, st.sets(days, max_size=60), st.sampled_from(get_args(Week)))
instants = st.datetimes(datetime(2025, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
amounts = st.integers(0, 80)
pauses = st.lists(
    st.builds(lambda begin, hours: Pause(begin, begin + timedelta(hours=hours)), instants, st.integers(0, 900)),
    max_size=4,
)


@st.composite
def specs(draw: st.DrawFn, units: tuple[Unit, ...] = tuple(Unit)) -> ClockSpec:
    return ClockSpec(
        name="x", amount=draw(st.integers(1, 60)), unit=draw(st.sampled_from(units)), extension=draw(st.integers(0, 20))
    )


def plainly(calendar: Calendar, day: date, amount: int) -> date:
    """The definition, as slowly as it can be said."""
    while amount:
        day += timedelta(days=1)
        if day.weekday() < calendar.week and day not in calendar.days_off:
            amount -= 1
    return day


@given(calendars, days, amounts)
def test_working_days_are_what_they_are_said_to_be(calendar: Calendar, day: date, amount: int) -> None:
    assert calendar.add(day, amount) == plainly(calendar, day, amount)


@given(calendars, days, st.integers(1, 80))
def test_never_due_on_a_day_off(calendar: Calendar, day: date, amount: int) -> None:
    last = calendar.add(day, amount)
    assert calendar.is_working(last)
    assert last.weekday() < calendar.week
    assert last not in calendar.days_off
    assert calendar.between(day, last) == amount


@given(calendars, days, amounts, amounts)
def test_additive(calendar: Calendar, day: date, one: int, other: int) -> None:
    assert calendar.add(calendar.add(day, one), other) == calendar.add(day, one + other)


@given(calendars, days, days, amounts)
def test_monotone_in_the_day(calendar: Calendar, one: date, other: date, amount: int) -> None:
    first, second = sorted((one, other))
    assert calendar.add(first, amount) <= calendar.add(second, amount)


@given(calendars, days, days)
def test_more_holidays_never_make_it_earlier(calendar: Calendar, day: date, holiday: date) -> None:
    with_one_more = Calendar(calendar.days_off | {holiday}, calendar.week)
    assert with_one_more.add(day, 10) >= calendar.add(day, 10)


@given(calendars, specs(), instants, instants)
def test_whoever_comes_first_is_due_first(calendar: Calendar, spec: ClockSpec, one: datetime, other: datetime) -> None:
    first, second = sorted((one, other))
    assert due(spec, first, calendar) <= due(spec, second, calendar)


@given(calendars, specs((Unit.WORKING_DAYS, Unit.CALENDAR_DAYS)), instants, pauses)
def test_days_end_at_the_last_second_in_barru(
    calendar: Calendar, spec: ClockSpec, start: datetime, stopped: list[Pause]
) -> None:
    local = due(spec, start, calendar, stopped).astimezone(WITA)
    assert (local.hour, local.minute, local.second, local.microsecond) == (23, 59, 59, 0)
    assert local.date() > start.astimezone(WITA).date()


@given(calendars, specs(), instants, pauses)
def test_a_pause_or_extension_never_makes_it_earlier(
    calendar: Calendar, spec: ClockSpec, start: datetime, stopped: list[Pause]
) -> None:
    plain, paused = due(spec, start, calendar), due(spec, start, calendar, stopped)
    assert paused >= plain
    assert due(spec, start, calendar, stopped, extended=True) >= paused
    assert due(spec, start, calendar, list(reversed(stopped))) == paused


@given(calendars, specs(), instants, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=5))
def test_pauses_one_after_the_other_add_up(
    calendar: Calendar, spec: ClockSpec, start: datetime, spans: list[tuple[int, int]]
) -> None:
    """Moving the end after each pause is the same as counting them all at once."""
    stopped: list[Pause] = []
    at, by = start, due(spec, start, calendar)
    for runs, stands in spans:
        at += timedelta(hours=runs)
        pause = Pause(at, at + timedelta(hours=stands))
        if pause.begin >= by:
            break  # it has run out: nothing stands still any more
        stopped.append(pause)
        by, at = resumed(spec.unit, by, calendar, pause), pause.end
    assert by == due(spec, start, calendar, stopped)


@given(calendars, specs(), instants, st.integers(0, 900))
def test_a_pause_after_the_end_changes_nothing(
    calendar: Calendar, spec: ClockSpec, start: datetime, hours: int
) -> None:
    plain = due(spec, start, calendar)
    begin = plain + timedelta(seconds=1)
    assert due(spec, start, calendar, [Pause(begin, begin + timedelta(hours=hours))]) == plain


@given(calendars, st.integers(1, 200), instants, st.lists(st.integers(0, 50), min_size=1, max_size=5))
def test_hours_lose_exactly_the_paused_time(
    calendar: Calendar, amount: int, start: datetime, lengths: list[int]
) -> None:
    """Pauses one after another from the first hour on, all within the clock's own time."""
    begin, stopped = start, []
    for length in lengths:
        stopped.append(Pause(begin, begin + timedelta(hours=length)))
        begin += timedelta(hours=length)
    spec = ClockSpec(name="x", amount=amount, unit=Unit.HOURS)
    assert due(spec, start, calendar, stopped) == start + timedelta(hours=amount + sum(lengths))
