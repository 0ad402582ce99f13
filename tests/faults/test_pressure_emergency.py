"""Who calls for help is carried first: before a bulk queue ten times as long, and whatever other apps do. Told by the
order in which an app sees requests, not by a clock."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection, update

from gateway.flows.delivery import deliver
from gateway.flows.delivery.watch import ACKNOWLEDGE_WITHIN, Watch
from gateway.kernel.ledger import tables
from tests.faults.proxy import Seen, never_arrives
from tests.faults.town import QUICK, Gateway, opened
from tests.journeys.stage import DAMAGE, FLOOD

EMERGENCIES: Final = 8
BULK: Final = 10 * EMERGENCIES
QUIET: Final = 3600.0
PATIENCE: Final = 60.0
SLOTS: Final = 8


async def queued(ready: Gateway) -> tuple[list[str], list[str]]:
    """File bulk first, then emergencies, to one app that takes few at once; return the keys of both."""
    bulk = [await ready.filed(FLOOD) + "-1" for _ in range(BULK)]

    def demote(connection: Connection) -> None:
        # 112 takes nothing but emergencies: so these are made to be none.
        connection.execute(update(tables.delivery).where(tables.delivery.c.key.in_(bulk)).values(emergency=False))

    await ready.house.ledger._store.write(demote)
    return bulk, [await ready.filed(FLOOD) + "-1" for _ in range(EMERGENCIES)]


def opens(seen: Seen) -> bool:
    return seen.method == "POST" and seen.path == "/v1/incidents"


async def order(ready: Gateway) -> list[str]:
    """Let the workers go; return the keys in the order in which 112 saw them."""
    slow = [await ready.filed(DAMAGE) + "-1" for _ in range(6)]
    ready.town.lines["sigapdes"].when(lambda seen: seen.method == "POST", never_arrives, times=1000)
    bulk, urgent = await queued(ready)
    ready.work()
    for key in (*urgent, *bulk):
        await ready.ends(key, seconds=PATIENCE)
    assert {(await ready.delivery(key))["state"] for key in slow} & {"sending", "unsure", "queued"}, "no app was slow"
    return [json.loads(seen.body)["external_ref"] for seen in ready.town.lines["cc112"].seen if opens(seen)]


def behind(seen: list[str], ready_keys: set[str]) -> int:
    """Return how many others went before the last of these."""
    last = max(index for index, key in enumerate(seen) if key in ready_keys)
    return sum(key not in ready_keys for key in seen[:last])


SIZES: Final = {"cc112": {**QUICK["cc112"], "limits.concurrency": SLOTS}, "sigapdes": {**QUICK["sigapdes"]}}


async def test_emergencies_go_before_bulk_while_another_app_is_slow(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url, manifests=SIZES, poll_s=QUIET, work=False) as ready:
        seen = await order(ready)
        urgent = set(seen) & {row["key"] for row in await ready.rows(tables.delivery, emergency=True)}
        assert len(urgent) == EMERGENCIES
        assert len(seen) == len(set(seen)) == BULK + EMERGENCIES
        # Both lanes are worked at once: while the emergencies go, bulk has its own places and no more.
        assert behind(seen, urgent) <= EMERGENCIES + SLOTS


async def test_a_gateway_with_one_lane_is_seen(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: emergencies wait in the same queue as everything else."""

    async def one_lane(self: Any, free: int) -> Any:
        if self.emergency:
            return ()
        ledger, lease = self._ledger, timedelta(seconds=30)
        batch = await ledger.claim([self.app], False, free, lease, self._worker)
        return batch or await ledger.claim([self.app], True, free, lease, self._worker)

    monkeypatch.setattr(deliver.Deliverer, "_claim", one_lane)
    async with opened(tmp_path, sqlite_url, manifests=SIZES, poll_s=QUIET, work=False) as ready:
        seen = await order(ready)
        urgent = {row["key"] for row in await ready.rows(tables.delivery, emergency=True)}
        assert behind(seen, urgent) > EMERGENCIES + SLOTS


async def test_an_open_breaker_keeps_no_new_emergency_waiting(tmp_path: Path, database_url: str) -> None:
    """112 has failed again and again and is left alone, but for a probe now and then; a new call goes out at once."""
    still = {"cc112": {**QUICK["cc112"], "limits.probe_s": 3600.0}}
    async with opened(tmp_path, database_url, apps=("cc112",), manifests=still, poll_s=QUIET) as ready:
        line, breaker = ready.town.lines["cc112"], ready.house.host.get("cc112").breaker
        async with line.down():
            first = [await ready.filed(FLOOD) + "-1" for _ in range(4)]

            async def opened_up() -> bool:
                rows = [await ready.delivery(key) for key in first]
                return breaker.open and all(row["attempt"] and row["state"] == "queued" for row in rows)

            await ready.until(opened_up, PATIENCE)
            tried = [(await ready.delivery(key))["attempt"] for key in first]
            for key in first:
                await ready.hurry(key)
            new = await ready.filed(FLOOD) + "-1"

            async def went() -> bool:
                row = await ready.delivery(new)
                return bool(row["attempt"] == 1 and row["state"] == "queued")

            await ready.until(went, PATIENCE)
            assert [(await ready.delivery(key))["attempt"] for key in first] == tried, "retries wait for a probe"
        # 112 is back: the next new call shows it, and what waited goes.
        back = await ready.filed(FLOOD) + "-1"
        await ready.ends(back, seconds=PATIENCE)
        for key in (*first, new):
            await ready.hurry(key)
            await ready.ends(key, seconds=PATIENCE)


async def test_what_nobody_acknowledges_alerts_the_112_desk_once(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url, apps=("cc112",), poll_s=QUIET, work=False) as ready:
        key = await ready.filed(FLOOD) + "-1"
        watch = Watch(ready.house.ledger, ready.house.wake)
        await watch.round()
        assert await ready.alerts("emergency_unacknowledged") == [], "it has its sixty seconds"
        earlier = (await ready.delivery(key))["made_at"] - ACKNOWLEDGE_WITHIN
        await ready.backdate(tables.delivery, {"key": key}, made_at=earlier)
        await watch.round()
        await watch.round()
        (alert,) = await ready.alerts("emergency_unacknowledged")
        assert (alert["subject"], alert["times"]) == (key, 1)
        ready.work()
        await ready.ends(key, seconds=PATIENCE)
