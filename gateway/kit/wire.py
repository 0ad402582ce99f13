"""The wire between a connector and its app: a TCP server that passes whole HTTP/1.1 requests on, or loses them.

It reads requests whole, so that every fault knows whether the app has got one or not. A fault is given for requests
that fit a condition. Everything that passed is in `seen`, everything that was done to it in `injected`: a test whose
wire injected nothing has proven nothing.
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
_LARGEST_HEAD: Final = 1 << 20


@dataclass(frozen=True)
class Seen:
    """One request as it came to the wire; `at` is the loop's clock."""

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
        self.proxy.given.append((self.seen, content))
        self.writer.write(content)
        await self.writer.drain()

    def cut(self) -> None:
        """Reset the caller's connection."""
        held = self.writer.get_extra_info("socket")
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.writer.transport.abort()

    async def until_gone(self) -> None:
        """Wait until the caller has hung up."""
        self.proxy.waiting()
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


Fault = Callable[[Passage], Awaitable[None]]


@dataclass
class Fate:
    """A fault for requests that fit, `left` times more."""

    name: str
    fits: Callable[[Seen], bool]
    fault: Fault
    left: int


def _nothing() -> None:
    """What waits for real time does not let any pass."""


@dataclass
class Proxy:
    """The wire; `target` is where it leads to, and may be set later (until then there is nobody).

    `waiting` is called whenever a fault lets the caller wait in vain: virtual time is put ahead there. `given` holds
    what callers were answered, `under_way` the requests in hand, `late` those that are still on their way to the app
    although their caller has gone.
    """

    target: str | None = None
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    given: list[tuple[Seen, bytes]] = field(default_factory=list)
    injected: Counter[str] = field(default_factory=Counter)
    rules: list[Fate] = field(default_factory=list)
    waiting: Callable[[], None] = _nothing
    late: set[asyncio.Task[None]] = field(default_factory=set)
    under_way: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def busy(self) -> bool:
        """Tell whether a request is under way that is not late."""
        return bool(self.under_way - self.late)

    @property
    def url(self) -> str:
        """The wire's own address."""
        return f"http://127.0.0.1:{self.port}"

    def when(self, fits: Callable[[Seen], bool], fault: Fault, times: int = 1, name: str | None = None) -> Fate:
        """Let a fault befall the next `times` requests that fit."""
        fate = Fate(name or str(getattr(fault, "__name__", "fault")), fits, fault, times)
        self.rules.append(fate)
        return fate

    def clear(self) -> None:
        """Forget all faults that have not happened."""
        self.rules.clear()

    def requests(self, method: str, within: str = "") -> list[Seen]:
        """Return the requests of a method whose path holds a text."""
        return [one for one in self.seen if one.method == method and within in one.path]

    async def start(self) -> None:
        """Listen; a wire that listened before takes the same port again."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=_LARGEST_HEAD)
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
        await asyncio.sleep(0)  # what was aborted is let go of in the loop's next turn

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
        except BaseException:
            writer.transport.abort()  # what was not read of it will never be
            raise
        writer.close()
        return head + body

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                head, body = await read_message(reader)
                self.under_way.add(task)
                await self._pass(request_of(head, body), reader, writer)
                self.under_way.discard(task)
        except (Gone, ConnectionError, asyncio.IncompleteReadError):
            pass  # one side hung up
        except asyncio.CancelledError:
            writer.transport.abort()  # the wire went away
        finally:
            self._tasks.discard(task)
            self.under_way.discard(task)
            self.late.discard(task)
            writer.close()

    async def _pass(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen.append(seen)
        passage = Passage(seen, reader, writer, self)
        fate = next((fate for fate in self.rules if fate.left > 0 and fate.fits(seen)), None)
        if fate is not None:
            fate.left -= 1
            self.injected[fate.name] += 1
            await fate.fault(passage)
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
    assert "transfer-encoding" not in found, "this wire reads messages with a length"
    return found


def request_of(head: bytes, body: bytes) -> Seen:
    """Return a request read whole."""
    method, path, _ = head.decode("latin-1").split("\r\n")[0].split(" ")
    return Seen(method, path, headers_of(head), body, head + body, asyncio.get_running_loop().time())


def body_of(answer: bytes) -> bytes:
    """Return the body of a whole answer."""
    return answer.partition(b"\r\n\r\n")[2]


def status_of(answer: bytes) -> int:
    """Return the status of a whole answer."""
    return int(answer.split(b" ", 2)[1])


def answer_of(status: int, body: bytes = b"{}", media_type: str = "application/json", **headers: str) -> bytes:
    """Return an answer; keyword `retry_after="1"` becomes the header `retry-after`."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Type: {media_type}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@asynccontextmanager
async def stranger() -> AsyncIterator[tuple[str, list[str]]]:
    """Listen at an address that is nobody's; yields it, and the list of those who called."""
    callers: list[str] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(str(writer.get_extra_info("peername")))
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", callers
    finally:
        server.close()
