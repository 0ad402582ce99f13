"""Thousands of webhooks, a third of them twice, in any order: each is kept once and applied once, and every record ends
where the fold of all its app said stands. 1,000 in CI; GATEWAY_SOAK_EVENTS says how many in a long run.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

import aiohttp
import msgspec
import pytest
from sqlalchemy import Connection, update

from gateway.flows.inbound.apply import Applier
from gateway.kernel.ledger import tables
from gateway.model.case import CaseEvent, fold
from gateway.model.status import Status
from tests.faults.proxy import Proxy, never_arrives
from tests.faults.town import QUICK, Gateway, opened
from tests.journeys.stage import DAMAGE, FLOOD

EVENTS: Final = int(os.environ.get("GATEWAY_SOAK_EVENTS", "1000"))
TWICE: Final = 0.3
AT_ONCE: Final = 16
SEED: Final = 20260128
QUIET: Final = 3600.0
CALL: Final[dict[str, Any]] = {
    "category": "BANJIR",
    "call": {"type": "normal"},
    "location": {"text": "Jalan poros depan pasar", "kode_wilayah": "73.11.07.1001"},
    "narrative": "Air naik sampai lutut.",
}
UNIT: Final = {"unit": "REGU-1", "opd": "BPBD"}
MOVES: Final[Sequence[tuple[str, dict[str, Any]]]] = (
    ("VERIFIED", {}),
    ("DISPATCHED", {"dispatches": [UNIT | {"status": "ASSIGNED"}]}),
    ("ON_THE_WAY", {"dispatches": [UNIT | {"status": "ON_THE_WAY"}]}),
    ("ON_SCENE", {"dispatches": [UNIT | {"status": "ON_SCENE"}]}),
    ("CLOSED", {"dispatches": [UNIT | {"status": "DONE"}], "closing": {"outcome": "handled"}}),
)
"""What becomes of a call; each ends somewhere on the way, or there."""


def happened(ready: Gateway, chance: Random) -> list[bytes]:
    """Let calls come in at 112 and move on, its webhooks held back; return these."""
    centre = ready.town.apps["cc112"]
    while len(centre.store.callbacks) < EVENTS:
        record = centre.born(CALL)
        for word, fields in MOVES[: chance.randint(2, len(MOVES))]:
            record = centre.advance(centre.store.records[record.reference], word, None, None, fields)
    return [callback.body.encode() for callback in centre.store.callbacks.values()]


async def called_back(ready: Gateway, bodies: Sequence[bytes], chance: Random) -> Counter[int]:
    """Call back with every webhook, many of them twice, in any order and several at once; return what was answered."""
    centre, answers = ready.town.apps["cc112"], Counter[int]()
    again = chance.sample(bodies, int(len(bodies) * TWICE))
    waiting = [*bodies, *again]
    chance.shuffle(waiting)

    async def caller(session: aiohttp.ClientSession) -> None:
        while waiting:
            body = waiting.pop()
            headers = centre.signed(body, centre.now())
            async with session.post(f"{ready.url}/hooks/cc112", data=body, headers=headers) as answer:
                answers[answer.status] += 1

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(caller(session) for _ in range(AT_ONCE)))
    assert len(again) >= len(bodies) // 4, "nothing came twice: nothing is proven"
    return answers


def applier(ready: Gateway, app: str = "cc112") -> Applier:
    house = ready.house
    return Applier(app, house.ledger, house.host, house.store, house.adopter, house.wake)


async def applied(ready: Gateway, one: Applier | None = None) -> None:
    """Apply until nothing is left, as the worker does; what waits for its time is let go on."""
    one = one or applier(ready)
    while await ready.rows(tables.inbox, state="new") or await ready.rows(tables.inbox, state="parked"):
        if not await one.round():
            await asyncio.sleep(0.05)


async def judged(ready: Gateway, bodies: Sequence[bytes]) -> list[str]:
    """Hold what is kept here against what the app said; return what is wrong."""
    said: dict[str, list[dict[str, Any]]] = {}
    for body in bodies:
        event = json.loads(body)
        said.setdefault(event["ticket_no"], []).append(event)
    numbers = {row["value"]: row["case_id"] for row in await ready.rows(tables.reference, app="cc112")}
    cases = {row["id"]: row for row in await ready.rows(tables.cases, app="cc112")}
    kept: dict[Any, list[dict[str, Any]]] = {}
    for row in await ready.rows(tables.event):
        kept.setdefault(row["case_id"], []).append(row)
    faults = [f"{len(cases)} cases for {len(said)} records"] if len(cases) != len(said) else []
    for ticket, events in said.items():
        rows = [row for row in kept.get(numbers.get(ticket), []) if not row["by_gateway"]]
        times = Counter(row["event_id"] for row in rows)
        wanted = Counter(event["event_id"] for event in events)
        if times != wanted:
            faults.append(f"{ticket}: {sum(times.values())} events kept, {sum(wanted.values())} were said")
            continue
        folded = fold(
            [
                CaseEvent(
                    id=row["event_id"],
                    at=row["at"],
                    seq=row["seq"],
                    word=row["word"],
                    status=Status(row["status"]) if row["status"] else None,
                )
                for row in rows
            ]
        )
        case = cases[numbers[ticket]]
        last = ready.town.apps["cc112"].store.records[ticket].row["status"]
        if case["status"] != folded.status or case["word"].partition("/")[0] != last:
            faults.append(f"{ticket}: stands at {case['status']} ({case['word']}), its app says {last}")
    entries = Counter(row["stream"] for row in await ready.rows(tables.entry))
    heads = {row["name"]: row["head"] for row in await ready.rows(tables.stream)}
    faults += [
        f"{name}: {entries[name]} entries, its head is {head}" for name, head in heads.items() if entries[name] != head
    ]
    return faults


@asynccontextmanager
async def flooded(folder: Path, database_url: str) -> AsyncIterator[tuple[Gateway, list[bytes]]]:
    """A gateway to which 112 has called back thousands of times, and nothing of it is applied."""
    chance = Random(SEED)
    async with opened(folder, database_url, apps=("cc112",), poll_s=QUIET, work=False) as ready:
        ready.town.quirk("cc112", hold_webhooks=True)
        bodies = happened(ready, chance)
        answers = await called_back(ready, bodies, chance)
        assert answers == {202: len(bodies) + int(len(bodies) * TWICE)}
        assert len(await ready.rows(tables.inbox)) == len(bodies), "each is kept once"
        yield ready, bodies


async def test_thousands_of_webhooks_twice_and_in_any_order(tmp_path: Path, database_url: str) -> None:
    async with flooded(tmp_path, database_url) as (ready, bodies):
        await applied(ready)
        assert await judged(ready, bodies) == []
        assert {row["state"] for row in await ready.rows(tables.inbox)} == {"applied"}
        assert [row for row in await ready.rows(tables.alert) if row["kind"] != "connector_paused"] == []


class LastWins(Applier):
    """The planted bug: what came last is where a case stands, whatever was before."""

    async def _apply(self, heard: Any, moved: set[str]) -> Any:
        act = await super()._apply(heard, moved)
        if act is not None:
            word = max(heard, key=lambda one: one.opened.row["received_at"]).event.word
            for index, change in enumerate(act.changes):
                if change.table is tables.cases and word is not None:
                    status = self._host.status_of(self.app, None, word)
                    values = {**change.values, "status": status, "word": word}
                    act.changes[index] = msgspec.structs.replace(change, values=values)
        return act


class Forgetful(Applier):
    """The planted bug: of several events of a record that came together one is forgotten."""

    async def _together(self, heard: Any) -> None:
        await super()._together(heard[:-1] if len(heard) > 1 else heard)
        for one in heard[-1:] if len(heard) > 1 else ():
            await self._inbox.finish(one.opened)


@pytest.mark.parametrize("wrong", [LastWins, Forgetful])
async def test_a_planted_bug_is_seen(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, wrong: type[Applier]
) -> None:
    monkeypatch.setattr("tests.faults.test_inbound_scale.EVENTS", 150)
    async with flooded(tmp_path, sqlite_url) as (ready, bodies):
        house = ready.house
        await applied(ready, wrong("cc112", house.ledger, house.host, house.store, house.adopter, house.wake))
        assert await judged(ready, bodies) != []


async def test_an_app_that_floods_us_is_told_to_wait(tmp_path: Path, sqlite_url: str) -> None:
    """What waits to be applied is bounded: then its webhooks are put off, nothing is lost, and it goes on by itself."""
    async with opened(tmp_path, sqlite_url, apps=("cc112",), poll_s=QUIET, work=False) as ready:
        ready.house.store._most = 5
        ready.town.quirk("cc112", hold_webhooks=True)
        centre = ready.town.apps["cc112"]
        for _ in range(9):
            centre.born(CALL)
        bodies = [callback.body.encode() for callback in centre.store.callbacks.values()]
        answers = Counter[int]()
        async with aiohttp.ClientSession() as session:
            for body in bodies:
                ready.house.store._looked.clear()
                headers = centre.signed(body, centre.now())
                async with session.post(f"{ready.url}/hooks/cc112", data=body, headers=headers) as answer:
                    answers[answer.status] += 1
                    if answer.status == 503:
                        assert answer.headers["Retry-After"] == "30"
        assert answers == {202: 5, 503: 4}
        await applied(ready)
        ready.house.store._looked.clear()
        ready.house.store._most = 50
        assert set(await called_back(ready, bodies, Random(SEED))) == {202}
        assert len(await ready.rows(tables.inbox, source="webhook")) == 9


# Poison.


async def test_a_row_that_nobody_can_read_holds_up_no_other(tmp_path: Path, database_url: str) -> None:
    """Bytes that broke on the disk, and a row that falls each time: set aside with an alert, and the rest goes on."""
    async with opened(tmp_path, database_url, apps=("cc112",), poll_s=QUIET, work=False) as ready:
        ready.town.quirk("cc112", hold_webhooks=True)
        centre, chance = ready.town.apps["cc112"], Random(SEED)
        for _ in range(6):
            record = centre.born(CALL)
            for word, fields in MOVES:
                record = centre.advance(centre.store.records[record.reference], word, None, None, fields)
        bodies = [callback.body.encode() for callback in centre.store.callbacks.values()]
        await called_back(ready, bodies, chance)
        rows = [row for row in await ready.rows(tables.inbox) if not row["hint"] and row["event_id"].endswith("-3")]
        broken, falling = rows[0]["event_id"], rows[1]["event_id"]

        def spoil(connection: Connection) -> None:
            where = tables.inbox.c.event_id == broken
            connection.execute(update(tables.inbox).where(where).values(sealed=b"not what was sealed"))

        await ready.house.ledger._store.write(spoil)

        class Falling(Applier):
            def _happening(self, heard: Any, taken: Any) -> Any:
                if heard.event.id == falling:
                    raise ZeroDivisionError
                return super()._happening(heard, taken)

        house = ready.house
        one = Falling("cc112", house.ledger, house.host, house.store, house.adopter, house.wake)
        for _ in range(5):
            await one.round()
            for name in (broken, falling):
                await ready.backdate(tables.inbox, {"event_id": name}, due_at=house.clock.real())
        await applied(ready, one)
        aside = {row["event_id"]: row["reason"] for row in await ready.rows(tables.inbox, state="quarantined")}
        assert aside == {broken: "cannot_apply", falling: "cannot_apply"}
        assert {alert["subject"] for alert in await ready.alerts("cannot_apply")} == {
            f"cc112:{broken}",
            f"cc112:{falling}",
        }
        cases = await ready.rows(tables.cases, app="cc112")
        assert [case["status"] for case in cases] == ["resolved"] * 6, "the neighbours went on"


# A slow app.


async def test_an_app_that_hangs_starves_no_other(tmp_path: Path, database_url: str) -> None:
    """112 takes every request and answers none: what is to be read there waits, while its webhooks are applied, and
    Si-GAPDes is polled, and gets its reports, as if nothing were."""
    patient = {"cc112": {"timeouts.total": 50.0}, "sigapdes": QUICK["sigapdes"]}
    async with opened(tmp_path, database_url, manifests=patient, poll_s=0.3) as ready:
        centre, office = ready.town.apps["cc112"], ready.town.apps["sigapdes"]
        citizen = ready.token("warga-1", "citizen")
        mine = await ready.filed(FLOOD, citizen)
        await ready.ends(f"{mine}-1")
        ticket = ready.town.records("cc112")[0]["reference"]
        line = ready.town.lines["cc112"]
        line.when(lambda _: True, never_arrives, times=10_000)
        hung = [await ready.filed(FLOOD, citizen) for _ in range(12)]
        for word, fields in MOVES[:3]:
            centre.advance(centre.store.records[ticket], word, None, None, fields)
        ready.town.quirk("cc112", drop_webhooks=1)
        centre.born(CALL)  # its webhook is lost: something to read
        await ready.until(lambda: waits(line), 60)
        # Meanwhile:
        await ready.reaches(mine, "in_progress", citizen)
        codes = [await ready.filed(DAMAGE, citizen) for _ in range(12)]
        for code in codes:
            await ready.ends(f"{code}-1", seconds=60)
        office.advance(office.store.records[ready.town.records("sigapdes")[0]["reference"]], "2", None, None, {})
        key = ready.town.records("sigapdes")[0]["key"]
        await ready.reaches(key.rpartition("-")[0], "in_progress", citizen)
        states = {(await ready.delivery(f"{code}-1"))["state"] for code in hung}
        assert states <= {"sending", "queued"}, "112 answered: nothing is proven"
        assert line.under_way, "nothing hangs: nothing is proven"
        line.clear()
        await line.stop()
        await line.start()


async def waits(line: Proxy) -> bool:
    """Tell whether writes and reads hang on a line."""
    methods = {seen.method for seen in line.seen[-20:]}
    return line.injected.total() >= 2 and {"POST", "GET"} <= methods
