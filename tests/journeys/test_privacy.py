"""What people say about themselves stands in the vault only: canaries in every field, every artefact searched."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.stage import FLOOD, staged

NIK = "7311074101900001"
CANARIES = {
    "name": "KENARI-NAMA-77",
    "phone": "81234509876",
    "email": "kenari.surel.77@example.org",
    "nik": NIK,
    "text": "KENARI-URAIAN-77",
    "address": "KENARI-ALAMAT-77",
    "landmark": "KENARI-PATOKAN-77",
    "answer": "KENARI-JAWABAN-77",
    "message": "KENARI-PESAN-77",
}
LETTER: dict[str, Any] = {
    "service": "VI-LETTER",
    "description": CANARIES["text"],
    "place": {"village": "73.11.07.1001", "address": CANARIES["address"], "landmark": CANARIES["landmark"]},
    "reporter": {
        "name": CANARIES["name"],
        "phone": "0" + CANARIES["phone"],
        "email": CANARIES["email"],
        "national_id": NIK,
    },
    "attributes": {"letter_type": "domisili", "purpose": CANARIES["answer"]},
}


async def test_no_canary_outside_the_vault(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    database = tmp_path / "data" / "gateway.db"
    async with staged(tmp_path, f"sqlite:///{database}") as stage:
        siti, auditor = stage.token("siti", "citizen"), stage.token("inspektur", "auditor")
        filed = await stage.file(LETTER, siti)
        assert filed.status == 201
        code = filed.body["code"]

        async def has_number() -> Any:
            seen = await stage.ask("GET", f"/v1/reports/{code}", siti)
            return seen.body["cases"][0]["references"]

        await stage.until(has_number)
        said = await stage.ask("POST", f"/v1/reports/{code}/messages", siti, {"text": CANARIES["message"]})
        assert said.status == 201
        refused = await stage.file(LETTER | {"reporter": {"name": CANARIES["name"], "phone": "x"}}, siti)
        assert refused.status == 422
        malformed = await stage.ask(
            "POST", f"/v1/reports?{CANARIES['name']}={NIK}", siti, raw=CANARIES["text"].encode(), idempotency_key="k"
        )
        assert malformed.status == 400
        await stage.ask("POST", "/hooks/cc112", raw=CANARIES["text"].encode())
        trace = await stage.ask("GET", f"/v1/audit/reports/{code}/trace", auditor)
        assert trace.status == 200
        records = stage.apps["sigapdes"].store
        await stage.until(lambda: _async(CANARIES["message"] in _everything(Path(records.folder))))
    assert CANARIES["name"] in _everything(tmp_path / "apps"), "the app that needs the name has it: the search works"
    searched = {
        "database": _everything(tmp_path / "data"),
        "trace": str(trace.body),
        "refusals": str([refused.body, malformed.body]),
    }
    told = capfd.readouterr()
    searched["log"] = told.out + told.err
    assert "request.answered" in searched["log"]
    assert code in searched["database"]
    for where, text in searched.items():
        for what, canary in CANARIES.items():
            assert canary not in text, f"{what} is in the {where}"


async def test_a_destroyed_key_erases_the_content_and_leaves_the_entries(tmp_path: Path, database_url: str) -> None:
    from sqlalchemy import update

    from gateway.kernel.ledger import tables as t

    async with staged(tmp_path, database_url, apps=()) as stage:
        siti, auditor = stage.token("siti", "citizen"), stage.token("inspektur", "auditor")
        code = (await stage.file(FLOOD, siti)).body["code"]
        before = (await stage.ask("GET", f"/v1/audit/reports/{code}/trace", auditor)).body
        store = stage.house.ledger._store
        await store.write(lambda connection: connection.execute(update(t.report).values(wrapped=None)))
        after = (await stage.ask("GET", f"/v1/audit/reports/{code}/trace", auditor)).body
        assert after["hops"] == before["hops"]
        assert after["gaps"] == []
        seen = await stage.ask("GET", f"/v1/reports/{code}", siti)
        assert seen.status in {200, 404}
        assert FLOOD["description"] not in str(seen.body)


def _everything(folder: Path) -> str:
    return "".join(path.read_bytes().decode("latin-1") for path in sorted(folder.rglob("*")) if path.is_file())


async def _async(value: object) -> object:
    await asyncio.sleep(0)
    return value
