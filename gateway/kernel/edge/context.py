"""What stands around every request: its number, its line in the log, the headers that protect whoever asked.

The one layer outside the application, so that answers to unknown addresses and wrong methods have it too.
"""

import re
from typing import Final

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Message, Receive, Scope, Send

from gateway.sdk.clock import Clock
from gateway.sdk.entropy import Entropy

_NUMBER: Final = re.compile(rb"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", re.IGNORECASE)
_QUIET: Final = frozenset({"/healthz", "/readyz"})
_PROTECTION: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""What an answer says unless its handler says otherwise."""
_HTTPS_ONLY: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")

_log = structlog.get_logger()


class RequestContext:
    """Wraps the application.

    Puts into the request's state: `request`, its number (32 hexadecimal digits or a UUID), taken from
    X-Request-Id if it has that form, else drawn; `link`, the trace that a caller says he is in (W3C traceparent),
    to look up by, never to join. Handlers may leave `headers`, a list of pairs, to be added to the answer.
    """

    def __init__(self, app: ASGIApp, clock: Clock, entropy: Entropy, *, https_only: bool = False) -> None:
        self._app, self._clock, self._entropy = app, clock, entropy
        self._headers = (*_PROTECTION, _HTTPS_ONLY) if https_only else _PROTECTION

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        began = self._clock.monotonic()
        number, link = self._names(scope)
        state = scope.setdefault("state", {})
        state["request"], state["link"], state["headers"] = number, link, []
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._dress(message, number, state["headers"])
            await send(message)

        tokens = structlog.contextvars.bind_contextvars(request=number)
        try:
            await self._app(scope, receive, sending)
        finally:
            self._tell(scope, status, began, link)
            structlog.contextvars.reset_contextvars(**tokens)

    def _names(self, scope: HTTPScope) -> tuple[str, str | None]:
        number, link = None, None
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _NUMBER.fullmatch(value):
                number = value.decode().lower()
            elif name == b"traceparent":
                link = trace_of(value.decode("latin-1"))
        return number or self._entropy.bytes(16).hex(), link

    def _dress(self, message: HTTPResponseStartEvent, number: str, extra: list[tuple[bytes, bytes]]) -> None:
        headers = list(message.get("headers", []))
        there = {name.lower() for name, _ in headers}
        headers += [pair for pair in self._headers if pair[0] not in there]
        headers += extra
        headers.append((b"x-request-id", number.encode()))
        message["headers"] = headers

    def _tell(self, scope: HTTPScope, status: int, began: float, link: str | None) -> None:
        route = scope.get("path_template")
        tell = _log.debug if route in _QUIET and status < 400 else _log.warning if status >= 500 else _log.info
        tell(
            "request.answered",
            method=scope["method"] if scope["method"].isalpha() else "-",
            route=route or "-",  # the pattern, never the path: a path may hold what a person typed
            status=status,
            ms=round((self._clock.monotonic() - began) * 1000, 1),
            **({"link": link} if link else {}),
        )


def trace_of(traceparent: str) -> str | None:
    """Return the trace id of a traceparent header (W3C Trace Context), None if there is none to be had.

    Versions to come may add parts at the end; version ff and ids of zeros are none.
    """
    found = _TRACEPARENT.fullmatch(traceparent.strip())
    if found is None:
        return None
    version, trace, parent, more = found[1].lower(), found[2].lower(), found[3], found[4]
    if version == "ff" or (version == "00" and more) or not trace.strip("0") or not parent.strip("0"):
        return None
    return trace
