"""A room to try a connector in: the real host, delivery and inbound flows on a temporary SQLite, the simulated app on a
real socket, and the wire between them, where everything can happen. Nothing runs by itself: the rule says whose turn it
is, and how much time passes in between.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.flows.delivery.deliver import Deliverer
from gateway.flows.delivery.reconcile import Reconciler
from gateway.flows.inbound.adopt import Adopter
from gateway.flows.inbound.apply import Applier
from gateway.flows.inbound.poll import Poller
from gateway.flows.inbound.receive import Inbound
from gateway.flows.inbound.store import Store
from gateway.flows.intake.files import Files
from gateway.kernel.host import FoundConnector, Host, Outcome, Registry
from gateway.kernel.ledger import Ledger
from gateway.kernel.ledger.blobs import Blobs
from gateway.kernel.ledger.reading import Whole, case_ref
from gateway.kernel.policy import Policy
from gateway.kernel.policy.opening import Opener, followed
from gateway.kit import filing, queries
from gateway.kit.books import Books, Row
from gateway.kit.ear import Ear
from gateway.kit.hints import Move
from gateway.kit.moment import Time
from gateway.kit.rule import Failed, expect, fail
from gateway.kit.subject import Subject
from gateway.kit.turns import Quiet, Turn
from gateway.kit.wire import Proxy
from gateway.model.catalogue import Kind, Service
from gateway.model.codes import new_code
from gateway.model.delivery import Command, DeliveryState
from gateway.model.principal import Actor, Principal, Role
from gateway.sdk import Amendment, Linked, Secrets, Submission
from gateway.sdk.entropy import SeededEntropy
from gateway.sdk.manifest import Manifest
from gateway.sdk.sandbox import Call, Sandbox, Setting, serving

ENDED: Final = frozenset({DeliveryState.ACCEPTED, DeliveryState.HELD, DeliveryState.DEAD, DeliveryState.CANCELLED})
CITIZEN: Final = Principal(issuer="kit", subject="kenari", roles=frozenset({Role.CITIZEN}))
_ACTOR: Final = Actor(kind="citizen", ref="kenari0kenari000")
_ROUNDS: Final = 60
_REAL_S: Final = 10.0
_STEP_S: Final = 0.05
_REAL_STEP_S: Final = 0.0005


class Room(Books):
    """Everything that a rule acts on, and the turns it can give."""

    def __init__(
        self,
        subject: Subject,
        policy: Policy,
        ledger: Ledger,
        folder: Path,
        time: Time,
        sandbox: Sandbox,
        wire: Proxy,
        ear: Ear,
        environ: dict[str, str],
    ) -> None:
        super().__init__(subject.name, ledger)
        self.subject, self.policy, self.time = subject, policy, time
        self.sandbox, self.wire, self.ear, self.environ = sandbox, wire, ear, environ
        self.blobs = Blobs(folder / "data")
        self.files = Files(ledger, self.blobs)
        self.wake = Quiet()
        self._filed = 0
        self.host: Host
        self.manifest: Manifest

    async def employ(self, manifest: Manifest | None = None, base_url: str | None = None) -> None:
        """Start the gateway's side: a new host with a new connector, as after a restart; the ledger stays."""
        if hasattr(self, "host"):
            await self.host.close()
        self.manifest = manifest if manifest is not None else self.manifest
        found = FoundConnector(
            name=self.app,
            folder=self.subject.folder,
            manifest=self.manifest,
            mode=self.manifest.mode,
            reason="",
            factory=self.subject.connector,
            base_url=base_url or self.wire.url,
            secrets=Secrets(self.app, self.manifest.secrets, self.environ),
        )
        self.host = Host(Registry({self.app: found}, {}), self.time)
        if self.app not in self.host.apps():
            fail("Connector(app) fails: " + self.host.states()[self.app].reason, "Mend __init__ of the connector.")
        self.opener = Opener(self.ledger, self.policy, self.host)
        self.store = Store(self.ledger, self.wake)
        self.inbound = Inbound(self.ledger, self.host, self.store)
        self.ear.hears = self.inbound
        adopter = Adopter(self.ledger, self.host, self.opener, self.wake)
        self._applier = Applier(self.app, self.ledger, self.host, self.store, adopter, self.wake)
        self._poller = Poller(self.app, self.ledger, self.host, self.store, self.wake, 1.0)
        self._reconciler = Reconciler(self.app, self.ledger, self.host, self.wake)
        self._deliverers = {
            emergency: Deliverer(self.app, emergency, self.ledger, self.host, self.wake, self.blobs, "kit")
            for emergency in (True, False)
        }

    # -- filing ----------------------------------------------------------------------------------------------------

    async def file(self, service: Service | None = None, text: str = filing.TEXT, *, hidden: bool = False) -> str:
        """Open a report that goes to the app, as intake opens it; return its delivery's key. Nothing is sent yet."""
        service = service or self.subject.service()
        _ = self.subject.level
        earlier = await self._earlier(service)
        draft = filing.draft_of(self.subject, service, self.time.now(), text, hidden=hidden)
        files = await self._upload(service)
        act = self.ledger.act(_ACTOR, "kit")
        opened = self.opener.open(
            act, draft, owner=CITIZEN.key, files=files, followed=None if earlier is None else followed(earlier)
        )
        if [case.app for case in opened.cases] != [self.app]:
            fail(f"a report of {service.code} is not routed to the app", "Look at [categories.out] and [levels].")
        await self.ledger.commit(act)
        return f"{opened.code}-1"

    async def submission(self, service: Service | None = None, text: str = filing.TEXT, **changes: Any) -> Submission:
        """Return a report under a fresh key, whole, as a connector gets it before anything is left out."""
        service = service or self.subject.service()
        self._filed += 1
        earlier = await self._earlier(service)
        made = filing.submission_for(self.subject, service, _key(self._filed), self.time.now(), text)
        if earlier is not None:
            kind = "objection_to" if service.kind is Kind.OBJECTION else "follow_up_to"
            linked = [
                Linked(kind=kind, app=self.app, value=row["value"], code=earlier.code) for row in earlier.references
            ]
            made = msgspec.structs.replace(made, linked=tuple(linked))
        return msgspec.structs.replace(made, **changes)

    async def submit(self, submission: Submission) -> Outcome:
        """Send a submission by the host alone, with the app's category and what the app may have of it."""
        prepared, _ = self.host.prepare(self.app, submission.profile, submission)
        outcome = await self.host.submit(self.app, prepared)
        await self.calm()
        return outcome

    async def _earlier(self, service: Service) -> Whole | None:
        """Return the report that one of this service must refer to, filed and arrived; None where there is none."""
        name = self.subject.hints.follows.get(service.code)
        if name is None:
            return None
        key = await self.file(self.subject.service(name))
        row = await self.ends(key)
        expect(row["state"] == DeliveryState.ACCEPTED, f"a report of {name}, which others follow, is {row['state']}")
        return await self.report(key)

    async def _upload(self, service: Service) -> tuple[Any, ...]:
        names = []
        for _ in filing.roles_of(self.subject, service):
            self._filed += 1
            taken = await self.files.take(CITIZEN, "image/png", filing.picture(self._filed))
            names.append(taken.id)
        return await self.files.chosen(CITIZEN, names)

    async def say(self, key: str, text: str, command: Command = Command.MESSAGE) -> str:
        """Queue a later word about a report; return its delivery's key."""
        whole = await self.report(key)
        number = int(whole.report["deliveries"]) + 1
        act = self.ledger.act(_ACTOR, "kit")
        report, case = (
            whole.ref(self.ledger.vault),
            case_ref(next(case for case in whole.cases if case["app"] == self.app)),
        )
        amendment = Amendment(
            key=f"{whole.code}-{number}", code=whole.code, command=str(command), text=text, at=self.time.now()
        )
        act.send(report, case, number, command, amendment, whole.report["emergency"])
        act.touch(report, deliveries=number)
        await self.ledger.commit(act)
        return amendment.key

    # -- turns -----------------------------------------------------------------------------------------------------

    async def carry(self) -> None:
        """Let the workers carry everything that is due."""
        for emergency, deliverer in self._deliverers.items():
            for _ in range(_ROUNDS):
                due = await self.ledger.read(queries.due, self.app, emergency, self.time.real())
                if not due or not self.host.ready(self.app):
                    break
                await deliverer.run(Turn())
        await self.calm()

    async def look(self) -> None:
        """Let the reconciler look after what is unsure, once."""
        await self._reconciler.run(Turn())
        await self.calm()

    async def ends(self, key: str) -> Row:
        """Let time pass until a delivery has ended; return it."""
        for _ in range(_ROUNDS):
            await self.carry()
            await self.look()
            row = await self.delivery(key)
            if row["state"] in ENDED:
                return row
            moments = [row[name] for name in ("due_at", "settle_at") if row[name] is not None]
            resting = max(self.host.get(self.app).app.resting(), self.host.get(self.app).health.paused)
            wait = max([(at - self.time.now()).total_seconds() for at in moments], default=0.0)
            await self.travel(max(wait, resting, 0.0) + 0.05)
        raise Failed(f"a delivery has not ended after {_ROUNDS} turns")

    async def travel(self, seconds: float) -> None:
        """Let time pass; what is late on the wire arrives meanwhile."""
        await self.calm()
        await self.time.travel(seconds)
        if self.wire.late:
            await asyncio.wait(set(self.wire.late), timeout=_REAL_S)

    async def calm(self) -> None:
        """Wait until nothing is under way on the wire but what is late."""
        if self.wire.busy:
            async with self.time.patience(_REAL_S):
                while self.wire.busy:  # noqa: ASYNC110 - what it waits for is behind sockets
                    await asyncio.sleep(0.001)

    async def all_of(self, acts: Sequence[Awaitable[Any]]) -> list[Any]:
        """Do several things at once; time goes on by itself, a little whenever nothing is under way on the wire."""
        gathered = asyncio.gather(*acts)
        while not gathered.done():
            if not self.wire.busy:
                self.time.skip(_STEP_S)
            await asyncio.sleep(_REAL_STEP_S)
        return await gathered

    async def called(self) -> None:
        """Wait until the app has sent the webhooks it owes."""
        async with self.time.patience(_REAL_S):
            while self.sandbox.store.callbacks:  # noqa: ASYNC110 - what it waits for is behind sockets
                await asyncio.sleep(0.001)

    async def poll(self) -> None:
        """Poll until the app has nothing more to tell now."""
        if self.manifest.poll is None:
            return
        for _ in range(4 * _ROUNDS):
            if not await self._poller.once():
                return
        fail("polling does not come to an end: every page says that there is more")

    async def apply(self) -> None:
        """Apply what is in the inbox, and what that makes the gateway read."""
        for _ in range(_ROUNDS):
            if not await self._applier.round():
                return

    async def hear(self, wait: float = 3.0) -> None:
        """Let all news of the app come in and be applied: webhooks, polls, what is read after hints and gaps."""
        await self.travel(wait)
        if not self.ear.keeps:
            await self.called()
        await self.poll()
        await self.apply()

    # -- the app ---------------------------------------------------------------------------------------------------

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
            body["document"] = {"name": "jawaban.png", "media_type": "image/png", "data": _base64(filing.picture(7))}
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


@asynccontextmanager
async def opened(
    subject: Subject, folder: Path, url: str, time: Time, manifest: Manifest, environ: dict[str, str], *, limited: bool
) -> AsyncIterator[Room]:
    """Open a room on a fresh ledger."""
    ear, wire = Ear(subject.name), Proxy(waiting=lambda: time.skip(manifest.timeouts.total + 0.5))
    await ear.start()
    setting = Setting(
        app=subject.name,
        folder=folder / "app",
        territory=subject.config / "territory.csv",
        clock=time,
        gateway=ear.url,
        environ=dict(subject.secrets),
    )
    ledger = await Ledger.open(url, folder / "data", time, SeededEntropy(7))
    try:
        sandbox = subject.sandbox(setting)
        if not limited:
            sandbox.store.set_quirk("unlimited", True)
        async with serving(sandbox) as address:
            wire.target = address
            await wire.start()
            room = Room(subject, subject.routed, ledger, folder, time, sandbox, wire, ear, environ)
            try:
                await room.employ(manifest)
                yield room
            finally:
                await ear.stop()
                if hasattr(room, "host"):
                    await room.host.close()
                await wire.stop()
    finally:
        await ear.stop()
        await ledger.close()


def _key(number: int) -> str:
    """Return a delivery key of ours, another for each number."""
    return f"{new_code(lambda bound: (number * 7_368_787 + 1_234_567) % bound)}-1"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
