"""What passes between the gateway and an app: the answer a connector gets, and the evidence that is kept."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from gateway.sdk.errors import Ambiguous, ContractBroken

LEFT_ALONE: Final = "left_alone"
"""Cause of a request that was not sent: meanwhile the app had asked to be left alone."""

Value = TypeVar("Value")
_BOM = b"\xef\xbb\xbf"


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One request and what came of it, without content.

    `path` is the path as the connector wrote it, its `{names}` unfilled, without the query; `status` None
    means that no complete answer came; digests are SHA-256 in hex of the bodies (a ledger commits to them, it
    does not store them); times are the gateway's clock; `sent` tells whether a byte of the request may have
    left; `cause` says in our words why there is no answer.
    """

    method: str
    path: str
    write: bool
    status: int | None
    latency_ms: int
    request_digest: str
    response_digest: str | None
    sent_at: datetime
    got_at: datetime
    sent: bool
    cause: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An app's answer: header names in lower case, the body within the size limit and uncompressed.

    `absent` tells that a read was answered with one of its `missing` statuses.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    write: bool
    absent: bool = False

    def json(self, type: type[Value]) -> Value:  # noqa: A002 - reads as msgspec does
        """Decode the body strictly. Raises ContractBroken, after a write Ambiguous, where it is not so."""
        try:
            return msgspec.json.decode(self.body.removeprefix(_BOM), type=type)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            place = str(error).rpartition(" - at ")[2] if isinstance(error, msgspec.ValidationError) else ""
            what = "the answer is not in the agreed form" + (f" at {place}" if place.startswith("`") else "")
            raise (Ambiguous if self.write else ContractBroken)(what) from error

    @property
    def is_page(self) -> bool:
        """Tell whether the body is a web page. Some apps label JSON as HTML, so the body decides."""
        return self.body.removeprefix(_BOM).lstrip()[:1] == b"<"


class Call:
    """One call of the host into a connector: until when it may write, and what it exchanged.

    `deadline` is in seconds of the event loop's clock; after it no byte is written. `urgent` calls go before
    others when the app's limit makes them wait.
    """

    def __init__(self, deadline: float | None = None, *, urgent: bool = False) -> None:
        self.deadline = deadline
        self.urgent = urgent
        self.exchanges: list[Exchange] = []


_CALL: ContextVar[Call | None] = ContextVar("gateway_sdk_call", default=None)


@contextmanager
def calling(call: Call) -> Iterator[Call]:
    """Make `call` the current one; requests made inside are bounded by it and recorded in it."""
    token = _CALL.set(call)
    try:
        yield call
    finally:
        _CALL.reset(token)


def current_call() -> Call | None:
    """Return the call that the running code belongs to."""
    return _CALL.get()


def digest(body: bytes) -> str:
    """Return the SHA-256 of a body in hex."""
    return hashlib.sha256(body).hexdigest()
