"""An app that misbehaves on purpose: a bare socket server whose every answer is written byte by byte."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.sdk.clock import SystemClock
from gateway.sdk.http import Http
from gateway.sdk.manifest import Limits, Timeouts


@dataclass
class Got:
    """One request as it came in; incomplete ones are kept too."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    whole: bool
    at: float


Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter, "RawApp"], Awaitable[None]]


@dataclass
class RawApp:
    """The server: `plan` holds a behaviour per connection, the last one stays."""

    plan: list[Behaviour]
    got: list[Got] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behaviour = self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await behaviour(reader, writer, self)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other side hung up, or the test is over
        finally:
            self.tasks.discard(task)
            writer.close()

    async def take(self, reader: asyncio.StreamReader) -> Got | None:
        """Read one request; None at the end of the connection."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {}
        for line in lines:
            name, found, value = line.partition(":")
            if found:
                headers[name.lower()] = value.strip()
        got = Got(method, target, headers, b"", False, asyncio.get_running_loop().time())
        self.got.append(got)
        length = int(headers.get("content-length", "0"))
        try:
            got.body = await reader.readexactly(length)
        except asyncio.IncompleteReadError as cut:
            got.body = cut.partial
            return got
        got.whole = True
        self.asked.set()
        return got


def response(status: int, body: bytes = b"{}", *lines: str, kind: str = "application/json") -> bytes:
    """An answer with a correct length."""
    head = [f"HTTP/1.1 {status} Said", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def says(*answers: bytes) -> Behaviour:
    """Answers each request on the connection with the next of `answers`, the last again and again."""
    left = list(answers)

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, app: RawApp) -> None:
        while (await app.take(reader)) is not None:
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            await writer.drain()

    return behave


def cuts(answer: bytes = b"", *, after_request: bool = True, reset: bool = False) -> Behaviour:
    """Takes the request (or only the connection), sends a part of an answer and hangs up."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, app: RawApp) -> None:
        if after_request:
            await app.take(reader)
        writer.write(answer)
        await writer.drain()
        if reset:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    return behave


def hangs(answer: bytes = b"", *, after_request: bool = True) -> Behaviour:
    """Takes the request, sends a part of an answer and then nothing, until the other side gives up."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, app: RawApp) -> None:
        if after_request:
            await app.take(reader)
        writer.write(answer)
        await writer.drain()
        while await reader.read(65536):
            pass
        app.gone.set()

    return behave


def drips(head: bytes, byte: bytes, every: float) -> Behaviour:
    """Sends a head and then one byte at a time, for ever."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, app: RawApp) -> None:
        await app.take(reader)
        writer.write(head)
        while True:
            writer.write(byte)
            await writer.drain()
            await asyncio.sleep(every)

    return behave


@asynccontextmanager
async def running(*plan: Behaviour) -> AsyncIterator[RawApp]:
    """The app on a socket of its own."""
    app = RawApp(list(plan))
    server = await asyncio.start_server(app.serve, "127.0.0.1", 0)
    app.port = server.sockets[0].getsockname()[1]
    try:
        yield app
    finally:
        server.close()
        left = list(app.tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left)


class FixedClock(SystemClock):
    """A clock whose date stands still; durations are real."""

    def __init__(self, at: datetime | None = None) -> None:
        super().__init__()
        self.at = at or datetime(2026, 1, 28, 4, 0, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def real(self) -> datetime:
        return self.at


@asynccontextmanager
async def client(url: str, total: float = 2.0, **options: object) -> AsyncIterator[Http]:
    """A client with short limits."""
    settings: dict[str, object] = {
        "clock": FixedClock(),
        "limits": Limits(rate_per_s=1000.0, concurrency=50, max_response_bytes=100_000),
        "timeouts": Timeouts(connect=1.0, total=total),
    } | options
    http = Http(url, **settings)  # type: ignore[arg-type]
    try:
        yield http
    finally:
        await http.close()
