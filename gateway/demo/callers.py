"""The people of the stories as HTTP callers: phones, operators and auditors at the gateway, officers in the apps."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gateway.demo.waiting import NotYet
from gateway.sdk.bodies import Query
from gateway.sdk.clock import Clock
from gateway.sdk.errors import AppError
from gateway.sdk.exchange import Answer
from gateway.sdk.http import Http
from gateway.sdk.manifest import Limits, Timeouts

Json = dict[str, Any]
_LATER: Final = frozenset({429, 503})
_ANY: Final = range(200, 600)
"""Every answer is an answer here: who plays a person reads what is refused as well."""


DONE_BEFORE: Final = frozenset({"/problems/already-there", "/problems/already-linked"})
"""Problems that say: somebody did this before. A step that is taken again meets them."""


class Unexpected(Exception):
    """Gateway or app answered otherwise than the story needs; the message holds status and problem."""


class Unreachable(Exception):
    """No answer came."""


class _Caller:
    def __init__(self, address: str, clock: Clock, headers: Mapping[str, str] | None = None) -> None:
        self.address = address
        self._headers = dict(headers or {})
        self._http = Http(
            address,
            clock=clock,
            limits=Limits(rate_per_s=1000, concurrency=16, max_response_bytes=64_000_000),
            timeouts=Timeouts(connect=3, total=20),
        )

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make a request and return whatever is answered. Raises Unreachable."""
        try:
            return await self._http.call(
                method,
                path,
                write=method != "GET",
                json=body,
                query=query,
                headers=self._headers | dict(headers or {}),
                expect=_ANY,
                missing=(),
                decode=bytes,
            )
        except AppError as error:
            raise Unreachable(f"{method} {path}: {error.message}") from error

    async def read(self, path: str, query: Query | None = None, headers: Mapping[str, str] | None = None) -> Json:
        """Return the JSON object at a path. Raises Unexpected if it is refused, NotYet if it is not there."""
        answer = await self.ask("GET", path, query=query, headers=headers)
        if answer.status == 404:
            raise NotYet(f"GET {path}: 404")
        return _object(answer, f"GET {path}", {200})

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


class Person(_Caller):
    """Somebody at the gateway's API, with a token or without an account."""

    def __init__(self, address: str, clock: Clock, token: str | None = None) -> None:
        self.token = token
        super().__init__(address, clock, {"Authorization": f"Bearer {token}"} if token else {})

    async def file(self, body: Json, key: str, secret: str | None = None) -> tuple[Json, bool]:
        """File a report under an Idempotency-Key; return the answer, and whether it was given before.

        Raises NotYet where the gateway asks to send it again later, Unexpected if it is refused. `secret`
        is that of the report which this one follows, where the caller may not name it otherwise.
        """
        answer = await self.ask("POST", "/v1/reports", body, headers={"Idempotency-Key": key} | _opens(secret))
        found = _object(answer, f"POST /v1/reports ({body.get('service')})", {201})
        return found, answer.headers.get("idempotency-replayed") == "true"

    async def tell(self, code: str, body: Json, key: str, secret: str | None = None) -> Json:
        """Add a word to a report, or answers. Raises NotYet and Unexpected as `file`."""
        headers = {"Idempotency-Key": key} | _opens(secret)
        answer = await self.ask("POST", f"/v1/reports/{code}/messages", body, headers=headers)
        return _object(answer, f"POST /v1/reports/{code}/messages", {200, 201, 202})

    async def upload(self, content: bytes, media_type: str) -> str:
        """Upload a file; return its id. Raises NotYet and Unexpected as `file`."""
        # Raw bytes leave as they are, whatever the client is told they are.
        body, headers = msgspec.Raw(content), {"Content-Type": media_type}
        answer = await self.ask("POST", "/v1/attachments", body, headers=headers)
        return str(_object(answer, "POST /v1/attachments", {200, 201})["id"])

    async def track(self, code: str, secret: str) -> Json:
        """Return a report to whoever holds its secret."""
        return await self.read(f"/v1/track/{code}", headers=_opens(secret))

    async def everything(self, code: str, secret: str) -> str:
        """Return all that the holder of a secret may read of a report, as text."""
        found = [await self.track(code, secret)]
        for path in (f"/v1/reports/{code}", f"/v1/reports/{code}/timeline"):
            answer = await self.ask("GET", path, headers=_opens(secret))
            if answer.status != 200:
                raise Unexpected(f"GET {path}: HTTP {answer.status}")
            found.append(msgspec.json.decode(answer.body))
        return msgspec.json.encode(found).decode()

    async def verb(self, code: str, verb: str, body: Json, *, done: frozenset[str] = DONE_BEFORE) -> Json | None:
        """Do something to a report as an officer; None if the gateway says that it has been done (a problem of `done`).

        Raises NotYet and Unexpected as `file`.
        """
        return await self._do(f"/v1/desk/reports/{code}/{verb}", body, done)

    async def move(self, delivery: str, verb: str, body: Json, *, done: frozenset[str] = DONE_BEFORE) -> Json | None:
        """Do something with a delivery as an officer; else as `verb`."""
        return await self._do(f"/v1/desk/deliveries/{delivery}/{verb}", body, done)

    async def _do(self, path: str, body: Json, done: frozenset[str]) -> Json | None:
        answer = await self.ask("POST", path, body)
        if answer.status == 409 and any(slug.encode() in answer.body for slug in done):
            return None
        return _object(answer, f"POST {path}", {200, 201})


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A record as an app's control surface shows it."""

    reference: str
    kind: str
    key: str | None
    word: str
    messages: list[Json]
    fields: Json


class Officer(_Caller):
    """Whoever works inside an app: its control surface."""

    def __init__(self, app: str, address: str, clock: Clock) -> None:
        self.app = app
        super().__init__(address, clock)

    async def records(self, kind: str | None = None) -> list[Record]:
        """Return what the app has (of a kind, also what its users do not count as records)."""
        found = await self.read("/_sandbox/records", {"kind": kind} if kind else None)
        return msgspec.convert(found["records"], list[Record])

    async def record(self, reference: str) -> Record:
        """Return one record as it stands. Raises NotYet if it is not there."""
        for record in await self.records():
            if record.reference == reference:
                return record
        raise NotYet(f"no {reference} in {self.app}")

    async def bear(self, fields: Json) -> Record:
        """Let a record be born in the app."""
        answer = await self.ask("POST", "/_sandbox/records", {"fields": fields})
        return msgspec.convert(_object(answer, f"{self.app}: born", {201}), Record)

    async def advance(
        self,
        reference: str,
        word: str,
        note: str | None = None,
        fields: Json | None = None,
        document: Json | None = None,
    ) -> None:
        """Move a record by the app's own word; `document` is {name, media_type, data (base64)}."""
        body = {"word": word, "note": note, "fields": fields or {}} | ({"document": document} if document else {})
        path = f"/_sandbox/records/{reference}/advance"
        _object(await self.ask("POST", path, body), f"{self.app}: {reference} to {word}", {200})

    async def switch(self, **quirks: bool | float) -> None:
        """Set switches of the simulated app."""
        _object(await self.ask("POST", "/_sandbox/quirks", quirks), f"{self.app}: switches", {200})

    async def requests(self) -> list[Json]:
        """Return the app's journal: every request it got."""
        found: list[Json] = (await self.read("/_sandbox/journal"))["requests"]
        return found

    async def owes(self) -> int:
        """Return how many of the app's callbacks were not answered yet."""
        return len((await self.read("/_sandbox/callbacks"))["callbacks"])


def _opens(secret: str | None) -> dict[str, str]:
    return {} if secret is None else {"X-Report-Secret": secret}


def _object(answer: Answer, what: str, expected: set[int]) -> Json:
    try:
        found = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        raise Unexpected(f"{what}: HTTP {answer.status} without JSON") from None
    if answer.status in _LATER:
        raise NotYet(f"{what}: HTTP {answer.status}")
    if answer.status not in expected or not isinstance(found, dict):
        raise Unexpected(f"{what}: HTTP {answer.status} {answer.body[:600].decode(errors='replace')}")
    return found
