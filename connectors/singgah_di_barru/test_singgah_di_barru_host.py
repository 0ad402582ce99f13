"""Singgah Di Barru and a whole gateway, over sockets: there and back, what visitors write there, and lost answers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from connectors.singgah_di_barru.test_singgah_di_barru_news import SLIPPERY
from gateway.sdk.sandbox import Record, development_secret
from tests.faults.proxy import hangs, hangs_up_unread
from tests.faults.town import Gateway, opened

APP = "singgah_di_barru"
QUICK = {APP: {"settle_s": 1.0, "timeouts.connect": 1.0, "timeouts.total": 1.2, "limits.rate_per_s": 1000}}
PATIENCE = 60.0
LEVY: dict[str, Any] = {
    "service": "TO-PRICE",
    "description": "Ditarik Rp 50.000 tanpa karcis ⚠️",
    "place": {"village": "73.11.03.1003", "latitude": -4.4071, "longitude": 119.6052},
    "reporter": {"name": "Andi Tenri", "phone": "0812-3456-7890", "email": "andi@contoh.id"},
    "identity": "confidential",
    "attributes": {"destination": "Pantai Ujung Batu"},
}


@pytest.fixture
async def ready(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Gateway]:
    async with opened(tmp_path, sqlite_url, apps=(APP,), manifests=QUICK) as made:
        yield made


def the_record(ready: Gateway) -> dict[str, Any]:
    """Return the one report that the app has."""
    (record,) = ready.town.records(APP)
    return record


def move(ready: Gateway, number: str, word: str, note: str | None = None) -> None:
    """Let the app's officer move a report."""
    app = ready.town.apps[APP]
    app.advance(app.store.records[number], word, note, None, {})


def born(ready: Gateway, **changes: str) -> Record:
    """Let a visitor write in the app."""
    return ready.town.apps[APP].born({**SLIPPERY, **changes})


async def has(ready: Gateway, code: str, status: str) -> bool:
    """Tell whether a report has a status, as a coordinator sees it."""
    answer = await ready.ask("GET", f"/v1/reports/{code}", ready.coordinator)
    return bool(answer.status == 200 and answer.body["status"] == status)


async def opens(ready: Gateway, record: Record) -> dict[str, Any]:
    """Wait until a report born there is open here; return it as its agency sees it."""
    code = await ready.until(lambda: ready.report_of(record.reference), PATIENCE)
    officer = ready.token("petugas", "operator", agency="DISPARPORA")
    report: dict[str, Any] = (await ready.ask("GET", f"/v1/reports/{code}", officer)).body
    return report


async def test_a_levy_goes_there_without_its_reporter_and_news_come_back(ready: Gateway) -> None:
    code = await ready.filed(LEVY)
    await ready.ends(f"{code}-1", seconds=PATIENCE)
    record = the_record(ready)
    assert record["key"] == f"{code}-1"
    fields = {name: record["fields"][name] for name in ("id_kategori", "id_destinasi", "nama", "telp", "rahasia")}
    assert fields == {"id_kategori": "4", "id_destinasi": "1", "nama": "Dirahasiakan", "telp": "", "rahasia": "1"}
    sent = b"".join(seen.raw for seen in ready.town.lines[APP].requests("POST"))
    for telling in (b"Tenri", b"3456", b"andi%40"):
        assert telling not in sent
    for word, status in (("ditindaklanjuti", "in_progress"), ("selesai", "resolved")):
        move(ready, record["reference"], word, "Petugas menegur juru parkir")
        await ready.until(lambda status=status: has(ready, code, status), PATIENCE)  # type: ignore[misc]
    case = (await ready.trace(code))["report"]["cases"][0]
    assert [number["value"] for number in case["references"]] == [record["reference"]]


async def test_what_visitors_write_there_opens_here_with_their_wish(ready: Gateway) -> None:
    open_one = await opens(ready, born(ready))
    assert open_one["service"]["code"] == "TO-FACILITY"
    assert open_one["reporter"]["name"] == "Anna Lindqvist"
    assert open_one["place"]["village"] == "73.11.01.2005"
    hidden = await opens(ready, born(ready, id_kategori="4", rahasia="1", nama="Dirahasiakan", telp="", email=""))
    assert (hidden["service"]["code"], hidden["identity"]) == ("TO-PRICE", "confidential")


@pytest.mark.parametrize("fault", [hangs, hangs_up_unread])
async def test_a_lost_answer_ends_in_one_record(ready: Gateway, fault: Any) -> None:
    line = ready.town.lines[APP]
    line.when(lambda seen: seen.path.endswith("/kirimlaporan"), fault)
    code = await ready.filed(LEVY)
    await ready.ends(f"{code}-1", seconds=PATIENCE)
    assert the_record(ready)["key"] == f"{code}-1"
    assert sum(line.injected.values()) == 1


async def test_what_cannot_be_read_is_set_aside_and_no_token_is_kept(ready: Gateway) -> None:
    ready.town.quirk(APP, malformed_row=True)
    category = born(ready)
    app = ready.town.apps[APP]
    app.store.put(_with(category, id_kategori="9"))
    neighbour = born(ready)
    await opens(ready, neighbour)

    async def aside() -> list[dict[str, Any]]:
        rows = await ready.aside(APP)
        return rows if len(rows) >= 2 else []

    found = await ready.until(aside, PATIENCE)
    assert {row["event_id"].partition("@")[0] for row in found} == {"bad:rusak", category.reference}
    assert await ready.report_of(category.reference) is None
    assert development_secret(APP, "KEYTOKEN") not in await ready.kept()


def _with(record: Record, **changes: str) -> Record:
    """Return a record whose row says something that no interface would take."""
    return Record(
        reference=record.reference,
        kind=record.kind,
        key=record.key,
        row={**record.row, **changes},
        memo=record.memo,
    )
