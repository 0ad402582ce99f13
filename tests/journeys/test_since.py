"""A running service is connected: what it did before stays its own, what begins afterwards is followed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from tests.journeys.stage import Stage, staged

CALL: dict[str, Any] = {
    "call": {"type": "normal", "msisdn": "+6281200000001", "withheld": False},
    "category": "BANJIR",
    "location": {"text": "Takkalasi", "kode_wilayah": "73.11.07.1001"},
    "narrative": "Air naik.",
}


async def test_history_opens_no_reports(tmp_path: Path, sqlite_url: str) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    async with staged(tmp_path, sqlite_url, apps=("cc112",), GATEWAY_CC112_SINCE=tomorrow) as stage:
        await _ring(stage)
        await stage.until(lambda: _rows(stage, "applied"))
        assert await _count(stage) == 0


async def test_what_begins_afterwards_is_followed(tmp_path: Path, sqlite_url: str) -> None:
    async with staged(tmp_path, sqlite_url, apps=("cc112",), GATEWAY_CC112_SINCE="2026-01-27") as stage:
        await _ring(stage)

        async def adopted() -> bool:
            return await _count(stage) == 1

        await stage.until(adopted)


async def _rows(stage: Stage, state: str) -> int:
    from sqlalchemy import Connection, func, select

    from gateway.kernel.ledger import tables as t

    def count(connection: Connection) -> int:
        events = t.inbox.c.event_id.not_like("look:%")
        return connection.execute(select(func.count()).where(t.inbox.c.state == state, events)).scalar_one()

    return await stage.house.ledger.read(count)


async def _count(stage: Stage) -> int:
    return len((await stage.ask("GET", "/v1/reports", stage.token("co", "coordinator"))).body["items"])


async def _ring(stage: Stage) -> None:
    address = stage.house.settings.environ["GATEWAY_CC112_BASE_URL"]
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{address}/_sandbox/records", json={"fields": CALL}) as answer,
    ):
        assert answer.status == 201, await answer.text()
