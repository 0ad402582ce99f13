"""Documents of apps: fetched from the app's own host and from nowhere else, whatever link the app gives."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from gateway.kernel.host.loaded import LoadedConnector
from gateway.sdk import Answer
from gateway.sdk.abilities import Fetches
from gateway.sdk.address import origin

FOREIGN_HOST: Final = "foreign_host"
"""Cause of a document that is not fetched: its link does not lead to the app's own host."""
_ANYTHING: Final = {"Accept": "*/*"}
_PATH: Final = "/%:@!$&'()*+,;=-._~"
_QUERY: Final = _PATH + "?"


def own_link(base_url: str, url: str) -> str | None:
    """Return a link of an app as an absolute URL that can be asked for, None if it leads away from the app's host.

    A link without a host is the app's own. What a URL may not hold (spaces, letters beyond ASCII) is quoted.
    """
    try:
        parts = urlsplit(urljoin(base_url.rstrip("/") + "/", url))
    except ValueError:
        return None
    whole = urlunsplit(parts)
    if origin(whole) is None or origin(whole) != origin(base_url):
        return None
    if parts.username is not None or parts.password is not None:
        return None  # somebody else's name and password are sent to nobody
    return urlunsplit(parts._replace(path=quote(parts.path, _PATH), query=quote(parts.query, _QUERY), fragment=""))


async def request_for(loaded: LoadedConnector, link: str, limit: int) -> Answer:
    """Ask for a document with what the connector shows for it (`Fetches`)."""
    instance = loaded.instance

    def headers() -> Mapping[str, str]:
        return {**_ANYTHING, **(instance.document_headers() if isinstance(instance, Fetches) else {})}

    return await loaded.app.http.call(
        "GET", link, write=False, headers=headers, expect=(200,), missing=(404, 410), decode=bytes, max_bytes=limit
    )
