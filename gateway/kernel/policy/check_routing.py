"""Mistakes in routing: names that nothing declares, rules that never fit, rules that fight, apps without connector."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from gateway.kernel.policy import files
from gateway.kernel.policy.check_catalogue import twice
from gateway.kernel.policy.findings import Finding
from gateway.kernel.policy.routing import applies, bind, clashes, district_code, level_of, matched
from gateway.kernel.policy.shapes import DESK, THE_DISTRICT, Config, Rule, Then, When
from gateway.model.answers import Datatype, fault_of
from gateway.model.catalogue import Field, Service

_ID: Final = re.compile(r"[a-z][a-z0-9-]{0,59}")
_APP: Final = re.compile(r"[a-z][a-z0-9_]{1,39}")


def rule_faults(config: Config) -> Iterator[Finding]:
    """Yield the mistakes in the rules, each by itself and between them."""
    for rule_id in twice(rule.id for rule in config.rules):
        yield _rule(rule_id, "id", "this id is given to two rules")
    for rule in config.rules:
        if not _ID.fullmatch(rule.id):
            yield _rule(rule.id, "id", "must be small letters, digits and dashes, at most 60")
        for path, message in (*_when(config, rule.when), *_then(config, rule.then)):
            yield _rule(rule.id, path, message)
        yield from _reach(config, rule)
    seen: set[frozenset[str]] = set()
    for service in config.services:
        for one, other in clashes(bind(config.rules, service)):
            pair = frozenset({one.id, other.id})
            if pair not in seen:
                seen.add(pair)
                message = f"overlaps with {other.id}: both are equally precise, can fit one {service.code} and decide "
                yield _rule(one.id, "when", message + "differently; make one of them more precise")


def app_faults(config: Config, app_names: Iterable[str] | None) -> Iterator[Finding]:
    """Yield the apps whose connector is not there, and the connectors that no app stands for."""
    for name, app in config.apps.items():
        if not _APP.fullmatch(name) or name == DESK:
            yield Finding(files.ROUTING, f"apps.{name}", "must be small letters, digits and _, and not gateway")
        if not app.title.strip():
            yield Finding(files.ROUTING, f"apps.{name}.title", "is empty")
        for pattern in app.services:
            if not matched(pattern, config.declared.services):
                yield Finding(files.ROUTING, f"apps.{name}.services", f"{pattern!r} fits no service")
    for service in sorted(config.declared.services):
        takers = [name for name, app in config.apps.items() if any(matched(one, [service]) for one in app.services)]
        if len(takers) > 1:
            yield Finding(files.ROUTING, f"apps.{takers[1]}.services", f"{takers[0]} takes {service} over already")
    if app_names is None:
        return
    connected = set(app_names)
    for name, app in config.apps.items():
        if app.connector == "present" and name not in connected:
            yield Finding(files.ROUTING, f"apps.{name}.connector", "there is no connector of this name")
    for name in sorted(connected - config.declared.apps):
        yield Finding(files.ROUTING, f"apps.{name}", "the connector is there, but not declared here")


def _when(config: Config, when: When) -> Iterator[tuple[str, str]]:
    conditions = (when.services, when.villages, when.districts, when.levels, when.channels, when.priorities)
    if not any(conditions) and not when.attributes:
        yield "when", "has no condition: change the services instead"
    for pattern in when.services:
        if not matched(pattern, config.declared.services):
            yield "when.services", f"{pattern!r} fits no service"
    for name, codes, levels in (
        ("villages", when.villages, {"kelurahan", "desa"}),
        ("districts", when.districts, {"district"}),
    ):
        for code in codes:
            if code not in config.declared.territories:
                yield f"when.{name}", f"{code!r} is not in {files.TERRITORY}"
            elif level_of(code) not in levels:
                yield f"when.{name}", f"{code} is a {level_of(code)}"
    if when.villages and when.districts and not {district_code(code) for code in when.villages} & set(when.districts):
        yield "when.districts", "none of the villages lies in these districts: the rule never fits"
    if when.villages and when.levels and not {level_of(code) for code in when.villages} & set(when.levels):
        yield "when.levels", "none of the villages is of these levels: the rule never fits"


def _then(config: Config, then: Then) -> Iterator[tuple[str, str]]:
    if then == Then():
        yield "then", "changes nothing"
    for name, app in (("app", then.app), ("fallback", then.fallback)):
        if app is not None and app != DESK and app not in config.declared.apps:
            yield f"then.{name}", f"{app!r} is not among [apps]"
    if then.app is not None and then.app != DESK and then.app == then.fallback:
        yield "then.fallback", "is the app itself: name another one, or gateway"
    for name, agency in (("agency", then.agency), *(("support", code) for code in then.support)):
        if agency is not None and agency != THE_DISTRICT and agency not in config.declared.agencies:
            yield f"then.{name}", f"{agency!r} is not in {files.AGENCIES}"


def _reach(config: Config, rule: Rule) -> Iterator[Finding]:
    """Yield what keeps a rule from ever fitting the services it names."""
    reached = [service for service in config.services if applies(rule.when, service)]
    if not reached:
        # Services with mistakes of their own are not among those decoded: nothing can be said of them here.
        decoded = [service.code for service in config.services]
        if rule.when.priorities and any(matched(one, decoded) for one in rule.when.services):
            yield _rule(rule.id, "when.priorities", "no service that is named has this priority: the rule never fits")
        return
    for name, value in rule.when.attributes.items():
        for service in reached:
            field = next((field for field in service.fields if field.code == name), None)
            if field is None:
                yield _rule(rule.id, f"when.attributes.{name}", f"{service.code} does not ask for this")
                continue
            for wanted in value if isinstance(value, tuple) else (value,):
                if not _can_be(field, wanted):
                    yield _rule(
                        rule.id, f"when.attributes.{name}", f"{wanted!r} is no answer to this in {service.code}"
                    )
    for service in reached:
        yield from _same_app(rule, service)


def _same_app(rule: Rule, service: Service) -> Iterator[Finding]:
    app, fallback = rule.then.app or service.app, rule.then.fallback or service.fallback
    changed = rule.then.app is not None or rule.then.fallback is not None
    if changed and app == fallback and app != DESK and rule.then.app != rule.then.fallback:
        yield _rule(rule.id, "then", f"{service.code} would have {app} as app and as fallback")


def _can_be(field: Field, wanted: Any) -> bool:
    """Tell whether a value can be an answer to a question (one choice of several, for `multichoice`)."""
    keys = frozenset(choice.key for choice in field.choices)
    datatype = Datatype.CHOICE if field.datatype is Datatype.MULTICHOICE else field.datatype
    return fault_of(datatype, wanted, keys) is None


def _rule(rule_id: str, path: str, message: str) -> Finding:
    return Finding(files.ROUTING, f"rule[{rule_id}].{path}", message)
