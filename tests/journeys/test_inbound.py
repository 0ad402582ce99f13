"""News from apps: believed only with proof, kept once, applied in whatever order it comes, and never lost: not a
webhook that was dropped, not a page that a crash tore, not the neighbour of a broken row.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import pytest
from sqlalchemy import Connection, text

from gateway.flows.inbound.apply import PARKED_FOR
from gateway.flows.inbound.opened import open_row
from gateway.flows.inbound.store import Kept
from gateway.house import open_house
from gateway.kernel.ledger import tables
from gateway.sdk.sandbox import Sandbox
from gateway.worker import Worker
from tests.faults.proxy import (
    Fault,
    Seen,
    cuts_before_headers,
    cuts_in_body,
    hangs,
    never_arrives,
    says_500,
)
from tests.faults.town import Gateway, gateway, opened, town
from tests.journeys.stage import DAMAGE, FLOOD, Answer

QUIET: Final = 60.0
"""Seconds between polls where none is wanted."""
NUMBER: Final = "+6285255000040"
CALL: Final[dict[str, Any]] = {
    "category": "KEBAKARAN",
    "call": {"type": "normal", "msisdn": NUMBER},
    "location": {"text": "Jalan poros depan pasar", "kode_wilayah": "73.11.07.1001"},
    "narrative": "Dapur terbakar, api membesar.",
}
TYPED: Final[dict[str, Any]] = {"kode_desa": "7311071001", "jenis_bencana": "banjir", "nama_kk": "Baso Tahir"}
UNIT: Final = {"unit": "REGU-1", "opd": "BPBD"}
MOVES: Final[list[tuple[str, str | None, dict[str, Any]]]] = [
    ("VERIFIED", None, {}),
    ("DISPATCHED", None, {"dispatches": [{**UNIT, "status": "ASSIGNED"}]}),
    ("ON_THE_WAY", None, {"dispatches": [{**UNIT, "status": "ON_THE_WAY"}]}),
    ("ON_SCENE", "Perahu karet tiba", {"dispatches": [{**UNIT, "status": "ON_SCENE"}]}),
    ("CLOSED", "Warga terevakuasi", {"dispatches": [{**UNIT, "status": "DONE"}], "closing": {"outcome": "handled"}}),
]


def move(app: Sandbox, reference: str, word: str, note: str | None = None, **fields: Any) -> None:
    """Let the app's officer move a record."""
    app.advance(app.store.records[reference], word, note, None, fields)


async def applied(ready: Gateway, app: str, count: int | None = None) -> list[dict[str, Any]]:
    """Wait until all news of an app (at least `count` pieces) is applied or set aside; return the inbox."""

    async def look() -> list[dict[str, Any]] | None:
        rows = await ready.rows(tables.inbox, app=app)
        over = all(row["state"] in {"applied", "quarantined"} for row in rows)
        return rows if over and len(rows) >= (count or 0) else None

    rows: list[dict[str, Any]] = await ready.until(look)
    return rows


async def adopted(ready: Gateway, reference: str) -> str:
    """Wait until the record that was born in an app is a report here; return its code."""
    code: str = await ready.until(lambda: ready.report_of(reference))
    return code


async def case_of(ready: Gateway, code: str) -> dict[str, Any]:
    """Return the first case of a report, as the trace has it."""
    case: dict[str, Any] = (await ready.trace(code))["report"]["cases"][0]
    return case


async def stands(ready: Gateway, code: str, status: str) -> None:
    """Wait until a report has a status."""

    async def look() -> bool:
        return bool((await ready.rows(tables.report, code=code))[0]["status"] == status)

    await ready.until(look)


async def call_back(ready: Gateway, body: bytes, at: datetime | None = None, **changed: str) -> Answer:
    """Call back as 112 does, signed for `at`; keywords change headers."""
    centre = ready.town.apps["cc112"]
    headers = centre.signed(body, at or centre.now()) | {
        name.replace("_", "-"): value for name, value in changed.items()
    }
    async with ready.session.post(f"{ready.url}/hooks/cc112", data=body, headers=headers) as answer:
        return Answer(answer.status, answer.headers, await answer.json(content_type=None))


def bodies(ready: Gateway) -> list[bytes]:
    """Return the webhooks that 112 owes and holds back."""
    return [callback.body.encode() for callback in ready.town.apps["cc112"].store.callbacks.values()]


# -- proof --------------------------------------------------------------------------------------------------------


async def test_a_webhook_without_proof_changes_nothing(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url, poll_s=QUIET) as ready:
        ready.town.deafen()
        code = await ready.filed(FLOOD)
        await ready.ends(f"{code}-1")
        centre = ready.town.apps["cc112"]
        move(centre, ready.town.records("cc112")[0]["reference"], "ON_SCENE")
        body = bodies(ready)[-1]
        before = (await ready.rows(tables.inbox), await ready.rows(tables.event), await ready.rows(tables.report))

        tampered = body.replace(b"ON_SCENE", b"CANCELLED")
        right = centre.signed(body, centre.now())["X-112-Signature"]
        old = centre.now() - timedelta(minutes=6)
        refused = [
            await call_back(ready, body, X_112_Signature=""),
            await call_back(ready, body, X_112_Signature="sha256=" + "0" * 64),
            await call_back(ready, tampered, X_112_Signature=right),
            await call_back(ready, body, at=old),
            await call_back(ready, body, at=centre.now() + timedelta(minutes=6)),
            await call_back(ready, body, at=old, X_112_Timestamp=str(int(centre.now().timestamp()))),
            await ready.ask("POST", "/hooks/cc112", raw=body),
        ]
        assert [answer.status for answer in refused] == [401] * 7
        assert {answer.body["type"].rpartition("/")[2] for answer in refused} == {"webhook-refused"}
        assert [(await ready.ask("POST", f"/hooks/{app}", raw=body)).status for app in ("sigapdes", "ppid", "x")] == [
            404
        ] * 3
        assert before == (
            await ready.rows(tables.inbox),
            await ready.rows(tables.event),
            await ready.rows(tables.report),
        )
        reasons = Counter({alert["detail"]: alert["times"] for alert in await ready.alerts("webhook_refused")})
        assert reasons == Counter({"unsigned": 1, "wrong_signature": 1, "stale": 1}), (
            "told once in a while, not each time"
        )

        assert (await call_back(ready, body)).body == {"new": 1}
        await stands(ready, code, "on_scene")


async def test_a_proven_body_that_nobody_understands_is_set_aside(tmp_path: Path, sqlite_url: str) -> None:
    """It is kept once and answered 202: refused, the app would only send it again, for ever."""
    async with opened(tmp_path, sqlite_url, apps=("cc112",), poll_s=QUIET) as ready:
        for body in (b"<html>", b"[]", b'{"event_id": "e-1", "type": "incident.created"}', b"\xff\xfe", b""):
            for new in (1, 0):
                answer = await call_back(ready, body)
                assert (answer.status, answer.body) == (202, {"new": new}), body
        rows = await ready.rows(tables.inbox)
        assert {row["state"] for row in rows} == {"quarantined"}
        assert len(await ready.alerts("unreadable_row")) == len(rows) == 5
        assert await ready.rows(tables.report) == []


# -- whatever order, however often ----------------------------------------------------------------------------------


async def test_order_and_number_of_webhooks_do_not_matter(tmp_path: Path, database_url: str) -> None:
    """The same story told in order, backwards, twice, and shuffled with repeats ends in the same place."""
    chance = Random(20260128)
    async with opened(tmp_path, database_url, apps=("cc112",), poll_s=QUIET) as ready:
        ready.town.deafen()
        line = ready.town.lines["cc112"]
        line.when(lambda seen: "/events" in seen.path, says_500, times=10_000, name="deaf")
        codes = await asyncio.gather(*(ready.filed(FLOOD) for _ in range(12)))
        for code in codes:
            await ready.ends(f"{code}-1")
        centre = ready.town.apps["cc112"]
        told: dict[str, list[bytes]] = {}
        for record in ready.town.records("cc112"):
            for word, note, fields in MOVES:
                move(centre, record["reference"], word, note, **fields)
            mine = [body for body in bodies(ready) if f'"{record["key"]}"'.encode() in body]
            assert len(mine) == 6
            told[record["key"]] = mine
        for number, code in enumerate(codes):
            mine = told[f"{code}-1"]
            orders = [mine, mine[::-1], [one for one in mine for _ in (1, 2)], mine[3:] + mine[:3]]
            shuffled = chance.sample(mine * 2, 12)
            for body in orders[number] if number < 4 else shuffled:
                assert (await call_back(ready, body)).status == 202
        await applied_but_for_looks(ready, 12 * 6)

        ends = []
        for code in codes:
            case = await case_of(ready, code)
            hops = (await ready.trace(code))["hops"]
            news = [hop for hop in hops if hop["event"] and hop["event"].startswith("evt-")]
            assert len(news) == 6
            ends.append((case["status"], case["word"], {hop["kind"] for hop in news}))
            assert (await ready.rows(tables.report, code=code))[0]["status"] == "resolved"
        assert ends == [ends[0]] * 12
        assert ends[0][:2] == ("resolved", "CLOSED/handled")
        backwards = (await ready.trace(codes[1]))["hops"]
        late = {hop["word"]: hop["superseded"] for hop in backwards if (hop["event"] or "").startswith("evt-")}
        assert late["NEW"], "it says nothing that the receipt did not say"
        assert not late["CLOSED/handled"]


async def applied_but_for_looks(ready: Gateway, count: int) -> None:
    """Wait until so many events are applied; the hints that ask for what is missing may wait."""

    async def look() -> bool:
        rows = await ready.rows(tables.inbox, state="applied")
        return sum(str(row["event_id"]).startswith("evt-") for row in rows) == count

    await ready.until(look, 30)


@pytest.mark.parametrize("quirk", ["duplicate_webhooks", "reorder_webhooks", "stale_webhooks", "unsigned_webhooks"])
async def test_an_app_that_calls_back_badly(tmp_path: Path, sqlite_url: str, quirk: str) -> None:
    async with opened(tmp_path, sqlite_url, apps=("cc112",), poll_s=QUIET) as ready:
        centre = ready.town.apps["cc112"]
        ready.town.quirk("cc112", **{quirk: 2 if quirk in {"stale_webhooks", "unsigned_webhooks"} else True})
        reference = centre.born(CALL).reference
        for word, note, fields in MOVES:
            move(centre, reference, word, note, **fields)
        code = await adopted(ready, reference)
        await stands(ready, code, "resolved")
        await applied(ready, "cc112", 6)
        assert len(await ready.rows(tables.report)) == 1
        events = [row["event_id"] for row in await ready.rows(tables.event)]
        assert len(events) == len(set(events)) == 6
        await ready.until(lambda: paid(centre))


async def test_a_dropped_webhook_is_read_again(tmp_path: Path, database_url: str) -> None:
    """A gap shows in the sequence and is read; the last one of all shows in nothing but the poll."""
    async with opened(tmp_path, database_url, apps=("cc112",), poll_s=QUIET) as ready:
        await ready.until(lambda: read_once(ready, "cc112"))
        centre, line = ready.town.apps["cc112"], ready.town.lines["cc112"]
        code = await ready.filed(FLOOD)
        await ready.ends(f"{code}-1")
        reference = ready.town.records("cc112")[0]["reference"]
        await applied(ready, "cc112", 1)
        ready.town.quirk("cc112", drop_webhooks=2)
        for word, note, fields in MOVES[:3]:
            move(centre, reference, word, note, **fields)
            await ready.until(lambda: paid(centre))
        await stands(ready, code, "in_progress")
        await applied(ready, "cc112", 5)
        found = {row["event_id"].rpartition("-")[2]: row["source"] for row in await ready.rows(tables.inbox)}
        assert {number: found[number] for number in "1234"} == {
            "1": "webhook",
            "2": "read",
            "3": "read",
            "4": "webhook",
        }
        assert sorted(row["seq"] for row in await ready.rows(tables.event) if row["seq"]) == [1, 2, 3, 4]
        (asked,) = line.requests("GET", "/events")
        assert asked.path.endswith("after_seq=1")

        ready.town.quirk("cc112", drop_webhooks=2)
        for word, note, fields in MOVES[3:]:
            move(centre, reference, word, note, **fields)
        await ready.until(lambda: paid(centre))
        ready.house.wake.ring("poll:cc112")
        await stands(ready, code, "resolved")
        told = [row["text"] for row in await timeline(ready, code)]
        assert "Warga terevakuasi" in told


async def paid(app: Sandbox) -> bool:
    """Tell whether an app owes no webhook any more."""
    return not app.store.callbacks


async def read_once(ready: Gateway, app: str) -> bool:
    """Tell whether an app has been read to its end."""
    return any(row["answered_at"] for row in await ready.rows(tables.cursor, app=app))


async def timeline(ready: Gateway, code: str) -> list[dict[str, Any]]:
    """Return what was told about a report."""
    answer = await ready.ask("GET", f"/v1/reports/{code}/timeline", ready.coordinator)
    assert answer.status == 200, answer
    return [{"text": None, **row} for row in answer.body]


async def test_a_record_whose_beginning_was_lost_is_read_whole(tmp_path: Path, sqlite_url: str) -> None:
    """The webhook of its creation never came: what is heard first is that a unit is on its way."""
    async with opened(tmp_path, sqlite_url, apps=("cc112",), poll_s=QUIET) as ready:
        await ready.until(lambda: read_once(ready, "cc112"))
        centre = ready.town.apps["cc112"]
        ready.town.quirk("cc112", drop_webhooks=1)
        reference = centre.born(CALL).reference
        await ready.until(lambda: paid(centre))
        move(centre, reference, "ON_THE_WAY")
        code = await adopted(ready, reference)
        await stands(ready, code, "in_progress")
        await applied(ready, "cc112", 3)
        assert len(await ready.rows(tables.report)) == 1


# -- what cannot be understood --------------------------------------------------------------------------------------


async def test_an_unknown_word_is_never_guessed(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url) as ready:
        codes = {app: await ready.filed(body) for app, body in (("cc112", FLOOD), ("sigapdes", DAMAGE))}
        for code in codes.values():
            await ready.ends(f"{code}-1")
        references = {app: ready.town.records(app)[0]["reference"] for app in codes}
        centre, office = ready.town.apps["cc112"], ready.town.apps["sigapdes"]
        move(centre, references["cc112"], "VERIFIED")
        await stands(ready, codes["cc112"], "verified")
        event = centre.store.records[references["cc112"]].history[-1]
        strange = {**event, "event_id": "evt-strange", "seq": 3, "status": "ESKALASI"}
        assert (await call_back(ready, json.dumps(strange).encode())).status == 202
        record = office.store.records[references["sigapdes"]]
        later = (datetime.now(UTC) + timedelta(hours=8, seconds=1)).strftime("%Y-%m-%d %H:%M:%S")
        office.store.put(msgspec.structs.replace(record, row={**record.row, "status": 7, "updated_at": later}))

        alerts = await ready.until(lambda: several(ready, "unknown_word", 2))
        assert {alert["subject"]: alert["times"] for alert in alerts} == {
            "cc112:ESKALASI": 1,
            "sigapdes:kerusakan/7": 1,
        }
        for app, word in (("cc112", "verified"), ("sigapdes", "received")):
            hops = (await ready.trace(codes[app]))["hops"]
            kept = [hop["facts"]["reason"] for hop in hops if hop["kind"] == "inbound.quarantined"]
            assert kept == ["unknown_word"]
            assert (await case_of(ready, codes[app]))["status"] == word
        health = {
            one["app"]: one for one in (await ready.ask("GET", "/v1/desk/health", ready.coordinator)).body["apps"]
        }
        assert [health[app]["quarantined"] for app in codes] == [1, 1]
        # What comes after it is understood again.
        move(centre, references["cc112"], "ON_SCENE")
        move(office, references["sigapdes"], "2")
        await stands(ready, codes["cc112"], "on_scene")
        await stands(ready, codes["sigapdes"], "in_progress")


async def several(ready: Gateway, kind: str, count: int) -> list[dict[str, Any]] | None:
    """Return the alerts of a kind once there are so many."""
    found = await ready.alerts(kind)
    return found if len(found) >= count else None


async def test_a_broken_row_does_not_hide_its_neighbours(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url) as ready:
        centre, office = ready.town.apps["cc112"], ready.town.apps["sigapdes"]
        ready.town.quirk("cc112", hold_webhooks=True)
        ready.town.quirk("sigapdes", malformed_row=True)
        good = [office.born(TYPED).reference, centre.born(CALL).reference]
        surrogate = centre.born({**CALL, "narrative": "Kebakaran \ud83d di pasar"}).reference
        broken = centre.born(CALL)
        centre.store.put(msgspec.structs.replace(broken, row={**broken.row, "caller": "?", "ticket_no": 7}))
        good += [office.born(TYPED).reference, centre.born(CALL).reference]
        for reference in good:
            await adopted(ready, reference)
        move(centre, good[3], "CLOSED", "Selesai")
        await stands(ready, await adopted(ready, good[3]), "resolved")
        bad = await ready.until(lambda: several(ready, "unreadable_row", 5))
        # The same broken row on every page is one alert, not one per poll.
        polls = len(ready.town.lines["sigapdes"].seen)

        async def again() -> bool:
            return len(ready.town.lines["sigapdes"].seen) > polls + 12

        await ready.until(again)
        spoiled = sorted(one["subject"] for one in bad if one["app"] == "cc112")
        assert spoiled == ["cc112:bad:" + name for name in (f"incident {surrogate}", "incident 7")]
        assert [alert["times"] for alert in await ready.alerts("unreadable_row")] == [1] * len(bad)
        assert await ready.report_of(surrogate) is None
        assert len(await ready.rows(tables.report)) == 4
        move(office, good[2], "2")
        await stands(ready, await adopted(ready, good[2]), "in_progress")


async def test_rows_of_other_places_are_refused(tmp_path: Path, sqlite_url: str) -> None:
    """Another regency's citizen is kept out altogether; a village of ours that does not exist waits for a person;
    an emergency waits for nobody."""
    async with opened(tmp_path, sqlite_url) as ready:
        centre, office = ready.town.apps["cc112"], ready.town.apps["sigapdes"]
        ready.town.quirk("sigapdes", leak_villages=True)
        foreign = office.born({**TYPED, "kode_desa": "7371010001", "nama_kk": "Warga Makassar"}).reference
        nowhere = office.born({**TYPED, "kode_desa": "7311999999"}).reference
        ours = office.born(TYPED).reference
        place = {"text": "Jalan poros", "kode_wilayah": "73.99"}
        lost = centre.born({**CALL, "location": place}).reference
        asked = centre.born(
            {**CALL, "location": place, "category": None, "call": {"type": "informasi", "service": "IN-ROAD"}}
        ).reference
        await adopted(ready, ours)
        code = await adopted(ready, lost)
        await applied(ready, "cc112")
        assert [await ready.report_of(one) for one in (foreign, nowhere, asked)] == [None] * 3
        shown = (await ready.ask("GET", f"/v1/reports/{code}", ready.coordinator)).body
        assert shown["place"] == {"address": "Jalan poros, 73.99"}

        kept = await ready.until(lambda: several(ready, "unreadable_row", 1))
        assert [alert["subject"].startswith(f"sigapdes:bad:{foreign}") for alert in kept] == [True]
        (row,) = await ready.rows(tables.inbox, event_id=kept[0]["subject"].partition(":")[2])
        assert open_row(ready.house.ledger, row).kept == Kept(raw=foreign.encode()), "a stranger's data was kept"
        villages = await ready.until(lambda: several(ready, "unknown_village", 2))
        assert {alert["app"] for alert in villages} == {"cc112", "sigapdes"}


# -- born in the app ------------------------------------------------------------------------------------------------


async def test_a_record_born_in_an_app_is_opened_once(tmp_path: Path, database_url: str) -> None:
    """Webhook (twice), poll and read all bring it, to two workers where the database allows it."""
    async with AsyncExitStack() as stack:
        ready = await stack.enter_async_context(opened(tmp_path, database_url, poll_s=0.2))
        second = None
        if not ready.house.settings.sqlite:
            other = await stack.enter_async_context(open_house(ready.house.settings, migrated=True))
            second = Worker(other)
            second.start()
        centre, office = ready.town.apps["cc112"], ready.town.apps["sigapdes"]
        ready.town.quirk("cc112", duplicate_webhooks=True)
        born = [centre.born(CALL).reference for _ in range(5)] + [office.born(TYPED).reference for _ in range(5)]
        for reference in born[:5]:
            move(centre, reference, "ON_THE_WAY")
        for reference in born[5:]:
            move(office, reference, "2")
        codes = [await adopted(ready, reference) for reference in born]
        for code in codes:
            await stands(ready, code, "in_progress")
        for app in ready.town.apps:
            await applied(ready, app)
        if second is not None:
            await second.stop()
        reports = await ready.rows(tables.report)
        assert sorted(row["code"] for row in reports) == sorted(codes)
        assert len(set(codes)) == 10
        assert {(row["channel"], row["born_in"], row["owner"]) for row in reports} == {
            ("cc112", "cc112", None),
            ("sigapdes", "sigapdes", None),
        }
        assert await ready.rows(tables.delivery) == [], "a record was sent back to where it was born"
        first = await ready.trace(codes[0])
        assert [(case["app"], case["reason"]) for case in first["report"]["cases"]] == [("cc112", "born_there")]
        shown = (await ready.ask("GET", f"/v1/reports/{codes[0]}", ready.coordinator)).body
        assert shown["service"]["code"] == "EM-FIRE"
        assert shown["description"] == CALL["narrative"]


async def test_prank_and_ghost_calls_are_only_counted(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url, apps=("cc112",)) as ready:
        centre = ready.town.apps["cc112"]
        ready.town.quirk("cc112", duplicate_webhooks=True)
        before = centre.now().replace(minute=0, second=0, microsecond=0)
        for kind, count in (("ghost", 5), ("prank", 2)):
            for _ in range(count):
                centre.born({"call": {"type": kind, "msisdn": NUMBER}})
        held = bodies(ready)
        await ready.until(lambda: paid(centre))
        for body in held:
            assert (await call_back(ready, body)).body == {"new": 0}
        counted: Counter[str] = Counter()
        for row in await ready.rows(tables.tally):
            assert row["app"] == "cc112"
            assert before <= row["hour"] <= centre.now()
            assert (row["hour"].minute, row["hour"].second) == (0, 0)
            counted[row["kind"]] += row["total"]
        assert counted == Counter({"ghost": 5, "prank": 2})
        assert await ready.rows(tables.report) == []
        rows = await ready.rows(tables.inbox)
        assert [row["state"] for row in rows] == ["applied"] * 7
        assert [open_row(ready.house.ledger, row).kept for row in rows] == [Kept()] * 7, "something of a call was kept"
        # The next call from the same number is as good as any other.
        code = await adopted(ready, centre.born(CALL).reference)
        assert (await ready.rows(tables.report, code=code))[0]["emergency"]
        assert len(await ready.rows(tables.report)) == 1


async def test_calls_for_information_are_no_emergencies(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, apps=("cc112",)) as ready:
        centre = ready.town.apps["cc112"]

        def asks(service: str | None) -> str:
            call = {"type": "informasi", "service": service, "msisdn": NUMBER}
            return centre.born({**CALL, "category": None, "call": call}).reference

        named, unnamed, strange = asks("IN-LIGHT"), asks(None), asks("IN-NOTHING")
        services = {}
        for reference in (named, unnamed):
            row = (await ready.rows(tables.report, code=await adopted(ready, reference)))[0]
            services[reference] = (row["service"], row["emergency"], row["kind"] == "emergency")
        assert services == {named: ("IN-LIGHT", False, False), unnamed: ("XX-OTHER", False, False)}
        alerts = await ready.until(lambda: ready.alerts("unknown_category"))
        assert len(alerts) == 1
        assert await ready.report_of(strange) is None
        assert await ready.rows(tables.tally) == []


async def test_news_of_what_nobody_knows_is_parked_and_then_shown(tmp_path: Path, sqlite_url: str) -> None:
    """It carries a key of ours that is not ours (another installation's): kept for a day, then for a person."""
    async with opened(tmp_path, sqlite_url, apps=("cc112",), poll_s=QUIET) as ready:
        code = await ready.filed(FLOOD)
        await ready.ends(f"{code}-1")
        event = ready.town.apps["cc112"].store.records[ready.town.records("cc112")[0]["reference"]].history[0]
        foreign = {
            **event,
            "event_id": "evt-foreign",
            "external_ref": f"{code}-77",
            "ticket_no": "112-BRU-20200101-0001",
        }
        assert (await call_back(ready, json.dumps(foreign).encode())).status == 202

        async def parked() -> list[dict[str, Any]]:
            return await ready.rows(tables.inbox, event_id="evt-foreign", state="parked")

        await ready.until(parked)
        assert len(await ready.rows(tables.report)) == 1
        real = ready.house.clock.real()
        where = {"event_id": "evt-foreign"}
        await ready.backdate(tables.inbox, where, parked_at=real - PARKED_FOR, due_at=real)
        (alert,) = await ready.until(lambda: ready.alerts("unmatched"))
        assert alert["subject"] == "cc112:evt-foreign"
        assert (await ready.rows(tables.inbox, **where))[0]["state"] == "quarantined"


# -- pages, crashes, clocks -----------------------------------------------------------------------------------------


async def test_a_crash_between_two_pages_misses_nothing(tmp_path: Path, database_url: str) -> None:
    """Rows and cursor move together: after the first page was kept and the second was on its way."""
    async with town(tmp_path, apps=("sigapdes",), poll_s=0.3) as place:
        office, line = place.apps["sigapdes"], place.lines["sigapdes"]
        place.quirk("sigapdes", clock_offset_s=-60)  # what changes in the running second is told later
        born = [office.born(TYPED).reference for _ in range(120)]
        place.quirk("sigapdes", clock_offset_s=0)
        async with gateway(place, database_url, work=False) as first:
            line.when(second_page, hangs, name="second page")
            first.work()
            await first.until(lambda: counted(first, 50))
            await first.until(lambda: met(line.injected))
            await first.crash()
            rows, cursors = await first.rows(tables.inbox), await first.rows(tables.cursor, app="sigapdes")
            assert len(rows) == 100
            assert len(cursors) == 1
        async with gateway(place, database_url) as second:
            for app_row in born:
                assert await adopted(second, app_row)
            await applied(second, "sigapdes", 120)
            reports = await second.rows(tables.report)
            assert len(reports) == 120
            names = Counter(row["event_id"] for row in await second.rows(tables.event))
            assert len(names) == 120
            assert max(names.values()) == 1


async def test_a_cursor_never_moves_without_its_rows(tmp_path: Path, database_url: str) -> None:
    """The database refuses one row of a page: nothing of the page is taken as read, however long that lasts."""
    async with opened(tmp_path, database_url, apps=("sigapdes",), poll_s=0.2, work=False) as ready:
        office, line = ready.town.apps["sigapdes"], ready.town.lines["sigapdes"]
        ready.town.quirk("sigapdes", clock_offset_s=-7200)
        old = [office.born(TYPED).reference for _ in range(3)]  # too old for the overlap to bring them again
        ready.town.quirk("sigapdes", clock_offset_s=0)
        fresh = office.born(TYPED).reference
        await execute(ready, *REFUSE_ROWS[ready.house.settings.sqlite])
        ready.work()

        async def asked() -> bool:
            return len(line.requests("GET", "sejak_id")) >= 9

        await ready.until(asked)
        assert await ready.rows(tables.inbox) == []
        assert [row["cursor"] for row in await ready.rows(tables.cursor, app="sigapdes")] in ([], [None])
        await execute(ready, DROP_TRIGGER[ready.house.settings.sqlite])
        for reference in (*old, fresh):
            await adopted(ready, reference)


REFUSE_ROWS: Final[dict[bool, tuple[str, ...]]] = {
    True: ("CREATE TRIGGER refuse BEFORE INSERT ON inbox BEGIN SELECT RAISE(ABORT, 'refused'); END",),
    False: (
        "CREATE FUNCTION refuse() RETURNS trigger AS 'BEGIN RAISE EXCEPTION ''refused''; END' LANGUAGE plpgsql",
        "CREATE TRIGGER refuse BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION refuse()",
    ),
}
"""What makes SQLite (True) and PostgreSQL refuse every row of the inbox."""
DROP_TRIGGER: Final = {True: "DROP TRIGGER refuse", False: "DROP TRIGGER refuse ON inbox"}


async def execute(ready: Gateway, *statements: str) -> None:
    """Run statements on the gateway's database."""

    def work(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    await ready.house.ledger._store.write(work)


def second_page(seen: Seen) -> bool:
    """Fits the poll that follows the first page of damage records (its first request that knows an id)."""
    return "/kerusakan?" in seen.path and "sejak_id=100" in seen.path


async def counted(ready: Gateway, most: int) -> bool:
    """Tell whether at least so many rows are in the inbox."""
    return len(await ready.rows(tables.inbox)) >= most


async def met(injected: Counter[str]) -> bool:
    """Tell whether a fault has happened."""
    return injected.total() > 0


async def test_an_app_whose_clock_is_wrong_is_read_all_the_same(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, apps=("sigapdes",), poll_s=0.3) as ready:
        office = ready.town.apps["sigapdes"]
        code = await ready.filed(DAMAGE)
        await ready.ends(f"{code}-1")
        reference = ready.town.records("sigapdes")[0]["reference"]
        ready.town.quirk("sigapdes", clock_offset_s=900)
        move(office, reference, "2")
        await stands(ready, code, "in_progress")
        ready.town.quirk("sigapdes", clock_offset_s=-900)
        behind = office.born(TYPED).reference
        await adopted(ready, behind)
        move(office, behind, "2")
        await stands(ready, await adopted(ready, behind), "in_progress")


# -- what citizens add ----------------------------------------------------------------------------------------------


def says_word(way: str) -> Callable[[Seen], bool]:
    """Fits the write that carries the word of this way."""
    return lambda seen: seen.method == "POST" and f"[{way}]".encode() in seen.body


@pytest.mark.parametrize(("app", "body"), [("cc112", FLOOD), ("sigapdes", DAMAGE)])
async def test_a_citizens_word_arrives_once_whatever_is_lost(
    tmp_path: Path, database_url: str, app: str, body: dict[str, Any]
) -> None:
    """The answer to a note or reply is lost in every way; a phone that sends the word twice changes nothing."""
    faults: list[Fault] = [hangs, cuts_before_headers, cuts_in_body, says_500, never_arrives]
    async with opened(tmp_path, database_url, apps=(app,), poll_s=QUIET) as ready:
        ready.town.deafen()
        owner, line = ready.token("warga-1", "citizen"), ready.town.lines[app]
        ways = {fault.__name__: fault for fault in faults} | {"nothing": None}
        codes = dict(zip(ways, await asyncio.gather(*(ready.filed(body, owner) for _ in ways)), strict=True))
        for code in codes.values():
            await ready.ends(f"{code}-1")
        for way, fault in ways.items():
            if fault is not None:
                line.when(says_word(way), fault)
            said = {"text": f"Air naik lagi [{way}]"}
            for _ in range(2):
                path = f"/v1/reports/{codes[way]}/messages"
                answer = await ready.ask("POST", path, owner, said, idempotency_key=f"key-of-{way}")
                assert answer.status == 201, answer
        for way, code in codes.items():
            await ready.ends(f"{code}-2")
            assert len(await ready.rows(tables.delivery, key=f"{code}-3")) == 0
            told = await ready.way(f"{code}-2")
            assert (len(told) > 3) == (way != "nothing"), told
        for record in ready.town.records(app):
            way = next(way for way, code in codes.items() if f"{code}-1" == record["key"])
            assert record["messages"] == [{"key": f"{codes[way]}-2", "text": f"Air naik lagi [{way}]"}]
        assert ready.town.injected == len(faults)
