"""What the demo keeps on disk, so that it can be killed at any moment and go on.

`state.json` holds one random number, from which the name of everything that must not happen twice is derived:
Idempotency-Keys and the marks in texts of records born in an app. It is on the disk before the first of them is
used, so a run that goes on uses the same ones again. `acks.jsonl` is the other side: every answer that promised
us something, on the disk before anything follows from it; the outcome is judged by it.
"""

import os
import shutil
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import UUID, uuid5

import msgspec

from gateway.sdk.clock import Clock
from gateway.sdk.entropy import Entropy

STATE: Final = "state.json"
ACKS: Final = "acks.jsonl"
VERSION: Final = 1


class Refused(Exception):
    """The demo does not touch this folder; the message says why and what to do, in both languages."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is.

    `run` names everything that must not happen twice; `started_at` is the (travelling) time that the stories
    count from; `files` are uploads by step, for a report that is sent again names the same ones; `tokens` are access
    tokens by person, good until `tokens_until` (real time).
    """

    version: int
    run: UUID
    started_at: datetime
    ports: dict[str, int]
    files: dict[str, str] = {}
    tokens: dict[str, str] = {}
    tokens_until: datetime | None = None


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that promised something: the step of the story, the key it was asked under, the code it got.

    `replayed` tells that the gateway said it had answered this before.
    """

    step: str
    key: str
    code: str
    at: datetime
    replayed: bool


class Memory:
    """The demo's folder."""

    def __init__(self, folder: Path, state: State, clock: Clock) -> None:
        self.folder, self.state = folder, state
        self._clock = clock

    def key(self, step: str) -> str:
        """Return the Idempotency-Key of a step: the same one whenever this run comes to it."""
        return str(uuid5(self.state.run, f"key:{step}"))

    def mark(self, step: str) -> str:
        """Return the mark by which a record born in an app is known again: `#` and eight characters."""
        return f"#{sha256(f'{self.state.run}:{step}'.encode()).hexdigest()[:8].upper()}"

    def change(self, state: State) -> None:
        """Keep a new state, on the disk before this returns."""
        _write(self.folder / STATE, msgspec.json.format(msgspec.json.encode(state), indent=2))
        self.state = state

    def keep_file(self, step: str, name: str) -> None:
        """Keep the id of an upload, on the disk before this returns."""
        self.change(msgspec.structs.replace(self.state, files={**self.state.files, step: name}))

    def acknowledge(self, step: str, key: str, code: str, replayed: bool) -> None:
        """Keep an answer, on the disk before this returns."""
        ack = Ack(step=step, key=key, code=code, at=self._clock.now(), replayed=replayed)
        with (self.folder / ACKS).open("ab") as file:
            file.write(msgspec.json.encode(ack) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def learn(self, step: str, code: str) -> None:
        """Keep the code of a report that a step brought about otherwise than by filing it."""
        known = any(ack.step == step and ack.code == code for ack in self.acks())
        self.acknowledge(step, self.key(step), code, replayed=known)

    def acks(self) -> list[Ack]:
        """Return every answer that was kept; a torn last line was never acted upon."""
        return read_acks(self.folder)


def read_acks(folder: Path) -> list[Ack]:
    """Return the answers kept in a demo's folder, oldest first."""
    file = folder / ACKS
    lines = file.read_bytes().splitlines(keepends=True) if file.is_file() else []
    return [msgspec.json.decode(line, type=Ack) for line in lines if line.endswith(b"\n")]


def is_ours(folder: Path) -> bool:
    """Tell whether a folder is one that the demo made (or has nothing in it)."""
    known = (folder / STATE).is_file() or (folder / f"{STATE}.part").is_file()
    return known or not folder.exists() or all(path.name in {"lock", "run", "logs"} for path in folder.iterdir())


def start(folder: Path, ports: dict[str, int], clock: Clock, entropy: Entropy) -> Memory:
    """Start over in an empty folder."""
    run = UUID(bytes=entropy.bytes(16), version=4)
    memory = Memory(folder, State(version=VERSION, run=run, started_at=_whole(clock.now()), ports=ports), clock)
    memory.change(memory.state)
    return memory


def remember(folder: Path, clock: Clock) -> Memory | None:
    """Return what an earlier run kept; None if it kept nothing. Raises Refused if it cannot be understood."""
    file = folder / STATE
    if not file.is_file():
        return None
    try:
        state = msgspec.json.decode(file.read_bytes(), type=State)
    except msgspec.DecodeError as error:
        raise Refused(f"{file}: {error}") from error
    if state.version != VERSION:
        raise Refused(f"{file}: version {state.version}; `gateway demo` (without --resume) starts over")
    _mend(folder / ACKS)
    return Memory(folder, state, clock)


def clear(folder: Path) -> None:
    """Throw away what an earlier run left; the lock stays."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == STATE):
        if path.name == "lock":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _whole(at: datetime) -> datetime:
    return at - timedelta(microseconds=at.microsecond)


def _mend(file: Path) -> None:
    """Cut off a torn last line, so that the next line stands on its own."""
    if file.is_file() and (content := file.read_bytes()) and not content.endswith(b"\n"):
        with file.open("r+b") as kept:
            kept.truncate(content.rfind(b"\n") + 1)


def _write(file: Path, content: bytes) -> None:
    part = file.with_name(f"{file.name}.part")
    with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
        out.write(content + b"\n")
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)
    handle = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
