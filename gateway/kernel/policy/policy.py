"""The configuration in use: catalogue, agencies, territory, clocks and notices, and the plan for a draft."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import msgspec

from gateway.kernel.policy.asking import ASKED_BESIDE
from gateway.kernel.policy.check import examine
from gateway.kernel.policy.clocks import Clock, Clocks, clock_of
from gateway.kernel.policy.danger import DangerWords
from gateway.kernel.policy.daysoff import days_off
from gateway.kernel.policy.findings import ConfigError
from gateway.kernel.policy.notices import Notices
from gateway.kernel.policy.plan import AppState, Plan, PlanInput, PlannedDeadline, Route, place_cases
from gateway.kernel.policy.routing import Bound, bind, district_code
from gateway.kernel.policy.shapes import DESK, THE_DISTRICT, AppEntry, Config, Rule
from gateway.model.agency import Agency
from gateway.model.calendar import Calendar, Week
from gateway.model.catalogue import Service, Words
from gateway.model.deadline import Pause
from gateway.model.gazetteer import Gazetteer
from gateway.model.territory import Territory


class _Table(msgspec.Struct, frozen=True):
    """Everything about one service that can be known before a report comes."""

    service: Service
    route: Route
    rules: tuple[tuple[Bound, Route], ...]
    clocks: tuple[str, ...]
    sla: str


class Policy:
    """Decisions taken from one configuration. Immutable; a changed configuration is another policy.

    `digest` names the configuration in every decision. `services`, `groups`, `agencies`, `apps` and `clocks` are
    read-only mappings by code or name; `gazetteer` and `notices` are theirs to ask.
    """

    def __init__(self, config: Config, digest: str) -> None:
        self.digest = digest
        self.services: Mapping[str, Service] = MappingProxyType({one.code: one for one in config.services})
        self.groups: Mapping[str, Words] = MappingProxyType(dict(config.groups))
        self.agencies: Mapping[str, Agency] = MappingProxyType({one.code: one for _, one in config.agencies})
        self.apps: Mapping[str, AppEntry] = MappingProxyType(dict(config.apps))
        self.gazetteer = Gazetteer(one for _, one in config.territories)
        self.notices = Notices(
            config.notices,
            {rule.name: rule.reason for rule in config.rules},
            {code: agency.short_name for code, agency in self.agencies.items()},
        )
        off = days_off(day.date for _, day in config.days_off)
        self._calendars: dict[Week, Calendar] = {5: Calendar(off, 5), 6: Calendar(off, 6)}
        self._clocks = Clocks({name: clock_of(name, entry) for name, entry in config.clocks.items()}, self._calendars)
        self.clocks: Mapping[str, Clock] = MappingProxyType(self._clocks.by_name)
        self._danger = DangerWords({service: entry.words() for service, entry in config.danger.items()})
        self._offices = {agency.district: agency.code for agency in self.agencies.values() if agency.district}
        self._tables = {service.code: self._table(service, config) for service in config.services}

    @classmethod
    def load(cls, folder: Path) -> "Policy":
        """Read, check and put together the configuration in a folder; raises ConfigError with every mistake."""
        config, digest, findings = examine(folder)
        if findings:
            raise ConfigError(findings)
        return cls(config, digest)

    def plan(self, draft: PlanInput, apps: Mapping[str, AppState]) -> Plan:
        """Decide what happens to a draft, given the apps' states. Pure; raises KeyError for an unknown service."""
        table = self._tables[draft.service]
        service = table.service
        place = None if draft.village is None else self.gazetteer.find(draft.village)
        route = self._route(table, place, draft)
        agency = self._agency(route.agency, place) or service.agency
        named = (self._agency(code, place) for code in route.support)
        return Plan(
            service=service.code,
            kind=service.kind,
            priority=service.priority,
            emergency=service.emergency,
            lane="emergency" if service.emergency else "normal",
            privacy=service.privacy,
            agency=agency,
            support=tuple(dict.fromkeys(code for code in named if code is not None and code != agency)),
            cases=place_cases(route, service.code, agency, apps, draft.exclude_app),
            deadlines=self._clocks.starting(
                table.clocks,
                table.sla,
                "unknown" if place is None else place.level,
                self.agencies[agency].week_days,
                draft.received_at,
            ),
            rule=route.rule,
            digest=self.digest,
            suggestions=() if service.emergency else self._danger.suggest(draft.text),
        )

    def deadline(
        self, clock: str, start: datetime, agency: str, pauses: Sequence[Pause] = (), *, extended: bool = False
    ) -> PlannedDeadline:
        """Return the deadline of a clock started at an aware instant for an agency, with its pauses and extension.

        Raises KeyError for an unknown clock or agency.
        """
        by = self._clocks.by(clock, self.agencies[agency].week_days, start, pauses, extended=extended)
        return PlannedDeadline(
            clock=clock,
            by=by,
            rule=f"clock:{clock}",
            basis=self.clocks[clock].spec.basis,
            until=self.clocks[clock].until,
        )

    def extended(self, clock: str, by: datetime, agency: str) -> datetime | None:
        """Return by when a clock runs out that would run out at `by` and is extended; None if it cannot be.

        Raises KeyError for an unknown clock or agency.
        """
        return self._clocks.extended(clock, self.agencies[agency].week_days, by)

    def pauses(self, clock: str) -> bool:
        """Tell whether a clock stands still while the reporter is asked for something; an unknown one goes on."""
        return clock in self.clocks and self.clocks[clock].pauses

    def resumed(self, clock: str, by: datetime, agency: str, pause: Pause) -> datetime:
        """Return by when a clock runs out that would run out at `by`, had it not stood still.

        Raises KeyError for an unknown clock or agency.
        """
        return self._clocks.resumed(clock, self.agencies[agency].week_days, by, pause)

    def calendar_for(self, agency: str) -> Calendar:
        """Return the working days of an agency; raises KeyError for an unknown one."""
        return self._calendars[self.agencies[agency].week_days]

    def status_title(self, status: str, lang: str, sensitive: bool = False) -> str:
        """Return a status in words; for a sensitive report the quiet words, where there are some."""
        return self.notices.text(f"status.{status}", lang, sensitive=sensitive)

    def needs(self, lang: str) -> dict[str, str]:
        """Return what may be asked about people and places in words, by name (`reporter.phone`)."""
        return {name: self.notices.text(f"need.{name.partition('.')[2]}", lang) for name in ASKED_BESIDE}

    def routes_to(self, app: str) -> tuple[str, ...]:
        """Return the services of which reports can go to an app, under the catalogue, a rule, or as the fallback."""
        return tuple(
            code
            for code, table in self._tables.items()
            if table.service.active
            and any(app in {route.app, route.fallback} for route in (table.route, *(route for _, route in table.rules)))
        )

    def suggest(self, text: str) -> tuple[str, ...]:
        """Return the emergency services that a text suggests, the first mentioned first."""
        return tuple(found.service for found in self._danger.suggest(text))

    def _route(self, table: _Table, place: Territory | None, draft: PlanInput) -> Route:
        for bound, route in table.rules:
            if bound.fits(place, draft.channel, draft.attributes):
                return route
        return table.route

    def _agency(self, code: str, place: Territory | None) -> str | None:
        """Return the agency a code means; for the district's office None where the place is not known."""
        if code != THE_DISTRICT:
            return code
        return None if place is None else self._offices.get(district_code(place.code))

    def _table(self, service: Service, config: Config) -> _Table:
        return _Table(
            service=service,
            route=_default(service),
            rules=tuple((bound, _changed(service, bound.rule)) for bound in bind(config.rules, service)),
            clocks=config.classes[service.sla].clocks,
            sla=f"sla:{service.sla}",
        )


def _app(name: str) -> str | None:
    return None if name == DESK else name


def _default(service: Service) -> Route:
    return Route(
        f"service:{service.code}",
        "service",
        _app(service.app),
        service.profile,
        _app(service.fallback),
        service.agency,
        service.support,
    )


def _changed(service: Service, rule: Rule) -> Route:
    """Return the route of a service under a rule: what the rule does not say stays as it was."""
    then = rule.then
    return Route(
        rule.name,
        rule.name,
        _app(then.app or service.app),
        then.profile or (service.profile if then.app in {None, service.app} else None),
        _app(then.fallback or service.fallback),
        then.agency or service.agency,
        service.support + then.support,
    )
