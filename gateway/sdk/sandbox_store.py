"""What a simulated app keeps: its records, the journal of every request, and the callbacks it still owes.

Everything lives in one file of JSON lines. One request is one line, holding what it changed and the journal's
entry about it, and the line is on the disk (fsync) before the request is answered; so the two can never
disagree, and after `kill -9` the app is what it had answered for. A torn last line belongs to a request that
nobody was answered for; it is dropped at the next start.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

JOURNALED_BODY = 64 * 1024
"""Bytes of a request's body that the journal keeps as text; of longer ones it keeps length and digest."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record of the app.

    `reference` is the app's own number, `key` our key if it came with one; `row` is the record as the app's
    interface returns it, in the app's own words; `history` what happened to it, `memo` what the app remembers
    but never shows. `listed` False: not a record to its users (a prank call without a ticket).
    """

    reference: str
    kind: str
    key: str | None
    row: dict[str, Any]
    history: tuple[dict[str, Any], ...] = ()
    memo: dict[str, Any] = {}
    listed: bool = True


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that the app owes the gateway until it is answered with 2xx."""

    id: str
    body: str


class Store:
    """The memory of a simulated app, equal to its file whenever `durable` has returned.

    Changes are made without waiting (`put`, `serial`, `owe`, `paid`, `set_quirk`), gathered, and written as
    one line by `note`. Not to be shared by two processes.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._file = os.open(folder / "log.jsonl", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        _sync_folder(folder)
        self._written = 0
        self._synced = 0
        self._syncing = asyncio.Lock()
        self._forget()
        self._replay()

    def _forget(self) -> None:
        self.records: dict[str, Record] = {}
        self.callbacks: dict[str, Callback] = {}
        self.quirks: dict[str, Any] = {}
        self.journal: list[dict[str, Any]] = []
        self._serials: dict[str, int] = {}
        self._keys: dict[str, str] = {}
        self._change: dict[str, Any] = {}

    def _replay(self) -> None:
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            whole = 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                self._apply(json.loads(line))
        os.ftruncate(self._file, whole)

    def _apply(self, change: Mapping[str, Any]) -> None:
        for row in change.get("records", ()):
            self._know(msgspec.convert(row, Record))
        for row in change.get("owes", ()):
            self.callbacks[row["id"]] = msgspec.convert(row, Callback)
        for paid in change.get("paid", ()):
            self.callbacks.pop(paid, None)
        self._serials.update(change.get("serials", {}))
        self.quirks.update(change.get("quirks", {}))
        if entry := change.get("journal"):
            self.journal.append(entry)

    def _know(self, record: Record) -> None:
        self.records[record.reference] = record
        if record.key is not None:
            self._keys.setdefault(f"{record.kind} {record.key}", record.reference)

    def put(self, record: Record) -> Record:
        """Keep a new record, or the new state of a known one."""
        self._know(record)
        self._change.setdefault("records", {})[record.reference] = record
        return record

    def by_key(self, kind: str, key: str) -> Record | None:
        """Return the first record of a kind that came with our key."""
        reference = self._keys.get(f"{kind} {key}")
        return None if reference is None else self.records[reference]

    def of_kind(self, kind: str) -> list[Record]:
        """Return the records of a kind, in the order in which they came."""
        return [record for record in self.records.values() if record.kind == kind]

    def serial(self, name: str) -> int:
        """Return the next running number of that name, from 1, never twice."""
        number = self._serials.get(name, 0) + 1
        self._serials[name] = number
        self._change.setdefault("serials", {})[name] = number
        return number

    def owe(self, callback: Callback) -> None:
        """Owe the gateway a webhook."""
        self.callbacks[callback.id] = callback
        self._change.setdefault("owes", {})[callback.id] = callback

    def paid(self, callback: Callback) -> None:
        """Strike out a webhook that was answered with 2xx."""
        self.callbacks.pop(callback.id, None)
        self._change.setdefault("paid", []).append(callback.id)

    def set_quirk(self, name: str, value: float) -> None:
        """Turn a quirk on or off (bool) or say how often it is still to happen (int)."""
        self.quirks[name] = value
        self._change.setdefault("quirks", {})[name] = value

    def note(self, entry: Mapping[str, Any] | None = None) -> None:
        """Write what was changed since the last note, and the journal's entry about it, as one line."""
        change: dict[str, Any] = {
            name: list(msgspec.to_builtins(list(value.values()))) if name in {"records", "owes"} else value
            for name, value in self._change.items()
        }
        self._change = {}
        if entry is not None:
            numbered = {"n": len(self.journal) + 1, **entry}
            change["journal"] = numbered
            self.journal.append(numbered)
        if change:
            line = memoryview(json.dumps(change, separators=(",", ":")).encode() + b"\n")
            while line:
                line = line[os.write(self._file, line) :]
            self._written += 1

    async def durable(self) -> None:
        """Return when everything noted so far is on the disk. Requests that wait together share one fsync."""
        mine = self._written
        async with self._syncing:
            if self._synced < mine:
                covered = self._written
                await asyncio.to_thread(os.fsync, self._file)
                self._synced = covered

    def reset(self) -> None:
        """Forget everything, on the disk too."""
        self._forget()
        os.ftruncate(self._file, 0)
        self._written += 1

    def keep_file(self, digest: str, content: bytes) -> None:
        """Keep the bytes of a document under its digest, on the disk before this returns."""
        folder = self.folder / "files"
        folder.mkdir(exist_ok=True)
        part = folder / f"{digest}.part"
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / digest)
        _sync_folder(folder)

    def file(self, digest: str) -> bytes | None:
        """Return the bytes of a document kept here."""
        path = self.folder / "files" / digest
        return path.read_bytes() if digest.isalnum() and path.is_file() else None

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
