"""Answers of Si-PeNDTING that are lost, cut, none at all, or that say everything in their body."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.sipendting.connector import Connector
from connectors.sipendting.test_sipendting import CHILD, LEVY, MORE, ROAD, got
from gateway.sdk import (
    Ambiguous,
    ContractBroken,
    Rejected,
    Retryable,
    Unauthorized,
)
from gateway.sdk.sandbox import read_sandbox, serving
from tests.faults.proxy import LOST, Fault, Proxy, answer_of, hangs_up_unread, says
from tests.sandboxes import CONNECTORS, Bench, StillClock, app_at, bench, connector_of, setting_of

Act = Callable[[Connector], Awaitable[Any]]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench("sipendting", tmp_path, Connector) as made:
        yield made


@asynccontextmanager
async def on_a_line(folder: Path) -> AsyncIterator[tuple[Connector, Proxy]]:
    """A connector whose requests go over a line that can be told to lose them; it has no patience."""
    clock = StillClock()
    sandbox = read_sandbox("sipendting", [CONNECTORS])(setting_of("sipendting", folder, clock))
    sandbox.store.set_quirk("unlimited", True)
    async with serving(sandbox) as address:
        line = Proxy(target=address)
        await line.start()
        app = app_at("sipendting", line.url, clock)
        hasty = msgspec.structs.replace(app.manifest.timeouts, total=1.5)
        app.manifest = msgspec.structs.replace(app.manifest, timeouts=hasty)
        try:
            yield connector_of(app, Connector), line
        finally:
            await app.close()
            await line.stop()


def told(code: object, message: str = "", response: Any = None, status: int = 200) -> Fault:
    """Answer with an envelope, in the app's place."""
    body = json.dumps({"metaData": {"code": code, "message": message}, "response": response}).encode()
    return says(answer_of(status, body))


# Lost answers.


@pytest.mark.parametrize("way", [*LOST, "hangs_up_unread"])
async def test_a_lost_answer_is_unsure_and_the_look_up_knows(tmp_path: Path, way: str) -> None:
    fault = {**LOST, "hangs_up_unread": hangs_up_unread}[way]
    async with on_a_line(tmp_path) as (connector, line):
        line.when(lambda seen: seen.method == "POST", fault, name=way)
        with pytest.raises(Ambiguous):
            await connector.submit(ROAD)
        if way == "arrives_late":
            await asyncio.sleep(1.5)
        found = await connector.find(ROAD.key)
        assert line.injected == {way: 1}
        assert len(line.requests("POST")) == 1, "a connector sends once"
    assert found == (None if way == "hangs_up_unread" else got(1, ROAD.key, "pengaduan/1"))


@pytest.mark.parametrize("way", [*LOST, "hangs_up_unread"])
async def test_a_lost_answer_to_an_addition_too(tmp_path: Path, way: str) -> None:
    fault = {**LOST, "hangs_up_unread": hangs_up_unread}[way]
    async with on_a_line(tmp_path) as (connector, line):
        await connector.submit(ROAD)
        line.when(lambda seen: seen.path.endswith("/tambahan"), fault, name=way)
        with pytest.raises(Ambiguous):
            await connector.amend("PDT-2026-000001", MORE)
        if way == "arrives_late":
            await asyncio.sleep(1.5)
        found = await connector.find(MORE.key)
        assert line.injected == {way: 1}
        assert len(line.requests("POST", "/tambahan")) == 1
    assert found == (None if way == "hangs_up_unread" else got(1, MORE.key))


async def test_a_report_that_was_never_sent_is_no_doubt(tmp_path: Path) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        async with line.down():
            with pytest.raises(Retryable):
                await connector.submit(ROAD)
        assert await connector.find(ROAD.key) is None


@pytest.mark.parametrize("way", ["hangs", "cuts_in_body", "says_500", "says_html", "truncates_json"])
async def test_a_lost_look_up_is_never_absence(tmp_path: Path, way: str) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        await connector.submit(ROAD)
        for path in ("/laporan/ref/", "/laporan/perubahan/"):
            line.when(lambda seen, path=path: path in seen.path, LOST[way], name=path)  # type: ignore[misc]
            with pytest.raises((Retryable, ContractBroken)):
                await connector.find(MORE.key)
        assert line.injected == {"/laporan/ref/": 1, "/laporan/perubahan/": 1}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (told("409", "Masih terbuka", {"no_laporan": "PDT-2026-000031"}), Rejected),
        (told("409", "Masih terbuka"), Rejected),
        (told("409", "Masih terbuka", {"no_laporan": "Budi, 3 tahun"}), Rejected),
        (told("401", "Signature tidak valid"), Unauthorized),
        (told("429", "Pelan"), Retryable),
        (told("201", "Tidak ditemukan"), Ambiguous),
        (told("500", "Galat"), Ambiguous),
        (told("200", "Ok"), Ambiguous),
        (told("200", "Ok", {"no_laporan": "PDT-2026-000001"}), Ambiguous),
        (told(200, "Ok", {"no_laporan": "PDT-2026-000001", "status": "1"}), Ambiguous),
        (told("400", "isi: wajib", status=400), Rejected),
        (told("400", "", status=404), Rejected),
    ],
)
async def test_the_code_in_the_body_decides(tmp_path: Path, answer: Fault, error: type[Exception]) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        line.when(lambda seen: True, answer, times=2)
        with pytest.raises(error) as raised:
            await connector.submit(CHILD)
        assert "Budi" not in str(raised.value)
        assert sum(line.injected.values()) == (2 if error is Unauthorized else 1)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("isi: wajib diisi", "description"),
        ("Field pelapor.no_hp wajib diisi", "reporter.phone"),
        ("WILAYAH.KODE_BPS tidak dikenal", "place.village"),
        ("Data wajib diisi semua", None),
        ("foto[0]: bukan base64", "attachments"),
        ("", None),
    ],
)
async def test_the_field_is_found_in_the_message(tmp_path: Path, message: str, field: str | None) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        line.when(lambda seen: True, told("400", message))
        with pytest.raises(Rejected) as refused:
            await connector.submit(LEVY)
    assert refused.value.field == field
    assert "wajib" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (told("401"), Unauthorized),
        (told("400"), ContractBroken),
        (told("200"), ContractBroken),
        (told(200, response={}), ContractBroken),
        (told("200", response={"no_laporan": "PDT-2026-000001", "status": "1"}), ContractBroken),
        (told("200", response=[]), ContractBroken),
        (told("201", status=404), Retryable),
        (says(answer_of(200, b"[]")), ContractBroken),
        (says(answer_of(200, b'{"metaData":' * 5000)), ContractBroken),
    ],
)
async def test_what_is_no_answer_is_never_absence(tmp_path: Path, answer: Fault, error: type[Exception]) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        line.when(lambda seen: "/ref/" in seen.path, answer, times=2)
        with pytest.raises(error):
            await connector.find(ROAD.key)
