"""What msgspec says about a value that does not fit, as a fault that a caller understands."""

import re
from typing import Final

from gateway.model.problem import Fault, pointer_to

_AT: Final = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`\$?(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")
_NAMED: Final = re.compile(r"Object (contains unknown|missing required) field `(.*)`", re.DOTALL)
_LENGTH: Final = re.compile(r"Expected `(\w+)[^`]*` of length (<=|>=) (\d+)")
_RANGE: Final = re.compile(r"Expected `[^`]+` ((?:<=|>=|<|>) \S+|that's a multiple of \S+)")
_TYPE: Final = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_JSON_TYPES: Final = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "datetime": "date-time"}
_LENGTH_CODES: Final = {
    ("text", "<="): "too-long",
    ("text", ">="): "too-short",
    ("items", "<="): "too-many",
    ("items", ">="): "too-few",
}


def fault_of(message: str, parameter: str | None = None) -> Fault:
    """Return the fault that a message of msgspec tells, for the body or for a named parameter.

    Nothing of the value that was sent is repeated, only names and types.
    """
    found = _AT.match(message)
    assert found is not None, "the pattern matches every text"
    what, parts = found["what"], _parts(found["path"] or "")
    code, params = _judged(what)
    if named := _NAMED.fullmatch(what):
        parts.append(named[2])
    return Fault(code=code, pointer=pointer_to(*parts), parameter=parameter, params=params)


def _parts(path: str) -> list[str]:
    """Return the steps of a path like `.place.photos[2]`; where a step is unknown the way ends before it."""
    parts: list[str] = []
    for step in _STEP.finditer(path):
        name = step[1] or step[2]
        if name is None:
            break
        parts.append(name)
    return parts


def _judged(what: str) -> tuple[str, dict[str, object]]:
    if named := _NAMED.fullmatch(what):
        return ("unknown-field" if named[1] == "contains unknown" else "missing-field"), {}
    if length := _LENGTH.match(what):
        of = "text" if length[1] in {"str", "bytes"} else "items"
        return _LENGTH_CODES[of, length[2]], {"limit": length[3]}
    if bounds := _RANGE.match(what):
        return "out-of-range", {"rule": bounds[1].replace("that's a ", "")}
    if types := _TYPE.match(what):
        return "wrong-type", {"expected": _json_type(types[1]), "found": _json_type(types[2])}
    if what.startswith("Invalid enum value"):
        return "not-one-of", {}
    if what.startswith(("Invalid RFC3339", "Timestamp")):
        return "bad-time", {}
    if what.startswith(("Number out of range", "Integer value out of range")):
        return "bad-number", {}
    return "bad-format", {}


def _json_type(name: str) -> str:
    return " | ".join(_JSON_TYPES.get(part, part) for part in name.split(" | "))
