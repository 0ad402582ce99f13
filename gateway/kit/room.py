"""A room to try a connector in: the real host, delivery and inbound flows on a temporary SQLite, the simulated app on a
real socket, and the wire between them, where everything can happen. Nothing runs by itself: the rule says whose turn it
is, and how much time passes in between.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.flows.delivery.deliver import Deliverer
from gateway.flows.delivery.reconcile import Reconciler
from gateway.flows.inbound.adopt import Adopter
from gateway.flows.inbound.apply import Applier
from gateway.flows.inbound.drift import Lister
from gateway.flows.inbound.fetch import Fetcher
from gateway.flows.inbound.inbox import ASKED_AFTER
from gateway.flows.inbound.poll import Poller
from gateway.flows.inbound.receive import Inbound
from gateway.flows.inbound.store import Store
from gateway.flows.inbound.sweep import Sweeper
from gateway.flows.intake.files import Files
from gateway.flows.tracking.bodies import MessageBody, MessageTaken, Withdrawn
from gateway.flows.tracking.message import Messages
from gateway.flows.tracking.once import Caller
from gateway.flows.tracking.withdraw import Withdrawer
from gateway.kernel.host import FoundConnector, Host, Outcome, Registry
from gateway.kernel.ledger import Ledger
from gateway.kernel.ledger.blobs import Blobs
from gateway.kernel.ledger.reading import Whole, case_ref
from gateway.kernel.policy import Policy
from gateway.kernel.policy.opening import File, Opener, followed
from gateway.kit import filing, queries
from gateway.kit.books import Books, Row
from gateway.kit.ear import Ear
from gateway.kit.moment import Time
from gateway.kit.office import Office
from gateway.kit.rule import Failed, expect, fail
from gateway.kit.subject import Subject
from gateway.kit.turns import Quiet, Turn
from gateway.kit.wire import Proxy
from gateway.model.catalogue import Kind, Service
from gateway.model.codes import new_code
from gateway.model.delivery import Command, DeliveryState
from gateway.model.principal import EVERYTHING, Actor, Principal, Role
from gateway.sdk import Amendment, Linked, Secrets, Submission
from gateway.sdk.entropy import SeededEntropy
from gateway.sdk.manifest import Manifest
from gateway.sdk.sandbox import Sandbox, Setting, serving

ENDED: Final = frozenset({DeliveryState.ACCEPTED, DeliveryState.HELD, DeliveryState.DEAD, DeliveryState.CANCELLED})
CITIZEN: Final = Principal(issuer="kit", subject="kenari", roles=frozenset({Role.CITIZEN}))
_ACTOR: Final = Actor(kind="citizen", ref="kenari0kenari000")
_ROUNDS: Final = 60
_REAL_S: Final = 10.0
_STEP_S: Final = 0.05
_LONGEST_STEP_S: Final = 1.0
_REAL_STEP_S: Final = 0.0005


class Room(Books, Office):
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
        self.host = Host(Registry({self.app: found}, {}), self.time, SeededEntropy(7))
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
        self._fetcher = Fetcher(self.app, self.ledger, self.host, self.blobs, self.wake)
        self._sweeper = Sweeper(self.app, self.ledger, self.host, self.store, self.wake)
        self._lister = Lister(self.app, self.ledger, self.host, self.store, self.wake)
        self._deliverers = {
            emergency: Deliverer(self.app, emergency, self.ledger, self.host, self.wake, self.blobs, "kit")
            for emergency in (True, False)
        }

    async def leave(self) -> None:
        """End the gateway's side: nothing comes in any more, nothing goes out."""
        await self.ear.stop()
        if hasattr(self, "host"):
            await self.host.close()

    # -- filing ----------------------------------------------------------------------------------------------------

    async def file(
        self, service: Service | None = None, text: str = filing.TEXT, *, hidden: bool = False, photos: int = 0
    ) -> str:
        """Open a report that goes to the app, as intake opens it; return its delivery's key. Nothing is sent yet."""
        service = service or self.subject.service()
        _ = self.subject.level
        earlier = await self._earlier(service)
        draft = filing.draft_of(self.subject, service, self.time.now(), text, hidden=hidden)
        files = await self._upload(service, photos)
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

    async def submit(self, submission: Submission, deadline_s: float | None = None) -> Outcome:
        """Send a submission by the host alone, with the app's category and what the app may have of it."""
        prepared, _ = self.host.prepare(self.app, submission.profile, submission)
        outcome = await self.host.submit(self.app, prepared, deadline_s)
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

    async def _upload(self, service: Service, photos: int) -> tuple[File, ...]:
        """Upload the files that a report must carry, and some photos; return them as intake hands them on."""
        forms = {field.code for field in service.fields if filing.is_file(field)}
        roles = filing.roles_of(self.subject, service)
        answers = {role: await self._uploaded() for role in roles if role in forms}
        free = [await self._uploaded() for _ in range(photos + len(roles) - len(answers))]
        return await self.files.chosen(CITIZEN, free, service, answers)

    async def _uploaded(self) -> str:
        self._filed += 1
        return (await self.files.take(CITIZEN, "image/png", filing.picture(self._filed))).id

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

    async def write(self, key: str, text: str) -> MessageTaken:
        """Let the reporter write a message, as his page takes it; return what he is answered."""
        messages = Messages(self.ledger, self.policy, self.host, self.wake)
        code = (await self.report(key)).code
        answer = await messages.take(
            CITIZEN, EVERYTHING, _ACTOR, code, MessageBody(text=text), None, lambda _: []
        )  # fmt: skip
        return msgspec.json.decode(answer, type=MessageTaken)

    async def withdraw(self, key: str) -> Withdrawn:
        """Let the reporter take his report back, as his page does; return what he is answered."""
        whole = await self.report(key)
        caller = Caller(principal=CITIZEN, scope=EVERYTHING, actor=_ACTOR, code=whole.code)
        act, told = await Withdrawer(self.ledger, self.host).withdraw(caller, "Sudah selesai sendiri", whole)
        if act is not None:
            await self.ledger.commit(act)
        return told

    # -- turns -----------------------------------------------------------------------------------------------------

    async def carry(self) -> None:
        """Let the workers carry everything that is due."""
        for emergency, deliverer in self._deliverers.items():
            for _ in range(_ROUNDS):
                due = await self.ledger.read(queries.due, self.app, emergency, self.time.real())
                if not due or not self.host.ready(self.app) or (self.host.waits(self.app) and not emergency):
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
            wait = max([(at - self.time.now()).total_seconds() for at in moments], default=0.0)
            await self.travel(max(wait, self.host.waits(self.app), 0.0) + 0.05)
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
        """Do several things at once; time goes on by itself while nothing is under way on the wire or in a thread: a
        little at first, then faster, never past what is due."""
        gathered, step = asyncio.gather(*acts), _STEP_S
        while not gathered.done():
            if self.wire.busy or self.time.working or not self.time.on(step):
                step = _STEP_S
            else:
                step = min(step * 1.3, _LONGEST_STEP_S)
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
        """Apply what is in the inbox, and what that makes the gateway read a moment later."""
        for _ in range(_ROUNDS):
            if await self._applier.round():
                continue
            now = self.time.real()
            if not await self.ledger.read(queries.soon, self.app, now, now + ASKED_AFTER):
                return
            await self.travel(ASKED_AFTER.total_seconds())

    async def hear(self, wait: float = 3.0) -> None:
        """Let all news of the app come in and be applied: webhooks, polls, what is read after hints and gaps."""
        await self.travel(wait)
        if not self.ear.keeps:
            await self.called()
        await self.poll()
        await self.apply()

    async def fetch(self) -> None:
        """Fetch the documents that are due."""
        await self._fetcher.round()
        await self.calm()

    async def sweep(self) -> int:
        """Sweep the days that are over; return how many were, and apply what that brought."""
        swept = await self._sweeper.round()
        await self.apply()
        return swept

    async def compare(self) -> None:
        """Hold the app's own lists against the maps."""
        if not await self._lister.look():
            fail("the app's own lists cannot be read", "Let catalogue return what the app lists.")


@asynccontextmanager
async def opened(
    subject: Subject, folder: Path, url: str, time: Time, manifest: Manifest, environ: dict[str, str], *, limited: bool
) -> AsyncIterator[Room]:
    """Open a room on a fresh ledger. Whatever of it was begun is ended, also where the rest cannot begin."""
    ear, wire = Ear(subject.name), Proxy(waiting=lambda: time.skip(manifest.timeouts.total + 0.5))
    async with AsyncExitStack() as leaving:
        leaving.push_async_callback(ear.stop)
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
        leaving.push_async_callback(ledger.close)
        sandbox = subject.sandbox(setting)
        if not limited:
            sandbox.store.set_quirk("unlimited", True)
        wire.target = await leaving.enter_async_context(serving(sandbox))
        leaving.push_async_callback(wire.stop)
        await wire.start()
        room = Room(subject, subject.routed, ledger, folder, time, sandbox, wire, ear, environ)
        leaving.push_async_callback(room.leave)
        await room.employ(manifest)
        yield room


def _key(number: int) -> str:
    """Return a delivery key of ours, another for each number."""
    return f"{new_code(lambda bound: (number * 7_368_787 + 1_234_567) % bound)}-1"
