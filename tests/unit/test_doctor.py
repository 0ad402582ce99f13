"""`gateway doctor` tells what a start would refuse before anybody starts, and which workers run."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from gateway.doctor import examine
from gateway.kernel.ledger import Ledger, migrate, start_refusal
from gateway.kernel.ledger.election import PostgresElection
from gateway.sdk.clock import SystemClock
from gateway.sdk.entropy import SystemEntropy
from gateway.settings import Settings
from tests.journeys.stage import settings_for


async def told(settings: Settings) -> Mapping[str, tuple[str, str]]:
    return {found.what: (found.state, found.detail) async for found in examine(settings)}


async def begun(url: str, data: Path) -> None:
    await migrate(url)
    await (await Ledger.open(url, data, SystemClock(), SystemEntropy())).close()


async def test_a_data_folder_of_another_database_is_a_fault(tmp_path: Path, database_url: str) -> None:
    settings = settings_for(tmp_path, database_url)
    assert "data folder" not in await told(settings), "nothing is said of a database that is empty"
    await begun(database_url, settings.data)
    assert (await told(settings))["data folder"][0] == "ok"
    shutil.rmtree(settings.data / "keys")
    state, detail = (await told(settings))["data folder"]
    assert (state, "is empty" in detail) == ("fault", True)
    assert not (settings.data / "keys").exists(), "it looks and changes nothing"
    await begun(f"sqlite:///{tmp_path / 'other.db'}", tmp_path / "other")
    state, detail = (await told(msgspec.structs.replace(settings, data=tmp_path / "other")))["data folder"]
    assert (state, "belongs to another database" in detail) == ("fault", True)


async def test_workers_that_run_are_named(tmp_path: Path, postgres_url: str) -> None:
    settings = settings_for(tmp_path, postgres_url)
    await begun(postgres_url, settings.data)
    assert (await told(settings))["workers"][0] == "note"
    running = [PostgresElection(postgres_url, name) for name in ("barru-1:10", "barru-2:11")]
    for one in running:
        await one.beat({"house": 1})
    assert (await told(settings))["workers"] == ("ok", "barru-1:10, barru-2:11")
    for one in running:
        await one.close()


async def test_a_database_that_is_away_is_no_refusal(tmp_path: Path) -> None:
    away = "postgresql://gateway@127.0.0.1:1/none"
    assert await start_refusal(away, tmp_path) is None
    assert (await told(settings_for(tmp_path, away)))["database"][0] == "fault"
