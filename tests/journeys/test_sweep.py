"""The nightly sweep finds and repairs what was missed, and tells of what it cannot repair; drift is told by name."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from gateway.flows.inbound.drift import Lister, drift_of
from gateway.flows.inbound.sweep import Sweeper
from gateway.kernel.ledger import Act
from gateway.kernel.ledger import tables as t
from gateway.model.principal import GATEWAY
from gateway.sdk.manifest import read_manifest
from tests.faults.town import Gateway, opened
from tests.journeys.stage import DAMAGE, FLOOD, ROOT

WITA = ZoneInfo("Asia/Makassar")
QUIET = 3600.0
PLANTED = int(os.environ.get("GATEWAY_SOAK_PLANTED", "6"))
"""How many differences of each kind."""
TYPED = {"kode_desa": "7311071001", "jenis_bencana": "banjir", "nama_kk": "Hj. Rosmini"}


def sweeper(ready: Gateway, app: str) -> Sweeper:
    house = ready.house
    return Sweeper(app, house.ledger, house.host, house.store, house.wake)


def today(ready: Gateway) -> date:
    return ready.house.clock.now().astimezone(WITA).date()


async def accepted(ready: Gateway, app: str, body: dict[str, object], count: int) -> dict[str, str]:
    """File reports, and return the app's number of each by its code."""
    codes = [await ready.filed(body) for _ in range(count)]
    numbers = {}
    for code in codes:
        await ready.ends(f"{code}-1")
        report = (await ready.ask("GET", f"/v1/reports/{code}", ready.coordinator)).body
        numbers[code] = report["cases"][0]["references"][0]["value"]
    return numbers


async def swept(ready: Gateway, app: str) -> dict[str, object]:
    """Sweep the day, let what came be applied, and return the facts that were entered."""
    assert await sweeper(ready, app).sweep(today(ready))
    rows = await ready.rows(t.entry, kind="inbound.swept")
    facts: dict[str, object] = msgspec.json.decode(max(rows, key=lambda row: row["seq"])["body"])["facts"]
    return facts


async def test_planted_differences_are_found_and_repaired(tmp_path: Path, database_url: str) -> None:
    """Missed here: a move and a record born there. Missing there: a record that is gone. Nothing else is told."""
    async with opened(tmp_path, database_url, apps=("sigapdes",), poll_s=QUIET) as ready:
        office = ready.town.apps["sigapdes"]
        ready.town.deafen()
        numbers = await accepted(ready, "sigapdes", DAMAGE, 3)
        moved, gone, calm = numbers
        # What the day's polls told in its time: where each record stood at first.
        assert (await swept(ready, "sigapdes"))["missing_there"] == 0
        office.advance(office.store.records[numbers[moved]], "2", "Petugas turun", None, {})
        born = office.born(TYPED).reference
        del office.store.records[numbers[gone]]
        facts = await swept(ready, "sigapdes")
        assert (facts["day"], facts["listed"]) == (today(ready).isoformat(), 3)
        assert (facts["missing_there"], facts["differing"]) == (1, 0)
        assert facts["repaired"] == 3  # the move, what the officer wrote, and the birth
        await ready.reaches(moved, "in_progress", ready.coordinator)

        async def adopted() -> bool:
            return await ready.report_of(born) is not None

        await ready.until(adopted)
        (alert,) = await ready.alerts("missing_there")
        assert (alert["subject"], alert["times"]) == (f"sigapdes:{numbers[gone]}", 1)
        assert (await ready.ask("GET", f"/v1/reports/{calm}", ready.coordinator)).body["status"] == "received"

        again = await swept(ready, "sigapdes")
        assert (again["repaired"], again["differing"]) == (0, 0)
        assert await ready.alerts("state_differs") == []


async def test_differences_are_found_in_number_and_no_others(tmp_path: Path, database_url: str) -> None:
    """So many moved, gone, born and calm: each is found by its number, and nothing is said of the calm ones."""
    async with opened(tmp_path, database_url, apps=("sigapdes",), poll_s=QUIET) as ready:
        office = ready.town.apps["sigapdes"]
        ready.town.deafen()
        numbers = await accepted(ready, "sigapdes", DAMAGE, 4 * PLANTED)
        codes = list(numbers)
        assert (await swept(ready, "sigapdes"))["missing_there"] == 0
        moved, gone, calm = codes[:PLANTED], codes[PLANTED : 2 * PLANTED], codes[2 * PLANTED :]
        for code in moved:
            office.advance(office.store.records[numbers[code]], "2", None, None, {})
        born = [office.born(TYPED).reference for _ in range(PLANTED)]
        for code in gone:
            del office.store.records[numbers[code]]
        facts = await swept(ready, "sigapdes")
        assert (facts["listed"], facts["missing_there"], facts["differing"]) == (4 * PLANTED, PLANTED, 0)
        assert facts["repaired"] == 2 * PLANTED
        for code in moved:
            await ready.reaches(code, "in_progress", ready.coordinator)

        async def adopted() -> bool:
            return all([await ready.report_of(reference) for reference in born])

        await ready.until(adopted, 60)
        told = {alert["subject"] for alert in await ready.alerts("missing_there")}
        assert told == {f"sigapdes:{numbers[code]}" for code in gone}
        for code in calm:
            assert (await ready.ask("GET", f"/v1/reports/{code}", ready.coordinator)).body["status"] == "received"
        assert (await swept(ready, "sigapdes"))["repaired"] == 0


async def test_a_case_that_stands_elsewhere_is_shown(tmp_path: Path, sqlite_url: str) -> None:
    """All that the app says was heard, and yet the case stands elsewhere: nobody guesses, a person is told."""
    async with opened(tmp_path, sqlite_url, apps=("sigapdes",), poll_s=QUIET) as ready:
        office = ready.town.apps["sigapdes"]
        ready.town.deafen()
        numbers = await accepted(ready, "sigapdes", DAMAGE, 1)
        ((code, number),) = numbers.items()
        office.advance(office.store.records[number], "2", None, None, {})
        await swept(ready, "sigapdes")
        await ready.reaches(code, "in_progress", ready.coordinator)
        assert await ready.alerts("state_differs") == []
        (case,) = await ready.rows(t.cases)
        earlier = datetime.now(UTC) - timedelta(days=2)
        await ready.backdate(t.cases, {"id": case["id"]}, since=earlier)
        act = ready.house.ledger.act(GATEWAY, "test")
        act.change(t.cases, {"id": case["id"]}, status="received", word="kerusakan/1")
        await ready.house.ledger.commit(act)
        assert (await swept(ready, "sigapdes"))["differing"] == 1
        (alert,) = await ready.alerts("state_differs")
        assert (alert["subject"], alert["detail"]) == (f"sigapdes:{number}", "the app says kerusakan/2")


async def test_a_lost_webhook_is_made_up_for(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, apps=("cc112",), poll_s=QUIET) as ready:
        centre = ready.town.apps["cc112"]
        ready.town.quirk("cc112", hold_webhooks=True)
        ((code, ticket),) = (await accepted(ready, "cc112", FLOOD, 1)).items()
        unit = {"unit": "BPBD-1", "opd": "BPBD", "status": "ON_SCENE"}
        centre.advance(centre.store.records[ticket], "ON_SCENE", None, None, {"dispatches": [unit]})
        await swept(ready, "cc112")
        await ready.reaches(code, "on_scene", ready.coordinator)
        assert await ready.alerts("missing_there") == []


async def test_each_day_that_is_over_is_swept_once(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, apps=("sigapdes",), poll_s=QUIET, work=False) as ready:
        one = sweeper(ready, "sigapdes")
        here = ready.house.clock.now().astimezone(WITA)
        last = here.date() - timedelta(days=1 if here.hour >= 1 else 2)
        assert await one.due() == [last]
        assert await one.round() == 1
        assert await one.due() == []
        act: Act = ready.house.ledger.act(GATEWAY, "test")
        act.change(t.cursor, {"app": "sigapdes/sweep"}, cursor=(last - timedelta(days=30)).isoformat())
        await ready.house.ledger.commit(act)
        assert await one.due() == [last - timedelta(days=back) for back in range(6, -1, -1)]


# Drift.


@pytest.mark.parametrize("app", ["sipendting"])
async def test_drift_is_told_by_name_until_it_is_mended(tmp_path: Path, database_url: str, app: str) -> None:
    async with opened(tmp_path, database_url, apps=(app,), manifests={app: {}}, poll_s=QUIET, work=False) as ready:
        house = ready.house
        watch = Lister(app, house.ledger, house.host, house.store, house.wake)
        assert await watch.round()
        assert not await watch.round(), "once a day"
        assert await ready.alerts("drift") == []
        ready.town.quirk(app, category_added=True, category_removed=True, status_added=True, category_renamed=True)
        assert await watch.look()
        told = {alert["subject"]: alert["detail"] for alert in await ready.alerts("drift")}
        assert sorted(detail.partition(":")[0] for detail in told.values()) == [
            *["new there"] * 3,
            *["no longer there"] * 2,
        ], told
        assert {subject.split(":")[1] for subject in told} == {"category", "status"}
        entered = {
            msgspec.json.decode(row["body"])["facts"]["what"]
            for row in await ready.rows(t.entry)
            if row["kind"] == "catalogue.drifted"
        }
        assert entered >= told.keys()
        assert await watch.look()
        assert {alert["times"] for alert in await ready.alerts("drift")} == {1}, "told once"
        calm = dict.fromkeys(("category_added", "category_removed", "status_added", "category_renamed"), False)
        ready.town.quirk(app, **calm)
        assert await watch.look()
        assert all(alert["cleared_at"] is not None for alert in await ready.alerts("drift"))


def test_what_is_new_renamed_and_gone() -> None:
    manifest = read_manifest(ROOT / "connectors" / "sipendting")
    words = {word: word.upper() for word in manifest.categories.inward}
    before = {"category": words, "village": {"7310041003": "Takkalasi"}}
    assert drift_of(manifest, None, before) == drift_of(manifest, before, before)
    assert not drift_of(manifest, None, before).standing
    now = {"category": {**words, "in-kabel": "Kabel"}, "village": {"7310041003": "Kel. Takkalasi", "1": "Baru"}}
    del now["category"]["in-road"]
    drift = drift_of(manifest, before, now)
    assert drift.standing == {
        ("category", "in-kabel"): "new there: Kabel",
        ("category", "in-road"): "no longer there: IN-ROAD",
    }
    assert drift.seen == {
        ("village", "7310041003"): "renamed there: Takkalasi -> Kel. Takkalasi",
        ("village", "1"): "new there: Baru",
    }
