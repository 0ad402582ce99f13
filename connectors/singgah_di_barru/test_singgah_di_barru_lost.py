"""Answers of Singgah Di Barru that are lost, cut, none at all, or that say everything in their body."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.singgah_di_barru.connector import Connector
from connectors.singgah_di_barru.test_singgah_di_barru import APP, CODE, MORE, RAILING, got
from gateway.sdk import Ambiguous, ContractBroken, Event, Rejected, Retryable, Unauthorized
from gateway.sdk.sandbox import read_sandbox, serving
from tests.faults.proxy import LOST, Fault, Proxy, answer_of, hangs_up_unread, says
from tests.sandboxes import CONNECTORS, StillClock, app_at, connector_of, setting_of

WAYS = {**LOST, "hangs_up_unread": hangs_up_unread}
PAGE = b"<!DOCTYPE html><html><body>Slot gacor</body></html>"


@asynccontextmanager
async def on_a_line(folder: Path) -> AsyncIterator[tuple[Connector, Proxy]]:
    """A connector whose requests go over a line that can be told to lose them; it has no patience."""
    clock = StillClock()
    sandbox = read_sandbox(APP, [CONNECTORS])(setting_of(APP, folder, clock))
    sandbox.store.set_quirk("unlimited", True)
    async with serving(sandbox) as address:
        line = Proxy(target=address)
        await line.start()
        app = app_at(APP, line.url, clock)
        hasty = msgspec.structs.replace(app.manifest.timeouts, total=1.5)
        app.manifest = msgspec.structs.replace(app.manifest, timeouts=hasty)
        try:
            yield connector_of(app, Connector), line
        finally:
            await app.close()
            await line.stop()


def told(status: object, message: str = "", data: Any = None, code: int = 200) -> Fault:
    """Answer with an envelope, in the app's place."""
    more = {} if data is None else {"data": data}
    return says(answer_of(code, json.dumps({"status": status, "pesan": message, **more}).encode()))


# Lost answers.


@pytest.mark.parametrize("way", WAYS)
async def test_a_lost_answer_is_unsure_and_the_look_up_knows(tmp_path: Path, way: str) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        line.when(lambda seen: seen.path.endswith("/kirimlaporan"), WAYS[way], name=way)
        with pytest.raises(Ambiguous):
            await connector.submit(RAILING)
        if way == "arrives_late":
            await asyncio.sleep(1.5)
        found = await connector.find(RAILING.key)
        assert line.injected == {way: 1}
        assert len(line.requests("POST", "/kirimlaporan")) == 1, "a connector sends once"
    assert found == (None if way == "hangs_up_unread" else got(1, RAILING.key, "baru"))


@pytest.mark.parametrize("way", WAYS)
async def test_a_lost_answer_to_a_comment_too(tmp_path: Path, way: str) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        await connector.submit(RAILING)
        line.when(lambda seen: seen.path.endswith("/kirimkomentar"), WAYS[way], name=way)
        with pytest.raises(Ambiguous):
            await connector.amend("1", MORE)
        if way == "arrives_late":
            await asyncio.sleep(1.5)
        found = await connector.find(MORE.key)
        assert line.injected == {way: 1}
        assert len(line.requests("POST", "/kirimkomentar")) == 1
    assert found == (None if way == "hangs_up_unread" else got(1, MORE.key, at=None))


async def test_a_report_that_was_never_sent_is_no_doubt(tmp_path: Path) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        await connector._destinations()
        async with line.down():
            with pytest.raises(Retryable):
                await connector.submit(RAILING)
        assert await connector.find(RAILING.key) is None


@pytest.mark.parametrize("way", ["hangs", "cuts_in_body", "says_500", "says_html", "truncates_json"])
async def test_destinations_that_cannot_be_read_leave_no_doubt(tmp_path: Path, way: str) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        line.when(lambda seen: seen.path.endswith("/getdestinasi"), WAYS[way], name=way)
        with pytest.raises(Retryable):
            await connector.submit(RAILING)
        assert line.injected == {way: 1}
        assert line.requests("POST", "/kirimlaporan") == []
        assert await connector.submit(RAILING) == got(1, RAILING.key)


@pytest.mark.parametrize("way", ["hangs", "cuts_in_body", "says_500", "says_html", "truncates_json"])
async def test_a_lost_look_up_is_never_absence(tmp_path: Path, way: str) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        await connector.submit(RAILING)
        for path in ("/carilaporan", "/getlaporan"):
            line.when(lambda seen, path=path: seen.path.endswith(path), WAYS[way], name=path)  # type: ignore[misc]
            with pytest.raises((Retryable, ContractBroken)):
                await connector.find(MORE.key)
        assert line.injected == {"/carilaporan": 1, "/getlaporan": 1}


async def test_destinations_that_cannot_be_read_lose_no_news(tmp_path: Path) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        await connector.submit(RAILING)
        row = (await connector._read("carilaporan", ref_luar=RAILING.key))[0]
        born = {**row, "id": "2", "ref_luar": "", "tgl_update": "28-01-2026 10:00:00"}
        body = json.dumps({"status": "1", "pesan": "OK", "data": [born]}).encode()
        line.when(lambda seen: seen.path.endswith("/getlaporan"), says(answer_of(200, body)), times=2)
        connector._listed_at = None
        line.when(lambda seen: seen.path.endswith("/getdestinasi"), says(answer_of(200, PAGE, "text/html")))
        with pytest.raises(ContractBroken):
            await connector.poll(None)
        news = (await connector.poll(None)).news
        assert [one.references[0].value for one in news if isinstance(one, Event)] == ["2"]


# What the body says.

TRIES: dict[type[Exception], int] = {Unauthorized: 2}
"""How often we ask before we believe it: a token may just have been replaced."""


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (told("0", "Token tidak valid"), Unauthorized),
        (told("0", "KEYTOKEN kedaluwarsa"), Unauthorized),
        (told("0", "Terlalu banyak permintaan"), Retryable),
        (told("0", "Terlalu banyak permintaan", code=429), Retryable),
        (told("0", "Kolom isi: wajib diisi"), Rejected),
        (told("0", "Laporan ditolak sistem: Andi"), Rejected),
        (told("0", "Terjadi kesalahan, coba lagi"), Ambiguous),
        (told("2", "Diterima"), Ambiguous),
        (told(1, "OK", []), Ambiguous),
        (told("1", "OK"), Ambiguous),
        (told("1", "OK", []), Ambiguous),
        (told("1", "OK", [{"id": "1", "tgl_kirim": "28-01-2026 10:15:30"}]), Ambiguous),
        (told("1", "OK", [{"id": 1, "ref_luar": RAILING.key, "tgl_kirim": "28-01-2026 10:15:30"}]), Ambiguous),
        (told("1", "OK", [{"id": "1", "ref_luar": RAILING.key, "tgl_kirim": "2026-01-28"}]), Ambiguous),
        (told("1", "OK", [{"id": "1", "ref_luar": f"{CODE}-11", "tgl_kirim": "28-01-2026 10:15:30"}]), Ambiguous),
        (says(answer_of(502, PAGE, "text/html")), Ambiguous),
        (says(answer_of(503, b"", retry_after="7")), Retryable),
    ],
)
async def test_the_body_decides(tmp_path: Path, answer: Fault, error: type[Exception]) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        await connector._destinations()
        tries = TRIES.get(error, 1)
        line.when(lambda seen: True, answer, times=tries)
        with pytest.raises(error) as raised:
            await connector.submit(RAILING)
        assert type(raised.value) is error
        assert "Andi" not in str(raised.value)
        assert sum(line.injected.values()) == len(line.requests("POST", "/kirimlaporan")) == tries


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("Kolom isi: wajib diisi", "description"),
        ("Kolom judul: maksimal 120 karakter, lihat isi", "description"),
        ("Kolom NAMA: maksimal 100 karakter", "reporter.name"),
        ("Kolom telp: maksimal 20 karakter", "reporter.phone"),
        ("email tidak valid", "reporter.email"),
        ("Kolom id_destinasi: tidak dikenal", "attributes.destination"),
        ("Kolom lampiran: gagal dibaca", "attachments"),
        ("Data wajib diisi semua", None),
        ("", None),
    ],
)
async def test_the_field_is_found_in_the_message(tmp_path: Path, message: str, field: str | None) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        await connector._destinations()
        line.when(lambda seen: True, told("0", message))
        with pytest.raises(Rejected) as refused:
            await connector.submit(RAILING)
    assert refused.value.field == field
    assert "wajib" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (told("0", "Token tidak valid"), Unauthorized),
        (told("0", "Terlalu banyak permintaan"), Retryable),
        (told("0", "Data tidak ditemukan"), ContractBroken),
        (told("1", "OK"), ContractBroken),
        (told("1", "OK", {}), ContractBroken),
        (told(1, "OK", []), ContractBroken),
        (told("1", "OK", ["x"]), ContractBroken),
        (told("1", "OK", [{"id": "x", "ref_luar": RAILING.key}]), ContractBroken),
        (told("1", "OK", [], code=404), Retryable),
        (says(answer_of(200, PAGE, "text/html")), ContractBroken),
        (says(answer_of(200, b"\n" + PAGE)), ContractBroken),
        (says(answer_of(502, PAGE, "text/html")), Retryable),
        (says(answer_of(200, b"[]")), ContractBroken),
        (says(answer_of(200, b"")), ContractBroken),
        (says(answer_of(200, b'{"status":' * 50_000)), ContractBroken),
    ],
)
async def test_what_is_no_answer_is_never_absence(tmp_path: Path, answer: Fault, error: type[Exception]) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        line.when(lambda seen: seen.path.endswith("/carilaporan"), answer, times=TRIES.get(error, 1))
        with pytest.raises(error) as raised:
            await connector.find(RAILING.key)
        assert type(raised.value) is error
        assert line.requests("POST", "/getlaporan") == []
