"""The gateway's door for webhooks in a room: a real socket in front of the inbound flow, which can keep what comes."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

import msgspec

from gateway.kit.wire import Seen, answer_of, read_message, request_of
from gateway.model.problem import Problem


class Hears(Protocol):
    """Takes webhooks in (`gateway.flows.inbound.receive.Inbound`)."""

    async def receive(self, app: str, headers: Mapping[str, str], body: bytes) -> int:
        """Verify and keep a webhook; return how much of it was new. Raises Problem."""


class Heard(msgspec.Struct, frozen=True):
    """A webhook as it came: header names in lower case, the raw body."""

    headers: dict[str, str]
    body: bytes


class Ear:
    """Listens. While it `keeps`, webhooks are answered with 202 and kept in `heard` instead of being handed on."""

    def __init__(self, app: str) -> None:
        self.app = app
        self.hears: Hears | None = None
        self.keeps = False
        self.heard: list[Heard] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Its address."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is let go of in the loop's next turn

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    head, body = await read_message(reader)
                    writer.write(answer_of(await self._status(request_of(head, body))))
                    await writer.drain()
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _status(self, seen: Seen) -> int:
        if self.keeps:
            self.heard.append(Heard(dict(seen.headers), seen.body))
            return 202
        return await self.pass_on(Heard(dict(seen.headers), seen.body))

    async def pass_on(self, heard: Heard) -> int:
        """Hand a webhook to the inbound flow; return the status it is answered with."""
        assert self.hears is not None
        try:
            await self.hears.receive(self.app, heard.headers, heard.body)
        except Problem as problem:
            return problem.status
        return 202
