"""A load of reports over HTTP from a process of its own: keep-alive connections, each sends when it was answered."""

import asyncio
import json
import multiprocessing
import time
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

BODY = {
    "service": "EM-FLOOD",
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


def run_load(url: str, token: str, connections: int, seconds: float) -> Figures:
    """Send reports for `seconds` over `connections` connections; every answer but 201 counts as refused."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_in_process, (url, token, connections, seconds))


def _in_process(url: str, token: str, connections: int, seconds: float) -> Figures:
    return asyncio.run(_load(url, token, connections, seconds))


async def _load(url: str, token: str, connections: int, seconds: float) -> Figures:
    parts = urlsplit(url)
    body = json.dumps(BODY).encode()
    head = (
        f"POST /v1/reports HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\nIdempotency-Key: "
    ).encode()
    latencies: list[float] = []
    refused = 0
    started = time.perf_counter()

    async def one() -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while time.perf_counter() - started < seconds:
            sent = time.perf_counter()
            writer.write(head + str(uuid4()).encode() + b"\r\n\r\n" + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = answer.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
            await reader.readexactly(int(length))
            if answer.startswith(b"HTTP/1.1 201"):
                latencies.append((time.perf_counter() - sent) * 1000)
            else:
                refused += 1
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    took = time.perf_counter() - started
    latencies.sort()
    accepted = len(latencies)
    return Figures(
        per_second=accepted / took,
        p50_ms=latencies[accepted // 2] if latencies else 0.0,
        p99_ms=latencies[int(accepted * 0.99)] if latencies else 0.0,
        accepted=accepted,
        refused=refused,
    )
