"""Checks of what is submitted to a simulated app, as a form of named checks; messages in the apps' Indonesian."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

Check = Callable[[Any], str | None]
"""Returns what is wrong with a value, None if nothing is."""

Form = Mapping[str, Check]


def wrong(form: Form, given: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what is wrong with each field of a form, as the map that Laravel answers with."""
    found = {name: check(given.get(name)) for name, check in form.items()}
    return {name: [told] for name, told in found.items() if told is not None}


def text(most: int, least: int = 1) -> Check:
    """Text of `least` to `most` characters."""

    def check(value: Any) -> str | None:
        if not isinstance(value, str) or len(value.strip()) < least:
            return "wajib diisi"
        return f"maksimal {most} karakter" if len(value) > most else None

    return check


def one_of(*words: str) -> Check:
    """One of the words."""
    return lambda value: None if value in words else f"harus salah satu dari: {', '.join(words)}"


def optional(check: Check) -> Check:
    """Nothing, or what `check` accepts."""
    return lambda value: None if value is None else check(value)


def digits(count: int) -> Check:
    """A string of exactly `count` digits."""
    pattern = re.compile(rf"[0-9]{{{count}}}")

    def check(value: Any) -> str | None:
        fits = isinstance(value, str) and pattern.fullmatch(value)
        return None if fits else f"harus {count} digit"

    return check


def number(least: float, most: float, *, whole: bool = False) -> Check:
    """A JSON number within bounds."""
    kinds = (int,) if whole else (int, float)

    def check(value: Any) -> str | None:
        fits = isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most
        return None if fits else f"harus angka {least} sampai {most}"

    return check


def day(value: Any) -> str | None:
    """A date `Y-m-d`."""
    told = "harus tanggal Y-m-d"
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return told
    try:
        date.fromisoformat(value)
    except ValueError:
        return told
    return None


def files(most: int, most_bytes: int) -> Check:
    """A list of at most `most` base64 strings of at most `most_bytes` each; missing is an empty list."""

    def check(value: Any) -> str | None:
        value = [] if value is None else value
        if not isinstance(value, list) or len(value) > most:
            return f"maksimal {most} berkas"
        for encoded in value:
            content = unpacked(encoded)
            if content is None:
                return "harus base64"
            if len(content) > most_bytes:
                return f"maksimal {most_bytes} byte"
        return None

    return check


def unpacked(encoded: Any) -> bytes | None:
    """Return the bytes of a base64 string, None if it is none."""
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, TypeError, ValueError):
        return None


def described(encoded: Any) -> dict[str, Any]:
    """Return length and SHA-256 of a file that `files` accepted: what a record remembers of an image."""
    content = unpacked(encoded) or b""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
