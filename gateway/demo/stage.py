"""What a story stands on: the people, the apps, and steps that can be taken again without happening twice."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

import msgspec

from gateway.demo.callers import Json, Officer, Person, Record
from gateway.demo.memory import Memory
from gateway.demo.people import Company
from gateway.demo.teller import Teller
from gateway.demo.waiting import NotYet, until
from gateway.flows.audit.words import Words
from gateway.sdk.clock import Clock

Seen = TypeVar("Seen")

INCIDENT_WORDS: Final = ("NEW", "VERIFIED", "DISPATCHED", "ON_THE_WAY", "ON_SCENE", "CLOSED")
UNIT_WORDS: Final = ("ASSIGNED", "ON_THE_WAY", "ON_SCENE", "DONE")


class Filed(msgspec.Struct, frozen=True, kw_only=True):
    """A report that was accepted: its code, what opens it again, and how often the gateway said "once more"."""

    code: str
    secret: str
    replayed: bool


class Stage:
    """People, apps, memory and voice. `patience_s` is how long one step may take."""

    def __init__(self, company: Company, memory: Memory, teller: Teller, clock: Clock, patience_s: float) -> None:
        self.people, self.cc112, self.sigapdes = company.people, company.cc112, company.sigapdes
        self.memory, self.teller, self.clock = memory, teller, clock
        self.patience_s = patience_s

    async def until(self, indonesian: str, english: str, look: Callable[[], Awaitable[Seen]]) -> Seen:
        """Wait for something, showing what; Late after `patience_s`."""
        with self.teller.waiting(indonesian, english):
            return await until(english, look, self.clock, self.patience_s)

    # Steps that may be taken again.

    async def file(self, step: str, who: Person, body: Json, secret: str | None = None) -> Filed:
        """File a report; the same step has the same key, so however often it is taken it is one report."""
        key = self.memory.key(step)
        answer, replayed = await self.until(
            f"melaporkan {body['service']}", f"filing {body['service']}", partial(who.file, body, key, secret)
        )
        self.memory.acknowledge(step, key, answer["code"], replayed)
        return Filed(code=answer["code"], secret=answer["secret"], replayed=replayed)

    async def tell(self, step: str, who: Person, code: str, text: str, secret: str) -> None:
        """Add a word to a report, once however often the step is taken."""
        word = partial(who.tell, code, text, self.memory.key(step), secret)
        await self.until(f"menjawab {code}", f"answering {code}", word)

    async def born(self, step: str, where: Officer, fields: Json, text: str) -> Record:
        """Let a record be born in an app, with the step's mark at the end of its field `text`, unless it is there."""
        mark = self.memory.mark(step)
        for record in await where.records():
            if mark in str(record.fields.get(text, "")):
                return record
        return await where.bear(fields | {text: f"{fields[text]} {mark}"})

    async def move_incident(
        self, ticket: str, word: str, units: Mapping[str, tuple[str, str]], note: str | None = None
    ) -> None:
        """The dispatcher moves an incident, unless it has gone as far; `units` are (agency, word) by name."""
        record = await self.cc112.record(ticket)
        have = {unit["unit"]: UNIT_WORDS.index(unit["status"]) for unit in record.fields["dispatches"]}
        there = INCIDENT_WORDS.index(record.word) >= INCIDENT_WORDS.index(word) and all(
            have.get(unit, -1) >= UNIT_WORDS.index(status) for unit, (_, status) in units.items()
        )
        if there:
            return
        sent = [{"unit": unit, "opd": opd, "status": status} for unit, (opd, status) in units.items()]
        fields: Json = {"dispatches": sent} if sent else {}
        if word == "CLOSED":
            fields["closing"] = {"outcome": "handled", "text": note or ""}
        await self.cc112.advance(ticket, word, None if word == "CLOSED" else note, fields)

    async def move_village(self, reference: str, word: str, way: Sequence[str], note: str | None = None) -> None:
        """The village officer moves a record to `word`, unless it has gone as far along `way`."""
        record = await self.sigapdes.record(reference)
        if way.index(record.word) < way.index(word):
            await self.sigapdes.advance(reference, word, note)

    # What there is to see.

    async def report(self, code: str) -> Json:
        """Return a report as the coordinator sees it. Raises NotYet if there is none."""
        return await self.people["koordinator"].read(f"/v1/reports/{code}")

    async def code_of(self, number: str) -> str:
        """Wait until the gateway knows a report by a number that an app gave; return its code."""

        async def look() -> str:
            found = await self.people["koordinator"].read("/v1/reports", {"q": number})
            codes = [str(report["code"]) for report in found["items"]]
            if len(codes) != 1:
                raise NotYet(f"{len(codes)} reports with the number {number}")
            return codes[0]

        return await self.until(f"gateway mendengar tentang {number}", f"the gateway hears of {number}", look)

    async def reaches(self, code: str, *statuses: str, secret: str | None = None) -> Json:
        """Wait until a report has one of these statuses; return it as the coordinator sees it, or with its secret
        as its reporter does."""

        async def look() -> Json:
            report = await (self.report(code) if secret is None else self.people["ponsel"].track(code, secret))
            if report["status"] not in statuses:
                raise NotYet(f"{code} is {report['status']}")
            return report

        indonesian, english = (Words(language).status(statuses[0]) for language in ("id", "en"))
        return await self.until(f"{code} menjadi “{indonesian}”", f"{code} becomes “{english}”", look)

    async def arrives(self, code: str, app: str) -> str:
        """Wait until a report has its number from an app; return the number that names its record there."""

        async def look() -> str:
            report = await self.report(code)
            for case in report["cases"]:
                if case["app"] == app and case["references"]:
                    return str(case["references"][0]["value"])
            raise NotYet(f"{code} has no number of {app} yet")

        return await self.until(f"{app} menerima {code}", f"{app} accepts {code}", look)
