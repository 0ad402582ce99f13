"""Which rule decides about a report, and whether two rules could fight over one."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from gateway.kernel.policy.shapes import AppEntry, Rule, When
from gateway.model.catalogue import Service
from gateway.model.territory import Territory

_REGENCY_LENGTH: Final = len("73.11")
_DISTRICT_LENGTH: Final = len("73.11.07")


class Bound(msgspec.Struct, frozen=True):
    """A rule as it applies to one service: its conditions, made ready for looking up, and how precise it is."""

    rule: Rule
    points: int
    villages: frozenset[str]
    districts: frozenset[str]
    levels: frozenset[str]
    channels: frozenset[str]
    attributes: tuple[tuple[str, tuple[Any, ...]], ...]

    def fits(self, place: Territory | None, channel: str, attributes: Mapping[str, object]) -> bool:
        """Tell whether a report of this service fits. A place that is not known fits no condition on places."""
        if self.villages and (place is None or place.code not in self.villages):
            return False
        if self.districts and (place is None or district_code(place.code) not in self.districts):
            return False
        if self.levels and (place is None or place.level not in self.levels):
            return False
        if self.channels and channel not in self.channels:
            return False
        return all(_answers(attributes.get(name), wanted) for name, wanted in self.attributes)

    def may_meet(self, other: "Bound") -> bool:
        """Tell whether one report could fit both this and another rule of the same service."""
        mine, theirs = dict(self.attributes), dict(other.attributes)
        return (
            _share(self.channels, other.channels)
            and _places_share(self, other)
            and all(any(_answers(one, theirs[name]) for one in mine[name]) for name in mine.keys() & theirs.keys())
        )


def district_code(code: str) -> str:
    """Return the dotted code of the district that a dotted code lies in (itself for a district or the regency)."""
    return code[:_DISTRICT_LENGTH]


def matched(pattern: str, services: Iterable[str]) -> frozenset[str]:
    """Return the services that a condition means: a code, or a beginning that ends in `*`."""
    if pattern.endswith("*"):
        return frozenset(code for code in services if code.startswith(pattern[:-1]))
    return frozenset(code for code in services if code == pattern)


def taken_over(services: Iterable[Service], apps: Mapping[str, AppEntry]) -> list[Service]:
    """Return the services, those that an app takes over led to it. Where they fall back to stays as it is; a profile
    belongs to the app that they went to before."""
    found = []
    for service in services:
        takers = [name for name, app in apps.items() if any(matched(one, [service.code]) for one in app.services)]
        if takers and takers[-1] != service.app:
            service = msgspec.structs.replace(service, app=takers[-1], profile=None)
        found.append(service)
    return found


def applies(when: When, service: Service) -> bool:
    """Tell whether a rule's conditions on service and priority fit a service."""
    if when.priorities and service.priority not in when.priorities:
        return False
    return not when.services or any(matched(pattern, [service.code]) for pattern in when.services)


def bind(rules: Iterable[Rule], service: Service) -> tuple[Bound, ...]:
    """Return the rules that can apply to a service, the most precise first."""
    bound = []
    for rule in rules:
        when = rule.when
        if not applies(when, service):
            continue
        conditions = (when.districts, when.levels, when.channels, when.priorities, when.villages)
        points = sum(bool(condition) for condition in conditions) + bool(when.villages) + 2 * len(when.attributes)
        if when.services:
            points += 2 if service.code in when.services else 1
        wanted = tuple(
            (name, value if isinstance(value, tuple) else (value,)) for name, value in sorted(when.attributes.items())
        )
        bound.append(
            Bound(
                rule,
                points,
                frozenset(when.villages),
                frozenset(when.districts),
                frozenset(str(level) for level in when.levels),
                frozenset(when.channels),
                wanted,
            )
        )
    return tuple(sorted(bound, key=lambda one: (-one.points, one.rule.id)))


def clashes(bound: tuple[Bound, ...]) -> Iterable[tuple[Rule, Rule]]:
    """Yield the pairs of rules of one service that are equally precise, can meet, and decide differently."""
    for at, one in enumerate(bound):
        for other in bound[at + 1 :]:
            if other.points == one.points and other.rule.then != one.rule.then and one.may_meet(other):
                yield one.rule, other.rule


def _answers(answer: object, wanted: tuple[Any, ...]) -> bool:
    """Tell whether an answer is one of those wanted; true is not 1. Of several choices any may be it."""
    if isinstance(answer, list | tuple):
        return any(_answers(one, wanted) for one in answer)
    return any(type(answer) is type(one) and answer == one for one in wanted)


def _share(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    return not mine or not theirs or bool(mine & theirs)


def _places_share(one: Bound, other: Bound) -> bool:
    """Tell whether some place could fit the conditions of both."""
    if not (_share(one.villages, other.villages) and _share(one.levels, other.levels)):
        return False
    if not _share(one.districts, other.districts):
        return False
    for mine, theirs in ((one, other), (other, one)):
        if mine.villages:
            villages = mine.villages & theirs.villages if theirs.villages else mine.villages
            if theirs.districts and not {district_code(code) for code in villages} & theirs.districts:
                return False
            if theirs.levels and not {level_of(code) for code in villages} & theirs.levels:
                return False
    return True


def level_of(code: str) -> str:
    """Return the level that the form of a dotted code tells: regency, district, kelurahan or desa."""
    if len(code) <= _REGENCY_LENGTH:
        return "regency"
    if len(code) <= _DISTRICT_LENGTH:
        return "district"
    return "kelurahan" if code[_DISTRICT_LENGTH + 1] == "1" else "desa"
