"""The side of a simulated app that calls the gateway back, and does not let go until it is heard.

A webhook stays owed, on the disk, until it is answered with 2xx; it is sent again after 0.3 s, growing to 5 s.
"""

import asyncio
from datetime import timedelta

import msgspec

from gateway.sdk.errors import AppError
from gateway.sdk.http import Http
from gateway.sdk.manifest import Limits, Timeouts
from gateway.sdk.sandbox_app import Sandbox
from gateway.sdk.sandbox_store import Callback

FIRST_S, GROWTH, LONGEST_S = 0.3, 1.7, 5.0
AT_ONCE = 8
QUIET_S = 0.5
"""How long nothing new must happen before a reordering app sends what it has gathered, newest first."""


class Sender:
    """Sends what a simulated app owes. One per process."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._tries: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._gathered_at = 0.0

    async def run(self) -> None:
        """Send until cancelled; does nothing for an app without webhooks or without a gateway."""
        sandbox = self._sandbox
        if sandbox.hook is None or sandbox.setting.gateway is None:
            return
        http = Http(
            sandbox.setting.gateway,
            clock=sandbox.clock,
            limits=Limits(rate_per_s=500, concurrency=AT_ONCE),
            timeouts=Timeouts(connect=2, total=10),
        )
        try:
            while True:
                await self._round(http, sandbox.hook)
        finally:
            await http.close()

    async def _round(self, http: Http, path: str) -> None:
        sandbox, moment = self._sandbox, self._sandbox.clock.monotonic()
        if sandbox.owed.is_set():
            sandbox.owed.clear()
            self._gathered_at = moment
        ready = self._ready(moment)
        if sandbox.quirk("reorder_webhooks"):
            for callback in reversed(ready):
                await self._send(http, path, callback)
        else:
            await asyncio.gather(*(self._send(http, path, callback) for callback in ready[:AT_ONCE]))
        if not ready:
            await self._rest(moment)

    def _ready(self, moment: float) -> list[Callback]:
        sandbox = self._sandbox
        if sandbox.quirk("hold_webhooks"):
            return []
        if sandbox.quirk("reorder_webhooks") and moment < self._gathered_at + QUIET_S:
            return []
        owed = list(sandbox.store.callbacks.values())
        return [callback for callback in owed if self._due.get(callback.id, 0.0) <= moment]

    async def _rest(self, moment: float) -> None:
        """Wait for something new to send, or for the next that is due."""
        waits = [self._due[one] - moment for one in self._sandbox.store.callbacks if one in self._due]
        if self._sandbox.quirk("reorder_webhooks"):
            waits.append(self._gathered_at + QUIET_S - moment)
        # A moment in the past means held back by a switch, and switches ring the bell.
        soonest = min((wait for wait in waits if wait > 0), default=None)
        try:
            async with asyncio.timeout(soonest):
                await self._sandbox.owed.wait()
        except TimeoutError:
            pass

    async def _send(self, http: Http, path: str, callback: Callback) -> None:
        sandbox = self._sandbox
        first = callback.id not in self._tries
        if first and sandbox.happens("drop_webhooks"):
            heard = True
        else:
            heard = await self._post(http, path, callback)
            if heard and sandbox.quirk("duplicate_webhooks"):
                await self._post(http, path, callback)
        if callback.id not in sandbox.store.callbacks:
            return  # forgotten by a reset in the meantime
        if heard:
            self._tries.pop(callback.id, None)
            self._due.pop(callback.id, None)
            sandbox.store.paid(callback)
        else:
            tries = self._tries[callback.id] = self._tries.get(callback.id, 0) + 1
            wait = min(LONGEST_S, FIRST_S * GROWTH ** (tries - 1))
            self._due[callback.id] = sandbox.clock.monotonic() + wait
        sandbox.store.note()
        await sandbox.store.durable()

    async def _post(self, http: Http, path: str, callback: Callback) -> bool:
        """Send once; True if it was answered with 2xx."""
        sandbox, body = self._sandbox, callback.body.encode()
        at = sandbox.now()
        if sandbox.happens("stale_webhooks"):
            at -= timedelta(minutes=10)
        headers = {} if sandbox.happens("unsigned_webhooks") else sandbox.signed(body, at)
        try:
            await http.call(
                "POST",
                path,
                write=True,
                json=msgspec.Raw(body),  # sent byte for byte: the signature is over these bytes
                headers=headers,
                expect=(200, 201, 202, 204),
                decode=None,
            )
        except AppError:
            return False
        return True
