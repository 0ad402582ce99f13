"""What every simulated app does the same way, as plain values: limits, quirks, journal, control surface.

A connector's `sandbox.py` subclasses `Sandbox` and says what its app does. Nothing here knows a socket.
"""

import asyncio
import base64
import binascii
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec

from gateway.sdk.clock import Clock
from gateway.sdk.sandbox_calls import Bucket, Call, Malformed, Refused, Reply, Route, Router, object_in
from gateway.sdk.sandbox_setting import Setting
from gateway.sdk.sandbox_store import JOURNALED_BODY, Callback, Record, Store

DEFACED = b"<!DOCTYPE html><html><head><title>Situs dalam perbaikan</title></head><body>-</body></html>"

Quirk = bool | int | float

HOOK_QUIRKS: Mapping[str, Quirk] = {
    "drop_webhooks": 0,
    "hold_webhooks": False,
    "duplicate_webhooks": False,
    "reorder_webhooks": False,
    "stale_webhooks": 0,
    "unsigned_webhooks": 0,
}
"""Switches of apps that call back: the next n never sent; none sent while on; each sent twice; newest first;
the next n signed ten minutes ago; the next n not signed (those two are sent again, rightly, when refused)."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A document that an officer added: its bytes are in the store under `digest` (SHA-256)."""

    name: str
    media_type: str
    digest: str


class Sandbox(ABC):
    """An app, simulated. Subclasses set the class variables and write the methods that raise here.

    `limit` is (requests, seconds); `hook` the gateway's path for its webhooks; `own_quirks` its switches with
    the values they have when nothing is wrong. A switch that is a number happens that many times.
    """

    app: ClassVar[str]
    settle_s: ClassVar[float]
    limit: ClassVar[tuple[int, float]]
    hook: ClassVar[str | None] = None
    own_quirks: ClassVar[Mapping[str, Quirk]] = {}

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.clock: Clock = setting.clock
        self.store = Store(setting.folder)
        self.defaults: dict[str, Quirk] = {"html": 0, "unlimited": False, "clock_offset_s": 0.0}
        if self.hook is not None:
            self.defaults |= HOOK_QUIRKS
        self.defaults |= self.own_quirks
        self.owed = asyncio.Event()
        self._bucket = Bucket(*self.limit)
        self._router = Router(self.routes())
        self._control = Router(self._controls())

    # What an app says for itself.

    @abstractmethod
    def routes(self) -> Sequence[Route]:
        """Return the app's interface."""

    @abstractmethod
    def word(self, record: Record) -> str:
        """Return the app's own status word of a record."""

    @abstractmethod
    def messages(self, record: Record) -> list[dict[str, Any]]:
        """Return the messages in a record, each with `key` (ours, or None) and `text`."""

    @abstractmethod
    def born(self, fields: Mapping[str, Any]) -> Record:
        """Put a record that begins in the app itself, from fields in its own wire shape. May raise Refused."""

    @abstractmethod
    def advance(
        self, record: Record, word: str, note: str | None, document: Kept | None, fields: Mapping[str, Any]
    ) -> Record:
        """Put the record as the app's officer moves it. May raise Refused."""

    @abstractmethod
    def too_many(self) -> Reply:
        """Return the app's answer beyond its limit; `Retry-After` is added to it."""

    @abstractmethod
    def malformed(self) -> Reply:
        """Return the app's answer to a body it cannot read."""

    @abstractmethod
    def not_found(self) -> Reply:
        """Return the app's answer to a path it does not have."""

    def signed(self, body: bytes, at: datetime) -> dict[str, str]:
        """Return the headers that prove a webhook sent at `at`; an app without webhooks has none."""
        return {}

    # What an app may use.

    def now(self) -> datetime:
        """Return the app's own time (UTC), which a quirk can put wrong."""
        return self.clock.now() + timedelta(seconds=float(self.quirk("clock_offset_s")))

    def quirk(self, name: str) -> Quirk:
        """Return how a switch stands."""
        value: Quirk = self.store.quirks.get(name, self.defaults[name])
        return value

    def happens(self, name: str) -> bool:
        """Tell whether a quirk happens now; a counted one is counted down."""
        value = self.quirk(name)
        if value and not isinstance(value, bool):
            self.store.set_quirk(name, value - 1)
        return bool(value)

    def call_back(self, event_id: str, body: str) -> None:
        """Owe the gateway a webhook with this body."""
        self.store.owe(Callback(id=event_id, body=body))
        self.owed.set()

    def file(self, call: Call) -> Reply:
        """Answer with a kept document; for a route whose template holds `{digest}`."""
        content = self.store.file(call.params["digest"])
        if content is None:
            raise Refused(self.not_found())
        return Reply(body=content, media_type="application/octet-stream")

    # Requests.

    def answer(self, call: Call) -> Reply:
        """Judge one request as the app would, without waiting for anything."""
        if wait := 0.0 if self.quirk("unlimited") else self._bucket.wait(self.clock.monotonic()):
            slow = self.too_many()
            return msgspec.structs.replace(slow, headers={**slow.headers, "Retry-After": str(int(wait) + 1)})
        if self.happens("html"):
            return Reply(body=DEFACED, media_type="text/html; charset=utf-8")
        return self._routed(self._router, call)

    def _routed(self, router: Router, call: Call) -> Reply:
        found = router.find(call)
        if found is None:
            return self.not_found()
        handler, call = found
        try:
            return handler(call)
        except Refused as refused:
            return refused.reply
        except Malformed:
            return self.malformed()

    def dropped(self, method: str, path: str) -> None:
        """Note in the journal that a request was not complete in time."""
        self.store.note({**self._entry(method, path), "status": None, "dropped": True})

    def take(self, call: Call) -> Reply:
        """Answer a request, or the control surface, and note what it changed."""
        if call.path.startswith("/_sandbox/"):
            reply = self._routed(self._control, call)
            self.store.note()
        else:
            reply = self.answer(call)
            self.store.note(self._told(call, reply))
        return reply

    def _entry(self, method: str, path: str) -> dict[str, Any]:
        return {"at": self.now().isoformat(), "method": method, "path": path}

    def _told(self, call: Call, reply: Reply) -> dict[str, Any]:
        small = len(call.body) <= JOURNALED_BODY and not reply.private
        return {
            **self._entry(call.method, call.path),
            "query": call.query,
            "bytes": len(call.body),
            "sha256": hashlib.sha256(call.body).hexdigest(),
            "body": call.body.decode("utf-8", "replace") if small else None,
            "status": reply.status,
            "reference": reply.reference,
            "key": reply.key,
        }

    # The control surface.

    def _controls(self) -> Sequence[Route]:
        return (
            ("GET", "/_sandbox/records", self._list_records),
            ("POST", "/_sandbox/records", self._bear),
            ("POST", "/_sandbox/records/{reference}/advance", self._advance),
            ("GET", "/_sandbox/journal", self._list_journal),
            ("GET", "/_sandbox/callbacks", self._list_callbacks),
            ("GET", "/_sandbox/quirks", self._list_quirks),
            ("POST", "/_sandbox/quirks", self._set_quirks),
            ("POST", "/_sandbox/reset", self._reset),
        )

    def view(self, record: Record) -> dict[str, Any]:
        """Return a record as the control surface shows it: the same form for every app."""
        return {
            "reference": record.reference,
            "kind": record.kind,
            "key": record.key,
            "word": self.word(record),
            "messages": self.messages(record),
            "fields": record.row,
            "images": record.memo.get("images", []),
        }

    def _list_records(self, call: Call) -> Reply:
        kind = call.query.get("kind")
        fits = [
            record for record in self.store.records.values() if (record.listed if kind is None else record.kind == kind)
        ]
        return Reply(body={"records": [self.view(record) for record in fits]})

    def _list_journal(self, call: Call) -> Reply:
        after = call.query.get("after", "0")
        if not after.isdecimal():
            return _told_off("`after` is the number of an entry")
        return Reply(body={"requests": self.store.journal[int(after) :]})

    def _list_callbacks(self, call: Call) -> Reply:
        return Reply(body={"callbacks": [{"id": one.id} for one in self.store.callbacks.values()]})

    def _list_quirks(self, call: Call) -> Reply:
        return Reply(body={name: self.quirk(name) for name in self.defaults})

    def _set_quirks(self, call: Call) -> Reply:
        wanted = call.json()
        for name, value in wanted.items():
            known = self.defaults.get(name)
            fits = isinstance(value, bool) is isinstance(known, bool) and isinstance(value, bool | int | float)
            if known is None or not fits:
                return _told_off(f"{name}: no such switch, or not a value for it")
        for name, value in wanted.items():
            self.store.set_quirk(name, value)
        self.owed.set()
        return self._list_quirks(call)

    def _reset(self, call: Call) -> Reply:
        self.store.reset()
        self._bucket = Bucket(*self.limit)
        return Reply(body={"reset": True})

    def _bear(self, call: Call) -> Reply:
        return Reply(status=201, body=self.view(self.born(object_in(call.json(), "fields"))))

    def _advance(self, call: Call) -> Reply:
        record = self.store.records.get(call.params["reference"])
        if record is None:
            return _told_off("no such record", status=404)
        wanted = call.json()
        word, note = wanted.get("word"), wanted.get("note")
        if not isinstance(word, str) or not isinstance(note, str | None):
            return _told_off("`word` is the app's own status word; `note` is text")
        document = self._kept(wanted["document"]) if wanted.get("document") else None
        return Reply(body=self.view(self.advance(record, word, note, document, object_in(wanted, "fields"))))

    def _kept(self, document: object) -> Kept:
        try:
            given = msgspec.convert(document, dict[str, str])
            content = base64.b64decode(given["data"], validate=True)
            kept = Kept(
                name=given["name"],
                media_type=given["media_type"],
                digest=hashlib.sha256(content).hexdigest(),
            )
        except (msgspec.ValidationError, KeyError, binascii.Error):
            raise Refused(_told_off("`document` is {name, media_type, data (base64)}")) from None
        self.store.keep_file(kept.digest, content)
        return kept


def _told_off(message: str, status: int = 422) -> Reply:
    return Reply(status=status, body={"error": message})
