"""How an API ends: it listens no more, answers what it was asked, and sends those who follow a report elsewhere."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, Final

import uvicorn
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send, WebSocketReceiveMessage

GRACE_S: Final = 20
"""Seconds that requests in hand get."""
_STREAM: Final = "/stream"


class DrainingServer(uvicorn.Server):
    """Serves an application until SIGTERM or SIGINT.

    A stream would go on for many minutes: when the server is to end, streams end well, and their readers come back,
    to another replica, with the id of the last event that they have seen.
    """

    def __init__(self, app: ASGIApp, **settings: object) -> None:
        """`settings` are uvicorn's."""
        self._app, self._ending = app, asyncio.Event()
        more: Any = {"interface": "asgi3", "timeout_graceful_shutdown": GRACE_S, **settings}
        super().__init__(uvicorn.Config(self._let_go, **more))

    async def shutdown(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """End streams, then everything else."""
        self._ending.set()
        await super().shutdown(None if sockets is None else list(sockets))

    async def _let_go(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or not scope["path"].endswith(_STREAM):
            await self._app(scope, receive, send)
            return
        begun = ended = False

        async def receiving() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            asked, told = asyncio.ensure_future(receive()), asyncio.ensure_future(self._ending.wait())
            try:
                await asyncio.wait({asked, told}, return_when=asyncio.FIRST_COMPLETED)
                return asked.result() if asked.done() else {"type": "http.disconnect"}
            finally:
                asked.cancel()
                told.cancel()

        async def sending(message: Message) -> None:
            nonlocal begun, ended
            begun = True
            ended = message["type"] == "http.response.body" and not message["more_body"]
            await send(message)

        await self._app(scope, receiving, sending)
        if begun and not ended and self._ending.is_set():
            await send({"type": "http.response.body", "body": b"", "more_body": False})
