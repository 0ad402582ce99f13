"""The catalogue: what can be reported, what is asked for, and whether the answers to a form are in order."""

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, Literal

import msgspec

from gateway.model.answers import Datatype, fault_of

Language = Literal["id", "en"]


class Kind(StrEnum):
    """What kind of report a service takes."""

    EMERGENCY = "emergency"
    COMPLAINT = "complaint"
    REQUEST = "request"
    INFORMATION = "information"
    OBJECTION = "objection"
    SUGGESTION = "suggestion"


class Privacy(StrEnum):
    """How a report of a service is protected.

    `normal` as the reporter chose; `personal` identity goes to the app because the service needs it;
    `sensitive_reporter` the reporter is hidden from the handling agency; `health` and `child_health` specific data,
    free text for the handling agency only; `restricted` named roles only, nothing of it in messages to phones.
    """

    NORMAL = "normal"
    PERSONAL = "personal"
    SENSITIVE_REPORTER = "sensitive_reporter"
    HEALTH = "health"
    CHILD_HEALTH = "child_health"
    RESTRICTED = "restricted"


class Priority(StrEnum):
    """How urgent; P1 is life and limb."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"


class Need(StrEnum):
    """What a service needs beside its description. `PLACE` is any of point, village, address and landmark."""

    NAME = "reporter.name"
    PHONE = "reporter.phone"
    EMAIL = "reporter.email"
    NATIONAL_ID = "reporter.national_id"
    VILLAGE = "place.village"
    ADDRESS = "place.address"
    PLACE = "place.any"


PLACES: Final = frozenset({"place.point", "place.village", "place.address", "place.landmark"})
"""The parts of a place, any of which answers the need `place.any`."""


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text in Indonesian and English."""

    id: str
    en: str

    def get(self, language: str) -> str:
        """Return the English text for `en`, the Indonesian for every other language."""
        return self.en if language == "en" else self.id


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One possible answer: its key, and its label in both languages."""

    key: str
    id: str
    en: str

    @property
    def label(self) -> Words:
        """Return the label."""
        return Words(self.id, self.en)


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question of a service's form.

    `max_length` is in characters (for `multichoice`: in choices, for `file`: in bytes), `minimum` and `maximum` bound
    numbers; `media_types` are those that a `file` may have; `sensitive` answers are personal data of the strictest
    kind: masked on screens, never on public pages.
    """

    code: str
    label: Words
    datatype: Datatype
    help: Words | None = None
    required: bool = False
    choices: tuple[Choice, ...] = ()
    max_length: int | None = None
    media_types: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    sensitive: bool = False


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the catalogue.

    `app` and `profile` name where its reports go, `fallback` where they go while that app is away (`gateway`: the
    gateway's own desk); `sla` names a class of deadlines. A service is deactivated, never deleted.
    """

    code: str
    kind: Kind
    group: str
    name: Words
    description: Words
    priority: Priority
    app: str
    fallback: str
    agency: str
    sla: str
    privacy: Privacy
    keywords: tuple[str, ...] = ()
    profile: str | None = None
    support: tuple[str, ...] = ()
    requires: frozenset[Need] = frozenset()
    fields: tuple[Field, ...] = ()
    active: bool = True

    @property
    def emergency(self) -> bool:
        """Tell whether reports of this service take the emergency lane."""
        return self.kind is Kind.EMERGENCY

    @property
    def hides_allowed(self) -> bool:
        """Tell whether a reporter may stay hidden: not where the service cannot be given without knowing him."""
        return not any(need.startswith("reporter.") for need in self.requires)

    def lacking(self, given: Collection[str]) -> list[Need]:
        """Return what the service needs and is not among the names of what was given, in the order of `Need`.

        Names are those of `Need` and of `PLACES`: `reporter.name`, `place.point`, ...
        """
        held = set(given)
        return [
            need
            for need in Need
            if need in self.requires and need not in held and not (need is Need.PLACE and held & PLACES)
        ]


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with an answer: `path` (`attributes.people`), a stable code, and the notice that says it."""

    path: str
    code: str
    message: str


def check_attributes(service: Service, attributes: Mapping[str, Any]) -> list[Fault]:
    """Return everything that is wrong with the answers to a service's form; empty if they are in order.

    Strict: an answer that no field asks for is a fault, a number as text is one, true is no number, and a time needs
    its zone. An absent or null answer is only a fault where it is required.
    """
    known = {field.code for field in service.fields}
    faults = [_fault(name, "unknown") for name in attributes if name not in known]
    for field in service.fields:
        value = attributes.get(field.code)
        if value is None:
            if field.required:
                faults.append(_fault(field.code, "required"))
        elif (code := _fault_in(field, value)) is not None:
            faults.append(_fault(field.code, code))
    return faults


def _fault(name: str, code: str) -> Fault:
    return Fault(f"attributes.{name}", code, f"field.{code}")


def _fault_in(field: Field, value: Any) -> str | None:
    code = fault_of(field.datatype, value, frozenset(choice.key for choice in field.choices))
    if code is not None:
        return code
    if field.datatype is Datatype.FILE:
        return None  # its size and kind are the upload's
    if isinstance(value, str):
        if field.required and not value.strip():
            return "required"
        return "too_long" if field.max_length is not None and len(value) > field.max_length else None
    if isinstance(value, list):
        if field.required and not value:
            return "required"
        return "too_many" if field.max_length is not None and len(value) > field.max_length else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        if field.minimum is not None and value < field.minimum:
            return "too_small"
        if field.maximum is not None and value > field.maximum:
            return "too_big"
    return None


_SCHEMA: Final[dict[Datatype, dict[str, Any]]] = {
    Datatype.STRING: {"type": "string"},
    Datatype.TEXT: {"type": "string"},
    Datatype.NUMBER: {"type": "number"},
    Datatype.INTEGER: {"type": "integer"},
    Datatype.DATE: {"type": "string", "format": "date"},
    Datatype.DATETIME: {"type": "string", "format": "date-time"},
    Datatype.CHOICE: {"type": "string"},
    Datatype.MULTICHOICE: {"type": "array", "uniqueItems": True},
    Datatype.BOOLEAN: {"type": "boolean"},
    Datatype.NIK: {"type": "string", "pattern": "^[0-9]{16}$"},
    Datatype.FILE: {"type": "string", "pattern": r"^[0-9a-f]{32}(\.[a-z0-9]{1,5})?$"},
    Datatype.PHONE: {"type": "string", "pattern": r"^\+?[0-9][0-9 ().-]{6,22}$"},
}


def json_schema(service: Service, language: str) -> dict[str, Any]:
    """Return the form of a service as JSON Schema (2020-12) for clients, in one language.

    Beside the standard keywords: `x-datatype` (ours), `x-order` (the order of the questions), `x-sensitive`, and for
    files `x-media-types` and `x-max-bytes`.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": service.name.get(language),
        "description": service.description.get(language),
        "type": "object",
        "properties": {field.code: dict(_keywords(field, language)) for field in service.fields},
        "required": [field.code for field in service.fields if field.required],
        "additionalProperties": False,
        "x-order": [field.code for field in service.fields],
    }


def _keywords(field: Field, language: str) -> Iterator[tuple[str, Any]]:
    yield "title", field.label.get(language)
    if field.help is not None:
        yield "description", field.help.get(language)
    yield from _SCHEMA[field.datatype].items()
    options = [{"const": choice.key, "title": choice.label.get(language)} for choice in field.choices]
    if field.datatype is Datatype.CHOICE:
        yield "oneOf", options
    elif field.datatype is Datatype.MULTICHOICE:
        yield "items", {"oneOf": options}
        if field.required:
            yield "minItems", 1
        if field.max_length is not None:
            yield "maxItems", field.max_length
    elif field.datatype in {Datatype.STRING, Datatype.TEXT}:
        if field.required:
            yield "minLength", 1
        if field.max_length is not None:
            yield "maxLength", field.max_length
    yield from _bounds(field)
    yield "x-datatype", str(field.datatype)
    yield "x-sensitive", field.sensitive


def _bounds(field: Field) -> Iterator[tuple[str, Any]]:
    if field.minimum is not None:
        yield "minimum", field.minimum
    if field.maximum is not None:
        yield "maximum", field.maximum
    if field.datatype is Datatype.FILE:
        yield "x-media-types", list(field.media_types)
        if field.max_length is not None:
            yield "x-max-bytes", field.max_length
