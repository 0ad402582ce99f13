"""Reports filed straight into a ledger, by the verbs of acts: for tests of what reads and moves them."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.kernel.ledger import Act, CaseRef, Ledger, ReportRef, migrate
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.outcome import settle_delivery
from gateway.kernel.ledger.progress import Happening, progress
from gateway.kernel.ledger.reading import Row, Whole, delivery_by_key, report_by_code, with_events
from gateway.model.case import CaseEvent
from gateway.model.codes import new_code
from gateway.model.delivery import Command, DeliveryState, Next
from gateway.model.entry import Hop
from gateway.model.link import LinkKind
from gateway.model.principal import EVERYTHING, GATEWAY, Actor, app_actor
from gateway.model.report import Content, Place, Reporter
from gateway.model.status import Status
from gateway.sdk.entropy import SeededEntropy

START = datetime(2026, 1, 28, 6, 2, 11, 120000, tzinfo=UTC)
CITIZEN = Actor(kind="citizen", ref="c2fhk3v5m7q2w4xz")
CONTENT = Content(
    description="Air naik setinggi lutut di depan masjid",
    place=Place(latitude=-4.4321, longitude=119.6543, village="73.11.07.1001", address="Jl. Poros", landmark="Masjid"),
    attributes={"tinggi_air_cm": 50},
    reporter=Reporter(
        name="Andi Mappa", phone="+6281234567890", email="andi@example.id", national_id="7311014107850001"
    ),
)


class StillClock:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def real(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def on(self, **span: float) -> datetime:
        """Move by `timedelta(**span)`."""
        self.at += timedelta(**span)
        return self.at


@contextlib.asynccontextmanager
async def opened(url: str, folder: Path, seed: int = 1) -> AsyncIterator["Books"]:
    """A migrated ledger on a fresh database."""
    await migrate(url)
    clock = StillClock()
    ledger = await Ledger.open(url, folder / "data", clock, SeededEntropy(seed))
    try:
        yield Books(ledger, clock)
    finally:
        await ledger.close()


class Books:
    """A ledger with verbs that tests think in."""

    def __init__(self, ledger: Ledger, clock: StillClock) -> None:
        self.ledger, self.clock = ledger, clock

    async def file(
        self,
        service: str = "EM-FLOOD",
        cases: Sequence[tuple[str, str]] = (("cc112", "BPBD"),),
        *,
        owner: str | None = "issuer|andi",
        content: Content = CONTENT,
        follow_up_to: str | None = None,
        actor: Actor = CITIZEN,
        **row: Any,
    ) -> str:
        """File a report with cases (app, agency); cases in apps get a delivery. Returns its code."""
        entropy, vault = self.ledger.entropy, self.ledger.vault
        act = self.ledger.act(actor, "request:test")
        code, key, report_id = new_code(entropy.below), vault.new_key(), act.new_id()
        sent = [app for app, _ in cases if app != "gateway"]
        values: dict[str, Any] = {
            "id": report_id,
            "service": service,
            "kind": "emergency",
            "priority": "P1",
            "privacy": "normal",
            "emergency": True,
            "agency": cases[0][1],
            "village": content.place.village,
            "status": Status.RECEIVED,
            "identity": "open",
            "channel": "mobile",
            "owner": owner,
            "client_ref": None,
            "epoch": 1,
            "born_in": None,
            "occurred_at": None,
            "received_at": act.now,
            "updated_at": act.now,
            "rule": "route-flood",
            "config": "c" * 64,
            "deliveries": len(sent),
            "kek": vault.current,
            "wrapped": vault.wrap(key, report_id.hex),
            "sealed": key.seal("content", content),
        } | row
        ref = act.open(code, key, values, rule=values["rule"], config=values["config"])
        act.say(ref, "report.received", "gateway", status=Status.RECEIVED)
        number = 0
        for index, (app, agency) in enumerate(cases, start=1):
            case = act.open_case(
                ref,
                index,
                {
                    "app": app,
                    "profile": None,
                    "service": service,
                    "agency": agency,
                    "status": Status.RECEIVED,
                    "reason": "app_absent" if app == "gateway" else "routed",
                    "rule": values["rule"],
                },
                values["config"],
            )
            if app != "gateway":
                number += 1
                act.send(ref, case, number, Command.OPEN, {"text": "frozen"}, emergency=values["emergency"])
        act.insert(
            t.deadline,
            until="ended",
            met_at=None,
            report_id=report_id,
            clock="emergency",
            by=act.now + timedelta(minutes=15),
            state="running",
            rule="sla-emergency",
        )
        if follow_up_to is not None:
            other = await self.whole(follow_up_to)
            act.link(ref, other.id, follow_up_to, LinkKind.FOLLOW_UP_TO)
        await self.ledger.commit(act)
        return code

    async def whole(self, code: str) -> Whole:
        found = await self.ledger.read(report_by_code, EVERYTHING, code)
        assert found is not None
        return found

    async def delivery(self, key: str) -> Row:
        return (await self.ledger.read(delivery_by_key, [key]))[0]

    async def claim(self, app: str = "cc112") -> None:
        """Take up what is due to an app, as its worker would."""
        for emergency in (True, False):
            await self.ledger.claim([app], emergency, 50, timedelta(seconds=30), "test")

    async def settle(self, key: str, state: DeliveryState, outcome: str, http: int | None = None, **more: Any) -> None:
        """Let a claimed delivery end in a state."""
        row = await self.delivery(key)
        whole = await self.whole(key.rpartition("-")[0])
        act = self.ledger.act(GATEWAY, f"delivery:{key}#{row['attempt']}")
        hop = Hop(
            direction="out",
            app=row["app"],
            operation=row["command"],
            delivery=key,
            attempt=row["attempt"],
            outcome=outcome,
            http=http,
            latency_ms=43,
        )
        case_number = whole.case(row["case_id"])["number"]
        settle_delivery(
            act,
            whole.ref(self.ledger.vault),
            case_number,
            row,
            Next(state=state, alert=state in {DeliveryState.HELD, DeliveryState.DEAD}),
            hop,
            http=http,
            **more,
        )
        await self.ledger.commit(act)

    async def refer(self, code: str, case: int, kind: str, value: str) -> None:
        """Give a case a number of its app."""
        act = self.ledger.act(app_actor("cc112"), "receipt")
        report, ref = await self.refs(code, case)
        act.refer(report, ref, [(kind, value)])
        await self.ledger.commit(act)

    async def refs(self, code: str, case: int) -> tuple[ReportRef, CaseRef]:
        whole = await self.whole(code)
        row = whole.cases[case - 1]
        return whole.ref(self.ledger.vault), CaseRef(
            id=row["id"], number=row["number"], app=row["app"], version=row["version"]
        )

    async def hear(
        self, code: str, case: int, event_id: str, status: Status | None, word: str | None = None, **more: Any
    ) -> None:
        """Let the app of a case say something."""
        whole = await self.whole(code)
        row = whole.cases[case - 1]
        found = await self.ledger.read(with_events, EVERYTHING, whole.id)
        assert found is not None
        act = self.ledger.act(app_actor(row["app"]), f"webhook:{event_id}")
        at = more.pop("at", self.clock.now())
        text = more.pop("text", None)
        event = CaseEvent(id=event_id, at=at, status=status, word=word, **more)
        hop = Hop(direction="in", app=row["app"], operation="webhook")
        happening = Happening(event=event, kind="incident.updated", by=row["agency"], text=text, hop=hop)
        progress(act, self.ledger.vault, found[0], row["id"], [happening], found[1][row["id"]])
        await self.ledger.commit(act)

    async def accepted(self, key: str, number: str, kind: str = "ticket_no") -> None:
        """Carry a delivery to its app and let it be accepted under a number."""
        code, _, _ = key.rpartition("-")
        await self.claim((await self.delivery(key))["app"])
        self.clock.on(milliseconds=50)
        await self.settle(key, DeliveryState.ACCEPTED, "accepted", 201, how="receipt")
        await self.refer(code, int((await self.case_of(key))["number"]), kind, number)

    async def case_of(self, key: str) -> Row:
        row = await self.delivery(key)
        return (await self.whole(key.rpartition("-")[0])).case(row["case_id"])

    async def act(self, act: Act) -> None:
        await self.ledger.commit(act)


async def flood(books: Books) -> tuple[str, str]:
    """The flood at Takkalasi: through 112 to its end, and a house-damage record that follows it. Codes."""
    code = await books.file()
    books.clock.on(milliseconds=300)
    await books.claim()
    books.clock.on(milliseconds=43)
    await books.settle(f"{code}-1", DeliveryState.QUEUED, "retryable", 503, cause="http_503")
    books.clock.on(seconds=3)
    await books.accepted(f"{code}-1", "112-BRU-20260128-0007")
    books.clock.on(minutes=2)
    await books.hear(code, 1, "e-3", Status.ROUTED, "DISPATCHED", seq=3)
    books.clock.on(minutes=13)
    await books.hear(code, 1, "e-5", Status.ON_SCENE, "ON_SCENE", seq=5, text="Perahu karet tiba")
    await books.hear(code, 1, "e-4", Status.ROUTED, "DISPATCHED", seq=4)
    books.clock.on(hours=3)
    await books.hear(code, 1, "e-6", Status.RESOLVED, "CLOSED/handled", seq=6)
    books.clock.on(hours=4)
    operator = Actor(kind="operator", ref="k4m2n6p7q3r5s7tv", org="KEL-TAKKALASI")
    damage = await books.file(
        "VI-DAMAGE",
        [("sigapdes", "BPBD")],
        follow_up_to=code,
        actor=operator,
        kind="request",
        emergency=False,
        priority="P2",
        privacy="personal",
        rule="route-village-damage",
        channel="desk",
    )
    books.clock.on(seconds=1)
    await books.accepted(f"{damage}-1", "kerusakan:45", "id")
    books.clock.on(days=1)
    await books.hear(damage, 1, "k-45-2", Status.IN_PROGRESS, "2")
    return code, damage
