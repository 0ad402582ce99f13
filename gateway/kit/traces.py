"""What was sent, taken apart: every piece of text and every file in requests, whatever they were wrapped in."""

import base64
import binascii
import email.parser
import email.policy
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from gateway.kit.wire import Seen

_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")
_DEEPEST: Final = 6


class Sent:
    """The pieces of some requests: `texts` as people would read them, `files` by SHA-256 in hex, `names` of fields."""

    def __init__(self, seen: Iterable[Seen]) -> None:
        self.texts: list[str] = []
        self.files: set[str] = set()
        self.names: set[str] = set()
        for one in seen:
            self._take(one)

    def holds(self, *forms: str) -> bool:
        """Tell whether one of the forms of a value stands in a text."""
        return any(form in text for form in forms if form for text in self.texts)

    def _take(self, seen: Seen) -> None:
        parts = urlsplit(seen.path)
        self._text(unquote_plus(parts.path))
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            self.names.add(name)
            self._text(value)
        for header, value in seen.headers.items():
            if header not in {"host", "content-length", "content-type", "user-agent", "accept-encoding"}:
                self._text(value)
        for name, piece in pieces(seen.headers.get("content-type", ""), seen.body):
            self.names.add(name)
            self._piece(piece)

    def _piece(self, piece: Any, depth: int = 0) -> None:
        if isinstance(piece, bytes):
            self.files.add(hashlib.sha256(piece).hexdigest())
            self._text(piece.decode("utf-8", "replace"), depth)
        elif isinstance(piece, dict):
            for name, value in piece.items():
                self.names.add(str(name))
                self._piece(value, depth)
        elif isinstance(piece, list):
            for value in piece:
                self._piece(value, depth)
        elif piece is not None:
            self._text(str(piece), depth)

    def _text(self, text: str, depth: int = 0) -> None:
        self.texts.append(text)
        if depth > _DEEPEST:
            return
        if text[:1] in {"[", "{"}:
            with suppress(ValueError, RecursionError):
                self._piece(json.loads(text), depth + 1)
        elif _BASE64.fullmatch(text):
            with suppress(binascii.Error):
                self.files.add(hashlib.sha256(base64.b64decode(text, validate=True)).hexdigest())


def pieces(content_type: str, body: bytes) -> Iterator[tuple[str, Any]]:
    """Yield name and value of every field at the top of a body: JSON, form or multipart."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        yield from parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    elif kind == "multipart/form-data":
        head = f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode()
        parsed = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        for part in parsed.iter_parts():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            yield str(name), content if part.get_filename() else bytes(content or b"").decode("utf-8", "replace")
    elif body:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            yield "", body
            return
        yield from value.items() if isinstance(value, dict) else [("", value)]
