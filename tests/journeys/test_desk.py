"""The desk: no report without a next step, no stuck delivery without a way out, every move with who and why."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import Connection, select

from gateway.flows.desk import queries
from gateway.flows.desk.answer import CLOSE, REPLY, Officer
from gateway.flows.desk.move import Mover
from gateway.flows.desk.possible import possible
from gateway.flows.desk.show import delivery_view, health, queue_item
from gateway.flows.desk.who import Desk, desk_of
from gateway.kernel.coordination import LocalWake
from gateway.kernel.host import Host, Registry, carries
from gateway.kernel.ledger import tables as t
from gateway.model.delivery import TRANSITIONS, Command, DeliveryState
from gateway.model.entry import Entry
from gateway.model.principal import EVERYTHING, Actor, Principal, Role, Scope
from gateway.model.problem import Problem
from gateway.model.status import TRANSITIONS as STATUS_MOVES
from gateway.model.status import Status
from gateway.sdk import Amendment
from tests.journeys.filed import Books, StillClock, opened
from tests.journeys.stage import DAMAGE, FLOOD, staged

ROOT = Path(__file__).parents[2]
ACTOR = Actor(kind="operator", ref="d2e3s4k5o6p7q2r3", org="BPBD")
BPBD = Desk(scope=Scope(agency="BPBD"), actor=ACTOR, agency="BPBD", by="BPBD")
DLH = Desk(scope=Scope(agency="DLH"), actor=ACTOR, agency="DLH", by="DLH")
ALL = Desk(scope=EVERYTHING, actor=ACTOR, agency=None, by="gateway")
ACROSS = ["ask", "refer", "split", "link", "assign"]
MOVE_TO = {"replay": DeliveryState.QUEUED, "resolve": DeliveryState.ACCEPTED, "cancel": DeliveryState.CANCELLED}


class Hall:
    """A ledger, the apps (112 is up, the village app is off), and those who work at the desk."""

    def __init__(self, books: Books) -> None:
        environ = {
            "GATEWAY_CC112_BASE_URL": "http://127.0.0.1:9",
            "GATEWAY_CC112_API_KEY": "k",
            "GATEWAY_CC112_WEBHOOK_SECRET": "s",
        }
        self.books, self.ledger = books, books.ledger
        self.host = Host(Registry.discover([ROOT / "connectors"], environ), books.clock)
        wake = LocalWake()
        self.mover, self.officer = Mover(self.ledger, self.host, wake), Officer(self.ledger, self.host, wake)

    async def entries(self, code: str) -> list[Entry]:
        def work(connection: Connection) -> list[Entry]:
            rows = connection.execute(select(t.entry.c.body).where(t.entry.c.stream == code).order_by(t.entry.c.seq))
            return [msgspec.json.decode(body, type=Entry) for body in rows.scalars()]

        return await self.ledger.read(work)

    async def told(self, code: str, internal: bool = False) -> list[tuple[str, str, str | None]]:
        """What the timeline says: (notice, by, text)."""
        whole = await self.books.whole(code)
        key = whole.key(self.ledger.vault)

        def work(connection: Connection) -> list[tuple[str, str, str | None]]:
            rows = connection.execute(
                select(t.timeline)
                .where(t.timeline.c.report_id == whole.id, t.timeline.c.internal.is_(internal))
                .order_by(t.timeline.c.id)
            ).mappings()
            return [
                (row["notice"], row["by"], None if row["sealed"] is None else key.open("text", row["sealed"], str))
                for row in rows
            ]

        return await self.ledger.read(work)

    async def stuck(self, state: DeliveryState = DeliveryState.HELD, **more: object) -> tuple[str, UUID]:
        """A report to 112 whose delivery got stuck: its code and the delivery's id."""
        code = await self.books.file()
        await self.books.claim()
        await self.books.settle(f"{code}-1", state, "rejected", 422, cause="invalid", field="place", **more)
        return code, (await self.books.delivery(f"{code}-1"))["id"]

    async def alerts(self, key: str) -> list[UUID]:
        return await self.ledger.read(queries.open_alerts, key)

    async def queue(self, desk: Desk) -> list[tuple[str, str]]:
        now = self.ledger.clock.now()
        rows = await self.ledger.read(queries.queue, desk.scope, desk.agency, now, 50, 0)
        return [(row["code"], row["why"]) for row in rows]


@asynccontextmanager
async def hall(url: str, folder: Path) -> AsyncIterator[Hall]:
    async with opened(url, folder) as books:
        made = Hall(books)
        try:
            yield made
        finally:
            await made.host.close()


def refusal(refused: pytest.ExceptionInfo[Problem]) -> tuple[int, str]:
    return refused.value.status, str(refused.value.params.get("possible", ""))


# -- deliveries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", [0, 1])
@pytest.mark.parametrize("state", list(DeliveryState))
def test_a_person_makes_only_moves_of_the_machine(state: DeliveryState, attempt: int) -> None:
    for move in possible(state, attempt):
        assert MOVE_TO[move] in TRANSITIONS[state]
    assert possible(DeliveryState.QUEUED, 0) == ["cancel"]
    assert possible(DeliveryState.QUEUED, 1) == []  # bytes may have left
    assert possible(DeliveryState.SENDING, 1) == []
    assert possible(DeliveryState.HELD, 3) == possible(DeliveryState.DEAD, 20) == ["replay", "resolve", "cancel"]
    assert possible(DeliveryState.UNSURE, 1) == ["resolve"]


@pytest.mark.parametrize("state", [DeliveryState.HELD, DeliveryState.DEAD])
async def test_replay_sends_the_same_delivery_again_now(
    database_url: str, tmp_path: Path, state: DeliveryState
) -> None:
    async with hall(database_url, tmp_path) as here:
        code, delivery = await here.stuck(state)
        before = await here.books.delivery(f"{code}-1")
        assert await here.alerts(f"{code}-1")
        here.books.clock.on(days=4)
        await here.mover.replay(BPBD, delivery, "Alamat sudah benar, 081234567890")
        row = await here.books.delivery(f"{code}-1")
        assert (row["state"], row["attempt"], row["replayed_at"], row["due_at"]) == (
            "queued",
            1,
            here.books.clock.at,
            here.books.clock.at,
        )
        assert row["sealed"] == before["sealed"]
        assert not await here.alerts(f"{code}-1")
        entry = (await here.entries(code))[-1]
        assert (entry.kind, entry.actor, entry.rule, entry.facts) == (
            "delivery.replayed",
            ACTOR,
            "desk:replay",
            {"from": str(state)},
        )
        assert "reason" in entry.commits
        assert b"081234567890" not in msgspec.json.encode(entry)
        assert (await here.told(code, internal=True))[-1] == (
            "desk.note",
            "BPBD",
            f"{code}-1: Alamat sudah benar, 081234567890",
        )
        # The worker takes it up again under the same key.
        await here.books.claim()
        row = await here.books.delivery(f"{code}-1")
        assert (row["state"], row["attempt"]) == ("sending", 2)


@pytest.mark.parametrize("state", [DeliveryState.HELD, DeliveryState.DEAD, DeliveryState.UNSURE])
async def test_resolve_takes_a_number_for_evidence(database_url: str, tmp_path: Path, state: DeliveryState) -> None:
    async with hall(database_url, tmp_path) as here:
        code, delivery = await here.stuck(state)
        await here.mover.resolve(BPBD, delivery, "ticket_no", "112-BRU-20260128-0007", "Ditelepon ke 112")
        assert (await here.books.delivery(f"{code}-1"))["state"] == "accepted"
        whole = await here.books.whole(code)
        assert [row["value"] for row in whole.references] == ["112-BRU-20260128-0007"]
        entry = next(entry for entry in await here.entries(code) if entry.kind == "delivery.accepted")
        assert (entry.actor, entry.rule) == (ACTOR, "desk:resolve")
        assert entry.facts == {"from": str(state), "how": "person", "number": "112-BRU-20260128-0007"}
        assert ("delivery.forwarded", "cc112", None) in await here.told(code)
        assert not await here.alerts(f"{code}-1")
        with pytest.raises(Problem) as refused:
            await here.mover.resolve(BPBD, delivery, "ticket_no", "other", "again")
        assert refusal(refused) == (409, "-")


async def test_a_number_of_another_case_is_no_evidence(database_url: str, tmp_path: Path) -> None:
    async with hall(database_url, tmp_path) as here:
        other = await here.books.file()
        await here.books.accepted(f"{other}-1", "112-BRU-20260128-0001")
        code, delivery = await here.stuck()
        with pytest.raises(Problem) as refused:
            await here.mover.resolve(BPBD, delivery, "ticket_no", "112-BRU-20260128-0001", "kata petugas")
        assert refused.value.status == 409
        assert (await here.books.delivery(f"{code}-1"))["state"] == "held"


async def test_cancel_brings_the_report_to_the_desk(database_url: str, tmp_path: Path) -> None:
    async with hall(database_url, tmp_path) as here:
        code, delivery = await here.stuck()
        report, case = await here.books.refs(code, 1)
        act = here.ledger.act(ACTOR, "test")
        words = Amendment(key=f"{code}-2", code=code, command="message", text="lagi", at=act.now)
        act.send(report, case, 2, Command.MESSAGE, words, False)
        act.touch(report, deliveries=2)
        await here.ledger.commit(act)
        await here.mover.cancel(BPBD, delivery, "112 menolak")
        states = [(await here.books.delivery(f"{code}-{number}"))["state"] for number in (1, 2)]
        assert states == ["cancelled", "cancelled"]
        whole = await here.books.whole(code)
        assert whole.report["status"] == "received"
        assert [(row["app"], row["status"], row["reason"]) for row in whole.cases] == [
            ("cc112", "cancelled", "routed"),
            ("gateway", "received", "delivery_cancelled"),
        ]
        assert await here.queue(BPBD) == [(code, "desk")]
        done = await here.officer.reply(BPBD, code, None, "Kami tangani", None)
        assert (done.case, done.status) == (2, "in_progress")


async def test_what_is_not_allowed_is_refused_with_what_is(database_url: str, tmp_path: Path) -> None:
    async with hall(database_url, tmp_path) as here:
        code, delivery = await here.stuck(DeliveryState.UNSURE)
        with pytest.raises(Problem) as refused:
            await here.mover.replay(BPBD, delivery, "sekarang")
        assert refusal(refused) == (409, "resolve")
        fresh = await here.books.file()
        queued = (await here.books.delivery(f"{fresh}-1"))["id"]
        with pytest.raises(Problem) as refused:
            await here.mover.replay(BPBD, queued, "sekarang")
        assert refusal(refused) == (409, "cancel")
        await here.books.claim()
        with pytest.raises(Problem) as refused:
            await here.mover.cancel(BPBD, queued, "terlambat")
        assert refusal(refused) == (409, "-")
        kinds = {entry.kind for one in (code, fresh) for entry in await here.entries(one)}
        assert not kinds & {"delivery.replayed", "delivery.cancelled"}
        for desk, what in ((DLH, delivery), (BPBD, uuid4())):
            with pytest.raises(Problem) as refused:
                await here.mover.resolve(desk, what, "id", "1", "bukan urusan saya")
            assert refused.value.status == 404


# -- queue, deliveries and health ------------------------------------------------------------------------------------


async def test_the_queue_shows_what_needs_a_person_most_pressing_first(database_url: str, tmp_path: Path) -> None:
    async with hall(database_url, tmp_path) as here:
        late = await here.books.file()
        await here.books.accepted(f"{late}-1", "112-1")
        here.books.clock.on(seconds=1)
        stuck, _ = await here.stuck()
        here.books.clock.on(seconds=1)
        calm = await here.books.file("XX-OTHER", [("gateway", "BPBD")], emergency=False)
        here.books.clock.on(seconds=1)
        urgent = await here.books.file("EM-FIRE", [("gateway", "BPBD")])
        strange = await here.books.file("EN-WASTE", [("gateway", "DLH")], emergency=False)
        ended = await here.books.file("XX-OTHER", [("gateway", "BPBD")])
        await here.officer.close(BPBD, ended, None, Status.RESOLVED, "Sudah")
        assert await here.queue(BPBD) == [(urgent, "desk"), (calm, "desk"), (stuck, "stuck")]
        here.books.clock.on(minutes=14, seconds=58)  # only the first deadline has gone by
        mine = [(urgent, "desk"), (calm, "desk"), (stuck, "stuck"), (late, "late")]
        assert await here.queue(BPBD) == mine
        assert set(await here.queue(ALL)) == {*mine, (strange, "desk")}
        assert (await here.queue(DLH)) == [(strange, "desk")]
        now = here.ledger.clock.now()
        rows = await here.ledger.read(queries.queue, BPBD.scope, BPBD.agency, now, 50, 0)
        held = await here.ledger.read(queries.stuck_of, [row["id"] for row in rows])
        items = [queue_item(row, [o for o in held if o["case_id"] == row["id"]], here.host, now) for row in rows]
        assert [item.next for item in items] == [
            ["reply", "note", "close", *ACROSS],
            ["reply", "note", "close", *ACROSS],
            ["replay", "resolve", "cancel", "note", *ACROSS],
            ["reply", "note", *ACROSS],
        ]
        assert [item.late for item in items] == [False, False, False, True]
        assert items[3].age_s == int(timedelta(minutes=15, seconds=1, milliseconds=50).total_seconds())
        assert [(one.key, one.cause) for one in items[2].deliveries] == [(f"{stuck}-1", "invalid")]


async def test_restricted_reports_stay_away_from_ordinary_desks(database_url: str, tmp_path: Path) -> None:
    async with hall(database_url, tmp_path) as here:
        code = await here.books.file("EM-DV", [("gateway", "BPBD")], privacy="restricted")
        assert await here.queue(BPBD) == []
        assert await here.queue(ALL) == [(code, "desk")]
        with pytest.raises(Problem) as refused:
            await here.officer.reply(BPBD, code, None, "Halo", None)
        assert refused.value.status == 404
        secret = await here.books.file("EM-CRIME", privacy="restricted")
        await here.books.claim()
        await here.books.settle(f"{secret}-1", DeliveryState.HELD, "rejected")
        held = (await here.books.delivery(f"{secret}-1"))["id"]
        assert await here.ledger.read(queries.deliveries, BPBD.scope, "BPBD", ["held"], 50, 0) == []
        with pytest.raises(Problem) as refused:
            await here.mover.replay(BPBD, held, "lihat dulu")
        assert refused.value.status == 404
        allowed = msgspec.structs.replace(BPBD, scope=Scope(agency="BPBD", restricted=True))
        assert (await here.officer.reply(allowed, code, None, "Halo", None)).status == "in_progress"


async def test_what_an_operator_filed_himself_is_not_his_desks(database_url: str, tmp_path: Path) -> None:
    async with hall(database_url, tmp_path) as here:
        code, delivery = await here.stuck()
        mine = msgspec.structs.replace(DLH, scope=Scope(owner="issuer|andi", agency="DLH"))
        await here.books.file("XX-OTHER", [("gateway", "BPBD")])
        assert await here.queue(mine) == []
        assert await here.ledger.read(queries.deliveries, mine.scope, mine.agency, ["held"], 50, 0) == []
        with pytest.raises(Problem) as refused:
            await here.mover.cancel(mine, delivery, "laporan saya")
        assert refused.value.status == 404
        with pytest.raises(Problem) as refused:
            await here.officer.note(mine, code, None, "laporan saya")
        assert refused.value.status == 404


async def test_deliveries_tell_their_cause_and_when_they_go_on(database_url: str, tmp_path: Path) -> None:
    async with hall(database_url, tmp_path) as here:
        code, _ = await here.stuck(answer="lokasi di luar wilayah")
        waiting = await here.books.file(emergency=False)

        async def shown(desk: Desk, *states: str) -> list[tuple[str, str]]:
            rows = await here.ledger.read(queries.deliveries, desk.scope, desk.agency, states, 50, 0)
            return [(row["key"], row["state"]) for row in rows]

        assert await shown(BPBD, "held", "dead", "unsure") == [(f"{code}-1", "held")]
        assert await shown(BPBD, "queued") == [(f"{waiting}-1", "queued")]
        assert await shown(DLH, "held", "queued") == []
        assert len(await shown(ALL, "held", "queued")) == 2
        here.books.clock.on(minutes=5)
        real = here.ledger.clock.real()
        rows = await here.ledger.read(queries.deliveries, ALL.scope, None, ["held", "queued"], 50, 0)
        held, queued = (delivery_view(row, here.ledger, real) for row in rows)
        assert (held.cause, held.field, held.http, held.answer, held.agency, held.attempts, held.age_s) == (
            "invalid", "place", 422, "lokasi di luar wilayah", "BPBD", 1, 300,
        )  # fmt: skip
        assert held.next_at is None
        assert queued.next_at == real - timedelta(minutes=5)
        assert queued.moves == ["cancel"]


async def test_health_tells_how_the_apps_are(database_url: str, tmp_path: Path) -> None:
    async with hall(database_url, tmp_path) as here:
        first = here.books.clock.at
        await here.stuck()
        here.books.clock.on(seconds=9)
        await here.stuck(DeliveryState.DEAD)
        await here.books.file("VI-DAMAGE", [("sigapdes", "BPBD")])
        apps = {one.app: one for one in health(await here.ledger.read(queries.health), here.host).apps}
        one = apps["cc112"]
        assert (one.title, one.mode, one.paused) == ("Call Center 112", "live", False)
        assert (one.undelivered, one.held, one.dead, one.unsure, one.alerts) == (2, 1, 1, 0, 2)
        assert one.oldest_undelivered == first
        assert apps["sigapdes"].mode == "off"
        assert apps["sigapdes"].undelivered == 1
        assert apps["sigapdes"].reason


# -- answers ---------------------------------------------------------------------------------------------------------


async def test_a_case_of_the_desk_goes_from_reply_to_its_end(database_url: str, tmp_path: Path) -> None:
    async with hall(database_url, tmp_path) as here:
        code = await here.books.file("XX-OTHER", [("gateway", "BPBD")])
        for name, text, status, then in (
            (code.lower(), "Kami cek", None, "in_progress"),
            (code, "Di mana persisnya?", Status.NEEDS_INFO, "needs_info"),
            (code, "Terima kasih", Status.IN_PROGRESS, "in_progress"),
            (code, "Masih dikerjakan", None, "in_progress"),
        ):
            assert (await here.officer.reply(BPBD, name, None, text, status)).status == then
            here.books.clock.on(seconds=1)
        here.books.clock.on(hours=-1)  # what is said later stays later, even if the clock is set back
        done = await here.officer.close(BPBD, code, None, Status.RESOLVED, "Selesai")
        assert done.status == "resolved"
        assert (await here.books.whole(code)).report["status"] == "resolved"
        assert [row for row in await here.told(code) if row[1] == "BPBD"] == [
            ("status.resolved", "BPBD", "Selesai"),
            ("status.in_progress", "BPBD", "Kami cek"),
            ("status.needs_info", "BPBD", "Di mana persisnya?"),
            ("status.in_progress", "BPBD", "Terima kasih"),
            ("message.agency", "BPBD", "Masih dikerjakan"),
        ]
        entries = await here.entries(code)
        assert [(e.kind, e.rule, e.status) for e in entries if e.kind in {"case.reply", "case.close"}] == [
            ("case.reply", "desk:reply", "in_progress"),
            ("case.reply", "desk:reply", "needs_info"),
            ("case.reply", "desk:reply", "in_progress"),
            ("case.reply", "desk:reply", None),
            ("case.close", "desk:close", "resolved"),
        ]
        assert all(e.actor == ACTOR and "text" in e.commits for e in entries if e.rule and e.rule.startswith("desk:"))
        # A word after the end reopens nothing by itself.
        assert (await here.officer.reply(BPBD, code, None, "Salam", None)).status == "resolved"
        with pytest.raises(Problem) as refused:
            await here.officer.reply(BPBD, code, None, "?", Status.VERIFIED)
        assert refusal(refused) == (409, ", ".join(sorted(STATUS_MOVES[Status.RESOLVED] & (REPLY | CLOSE))))


async def test_a_note_is_for_those_who_work_on_it(database_url: str, tmp_path: Path) -> None:
    async with hall(database_url, tmp_path) as here:
        code = await here.books.file()
        before = await here.told(code)
        await here.officer.note(BPBD, code, 1, "Pelapor sering menelepon")
        assert await here.told(code) == before
        assert (await here.told(code, internal=True))[-1] == ("desk.note", "BPBD", "Pelapor sering menelepon")
        entry = (await here.entries(code))[-1]
        assert (entry.kind, entry.actor, entry.case) == ("case.note", ACTOR, 1)
        assert b"menelepon" not in msgspec.json.encode(entry)


async def test_a_reply_travels_to_the_app_that_has_the_case(database_url: str, tmp_path: Path) -> None:
    async with hall(database_url, tmp_path) as here:
        code = await here.books.file()
        done = await here.officer.reply(BPBD, code, None, "Tim berangkat", None)
        assert (done.carried, done.status) == ("cc112", "received")
        row = await here.books.delivery(f"{code}-2")
        assert (row["app"], row["command"], row["state"], row["emergency"]) == ("cc112", "message", "queued", True)
        key = (await here.books.whole(code)).key(here.ledger.vault)
        sent = key.open("payload", row["sealed"], Amendment)
        assert (sent.key, sent.text) == (f"{code}-2", "Tim berangkat")
        assert (await here.told(code))[-1] == ("message.agency", "BPBD", "Tim berangkat")
        assert (await here.officer.reply(BPBD, code, None, "Lagi", None)).carried == "cc112"
        assert (await here.books.delivery(f"{code}-3"))["number"] == 3
        with pytest.raises(Problem) as refused:
            await here.officer.reply(BPBD, code, None, "Selesai", Status.IN_PROGRESS)
        assert refusal(refused) == (409, "note")  # the app alone moves its case
        with pytest.raises(Problem) as refused:
            await here.officer.close(BPBD, code, None, Status.RESOLVED, "Selesai")
        assert refusal(refused) == (409, "reply, note")
        deaf = await here.books.file("VI-DAMAGE", [("sigapdes", "BPBD")])
        with pytest.raises(Problem) as refused:
            await here.officer.reply(BPBD, deaf, None, "Halo", None)
        assert refusal(refused) == (409, "note")


async def test_two_officers_at_once_are_both_heard(database_url: str, tmp_path: Path) -> None:
    async with hall(database_url, tmp_path) as here:
        code, own = await here.books.file(), await here.books.file("XX-OTHER", [("gateway", "BPBD")])
        await asyncio.gather(*(here.officer.reply(BPBD, code, None, f"kata {who}", None) for who in range(5)))
        assert {(await here.books.delivery(f"{code}-{number}"))["state"] for number in range(2, 7)} == {"queued"}
        await asyncio.gather(*(here.officer.reply(BPBD, own, None, f"kata {who}", None) for who in range(5)))
        for name in (code, own):
            said = {text for _, by, text in await here.told(name) if by == "BPBD"}
            assert said == {f"kata {who}" for who in range(5)}


def test_an_app_in_shadow_takes_no_messages(tmp_path: Path) -> None:
    environ = {"GATEWAY_CC112_BASE_URL": "http://127.0.0.1:9", "GATEWAY_CC112_API_KEY": "k"}
    environ["GATEWAY_CC112_WEBHOOK_SECRET"] = "s"
    for mode, takes in (("live", True), ("shadow", False), ("off", False)):
        folder = tmp_path / mode / "cc112"
        shutil.copytree(ROOT / "connectors" / "cc112", folder)
        manifest = folder / "connector.toml"
        manifest.write_text(manifest.read_text().replace('mode = "live"', f'mode = "{mode}"'))
        host = Host(Registry.discover([tmp_path / mode], environ), StillClock())
        assert carries(host, "cc112") is takes
        assert not carries(host, "nobody")


async def test_which_case_is_meant(database_url: str, tmp_path: Path) -> None:
    async with hall(database_url, tmp_path) as here:
        code = await here.books.file(cases=[("cc112", "BPBD"), ("gateway", "BPBD"), ("gateway", "DLH")])
        assert (await here.officer.reply(BPBD, code, None, "Halo", None)).case == 2
        assert (await here.officer.reply(DLH, code, None, "Halo", None)).case == 3
        assert (await here.officer.reply(BPBD, code, 1, "Halo", None)).carried == "cc112"
        with pytest.raises(Problem) as refused:
            await here.officer.reply(ALL, code, None, "Halo", None)
        assert refused.value.status == 409
        with pytest.raises(Problem) as refused:
            await here.officer.reply(BPBD, code, 3, "Bukan kasus saya", None)
        assert refused.value.status == 404


def test_who_stands_at_which_desk() -> None:
    def who(role: Role, agency: str | None) -> Principal:
        return Principal(issuer="i", subject="s", roles=frozenset({role}), agency=agency)

    assert desk_of(who(Role.OPERATOR, "BPBD"), Scope(agency="BPBD"), ACTOR) == BPBD
    assert desk_of(who(Role.COORDINATOR, None), EVERYTHING, ACTOR).agency is None
    with pytest.raises(Problem) as refused:
        desk_of(who(Role.OPERATOR, None), Scope(), ACTOR)
    assert refused.value.status == 403


# -- over sockets ------------------------------------------------------------------------------------------------------


async def test_a_report_whose_app_is_absent_gets_its_answer_from_the_desk(database_url: str, tmp_path: Path) -> None:
    async with staged(tmp_path, database_url, apps=()) as stage:
        andi = stage.token("andi", "citizen")
        officer = stage.token("sitti", "operator", agency="BPBD")
        stranger = stage.token("rahma", "operator", agency="DLH")
        filed = await stage.file(DAMAGE, andi)
        code = filed.body["code"]
        assert [case["app"] for case in filed.body["cases"]] == ["gateway"]
        queue = await stage.ask("GET", "/v1/desk/queue", officer)
        (item,) = queue.body["items"]
        assert (item["report"], item["why"], item["next"]) == (code, "desk", ["reply", "note", "close", *ACROSS])
        assert item["reason"]
        path = f"/v1/desk/reports/{code}"
        assert (await stage.ask("GET", "/v1/desk/queue", stranger)).body["items"] == []
        assert (await stage.ask("POST", f"{path}/reply", stranger, {"text": "Halo"})).status == 404
        assert (await stage.ask("POST", f"{path}/reply", andi, {"text": "Halo"})).status == 403
        assert (await stage.ask("POST", f"{path}/reply", None, {"text": "Halo"})).status == 401
        replied = await stage.ask("POST", f"{path}/reply", officer, {"text": "Tim survei datang besok"})
        assert (replied.status, replied.body["status"]) == (200, "in_progress")
        await stage.ask("POST", f"{path}/note", officer, {"text": "Minta KTP"})
        closed = await stage.ask("POST", f"{path}/close", officer, {"outcome": "resolved", "text": "Sudah didata"})
        assert closed.body["status"] == "resolved"
        told = (await stage.ask("GET", f"/v1/reports/{code}/timeline", andi)).body
        assert [(row["by"], row.get("text")) for row in told if "text" in row] == [
            ("BPBD", "Tim survei datang besok"),
            ("BPBD", "Sudah didata"),
        ]
        noted = (await stage.ask("GET", f"/v1/reports/{code}/timeline", officer)).body
        assert [row["text"] for row in noted if row.get("internal")] == ["Minta KTP"]
        assert (await stage.ask("GET", "/v1/desk/queue", officer)).body["items"] == []
        for what, body in (
            ("reply", {}),
            ("reply", {"text": ""}),
            ("reply", {"text": "x", "status": "resolved"}),
            ("reply", {"text": "x", "case": 0}),
            ("close", {"text": "x", "outcome": "closed"}),
            ("note", {"text": 7}),
            ("note", {"text": "x", "to": "y"}),
        ):
            refused = await stage.ask("POST", f"{path}/{what}", officer, body)
            assert refused.status == 422, (what, body, refused)


async def test_a_delivery_the_app_refuses_finds_its_way_out(database_url: str, tmp_path: Path) -> None:
    """112 takes no text that long; an officer sees why, and brings the report to the desk."""
    async with staged(tmp_path, database_url, apps=("cc112",)) as stage:
        officer = stage.token("sitti", "operator", agency="BPBD")
        code = (await stage.file(FLOOD | {"description": "Air naik. " * 500})).body["code"]

        async def held() -> Any:
            return (await stage.ask("GET", "/v1/desk/deliveries?state=held", officer)).body["items"]

        (item,) = await stage.until(held)
        assert (item["key"], item["app"], item["agency"]) == (f"{code}-1", "cc112", "BPBD")
        assert item["field"] == "description"
        assert item["moves"] == ["replay", "resolve", "cancel"]
        base = f"/v1/desk/deliveries/{item['id']}"
        for what, body in (
            ("replay", {}),
            ("cancel", {"reason": ""}),
            ("resolve", {"reason": "ada"}),
            ("resolve", {"reason": "ada", "reference": {"kind": "Ticket", "value": "1"}}),
        ):
            assert (await stage.ask("POST", f"{base}/{what}", officer, body)).status == 422
        stranger = stage.token("rahma", "operator", agency="DLH")
        assert (await stage.ask("POST", f"{base}/cancel", stranger, {"reason": "x"})).status == 404
        cancelled = await stage.ask("POST", f"{base}/cancel", officer, {"reason": "Terlalu panjang untuk 112"})
        assert (cancelled.status, cancelled.body["state"], cancelled.body["moves"]) == (200, "cancelled", [])
        again = await stage.ask("POST", f"{base}/replay", officer, {"reason": "coba"})
        assert (again.status, again.body["type"]) == (409, "/problems/delivery-conflict")
        queue = (await stage.ask("GET", "/v1/desk/queue", officer)).body["items"]
        assert [(one["report"], one["why"], one["reason"]) for one in queue] == [(code, "desk", "delivery_cancelled")]
        health = (await stage.ask("GET", "/v1/desk/health", officer)).body["apps"]
        (cc112,) = [one for one in health if one["app"] == "cc112"]
        assert (cc112["mode"], cc112["held"], cc112["undelivered"]) == ("live", 0, 0)
