"""PPID and a whole gateway, over sockets: a request, its answer, the objection to it, and what a person must decide."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from connectors.ppid.test_ppid_news import BORN
from tests.faults.proxy import hangs, hangs_up_unread
from tests.faults.town import Gateway, opened
from tests.pictures import photo

QUICK = {"ppid": {"settle_s": 1.0, "timeouts.connect": 1.0, "timeouts.total": 1.2, "limits.rate_per_s": 1000}}
PATIENCE = 60.0
REQUEST: dict[str, Any] = {
    "service": "IF-REQUEST",
    "description": "Daftar penerima bantuan banjir Takkalasi",
    "place": {"village": "73.11.07.2005", "address": "Jl. Poros Madello 4"},
    "reporter": {
        "name": "Nur Afiah",
        "phone": "0821-9300-0207",
        "email": "nur.afiah@contoh.id",
        "national_id": "7311075408050003",
    },
    "attributes": {"purpose": "Penelitian", "occupation": "student", "form_of_information": "soft_copy"},
}


@pytest.fixture
async def ready(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Gateway]:
    async with opened(tmp_path, sqlite_url, apps=("ppid",), manifests=QUICK) as made:
        yield made


async def asked(ready: Gateway, token: str) -> str:
    """File a request for information with the photo of an identity card; return its code."""
    card = await ready.upload(token, photo())
    return await ready.filed(REQUEST | {"attributes": REQUEST["attributes"] | {"identity_card": card}}, token)


def citizen(ready: Gateway) -> str:
    return ready.token("nur", "citizen")


def move(ready: Gateway, ticket: str, word: str, note: str | None = None, **fields: Any) -> None:
    """Let the app's officer move a record."""
    app = ready.town.apps["ppid"]
    app.advance(app.store.records[ticket], word, note, None, fields)


async def has(ready: Gateway, code: str, status: str) -> bool:
    """Tell whether a report has a status, as a coordinator sees it."""
    answer = await ready.ask("GET", f"/v1/reports/{code}", ready.coordinator)
    return bool(answer.status == 200 and answer.body["status"] == status)


async def test_a_request_is_answered_and_the_objection_names_it(ready: Gateway) -> None:
    nur = citizen(ready)
    code = await asked(ready, nur)
    await ready.ends(f"{code}-1", seconds=PATIENCE)
    (record,) = ready.town.records("ppid")
    ticket = record["reference"]
    assert record["key"] == f"{code}-1"
    assert record["fields"]["rincian"] == f"Daftar penerima bantuan banjir Takkalasi\n[{code}-1]"
    assert len(record["images"]) == 1
    more: dict[str, Any] = {
        "no_registrasi": "012/PPID/I/2026",
        "diperpanjang": True,
        "alasan_perpanjangan": "Menunggu data BPBD",
    }
    move(ready, ticket, "1", **more)
    await ready.until(lambda: has(ready, code, "in_progress"), PATIENCE)
    move(ready, ticket, "3", "Dikecualikan")
    await ready.until(lambda: has(ready, code, "rejected"), PATIENCE)
    shown = json.dumps((await ready.ask("GET", f"/v1/reports/{code}/timeline", nur)).body)
    for text in ("Menunggu data BPBD", "Dikecualikan", "Tenggat diperpanjang sampai"):
        assert shown.count(text) == 1, text
    (longer,) = [hop for hop in (await ready.trace(code))["hops"] if hop["kind"] == "clock.extended"]
    assert longer["rule"] == "extension:ppid_request"
    case = (await ready.trace(code))["report"]["cases"][0]
    assert [number["value"] for number in case["references"]] == [ticket, "012/PPID/I/2026"], "the ticket comes first"
    assert await ready.report_of("012/PPID/I/2026") == code
    objection = {**REQUEST, "service": "IF-OBJECT", "follow_up_to": code, "attributes": {"grounds": ["a"]}}
    second = await ready.filed(objection, nur)
    await ready.ends(f"{second}-1", seconds=PATIENCE)
    objected = ready.town.records("ppid")[1]["fields"]
    assert (objected["no_pendaftaran"], objected["alasan"]) == (ticket, ["a"])


async def test_a_lost_answer_is_searched_for_and_found(ready: Gateway) -> None:
    line = ready.town.lines["ppid"]
    line.when(lambda seen: seen.method == "POST", hangs)
    code = await asked(ready, citizen(ready))
    await ready.ends(f"{code}-1", seconds=PATIENCE)
    assert [record["key"] for record in ready.town.records("ppid")] == [f"{code}-1"]
    assert line.injected == {"hangs": 1}
    assert len(line.requests("POST")) == 1


async def test_what_is_not_found_is_left_to_a_person_and_never_sent_again(ready: Gateway) -> None:
    line = ready.town.lines["ppid"]
    line.when(lambda seen: seen.method == "POST", hangs_up_unread)
    code = await asked(ready, citizen(ready))
    await ready.ends(f"{code}-1", "held", PATIENCE)
    assert ready.town.records("ppid") == []
    assert len(line.requests("POST")) == 1
    searches = [seen for seen in line.requests("GET") if "search=" in seen.path]
    assert len(searches) == 4, "twice in both lists"
    assert [alert["subject"] for alert in await ready.alerts("delivery_held")] == [f"{code}-1"]


async def test_a_withdrawal_cancels_the_request(ready: Gateway) -> None:
    nur = citizen(ready)
    code = await asked(ready, nur)
    await ready.ends(f"{code}-1", seconds=PATIENCE)
    line = ready.town.lines["ppid"]
    line.when(lambda seen: seen.method == "POST", hangs)
    answer = await ready.ask("POST", f"/v1/reports/{code}/withdrawal", nur, {"reason": "Sudah dapat"}, None)
    assert answer.status < 300, answer
    await ready.ends(f"{code}-2", seconds=PATIENCE)
    (record,) = ready.town.records("ppid")
    assert record["word"] == "4"
    assert len(line.requests("POST", f"/permohonan-informasi/{record['fields']['id']}")) == 1
    await ready.until(lambda: has(ready, code, "cancelled"), PATIENCE)


async def test_a_number_that_was_typed_for_the_wrong_record_costs_that_number_alone(ready: Gateway) -> None:
    nur = citizen(ready)
    codes = [await asked(ready, nur) for _ in range(2)]
    for code in codes:
        await ready.ends(f"{code}-1", seconds=PATIENCE)
    first, second = [record["reference"] for record in ready.town.records("ppid")]
    move(ready, first, "1", no_registrasi="012/PPID/I/2026")
    await ready.until(lambda: has(ready, codes[0], "in_progress"), PATIENCE)
    move(ready, second, "2", "Terlampir", no_registrasi="012/PPID/I/2026")
    await ready.until(lambda: has(ready, codes[1], "resolved"), PATIENCE)
    assert await ready.report_of("012/PPID/I/2026") == codes[0]
    (alert,) = await ready.alerts("number_taken")
    assert (alert["subject"], alert["detail"]) == (f"ppid:{codes[1]}", "tiket_no_registrasi")
    # He sees his mistake: the record's own number is kept, and the wrong one was never its.
    move(ready, second, "2", no_registrasi="013/PPID/I/2026")
    await ready.until(lambda: ready.report_of("013/PPID/I/2026"), PATIENCE)
    assert await ready.report_of("013/PPID/I/2026") == codes[1]


async def test_requests_born_there_open_here(ready: Gateway) -> None:
    app = ready.town.apps["ppid"]
    request = app.born(BORN)
    objection = app.born({"kind": "keberatan", "no_pendaftaran": request.reference, "alasan": ["c"]})
    for ticket, service in ((request.reference, "IF-REQUEST"), (objection.reference, "IF-OBJECT")):
        code = await ready.until(lambda ticket=ticket: ready.report_of(ticket), PATIENCE)  # type: ignore[misc]
        report = (await ready.ask("GET", f"/v1/reports/{code}", ready.coordinator)).body
        assert report["service"]["code"] == service
    move(ready, request.reference, "5")
    code = await ready.report_of(request.reference)
    await ready.until(lambda: has(ready, str(code), "routed"), PATIENCE)


async def test_a_defaced_app_is_unavailable_and_nothing_of_it_is_kept(ready: Gateway) -> None:
    ready.town.quirk("ppid", deface=True)
    code = await asked(ready, citizen(ready))
    await ready.ends(f"{code}-1", "unsure", PATIENCE)
    ready.town.quirk("ppid", deface=False)
    await ready.ends(f"{code}-1", "held", PATIENCE)
    assert ready.town.records("ppid") == []
    assert "SLOT" not in json.dumps(await ready.trace(code))
