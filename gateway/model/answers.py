"""What an answer to a form's question may be, by the datatype of the question."""

import re
from collections.abc import Callable, Collection
from datetime import date, datetime
from enum import StrEnum
from math import isfinite
from typing import Any, Final

from gateway.model.file import upload_id


class Datatype(StrEnum):
    """What kind of answer a question takes. `string` is one line, `text` many; `nik` and `phone` are text too; `file`
    is the id of an upload, whose file is only passed on to the app and then destroyed."""

    STRING = "string"
    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    DATE = "date"
    DATETIME = "datetime"
    CHOICE = "choice"
    MULTICHOICE = "multichoice"
    BOOLEAN = "boolean"
    NIK = "nik"
    PHONE = "phone"
    FILE = "file"


GIVEN: Final = "given"
"""What a report keeps as the answer to a question that takes a file: that there was one, never its id."""


_NIK: Final = re.compile(r"[0-9]{16}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PHONE: Final = re.compile(r"\+?[0-9][0-9 ().-]{6,22}")
_LARGEST: Final = 2**53
"""Beyond this, programs that read JSON numbers as doubles no longer agree on them."""


def is_nik(text: str) -> bool:
    """Tell whether a text may be a NIK: 16 digits, a date of birth (day + 40 for women), a serial that is not 0000.

    The first six digits are where the person was first registered: any regency of the country.
    """
    if not _NIK.fullmatch(text) or text[12:] == "0000" or text[:2] < "11":
        return False
    day, month, year = int(text[6:8]), int(text[8:10]), int(text[10:12])
    day -= 40 if day > 40 else 0
    try:
        # The century is not told; a leap year in either will do.
        date(2000 + year, month, day)
    except ValueError:
        return False
    return True


def _line(value: Any) -> str | None:
    if not isinstance(value, str):
        return "not_text"
    return "many_lines" if "\n" in value or "\r" in value else None


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else "not_text"


def _number(value: Any) -> str | None:
    if isinstance(value, float):
        return None if isfinite(value) and abs(value) <= _LARGEST else "not_number"
    return None if _integer(value) is None else "not_number"


def _integer(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return "not_integer"
    return None if abs(value) <= _LARGEST else "not_integer"


def _date(value: Any) -> str | None:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return "not_date"
    try:
        date.fromisoformat(value)
    except ValueError:
        return "not_date"
    return None


def _datetime(value: Any) -> str | None:
    if not isinstance(value, str) or "T" not in value.upper():
        return "not_datetime"
    try:
        at = datetime.fromisoformat(value.upper())
    except ValueError:
        return "not_datetime"
    return "without_zone" if at.tzinfo is None else None


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "not_boolean"


def _nik(value: Any) -> str | None:
    return None if isinstance(value, str) and is_nik(value) else "not_nik"


def _file(value: Any) -> str | None:
    return "not_file" if upload_id(value) is None else None


def _phone(value: Any) -> str | None:
    if not isinstance(value, str) or not _PHONE.fullmatch(value):
        return "not_phone"
    return None if 7 <= sum(char.isdigit() for char in value) <= 15 else "not_phone"


_RULES: Final[dict[Datatype, Callable[[Any], str | None]]] = {
    Datatype.STRING: _line,
    Datatype.TEXT: _text,
    Datatype.NUMBER: _number,
    Datatype.INTEGER: _integer,
    Datatype.DATE: _date,
    Datatype.DATETIME: _datetime,
    Datatype.BOOLEAN: _boolean,
    Datatype.NIK: _nik,
    Datatype.PHONE: _phone,
    Datatype.FILE: _file,
}

CODES: Final = frozenset(
    {
        "unknown",
        "required",
        "not_text",
        "many_lines",
        "not_number",
        "not_integer",
        "not_date",
        "not_datetime",
        "without_zone",
        "not_boolean",
        "not_nik",
        "not_phone",
        "not_file",
        "not_choice",
        "twice",
        "too_long",
        "too_many",
        "too_small",
        "too_big",
    }
)
"""Every code a fault in an answer can have; each is a notice `field.<code>`."""


def fault_of(datatype: Datatype, value: Any, choices: Collection[str]) -> str | None:
    """Return the code of what is wrong with a value, or None."""
    if datatype is Datatype.CHOICE:
        return None if isinstance(value, str) and value in choices else "not_choice"
    if datatype is Datatype.MULTICHOICE:
        if not isinstance(value, list) or any(not isinstance(one, str) or one not in choices for one in value):
            return "not_choice"
        return "twice" if len(set(value)) != len(value) else None
    return _RULES[datatype](value)
