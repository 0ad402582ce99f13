"""The door: how much is taken in at a time, so that memory stays bounded however many come and however slow they are.

Bodies are received before a request takes a place, so that a slow telephone costs its bytes and nothing else; answers
are handed on in pieces, after the place was given back. What cannot be taken is refused at once with 503 and
Retry-After: live streams and uploads by limits of their own, then reads (whoever looks can look again), then the calls
of apps (they call again), then later words, then reports. Emergencies are let in longer than all others: a report that
finds the door full is read all the same, and refused only when it turns out to be none (`limits`).
"""

import asyncio
from enum import Enum
from typing import Any, Final

import msgspec
import structlog
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, HTTPScope, Message, Receive, Scope, Send

from gateway.kernel.edge.answers import answer
from gateway.kernel.edge.body import JSON_LIMIT
from gateway.kernel.edge.disk import Disk, Space
from gateway.model.problem import Problem
from gateway.sdk.entropy import Entropy

_PIECE: Final = 64 * 1024
"""Bytes of an answer that are handed on at a time; the server below buffers as much, and then waits."""
_RESERVE: Final = 1.25
"""By how much a report may go beyond the room for all others, because it may be an emergency."""
_WAIT_S: Final = 4
"""Who is refused comes back after 1 to 4 seconds, by chance, so that they do not all come back at once."""
_log = structlog.get_logger()


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """How much one process takes in at a time.

    `places` requests in hand, `size` bytes of bodies coming in and answers going out, `uploads` and `streams` at once.
    A body must be there within `body_s` seconds, an upload within `upload_s`; a reader must take a piece of an answer
    within `reader_s`.
    """

    places: int = 1000
    size: int = 64 * 1024 * 1024
    uploads: int = 16
    streams: int = 1000
    body_s: float = 30.0
    upload_s: float = 180.0
    reader_s: float = 60.0


class _Kind(Enum):
    """What a request is to the door: the share of the places it may fill, and the largest body it may have."""

    READ = (0.7, JSON_LIMIT)
    HOOK = (0.8, 1024 * 1024)
    WRITE = (0.9, JSON_LIMIT)
    UPLOAD = (0.9, 5 * 1024 * 1024 + 1)
    REPORT = (1.0, JSON_LIMIT)
    STREAM = (1.0, 0)

    @property
    def share(self) -> float:
        return self.value[0]

    @property
    def largest(self) -> int:
        return self.value[1]


class _Gone(Exception):
    """The caller has gone away before the request was whole."""


class Door:
    """Wraps the application. Puts `crowded` into the state of a report that finds the door full: the kind of problem
    with which it is refused unless it is an emergency."""

    def __init__(self, app: ASGIApp, room: Room, disk: Disk, entropy: Entropy) -> None:
        self._app, self._room, self._disk, self._entropy = app, room, disk, entropy
        self._shut: str | None = None
        self.in_hand = self.size = self.uploads = self.streams = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != ScopeType.HTTP or scope["path"] in {"/healthz", "/readyz"}:
            await self._app(scope, receive, send)
            return
        kind = _kind_of(scope)
        try:
            if kind is _Kind.STREAM:
                await self._stream(scope, receive, send)
            elif kind is _Kind.UPLOAD:
                await self._upload(scope, receive, send)
            else:
                await self._whole(kind, scope, receive, send)
        except Problem as problem:
            await _refuse(scope, receive, send, problem)
        except _Gone:
            return

    async def _stream(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        if self.streams >= self._room.streams:
            raise self._full("streams")
        self.streams += 1
        try:
            reader = _Reader(receive, send, self._room.reader_s)
            await self._app(scope, reader.receive, reader.send)
        finally:
            self.streams -= 1

    async def _upload(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        if self._disk.space is not Space.AMPLE:
            raise Problem("storage-low")
        if self.uploads >= self._room.uploads:
            raise self._full("uploads")
        self.uploads += 1
        try:
            await self._whole(_Kind.UPLOAD, scope, receive, send)
        finally:
            self.uploads -= 1

    async def _whole(self, kind: _Kind, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Receive a request, take a place, let it be answered, hand the answer on."""
        crowded = "storage-full" if kind is not _Kind.READ and self._disk.space is Space.FULL else None
        if crowded and kind is not _Kind.REPORT:
            raise Problem(crowded)
        size = _declared(scope, kind)
        if self.size + size > self._room.size * (_RESERVE if kind is _Kind.REPORT else kind.share):
            raise self._full("size")
        self.size += size
        try:
            body = await self._received(kind, receive) if size else []
            if self.in_hand >= self._room.places * kind.share:
                if kind is not _Kind.REPORT or self.in_hand >= self._room.places * _RESERVE:
                    raise self._full("places")
                crowded = crowded or "overloaded"
            if crowded:
                scope["state"]["crowded"] = crowded
            self._shut = None
            answered = _Answered(body, receive, send)
            self.in_hand += 1
            try:
                await self._app(scope, answered.receive, answered.send)
            finally:
                self.in_hand -= 1
        finally:
            self.size -= size
        await self._handed(answered.rest, send)

    async def _received(self, kind: _Kind, receive: Receive) -> list[HTTPReceiveMessage]:
        """Return a whole body, or as much of it as shows that it is too large."""
        body: list[HTTPReceiveMessage] = []
        size = 0
        try:
            async with asyncio.timeout(self._room.upload_s if kind is _Kind.UPLOAD else self._room.body_s):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise _Gone
                    body.append(message)
                    size += len(message["body"])
                    if not message["more_body"] or size > kind.largest:
                        return body
        except TimeoutError:
            raise Problem("too-slow") from None

    async def _handed(self, rest: bytes, send: Send) -> None:
        """Hand on what is left of a large answer; a reader who takes nothing is let go."""
        if not rest:
            return
        self.size += len(rest)
        try:
            for start in range(0, len(rest), _PIECE):
                more = start + _PIECE < len(rest)
                async with asyncio.timeout(self._room.reader_s):
                    await send({"type": "http.response.body", "body": rest[start : start + _PIECE], "more_body": more})
        except TimeoutError:
            _log.info("door.let_go", reason="reader")
        finally:
            self.size -= len(rest)

    def _full(self, what: str) -> Problem:
        """Return the refusal, and tell of it once until something was taken in again."""
        if self._shut != what:
            self._shut = what
            _log.warning("door.full", limit=what, count=self.in_hand)
        return Problem("overloaded", retry_after=1 + self._entropy.below(_WAIT_S))


class _Answered:
    """What a handler gets of a body that is there already, and what it answers; a large answer is kept as `rest`."""

    def __init__(self, body: list[HTTPReceiveMessage], receive: Receive, send: Send) -> None:
        self._body, self._receive, self._send = body, receive, send
        self._next = 0
        self.rest = b""

    async def receive(self) -> Any:
        """Give what was received, then whatever comes."""
        if self._next < len(self._body):
            self._next += 1
            return self._body[self._next - 1]
        return await self._receive()

    async def send(self, message: Message) -> None:
        """Take a part of the answer."""
        if message["type"] == "http.response.body" and len(message["body"]) > _PIECE and not message["more_body"]:
            self.rest = bytes(message["body"])
            return
        await self._send(message)


class _Reader:
    """One who follows a stream: as soon as it takes nothing more it counts as gone, and the stream ends."""

    def __init__(self, receive: Receive, send: Send, patience_s: float) -> None:
        self._receive, self._send, self._patience_s = receive, send, patience_s
        self._gone = asyncio.Event()

    async def receive(self) -> Any:
        """Wait for word that the reader has gone."""
        told, gone = asyncio.ensure_future(self._receive()), asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({told, gone}, return_when=asyncio.FIRST_COMPLETED)
            return told.result() if told.done() else {"type": "http.disconnect"}
        finally:
            told.cancel()
            gone.cancel()

    async def send(self, message: Message) -> None:
        """Hand an event on."""
        if self._gone.is_set():
            return
        try:
            async with asyncio.timeout(self._patience_s):
                await self._send(message)
        except TimeoutError:
            self._gone.set()
            _log.info("door.let_go", reason="stream")


def _kind_of(scope: HTTPScope) -> _Kind:
    method, path = scope["method"], scope["path"]
    if method != "POST":
        return _Kind.STREAM if path.endswith("/stream") else _Kind.READ
    if path == "/v1/reports":
        return _Kind.REPORT
    if path == "/v1/attachments":
        return _Kind.UPLOAD
    return _Kind.HOOK if path.startswith("/hooks/") else _Kind.WRITE


def _declared(scope: HTTPScope, kind: _Kind) -> int:
    """Return how many bytes a body may need: what its header says, as much as is allowed where it does not say."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            # The server below lets only digits pass.
            return min(int(value), kind.largest)
        if name == b"transfer-encoding":
            return kind.largest
    return 0


async def _refuse(scope: HTTPScope, receive: Receive, send: Send, problem: Problem) -> None:
    """Answer with a problem; where a body is still coming the connection ends with the answer."""
    request: Request[Any, Any, Any] = Request(scope, receive, send)
    response = answer(request, problem)
    if scope["method"] == "POST":
        response.headers["Connection"] = "close"
    await response.to_asgi_response(None, request)(scope, receive, send)
