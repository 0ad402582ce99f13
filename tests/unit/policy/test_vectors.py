"""Deadlines that were computed by hand and by others: the dates officials expect."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from gateway.kernel.policy import Policy
from gateway.model.deadline import WITA, ClockSpec, Pause, Unit, due

# Received on; then the last day after so many working days.
VECTORS = [
    (
        date(2026, 1, 28),
        {3: "2026-02-02", 5: "2026-02-04", 10: "2026-02-11", 14: "2026-02-19", 17: "2026-02-24", 30: "2026-03-13",
         60: "2026-05-05"},
    ),
    (
        date(2026, 3, 13),
        {3: "2026-03-25", 5: "2026-03-27", 10: "2026-04-06", 14: "2026-04-10", 17: "2026-04-15", 30: "2026-05-05",
         60: "2026-06-24"},
    ),
    (
        date(2026, 12, 18),
        {3: "2026-12-23", 5: "2026-12-29", 10: "2027-01-07", 14: "2027-01-13", 17: "2027-01-18", 30: "2027-02-04",
         60: "2027-03-31"},
    ),
]  # fmt: skip
CASES = [(received, days, last) for received, row in VECTORS for days, last in row.items()]


def wita(day: date, hour: int = 9, minute: int = 0, second: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=WITA)


def working(amount: int, **more: Any) -> ClockSpec:
    return ClockSpec(name="x", amount=amount, unit=Unit.WORKING_DAYS, **more)


@pytest.mark.parametrize(("received", "days", "last"), CASES)
@pytest.mark.parametrize(("hour", "minute"), [(0, 0), (7, 59), (12, 0), (23, 59)])
def test_vectors(policy: Policy, received: date, days: int, last: str, hour: int, minute: int) -> None:
    """The day in Barru counts: before 08:00 WITA it is still the day before in UTC, and that must not matter."""
    got = due(working(days), wita(received, hour, minute).astimezone(UTC), policy.calendar_for("DISKOMINFO-SP"))
    assert got == wita(date.fromisoformat(last), 23, 59, 59)
    assert got.utcoffset() == timedelta(0)


def test_the_clocks_of_the_configuration(policy: Policy) -> None:
    """The same vectors through sla.toml: every working-day clock counts what its name and law say."""
    expected = {
        "triage_3": "2026-02-02",
        "info_5": "2026-02-04",
        "village_service": "2026-02-04",
        "ppid_request": "2026-02-11",
        "close_10": "2026-02-11",
        "complaint_14": "2026-02-19",
        "ppid_dispute": "2026-02-19",
        "ppid_objection": "2026-03-13",
        "ppid_file_objection": "2026-03-13",
        "complaint_60": "2026-05-05",
    }
    start = wita(date(2026, 1, 28))
    got = {clock: policy.deadline(clock, start, "DISKOMINFO-SP").by.astimezone(WITA) for clock in expected}
    assert {clock: by.date().isoformat() for clock, by in got.items()} == expected
    extended = policy.deadline("ppid_request", start, "DISKOMINFO-SP", extended=True)
    assert extended.by == wita(date(2026, 2, 24), 23, 59, 59)
    assert extended.basis.startswith("UU 14/2008")


def test_a_health_facility_works_on_saturdays(policy: Policy) -> None:
    start = wita(date(2026, 1, 28))  # a Wednesday; 29, 30 and Saturday 31 for a week of six days
    assert policy.deadline("referral_visit", start, "DINKES").by == wita(date(2026, 1, 31), 23, 59, 59)
    assert policy.deadline("referral_visit", start, "DPMDPPKBPPPA").by == wita(date(2026, 2, 2), 23, 59, 59)
    # A national limit is Monday to Friday whoever works on it.
    assert policy.deadline("complaint_14", start, "DINKES").by == wita(date(2026, 2, 19), 23, 59, 59)


def test_hours_run_through_nights_and_holidays(policy: Policy) -> None:
    start = wita(date(2026, 3, 19), 22, 30)
    assert policy.deadline("pdp_breach", start, "DISKOMINFO-SP").by == start + timedelta(hours=72)
    assert policy.deadline("acknowledge", start, "BPBD").by == start + timedelta(minutes=1)


def test_calendar_days(policy: Policy) -> None:
    start = wita(date(2026, 3, 13), 23, 59, 59)
    assert policy.deadline("statute_completeness", start, "SETDA").by == wita(date(2026, 3, 27), 23, 59, 59)


def test_a_pause_leaves_out_the_days_after_the_question_up_to_the_answer(policy: Policy) -> None:
    calendar = policy.calendar_for("DISKOMINFO-SP")
    start = wita(date(2026, 1, 28))
    asked, answered = wita(date(2026, 1, 29), 15), wita(date(2026, 2, 2), 8)
    # Thursday 29 counts; Friday 30 and Monday 2 do not; then 3 and 4 February.
    assert due(working(3), start, calendar, [Pause(asked, answered)]) == wita(date(2026, 2, 4), 23, 59, 59)
    # Asked and answered on one day: nothing is lost. Asked when the time had run out: nothing is won.
    same_day = Pause(asked, asked + timedelta(hours=2))
    assert due(working(3), start, calendar, [same_day]) == due(working(3), start, calendar)
    late = Pause(wita(date(2026, 2, 3)), wita(date(2026, 2, 20)))
    assert due(working(3), start, calendar, [late]) == due(working(3), start, calendar)


def test_pauses_of_hours_overlap_and_count_once(policy: Policy) -> None:
    calendar = policy.calendar_for("DISKOMINFO-SP")
    spec = ClockSpec(name="x", amount=10, unit=Unit.HOURS)
    start = wita(date(2026, 1, 28), 8)
    hours = [start + timedelta(hours=hour) for hour in range(40)]
    pauses = [Pause(hours[4], hours[7]), Pause(hours[2], hours[5]), Pause(start - timedelta(hours=3), hours[1])]
    assert due(spec, start, calendar, pauses) == hours[10 + 1 + 5]
    assert due(spec, start, calendar, [Pause(hours[11], hours[20])]) == hours[10]
    # A pause moves the end, so that the next one still falls into the time.
    assert due(spec, start, calendar, [Pause(hours[9], hours[12]), Pause(hours[12], hours[13])]) == hours[14]
