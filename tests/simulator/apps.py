"""Simulated apps: their records, their officers, and a journal that testifies.

An app is of one level and does exactly what that level promises, no more. Its officers move records through words that
may follow each other; what they said last is where the record truly stands.
"""

from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from gateway.model.delivery import Level
from gateway.sdk import Manifest
from gateway.sdk.manifest import decode_manifest
from tests.simulator.loop import Loop, Time

WORDS: Final = {
    "BARU": "received",
    "DITERIMA": "verified",
    "KURANG": "needs_info",
    "DISPOSISI": "routed",
    "PROSES": "in_progress",
    "SELESAI": "resolved",
    "DITOLAK": "rejected",
}
FOLLOWING: Final = {
    "BARU": ("DITERIMA", "DISPOSISI", "PROSES", "DITOLAK", "SELESAI"),
    "DITERIMA": ("KURANG", "DISPOSISI", "PROSES", "DITOLAK"),
    "KURANG": ("DISPOSISI", "PROSES", "DITOLAK"),
    "DISPOSISI": ("PROSES", "SELESAI", "DITOLAK"),
    "PROSES": ("SELESAI", "DITOLAK", "DISPOSISI"),
    "SELESAI": ("PROSES",),
    "DITOLAK": ("DISPOSISI",),
}
"""What an officer may say after a word: moves that are legal here, so that the last word is the truth."""


class Pace(NamedTuple):
    """Seconds: until an unfinished request has taken effect or never will (`settle`), until a connection stands, and
    for a whole request."""

    settle: float
    connect: float
    total: float


QUICK: Final = Pace(settle=12.0, connect=1.0, total=4.0)
"""An app that answers soon and takes long to settle: looking too early finds nothing yet."""
LONG: Final = Pace(settle=3.0, connect=3.0, total=12.0)
"""One that settles soon and may answer late: whoever believes its worker dead may be wrong for long."""


class Said(NamedTuple):
    """One thing an officer said: `number` counts within the record, `at` is the app's time."""

    number: int
    at: datetime
    word: str


class Record:
    """A record of an app. `keys` are the commands that took effect in it, in the order in which they did."""

    def __init__(self, reference: str, key: str, at: datetime) -> None:
        self.reference = reference
        self.keys = [key]
        self.history = [Said(1, at, "BARU")]


class Effect(NamedTuple):
    """A line of the app's journal: a command took effect."""

    moment: float
    key: str
    command: str
    reference: str


class Answered(NamedTuple):
    """What the app answers to a request."""

    status: int
    body: Any


class SimApp:
    """One app. `numbers_events` tells whether it counts what happens to a record; others give only times."""

    def __init__(self, name: str, level: Level, loop: Loop, time: Time, random: Random, pace: Pace = QUICK) -> None:
        self.name, self.level, self.pace = name, level, pace
        self.numbers_events = level >= Level.L2
        self.echoes_key = level >= Level.L2
        self.hears = level is not Level.L1  # the app of L1 is polled, the others call back
        self.journal: list[Effect] = []
        self.records: dict[str, Record] = {}
        self.owed: list[tuple[str, Said]] = []
        """What was said and nobody was told yet."""
        self.changes: list[tuple[str, Said]] = []
        self.talking = 0
        """How many officers have something left to say."""
        self._by_key: dict[str, Record] = {}
        self._loop, self._time, self._random = loop, time, random
        self._skew = timedelta(seconds=random.uniform(-200, 200))
        self._last = datetime.min.replace(tzinfo=time.now().tzinfo)

    def now(self) -> datetime:
        """The app's own time; it never tells the same one twice."""
        at = self._time.true() + self._skew
        self._last = max(at, self._last + timedelta(milliseconds=1))
        return self._last.replace(microsecond=self._last.microsecond // 1000 * 1000)

    # -- commands ----------------------------------------------------------------------------------------------

    def opens(self, key: str) -> Answered:
        """Open a record; an app that honours keys gives the one it has."""
        known = self._by_key.get(key)
        if known is not None and self.level is Level.L3:
            return Answered(200, self._row(known, key))
        record = Record(f"{self.name.upper()}-{len(self.records) + 1}", key, self.now())
        self.records[record.reference] = record
        self._by_key[key] = record
        self._effect(key, "open", record)
        self._tell(record, record.history[0])
        if self._random.random() < 0.8:
            self.talking += 1
            self._loop.call_later(self._random.uniform(0.05, 40.0), self._officer, record)
        return Answered(201, self._row(record, key))

    def adds(self, reference: str, key: str) -> Answered:
        """Add a message to a record."""
        record = self.records.get(reference)
        if record is None:
            return Answered(404, {"error": "no such record"})
        if key in record.keys and self.level is Level.L3:
            return Answered(200, self._row(record, key))
        record.keys.append(key)
        self._by_key[key] = record
        self._effect(key, "message", record)
        return Answered(201, self._row(record, key))

    # -- questions ---------------------------------------------------------------------------------------------

    def finds(self, key: str) -> Answered:
        """Look a key up. The search of L1 may overlook what is there."""
        record = self._by_key.get(key)
        if record is None or (self.level is Level.L1 and self._random.random() < 0.2):
            return Answered(404, {"error": "not found"})
        return Answered(200, self._row(record, key))

    def changed(self, after: int) -> Answered:
        """Give the next page of everything that was said."""
        rows = [self._event(reference, said) for reference, said in self.changes[after : after + 20]]
        return Answered(200, {"rows": rows, "next": after + len(rows), "more": after + 20 < len(self.changes)})

    def reads(self, reference: str, after: int) -> Answered:
        """Give what was said in one record."""
        record = self.records.get(reference)
        if record is None:
            return Answered(404, {"error": "no such record"})
        rows = [self._event(reference, said) for said in record.history if said.number > after]
        return Answered(200, {"rows": rows})

    def callback(self, reference: str, said: Said) -> bytes:
        """Return the body of a webhook."""
        return msgspec.json.encode({"rows": [self._event(reference, said)]})

    def of_key(self, key: str) -> Record | None:
        """What a person sees who looks for a command in the app."""
        return self._by_key.get(key)

    # --

    def _officer(self, record: Record) -> None:
        last = record.history[-1]
        said = Said(last.number + 1, self.now(), self._random.choice(FOLLOWING[last.word]))
        record.history.append(said)
        self._tell(record, said)
        if said.number < 6 and self._random.random() < 0.4:
            self._loop.call_later(self._random.uniform(0.05, 40.0), self._officer, record)
        else:
            self.talking -= 1

    def _tell(self, record: Record, said: Said) -> None:
        self.changes.append((record.reference, said))
        if self.hears:
            self.owed.append((record.reference, said))

    def _effect(self, key: str, command: str, record: Record) -> None:
        self.journal.append(Effect(self._loop.moment, key, command, record.reference))

    def _row(self, record: Record, key: str) -> dict[str, Any]:
        last = record.history[-1]
        return {"reference": record.reference, "key": self._echo(key), "at": last.at, "word": last.word}

    def _event(self, reference: str, said: Said) -> dict[str, Any]:
        record = self.records[reference]
        return {
            "id": f"{reference}:{said.number}",
            "reference": reference,
            "at": said.at,
            "word": said.word,
            "seq": said.number if self.numbers_events else None,
            "key": self._echo(record.keys[0]),
        }

    def _echo(self, key: str) -> str | None:
        return key if self.echoes_key else None


def manifest_of(app: SimApp) -> Manifest:
    """Return the manifest by which the host knows the app."""
    level = app.level.name
    statuses = "\n".join(f'"{word}" = "{status}"' for word, status in WORDS.items())
    hook = '[secrets]\nTOKEN = "of its webhooks"\n[webhook]\nscheme = "bearer"\nsecret = "TOKEN"\n' if app.hears else ""
    return decode_manifest(
        f'sdk = 1\nname = "{app.name}"\ntitle = "{app.name}"\nowner = "DISKOMINFO-SP"\nsettle_s = {app.pace.settle}\n'
        f"echoes_key = {str(app.echoes_key).lower()}\n"
        f'[levels]\nopen = "{level}"\nmessage = "{level}"\n'
        f"[timeouts]\nconnect = {app.pace.connect}\ntotal = {app.pace.total}\n"
        "[limits]\nrate_per_s = 100\nconcurrency = 8\n"
        f"{hook}" + ("" if app.hears else "[poll]\ninterval_s = 1\n") + f"[statuses]\n{statuses}\n"
        '[shares]\n"description" = "the simulator"\n'
    )
