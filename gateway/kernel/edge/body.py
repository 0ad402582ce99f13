"""Request bodies: JSON read strictly, because two programs that read one body differently are a hole.

Names that stand twice, NaN and Infinity, numbers that cannot be kept exactly, endless nesting, broken UTF-8, NUL
and half characters are refused with the place where they stand, before anything is made of the body. The slow
searches run only where a quick look over the bytes says that there may be something to find.
"""

import json
import re
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request
from litestar.datastructures import State

from gateway.kernel.edge.faults import fault_of
from gateway.model.problem import Problem, pointer_to, refused
from gateway.model.text import fault as text_fault

T = TypeVar("T")

JSON_LIMIT: Final = 262_144
"""Bytes that a JSON body may have: a description of 10,000 characters, every one escaped, fits."""
MAX_DEPTH: Final = 32
"""Levels of objects and arrays that a body may have."""

_ESCAPED: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', re.DOTALL)
_LARGEST: Final = 2**63


class _Twice(Exception):
    """A name stands twice in an object."""


class _Inexact(Exception):
    """A number that is none, or cannot be kept exactly."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Twice
    return made


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -_LARGEST <= (number := int(digits)) < _LARGEST:
        raise _Inexact
    return number


def _real(digits: str) -> float:
    number = float(digits)
    if number - number != 0:  # infinite
        raise _Inexact
    return number


def _constant(word: str) -> float:
    raise _Inexact


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant
)


def read_json(raw: bytes, limit: int = JSON_LIMIT) -> Any:
    """Return a strictly read JSON document as plain values.

    Raises Problem `too-large`, `malformed-json`, `too-deep`, `duplicate-key`, `bad-number` or `bad-text`.
    """
    if len(raw) > limit:
        raise Problem("too-large")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Problem("malformed-json") from None
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _depth(raw) > MAX_DEPTH:
        raise Problem("too-deep", limit=MAX_DEPTH)
    try:
        value = _DECODER.decode(text)
    except _Twice:
        raise _placed_twice(text) from None
    except _Inexact:
        raise Problem("bad-number") from None
    except ValueError:
        raise Problem("malformed-json") from None
    if _ESCAPED.search(raw) and (pointer := _bad_text(value)) is not None:
        raise Problem("bad-text", pointer=pointer)
    return value


def decode_json(raw: bytes, type_: type[T], limit: int = JSON_LIMIT) -> T:
    """Return a JSON body as a value of `type_`, strictly: no text for numbers, no unknown fields where the type
    forbids them.

    Raises the problems of `read_json`, and the kinds for fields (`wrong-type`, `unknown-field`, …) with a pointer.
    """
    read_json(raw, limit)
    try:
        return msgspec.json.decode(raw, type=type_, strict=True)
    except msgspec.ValidationError as error:
        fault = fault_of(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Problem("malformed-json") from None
    raise refused([fault])


def check_json_type(content_type: str) -> None:
    """Raise Problem `media-type` unless a Content-Type header names JSON in UTF-8, or says nothing."""
    media, _, rest = content_type.partition(";")
    media = media.strip().lower()
    json_like = not media or media == "application/json" or (media.startswith("application/") and media[-5:] == "+json")
    charset = rest.lower().replace(" ", "").replace('"', "")
    if not json_like or ("charset=" in charset and "charset=utf-8" not in charset):
        raise Problem("media-type")


class StrictRequest(Request[Any, Any, State]):
    """A request whose `data` parameters are read by the rules of this module."""

    async def json(self) -> Any:
        """Return the body in the type that the handler's `data` parameter has.

        Raises the problems of `check_json_type` and `decode_json`.
        """
        check_json_type(self.headers.get("content-type", ""))
        field = self.route_handler.parsed_data_field
        return decode_json(await self.body(), Any if field is None else field.annotation)


def _depth(raw: bytes) -> int:
    """Return how deep brackets are nested outside strings; stops counting beyond what is allowed."""
    level = deepest = 0
    for token in _TOKEN.finditer(raw):
        first = token[0][0]
        if first in b"[{":
            level += 1
            deepest = max(deepest, level)
            if deepest > MAX_DEPTH:
                break
        elif first in b"]}":
            level -= 1
    return deepest


def _bad_text(value: object, *way: str | int) -> str | None:
    """Return the pointer to the first text, name or value, that cannot be stored."""
    if isinstance(value, str):
        return pointer_to(*way) if text_fault(value) else None
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        if any(text_fault(name) for name in value):
            return pointer_to(*way)
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return next((found for name, item in items if (found := _bad_text(item, *way, name)) is not None), None)


class _Pairs(list[tuple[str, Any]]):
    """The members of an object as they were sent."""


def _placed_twice(text: str) -> Problem:
    """Return the problem that names the first member that stands twice. Reads again; only for refusals."""
    try:
        pointer = _twice(json.loads(text, object_pairs_hook=_Pairs, parse_int=str, parse_float=str)) or ""
    except ValueError:
        return Problem("malformed-json")
    return Problem("duplicate-key", pointer=pointer)


def _twice(value: object, *way: str | int) -> str | None:
    items: list[tuple[str | int, object]] = []
    if isinstance(value, _Pairs):
        names = [name for name, _ in value]
        double = next((name for index, name in enumerate(names) if name in names[:index]), None)
        if double is not None:
            return pointer_to(*way, double)
        items = list(value)
    elif isinstance(value, list):
        items = list(enumerate(value))
    return next((found for name, item in items if (found := _twice(item, *way, name)) is not None), None)
