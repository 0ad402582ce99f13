"""Following a report: whose eyes see what, lists by pages, the secret's door, messages."""

from pathlib import Path

import pytest
from gateway.model.problem import Problem

from gateway.flows.tracking import queries
from gateway.flows.tracking.door import enter, enter_by_secret
from gateway.flows.tracking.eyes import Eyes, eyes_of, masked, sees_content, sees_notes, shown_reporter
from gateway.flows.tracking.page import cursor_after, filters, read_cursor
from gateway.model.principal import EVERYTHING, NOTHING, Principal, Role, Scope
from gateway.model.report import Reporter
from gateway.model.status import Status
from tests.journeys.filed import CONTENT, flood, opened

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
            known = await books.ledger.read(queries.known, scope, code)
            assert known is not None
            return {link["code"] for link in known.links}

        assert await linked(Scope(owner="issuer|andi")) == {damage}
        assert await linked(Scope(code=code)) == set()
        assert await linked(Scope(agency="BPBD")) == {damage}
        assert await linked(EVERYTHING) == {damage, strange}
