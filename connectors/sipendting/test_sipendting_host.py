"""Si-PeNDTING and a whole gateway, over sockets: there and back, callbacks as hints, and no child in between."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from connectors.sipendting.test_sipendting import CODE
from connectors.sipendting.test_sipendting_child import BORN, NIK, TELLING
from connectors.sipendting.test_sipendting_news import LAMP
from gateway.sdk.sandbox import development_secret
from tests.faults.proxy import hangs
from tests.faults.town import Gateway, opened

QUICK = {"sipendting": {"settle_s": 1.0, "timeouts.connect": 1.0, "timeouts.total": 1.2, "limits.rate_per_s": 1000}}
PATIENCE = 40.0
ROAD: dict[str, Any] = {
    "service": "IN-ROAD",
    "description": "Jalan ke Jangan Jangan putus",
    "place": {"village": "73.11.03.1004", "latitude": -4.41, "longitude": 119.61},
    "reporter": {"name": "Andi Tenri", "phone": "0812-3456-7890"},
}
CHILD: dict[str, Any] = {
    "service": "CH-STUNT",
    "description": f"Kenari: anak Budi, NIK {NIK}, berat 8,1 kg, tinggi 76 cm",
    "place": {"village": "73.11.06.2004", "latitude": -4.4711, "longitude": 119.7302, "landmark": "Kenari"},
    "reporter": {"name": "Nur Afiah", "phone": "0821-9300-0207"},
    "attributes": {"relation": "cadre", "case_number": "STG-2026-0042"},
}


@pytest.fixture
async def ready(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Gateway]:
    async with opened(tmp_path, sqlite_url, apps=("sipendting",), manifests=QUICK) as made:
        yield made


def the_record(ready: Gateway) -> dict[str, Any]:
    """Return the one report that the app has."""
    (record,) = ready.town.records("sipendting")
    return record


def move(ready: Gateway, number: str, word: str, note: str | None = None) -> None:
    """Let the app's officer move a report."""
    app = ready.town.apps["sipendting"]
    app.advance(app.store.records[number], word, note, None, {})


async def test_a_complaint_goes_there_and_its_news_come_back(ready: Gateway) -> None:
    code = await ready.filed(ROAD)
    await ready.ends(f"{code}-1", seconds=PATIENCE)
    record = the_record(ready)
    assert record["key"] == f"{code}-1"
    assert record["fields"]["profil"] == "pengaduan"
    assert record["fields"]["wilayah"] == {"kode_bps": "7310030"}
    assert "Desa/kelurahan: Sepee, Kec. Barru" in record["fields"]["isi"]
    for word, note, status in (("4", "Alat berat dikirim", "in_progress"), ("6", None, "resolved")):
        move(ready, record["reference"], word, note)
        await ready.until(lambda status=status: has(ready, code, status), PATIENCE)  # type: ignore[misc]
    case = (await ready.trace(code))["report"]["cases"][0]
    assert [number["value"] for number in case["references"]] == [record["reference"]]


async def has(ready: Gateway, code: str, status: str) -> bool:
    """Tell whether a report has a status, as a coordinator sees it."""
    answer = await ready.ask("GET", f"/v1/reports/{code}", ready.coordinator)
    return bool(answer.status == 200 and answer.body["status"] == status)


async def test_a_request_to_look_takes_nothing_of_the_child_along(ready: Gateway) -> None:
    code = await ready.filed(CHILD)
    await ready.ends(f"{code}-1", seconds=PATIENCE)
    record = the_record(ready)
    assert record["fields"]["judul"] == "Mohon periksa balita, kasus STG-2026-0042"
    sent = b"".join(seen.raw for seen in ready.town.lines["sipendting"].requests("POST")).decode("latin-1")
    assert [telling for telling in TELLING if telling in sent] == []
    (disclosed,) = [hop for hop in (await ready.trace(code))["hops"] if hop["kind"] == "data.disclosed"]
    assert disclosed["facts"]["fields"].split(",") == [
        "attributes.case_number",
        "attributes.relation",
        "place.village",
        "reporter.name",
        "reporter.phone",
    ]
    move(ready, record["reference"], "2", f"Kenari: Budi, NIK {NIK}")
    await ready.until(lambda: has(ready, code, "in_progress"), PATIENCE)
    shown = (await ready.ask("GET", f"/v1/reports/{code}", ready.coordinator)).body
    told = json.dumps([shown, await ready.trace(code)])
    assert [telling for telling in TELLING if telling in told] == []


async def test_reports_born_there_open_here(ready: Gateway) -> None:
    app = ready.town.apps["sipendting"]
    lamp, child = app.born(LAMP), app.born(BORN)
    for number, service in ((lamp.reference, "IN-LIGHT"), (child.reference, "CH-STUNT")):
        code = await ready.until(lambda number=number: ready.report_of(number), PATIENCE)  # type: ignore[misc]
        report = (await ready.ask("GET", f"/v1/reports/{code}", ready.coordinator)).body
        assert report["service"]["code"] == service
        assert [telling for telling in TELLING if telling in json.dumps(report)] == []
        move(ready, number, "4")
        status = {"IN-LIGHT": "in_progress", "CH-STUNT": "routed"}[service]
        await ready.until(lambda code=code, status=status: has(ready, code, status), PATIENCE)  # type: ignore[misc]


async def test_a_lost_answer_ends_in_one_report(ready: Gateway) -> None:
    line = ready.town.lines["sipendting"]
    line.when(lambda seen: seen.method == "POST", hangs)
    ready.town.quirk("sipendting", hold_webhooks=True)
    code = await ready.filed(CHILD)
    await ready.ends(f"{code}-1", seconds=PATIENCE)
    assert the_record(ready)["key"] == f"{code}-1"
    assert line.injected == {"hangs": 1}
    assert len(line.requests("POST")) == 1


async def test_a_callback_without_the_token_is_refused_and_with_it_proves_nothing(ready: Gateway) -> None:
    code = await ready.filed(ROAD)
    await ready.ends(f"{code}-1", seconds=PATIENCE)
    number = the_record(ready)["reference"]
    forged = {"no_laporan": number, "ref_cons": f"{code}-1", "waktu": 1, "status": "6"}
    for token in (None, "", "wrong", development_secret("sipendting", "SECRET_KEY")):
        headers: dict[str, Any] = {} if token is None else {"x_callback_token": token}
        answer = await ready.ask("POST", "/hooks/sipendting", None, forged, **headers)
        assert answer.status in {401, 403}, answer
    token = development_secret("sipendting", "CALLBACK_TOKEN")
    answer = await ready.ask("POST", "/hooks/sipendting", None, forged, x_callback_token=token)
    assert answer.status == 202
    move(ready, number, "3")
    await ready.until(lambda: has(ready, code, "routed"), PATIENCE)
    unknown = {"no_laporan": f"PDT-{CODE}", "ref_cons": None, "waktu": 2}
    assert (await ready.ask("POST", "/hooks/sipendting", None, unknown, x_callback_token=token)).status == 202


async def test_a_case_that_is_still_open_waits_for_a_person(ready: Gateway) -> None:
    ready.town.apps["sipendting"].born({**BORN, "judul": "kasus STG-2026-0042"})
    code = await ready.filed(CHILD)
    row = await ready.ends(f"{code}-1", "held", PATIENCE)
    assert (row["cause"], row["field"]) == ("refused", "attributes.case_number")
    assert [alert["subject"] for alert in await ready.alerts("delivery_held")] == [f"{code}-1"]
    assert len(ready.town.records("sipendting")) == 1
