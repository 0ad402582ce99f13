"""What a service asks for, what of it is still missing, and whether answers fit.

The same rules at filing, for a part that an officer splits off, and when an agency asks later. Names are those of a
form's fields (`purpose`) and of what is known about people and places (`reporter.phone`, `place.village`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from gateway.model.answers import GIVEN, Datatype, is_nik
from gateway.model.catalogue import Field, Need, Service, check_attributes
from gateway.model.gazetteer import Gazetteer
from gateway.model.phone import e164
from gateway.model.problem import Fault, pointer_to
from gateway.model.report import Content, Place, Reporter
from gateway.model.territory import CodeRefused

PEOPLE: Final = ("reporter.name", "reporter.phone", "reporter.email", "reporter.national_id")
PLACES: Final = ("place.village", "place.address", "place.landmark")
"""What may be asked beside the fields of a form; any of the places answers `place.any`."""
ASKED_BESIDE: Final = (*PEOPLE, *PLACES, str(Need.PLACE))
_LONGEST: Final = 300
_PERSONAL: Final = frozenset({Datatype.NIK, Datatype.PHONE, Datatype.FILE})
_TEXTS: Final[dict[str, tuple[str, dict[str, object]]]] = {
    "unknown": ("unknown-field", {}),
    "required": ("missing-field", {}),
    "not_text": ("wrong-type", {"expected": "text", "found": "?"}),
    "many_lines": ("bad-format", {}),
    "not_number": ("wrong-type", {"expected": "number", "found": "?"}),
    "not_integer": ("wrong-type", {"expected": "integer", "found": "?"}),
    "not_date": ("bad-time", {}),
    "not_datetime": ("bad-time", {}),
    "without_zone": ("bad-time", {}),
    "not_boolean": ("wrong-type", {"expected": "true/false", "found": "?"}),
    "not_nik": ("bad-nik", {}),
    "not_phone": ("bad-phone", {}),
    "not_file": ("attachment-unknown", {}),
    "not_choice": ("not-one-of", {}),
    "twice": ("not-one-of", {}),
    "too_long": ("too-long", {}),
    "too_many": ("too-many", {}),
    "too_small": ("out-of-range", {}),
    "too_big": ("out-of-range", {}),
}
"""What a fault in an answer is called among the problems."""


def askable(service: Service) -> tuple[str, ...]:
    """Return every name that a reporter of a service may be asked for."""
    return (*(field.code for field in service.fields), *ASKED_BESIDE)


def missing(service: Service, content: Content, files: Collection[str] = ()) -> tuple[str, ...]:
    """Return what a service demands and a report's content does not hold, needs first, then required fields.

    `files` are the questions whose files are at hand: an answer that was passed on once is there no more.
    """
    lacking = [str(need) for need in service.lacking([name for name, there in _held(content) if there])]
    held = set(files) | {
        field.code
        for field in service.fields
        if field.datatype is not Datatype.FILE and content.attributes.get(field.code) is not None
    }
    empty = [field.code for field in service.fields if field.required and field.code not in held]
    return (*lacking, *empty)


def fitting(service: Service, attributes: Mapping[str, object]) -> dict[str, object]:
    """Return those answers that the form of a service asks for as well, and would take."""
    known = {field.code for field in service.fields}
    shared = {name: value for name, value in attributes.items() if name in known}
    wrong = {fault.path.partition(".")[2] for fault in check_attributes(service, shared)}
    return {name: value for name, value in shared.items() if name not in wrong}


def attribute_faults(
    service: Service, attributes: Mapping[str, object], under: str = "/attributes", *, partly: bool = False
) -> Iterator[Fault]:
    """Yield what is wrong with the answers to a service's form; `partly`: what is not there is no fault."""
    fields = {field.code: field for field in service.fields}
    for found in check_attributes(service, attributes):
        name = found.path.partition(".")[2]
        if partly and name not in attributes:
            continue
        code, params = _TEXTS[found.code]
        if "found" in params:
            params = params | {"found": type(attributes.get(name)).__name__}
        yield Fault(code=code, pointer=under + pointer_to(name), params=params | _bounds(fields.get(name)))


def answer_faults(
    service: Service, names: Collection[str], answers: Mapping[str, object], gazetteer: Gazetteer
) -> list[Fault]:
    """Return what is wrong with answers to what was asked (`names`), each with its place under `/answers`."""
    faults: list[Fault] = []
    form = {}
    for name, value in answers.items():
        if not was_asked(name, names):
            faults.append(Fault(code="unknown-field", pointer=pointer_to("answers", name)))
        elif "." not in name:
            form[name] = value
        elif (code := _fault(name, value, gazetteer)) is not None:
            params = {"expected": "text", "found": type(value).__name__, "village": value, "limit": _LONGEST}
            faults.append(Fault(code=code, pointer=pointer_to("answers", name), params=params))
    return [*faults, *attribute_faults(service, form, "/answers", partly=True)]


def kept_answers(service: Service, answers: Mapping[str, object]) -> dict[str, object]:
    """Return the answers to a form as a report keeps them: of a file that it was given, not which one it was."""
    files = {field.code for field in service.fields if field.datatype is Datatype.FILE}
    return {name: GIVEN if name in files and value is not None else value for name, value in answers.items()}


def file_faults(field: Field, media_type: str, size: int, pointer: str) -> Iterator[Fault]:
    """Yield what is wrong with the file that answers a question: its kind, its size."""
    if media_type not in field.media_types:
        yield Fault(code="file-type", pointer=pointer, params={"possible": ", ".join(field.media_types)})
    if field.max_length is not None and size > field.max_length:
        limit = f"{field.max_length / (1024 * 1024):.3g} MB"
        yield Fault(code="file-too-large", pointer=pointer, params={"limit": limit})


def was_asked(name: str, names: Collection[str]) -> bool:
    """Tell whether a name is among what was asked; any place answers the need for one."""
    return name in names or (name in PLACES and str(Need.PLACE) in names)


def remaining(names: Sequence[str], answers: Collection[str]) -> tuple[str, ...]:
    """Return what of that which was asked is still open after these answers."""
    place = any(name in PLACES for name in answers)
    return tuple(name for name in names if name not in answers and not (place and name == Need.PLACE))


def completed(content: Content, answers: Mapping[str, object], gazetteer: Gazetteer) -> Content:
    """Return the content with answers (which have no faults) in their places, in the form they are kept in."""
    people = {name.partition(".")[2]: _kept(name, value) for name, value in answers.items() if name in PEOPLE}
    places = {name.partition(".")[2]: str(value).strip() for name, value in answers.items() if name in PLACES}
    if "village" in places:
        places["village"] = gazetteer.by_code(places["village"]).code
    form = {name: value for name, value in answers.items() if "." not in name}
    return Content(
        description=content.description,
        place=msgspec.structs.replace(content.place, **places),
        attributes=content.attributes | form,
        reporter=msgspec.structs.replace(content.reporter, **people),
    )


def question(service: Service, names: Sequence[str], labels: Mapping[str, str]) -> str:
    """Return what is asked for as lines in words; `labels` as in `told`."""
    fields = {field.code: field.label.id for field in service.fields}
    return "\n".join(f"- {fields.get(name) or labels.get(name, name)}" for name in names)


def told(service: Service, answers: Mapping[str, object], labels: Mapping[str, str]) -> str:
    """Return answers as lines that those who work on a report may read: what is personal is said to be there only.

    `labels` are the names of needs for people; a form's fields bring theirs.
    """
    fields = {field.code: field.label.id for field in service.fields}
    lines = []
    for name, value in answers.items():
        label = fields.get(name) or labels.get(name, name)
        lines.append(f"{label}: {'***' if is_personal(service, name) else _plain(value)}")
    return "\n".join(lines)


def is_personal(service: Service, name: str) -> bool:
    """Tell whether an answer says who somebody is, or is called sensitive by the service's form."""
    personal = (one.code for one in service.fields if one.sensitive or one.datatype in _PERSONAL)
    return name in PEOPLE or name in personal


def names_of(content: Content) -> set[str]:
    """Return the names of what a content holds about people and places."""
    return {name for name, there in _held(content) if there}


def _held(content: Content) -> Iterable[tuple[str, bool]]:
    place: Place = content.place
    person: Reporter = content.reporter
    yield "place.point", place.latitude is not None and place.longitude is not None
    for name in PLACES:
        yield name, _there(getattr(place, name.partition(".")[2]))
    for name in PEOPLE:
        yield name, _there(getattr(person, name.partition(".")[2]))


def _there(text: str | None) -> bool:
    return bool(text and text.strip())


def _fault(name: str, value: object, gazetteer: Gazetteer) -> str | None:
    """Return what is wrong with an answer about a person or place, None if it is in order."""
    if not isinstance(value, str):
        return "wrong-type"
    if not value.strip():
        return "missing-field"
    if len(value) > _LONGEST:
        return "too-long"
    if name == "reporter.phone":
        return None if e164(value) else "bad-phone"
    if name == "reporter.national_id":
        return None if is_nik(_digits(value)) else "bad-nik"
    if name == "reporter.email":
        fits = "@" in value.strip()[1:-1] and not any(char.isspace() for char in value.strip())
        return None if fits else "bad-email"
    if name == "place.village":
        try:
            return None if gazetteer.by_code(value.strip()).is_village else "unknown-village"
        except CodeRefused:
            return "unknown-village"
    return None


def _kept(name: str, value: object) -> str:
    text = str(value).strip()
    if name == "reporter.phone":
        return e164(text) or text
    return _digits(text) if name == "reporter.national_id" else text


def _digits(text: str) -> str:
    return "".join(char for char in text if char not in " .-")


def _plain(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _bounds(field: Field | None) -> dict[str, object]:
    if field is None:
        return {}
    bounds: dict[str, object] = {"limit": field.max_length, "rule": f"{field.minimum}..{field.maximum}"}
    if field.choices:
        bounds["possible"] = ", ".join(choice.key for choice in field.choices)
    return bounds
