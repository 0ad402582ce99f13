"""Recorded exchanges with the apps (`connectors/<app>/contract/*.json`), played to simulated apps and connectors.

A sample is `{name, from?, given?, request{method, path, headers, body}, response{status, headers, body}}`. `given`
lists requests to the control surface that come before it; `from: "app"` marks a webhook. A body is a JSON value, or
a string of exact bytes. Samples of an app are played in the order of their file names, on one fresh app.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import msgspec

from gateway.sdk.sandbox import Call, Kept, Record, Refused, Reply, Route, Sandbox, Setting, serving
from tests.sandboxes import CONNECTORS, StillClock, setting_of


class Asked(msgspec.Struct, frozen=True):
    """A request of a sample; `path` with its query."""

    method: str
    path: str
    headers: dict[str, str] = {}
    body: Any = None


class Answered(msgspec.Struct, frozen=True):
    """A response of a sample; of the headers only those that matter."""

    status: int
    headers: dict[str, str] = {}
    body: Any = None


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """One exchange."""

    name: str
    request: Asked
    response: Answered
    sender: str = "gateway"
    given: list[Asked] = []


def samples(app: str) -> list[Sample]:
    """Return an app's samples in their order."""
    files = sorted((CONNECTORS / app / "contract").glob("*.json"))
    assert files
    return [msgspec.json.decode(file.read_bytes(), type=Sample) for file in files]


def raw(body: Any) -> bytes:
    """Return the bytes of a body."""
    return b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()


async def play(asked: Asked, address: str) -> Answered:
    """Send a request to an app."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            asked.method, address + asked.path, data=raw(asked.body) or None, headers=asked.headers
        ) as answer,
    ):
        text = await answer.text()
        body = json.loads(text) if answer.content_type == "application/json" else text
        return Answered(status=answer.status, headers=dict(answer.headers), body=body)


def differences(expected: Answered, found: Answered, address: str) -> dict[str, Any]:
    """Return where an answer differs from the recorded one; an app's own address in it is written `{base}`."""
    body = json.loads(json.dumps(found.body).replace(address, "{base}"))
    headers = {name: found.headers.get(name) for name in expected.headers}
    pairs = {
        "status": (expected.status, found.status),
        "headers": (expected.headers, headers),
        "body": (expected.body, body),
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


class Recorded(Sandbox):
    """An app that only repeats recorded answers, and only to the recorded requests."""

    settle_s = 5.0
    limit = (10_000, 1.0)

    def __init__(self, setting: Setting, known: list[Sample]) -> None:
        self._known = known
        self.played: list[str] = []
        super().__init__(setting)

    def routes(self) -> list[Route]:
        return []

    def word(self, record: Record) -> str:
        return ""

    def messages(self, record: Record) -> list[dict[str, Any]]:
        return []

    def born(self, fields: Mapping[str, Any]) -> Record:
        raise Refused(self.not_found())

    def advance(
        self, record: Record, word: str, note: str | None, document: Kept | None, fields: Mapping[str, Any]
    ) -> Record:
        raise Refused(self.not_found())

    def too_many(self) -> Reply:
        return self.not_found()

    def malformed(self) -> Reply:
        return self.not_found()

    def not_found(self) -> Reply:
        return Reply(status=418, body={"recorded": "answers only"})

    def answer(self, call: Call) -> Reply:
        for sample in self._known:
            if self._fits(sample.request, call):
                self.played.append(sample.name)
                body = json.loads(json.dumps(sample.response.body).replace("{base}", call.base))
                media_type = sample.response.headers.get("Content-Type", "application/json")
                body = body.encode() if isinstance(body, str) else body
                return Reply(status=sample.response.status, body=body, media_type=media_type)
        return Reply(status=418, body={"no recorded request is like": f"{call.method} {call.path} {call.query}"})

    @staticmethod
    def _fits(asked: Asked, call: Call) -> bool:
        parts = urlsplit(asked.path)
        if (asked.method, parts.path) != (call.method, call.path):
            return False
        if dict(parse_qsl(parts.query, keep_blank_values=True)) != call.query:
            return False
        if any(call.headers.get(name.lower()) != value for name, value in asked.headers.items()):
            return False
        if isinstance(asked.body, str):
            return call.body == raw(asked.body)
        return bool((json.loads(call.body) if call.body else None) == asked.body)


@asynccontextmanager
async def recorded(app: str, folder: Path, clock: StillClock, names: set[str]) -> AsyncIterator[tuple[Recorded, str]]:
    """Serve the samples of these names; yields the app and its address."""
    known = [sample for sample in samples(app) if sample.name in names and sample.sender == "gateway"]
    assert {sample.name for sample in known} == names
    fake = Recorded(setting_of(app, folder, clock), known)
    async with serving(fake) as address:
        yield fake, address
