"""Soundness of what connectors bring: foreign values are checked once, here, before anything stores them.

A piece of news that could not be stored becomes `Unreadable`, by its id; its neighbours go on.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

import msgspec

from gateway.model.text import fault
from gateway.sdk import Event, Look, News, Receipt, Reference, Tally, Unreadable, Upstream

LONGEST: Final = {"id": 200, "kind": 40, "word": 80, "reference kind": 40, "reference": 120}
"""Characters that the gateway keeps of each; nothing an app names its records by is ever cut to fit."""
_SEQUENCE: Final = 2**53
_PLAIN: Final = (bytes, datetime)


def sound(items: Iterable[object]) -> tuple[News, ...] | None:
    """Return news with every unsound piece made `Unreadable`; None if something in it is no news at all."""
    checked: list[News] = []
    for item in items:
        if not isinstance(item, Event | Look | Tally | Unreadable):
            return None
        wrong = "not of its type" if not _typed(item) else next(_faults(item), None)
        checked.append(item if wrong is None else _quarantined(item, wrong))
    return tuple(checked)


def receipt_fault(receipt: Receipt) -> str | None:
    """Return what is unsound in a receipt, None if it can be kept."""
    if not _typed(receipt):
        return "not of its type"
    if receipt.at is not None and receipt.at.tzinfo is None:
        return "time without a zone"
    return next(_all(_references(receipt.references), _text("word", receipt.word)), None)


def entry_sound(entry: Upstream) -> bool:
    """Tell whether an entry of an app's catalogue can be kept: text, of lengths that fit."""
    return _typed(entry) and not any(
        fault(text) or len(text) > longest
        for text, longest in ((entry.kind, 40), (entry.value, 120), (entry.label, 300))
    )


def _typed(item: msgspec.Struct) -> bool:
    """Tell whether every field holds what its type says; Python lets a connector put anything there."""
    try:
        plain = msgspec.to_builtins(item, builtin_types=_PLAIN)
        msgspec.convert(plain, type=type(item), builtin_types=_PLAIN)
    except (msgspec.ValidationError, TypeError, ValueError, RecursionError):
        return False
    return True


def _faults(item: News) -> Iterator[str]:
    if not item.id or fault(item.id):
        yield "id is no text"
    elif not isinstance(item, Unreadable) and len(item.id) > LONGEST["id"]:
        yield "id is too long"
    if isinstance(item, Event | Tally):
        if item.at.tzinfo is None:
            yield "time without a zone"
        yield from _text("kind", item.kind)
    if isinstance(item, Look):
        yield from _references((item.reference,))
    if isinstance(item, Event):
        yield from _references(item.references)
        yield from _text("word", item.word)
        if item.seq is not None and not 0 < item.seq < _SEQUENCE:
            yield "sequence out of range"
        for name, value in item.facts.items():
            if fault(name) or (isinstance(value, str) and fault(value)):
                yield "facts are no text"
        occurred = item.opening.occurred_at if item.opening is not None else None
        if occurred is not None and occurred.tzinfo is None:
            yield "time without a zone"
    if not _storable(item):
        yield "text that cannot be stored"


def _storable(item: News) -> bool:
    """Tell whether its text can be stored; half an emoji cannot, nor a NUL in a reason."""
    if isinstance(item, Unreadable) and fault(item.reason):
        return False
    try:
        msgspec.json.encode(item)
    except UnicodeEncodeError:
        return False
    return True


def _references(references: Iterable[Reference]) -> Iterator[str]:
    for reference in references:
        yield from _text("reference kind", reference.kind)
        yield from _text("reference", reference.value)
        if not reference.value:
            yield "reference is empty"


def _text(name: str, text: str | None) -> Iterator[str]:
    if text is None:
        return
    if fault(text):
        yield f"{name} is no text"
    elif len(text) > LONGEST[name]:
        yield f"{name} is too long"


def _all(*parts: Iterable[str]) -> Iterator[str]:
    for part in parts:
        yield from part


def _quarantined(item: News, wrong: str) -> Unreadable:
    raw = item.raw if isinstance(item, Unreadable) else repr(item).encode("utf-8", "backslashreplace")
    name = str(item.id)
    if not name or fault(name) or len(name) > LONGEST["id"]:
        name = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    return Unreadable(id=name, reason=wrong, raw=raw)
