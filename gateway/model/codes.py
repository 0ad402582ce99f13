"""Public names: report codes with a check character, and the keys that name deliveries to apps.

A code is `BRU-XXXX-XXXX`: seven random characters of Crockford's base 32 and one check character. It says
nothing about how many reports there are. A delivery's key is the code and a running number, `BRU-XXXX-XXXX-2`.
"""

import re
from collections.abc import Callable
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U."""

_VALUE: Final = {char: value for value, char in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_BODY: Final = 7
_CODE: Final = re.compile(r"BRU-?([0-9A-Z]{4})-?([0-9A-Z]{4})\Z")
_KEY: Final = re.compile(r"(BRU-[0-9A-Z]{4}-[0-9A-Z]{4})-([1-9][0-9]{0,5})\Z")
MARK: Final = re.compile(r"\[(BRU-[0-9A-Z]{4}-[0-9A-Z]{4}-[1-9][0-9]{0,5})\]")
"""How a key stands at the end of a text in apps that store no reference of ours."""


def _double(value: int) -> int:
    """Multiply by x in GF(32) with the primitive polynomial x^5 + x^2 + 1."""
    value <<= 1
    return value ^ 0b100101 if value & 0b100000 else value


def check_character(body: str) -> str:
    """Return the check character of seven base 32 characters.

    The weights are distinct powers of a primitive element of GF(32), so every single wrong character and every
    swap of two characters changes the result.
    """
    total = 0
    for char in body:
        total = _double(total ^ _VALUE[char])
    return ALPHABET[total]


def new_code(random_below: Callable[[int], int]) -> str:
    """Make a fresh report code; `random_below(n)` gives a uniform integer in [0, n)."""
    number = random_below(32**_BODY)
    body = "".join(ALPHABET[(number >> (5 * place)) & 31] for place in reversed(range(_BODY)))
    return f"BRU-{body[:4]}-{body[4:]}{check_character(body)}"


def parse_code(text: str) -> str | None:
    """Return the canonical code for what a person typed, or None if it is not a valid code.

    Lower case, missing hyphens and the look-alikes O, I and L are forgiven.
    """
    found = _CODE.fullmatch(text.strip().upper())
    if not found:
        return None
    typed = found[1] + found[2]
    if any(char not in _VALUE for char in typed):
        return None
    clean = "".join(ALPHABET[_VALUE[char]] for char in typed)
    if check_character(clean[:_BODY]) != clean[_BODY]:
        return None
    return f"BRU-{clean[:4]}-{clean[4:]}"


def delivery_key(code: str, number: int) -> str:
    """Return the key of a report's delivery number `number` (from 1)."""
    return f"{code}-{number}"


def parse_key(text: str) -> tuple[str, int] | None:
    """Split a delivery key into report code and number; None if it is not one of ours."""
    found = _KEY.fullmatch(text.strip())
    if not found or parse_code(found[1]) != found[1]:
        return None
    return found[1], int(found[2])
