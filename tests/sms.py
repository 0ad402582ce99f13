"""A service that takes text messages, on a real socket: it checks signatures, keeps what came, and can be difficult."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from gateway.flows.notify.provider import SIGNATURE, TIMESTAMP, signature

SECRET = "rahasia-sms-untuk-pengujian"


class Received(msgspec.Struct, frozen=True):
    """A message as it came."""

    id: str
    to: str
    text: str
    headers: dict[str, str]


class Service:
    """Takes text messages. `faults` are answered first, one each: a status, with headers, or `cut` (taken, then the
    connection is dropped without an answer). `calls` is everything that came, `sent` each message once by its id."""

    def __init__(self) -> None:
        self.calls: list[Received] = []
        self.sent: dict[str, Received] = {}
        self.faults: deque[tuple[int, Mapping[str, str]] | str] = deque()

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        stamp = request.headers.get(TIMESTAMP, "")
        if request.headers.get(SIGNATURE) != signature(SECRET, stamp, body):
            return web.json_response({"error": "signature"}, status=401)
        got: dict[str, Any] = msgspec.json.decode(body)
        assert got["id"] == request.headers["Idempotency-Key"]
        message = Received(got["id"], got["to"], got["text"], dict(request.headers))
        self.calls.append(message)
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, tuple):
            return web.json_response({"error": "later"}, status=fault[0], headers=dict(fault[1]))
        self.sent.setdefault(message.id, message)
        if fault == "cut" and request.transport is not None:
            request.transport.abort()
        return web.json_response({"id": message.id}, status=202)

    def texts(self, number: str) -> list[str]:
        """What a number was sent, in order."""
        return [message.text for message in self.sent.values() if message.to == number]


@asynccontextmanager
async def sms_service() -> AsyncIterator[tuple[Service, dict[str, str]]]:
    """Serve it; yields the service and the settings that lead a gateway to it."""
    service = Service()
    app = web.Application()
    app.router.add_post("/v1/kirim", service.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield service, {"GATEWAY_SMS_URL": f"http://127.0.0.1:{port}/v1/kirim", "GATEWAY_SMS_SECRET": SECRET}
    finally:
        await asyncio.wait_for(runner.cleanup(), 30)
