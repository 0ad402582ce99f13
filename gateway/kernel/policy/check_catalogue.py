"""Mistakes in the catalogue: services and their forms."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from gateway.kernel.policy import files
from gateway.kernel.policy.findings import Finding
from gateway.kernel.policy.shapes import DESK, Config
from gateway.model.answers import Datatype
from gateway.model.catalogue import Choice, Field, Kind, Service, Words

CODE: Final = re.compile(r"[A-Z]{2}-[A-Z]+")
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_EMERGENCY: Final = "EM-"
_CHOOSING: Final = frozenset({Datatype.CHOICE, Datatype.MULTICHOICE})
_COUNTED: Final = frozenset({Datatype.NUMBER, Datatype.INTEGER})
_MEASURED: Final = frozenset({Datatype.STRING, Datatype.TEXT, Datatype.MULTICHOICE, Datatype.FILE})
_FILES: Final = frozenset({"image/jpeg", "image/png", "application/pdf"})
"""Kinds of files that can be uploaded."""


def services_faults(config: Config) -> Iterator[Finding]:
    """Yield the mistakes in services: names that nothing declares, duplicates, contradictions, forms."""
    for code in twice(service.code for service in config.services):
        yield Finding(files.SERVICES, f"service[{code}]", "this code is given to two services")
    for service in config.services:
        for path, message in _service(config, service):
            at = f"service[{service.code}].{path}"
            yield Finding(files.SERVICES, at, message)


def twice(names: Iterable[str]) -> list[str]:
    """Return the names that occur more than once."""
    return [name for name, count in Counter(names).items() if count > 1]


def words_faults(config: Config) -> Iterator[Finding]:
    """Yield the texts of the catalogue, the clocks and the rules that are empty in one language."""
    whole: tuple[tuple[str, str, Any], ...] = (
        (files.SERVICES, "groups", config.groups),
        (files.SERVICES, "service", {service.code: service for service in config.services}),
        (files.SLA, "clocks", config.clocks),
        (files.SLA, "classes", config.classes),
        (files.ROUTING, "rule", {rule.id: rule for rule in config.rules}),
    )
    for file, under, entries in whole:
        for name, entry in entries.items():
            at = f"{under}[{name}]" if under in {"service", "rule"} else f"{under}.{name}"
            for path in _untold(entry, at):
                yield Finding(file, path, "the text is empty; it must be there in both languages")


def _untold(value: Any, path: str) -> Iterator[str]:
    """Yield the paths of empty texts in a decoded entry."""
    if isinstance(value, Words | Choice):
        for language in ("id", "en"):
            if not getattr(value, language).strip():
                yield f"{path}.{language}"
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _untold(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, tuple):
        for place, inner in enumerate(value):
            yield from _untold(inner, f"{path}[{getattr(inner, 'code', getattr(inner, 'key', place))}]")


def _service(config: Config, service: Service) -> Iterator[tuple[str, str]]:
    if not CODE.fullmatch(service.code):
        yield "code", "must be two capital letters, a dash and capital letters, as in IN-ROAD"
    if (service.kind is Kind.EMERGENCY) != service.code.startswith(_EMERGENCY):
        yield "kind", f"emergencies, and only they, have codes that begin with {_EMERGENCY}"
    if service.emergency and not service.hides_allowed:
        yield "requires", "an emergency must not be refused for want of a name or number"
    yield from _references(config, service)
    for code in twice(field.code for field in service.fields):
        yield f"fields[{code}]", "this code is given to two questions"
    for field in service.fields:
        for path, message in _field(field):
            yield f"fields[{field.code}].{path}", message


def _references(config: Config, service: Service) -> Iterator[tuple[str, str]]:
    declared = config.declared
    if service.group not in declared.groups:
        yield "group", f"{service.group!r} is not among [groups]"
    for name, app in (("app", service.app), ("fallback", service.fallback)):
        if app != DESK and app not in declared.apps:
            yield name, f"{app!r} is not among [apps] in {files.ROUTING}"
    if service.fallback == service.app and service.app != DESK:
        yield "fallback", "is the app itself: name another one, or gateway"
    if service.profile is not None and service.app == DESK:
        yield "profile", "the gateway's own desk has no profiles"
    for name, agency in (("agency", service.agency), *(("support", code) for code in service.support)):
        if agency not in declared.agencies:
            yield name, f"{agency!r} is not in {files.AGENCIES}"
    for code in twice(service.support):
        yield "support", f"{code} is named twice"
    if service.agency in service.support:
        yield "support", f"{service.agency} is responsible already"
    if service.sla not in declared.classes:
        yield "sla", f"{service.sla!r} is not among [classes] in {files.SLA}"


def _field(field: Field) -> Iterator[tuple[str, str]]:
    if not NAME.fullmatch(field.code):
        yield "code", "must be small letters, digits and _, beginning with a letter"
    if field.datatype in _CHOOSING:
        if not field.choices:
            yield "choices", f"a {field.datatype} needs choices"
    elif field.choices:
        yield "choices", f"a {field.datatype} has no choices"
    for key in twice(choice.key for choice in field.choices):
        yield "choices", f"the key {key!r} is given to two choices"
    if any(not choice.key.strip() for choice in field.choices):
        yield "choices", "a key is empty"
    if field.max_length is not None and (field.datatype not in _MEASURED or field.max_length < 1):
        yield "max_length", f"must be 1 or more, and a {field.datatype} may have none"
    yield from _media_types(field)
    bounded = field.minimum is not None or field.maximum is not None
    if bounded and field.datatype not in _COUNTED:
        yield "minimum", f"a {field.datatype} has neither minimum nor maximum"
    if field.minimum is not None and field.maximum is not None and field.minimum > field.maximum:
        yield "minimum", f"{field.minimum} is more than the maximum {field.maximum}"


def _media_types(field: Field) -> Iterator[tuple[str, str]]:
    if (field.datatype is Datatype.FILE) != bool(field.media_types):
        yield "media_types", "a file names those it may have, and nothing else does"
    for media_type in field.media_types:
        if media_type not in _FILES:
            yield "media_types", f"{media_type!r} cannot be uploaded; possible: {', '.join(sorted(_FILES))}"
