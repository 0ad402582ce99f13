"""Requests and answers of a simulated app as plain values, and where they go; no server library in sight."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import msgspec


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request: header names in lower case, the whole body, `params` from the path's template.

    `base` is the address under which the caller reached the app, without a slash at its end.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    base: str
    params: dict[str, str] = {}

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object, lone surrogates and all. Raises Malformed."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            raise Malformed from None
        if not isinstance(value, dict):
            raise Malformed
        return value


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One answer: `body` is a JSON value, or bytes sent as they are with `media_type`.

    `reference` and `key` name, for the journal, the record it is about; `private` keeps the request's body,
    which holds a secret, out of the journal.
    """

    status: int = 200
    body: Any = None
    media_type: str = "application/json"
    headers: dict[str, str] = {}
    reference: str | None = None
    key: str | None = None
    private: bool = False

    def about(self, reference: str | None = None, key: str | None = None) -> "Reply":
        """Return this answer with the names, for the journal, of what it is about."""
        return msgspec.structs.replace(self, reference=reference, key=key)

    def encoded(self) -> bytes:
        """Return the bytes of the body."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Refused(Exception):
    """The app refuses a request with this answer; nothing was changed."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class Malformed(Exception):
    """The body of a request is not what the app reads."""


Handler = Callable[[Call], Reply]
Route = tuple[str, str, Handler]
"""Method, template (`/v1/incidents/{ticket_no}`), and who answers."""


class Router:
    """Finds who answers a request; the first route that fits wins."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = [(method, _pattern(template), handler) for method, template, handler in routes]

    def find(self, call: Call) -> tuple[Handler, Call] | None:
        """Return the handler and the call with its `params`, None if no route fits."""
        for method, pattern, handler in self._routes:
            if method == call.method and (found := pattern.fullmatch(call.path)):
                params = {name: unquote(value) for name, value in found.groupdict().items()}
                return handler, msgspec.structs.replace(call, params=params)
        return None


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template)))


class Bucket:
    """The app's limit: `count` requests per `seconds`, refilled evenly. Times are monotonic."""

    def __init__(self, count: int, seconds: float) -> None:
        self._most = float(count)
        self._per_second = count / seconds
        self._left = self._most
        self._at: float | None = None

    def wait(self, now: float) -> float:
        """Take one request out and return 0, or leave it and return the seconds until there is one."""
        if self._at is not None:
            self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) / self._per_second


def object_in(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an object inside an object, empty if it is missing or something else."""
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}
