"""The trace: every hop of a report across apps and linked reports, found by any number, with what is missing."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console
from sqlalchemy import Connection, delete, select, update

from gateway.flows.audit import find, picture, trace
from gateway.flows.audit.trace import Trace
from gateway.kernel.ledger import Ledger, Unavailable
from gateway.kernel.ledger import tables as t
from gateway.model.delivery import DeliveryState
from gateway.model.entry import Entry, canonical
from gateway.model.principal import EVERYTHING, Actor, Scope
from gateway.model.problem import Problem
from gateway.model.status import Status
from tests.journeys.filed import CONTENT, flood, opened
from tests.journeys.stage import DAMAGE, FLOOD, staged

AUDITOR = Actor(kind="auditor", ref="a4udq6r7s2t3u4v5")


def entries(connection: Connection, stream: str) -> list[Entry]:
    rows = connection.execute(select(t.entry.c.body).where(t.entry.c.stream == stream).order_by(t.entry.c.seq))
    return [msgspec.json.decode(body, type=Entry) for body in rows.scalars()]


async def tamper(ledger: Ledger, statement: Any) -> None:
    """Do behind the ledger's back what nobody may do, not even with the database's guards in place."""

    def work(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ALTER TABLE entry DISABLE TRIGGER ALL")
        else:
            for name in ("entry_never_updated", "entry_never_deleted"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
        connection.execute(statement)

    await ledger._store.write(work)


def drawn(document: Trace, width: int, lang: str) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(picture(document, lang, width))
    return out.getvalue().splitlines()


def line(lines: Sequence[str], part: str) -> str:
    return next(text for text in lines if part in text)


@pytest.mark.parametrize(
    "name", ["code", "typed", "112-BRU-20260128-0007", "kerusakan:45", "key", "sigapdes/kerusakan:45"]
)
async def test_any_number_leads_to_the_whole_way(database_url: str, tmp_path: Path, name: str) -> None:
    async with opened(database_url, tmp_path) as books:
        code, damage = await flood(books)
        await books.file("IN-ROAD")  # a stranger, which must not appear
        given = {"code": code, "typed": code.lower().replace("-", ""), "key": f"{damage}-1"}.get(name, name)
        document = await trace(books.ledger, AUDITOR, f" {given} ", EVERYTHING)
        assert document.report.code == (damage if name == "key" or "kerusakan" in name else code)
        assert [report.code for report in document.reports] == [code, damage]
        assert document.gaps == ()
        assert not document.truncated
        assert document.sealed is None
        first, second = document.reports
        assert [(link.kind, link.direction, link.code) for link in first.links] == [("follow_up_to", "from", damage)]
        assert [(link.kind, link.direction, link.code) for link in second.links] == [("follow_up_to", "to", code)]
        assert first.cases[0].references[0].value == "112-BRU-20260128-0007"
        assert second.due[0].clock == "emergency"
        # Every entry of both streams is a hop, each once, each stream in its own order.
        for report in (code, damage):
            told = [hop.seq for hop in document.hops if hop.report == report]
            assert told == list(range(1, len(told) + 1))
            assert len(told) == len(await books.ledger.read(entries, report))
        assert [hop.at for hop in document.hops] == sorted(hop.at for hop in document.hops)
        sent = [hop for hop in document.hops if hop.kind == "delivery.retry"]
        assert [
            (hop.direction, hop.app, hop.delivery, hop.attempt, hop.outcome, hop.http, hop.latency_ms) for hop in sent
        ] == [("out", "cc112", f"{code}-1", 1, "retryable", 503, 43)]
        heard = [hop for hop in document.hops if hop.event == "e-5"]
        assert [(hop.direction, hop.app, hop.word, hop.status) for hop in heard] == [
            ("in", "cc112", "ON_SCENE", "on_scene")
        ]
        assert [hop.event for hop in document.hops if hop.superseded] == ["e-4"]
        moved = [hop for hop in document.hops if hop.kind == "report.moved"]
        assert {hop.direction for hop in moved} == {"here"}


async def test_looking_is_written_down_before_anything_is_shown(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as books:
        code, _ = await flood(books)
        await trace(books.ledger, AUDITOR, "kerusakan:45", EVERYTHING)
        await find(books.ledger, AUDITOR, "Andi Mappa 081234567890", EVERYTHING)
        with pytest.raises(Problem):
            await trace(books.ledger, AUDITOR, "BRU-0000-0000", EVERYTHING)
        written = await books.ledger.read(entries, "access")
        assert [entry.kind for entry in written] == ["access.trace", "access.search", "access.search"]
        assert {entry.actor for entry in written} == {AUDITOR}
        assert written[0].facts["reports"] == 2
        assert written[1].facts["found"] == 0
        assert b"Andi" not in msgspec.json.encode(written)
        hits = await find(books.ledger, AUDITOR, code, EVERYTHING)
        assert [hit.code for hit in hits] == [code]
        assert (await books.ledger.read(entries, "access"))[-1].facts["code"] == code


async def test_a_look_that_cannot_be_written_shows_nothing(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(sqlite_url, tmp_path) as books:
        code = await books.file()
        await trace(books.ledger, AUDITOR, code, EVERYTHING)
        # The head is set back: the next entry clashes with the one that is there, as in a restored backup.
        await tamper(books.ledger, update(t.stream).where(t.stream.c.name == "access").values(head=0))
        with pytest.raises(Problem) as refused:
            await trace(books.ledger, AUDITOR, code, EVERYTHING)
        assert refused.value.status == 503
        with pytest.raises(Problem):
            await find(books.ledger, AUDITOR, code, EVERYTHING)

        async def gone(act: object) -> None:
            raise Unavailable("down")

        books.ledger.commit = gone  # type: ignore[method-assign]
        with pytest.raises(Unavailable):
            await trace(books.ledger, AUDITOR, code, EVERYTHING)


async def test_what_is_missing_or_altered_shows(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as books:
        code, damage = await flood(books)
        whole = await trace(books.ledger, AUDITOR, code, EVERYTHING)
        last = max(hop.seq for hop in whole.hops if hop.report == damage)
        middle = (t.entry.c.stream == code) & t.entry.c.seq.in_([4, 5, 7])
        await tamper(books.ledger, delete(t.entry).where(middle))
        await tamper(books.ledger, delete(t.entry).where(t.entry.c.stream == damage, t.entry.c.seq == last))
        body = select(t.entry.c.body).where(t.entry.c.stream == damage, t.entry.c.seq == 1).scalar_subquery()
        await tamper(
            books.ledger,
            update(t.entry).where(t.entry.c.stream == damage, t.entry.c.seq == 2).values(body=body),
        )
        (word,) = [entry.seq for entry in await books.ledger.read(entries, code) if entry.event == "e-5"]
        forged = msgspec.structs.replace((await books.ledger.read(entries, code))[word - 4], word="CANCELLED")
        await tamper(
            books.ledger,
            update(t.entry).where(t.entry.c.stream == code, t.entry.c.seq == word).values(body=canonical(forged)),
        )
        document = await trace(books.ledger, AUDITOR, code, EVERYTHING)
        found = {(gap.report, gap.first, gap.last, gap.reason) for gap in document.gaps}
        assert found == {
            (code, 4, 5, "missing"),
            (code, 7, 7, "missing"),
            (code, word, word, "altered"),
            (damage, 2, 2, "altered"),
            (damage, last, last, "missing"),
        }
        assert len(document.hops) == len(whole.hops) - 6
        lines = drawn(document, 100, "en")
        assert f"entries MISSING: {code} 4–5" in line(lines, "4–5")
        assert "entries ALTERED" in line(lines, f"{damage} 2")
        assert "4 entries MISSING" in line(lines, "Integrity")


async def test_a_clock_set_back_does_not_shuffle_a_stream(sqlite_url: str, tmp_path: Path) -> None:
    async with opened(sqlite_url, tmp_path) as books:
        code = await books.file()
        books.clock.on(hours=-2)
        await books.claim()
        await books.settle(f"{code}-1", DeliveryState.ACCEPTED, "accepted", 201)
        document = await trace(books.ledger, AUDITOR, code, EVERYTHING)
        assert [hop.seq for hop in document.hops] == list(range(1, len(document.hops) + 1))


async def test_a_trace_keeps_to_its_scope(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as books:
        code, damage = await flood(books)
        secret = await books.file("GV-GRAFT", privacy="restricted", follow_up_to=code)
        beyond = await books.file("XX-OTHER", follow_up_to=secret)
        ordinary = Scope(everything=True)
        document = await trace(books.ledger, AUDITOR, code, ordinary)
        assert [report.code for report in document.reports] == [code, damage]
        with pytest.raises(Problem) as refused:
            await trace(books.ledger, AUDITOR, secret, ordinary)
        assert refused.value.status == 404
        document = await trace(books.ledger, AUDITOR, code, EVERYTHING)
        assert {report.code for report in document.reports} == {code, damage, secret, beyond}


async def test_a_number_that_two_apps_gave_is_not_chosen_silently(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as books:
        one, other = await books.file(), await books.file("VI-DAMAGE", [("sigapdes", "BPBD")])
        await books.refer(one, 1, "id", "45")
        await books.refer(other, 1, "id", "45")
        with pytest.raises(Problem) as refused:
            await trace(books.ledger, AUDITOR, "45", EVERYTHING)
        assert refused.value.status == 409
        assert (await trace(books.ledger, AUDITOR, "sigapdes/45", EVERYTHING)).report.code == other
        assert {hit.code for hit in await find(books.ledger, AUDITOR, "45", EVERYTHING)} == {one, other}


async def test_links_are_followed_to_a_bound(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.flows.audit.queries.MOST_REPORTS", 3)
    async with opened(sqlite_url, tmp_path) as books:
        chain = [await books.file()]
        for _ in range(4):
            books.clock.on(seconds=1)
            chain.append(await books.file(follow_up_to=chain[-1]))
        document = await trace(books.ledger, AUDITOR, chain[2], EVERYTHING)
        assert document.truncated
        assert len(document.reports) == 3
        assert document.report.code == chain[2]
        assert "not followed" in line(drawn(document, 140, "en"), "Integrity")


@pytest.mark.parametrize(("width", "lang"), [(100, "id"), (140, "en")])
async def test_the_picture_can_be_read(sqlite_url: str, tmp_path: Path, width: int, lang: str) -> None:
    async with opened(sqlite_url, tmp_path) as books:
        code, damage = await flood(books)
        document = await trace(books.ledger, AUDITOR, code, EVERYTHING)
    lines = drawn(document, width, lang)
    assert max(len(text) for text in lines) <= width
    assert code in lines[0]
    attempt = line(lines, "503")
    assert "28 Jan 14:02:11 → cc112" in attempt  # 06:02:11 UTC is 14:02:11 in Barru
    assert ("percobaan 1" if lang == "id" else "attempt 1") in attempt
    assert "43ms" in attempt
    heard = line(lines, "ON_SCENE")
    assert "← cc112" in heard
    assert ("“ON_SCENE” ⇒ petugas di lokasi" if lang == "id" else "“ON_SCENE” ⇒ on scene") in heard
    assert "§route-village-damage" in line(lines, "VI-DAMAGE") or any("§route-village-damage" in text for text in lines)
    assert ("tindak lanjut dari " if lang == "id" else "follow-up to ") + code in "\n".join(lines)
    gone = line(lines, "tergantikan" if lang == "id" else "superseded")
    assert "“DISPATCHED”" in gone
    assert "cc112" in line(lines, "Aplikasi" if lang == "id" else "Apps")
    assert damage in line(lines, "21:32:14")  # the deadline of the follow-up
    assert ("lengkap" if lang == "id" else "complete") in line(lines, "Keutuhan" if lang == "id" else "Integrity")


async def test_what_an_app_says_cannot_play_the_terminal(sqlite_url: str, tmp_path: Path) -> None:
    async with opened(sqlite_url, tmp_path) as books:
        code = await books.file()
        await books.hear(code, 1, "e-1", Status.VERIFIED, "[red]\x1b[2J\u202e\x07\nBAD[/red]")
        document = await trace(books.ledger, AUDITOR, code, EVERYTHING)
    out = io.StringIO()
    Console(file=out, width=120, force_terminal=True, color_system="truecolor").print(picture(document, "id", 120))
    text = out.getvalue()
    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    assert "\x07" not in text
    assert "[red]" in text  # shown as it came, not obeyed


async def test_a_trace_holds_nothing_personal(sqlite_url: str, tmp_path: Path) -> None:
    async with opened(sqlite_url, tmp_path) as books:
        code, _ = await flood(books)
        told = msgspec.json.encode(await trace(books.ledger, AUDITOR, code, EVERYTHING)).decode()
    reporter = CONTENT.reporter
    for secret in (CONTENT.description, reporter.name, reporter.phone, reporter.national_id, "Perahu karet"):
        assert secret is not None
        assert secret not in told


async def test_an_auditor_follows_the_flood_over_http(database_url: str, tmp_path: Path) -> None:
    async with staged(tmp_path, database_url) as stage:
        officer = stage.token("lurah", "operator", agency="KEC-BALUSU")
        auditor = stage.token("itda", "auditor")

        async def number_of(code: str, token: str | None, **headers: Any) -> Any:
            async def look() -> Any:
                seen = await stage.ask("GET", f"/v1/reports/{code}", token, **headers)
                return seen.body["cases"][0]["references"]

            return (await stage.until(look))[0]["value"]

        flood_report = (await stage.file(FLOOD)).body
        ticket = await number_of(flood_report["code"], None, x_report_secret=flood_report["secret"])
        damage = (await stage.file(DAMAGE | {"follow_up_to": ticket}, officer)).body["code"]
        record = await number_of(damage, officer)
        assert record.startswith("kerusakan:")
        for name in (flood_report["code"], ticket, record, f"{damage}-1"):
            answer = await stage.ask("GET", f"/v1/audit/reports/{name}/trace", auditor)
            assert answer.status == 200, answer
            assert [report["code"] for report in answer.body["reports"]] == [flood_report["code"], damage]
            assert answer.body["gaps"] == []
            assert answer.body["sealed"] is None
            apps = {hop["app"] for hop in answer.body["hops"] if hop["direction"] == "out"}
            assert apps == {"cc112", "sigapdes", "sms"}
            assert all({"seq", "at", "kind", "actor", "superseded"} <= hop.keys() for hop in answer.body["hops"])
        found = await stage.ask("GET", f"/v1/audit/search?q={ticket}", auditor)
        assert [hit["code"] for hit in found.body["items"]] == [flood_report["code"]]
        looks = await stage.house.ledger.read(entries, "access")
        assert [look.kind for look in looks] == ["access.trace"] * 4 + ["access.search"]
        assert {(look.actor.kind, look.actor.ref) for look in looks} == {("auditor", looks[0].actor.ref)}
        assert (await stage.ask("GET", "/v1/audit/reports/BRU-0000-0000/trace", auditor)).status == 404
        assert (await stage.ask("GET", "/v1/audit/search", auditor)).status in {400, 422}
        for token, status in ((officer, 403), (stage.token("andi", "citizen"), 403), (None, 401)):
            assert (await stage.ask("GET", f"/v1/audit/reports/{ticket}/trace", token)).status == status
            assert (await stage.ask("GET", f"/v1/audit/search?q={ticket}", token)).status == status
