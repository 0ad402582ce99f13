"""A request before it leaves: where it goes, what it says, and that it stays within its app."""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from gateway.sdk.address import origin
from gateway.sdk.bodies import JSON, Query, encode_query
from gateway.sdk.errors import ContractBroken, Rejected

Headers = Mapping[str, str] | Callable[[], Mapping[str, str]]
"""Headers of a request, or a provider of them that is asked anew for each try."""

_SAFE: Final = "/:@!$&'()*+,;=-._~{}"
_BREAKS: Final = frozenset("\r\n\0")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request; `shown` is its path as evidence may show it, `write` whether the app may change by it, `max_bytes`
    what its answer may have (None: as the manifest says)."""

    method: str
    url: str
    shown: str
    write: bool
    body: bytes
    content_type: str | None
    headers: Headers
    max_bytes: int | None = None


def url_of(base: str, path: str, values: Mapping[str, object], query: Query | None, write: bool) -> str:
    """Return the URL of a path under `base`, or of an absolute one of the same origin.

    Each of `values` stays one segment of the path. Raises Rejected where the path would leave the app, and for
    reads of another host ContractBroken: the app gave the link.
    """
    if path.startswith(("http://", "https://")):
        if origin(path) != origin(base):
            raise (Rejected if write else ContractBroken)("a link to another host is not followed")
        url = path
    else:
        parts = quote(path, safe=_SAFE).split("/")
        for name, value in values.items():
            held = quote(str(value), safe="")
            parts = [part.replace("{" + name + "}", held) for part in parts]
        if parts[0] or (len(parts) > 2 and not parts[1]) or {".", ".."} & set(parts) or "{" in "".join(parts):
            raise Rejected("the path of a request must lie within the app")
        url = base + "/".join(parts)
    return f"{url}{'&' if '?' in url else '?'}{encode_query(query)}" if query else url


def shown_path(path: str) -> str:
    """Return a path as evidence may show it: without a query, an absolute one without its host."""
    return path if path.startswith("/") else urlsplit(path).path


def redirected(base: str, url: str, location: str) -> str:
    """Return where a redirect leads. Raises ContractBroken if it leaves the app's origin."""
    try:
        target = urljoin(url, location)
    except ValueError:
        target = ""
    if origin(target) != origin(base):
        raise ContractBroken("a redirect to another host is not followed")
    return target


def headers_of(request: Request) -> dict[str, str]:
    """Return the headers of this try. Raises Rejected where one would break the request apart."""
    given = request.headers() if callable(request.headers) else request.headers
    headers = {"Accept": JSON, "Accept-Encoding": "gzip", "User-Agent": "barru-gateway", **given}
    if request.content_type is not None:
        headers.setdefault("Content-Type", request.content_type)
    if any(_BREAKS & set(name + value) for name, value in headers.items()):
        raise Rejected("a header holds a line break")
    return headers
