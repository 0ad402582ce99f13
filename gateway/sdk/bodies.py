"""Bodies of requests and answers as bytes. The same content gives the same bytes, so attempts are equal."""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from gateway.sdk.types import Document

Field = str | int | float | None
"""A value of a form or query; None leaves the name out."""
Query = Mapping[str, Field] | Sequence[tuple[str, Field]]
Parts = Sequence[tuple[str, str | Document]]
"""A multipart form: texts and files by name, in order. A document needs its content."""

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
_PACKED: Final = {"gzip": 47, "x-gzip": 47, "deflate": 47}
"""Window bits that let zlib tell gzip from zlib by the header."""


class Unpackable(Exception):
    """A body is compressed in a way that was not asked for, or broken."""


class TooLarge(Unpackable):
    """A body is larger than allowed, packed or unpacked."""


def encode(json: object, form: Query | None, multipart: Parts | None) -> tuple[bytes, str | None]:
    """Return the bytes of a body and their content type; at most one of the three may be given."""
    if sum(part is not None for part in (json, form, multipart)) > 1:
        raise ValueError("a request has one body")
    if json is not None:
        return msgspec.json.encode(json), JSON
    if form is not None:
        return encode_query(form, plus=True).encode("ascii"), FORM
    if multipart is not None:
        return _multipart(multipart)
    return b"", None


def encode_query(query: Query, *, plus: bool = False) -> str:
    """Return a query or form in URL encoding; a space is `%20`, in forms (`plus`) `+`."""
    pairs = query.items() if isinstance(query, Mapping) else query
    kept = [(name, _text(value)) for name, value in pairs if value is not None]
    return urlencode(kept) if plus else urlencode(kept, quote_via=quote)


def _text(value: Field) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _multipart(parts: Parts) -> tuple[bytes, str]:
    rendered: list[tuple[bytes, bytes]] = []
    seen = hashlib.sha256()
    for name, value in parts:
        head = f'Content-Disposition: form-data; name="{_quoted(name)}"'
        if isinstance(value, Document):
            if value.content is None:
                raise ValueError(f"document {name!r} comes without its content")
            head += f'; filename="{_quoted(value.name)}"\r\nContent-Type: {_line(value.media_type)}'
            body = value.content
        else:
            body = value.encode()
        rendered.append((head.encode(), body))
        for piece in rendered[-1]:
            seen.update(len(piece).to_bytes(8, "big") + piece)
    # A boundary from the content's own digest: equal attempts are equal bytes, and no content can hold it.
    boundary = f"part-{seen.hexdigest()[:40]}"
    lines = [b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary.encode(), head, body) for head, body in rendered]
    lines.append(b"--%s--\r\n" % boundary.encode())
    return b"".join(lines), f"multipart/form-data; boundary={boundary}"


def _quoted(text: str) -> str:
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def _line(text: str) -> str:
    return text.replace("\r", "").replace("\n", "")


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """Return a body without its content encoding, never holding more than `limit` bytes. Raises Unpackable."""
    for name in reversed([part.strip().lower() for part in encoding.split(",") if part.strip()]):
        if name == "identity":
            continue
        if name not in _PACKED:
            raise Unpackable(f"content encoding {name[:20]!r} was not asked for")
        engine = zlib.decompressobj(_PACKED[name])
        try:
            body = engine.decompress(body, limit + 1)
        except zlib.error as error:
            raise Unpackable("the compressed body is broken") from error
        if len(body) > limit:
            raise TooLarge("the unpacked body is too large")
        if not engine.eof:
            raise Unpackable("the compressed body is cut")
    return body
