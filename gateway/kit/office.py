"""The app's side of a room: its officer, its records, its switches, by the control surface of every simulated app."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from gateway.kit import filing
from gateway.kit.books import Row
from gateway.kit.hints import Move
from gateway.kit.rule import fail
from gateway.kit.wire import Proxy
from gateway.sdk.sandbox import Call, Sandbox

OFFICERS: Final = 7
"""Number of the picture (`filing.picture`) that officers add to a record."""


class Office:
    """Acts in the app as its people do."""

    sandbox: Sandbox
    wire: Proxy

    async def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Use the app's control surface; returns its answer. Fails where it refuses."""
        call = Call(
            method=method,
            path=f"/_sandbox/{path}",
            query={},
            headers={},
            body=json.dumps(body or {}).encode(),
            base=self.wire.url,
        )
        reply = self.sandbox.take(call)
        await self.sandbox.store.durable()
        if reply.status >= 300:
            fail(f"the simulated app refuses {path}: {json.dumps(reply.body)[:200]}", "Mend kit.toml or sandbox.py.")
        return reply.body

    async def move(self, reference: str, move: Move) -> None:
        """Let the app's officer bring a record to a word."""
        body: dict[str, Any] = {"word": move.word if move.word is not None else move.to, "fields": move.fields}
        if move.note is not None:
            body["note"] = move.note
        if move.document:
            data = base64.b64encode(filing.picture(OFFICERS)).decode()
            body["document"] = {"name": "jawaban.png", "media_type": "image/png", "data": data}
        await self.control("POST", f"records/{reference}/advance", body)

    async def bear(self, fields: Mapping[str, Any]) -> str:
        """Let a record begin in the app; return its reference."""
        return str((await self.control("POST", "records", {"fields": dict(fields)}))["reference"])

    def records(self) -> list[Row]:
        """Return what the app has accepted."""
        return [self.sandbox.view(one) for one in self.sandbox.store.records.values() if one.listed]

    def records_of(self, key: str) -> list[Row]:
        """Return the records that came with our key, as a field of its own or as a mark in a text."""
        return [row for row in self.records() if row["key"] == key or f"[{key}]" in json.dumps(row["fields"])]

    def journal(self) -> list[Row]:
        """Return the requests that the app has seen."""
        return self.sandbox.store.journal

    def quirk(self, **values: float) -> None:
        """Turn switches of the app. A switch it does not have is an error of the rule."""
        for name, value in values.items():
            assert name in self.sandbox.defaults, name
            self.sandbox.store.set_quirk(name, value)
        self.sandbox.owed.set()
