"""The clocks of the configuration: which start for a report, and by when each has run out."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from gateway.kernel.policy.plan import PlannedDeadline
from gateway.kernel.policy.shapes import ClockEntry
from gateway.model.calendar import Calendar, Week
from gateway.model.catalogue import Words
from gateway.model.deadline import WITA, ClockSpec, Pause, Unit, due, resumed

REOPENING: Final = "reopening"
"""The clock that says how long after its end a reporter may take a report up again."""
_NATIONAL: Final[Week] = 5
_REMEMBERED: Final = 4096


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """One clock: its spec and label, whose week it counts (`agency` or national), whether it stands still while the
    reporter is asked for something, for places of which levels it starts (empty: all), and what it waits for."""

    spec: ClockSpec
    label: Words
    by_agency: bool
    pauses: bool
    levels: frozenset[str]
    until: str = "ended"


def clock_of(name: str, entry: ClockEntry) -> Clock:
    """Turn an entry of sla.toml, already checked, into a clock."""
    unit, amount = next(iter(entry.limits().items()))
    spec = ClockSpec(
        name=name,
        amount=amount,
        unit=Unit(unit),
        extension=entry.extension,
        legal=entry.legal,
        basis=entry.basis,
    )
    return Clock(
        spec=spec,
        label=entry.label,
        by_agency=entry.week == "agency",
        pauses=entry.pauses,
        levels=frozenset(str(level) for level in entry.levels),
        until=entry.until,
    )


class Clocks:
    """All clocks, with the calendars they count by. Dates are remembered: most reports of a day share them."""

    def __init__(self, clocks: Mapping[str, Clock], calendars: Mapping[Week, Calendar]) -> None:
        self.by_name = dict(clocks)
        self._calendars = dict(calendars)
        self._known: dict[tuple[str, int, int], datetime] = {}

    def starting(
        self, names: Sequence[str], rule: str, level: str, week: Week, at: datetime
    ) -> tuple[PlannedDeadline, ...]:
        """Return the deadlines of the clocks that start at an instant for a place of a level (`unknown`: none)."""
        ordinal = at.astimezone(WITA).toordinal()
        return tuple(
            PlannedDeadline(
                clock=name,
                by=self._by(clock, week, at, ordinal),
                rule=rule,
                basis=clock.spec.basis,
                until=clock.until,
            )
            for name in names
            if not (clock := self.by_name[name]).levels or level in clock.levels
        )

    def by(
        self, name: str, week: Week, start: datetime, pauses: Sequence[Pause] = (), *, extended: bool = False
    ) -> datetime:
        """Return by when (UTC) a clock that started at an instant runs out; pauses count where the clock has them.

        Raises KeyError for an unknown clock.
        """
        clock = self.by_name[name]
        calendar = self._calendars[week if clock.by_agency else _NATIONAL]
        return due(clock.spec, start, calendar, pauses if clock.pauses else (), extended=extended)

    def extended(self, name: str, week: Week, by: datetime) -> datetime | None:
        """Return `by` and the extension after it, None where a clock has none. Raises KeyError for an unknown one."""
        clock = self.by_name[name]
        if not clock.spec.extension:
            return None
        more = msgspec.structs.replace(clock.spec, amount=clock.spec.extension, extension=0)
        return due(more, by, self._calendars[week if clock.by_agency else _NATIONAL])

    def resumed(self, name: str, week: Week, by: datetime, pause: Pause) -> datetime:
        """Return by when a clock runs out that would run out at `by` had it not stood still. Raises KeyError."""
        clock = self.by_name[name]
        return resumed(clock.spec.unit, by, self._calendars[week if clock.by_agency else _NATIONAL], pause)

    def _by(self, clock: Clock, week: Week, at: datetime, ordinal: int) -> datetime:
        if clock.spec.unit in {Unit.HOURS, Unit.MINUTES}:
            return self.by(clock.spec.name, week, at)
        key = (clock.spec.name, week, ordinal)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[key] = self.by(clock.spec.name, week, at)
        return found
