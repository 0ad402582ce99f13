"""Apps that are not there: absent, switched off, in shadow, or away for a while. No report is ever without a next step,
and a service that runs already is never disturbed.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from gateway.kernel.ledger import tables
from tests.faults.town import QUICK, Gateway, Manifest, gateway, opened, town, tuned
from tests.journeys.stage import DAMAGE, FLOOD

AWAY_AND_BACK: Final = ("connector.away", "connector.back")
QUIET: Final = 60.0
"""Seconds between polls where none is wanted."""
CALL: Final[dict[str, Any]] = {
    "category": "KEBAKARAN",
    "location": {"text": "Jalan poros depan pasar", "kode_wilayah": "73.11.07.1001"},
    "narrative": "Dapur terbakar, api membesar.",
}
TYPED: Final[dict[str, Any]] = {"kode_desa": "7311071001", "jenis_bencana": "banjir", "nama_kk": "Baso Tahir"}
PREGNANT: Final[dict[str, Any]] = {
    "service": "CH-PREG",
    "description": "Ibu hamil perlu dikunjungi bidan.",
    "place": {"village": "73.11.07.1001"},
    "reporter": {"name": "Andi Tenri", "phone": "0812-3456-7890"},
    "attributes": {"relation": "self"},
}
"""Its own app has no connector yet; its fallback is Si-GAPDes."""
WAYS: Final[dict[str, tuple[Mapping[str, Manifest], str]]] = {
    "absent": ({"sigapdes": QUICK["sigapdes"]}, "app_absent"),
    "off": ({"sigapdes": QUICK["sigapdes"], "cc112": {**QUICK["cc112"], "mode": "off"}}, "app_off"),
    "shadow": ({"sigapdes": QUICK["sigapdes"], "cc112": {**QUICK["cc112"], "mode": "shadow"}}, "app_shadow"),
    "without an address": (QUICK, "app_off"),
}


def writes(ready: Gateway, app: str) -> list[str]:
    """Return what would have changed something in an app."""
    return [seen.path for seen in ready.town.lines[app].seen if seen.method != "GET" and "login" not in seen.path]


async def queue(ready: Gateway, token: str) -> list[dict[str, Any]]:
    """Return what waits at a desk."""
    answer = await ready.ask("GET", "/v1/desk/queue", token)
    assert answer.status == 200, answer
    items: list[dict[str, Any]] = answer.body["items"]
    return items


@pytest.mark.parametrize("way", WAYS)
async def test_a_report_whose_app_is_not_there_has_a_desk(tmp_path: Path, sqlite_url: str, way: str) -> None:
    """It becomes a case of the gateway with the reason, and an officer brings it to its end."""
    manifests, reason = WAYS[way]
    more = {"GATEWAY_CC112_BASE_URL": ""} if way == "without an address" else {}
    async with opened(tmp_path, sqlite_url, manifests=manifests, **more) as ready:
        citizen = ready.token("warga-1", "citizen")
        answer = await ready.file(FLOOD, citizen)
        assert answer.status == 201
        code, cases = answer.body["code"], answer.body["cases"]
        assert [(case["app"], case["agency"], case["reason"]) for case in cases] == [("gateway", "BPBD", reason)]
        assert await ready.rows(tables.delivery) == []
        told = (await ready.ask("GET", f"/v1/reports/{code}/timeline", citizen)).body
        assert any("BPBD" in row["title"] for row in told), told

        officer = ready.token("petugas-bpbd", "operator", agency="BPBD")
        (waiting,) = await queue(ready, officer)
        assert (waiting["report"], waiting["why"], waiting["reason"]) == (code, "desk", reason)
        assert waiting["next"][:3] == ["reply", "note", "close"]
        assert await queue(ready, ready.token("petugas-dlh", "operator", agency="DLH")) == []

        desk = f"/v1/desk/reports/{code}"
        assert (await ready.ask("POST", f"{desk}/reply", officer, {"text": "Regu berangkat"})).status == 200
        await ready.reaches(code, "in_progress", citizen)
        assert (
            await ready.ask("POST", f"{desk}/note", officer, {"text": "Perahu dipinjam dari Basarnas"})
        ).status == 200
        closing = {"outcome": "resolved", "text": "Warga sudah dievakuasi"}
        assert (await ready.ask("POST", f"{desk}/close", officer, closing)).status == 200
        await ready.reaches(code, "resolved", citizen)
        assert await queue(ready, officer) == []
        texts = [row.get("text") for row in (await ready.ask("GET", f"/v1/reports/{code}/timeline", citizen)).body]
        assert [text for text in texts if text] == ["Regu berangkat", "Warga sudah dievakuasi"]
        hops = (await ready.trace(code))["hops"]
        assert [hop["rule"] for hop in hops if hop["rule"] and hop["rule"].startswith("desk:")] == [
            "desk:reply",
            "desk:note",
            "desk:close",
        ]
        assert writes(ready, "cc112") == []


async def test_a_service_goes_to_its_fallback(tmp_path: Path, database_url: str) -> None:
    """Its app has no connector: another app takes it; where that is not there either, the desk does."""
    async with town(tmp_path, apps=("sigapdes",), poll_s=QUIET) as place:
        async with gateway(place, database_url) as first:
            answer = await first.file(PREGNANT)
            code = answer.body["code"]
            assert [(case["app"], case["reason"]) for case in answer.body["cases"]] == [("sigapdes", "app_absent")]
            await first.ends(f"{code}-1")
            (record,) = place.records("sigapdes")
            assert (record["kind"], record["fields"]["kategori"]) == ("pengaduan", "kesehatan")
        tuned(tmp_path, {"sigapdes": {"mode": "off"}})
        async with gateway(place, database_url) as second:
            answer = await second.file(PREGNANT)
            assert [(case["app"], case["reason"]) for case in answer.body["cases"]] == [("gateway", "app_absent")]


async def test_an_app_in_shadow_is_read_and_never_written_to(tmp_path: Path, database_url: str) -> None:
    """What is born there is a report here and moves with it; nothing that is said here reaches the app."""
    shadow = {app: {**QUICK[app], "mode": "shadow"} for app in QUICK}
    async with opened(tmp_path, database_url, manifests=shadow) as ready:
        centre, office = ready.town.apps["cc112"], ready.town.apps["sigapdes"]
        call = centre.born(CALL)
        typed = office.born(TYPED)
        codes = [await ready.until(lambda one=one: ready.report_of(one.reference)) for one in (call, typed)]  # type: ignore[misc]
        filed = [await ready.filed(body) for body in (FLOOD, DAMAGE)]
        centre.advance(centre.store.records[call.reference], "ON_SCENE", None, None, {})
        office.advance(office.store.records[typed.reference], "3", "Bantuan disalurkan", None, {})
        await ready.reaches(codes[0], "on_scene", ready.coordinator)
        await ready.reaches(codes[1], "resolved", ready.coordinator)
        reply = {"text": "Kami pantau"}
        answer = await ready.ask("POST", f"/v1/desk/reports/{codes[0]}/reply", ready.coordinator, reply)
        assert answer.status == 409, "a reply was promised to an app in shadow"
        for code in filed:
            assert [case["app"] for case in (await ready.trace(code))["report"]["cases"]] == ["gateway"]
        assert await ready.rows(tables.delivery) == []
        for app in ready.town.apps:
            assert writes(ready, app) == []
            assert [record["key"] for record in ready.town.records(app)] == [None]


async def test_what_was_on_its_way_waits_while_its_app_is_in_shadow(tmp_path: Path, database_url: str) -> None:
    """No attempt is spent on an app that may not be written to; live again, it gets everything once."""
    async with town(tmp_path, poll_s=QUIET) as place:
        async with gateway(place, database_url, work=False) as first:
            keys = [await first.filed(body) + "-1" for body in (FLOOD, DAMAGE)]
        tuned(tmp_path, {app: {**QUICK[app], "mode": "shadow"} for app in QUICK})
        async with gateway(place, database_url) as second:
            await second.until(lambda: answered(second))
            for key in keys:
                row = await second.delivery(key)
                assert (row["state"], row["attempt"]) == ("queued", 0)
            assert [writes(second, app) for app in place.apps] == [[], []]
        tuned(tmp_path, QUICK)
        async with gateway(place, database_url) as third:
            for key in keys:
                await third.ends(key)
                assert await third.way(key) == ["queued", "attempt 1", "accepted by receipt"]
        assert [[record["key"] for record in place.records(app)] for app in place.apps] == [[key] for key in keys]


async def answered(ready: Gateway) -> bool:
    """Tell whether every app has been read once, so that whatever the worker does first is done."""
    rows = [row for row in await ready.rows(tables.cursor) if row["app"] in ready.town.apps]
    return len(rows) == len(ready.town.apps) and all(row["answered_at"] for row in rows)


async def test_an_app_that_was_away_gets_its_backlog(tmp_path: Path, database_url: str) -> None:
    """One line in the log when it goes and one when it is back, whatever was tried in between; every lane in order."""
    async with opened(tmp_path, database_url, poll_s=0.3) as ready:
        citizen = ready.token("warga-1", "citizen")
        await ready.until(lambda: answered(ready))
        codes: list[str] = []
        with capture_logs() as logs:
            async with ready.town.lines["cc112"].down(), ready.town.lines["sigapdes"].down():
                for body in (FLOOD, DAMAGE, FLOOD, DAMAGE):
                    code = await ready.filed(body, citizen)
                    codes.append(code)
                    for number in (1, 2, 3):
                        said = {"text": f"pesan {number}"}
                        answer = await ready.ask("POST", f"/v1/reports/{code}/messages", citizen, said)
                        assert answer.status == 201
                for code in codes:
                    await ready.until(lambda code=code: tried(ready, f"{code}-1"))  # type: ignore[misc]
                health = (await ready.ask("GET", "/v1/desk/health", ready.coordinator)).body["apps"]
                assert {one["app"]: (one["away"], one["undelivered"]) for one in health} == {
                    "cc112": (True, 8),
                    "sigapdes": (True, 8),
                }
                shown = (await ready.ask("GET", f"/v1/reports/{codes[0]}", citizen)).body
                assert shown["status"] == "received", "a citizen never sees that sending failed"
            for code in codes:
                await ready.hurry(f"{code}-1")
            for code in codes:
                for number in range(1, 5):
                    await ready.ends(f"{code}-{number}", seconds=30)
        edges = Counter((log["connector"], log["event"]) for log in logs if log["event"] in AWAY_AND_BACK)
        assert edges == Counter((app, event) for app in ready.town.apps for event in AWAY_AND_BACK)
        assert [log for log in logs if log["event"] == "loop.fell"] == []
        for app in ready.town.apps:
            records = ready.town.records(app)
            assert len(records) == 2
            for record in records:
                assert [message["text"] for message in record["messages"]] == ["pesan 1", "pesan 2", "pesan 3"]


async def tried(ready: Gateway, key: str) -> bool:
    """Tell whether an attempt was made and is over."""
    row = await ready.delivery(key)
    return bool(row["attempt"] > 0 and row["state"] == "queued")


async def test_news_of_an_app_that_was_away_is_read_when_it_is_back(tmp_path: Path, sqlite_url: str) -> None:
    """The gateway was closed while the apps went on: nothing of it is missing afterwards."""
    async with town(tmp_path, poll_s=0.3) as place:
        centre, office = place.apps["cc112"], place.apps["sigapdes"]
        async with gateway(place, sqlite_url) as first:
            codes = [await first.filed(body) for body in (FLOOD, DAMAGE)]
            for code in codes:
                await first.ends(f"{code}-1")
        references = [place.records(app)[0]["reference"] for app in place.apps]
        place.quirk("cc112", drop_webhooks=2)  # else 112 would send them again until they are heard
        centre.advance(centre.store.records[references[0]], "ON_SCENE", None, None, {})
        office.advance(office.store.records[references[1]], "2", None, None, {})
        born = [centre.born(CALL).reference, office.born(TYPED).reference]
        async with gateway(place, sqlite_url) as second:
            await second.reaches(codes[0], "on_scene", second.coordinator)
            await second.reaches(codes[1], "in_progress", second.coordinator)
            for reference in born:
                await second.until(lambda one=reference: second.report_of(one))  # type: ignore[misc]
            assert len(await second.rows(tables.report)) == 4
