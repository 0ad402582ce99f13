"""The line between gateway and app, where everything can happen, and the connector that speaks through it.

`Line` is the SDK's own `Http` with its last step replaced: pacing, deadlines, verdicts and evidence are the real ones.
What is written on the line is kept: whether bytes left, what became of them, and what the gateway was told.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from gateway.kernel.host.registry import FoundConnector
from gateway.model.delivery import Level
from gateway.sdk import Amendment, Answer, App, Batch, Event, Hook, News, Receipt, Reference, Secrets, Submission
from gateway.sdk.http import Http
from gateway.sdk.manifest import Mode
from gateway.sdk.request import Request
from gateway.sdk.trip import Trip
from tests.simulator.apps import Answered, SimApp, manifest_of
from tests.simulator.loop import Loop

TOKEN: Final = "rahasia-simulator"
_PAGE: Final = b"<html><body>Bad gateway</body></html>"


class Written(msgspec.Struct, kw_only=True):
    """One command on the line, as a tap on the cable sees it. `told` is the status the gateway could read; None: it
    heard nothing, or nothing that it could understand."""

    moment: float
    app: str
    key: str
    told: int | None = None


class Weather:
    """How the line behaves: which share of requests meets a fault; what was injected is counted by kind."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.commands = 0.0
        self.questions = 0.0
        self.commands_meet: list[str] = []
        """What the next commands meet, one after the other, before anything is left to chance."""
        self.counts: Counter[str] = Counter()
        self.written: list[Written] = []
        self.hit: set[str] = set()
        """Keys of commands that met a fault."""

    def of(self, kinds: Sequence[str], share: float) -> str | None:
        """Draw what happens to a request; None: nothing."""
        if self.random.random() >= share:
            return None
        return self._counted(self.random.choice(kinds))

    def of_command(self, key: str) -> str | None:
        """Draw what happens to a command."""
        if self.commands_meet:
            fault: str | None = self._counted(self.commands_meet.pop(0))
        elif (fault := self.of(_COMMANDS, self.commands)) is not None and self.random.random() < _RARE:
            self.counts[fault] -= 1
            fault = self._counted("says 401")
        if fault is not None:
            self.hit.add(key)
        return fault

    def _counted(self, kind: str) -> str:
        self.counts[kind] += 1
        return kind


NOT_SENT: Final = ("no connection", "connection never stands")
NO_EFFECT: Final = ("cut before the app", "hangs unheard", "says 500", "says 200 in HTML", "says 502 in HTML")
EFFECT: Final = (
    "effect, then cut",
    "effect, then silence",
    "effect, then 500",
    "effect, then HTML",
    "effect, then half an answer",
    "effect after the cut",
    "effect after the silence",
)
LATER: Final = ("says 429 in seconds", "says 429 with a date", "says 503 with Retry-After")
REFUSED: Final = ("says 422", "says 401")
AMBIGUOUS: Final = frozenset({*NO_EFFECT, *EFFECT})
"""Faults after which the gateway cannot know whether its command took effect."""
_COMMANDS: Final = (*NOT_SENT * 2, *NO_EFFECT * 2, *EFFECT * 3, *LATER, *("slow",) * 4, "says 422")
_QUESTIONS: Final = ("no connection", "cut before the app", "says 500", "says 404 in HTML", "hangs unheard", "slow")
_RARE: Final = 0.004
"""Share of faults that are a 401: it pauses the whole app for a minute."""


class Line(Http):
    """The way to one app from one process."""

    def __init__(self, app: App, there: SimApp, weather: Weather, loop: Loop, now: Callable[[], datetime]) -> None:
        manifest = app.manifest
        super().__init__(app.base_url, clock=app.clock, limits=manifest.limits, timeouts=manifest.timeouts, verdicts={})
        self._app, self._weather, self._loop, self._true = there, weather, loop, now
        self._random = weather.random

    async def _exchange(self, request: Request, headers: Mapping[str, str], trip: Trip) -> Answer:
        url = urlsplit(request.url)
        act = self._act(request.method, url.path, parse_qs(url.query), request.body)
        if not request.write:
            return await self._ask(act, trip)
        key = str(msgspec.json.decode(request.body)["key"])
        fault = self._weather.of_command(key)
        await self._connect(fault)
        trip.leaving()
        written = Written(moment=self._loop.time(), app=self._app.name, key=key)
        self._weather.written.append(written)
        answer = await self._command(act, fault, trip)
        if not answer.body.startswith(b"<") and answer.status != 500 and not answer.body.endswith(b"~"):
            written.told = answer.status
        return answer

    def _act(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> Callable[[], Answered]:
        parts = path.strip("/").split("/")
        there = self._app
        match (method, *parts):
            case ("POST", "records"):
                key = str(msgspec.json.decode(body)["key"])
                return lambda: there.opens(key)
            case ("POST", "records", reference, "messages"):
                key = str(msgspec.json.decode(body)["key"])
                return lambda: there.adds(reference, key)
            case ("GET", "records"):
                return lambda: there.finds(query["key"][0])
            case ("GET", "changes"):
                return lambda: there.changed(int(query["after"][0]))
            case ("GET", "records", reference):
                return lambda: there.reads(reference, int(query["after"][0]))
        raise AssertionError(path)

    async def _connect(self, fault: str | None) -> None:
        await asyncio.sleep(self._random.uniform(0.001, 0.05))
        if fault == "no connection":
            raise ConnectionRefusedError
        if fault == "connection never stands":
            await asyncio.sleep(self._app.pace.connect)
            raise ConnectionRefusedError
        if fault == "slow":
            await asyncio.sleep(self._random.uniform(0.0, 1.2 * (self._app.pace.connect + self._app.pace.total)))

    async def _command(self, act: Callable[[], Answered], fault: str | None, trip: Trip) -> Answer:
        pause = self._random.uniform(0.001, 0.1)
        match fault:
            case None | "slow":
                return await self._there(act, pause)
            case "cut before the app":
                raise ConnectionResetError
            case "hangs unheard":
                return await self._silence()
            case "effect after the cut":
                # The app finishes or drops a request whose connection is lost within its time to settle.
                self._later(act, self._random.uniform(0.0, self._app.pace.settle * 0.99))
                raise ConnectionResetError
            case "effect after the silence":
                left = max(0.0, trip.deadline - self._loop.time())
                self._later(act, left + self._random.uniform(0.0, self._app.pace.settle * 0.99))
                return await self._silence()
            case _ if fault in EFFECT:
                answer = await self._there(act, pause)
                return await self._spoilt(answer, fault)
        await asyncio.sleep(pause)
        return self._said(fault)

    async def _spoilt(self, answer: Answer, fault: str) -> Answer:
        match fault:
            case "effect, then cut":
                raise ConnectionResetError
            case "effect, then silence":
                return await self._silence()
            case "effect, then 500":
                return msgspec.structs.replace(answer, status=500)
            case "effect, then HTML":
                return msgspec.structs.replace(answer, body=_PAGE)
        return msgspec.structs.replace(answer, body=answer.body[: len(answer.body) // 2] + b"~")

    def _said(self, fault: str) -> Answer:
        """Return an answer that comes without any effect."""
        wait = self._random.randrange(1, 4)
        now = self._true()
        until = format_datetime(now + timedelta(seconds=wait), usegmt=True)
        status, headers, body = {
            "says 500": (500, {}, b"{}"),
            "says 200 in HTML": (200, {}, _PAGE),
            "says 502 in HTML": (502, {}, _PAGE),
            "says 404 in HTML": (404, {}, _PAGE),
            "says 429 in seconds": (429, {"retry-after": str(wait)}, b"{}"),
            "says 429 with a date": (429, {"retry-after": until, "date": format_datetime(now, usegmt=True)}, b"{}"),
            "says 503 with Retry-After": (503, {"retry-after": str(wait)}, b"{}"),
            "says 422": (422, {}, b"{}"),
            "says 401": (401, {}, b"{}"),
        }[fault]
        return Answer(status=status, headers=headers, body=body, write=True)

    async def _ask(self, act: Callable[[], Answered], trip: Trip) -> Answer:
        fault = self._weather.of(_QUESTIONS, self._weather.questions)
        await self._connect(fault)
        trip.leaving()
        match fault:
            case "cut before the app":
                raise ConnectionResetError
            case "hangs unheard":
                return await self._silence()
            case "says 500" | "says 404 in HTML":
                return msgspec.structs.replace(self._said(fault), write=False)
        answer = await self._there(act, self._random.uniform(0.001, 0.05))
        return msgspec.structs.replace(answer, write=False)

    async def _there(self, act: Callable[[], Answered], pause: float) -> Answer:
        """Let the app do it, in a process that is not ours: whoever asked may be dead when it is done."""
        done: asyncio.Future[Answered] = self._loop.create_future()
        self._loop.outside(self._at_the_app(act, pause, done))
        answered = await done
        return Answer(status=answered.status, headers={}, body=msgspec.json.encode(answered.body), write=True)

    async def _at_the_app(self, act: Callable[[], Answered], pause: float, done: asyncio.Future[Answered]) -> None:
        await asyncio.sleep(pause)
        answered = act()
        await asyncio.sleep(pause)
        if not done.done():
            done.set_result(answered)

    def _later(self, act: Callable[[], Answered], pause: float) -> None:
        self._loop.outside(self._at_the_app(act, pause, self._loop.create_future()))

    async def _silence(self) -> Answer:
        never: asyncio.Future[Answer] = self._loop.create_future()
        return await never


class Connector:
    """Speaks to a simulated app (`gateway.sdk` protocols)."""

    def __init__(self, app: App) -> None:
        self._http = app.http

    async def submit(self, submission: Submission) -> Receipt:
        answer = await self._http.call("POST", "/records", write=True, json={"key": submission.key, "text": "x"})
        return _receipt(answer.json(_Row))

    async def amend(self, reference: str, amendment: Amendment) -> Receipt:
        sent = {"key": amendment.key, "text": amendment.text}
        path = "/records/{reference}/messages"
        answer = await self._http.call("POST", path, write=True, values={"reference": reference}, json=sent)
        return _receipt(answer.json(_Row))

    async def find(self, key: str) -> Receipt | None:
        answer = await self._http.call("GET", "/records", write=False, query=[("key", key)])
        return None if answer.absent else _receipt(answer.json(_Row))

    async def read(self, reference: str, after: str | None) -> Batch:
        query = [("after", after or "0")]
        path = "/records/{reference}"
        answer = await self._http.call("GET", path, write=False, values={"reference": reference}, query=query)
        return Batch(news=() if answer.absent else [_event(row) for row in answer.json(_Rows).rows])


class Hearing(Connector):
    """The connector of an app that calls back."""

    def receive(self, hook: Hook) -> Sequence[News]:
        return [_event(row) for row in msgspec.json.decode(hook.body, type=_Rows).rows]


class Asking(Connector):
    """The connector of an app that is polled."""

    async def poll(self, cursor: str | None) -> Batch:
        answer = await self._http.call("GET", "/changes", write=False, query=[("after", cursor or "0")])
        page = answer.json(_Page)
        return Batch(news=[_event(row) for row in page.rows], cursor=str(page.next), more=page.more)


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    reference: str
    key: str | None
    at: datetime
    word: str


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    reference: str
    at: datetime
    word: str
    seq: int | None
    key: str | None


class _Rows(msgspec.Struct, frozen=True):
    rows: list[_Told]


class _Page(msgspec.Struct, frozen=True):
    rows: list[_Told]
    next: int
    more: bool


def _receipt(row: _Row) -> Receipt:
    return Receipt(references=(Reference("number", row.reference),), at=row.at, word=row.word, key=row.key)


def _event(row: _Told) -> Event:
    return Event(
        id=row.id,
        references=(Reference("number", row.reference),),
        at=row.at,
        kind="record.said",
        word=row.word,
        seq=row.seq,
        key=row.key,
    )


def found(there: SimApp, weather: Weather, loop: Loop, now: Callable[[], datetime]) -> FoundConnector:
    """Return the app as the registry finds it."""
    manifest = manifest_of(there)
    kind: Any = Hearing if there.hears else Asking

    class Here(kind):  # type: ignore[misc]
        def __init__(self, app: App) -> None:
            app._http = Line(app, there, weather, loop, now)
            super().__init__(app)

    if there.level is Level.L0:
        Here.find = None
    return FoundConnector(
        name=there.name,
        folder=None,  # type: ignore[arg-type]
        manifest=manifest,
        mode=Mode.LIVE,
        reason="",
        factory=Here,
        base_url="http://127.0.0.1:1",
        secrets=Secrets(there.name, manifest.secrets, {f"GATEWAY_{there.name.upper()}_TOKEN": TOKEN}),
    )
