"""A gateway of the simulation: one process with its door and its worker, over the database that all of them share."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

from gateway.flows.delivery.deliver import Deliverer
from gateway.flows.delivery.reconcile import Reconciler
from gateway.flows.desk.move import Mover
from gateway.flows.inbound.adopt import Adopter
from gateway.flows.inbound.apply import Applier
from gateway.flows.inbound.poll import Poller
from gateway.flows.inbound.receive import Inbound
from gateway.flows.inbound.store import Store
from gateway.kernel.host import Host, Registry
from gateway.kernel.host.registry import FoundConnector
from gateway.kernel.ledger import Keyring, Ledger, Stale
from gateway.kernel.ledger.blobs import Blobs
from gateway.kernel.ledger.reading import Whole, case_ref, report_by_code
from gateway.model.codes import new_code
from gateway.model.delivery import Command
from gateway.model.principal import EVERYTHING, Actor
from gateway.model.report import Content
from gateway.model.status import Status
from gateway.sdk import Amendment, Submission
from gateway.sdk.entropy import SeededEntropy
from tests.simulator.line import TOKEN
from tests.simulator.loop import Loop, Process, Time
from tests.simulator.store import MemoryStore
from tests.simulator.wake import Patience, SeldomWake

CITIZEN: Final = Actor(kind="citizen", ref="c2fhk3v5m7q2w4xz")
_PAUSE_S: Final = 0.2


class Office:
    """One process of the gateway."""

    def __init__(
        self,
        name: str,
        loop: Loop,
        time: Time,
        store: MemoryStore,
        keyring: Keyring,
        apps: Mapping[str, FoundConnector],
        patience: Patience,
        seed: int,
    ) -> None:
        self.name, self._loop = name, loop
        self.process = Process(name, loop)
        self.falls = 0
        self.ledger = Ledger(store, keyring, time, SeededEntropy(seed))
        self.host = Host(Registry(apps, {}), time, self.ledger.entropy)
        self.wake = SeldomWake(patience)
        self.store = Store(self.ledger, self.wake)
        self.inbound = Inbound(self.ledger, self.host, self.store)
        self.mover = Mover(self.ledger, self.host, self.wake)
        self._stop = asyncio.Event()

    def open(self) -> None:
        """Start the writer and all loops."""
        self.process.start(self._begin())

    async def _begin(self) -> None:
        self.ledger.start()
        blobs = cast(Blobs, None)  # no report of the simulation has files
        adopter = Adopter(self.ledger, self.host, cast(Any, None), self.wake)  # nor is any born in an app
        for app in self.host.apps():
            self._keep(Applier(app, self.ledger, self.host, self.store, adopter, self.wake).run)
            self._keep(Reconciler(app, self.ledger, self.host, self.wake).run)
            if (poll := self.host.manifest(app).poll) is not None:
                self._keep(Poller(app, self.ledger, self.host, self.store, self.wake, poll.interval_s).run)
            for emergency in (True, False):
                self._keep(Deliverer(app, emergency, self.ledger, self.host, self.wake, blobs, self.name).run)

    def _keep(self, run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        """Run a loop, and start it again when it falls over, as the worker's supervisor does."""

        async def keep() -> None:
            while not self._stop.is_set():
                fallen = asyncio.ensure_future(run(self._stop))
                await asyncio.wait([fallen])
                if fallen.cancelled():
                    return
                if fallen.exception() is not None:
                    self.falls += 1
                    await asyncio.sleep(_PAUSE_S)

        self.process.start(keep())

    # -- what reaches its door ---------------------------------------------------------------------------------

    def hook(self, app: str, body: bytes) -> asyncio.Task[int]:
        """Take a webhook."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        return self.process.start(self.inbound.receive(app, headers, body))

    def file(self, apps: list[tuple[str, int]], emergency: bool) -> asyncio.Task[list[str]]:
        """File a report with a case in each app and so many messages to it; the task returns the deliveries' keys."""
        return self.process.start(self._file(apps, emergency))

    async def _file(self, apps: list[tuple[str, int]], emergency: bool) -> list[str]:
        ledger, vault = self.ledger, self.ledger.vault
        act = ledger.act(CITIZEN, "POST /v1/reports")
        code, key, report_id = new_code(ledger.entropy.below), vault.new_key(), act.new_id()
        values: dict[str, Any] = {
            "id": report_id,
            "service": "IC-ROAD",
            "kind": "complaint",
            "priority": "P1" if emergency else "P3",
            "privacy": "normal",
            "emergency": emergency,
            "agency": "PUPR",
            "village": None,
            "status": Status.RECEIVED,
            "identity": "open",
            "channel": "mobile",
            "owner": None,
            "epoch": 0,
            "received_at": act.now,
            "updated_at": act.now,
            "rule": "simulator",
            "config": "c" * 64,
            "deliveries": sum(1 + messages for _, messages in apps),
            "kek": vault.current,
            "wrapped": vault.wrap(key, report_id.hex),
            "sealed": key.seal("content", Content(description="Jalan berlubang")),
        }
        report = act.open(code, key, values, rule="simulator", config="c" * 64)
        act.say(report, "report.received", "gateway")
        keys: list[str] = []
        for number, (app, messages) in enumerate(apps, start=1):
            row = {"app": app, "profile": None, "service": "IC-ROAD", "agency": "PUPR", "status": Status.RECEIVED}
            case = act.open_case(report, number, row | {"reason": "routed", "rule": "simulator"}, "c" * 64)
            submission = Submission(
                key=f"{code}-{len(keys) + 1}",
                code=code,
                service="IC-ROAD",
                category="",
                profile=None,
                priority="P3",
                title="Jalan berlubang",
                text="Jalan berlubang",
                occurred_at=act.now,
                received_at=act.now,
            )
            keys.append(act.send(report, case, len(keys) + 1, Command.OPEN, submission, emergency))
            for _ in range(messages):
                keys.append(self._message(act, report, case, code, len(keys) + 1, emergency))
        await ledger.commit(act)
        self.wake.ring("delivery")
        return keys

    def _message(self, act: Any, report: Any, case: Any, code: str, number: int, emergency: bool) -> str:
        amendment = Amendment(key=f"{code}-{number}", code=code, command="message", text="Masih", at=act.now)
        return str(act.send(report, case, number, Command.MESSAGE, amendment, emergency))

    def add(self, code: str, emergency: bool) -> asyncio.Task[list[str]]:
        """Add a message to a report, which goes to each of its cases; the task returns the deliveries' keys."""
        return self.process.start(self._add(code, emergency))

    async def _add(self, code: str, emergency: bool) -> list[str]:
        while True:
            whole = await self.ledger.read(report_by_code, EVERYTHING, code)
            assert isinstance(whole, Whole)
            act = self.ledger.act(CITIZEN, "POST /v1/reports/messages")
            report, first = whole.ref(self.ledger.vault), int(whole.report["deliveries"])
            keys = [
                self._message(act, report, case_ref(case), code, first + number, emergency)
                for number, case in enumerate(whole.cases, start=1)
            ]
            act.touch(report, deliveries=first + len(keys))
            try:
                await self.ledger.commit(act)
            except Stale:
                continue
            self.wake.ring("delivery")
            return keys


def rows_of(store: MemoryStore, table: Any) -> list[dict[str, Any]]:
    """Return all rows of a table, as they stand."""
    return store.look(lambda connection: [dict(row) for row in connection.execute(table.select()).mappings()])
