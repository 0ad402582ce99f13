"""Which addresses the gateway may speak to."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit


def base_fault(url: str) -> str | None:
    """Return what is wrong with a base URL, None if it can be used. The message repeats nothing of it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "it is no URL"
    if parts.scheme not in {"http", "https"}:
        return "it must begin with http:// or https://"
    if not parts.hostname or port == 0:
        return "it names no host"
    if parts.username is not None or parts.password is not None:
        return "it holds a user or password: those are secrets of their own"
    if parts.query or parts.fragment:
        return "it ends in a query or fragment"
    return None


def literal_host(url: str) -> str | None:
    """Return the host of a URL that is written as an IP address; None if it is a name."""
    host = urlsplit(url).hostname or ""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return host


def origin(url: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of an absolute http URL; None if it is none."""
    if base := _split(url):
        return base.scheme, base.hostname or "", base.port or (443 if base.scheme == "https" else 80)
    return None


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme in {"http", "https"} and parts.hostname else None


def is_public(address: str) -> bool:
    """Tell whether an IP address is reachable for everybody, so that nothing inside can be asked by way of us."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_global and not (mapped or found).is_multicast
