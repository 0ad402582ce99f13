"""A person sends again what was given up, while the first attempt is still on its way and succeeds late: the same key,
and one record. 50 replays in CI, 1,000 in a long run.
"""

import asyncio
import json
import os
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from gateway.flows.delivery.watch import Watch
from gateway.flows.desk import move
from gateway.kernel.ledger import tables
from gateway.model.delivery import MAX_AGE, DeliveryState, Next
from tests.faults.proxy import Gone, Passage, Seen
from tests.faults.town import QUICK, Gateway, opened
from tests.journeys.stage import DAMAGE, FLOOD

REPLAYS: Final = 1000 if os.environ.get("GATEWAY_SOAK") == "1" else 50
PATIENCE: Final = 60.0
QUIET: Final = 3600.0
SETTLE_S: Final = 6.0
"""Long enough for a person to act in between, on a busy machine too."""
PATIENT: Final[dict[str, object]] = {"settle_s": SETTLE_S, "limits.probe_s": 0.001}
BODIES: Final[dict[str, dict[str, Any]]] = {"cc112": FLOOD, "sigapdes": DAMAGE}
WRITES: Final = {"cc112": "/v1/incidents", "sigapdes": "/api/v1/kerusakan"}


class Late:
    """The wire loses the answer at once, and brings the request to the app a little later, as many networks do."""

    def __init__(self, chance: Random, seconds: float) -> None:
        self.chance, self.seconds, self.arrived = chance, seconds, 0

    async def __call__(self, passage: Passage) -> None:
        task = asyncio.current_task()
        assert task is not None
        passage.proxy.late.add(task)
        passage.cut()
        await asyncio.sleep(self.chance.random() * self.seconds)
        await passage.forward()
        self.arrived += 1
        raise Gone


async def replayed(ready: Gateway, app: str, count: int, late: Late) -> list[str]:
    """File reports whose first attempt is lost on its way, give them up, replay them at once; return their keys."""
    line = ready.town.lines[app]
    ready.town.deafen()  # nobody but the delivery itself finds out

    def opens(seen: Seen) -> bool:
        return seen.method == "POST" and seen.path.startswith(WRITES[app])

    line.when(opens, late, times=count, name="late")
    keys = [f"{code}-1" for code in await asyncio.gather(*(ready.filed(BODIES[app]) for _ in range(count)))]
    for key in keys:
        row = await ready.ends(key, "unsure", seconds=PATIENCE)
        # Nobody waits for 72 hours here: what is unsure for so long is given up and goes to a person.
        await ready.backdate(tables.delivery, {"key": key}, made_at=row["made_at"] - MAX_AGE)
    await Watch(ready.house.ledger, ready.house.wake).round()

    async def one(key: str) -> None:
        row = await ready.delivery(key)
        assert row["state"] in {"held", "dead"}, row["state"]
        body = {"reason": "Warga menelepon, kirim lagi."}
        path = f"/v1/desk/deliveries/{row['id']}/replay"
        answer = await ready.ask("POST", path, ready.coordinator, body)
        assert answer.status == 200, answer
        # The next attempt may be under way already when the desk answers.
        assert answer.body["key"] == key
        assert answer.body["attempts"] - row["attempt"] in {0, 1}

    await asyncio.gather(*(one(key) for key in keys))
    for key in keys:
        await ready.ends(key, seconds=PATIENCE)
    return keys


def doubles(ready: Gateway, app: str, keys: list[str], late: Late) -> list[str]:
    """Return the keys under which the app has not exactly one record."""
    assert late.arrived == len(keys), "no first attempt came late: nothing is proven"
    there = Counter(record["key"] for record in ready.town.records(app))
    return [key for key in keys if there[key] != 1]


@pytest.mark.parametrize("app", ["cc112", "sigapdes"])
async def test_a_replay_beside_a_late_success_makes_no_double(tmp_path: Path, database_url: str, app: str) -> None:
    """At L3 the app knows the key again; at L2 it is asked first, after it had time to settle."""
    quick = {app: dict(QUICK[app]) | PATIENT}
    async with opened(tmp_path, database_url, apps=(app,), manifests=quick, poll_s=QUIET) as ready:
        late = Late(Random(7), SETTLE_S / 2)
        keys = await replayed(ready, app, REPLAYS // 2, late)
        await ready.until(lambda: over(late, keys), PATIENCE)
        assert doubles(ready, app, keys, late) == []
        sent = Counter(
            json.loads(seen.body).get("external_ref") or json.loads(seen.body).get("ref_luar")
            for seen in ready.town.lines[app].seen
            if seen.method == "POST" and seen.path.startswith(WRITES[app])
        )
        assert set(sent) == set(keys), "another key than the delivery's own was used"


async def over(late: Late, keys: list[str]) -> bool:
    return late.arrived == len(keys)


async def test_a_replay_that_does_not_look_first_is_seen(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted bug: what was given up is simply sent again."""
    monkeypatch.setattr(move, "after_replay", lambda standing, level: Next(state=DeliveryState.QUEUED))
    quick = {"sigapdes": dict(QUICK["sigapdes"]) | PATIENT}
    async with opened(tmp_path, sqlite_url, apps=("sigapdes",), manifests=quick, poll_s=QUIET) as ready:
        late = Late(Random(7), SETTLE_S / 2)
        keys = await replayed(ready, "sigapdes", 10, late)
        await ready.until(lambda: over(late, keys), PATIENCE)
        assert doubles(ready, "sigapdes", keys, late) != []


async def test_the_desk_sees_what_became_of_a_delivery(tmp_path: Path, database_url: str) -> None:
    """Cause, last exchange without content, owner and age of what is held; and of what was never sent nothing."""
    async with opened(tmp_path, database_url, apps=("sigapdes",), poll_s=QUIET) as ready:
        office: Any = ready.town.apps["sigapdes"]
        office._villages = frozenset()
        key = await ready.filed(DAMAGE) + "-1"
        row = await ready.ends(key, "held", seconds=PATIENCE)
        await ready.backdate(tables.delivery, {"key": key}, made_at=row["made_at"] - MAX_AGE)
        answer = await ready.ask("GET", "/v1/desk/deliveries", ready.coordinator)
        (shown,) = answer.body["items"]
        assert (shown["state"], shown["cause"], shown["field"]) == ("held", "refused", "place.village")
        assert (shown["agency"], shown["owner"]) == ("BPBD", None)
        assert shown["age_s"] >= MAX_AGE.total_seconds()
        last = shown["last_exchange"]
        assert (last["operation"], last["attempt"], last["outcome"], last["http"]) == ("open", 1, "rejected", 200)
        (sent,) = ready.town.lines["sigapdes"].requests("POST", WRITES["sigapdes"])
        assert DAMAGE["reporter"]["name"] in sent.body.decode()
        assert len(last["request"]) == len(last["response"]) == 64
        assert DAMAGE["reporter"]["name"] not in json.dumps(last)

        ready.town.lines["sigapdes"].when(
            lambda seen: seen.method == "GET" and "/ref/" in seen.path, Late(Random(1), 0.0)
        )
        office._villages = frozenset()
        path = f"/v1/desk/deliveries/{shown['id']}/replay"
        assert (await ready.ask("POST", path, ready.coordinator, {"reason": "coba lagi"})).body["state"] == "unsure"
        await ready.until(lambda: looked(ready), PATIENCE)


async def looked(ready: Gateway) -> bool:
    """Tell whether the desk sees the look that was lost as the last exchange, and then what came of the next."""
    answer = await ready.ask("GET", "/v1/desk/deliveries?state=unsure&state=held&state=queued", ready.coordinator)
    return any(one["last_exchange"]["operation"] == "find" for one in answer.body["items"])
