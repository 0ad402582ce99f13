"""How often callers without an account may write: by the address they come from, and by the program they use.

What sounds like an emergency is never refused here. A caller beyond the limit is told apart, so that the report can
be looked at before others are sent out for it.
"""

import ipaddress
import math
from typing import Any, Final

import msgspec
import structlog
from litestar import Request

from gateway.kernel.coordination import Counters, Verdict
from gateway.model.principal import Principal
from gateway.model.problem import Problem

_log = structlog.get_logger()


class Limit(msgspec.Struct, frozen=True):
    """So many in so many seconds; all of them may come at once."""

    hits: int
    window_s: int


BY_ADDRESS: Final = Limit(60, 600)
"""Whole villages share one address of a telephone company, so this is wide."""
BY_CLIENT: Final = Limit(3000, 600)
"""All telephones that use one program, together."""


class Limiter:
    """Counts writes of callers without an account; a caller with one is answerable by name and not counted here."""

    def __init__(self, counters: Counters, by_address: Limit = BY_ADDRESS, by_client: Limit = BY_CLIENT) -> None:
        self._counters = counters
        self._limits = {"address": by_address, "client": by_client}

    async def take(self, request: Request[Any, Any, Any], principal: Principal, *, emergency: bool = False) -> bool:
        """Count a write and tell whether it is within the limits; the answer's RateLimit headers are set.

        Raises Problem `rate-limited` with Retry-After if it is not, unless it is an emergency; and what the door says
        of a report that came when it was full (`overloaded`, `storage-full`), unless it is one.
        """
        crowded = request.scope["state"].get("crowded")
        if crowded is not None and not emergency:
            raise Problem(crowded)
        if principal.account:
            return True
        keys = {"address": address_of(request), "client": principal.client}
        verdicts: list[tuple[str, Verdict]] = []
        for name, limit in self._limits.items():
            verdict = await self._counters.hit(f"intake:{name}:{keys[name]}", limit.hits, limit.window_s)
            verdicts.append((name, verdict))
            if not verdict.allowed:
                break
        request.scope["state"].setdefault("headers", []).extend(self._headers(verdicts))
        name, last = verdicts[-1]
        if last.allowed:
            return True
        _log.warning("limit.reached", limit=name, emergency=emergency)
        if emergency:
            return False
        raise Problem("rate-limited", retry_after=last.reset_s)

    def _headers(self, verdicts: list[tuple[str, Verdict]]) -> list[tuple[bytes, bytes]]:
        """Return the fields of draft-ietf-httpapi-ratelimit-headers for what was counted."""
        policy = ", ".join(f'"{name}";q={limit.hits};w={limit.window_s}' for name, limit in self._limits.items())
        left = ", ".join(f'"{name}";r={one.remaining};t={math.ceil(one.reset_s)}' for name, one in verdicts)
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode())]


def address_of(request: Request[Any, Any, Any]) -> str:
    """Return the network that a request comes from: an IPv4 address, or the /64 of an IPv6 one, which a single
    household has whole.

    The server below has put the caller's address there, from a proxy's header only where that proxy is trusted.
    """
    client = request.scope.get("client")
    if client is None:
        return "-"
    try:
        address = ipaddress.ip_address(client[0].partition("%")[0])
    except ValueError:
        return "-"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
