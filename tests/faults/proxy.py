"""A fault proxy: a TCP server between the gateway and an app (or an app and the gateway) that loses what it is told
to lose. It reads whole HTTP/1.1 requests, so that every fault knows whether the app has got the request or not.

A fault is given for requests that fit a condition. Everything that passed is in `seen`, everything that was done to
it in `injected`: a test whose proxy injected nothing has proven nothing.
"""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER for no time: closing is a reset."""


@dataclass(frozen=True)
class Seen:
    """One request as it came to the proxy."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    raw: bytes
    at: float


class Gone(Exception):
    """The connection is over; nothing more is read from it."""


@dataclass
class Passage:
    """One request on its way through: what a fault acts on."""

    seen: Seen
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    proxy: "Proxy"

    async def forward(self) -> bytes:
        """Give the request to the app and return its whole answer."""
        return await self.proxy.forwarded(self.seen.raw)

    async def answer(self, content: bytes) -> None:
        """Answer the caller, with bytes as they are."""
        self.writer.write(content)
        await self.writer.drain()

    def cut(self) -> None:
        """Reset the caller's connection."""
        held = self.writer.get_extra_info("socket")
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.writer.transport.abort()

    async def until_gone(self) -> None:
        """Wait until the caller has hung up."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


Fault = Callable[[Passage], Awaitable[None]]


@dataclass
class Rule:
    """A fault for requests that fit, `left` times more."""

    name: str
    fits: Callable[[Seen], bool]
    fault: Fault
    left: int


@dataclass
class Proxy:
    """The proxy; `target` is where it leads to, and may be set later (until then there is nobody)."""

    target: str | None = None
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    injected: Counter[str] = field(default_factory=Counter)
    rules: list[Rule] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """The proxy's address."""
        return f"http://127.0.0.1:{self.port}"

    def when(self, fits: Callable[[Seen], bool], fault: Fault, times: int = 1, name: str | None = None) -> Rule:
        """Let a fault befall the next `times` requests that fit."""
        rule = Rule(name or str(getattr(fault, "__name__", "fault")), fits, fault, times)
        self.rules.append(rule)
        return rule

    def requests(self, method: str, within: str = "") -> list[Seen]:
        """Return the requests of a method whose path holds a text."""
        return [one for one in self.seen if one.method == method and within in one.path]

    async def start(self) -> None:
        """Listen; a proxy that listened before takes the same port again."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop every connection: whoever calls now is refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        left = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    @asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Nobody listens for a while."""
        await self.stop()
        self.injected["down"] += 1
        try:
            yield
        finally:
            await self.start()

    async def forwarded(self, raw: bytes) -> bytes:
        """Give the app a request as it came and return its whole answer."""
        assert self.target is not None
        parts = urlsplit(self.target)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            writer.write(raw)
            await writer.drain()
            head, body = await read_message(reader)
        finally:
            writer.close()
        return head + body

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                await self._pass(reader, writer)
        except (Gone, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # one side hung up, or the proxy went away
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, body = await read_message(reader)
        seen = request_of(head, body)
        self.seen.append(seen)
        passage = Passage(seen, reader, writer, self)
        rule = next((rule for rule in self.rules if rule.left > 0 and rule.fits(seen)), None)
        if rule is not None:
            rule.left -= 1
            self.injected[rule.name] += 1
            await rule.fault(passage)
            return
        if self.target is None:
            passage.cut()
            raise Gone
        await passage.answer(await passage.forward())


async def read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one HTTP message with a Content-Length, or without a body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(headers_of(head).get("content-length", "0"))
    return head, await reader.readexactly(length)


def headers_of(head: bytes) -> dict[str, str]:
    """Return the headers of a message, names in lower case."""
    lines = head.decode("latin-1").split("\r\n")[1:]
    found = {name.lower(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}
    assert "transfer-encoding" not in found, "this proxy reads messages with a length"
    return found


def request_of(head: bytes, body: bytes) -> Seen:
    """Return a request read whole."""
    method, path, _ = head.decode("latin-1").split("\r\n")[0].split(" ")
    return Seen(method, path, headers_of(head), body, head + body, asyncio.get_running_loop().time())


def answer_of(status: int, body: bytes = b"{}", media_type: str = "application/json", **headers: str) -> bytes:
    """Return an answer; keyword `retry_after="1"` becomes the header `retry-after`."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Type: {media_type}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


# -- what can happen to a request ---------------------------------------------------------------------------------


async def never_arrives(passage: Passage) -> None:
    """The app never sees the request, and the caller waits in vain."""
    await passage.until_gone()
    raise Gone


async def hangs_up_unread(passage: Passage) -> None:
    """The request is taken and the connection reset; the app never sees it. The caller cannot know."""
    passage.cut()
    raise Gone


async def hangs(passage: Passage) -> None:
    """The app takes it and answers; the answer never comes."""
    await passage.forward()
    await passage.until_gone()
    raise Gone


async def cuts_before_headers(passage: Passage) -> None:
    """The app takes it; the connection is reset before the first byte of the answer."""
    await passage.forward()
    passage.cut()
    raise Gone


async def cuts_in_headers(passage: Passage) -> None:
    """The app takes it; the answer ends in its headers."""
    given = await passage.forward()
    await passage.answer(given[: given.index(b"\r\n") + 10])
    raise Gone


async def cuts_in_body(passage: Passage) -> None:
    """The app takes it; the answer ends three bytes too early."""
    given = await passage.forward()
    await passage.answer(given[:-3])
    raise Gone


async def says_500(passage: Passage) -> None:
    """The app takes it; a gateway in front of it says 500."""
    await passage.forward()
    await passage.answer(answer_of(500, b'{"message": "Server Error"}'))


async def says_html(passage: Passage) -> None:
    """The app takes it; what comes back is a web page with 200."""
    await passage.forward()
    await passage.answer(answer_of(200, b"<!DOCTYPE html><html><body>Situs dalam perbaikan</body></html>", "text/html"))


async def truncates_json(passage: Passage) -> None:
    """The app takes it; the answer is half a JSON document, with the right length of the half."""
    given = await passage.forward()
    await passage.answer(answer_of(201, given.partition(b"\r\n\r\n")[2][:-5]))


def arrives_late(after_s: float) -> Fault:
    """The request is on its way for so long after the caller gave up; then the app takes it."""

    async def late(passage: Passage) -> None:
        await passage.until_gone()
        await asyncio.sleep(after_s)
        await passage.forward()
        raise Gone

    return late


def answers_when(ready: asyncio.Event) -> Fault:
    """The app takes it; its answer comes when `ready` is set."""

    async def waits(passage: Passage) -> None:
        given = await passage.forward()
        await ready.wait()
        await passage.answer(given)

    return waits


def says(content: bytes) -> Fault:
    """Answers by itself; the app never sees the request."""

    async def said(passage: Passage) -> None:
        await passage.answer(content)

    return said


LOST: Final[Mapping[str, Fault]] = {
    "hangs": hangs,
    "cuts_before_headers": cuts_before_headers,
    "cuts_in_headers": cuts_in_headers,
    "cuts_in_body": cuts_in_body,
    "says_500": says_500,
    "says_html": says_html,
    "truncates_json": truncates_json,
    "arrives_late": arrives_late(0.8),
}
"""Every way to lose the answer to a request that the app has carried out (the last: after the caller gave up)."""
