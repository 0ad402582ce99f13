"""Following a report: whose eyes see what, lists by pages, the secret's door, messages."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from litestar.response import ServerSentEventMessage
from sqlalchemy import Connection, select

from gateway.flows.tracking import queries
from gateway.flows.tracking.bodies import MessageBody, MessageTaken, Named, Number, ReportView, TimelineRow
from gateway.flows.tracking.door import enter, enter_by_secret
from gateway.flows.tracking.eyes import Eyes, eyes_of, masked, sees_content, sees_notes, shown_reporter
from gateway.flows.tracking.message import Messages
from gateway.flows.tracking.page import cursor_after, filters, read_cursor
from gateway.flows.tracking.show import Shower
from gateway.flows.tracking.stream import follow
from gateway.kernel.coordination import LocalWake
from gateway.kernel.host import Host, Registry
from gateway.kernel.ledger import tables as t
from gateway.kernel.policy import Policy
from gateway.model.delivery import DeliveryState
from gateway.model.principal import EVERYTHING, NOTHING, Principal, Role, Scope
from gateway.model.problem import Problem
from gateway.model.report import Reporter
from gateway.model.status import Status
from gateway.sdk import Amendment
from tests.journeys.filed import CITIZEN, CONTENT, START, Books, flood, opened
from tests.journeys.stage import FLOOD, Stage, staged

ROOT = Path(__file__).parents[2]
POLICY = Policy.load(ROOT / "config")

ANDI = Principal(issuer="issuer", subject="andi", roles=frozenset({Role.CITIZEN}))
OTHER = Principal(issuer="issuer", subject="budi", roles=frozenset({Role.CITIZEN}))
PUBLIC = Principal(issuer="", subject="", roles=frozenset({Role.PUBLIC}))
BPBD = Principal(issuer="issuer", subject="sitti", roles=frozenset({Role.OPERATOR}), agency="BPBD")
DLH = Principal(issuer="issuer", subject="rahma", roles=frozenset({Role.OPERATOR}), agency="DLH")
COORDINATOR = Principal(issuer="issuer", subject="koor", roles=frozenset({Role.COORDINATOR}))
AUDITOR = Principal(issuer="issuer", subject="audit", roles=frozenset({Role.AUDITOR}))


async def test_whose_eyes(sqlite_url: str, tmp_path: Path) -> None:
    async with opened(sqlite_url, tmp_path) as books:
        whole = await books.whole(await books.file())
        seen = {who.subject: eyes_of(who, whole) for who in (ANDI, OTHER, PUBLIC, BPBD, DLH, COORDINATOR, AUDITOR)}
        assert seen == {
            "andi": Eyes.OWNER,
            "budi": Eyes.OUTSIDER,
            "": Eyes.OUTSIDER,
            "sitti": Eyes.HANDLER,
            "rahma": Eyes.OUTSIDER,
            "koor": Eyes.OVERSEER,
            "audit": Eyes.OUTSIDER,
        }
        assert eyes_of(PUBLIC, whole, by_secret=True) is Eyes.OWNER
        nobodys = await books.whole(await books.file(owner=None))
        assert eyes_of(PUBLIC, nobodys) is Eyes.OUTSIDER
        assert {eyes for eyes in Eyes if sees_notes(eyes)} == {Eyes.HANDLER, Eyes.OVERSEER}


@pytest.mark.parametrize(
    ("privacy", "identity", "readers", "reporter"),
    [
        ("normal", "open", {Eyes.OWNER, Eyes.HANDLER, Eyes.OVERSEER}, {Eyes.OWNER, Eyes.HANDLER}),
        ("normal", "anonymous", {Eyes.OWNER, Eyes.HANDLER, Eyes.OVERSEER}, {Eyes.OWNER, Eyes.HANDLER}),
        ("normal", "confidential", {Eyes.OWNER, Eyes.HANDLER, Eyes.OVERSEER}, {Eyes.OWNER}),
        ("sensitive_reporter", "open", {Eyes.OWNER, Eyes.HANDLER, Eyes.OVERSEER}, {Eyes.OWNER}),
        ("health", "open", {Eyes.OWNER, Eyes.HANDLER}, {Eyes.OWNER, Eyes.HANDLER}),
        ("child_health", "open", {Eyes.OWNER, Eyes.HANDLER}, {Eyes.OWNER, Eyes.HANDLER}),
        ("restricted", "open", {Eyes.OWNER, Eyes.HANDLER}, {Eyes.OWNER, Eyes.HANDLER}),
    ],
)
def test_who_reads_the_words_and_who_knows_the_reporter(
    privacy: str, identity: str, readers: set[Eyes], reporter: set[Eyes]
) -> None:
    row = {"privacy": privacy, "identity": identity}
    assert {eyes for eyes in Eyes if sees_content(eyes, row)} == readers
    assert {eyes for eyes in Eyes if shown_reporter(eyes, row, CONTENT.reporter)} == reporter


def test_numbers_are_masked() -> None:
    shown = masked(CONTENT.reporter)
    assert shown.name == "Andi Mappa"
    assert shown.national_id == "7311**********01"
    assert shown.phone == "+62********890"
    assert shown.email == "a***@example.id"
    assert masked(Reporter(phone="112", national_id="7311")) == Reporter(phone="***", national_id="****")
    assert masked(Reporter()) == Reporter()


async def test_pages_show_everything_once(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as books:
        mine = []
        for index in range(7):
            if index != 3:  # two of the same instant must not be lost between pages
                books.clock.on(seconds=1)
            mine.append(await books.file("IN-ROAD" if index % 2 else "EM-FLOOD"))
        await books.file(owner="issuer|budi")
        scope, found, after = Scope(owner="issuer|andi"), [], None
        while True:
            page = await books.ledger.read(queries.page, scope, filters(None, None, None, None), after, 2)
            found += [known.whole.code for known in page]
            if len(page) < 2:
                break
            # Something new comes in between two pages: it belongs to the pages before.
            books.clock.on(seconds=1)
            await books.file()
            after = read_cursor(cursor_after(page[-1]))
        assert sorted(found) == sorted(mine)
        at = [(await books.whole(code)).report["received_at"] for code in found]
        assert at == sorted(at, reverse=True)


async def test_filters(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as books:
        code, damage = await flood(books)

        async def found(
            service: str | None = None, status: str | None = None, since: str | None = None, q: str | None = None
        ) -> list[str]:
            wanted = filters(service, Status(status) if status else None, since, q)
            rows = await books.ledger.read(queries.page, EVERYTHING, wanted, None, 20)
            return [known.whole.code for known in rows]

        assert await found() == [damage, code]
        assert await found(service="EM-FLOOD") == [code]
        assert await found(status="in_progress") == [damage]
        assert await found(since="2026-01-28T18:00:00+08:00") == [damage]
        assert await found(since="2026-01-28") == [damage, code]
        assert await found(since="2026-01-29") == []
        assert await found(q="112-BRU-20260128-0007") == [code]
        assert await found(q=damage.lower()) == [damage]
        assert await found(q="112-BRU") == []


@pytest.mark.parametrize(
    "cursor", ["", "x", "////", "W10", "WyIyMDI2LTAxLTI4VDA2OjAyOjExIiwiQlJVLTAwMDAtMDAwMCJd", "é" * 9]
)
def test_a_cursor_that_is_not_ours_is_refused(cursor: str) -> None:
    with pytest.raises(Problem) as refused:
        read_cursor(cursor)
    assert refused.value.status == 400


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "2026-01-28T99:00:00Z", "20260128xx"])
def test_a_time_that_is_none_is_refused(since: str) -> None:
    with pytest.raises(Problem) as refused:
        filters(None, None, since, None)
    assert 400 <= refused.value.status < 500


async def test_the_secret_opens_its_report_only(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as books:
        code, other = await books.file(owner=None), await books.file(owner=None)
        whole = await books.whole(code)
        secret = books.ledger.keyring.report_secret(whole.id, whole.report["epoch"])
        entered = await enter_by_secret(books.ledger, code.lower().replace("-", ""), secret)
        assert entered.known.whole.code == code
        assert entered.scope == Scope(code=code)
        assert entered.by_secret
        older = books.ledger.keyring.report_secret(whole.id, whole.report["epoch"] - 1)
        for name, given in (
            (other, secret),
            (code, older),
            (code, ""),
            (code, "é"),
            ("BRU-1111-1111", secret),
            ("x", secret),
        ):
            with pytest.raises(Problem) as refused:
                await enter_by_secret(books.ledger, name, given)
            assert refused.value.status == 404
        # On the ordinary way the secret adds to the caller's own scope and takes nothing away.
        assert (await enter(books.ledger, PUBLIC, NOTHING, code, secret)).by_secret
        assert not (await enter(books.ledger, ANDI, EVERYTHING, code, "wrong")).by_secret
        for given_to in (None, "wrong"):
            with pytest.raises(Problem):
                await enter(books.ledger, PUBLIC, NOTHING, code, given_to)


async def test_links_lead_only_to_what_one_may_see(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as books:
        code, damage = await flood(books)
        strange = await books.file("TO-PRICE", [("sigapdes", "DISPARPORA")], owner="issuer|budi", follow_up_to=code)

        async def linked(scope: Scope) -> set[str]:
            known = await books.ledger.read_together(queries.known, (scope, code))
            assert known is not None
            return {link["code"] for link in known.links}

        assert await linked(Scope(owner="issuer|andi")) == {damage}
        assert await linked(Scope(code=code)) == set()
        assert await linked(Scope(agency="BPBD")) == {damage}
        assert await linked(EVERYTHING) == {damage, strange}


async def test_read_together_each_sees_what_he_sees_alone(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as books:
        code, damage = await flood(books)
        strange = await books.file("TO-PRICE", [("sigapdes", "DISPARPORA")], owner="issuer|budi", follow_up_to=code)
        scopes = [Scope(owner="issuer|andi"), Scope(owner="issuer|budi"), Scope(agency="BPBD"), Scope(code=code)]
        asked = [(scope, name) for scope in [*scopes, Scope(), EVERYTHING] for name in (code, damage, strange, "BRU-0")]
        alone = [(await books.ledger.read(queries.known, [one]))[0] for one in asked]
        together = await asyncio.gather(*(books.ledger.read_together(queries.known, one) for one in asked))
        assert together == alone
        assert await books.ledger.read(queries.known, asked) == alone
        seen = {(scope.owner, name) for (scope, name), found in zip(asked, alone, strict=True) if found and scope.owner}
        assert seen == {("issuer|andi", code), ("issuer|andi", damage), ("issuer|budi", strange)}


# -- what is shown, and what is added ----------------------------------------------------------------------------------


class Desk:
    """A ledger, the configuration of the project, and the apps: 112 is up, the village app is off."""

    def __init__(self, books: Books) -> None:
        environ = {
            "GATEWAY_CC112_BASE_URL": "http://127.0.0.1:9",
            "GATEWAY_CC112_API_KEY": "k",
            "GATEWAY_CC112_WEBHOOK_SECRET": "s",
        }
        self.books, self.ledger, self.wake = books, books.ledger, LocalWake()
        self.host = Host(Registry.discover([ROOT / "connectors"], environ), books.clock)
        self.messages = Messages(self.ledger, POLICY, self.host, self.wake)

    def shower(self, language: str = "id") -> Shower:
        return Shower(self.ledger, POLICY, self.host, language)

    async def view(self, code: str, eyes: Eyes, language: str = "id") -> ReportView:
        known = await self.ledger.read_together(queries.known, (EVERYTHING, code))
        assert known is not None
        return self.shower(language).report(known, eyes)

    async def timeline(self, code: str, eyes: Eyes, language: str = "id") -> list[TimelineRow]:
        whole = await self.books.whole(code)
        rows = await self.ledger.read(queries.timeline, whole.id, sees_notes(eyes))
        return self.shower(language).timeline(whole, rows, eyes)

    async def add(self, code: str, body: MessageBody, key: str | None = None, who: Principal = ANDI) -> MessageTaken:
        self.books.clock.on(seconds=1)
        taken = await self.messages.take(who, Scope(code=code), CITIZEN, code, body, key, lambda text: [])
        return msgspec.json.decode(taken, type=MessageTaken)


@asynccontextmanager
async def desk(url: str, folder: Path) -> AsyncIterator[Desk]:
    async with opened(url, folder) as books:
        made = Desk(books)
        try:
            yield made
        finally:
            await made.host.close()
            await made.wake.close()


async def test_the_owner_sees_his_report_and_no_machinery(database_url: str, tmp_path: Path) -> None:
    async with desk(database_url, tmp_path) as here:
        code = await here.books.file()
        for state, outcome in ((None, ""), (DeliveryState.HELD, "rejected")):
            if state is not None:
                await here.books.claim()
                await here.books.settle(f"{code}-1", state, outcome, 422)
            view = await here.view(code, Eyes.OWNER)
            assert view.cases[0].status_title == "Menunggu diteruskan ke Call Center 112"
            assert "held" not in msgspec.json.encode(view).decode()
        view = await here.view(code, Eyes.OWNER)
        assert view.service == Named(code="EM-FLOOD", name="Banjir / rob")
        assert (view.status, view.status_title) == ("received", "Laporan diterima")
        assert view.description == CONTENT.description
        assert view.place == CONTENT.place
        assert view.reporter is not None
        assert view.reporter.national_id == "7311**********01"
        assert (view.created_at, view.updated_at) == (START, START)
        assert [(due.clock, due.state) for due in view.due] == [("emergency", "running")]
        assert view.agency.code == "BPBD"
        english = await here.view(code, Eyes.OWNER, "en")
        assert english.cases[0].status_title == "Waiting to be passed on to Call Center 112"
        assert english.service.name != view.service.name
        await here.books.refer(code, 1, "ticket_no", "112-1")
        view = await here.view(code, Eyes.OWNER)
        assert view.cases[0].status_title == "Laporan diterima"
        assert view.cases[0].references == (Number(kind="ticket_no", value="112-1"),)


async def test_who_may_not_read_the_words_sees_how_it_stands(sqlite_url: str, tmp_path: Path) -> None:
    async with desk(sqlite_url, tmp_path) as here:
        code = await here.books.file("EM-MEDICAL", privacy="health")
        await here.books.hear(code, 1, "e-1", Status.ON_SCENE, "ON_SCENE", text="Pasien sesak napas")
        for eyes in (Eyes.OVERSEER, Eyes.OUTSIDER):
            view, told = await here.view(code, eyes), await here.timeline(code, eyes)
            assert (view.description, view.place, view.attributes, view.reporter) == (None, None, None, None)
            assert (view.status, view.status_title) == ("on_scene", "Petugas di lokasi")
            assert [row.text for row in told] == [None, None]
        assert [row.text for row in await here.timeline(code, Eyes.HANDLER)] == [None, "Pasien sesak napas"]


async def test_answers_to_a_form_are_masked(sqlite_url: str, tmp_path: Path) -> None:
    async with desk(sqlite_url, tmp_path) as here:
        answers = {"head_of_family": "Baso Tahir", "head_of_family_nik": "7311014107850001", "people": 5}
        content = msgspec.structs.replace(CONTENT, attributes=dict(answers))
        code = await here.books.file("VI-DAMAGE", [("sigapdes", "BPBD")], content=content, privacy="personal")
        masked_nik = {"head_of_family_nik": "7311**********01"}
        assert (await here.view(code, Eyes.HANDLER)).attributes == answers | masked_nik
        assert (await here.view(code, Eyes.OWNER)).attributes == answers | masked_nik
        overseer = (await here.view(code, Eyes.OVERSEER)).attributes
        assert overseer == answers | masked_nik | {"head_of_family": "***"}


async def test_a_protected_report_is_told_quietly(sqlite_url: str, tmp_path: Path) -> None:
    async with desk(sqlite_url, tmp_path) as here:
        titles = {}
        for privacy in ("normal", "restricted", "sensitive_reporter"):
            code = await here.books.file(privacy=privacy)
            here.books.clock.on(seconds=1)
            await here.books.hear(code, 1, "e-1", Status.ON_SCENE, "ON_SCENE")
            view = await here.view(code, Eyes.OWNER)
            titles[privacy] = (view.status_title, (await here.timeline(code, Eyes.OWNER))[-1].title)
        assert titles == {
            "normal": ("Petugas di lokasi", "Petugas di lokasi"),
            "restricted": ("Sedang ditangani", "Sedang ditangani"),
            "sensitive_reporter": ("Sedang ditangani", "Sedang ditangani"),
        }


async def test_erased_content_is_gone_and_the_rest_stays(sqlite_url: str, tmp_path: Path) -> None:
    async with desk(sqlite_url, tmp_path) as here:
        code = await here.books.file()
        await here.books.hear(code, 1, "e-1", Status.VERIFIED, "VERIFIED", text="Kami cek")
        act = here.ledger.act(CITIZEN, "test")
        act.change(t.report, {"id": (await here.books.whole(code)).id}, wrapped=None)
        await here.ledger.commit(act)
        view, told = await here.view(code, Eyes.OWNER), await here.timeline(code, Eyes.OWNER)
        assert (view.description, view.reporter, view.status) == (None, None, "verified")
        assert [(row.title, row.text) for row in told] == [
            ("Laporan Anda kami terima", None),
            ("Laporan diverifikasi", None),
        ]


async def test_notes_are_for_agencies(database_url: str, tmp_path: Path) -> None:
    async with desk(database_url, tmp_path) as here:
        code = await here.books.file()
        whole = await here.books.whole(code)
        act = here.ledger.act(CITIZEN, "test")
        act.say(whole.ref(here.ledger.vault), "desk.note", "BPBD", text="Rahasia dapur", internal=True)
        await here.ledger.commit(act)
        assert all(row.text != "Rahasia dapur" for row in await here.timeline(code, Eyes.OWNER))
        assert [row.text for row in await here.timeline(code, Eyes.HANDLER) if row.internal] == ["Rahasia dapur"]


async def test_a_message_is_kept_and_carried(database_url: str, tmp_path: Path) -> None:
    async with desk(database_url, tmp_path) as here:
        code = await here.books.file(cases=[("cc112", "BPBD"), ("sigapdes", "BPBD"), ("gateway", "BPBD")])
        await here.books.hear(code, 1, "e-1", Status.NEEDS_INFO, "ASK")
        body = MessageBody(text=" Air naik lagi ", attributes={"tinggi_air_cm": 90}, answers={"rumah": "nomor 7"})
        taken = await here.add(code, body)
        assert (taken.code, taken.carried, taken.kept) == (code, ["cc112"], ["sigapdes"])
        text = "Air naik lagi\nrumah: nomor 7\ntinggi_air_cm: 90"
        row = await here.books.delivery(f"{code}-3")  # two were sent when it was opened
        assert (row["app"], row["command"], row["state"], row["emergency"]) == ("cc112", "message", "queued", True)
        whole = await here.books.whole(code)
        sent = whole.key(here.ledger.vault).open("payload", row["sealed"], Amendment)
        assert (sent.key, sent.command, sent.text) == (f"{code}-3", "message", text)
        assert sent.attributes == {"tinggi_air_cm": 90, "rumah": "nomor 7"}
        assert (whole.report["deliveries"], whole.report["status"]) == (3, "needs_info")  # nothing moves by itself
        told = [(row.by, row.title, row.text) for row in await here.timeline(code, Eyes.OWNER)]
        assert ("reporter", "Pesan Anda", text) in told or any(row[0] == "reporter" and row[2] == text for row in told)
        assert any("tidak dapat diteruskan ke" in title for _, title, _ in told)
        assert (await here.add(code, MessageBody(text="lagi"))).carried == ["cc112"]
        assert (await here.books.delivery(f"{code}-4"))["number"] == 4


async def test_an_ended_case_is_not_bothered(sqlite_url: str, tmp_path: Path) -> None:
    async with desk(sqlite_url, tmp_path) as here:
        code = await here.books.file()
        await here.books.hear(code, 1, "e-1", Status.RESOLVED, "CLOSED/handled")
        taken = await here.add(code, MessageBody(text="Terima kasih"))
        assert (taken.carried, taken.kept) == ([], [])
        assert (await here.timeline(code, Eyes.OWNER))[-1].text == "Terima kasih"


async def test_a_message_sent_again_is_one_message(database_url: str, tmp_path: Path) -> None:
    async with desk(database_url, tmp_path) as here:
        code = await here.books.file()
        both = await asyncio.gather(
            *(here.add(code, MessageBody(text="Air naik lagi"), "key-1") for _ in range(4)),
        )
        again = await here.add(code, MessageBody(text="Air naik lagi"), "key-1")
        assert {taken.at for taken in both} == {again.at}
        assert (await here.books.whole(code)).report["deliveries"] == 2
        assert [row.text for row in await here.timeline(code, Eyes.OWNER) if row.by == "reporter"] == ["Air naik lagi"]
        with pytest.raises(Problem) as refused:
            await here.add(code, MessageBody(text="Lain"), "key-1")
        assert refused.value.slug == "idempotency-conflict"
        other = await here.books.file()  # the same key for another report is another message
        assert (await here.add(other, MessageBody(text="Air naik lagi"), "key-1")).code == other


async def test_messages_at_once_get_numbers_of_their_own(database_url: str, tmp_path: Path) -> None:
    async with desk(database_url, tmp_path) as here:
        code = await here.books.file()
        await asyncio.gather(*(here.add(code, MessageBody(text=f"pesan {number}")) for number in range(6)))
        whole = await here.books.whole(code)
        assert whole.report["deliveries"] == 7
        texts = set()
        for number in range(2, 8):
            row = await here.books.delivery(f"{code}-{number}")
            texts.add(whole.key(here.ledger.vault).open("payload", row["sealed"], Amendment).text)
        assert texts == {f"pesan {number}" for number in range(6)}


@pytest.mark.parametrize("body", [MessageBody(), MessageBody(text="  \n ")])
async def test_an_empty_message_is_none(sqlite_url: str, tmp_path: Path, body: MessageBody) -> None:
    async with desk(sqlite_url, tmp_path) as here:
        code = await here.books.file()
        with pytest.raises(Problem) as refused:
            await here.add(code, body)
        assert refused.value.status == 422


async def test_a_file_goes_with_a_message_once(database_url: str, tmp_path: Path) -> None:
    async with desk(database_url, tmp_path) as here:
        code, vault = await here.books.file(), here.ledger.vault
        key, act = vault.new_key(), here.ledger.act(CITIZEN, "test")
        upload = act.new_id()
        act.insert(
            t.attachment,
            id=upload,
            blob=upload,
            owner=ANDI.key,
            report_id=None,
            state="upload",
            media_type="image/jpeg",
            size=5,
            digest="d" * 64,
            created_at=act.now,
            kek=vault.current,
            wrapped=vault.wrap(key, upload.hex),
        )
        await here.ledger.commit(act)
        with pytest.raises(Problem) as refused:
            await here.add(code, MessageBody(attachments=[str(upload)]), who=OTHER)
        assert refused.value.slug == "attachment-unknown"
        await here.add(code, MessageBody(attachments=[str(upload)]))
        report = (await here.books.whole(code)).key(vault)
        row = await here.books.delivery(f"{code}-2")
        (document,) = report.open("payload", row["sealed"], Amendment).documents
        assert (document.name, document.media_type, document.digest) == ("lampiran-1.jpeg", "image/jpeg", "d" * 64)
        wrapped = await here.ledger.read(wrapped_of, upload)
        assert vault.unwrap_under(wrapped, report, upload.hex).raw == key.raw
        for name in (str(upload), "nonsense"):
            with pytest.raises(Problem):
                await here.add(code, MessageBody(attachments=[name]))


def data_of(event: ServerSentEventMessage) -> dict[str, Any]:
    assert isinstance(event.data, bytes)
    data: dict[str, Any] = json.loads(event.data)
    return data


def wrapped_of(connection: Connection, upload: UUID) -> bytes:
    return bytes(connection.execute(select(t.attachment.c.wrapped).where(t.attachment.c.id == upload)).scalar_one())


async def test_a_stream_tells_what_is_new_and_resumes(database_url: str, tmp_path: Path) -> None:
    async with desk(database_url, tmp_path) as here:
        code = await here.books.file()
        scope = Scope(owner=ANDI.key)

        def stream(last: str | None = None) -> AsyncIterator[ServerSentEventMessage]:
            return follow(here.ledger, here.wake, here.shower(), ANDI, scope, code, None, last)

        events = stream()
        first, second = [await anext(events) for _ in range(2)]
        assert (first.event, data_of(first)["title"]) == ("told", "Laporan Anda kami terima")
        assert (second.event, data_of(second)["status"]) == ("report", "received")
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        here.books.clock.on(seconds=30)
        await here.books.hear(code, 1, "e-1", Status.ON_SCENE, "ON_SCENE")
        here.wake.ring(f"report:{code}")
        told = await asyncio.wait_for(waiting, 5)
        assert data_of(told)["title"] == "Petugas di lokasi"
        assert data_of(await anext(events))["status"] == "on_scene"
        # A reader that comes back names the last row it saw and gets only what came since.
        here.books.clock.on(seconds=30)
        await here.books.hear(code, 1, "e-2", Status.RESOLVED, "CLOSED/handled")
        resumed = stream(str(told.id))
        assert data_of(await anext(resumed))["status"] == "resolved"
        assert data_of(await anext(resumed))["status_title"] == "Selesai ditangani"
        # Who may no longer see the report hears no more.
        act = here.ledger.act(CITIZEN, "test")
        act.change(t.report, {"id": (await here.books.whole(code)).id}, owner="issuer|budi")
        await here.ledger.commit(act)
        here.wake.ring(f"report:{code}")
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(resumed), 5)
        await events.aclose()  # type: ignore[attr-defined]


# -- over sockets ------------------------------------------------------------------------------------------------------


async def test_a_phone_follows_its_report(database_url: str, tmp_path: Path) -> None:
    async with staged(tmp_path, database_url, apps=("cc112",)) as stage:
        andi, budi = stage.token("andi", "citizen"), stage.token("budi", "citizen")
        officer = stage.token("sitti", "operator", agency="BPBD")
        filed = await stage.file(FLOOD, andi)
        assert filed.status == 201, filed
        code, secret = filed.body["code"], filed.body["secret"]

        async def numbered() -> Any:
            seen = await stage.ask("GET", f"/v1/reports/{code}", andi)
            return seen.body if seen.body["cases"][0]["references"] else None

        own = await stage.until(numbered)
        assert own["cases"][0]["app_title"] == "Call Center 112"
        assert own["cases"][0]["references"][0]["value"].startswith("112-BRU-")
        assert own["description"] == FLOOD["description"]
        assert own["reporter"]["phone"] == "+62********890"
        tracked = await stage.ask("GET", f"/v1/track/{code.lower()}", x_report_secret=secret)
        assert (tracked.status, still(tracked.body)) == (200, still(own))
        by_secret = await stage.ask("GET", f"/v1/reports/{code}", x_report_secret=secret)
        assert still(by_secret.body) == still(own)
        told = await stage.ask("GET", f"/v1/reports/{code}/timeline", None, x_report_secret=secret)
        assert told.body[0]["title"] == "Laporan Anda kami terima"
        assert "Sudah diterima Call Center 112" in [row["title"] for row in told.body]
        english = await stage.ask("GET", f"/v1/reports/{code}/timeline", andi, accept_language="en")
        assert english.body[0]["title"] == "We have received your report"
        # The officer of the agency that handles it sees it; the numbers of people stay masked.
        assert (await stage.ask("GET", f"/v1/reports/{code}", officer)).body["reporter"]["phone"] == "+62********890"
        # For everybody else it is not there, whatever they hold.
        foreign = [
            await stage.ask("GET", f"/v1/reports/{code}", budi),
            await stage.ask("GET", f"/v1/reports/{code}/timeline", budi),
            await stage.ask("GET", f"/v1/reports/{code}/stream", budi),
            await stage.ask("POST", f"/v1/reports/{code}/messages", budi, {"text": "halo"}),
            await stage.ask("GET", f"/v1/reports/{code}", budi, x_report_secret="s1.wrong"),
            await stage.ask("GET", f"/v1/track/{code}", x_report_secret="s1.wrong"),
            await stage.ask("GET", f"/v1/track/{code}"),
            await stage.ask("GET", "/v1/track/BRU-0000-0000", x_report_secret=secret),
            await stage.ask("GET", "/v1/reports/tidak-ada", andi),
        ]
        assert [answer.status for answer in foreign] == [404] * len(foreign)
        bare = [{k: v for k, v in answer.body.items() if k not in {"instance", "request"}} for answer in foreign]
        assert all(document == bare[0] for document in bare)
        assert (await stage.ask("GET", f"/v1/reports/{code}")).status == 401
        assert (await stage.ask("POST", f"/v1/reports/{code}/messages", officer, {"text": "halo"})).status == 403


async def test_a_message_reaches_112_once(database_url: str, tmp_path: Path) -> None:
    async with staged(tmp_path, database_url, apps=("cc112",)) as stage:
        filed = await stage.file(FLOOD)
        code, secret = filed.body["code"], filed.body["secret"]
        path = f"/v1/reports/{code}/messages"
        body = {"text": "Air naik lagi, ada kebakaran di gardu", "answers": {"rumah": "nomor 7"}}
        answers = [
            await stage.ask("POST", path, None, body, x_report_secret=secret, idempotency_key="5f3c" * 8)
            for _ in range(3)
        ]
        assert [answer.status for answer in answers] == [201] * 3
        assert answers[0].body == answers[1].body == answers[2].body
        assert answers[0].body["carried"] == ["cc112"]
        assert "EM-FIRE" in [found["service"] for found in answers[0].body["suggestions"]]

        async def noted() -> Any:
            records = await sandbox_records(stage, "cc112")
            return [note for record in records for note in record["messages"]]

        notes = await stage.until(noted)
        assert len(notes) == 1
        for bad in ({}, {"text": 5}, {"txt": "x"}, {"text": "x", "attachments": ["nope"]}):
            refused = await stage.ask("POST", path, None, bad, x_report_secret=secret)
            assert refused.status == 422, refused
            assert refused.headers["content-type"].startswith("application/problem+json")


async def test_lists_over_http(database_url: str, tmp_path: Path) -> None:
    async with staged(tmp_path, database_url, apps=()) as stage:
        andi = stage.token("andi", "citizen")
        codes = [(await stage.file(FLOOD, andi)).body["code"] for _ in range(5)]
        await stage.file(FLOOD, stage.token("budi", "citizen"))
        found, path = [], "/v1/reports?limit=2"
        while path:
            page = await stage.ask("GET", path, andi)
            assert page.status == 200, page
            found += [item["code"] for item in page.body["items"]]
            path = page.body["next"] and f"/v1/reports?limit=2&cursor={page.body['next']}"
        assert found == codes[::-1]
        only = await stage.ask("GET", f"/v1/reports?q={codes[2].lower()}&status=received&service=EM-FLOOD", andi)
        assert [item["code"] for item in only.body["items"]] == [codes[2]]
        for bad in ("limit=0", "limit=101", "limit=x", "status=lost", "cursor=zzz", "since=kemarin"):
            refused = await stage.ask("GET", f"/v1/reports?{bad}", andi)
            assert 400 <= refused.status < 500, (bad, refused)
            assert refused.body["type"].startswith("/problems/"), refused
        assert (await stage.ask("GET", "/v1/reports")).status == 401


async def test_a_stream_over_http(sqlite_url: str, tmp_path: Path) -> None:
    async with staged(tmp_path, sqlite_url, apps=()) as stage:
        filed = await stage.file({"service": "XX-OTHER", "description": "Lampu padam"})
        code, secret = filed.body["code"], filed.body["secret"]
        headers = {"X-Report-Secret": secret}
        async with stage.session.get(f"{stage.url}/v1/reports/{code}/stream", headers=headers) as live:
            assert live.status == 200
            assert live.headers["content-type"].startswith("text/event-stream")
            text = b""
            async with asyncio.timeout(10):
                while b"event: report" not in text:
                    text += await live.content.readany()
                sitti = stage.token("koor", "coordinator")
                await stage.ask("POST", f"/v1/desk/reports/{code}/reply", sitti, {"text": "Kami cek"})
                while b"Kami cek" not in text:
                    text += await live.content.readany()


def still(view: dict[str, Any]) -> dict[str, Any]:
    """A view without what the app's news may move between two looks."""
    cases = [{name: value for name, value in case.items() if name != "seen_at"} for case in view["cases"]]
    return {name: value for name, value in view.items() if name != "updated_at"} | {"cases": cases}


async def sandbox_records(stage: Stage, app: str) -> list[dict[str, Any]]:
    """What an app accepted, by its own account."""
    address = stage.house.settings.environ[f"GATEWAY_{app.upper()}_BASE_URL"]
    async with stage.session.get(f"{address}/_sandbox/records") as answer:
        body = await answer.json()
    records: list[dict[str, Any]] = body["records"] if isinstance(body, dict) else body
    return records
