"""A report on its way to an app: told to wait, refused, held, moved by people, overtaken by a crash or by a second
worker. Each ends in the app exactly once, or stands where a person sees it and can do something about it.
"""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from gateway.flows.delivery.deliver import Deliverer
from gateway.flows.delivery.watch import Watch
from gateway.house import open_house
from gateway.kernel.ledger import tables
from gateway.model.delivery import MAX_AGE
from gateway.sdk.sandbox import development_secret
from gateway.worker import Worker
from tests.faults.proxy import Seen, answer_of, hangs, never_arrives, says
from tests.faults.town import QUICK, Gateway, gateway, opened, town
from tests.journeys.stage import DAMAGE, FLOOD, Answer

QUIET: Final = 60.0
"""Seconds between polls where none is wanted."""
EITHER: Final = pytest.mark.parametrize(("app", "body"), [("cc112", FLOOD), ("sigapdes", DAMAGE)])
LETTER: Final[dict[str, Any]] = {
    "service": "VI-LETTER",
    "description": "Melengkapi permohonan beasiswa",
    "place": {"village": "73.11.07.1001"},
    "reporter": {"name": "Andi " * 24, "phone": "0812-3456-7890", "national_id": "7311014107850001"},
    "attributes": {"letter_type": "tidak_mampu", "purpose": "Beasiswa"},
}
"""Its reporter's name is longer than the app takes."""
OPENS: Final = ("/v1/incidents", "/api/v1/kerusakan")


def opens(seen: Seen) -> bool:
    """Fits a request that opens a record."""
    return seen.method == "POST" and seen.path in OPENS


def holds(text: str) -> Any:
    """Fits a write that holds this text."""
    return lambda seen: seen.method == "POST" and text.encode() in seen.body


async def polled(ready: Gateway) -> None:
    """Wait until the one poll at the start is over."""

    async def look() -> bool:
        return len(ready.town.lines["sigapdes"].requests("GET", "/perubahan")) >= 3

    await ready.until(look)


async def attempted(ready: Gateway, key: str, times: int = 1) -> None:
    """Wait until so many attempts are over."""

    async def look() -> bool:
        row = await ready.delivery(key)
        return bool(row["attempt"] >= times and row["state"] != "sending")

    await ready.until(look)


async def deliveries(ready: Gateway, token: str, state: str = "held") -> list[dict[str, Any]]:
    """Return what a desk sees of deliveries in a state."""
    answer = await ready.ask("GET", f"/v1/desk/deliveries?state={state}", token)
    assert answer.status == 200, answer
    items: list[dict[str, Any]] = answer.body["items"]
    return items


async def move(ready: Gateway, key: str, name: str, token: str, **body: Any) -> Any:
    """Move a delivery at the desk; return the answer."""
    row = await ready.delivery(key)
    return await ready.ask("POST", f"/v1/desk/deliveries/{row['id']}/{name}", token, {"reason": "Sudah dicek", **body})


def problem(answer: Answer) -> str:
    """Return the kind of a problem."""
    return str(answer.body["type"]).rpartition("/")[2]


async def say(ready: Gateway, code: str, token: str, text: str) -> None:
    """Let the reporter add a word."""
    answer = await ready.ask("POST", f"/v1/reports/{code}/messages", token, {"text": text})
    assert answer.status == 201, answer


# -- told to wait -------------------------------------------------------------------------------------------------


async def test_an_app_that_asks_to_be_left_alone_is_left_alone(tmp_path: Path, sqlite_url: str) -> None:
    """429 with seconds, 503 with a date: nothing at all is asked of the app before, and nothing is unsure."""
    async with opened(tmp_path, sqlite_url) as ready:
        now = ready.house.clock.now()
        until = format_datetime(now + timedelta(seconds=2), usegmt=True)
        dated = answer_of(503, date=format_datetime(now, usegmt=True), retry_after=until)
        ready.town.lines["cc112"].when(opens, says(answer_of(429, retry_after="2")))
        ready.town.lines["sigapdes"].when(opens, says(dated))
        keys = [await ready.filed(body) + "-1" for body in (FLOOD, DAMAGE)]
        for key, line, cause in zip(keys, ready.town.lines.values(), ("http_429", "http_503"), strict=True):
            await ready.ends(key)
            assert line.injected.total() == 1
            first, second = (one.at for one in line.seen if opens(one))
            assert second - first >= 2.0
            asked = [one for one in line.seen if first + 0.3 < one.at < first + 1.95]
            assert asked == [], "the app was asked although it wished not to be"
            told = ["queued", "attempt 1", f"retry ({cause})", "attempt 2", "accepted by receipt"]
            assert await ready.way(key) == told


async def test_a_token_that_ends_is_renewed_once(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url, apps=("sigapdes",), poll_s=QUIET) as ready:
        line = ready.town.lines["sigapdes"]
        await polled(ready)
        before = len(line.requests("POST", "/auth/login"))
        ready.town.quirk("sigapdes", expire_tokens=1)
        codes = await asyncio.gather(*(ready.filed(DAMAGE) for _ in range(6)))
        for code in codes:
            row = await ready.ends(f"{code}-1")
            assert row["attempt"] == 1
        assert before == 1
        assert len(line.requests("POST", "/auth/login")) == 2
        assert Counter(record["key"] for record in ready.town.records("sigapdes")) == Counter(
            f"{code}-1" for code in codes
        )


@pytest.mark.parametrize(("app", "secret", "body"), [("cc112", "API_KEY", FLOOD), ("sigapdes", "PASSWORD", DAMAGE)])
async def test_a_wrong_credential_pauses_the_app_until_it_is_mended(
    tmp_path: Path, sqlite_url: str, app: str, secret: str, body: dict[str, Any]
) -> None:
    variable, file = f"GATEWAY_{app.upper()}_{secret}", tmp_path / "secret"
    file.write_text(development_secret(app, secret))
    more = {variable: "", f"{variable}_FILE": str(file)}
    async with opened(tmp_path, sqlite_url, apps=(app,), poll_s=QUIET, **more) as ready:
        await ready.until(lambda: read_once(ready, app))
        file.write_text("wrong")
        if app == "sigapdes":
            ready.town.quirk(app, expire_tokens=1)
        key = await ready.filed(body) + "-1"
        await attempted(ready, key)
        row = await ready.delivery(key)
        assert (row["state"], row["cause"]) == ("queued", "unauthorized")
        assert [alert["subject"] for alert in await ready.alerts("connector_paused")] == [key]
        assert [one["paused"] for one in await healths(ready, app)] == [True]
        later = await ready.filed(body) + "-1"
        await ready.hurry(key)
        asked = len(ready.town.lines[app].seen)
        await ready.until(lambda: moments(ready))
        assert len(ready.town.lines[app].seen) == asked, "a paused app was asked"
        file.write_text(development_secret(app, secret) + "\n")
        for one in (later, key):
            await ready.ends(one)
        assert (await ready.way(later))[-1] == "accepted by receipt"
        assert len(ready.town.records(app)) == 2
        assert [one["paused"] for one in await healths(ready, app)] == [False]


async def test_a_wrong_credential_that_a_poll_meets_is_an_alert_too(tmp_path: Path, sqlite_url: str) -> None:
    wrong = {"GATEWAY_CC112_API_KEY": "wrong"}
    async with opened(tmp_path, sqlite_url, apps=("cc112",), poll_s=QUIET, **wrong) as ready:
        alerts = await ready.until(lambda: ready.alerts("connector_paused"))
        assert [(alert["subject"], alert["detail"]) for alert in alerts] == [("cc112", "unauthorized")]
        key = await ready.filed(FLOOD) + "-1"
        await ready.until(lambda: moments(ready))
        assert (await ready.delivery(key))["attempt"] == 0, "an attempt was spent on an app that refuses us"


async def read_once(ready: Gateway, app: str) -> bool:
    """Tell whether an app has been read to its end."""
    return any(row["answered_at"] for row in await ready.rows(tables.cursor, app=app))


async def healths(ready: Gateway, app: str) -> list[dict[str, Any]]:
    """Return how an app is, as the desk sees it."""
    answer = await ready.ask("GET", "/v1/desk/health", ready.coordinator)
    return [one for one in answer.body["apps"] if one["app"] == app]


async def moments(ready: Gateway, count: int = 3) -> bool:
    """Let the worker look at its queue a few times."""
    for _ in range(count):
        ready.house.wake.ring("delivery")
        await ready.ask("GET", "/healthz")
    return True


# -- refused ------------------------------------------------------------------------------------------------------


async def test_what_an_app_refuses_is_held_with_its_cause(tmp_path: Path, database_url: str) -> None:
    """422 with a field, and a 200 that refuses: held at the desk of the agency, not sent again by itself."""
    async with opened(tmp_path, database_url, apps=("sigapdes",), poll_s=QUIET) as ready:
        await polled(ready)
        office: Any = ready.town.apps["sigapdes"]
        known, office._villages = office._villages, frozenset()
        unknown = await ready.filed(DAMAGE) + "-1"
        await ready.ends(unknown, "held")
        office._villages = known
        long = await ready.filed(LETTER) + "-1"
        await ready.ends(long, "held")
        assert await ready.way(unknown) == ["queued", "attempt 1", "held (refused)"]

        bpbd = ready.token("petugas-bpbd", "operator", agency="BPBD")
        assert [one["key"] for one in await deliveries(ready, bpbd)] == [unknown]
        seen = {one["key"]: one for one in await deliveries(ready, ready.coordinator)}
        shown = {key: (one["cause"], one["field"], one["http"], one["attempts"]) for key, one in seen.items()}
        assert shown == {
            unknown: ("refused", "place.village", 200, 1),
            long: ("refused", "reporter.name", 422, 1),
        }
        assert seen[unknown]["moves"] == ["replay", "resolve", "cancel"]
        assert "not registered" in seen[unknown]["answer"]
        assert seen[unknown]["agency"] == "BPBD"
        assert {alert["subject"] for alert in await ready.alerts("delivery_held")} == {unknown, long}
        assert await deliveries(ready, ready.token("petugas-dlh", "operator", agency="DLH")) == []
        assert (await ready.rows(tables.cases))[0]["status"] == "received", "a citizen never sees that it failed"

        # The village is registered now: the same command under the same key, and the app is asked for it first.
        answer = await move(ready, unknown, "replay", bpbd)
        assert (answer.status, answer.body["state"]) == (200, "unsure")
        await ready.ends(unknown)
        assert (await ready.way(unknown))[3:] == [
            "replayed",
            "unsure by find",
            "retry by find",
            "attempt 2",
            "accepted by receipt",
        ]
        sent = [one.body for one in ready.town.lines["sigapdes"].seen if holds(unknown)(one)]
        assert len(sent) == 2
        assert sent[0] == sent[1]
        assert [record["key"] for record in ready.town.records("sigapdes")] == [unknown]


async def test_a_person_says_that_it_arrived(tmp_path: Path, database_url: str) -> None:
    """Resolved by hand with the app's number: what the app says of that number belongs to the report."""
    async with opened(tmp_path, database_url, apps=("sigapdes",), poll_s=QUIET) as ready:
        await polled(ready)
        owner = ready.token("warga-1", "citizen")
        ready.town.lines["sigapdes"].when(opens, says(answer_of(422, b'{"success": false, "message": "-"}')))
        code = await ready.filed(DAMAGE, owner)
        key = f"{code}-1"
        await ready.ends(key, "held")
        await say(ready, code, owner, "Atap juga roboh")
        office = ready.town.apps["sigapdes"]
        typed = office.born({"kode_desa": "7311071001", "jenis_bencana": "banjir", "nama_kk": "Baso Tahir"}).reference

        answer = await move(ready, key, "resolve", ready.coordinator, reference={"kind": "id", "value": typed})
        assert (answer.status, answer.body["state"]) == (200, "accepted"), answer
        await ready.ends(f"{code}-2")
        assert ready.town.records("sigapdes")[0]["messages"] == [{"key": f"{code}-2", "text": "Atap juga roboh"}]
        again = await move(ready, key, "resolve", ready.coordinator, reference={"kind": "id", "value": typed})
        assert (again.status, problem(again)) == (409, "delivery-conflict")

        office.advance(office.store.records[typed], "2", None, None, {})

        async def moved() -> bool:
            ready.house.wake.ring("poll:sigapdes")  # what changed in the app's running second waits for another poll
            return bool((await ready.ask("GET", f"/v1/reports/{code}", owner)).body["status"] == "in_progress")

        await ready.until(moved)
        assert len(await ready.rows(tables.report)) == 1
        assert (await ready.way(key))[-1] == "accepted by person"


async def test_what_is_given_up_goes_to_the_desk(tmp_path: Path, sqlite_url: str) -> None:
    """Cancelled only as long as the app cannot have it; the report then has a desk, and the desk an end."""
    async with opened(tmp_path, sqlite_url, apps=("sigapdes",), poll_s=QUIET) as ready:
        await polled(ready)
        line, owner = ready.town.lines["sigapdes"], ready.token("warga-1", "citizen")
        arrived = await ready.filed(DAMAGE, owner) + "-1"
        await ready.ends(arrived)
        line.when(holds("[refused]"), says(answer_of(422, b'{"success": false, "message": "-"}')))
        code = await ready.filed(DAMAGE, owner, description="Dinding retak [refused]")
        await ready.ends(f"{code}-1", "held")
        line.when(holds("[busy]"), says(answer_of(429, retry_after="60")))
        begun = await ready.filed(DAMAGE, owner, description="Dinding retak [busy]") + "-1"
        await attempted(ready, begun)

        for key in (arrived, begun):
            answer = await move(ready, key, "cancel", ready.coordinator)
            assert (answer.status, problem(answer)) == (409, "delivery-conflict"), key
        answer = await move(ready, f"{code}-1", "cancel", ready.coordinator)
        assert (answer.status, answer.body["state"]) == (200, "cancelled")

        operator = ready.token("petugas-bpbd", "operator", agency="BPBD")
        queue = (await ready.ask("GET", "/v1/desk/queue", operator)).body["items"]
        waiting = [(one["report"], one["app"], one["reason"]) for one in queue if one["why"] == "desk"]
        assert waiting == [(code, "gateway", "delivery_cancelled")]
        closing = {"outcome": "resolved", "text": "Sudah didata langsung"}
        assert (await ready.ask("POST", f"/v1/desk/reports/{code}/close", operator, closing)).status == 200
        assert (await ready.reaches(code, "resolved", owner))["cases"][1]["app"] == "gateway"


# -- lanes --------------------------------------------------------------------------------------------------------


@EITHER
async def test_a_lane_is_ordered_and_blocks_only_itself(
    tmp_path: Path, sqlite_url: str, app: str, body: dict[str, Any]
) -> None:
    """Messages wait for the record they belong to, and for each other; another report's go ahead."""
    async with opened(tmp_path, sqlite_url, apps=(app,)) as ready:
        owner, line = ready.token("warga-1", "citizen"), ready.town.lines[app]
        line.when(holds("[slow]"), says(answer_of(422, b'{"success": false, "message": "-", "error_code": "X"}')))
        slow = await ready.filed(body, owner, description="Air masuk [slow]")
        await ready.ends(f"{slow}-1", "held")
        texts = [f"pesan {number}" for number in range(1, 5)]
        line.when(holds("pesan 1"), hangs)
        line.when(holds("pesan 2"), says(answer_of(429, retry_after="0")))
        for text in texts:
            await say(ready, slow, owner, text)
        other = await ready.filed(body, owner, description="Air masuk")
        await say(ready, other, owner, "pesan lain")
        await ready.ends(f"{other}-2")
        for number in range(2, 6):
            assert (await ready.delivery(f"{slow}-{number}"))["attempt"] == 0, "it overtook the record it belongs to"

        assert (await move(ready, f"{slow}-1", "replay", ready.coordinator)).status == 200
        for number in range(2, 6):
            await ready.ends(f"{slow}-{number}")
        assert line.injected.total() == 3
        record = next(one for one in ready.town.records(app) if one["key"] == f"{slow}-1")
        assert record["messages"] == [{"key": f"{slow}-{n}", "text": text} for n, text in enumerate(texts, start=2)]
        firsts = [next(one.at for one in line.seen if holds(text)(one)) for text in texts]
        assert all(earlier < later for earlier, later in pairwise(firsts))


# -- crashes and company ------------------------------------------------------------------------------------------


async def test_two_workers_on_one_database_send_nothing_twice(tmp_path: Path, postgres_url: str) -> None:
    async with AsyncExitStack() as stack:
        ready = await stack.enter_async_context(opened(tmp_path, postgres_url, work=False))
        others = [await stack.enter_async_context(open_house(ready.house.settings, migrated=True)) for _ in range(2)]
        owner = ready.token("warga-1", "citizen")
        with capture_logs() as logs:
            workers = [Worker(house) for house in (ready.house, *others)]
            for worker in workers:
                worker.start()
            codes = await asyncio.gather(*(ready.filed(body, owner) for body in (FLOOD, DAMAGE) for _ in range(12)))
            await asyncio.gather(*(say(ready, code, owner, "Tolong segera") for code in codes))
            for number in (1, 2):
                for code in codes:
                    await ready.ends(f"{code}-{number}", seconds=30)
            await settled(ready)
            for worker in workers:
                await worker.stop()
        sent = Counter(key for line in ready.town.lines.values() for one in line.seen for key in keys_in(one, codes))
        assert sent == Counter(f"{code}-{number}" for code in codes for number in (1, 2))
        assert len({(await ready.delivery(f"{code}-1"))["id"] for code in codes}) == 24
        for app in ready.town.apps:
            records = ready.town.records(app)
            assert len(records) == 12
            assert all(len(record["messages"]) == 1 for record in records)
        assert [log for log in logs if log["event"] == "loop.fell"] == []
        assert {row["state"] for row in await ready.rows(tables.inbox)} == {"applied"}
        assert await ready.rows(tables.alert) == []


def keys_in(seen: Seen, codes: list[str]) -> list[str]:
    """Return the deliveries that a write carries."""
    if seen.method != "POST":
        return []
    return [f"{code}-{n}" for code in codes for n in (1, 2) if f'"{code}-{n}"'.encode() in seen.body]


async def settled(ready: Gateway) -> None:
    """Wait until every piece of news has been applied."""

    async def look() -> bool:
        return all(row["state"] in {"applied", "quarantined"} for row in await ready.rows(tables.inbox))

    await ready.until(look)


async def test_a_crash_between_claim_and_outcome_is_resolved(tmp_path: Path, database_url: str) -> None:
    """Dropped before the first byte, and dropped while the app's answer was on its way: in both apps exactly once,
    by the lease alone (no webhook and no poll helps)."""
    short = {app: {**QUICK[app], "timeouts.connect": 0.2, "timeouts.total": 1.0} for app in QUICK}
    async with town(tmp_path, manifests=short, poll_s=QUIET) as place:
        place.deafen()
        keys: dict[str, str] = {}
        async with gateway(place, database_url, work=False) as first:
            for app, body in (("cc112", FLOOD), ("sigapdes", DAMAGE)):
                keys[f"{app} claimed"] = await first.filed(body) + "-1"
                lease = timedelta(seconds=5)
                claimed = await first.house.ledger.claim([app], app == "cc112", 9, lease, "a worker that is gone")
                assert [one.row["key"] for one in claimed] == [keys[f"{app} claimed"]]
                place.lines[app].when(holds("[hangs]"), hangs)
                keys[f"{app} sent"] = await first.filed(body, description="Air masuk [hangs]") + "-1"
            first.work()
            for app in place.apps:
                await first.until(lambda app=app: arrived(first, app))  # type: ignore[misc]
            await first.crash()
            states = {name: (await first.delivery(key))["state"] for name, key in keys.items()}
            assert set(states.values()) == {"sending"}
        async with gateway(place, database_url) as second:
            for key in keys.values():
                await second.ends(key, seconds=30)
            ways = {name: (await second.way(key))[1:] for name, key in keys.items()}
            resent = ["attempt 1", "unsure by lease", "retry by settled", "attempt 2", "accepted by receipt"]
            assert ways["cc112 claimed"] == ways["cc112 sent"] == resent
            assert ways["sigapdes sent"] == ["attempt 1", "unsure by lease", "accepted by find"]
            assert ways["sigapdes claimed"] == [
                "attempt 1",
                "unsure by lease",
                "unsure by find",
                "retry by find",
                "attempt 2",
                "accepted by receipt",
            ]
        for app in place.apps:
            assert place.lines[app].injected["hangs"] == 1
            mine = sorted(key for name, key in keys.items() if name.startswith(app))
            assert sorted(record["key"] for record in place.records(app)) == mine


async def arrived(ready: Gateway, app: str) -> bool:
    """Tell whether an app has accepted something."""
    return bool(ready.town.records(app))


async def test_a_worker_that_slept_through_its_lease_changes_nothing(tmp_path: Path, database_url: str) -> None:
    """A paused process wakes with a claim that somebody else has resolved: it sends nothing, and says nothing."""
    async with opened(tmp_path, database_url, apps=("sigapdes",), poll_s=QUIET, work=False) as ready:
        key = await ready.filed(DAMAGE) + "-1"
        house = ready.house
        sleeper = Deliverer("sigapdes", False, house.ledger, house.host, house.wake, house.blobs, "sleeper")
        fell_asleep = house.clock.monotonic() - 3600, house.clock.real() - timedelta(hours=1)
        (claimed,) = await house.ledger.claim(["sigapdes"], False, 1, timedelta(seconds=1), "sleeper")
        await ready.hurry(key, "lease_until")
        ready.work()
        await ready.ends(key)
        before, known = await ready.way(key), list(ready.town.lines["sigapdes"].seen)
        await sleeper.carry(claimed, fell_asleep)
        assert await ready.way(key) == [*before, "late"]
        assert [one for one in ready.town.lines["sigapdes"].seen if one not in known] == []
        assert (await ready.delivery(key))["attempt"] == 2
        assert [record["key"] for record in ready.town.records("sigapdes")] == [key]


# -- apps that can do less ----------------------------------------------------------------------------------------


async def test_an_app_that_can_do_nothing_is_never_sent_to_again(tmp_path: Path, sqlite_url: str) -> None:
    """L0: held for a person at once. L1, which can only search: held after its sweeps. An event still resolves."""
    less = {
        "cc112": {**QUICK["cc112"], "levels.open": "L0"},
        "sigapdes": {**QUICK["sigapdes"], "levels.open": "L1", "settle_s": 0.3},
    }
    async with opened(tmp_path, sqlite_url, manifests=less, poll_s=QUIET) as ready:
        await polled(ready)
        ready.town.quirk("cc112", hold_webhooks=True)
        for app, text, fault in (
            ("cc112", "[taken]", hangs),
            ("cc112", "[lost]", never_arrives),
            ("sigapdes", "[taken]", hangs),
            ("sigapdes", "[lost]", never_arrives),
        ):
            ready.town.lines[app].when(holds(text), fault)
        keys = {
            (app, text): await ready.filed(body, description=f"Air masuk {text}") + "-1"
            for app, body in (("cc112", FLOOD), ("sigapdes", DAMAGE))
            for text in ("[taken]", "[lost]")
        }
        for name, key in keys.items():
            await ready.ends(key, "accepted" if name == ("sigapdes", "[taken]") else "held")
        assert await ready.way(keys["cc112", "[taken]"]) == ["queued", "attempt 1", "held (timeout)"]
        assert await ready.way(keys["sigapdes", "[taken]"]) == [
            "queued",
            "attempt 1",
            "unsure (timeout)",
            "accepted by find",
        ]
        assert await ready.way(keys["sigapdes", "[lost]"]) == [
            "queued",
            "attempt 1",
            "unsure (timeout)",
            "unsure by find",
            "held by find (not_found)",
        ]
        held = {key for name, key in keys.items() if name != ("sigapdes", "[taken]")}
        assert {alert["subject"] for alert in await ready.alerts("delivery_held")} == held
        ready.town.quirk("cc112", hold_webhooks=False)
        await ready.ends(keys["cc112", "[taken]"])
        assert (await ready.way(keys["cc112", "[taken]"]))[-1] == "accepted by event"
        for (app, _), key in keys.items():
            sent = [one for one in ready.town.lines[app].seen if holds(key)(one)]
            assert len(sent) == 1, "it was sent again although nobody could know"
        assert ready.town.injected == 4


# -- what must not wait silently ----------------------------------------------------------------------------------


async def test_an_emergency_that_nobody_acknowledges_alerts_the_desk(tmp_path: Path, database_url: str) -> None:
    """After 60 seconds, once, whoever watches: an undelivered emergency, and one at a desk nobody is at."""
    async with opened(tmp_path, database_url) as ready:
        owner = ready.token("warga-1", "citizen")
        async with ready.town.lines["cc112"].down(), ready.town.lines["sigapdes"].down():
            code, fresh = await ready.filed(FLOOD, owner), await ready.filed(FLOOD, owner)
            calm = await ready.filed(DAMAGE, owner)
            old = ready.house.clock.real() - timedelta(seconds=61)
            for one in (code, calm):
                await ready.backdate(tables.delivery, {"key": f"{one}-1"}, made_at=old)
            watches = [Watch(ready.house.ledger, ready.house.wake) for _ in range(3)]
            await asyncio.gather(*(watch.round() for watch in watches))
            alerts = await ready.alerts("emergency_unacknowledged")
            assert [(alert["subject"], alert["app"], alert["times"]) for alert in alerts] == [(f"{code}-1", "cc112", 1)]
            hops = (await ready.trace(code))["hops"]
            assert [(hop["case"], hop["rule"]) for hop in hops if hop["kind"] == "report.alerted"] == [
                (1, "emergency:60s")
            ]
            told = [row["title"] for row in (await ready.ask("GET", f"/v1/reports/{code}/timeline", owner)).body]
            assert sum("mengambil alih" in title for title in told) == 1
            for one in (code, fresh, calm):
                assert (await ready.delivery(f"{one}-1"))["state"] == "queued"


async def test_an_emergency_at_the_gateways_own_desk_waits_no_longer(tmp_path: Path, sqlite_url: str) -> None:
    async with opened(tmp_path, sqlite_url, apps=("sigapdes",), manifests={"sigapdes": {}}) as ready:
        officer = ready.token("petugas-bpbd", "operator", agency="BPBD")
        taken, alone = await ready.filed(FLOOD), await ready.filed(FLOOD)
        reply = {"text": "Regu berangkat"}
        assert (await ready.ask("POST", f"/v1/desk/reports/{taken}/reply", officer, reply)).status == 200
        watch = Watch(ready.house.ledger, ready.house.wake)
        await watch.round()
        assert await ready.alerts("emergency_unacknowledged") == []
        old = ready.house.clock.now() - timedelta(seconds=61)
        for row in await ready.rows(tables.cases):
            await ready.backdate(tables.cases, {"id": row["id"]}, since=old)
        await watch.round()
        await watch.round()
        alerts = await ready.alerts("emergency_unacknowledged")
        assert [(alert["subject"], alert["app"], alert["times"]) for alert in alerts] == [
            (f"{alone} case 1", "gateway", 1)
        ]


async def test_nothing_waits_longer_than_three_days(tmp_path: Path, sqlite_url: str) -> None:
    """Whatever keeps it, a person hears of it, and what may have arrived is not sent again unseen."""
    async with opened(tmp_path, sqlite_url, apps=("sigapdes",), poll_s=QUIET) as ready:
        await polled(ready)
        line = ready.town.lines["sigapdes"]
        line.when(holds("[unsure]"), hangs)
        line.when(holds("[refused]"), says(answer_of(422, b'{"success": false, "message": "-"}')))
        unsure = await ready.filed(DAMAGE, description="Retak [unsure]") + "-1"
        refused = await ready.filed(DAMAGE, description="Retak [refused]") + "-1"
        await ready.ends(refused, "held")
        await ready.ends(unsure, "unsure")
        await ready.rest()
        queued = await ready.filed(DAMAGE) + "-1"
        old = ready.house.clock.real() - MAX_AGE - timedelta(minutes=1)
        for key in (unsure, refused, queued):
            await ready.backdate(tables.delivery, {"key": key}, made_at=old)
        await Watch(ready.house.ledger, ready.house.wake).round()
        states = {one: (await ready.delivery(one))["state"] for one in (unsure, refused, queued)}
        assert states == {unsure: "held", refused: "dead", queued: "dead"}
        seen = {one["key"]: one["cause"] for one in await deliveries(ready, ready.coordinator, "dead")}
        assert seen == {refused: "refused", queued: "too_old"}
        alerts = {alert["subject"] for kind in ("delivery_held", "delivery_dead") for alert in await ready.alerts(kind)}
        assert alerts == {unsure, refused, queued}

        for key in (unsure, queued):
            assert (await move(ready, key, "replay", ready.coordinator)).status == 200
        ready.town.deafen()
        ready.work()
        for key in (unsure, queued):
            await ready.ends(key)
        assert (await ready.way(unsure))[-2:] == ["replayed", "accepted by find"]
        assert Counter(record["key"] for record in ready.town.records("sigapdes")) == Counter([unsure, queued])


async def test_a_number_of_another_case_is_believed_by_nobody(tmp_path: Path, database_url: str) -> None:
    """An app that was restored from an old copy gives out its numbers again: held for a person, neighbours go on."""
    async with opened(tmp_path, database_url, poll_s=QUIET) as ready:
        await polled(ready)
        with capture_logs() as logs:
            first = [await ready.filed(body) + "-1" for body in (FLOOD, DAMAGE)]
            for key in first:
                await ready.ends(key)
            for app in ready.town.apps.values():
                app.store.reset()
                app.store.set_quirk("unlimited", True)
            ready.town.quirk("cc112", hold_webhooks=True)
            ready.town.lines["sigapdes"].when(holds("[hangs]"), hangs)
            again = [await ready.filed(FLOOD) + "-1", await ready.filed(DAMAGE, description="Retak [hangs]") + "-1"]
            for key in again:
                assert (await ready.ends(key, "held"))["cause"] == "number_taken"
            then = [await ready.filed(body) + "-1" for body in (FLOOD, DAMAGE)]
            for key in then:
                await ready.ends(key)
        assert (await ready.way(again[0]))[-1] == "held (number_taken)"
        assert (await ready.way(again[1]))[-1] == "held by find (number_taken)"
        assert [log for log in logs if log["event"] == "loop.fell"] == []
        held = {alert["subject"]: alert["detail"] for alert in await ready.alerts("delivery_held")}
        assert held == dict.fromkeys(again, "number_taken")
