"""Loads over HTTP from a process of their own: keep-alive connections, closed (each sends when it was answered) or
paced (each request has its moment, and its latency counts from that moment, so that a server that stalls is not asked
less: no coordinated omission).
"""

import asyncio
import json
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit
from uuid import uuid4

import uvloop

BODY = {
    "description": "Air naik sampai lutut di depan kantor lurah, tiga rumah terendam.",
    "place": {"village": "73.11.07.1001", "latitude": -4.285, "longitude": 119.62},
    "reporter": {"name": "Andi Tenri", "phone": "081234567890"},
}


@dataclass(frozen=True)
class Figures:
    """What a load measured: answers per second and latencies in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float
    accepted: int
    refused: int


@dataclass(frozen=True)
class Load:
    """What is asked of `url`, for how many seconds over how many connections.

    `codes`: these reports are read, in turn; without them reports are filed. `rate`: so many a second in all; None as
    fast as answers come.
    """

    url: str
    token: str
    connections: int
    seconds: float
    codes: tuple[str, ...] = ()
    rate: float | None = None


def run_load(load: Load) -> Figures:
    """Send requests; every answer but 200 and 201 counts as refused."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_in_process, (load,))


def file_reports(url: str, token: str, count: int, service: str = "EM-FLOOD") -> tuple[str, ...]:
    """File some reports of a service and return their codes."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_filed, (url, token, count, service))


def _in_process(load: Load) -> Figures:
    return uvloop.run(_run(load))


def _filed(url: str, token: str, count: int, service: str) -> tuple[str, ...]:
    return uvloop.run(_file(url, token, count, service))


class _Connection(asyncio.Protocol):
    """One keep-alive connection: one request, one answer."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._answered: asyncio.Future[tuple[bytes, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = bytes(self._buffer[:head]).lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
        end = head + 4 + int(length)
        if len(self._buffer) < end or self._answered is None:
            return
        answer = bytes(self._buffer[:head]), bytes(self._buffer[head + 4 : end])
        del self._buffer[:end]
        self._answered.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(ConnectionError("the server closed the connection"))

    async def ask(self, request: bytes) -> tuple[bytes, bytes]:
        """Return head and body of the answer."""
        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answered

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()


async def _connected(url: str, count: int) -> list[_Connection]:
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(_Connection, str(parts.hostname), int(parts.port or 80)) for _ in range(count)]
    return [protocol for _, protocol in made]


def _requests(url: str, token: str, codes: Sequence[str], service: str = "EM-FLOOD") -> Callable[[], bytes]:
    """Return what makes the next request."""
    host = urlsplit(url).netloc
    shared = f"Host: {host}\r\nAuthorization: Bearer {token}\r\n"
    if codes:
        made = deque(f"GET /v1/reports/{code} HTTP/1.1\r\n{shared}\r\n".encode() for code in codes)

        def read() -> bytes:
            made.rotate(1)
            return made[0]

        return read
    body = json.dumps(BODY | {"service": service}).encode()
    head = (
        f"POST /v1/reports HTTP/1.1\r\n{shared}Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nIdempotency-Key: "
    ).encode()
    return lambda: head + str(uuid4()).encode() + b"\r\n\r\n" + body


async def _run(load: Load) -> Figures:
    connections = await _connected(load.url, load.connections)
    request = _requests(load.url, load.token, load.codes)
    latencies: list[float] = []
    refused = 0
    began = time.perf_counter()
    moments = iter(range(2**62))

    async def work(connection: _Connection) -> None:
        nonlocal refused
        while True:
            now = time.perf_counter()
            if load.rate is None:
                due = now
            else:
                due = began + next(moments) / load.rate
                if due > now:
                    await asyncio.sleep(due - now)
            if max(due, now) - began >= load.seconds:
                return
            head, _ = await connection.ask(request())
            if head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
                latencies.append((time.perf_counter() - due) * 1000)
            else:
                refused += 1

    await asyncio.gather(*(work(connection) for connection in connections))
    took = time.perf_counter() - began
    for connection in connections:
        connection.close()
    latencies.sort()
    count = len(latencies)
    return Figures(
        per_second=count / took,
        p50_ms=latencies[count // 2] if latencies else 0.0,
        p99_ms=latencies[int(count * 0.99)] if latencies else 0.0,
        accepted=count,
        refused=refused,
    )


async def _file(url: str, token: str, count: int, service: str) -> tuple[str, ...]:
    connections = await _connected(url, min(count, 32))
    request = _requests(url, token, (), service)
    codes: list[str] = []

    async def work(connection: _Connection) -> None:
        while len(codes) + len(connections) <= count:
            head, body = await connection.ask(request())
            if not head.startswith(b"HTTP/1.1 201"):
                raise RuntimeError(head.decode("latin-1"))
            codes.append(json.loads(body)["code"])

    await asyncio.gather(*(work(connection) for connection in connections))
    for connection in connections:
        connection.close()
    return tuple(codes)
