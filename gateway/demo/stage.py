"""What a story stands on: the people, the apps, and steps that can be taken again without happening twice."""

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

import msgspec

from gateway.demo.callers import Json, Person, Record
from gateway.demo.ending import DESK
from gateway.demo.memory import Memory
from gateway.demo.people import PHONE, Company
from gateway.demo.teller import Tale
from gateway.demo.texts import Inbox
from gateway.demo.travel import Travel
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
    replayed: bool = False


class Props(msgspec.Struct, kw_only=True):
    """What all stories share. `filed` are reports by step, for a story's second act and for the judge; `patience_s` is
    how long one step may take."""

    company: Company
    memory: Memory
    clock: Clock
    inbox: Inbox
    travel: Travel
    patience_s: float
    filed: dict[str, Filed] = {}


class Stage:
    """People, apps, memory, and the voice of one story."""

    def __init__(self, props: Props, tale: Tale) -> None:
        self.people, self.officers = props.company.people, props.company.officers
        self.memory, self.clock, self.inbox, self.filed = props.memory, props.clock, props.inbox, props.filed
        self.travel = props.travel
        self.say, self._tale, self._patience_s = tale.say, tale, props.patience_s

    @property
    def phone(self) -> Person:
        """A phone without an account."""
        return self.people[PHONE]

    @property
    def coordinator(self) -> Person:
        """Who stands at all desks."""
        return self.people["koordinator"]

    async def until(self, indonesian: str, english: str, look: Callable[[], Awaitable[Seen]]) -> Seen:
        """Wait for something, showing what; Late after `patience_s`."""
        with self._tale.waiting(indonesian, english):
            return await until(english, look, self.clock, self._patience_s)

    # Steps that may be taken again.

    async def file(self, step: str, who: Person, body: Json, secret: str | None = None) -> Filed:
        """File a report; the same step has the same key, so however often it is taken it is one report."""
        key = self.memory.key(step)
        answer, replayed = await self.until(
            f"melaporkan {body['service']}", f"filing {body['service']}", partial(who.file, body, key, secret)
        )
        self.memory.acknowledge(step, key, answer["code"], replayed)
        self.filed[step] = Filed(code=answer["code"], secret=answer["secret"], replayed=replayed)
        return self.filed[step]

    async def attach(self, step: str, who: Person, content: bytes, media_type: str) -> str:
        """Upload a file once; the same step names the same file, as long as the report that names it is the same."""
        if step not in self.memory.state.files:
            upload = partial(who.upload, content, media_type)
            self.memory.keep_file(step, await self.until("mengunggah berkas", "uploading a file", upload))
        return self.memory.state.files[step]

    async def tell(self, step: str, who: Person, code: str, body: Json, secret: str) -> Json:
        """Add a word to a report, or answers, once however often the step is taken."""
        word = partial(who.tell, code, body, self.memory.key(step), secret)
        return await self.until(f"menjawab {code}", f"answering {code}", word)

    async def born(self, step: str, app: str, fields: Json, text: str) -> Record:
        """Let a record be born in an app, with the step's mark at the end of its field `text`, unless it is there."""
        mark, where = self.memory.mark(step), self.officers[app]
        for record in await where.records():
            if mark in str(record.fields.get(text, "")):
                return record
        return await where.bear(fields | {text: f"{fields[text]} {mark}"})

    async def desk(self, who: Person, code: str, verb: str, body: Json) -> Json | None:
        """Do something at a desk; None if it has been done before."""
        return await self.until(f"{verb} {code}", f"{verb} {code}", partial(who.verb, code, verb, body))

    async def link(self, code: str, kind: str, other: str, reason: str) -> None:
        """The coordinator says that a report is a `kind` of another."""
        await self.desk(self.coordinator, code, "link", {"kind": kind, "code": other, "reason": reason})

    async def escalate(self, step: str, who: Person, code: str, service: str, reason: str, description: str) -> str:
        """Make an emergency of a report, unless it has been done; return its code."""
        if await self._descendants(code, "escalated_from", service) == []:
            await self.desk(who, code, "refer", {"service": service, "reason": reason, "description": description})
        return await self.descendant(step, code, "escalated_from", service)

    async def refer(self, who: Person, code: str, app: str, agency: str, body: Json) -> None:
        """Refer a report to an app, or a desk, and an agency, unless it has a case there: also one that has ended."""
        cases = (await self.report(code))["cases"]
        if not any((case["app"], case["agency"]) == (app, agency) for case in cases):
            await self.desk(who, code, "refer", body)

    async def close(self, code: str, agency: str, text: str) -> None:
        """The coordinator ends the case at an agency's desk, unless it has ended."""
        report = await self.report(code)
        for number, case in enumerate(report["cases"], start=1):
            if (case["app"], case["agency"]) == (DESK, agency) and case["status"] not in {"resolved", "cancelled"}:
                body = {"outcome": "resolved", "text": text, "case": number}
                await self.desk(self.coordinator, code, "close", body)

    async def move(
        self,
        app: str,
        reference: str,
        word: str,
        way: Sequence[str],
        note: str | None = None,
        document: Json | None = None,
    ) -> None:
        """An app's officer moves a record to `word`, unless it has gone as far along `way`."""
        record = await self.officers[app].record(reference)
        if way.index(record.word) < way.index(word):
            await self.officers[app].advance(reference, word, note, document=document)

    async def dispatch(
        self,
        ticket: str,
        word: str,
        units: Mapping[str, tuple[str, str]],
        note: str | None = None,
        outcome: str = "handled",
    ) -> None:
        """The dispatcher moves an incident, unless it has gone as far; `units` are (agency, word) by name, `outcome`
        is that of a closing."""
        record = await self.officers["cc112"].record(ticket)
        have = {unit["unit"]: UNIT_WORDS.index(unit["status"]) for unit in record.fields["dispatches"]}
        there = INCIDENT_WORDS.index(record.word) >= INCIDENT_WORDS.index(word) and all(
            have.get(unit, -1) >= UNIT_WORDS.index(status) for unit, (_, status) in units.items()
        )
        if there:
            return
        sent = [{"unit": unit, "opd": opd, "status": status} for unit, (opd, status) in units.items()]
        fields: Json = {"dispatches": sent} if sent else {}
        if word == "CLOSED":
            fields["closing"] = {"outcome": outcome, "text": note or ""}
        await self.officers["cc112"].advance(ticket, word, None if word == "CLOSED" else note, fields)

    async def rescue(self, ticket: str, code: str, unit: tuple[str, str], closing: str) -> None:
        """Play an incident from the dispatch of one unit (its name, its agency) to its end."""
        name, agency = unit
        steps: tuple[tuple[str, str, tuple[str, ...]], ...] = (
            ("DISPATCHED", "ASSIGNED", ("routed", "in_progress", "on_scene", "resolved")),
            ("ON_THE_WAY", "ON_THE_WAY", ("in_progress", "on_scene", "resolved")),
            ("ON_SCENE", "ON_SCENE", ("on_scene", "resolved")),
            ("CLOSED", "DONE", ("resolved",)),
        )
        for word, unit_word, statuses in steps:
            await self.dispatch(ticket, word, {name: (agency, unit_word)}, closing if word == "CLOSED" else None)
            await self.stands(code, "cc112", *statuses)

    # What there is to see.

    async def report(self, code: str) -> Json:
        """Return a report as the coordinator sees it. Raises NotYet if there is none."""
        return await self.coordinator.read(f"/v1/reports/{code}")

    async def code_of(self, step: str, number: str) -> str:
        """Wait until the gateway knows a report by a number that an app gave; return its code."""

        async def look() -> str:
            found = await self.coordinator.read("/v1/reports", {"q": number})
            codes = [str(report["code"]) for report in found["items"]]
            if len(codes) != 1:
                raise NotYet(f"{len(codes)} reports with the number {number}")
            return codes[0]

        code = await self.until(f"gateway mendengar tentang {number}", f"the gateway hears of {number}", look)
        self.memory.learn(step, code)
        return code

    async def descendant(self, step: str, code: str, kind: str, service: str, secret: str | None = None) -> str:
        """Wait until a report has a linked one of a service; return its code. With its secret it is looked at as its
        reporter does."""

        async def look() -> str:
            found = await self._descendants(code, kind, service, secret)
            if len(found) != 1:
                raise NotYet(f"{code} has {len(found)} reports {kind} it of {service}")
            return found[0]

        found = await self.until(f"{service} dari {code}", f"{service} of {code}", look)
        self.memory.learn(step, found)
        return found

    async def _descendants(self, code: str, kind: str, service: str, secret: str | None = None) -> list[str]:
        async def seen(name: str) -> Json:
            if secret is None:
                return await self.report(name)
            return await self.phone.track(name, secret)

        links = (await seen(code))["links"]
        codes = [str(one["code"]) for one in links if (one["kind"], one["direction"]) == (kind, "from")]
        return [one for one in codes if (await seen(one))["service"]["code"] == service]

    async def reaches(self, code: str, *statuses: str, secret: str | None = None) -> Json:
        """Wait until a report has one of these statuses; return it as the coordinator sees it, or with its secret
        as its reporter does."""

        async def look() -> Json:
            report = await (self.report(code) if secret is None else self.phone.track(code, secret))
            done = report["status"] == "closed" and "resolved" in statuses  # weeks after, by itself
            if report["status"] not in statuses and not done:
                raise NotYet(f"{code} is {report['status']}")
            return report

        indonesian, english = (Words(language).status(statuses[0]) for language in ("id", "en"))
        return await self.until(f"{code} menjadi “{indonesian}”", f"{code} becomes “{english}”", look)

    async def stands(self, code: str, app: str, *statuses: str) -> None:
        """Wait until a report's case in an app has one of these statuses: the report may be further, or open again."""

        async def look() -> None:
            cases = (await self.report(code))["cases"]
            now = [case["status"] for case in cases if case["app"] == app]
            if not set(now) & {*statuses, *(["closed"] if "resolved" in statuses else [])}:
                raise NotYet(f"{code} is {', '.join(now) or 'not there'} in {app}")

        indonesian, english = (Words(language).status(statuses[0]) for language in ("id", "en"))
        await self.until(f"{code} di {app} menjadi “{indonesian}”", f"{code} in {app} becomes “{english}”", look)

    async def arrives(self, code: str, app: str) -> str:
        """Wait until a report has its number from an app; return the number that names its record there."""

        async def look() -> str:
            report = await self.report(code)
            for case in report["cases"]:
                if case["app"] == app and case["references"]:
                    return str(case["references"][0]["value"])
            raise NotYet(f"{code} has no number of {app} yet")

        return await self.until(f"{app} menerima {code}", f"{app} accepts {code}", look)


def document(name: str, media_type: str, content: bytes) -> Json:
    """Return a document as an app's officer adds it."""
    return {"name": name, "media_type": media_type, "data": base64.b64encode(content).decode()}
