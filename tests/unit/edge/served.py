"""An application served by the real server on a real socket, and a caller for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
import uvicorn
from litestar.types import ASGIApp


class Reply(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    headers: Any
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Caller:
    """Calls one server."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session, self.base = session, base

    async def __call__(self, method: str, path: str, **options: Any) -> Reply:
        async with self._session.request(method, self.base + path, **options) as response:
            return Reply(response.status, response.headers, await response.read())

    async def raw(self, request: bytes) -> bytes:
        """Send bytes as they are and return all that is answered until the server closes."""
        host, port = self.base.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await writer.wait_closed()
        return answer


@contextlib.asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[Caller]:
    """Serve an application while the block runs."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not task.done(), "the server did not start"
            await asyncio.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with aiohttp.ClientSession() as session:
            yield Caller(session, f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        await task


class HandClock:
    """A clock moved by hand."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    def real(self) -> datetime:
        return self.now()

    def monotonic(self) -> float:
        return self.at
