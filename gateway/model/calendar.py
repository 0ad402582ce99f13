"""Working days: which days an office counts, and what lies so many of them ahead."""

from collections.abc import Iterable
from datetime import date
from typing import Literal

Week = Literal[5, 6]
"""How many days a week an office works: Monday to Friday, or to Saturday (health facilities)."""


class Calendar:
    """The working days of an office with a five- or six-day week; days off are public holidays and joint leave."""

    __slots__ = ("_off", "days_off", "week")

    def __init__(self, days_off: Iterable[date], week: Week = 5) -> None:
        self.days_off = frozenset(days_off)
        self.week = week
        self._off = frozenset(day.toordinal() for day in self.days_off)

    def is_working(self, day: date) -> bool:
        """Tell whether the office works on this day."""
        return self._works(day.toordinal())

    def add(self, day: date, days: int) -> date:
        """Return the day on which `days` working days after `day` have passed; `day` itself does not count.

        `days` is 0 or more; 0 gives `day`.
        """
        if days < 0:
            raise ValueError("working days are counted forwards")
        ordinal = day.toordinal()
        while days:
            ordinal += 1
            if self._works(ordinal):
                days -= 1
        return date.fromordinal(ordinal)

    def between(self, first: date, last: date) -> int:
        """Return how many working days lie after `first`, up to and including `last`; 0 if `last` is not later."""
        return sum(self._works(ordinal) for ordinal in range(first.toordinal() + 1, last.toordinal() + 1))

    def _works(self, ordinal: int) -> bool:
        # Day 1 of the proleptic calendar is a Monday.
        return (ordinal - 1) % 7 < self.week and ordinal not in self._off
