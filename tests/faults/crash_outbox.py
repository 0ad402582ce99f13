"""Rows that commit late: a transaction takes its place in the queue, others overtake it, a worker looks in between.

Whoever pages through a queue by the highest number he has seen never sees such a row. On PostgreSQL only: SQLite has
one writer at a time. By hand: `python -m tests.faults.crash_outbox --interleavings 10000 --seed 1 --json`.
"""

import argparse
import asyncio
import logging
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.flows.inbound import queries
from gateway.flows.inbound.store import Kept, add_row
from gateway.flows.intake.bodies import ReportBody
from gateway.flows.intake.check import Checker
from gateway.house import House
from gateway.kernel.ledger import queue
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.apply import apply
from gateway.kernel.ledger.engine import PostgresStore
from gateway.model.principal import GATEWAY
from gateway.sdk.clock import SystemClock
from tests.faults.power_load import ACTOR, APPS, house_at
from tests.journeys.stage import DAMAGE, FLOOD
from tests.planting import replaced
from tests.servers import postgres_server

WRITERS: Final = 4
BUG: Final = "page_by_number"
_LEASE: Final = timedelta(hours=1)


class Outcome(msgspec.Struct, kw_only=True):
    """What came of it; `overtaken` in `injected` counts rows that committed after a higher one was taken."""

    campaign: str = "outbox:postgresql"
    seed: int
    interleavings: int = 0
    injected: Counter[str] = msgspec.field(default_factory=Counter)
    bugs_caught: list[str] = []
    faults: list[str] = []
    seconds: float = 0.0

    def good(self) -> bool:
        """Tell whether nothing was missed, and anything could have been."""
        return not self.faults and self.injected["overtaken"] > 0


class Worker:
    """Takes up deliveries and news as the gateway's loops do, and remembers what it has had."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.carried: list[str] = []
        self.read: list[str] = []
        self.highest = UUID(int=0)

    async def look(self) -> None:
        """Take up everything that is there now."""
        ledger = self._house.ledger
        for emergency in (True, False):
            claimed = await ledger.claim(APPS, emergency, 50, _LEASE, "worker")
            self.carried += [one.row["key"] for one in claimed]
            self.highest = max([self.highest, *(one.row["id"] for one in claimed)])
        for row in await ledger.read(queries.due, APPS[0], ledger.clock.real(), 50, hints=False):
            act = ledger.act(GATEWAY, "inbound")
            where = {"app": row["app"], "event_id": row["event_id"], "state": "new"}
            act.change(t.inbox, where, state="applied")
            await ledger.commit(act)
            self.read.append(row["event_id"])


async def interleave(house: House, times: int, chance: random.Random, outcome: Outcome, paging: bool = False) -> None:
    """Let writers overtake each other before the eyes of a worker, so many times; note what he missed.

    With `paging` he goes by the highest number he has seen: a planted bug.
    """
    worker = Worker(house)
    with paged(lambda: worker.highest) if paging else nullcontext():
        for number in range(times):
            await _once(house, number, worker, chance, outcome)
            outcome.interleavings += 1


async def _once(house: House, number: int, worker: Worker, chance: random.Random, outcome: Outcome) -> None:
    store = house.ledger._store
    assert isinstance(store, PostgresStore)
    wanted, news, ids = [], [], []
    async with AsyncExitStack() as stack:
        writing: list[tuple[AsyncConnection, UUID]] = []
        left = WRITERS
        while left or writing:
            step = chance.choice(["write"] * (left > 0) + ["commit"] * bool(writing) + ["look"])
            if step == "look":
                await worker.look()
            elif step == "write":
                left -= 1
                connection = await stack.enter_async_context(store._engine.connect())
                await connection.begin()
                act, key, row_id = _act(house, f"{number}-{left}", chance)
                await connection.run_sync(apply, [act])
                writing.append((connection, row_id))
                wanted.append(key)
                news.append(f"news-{number}-{left}")
                ids.append(row_id)
            else:
                connection, row_id = writing.pop(chance.randrange(len(writing)))
                outcome.injected["overtaken"] += row_id < worker.highest
                await connection.commit()
    await worker.look()
    outcome.faults += [
        f"{key} was carried {worker.carried.count(key)} times" for key in wanted if worker.carried.count(key) != 1
    ]
    outcome.faults += [
        f"{name} was read {worker.read.count(name)} times" for name in news if worker.read.count(name) != 1
    ]
    worker.carried.clear()
    worker.read.clear()


def _act(house: House, name: str, chance: random.Random) -> tuple[Any, str, UUID]:
    """Return an act that files a report and keeps a piece of news, with the delivery's key and id."""
    body = msgspec.convert(chance.choice([DAMAGE, FLOOD]), ReportBody)
    act = house.ledger.act(ACTOR, "POST /v1/reports")
    opened = house.opener.open(act, Checker(house.policy).draft(body, act.now), owner=None)
    add_row(house.ledger, act, APPS[0], "webhook", f"news-{name}", Kept())
    (row,) = (values for table, values in act.inserts if table is t.delivery)
    return act, f"{opened.code}-1", row["id"]


def paged(highest: Callable[[], UUID]) -> AbstractContextManager[None]:
    """Claim only what lies beyond the highest number seen: the planted bug."""
    beyond = t.delivery.c.id > bindparam("beyond", callable_=highest, type_=t.delivery.c.id.type)
    return replaced(queue, "_DUE", queue._DUE.where(beyond))


async def run(folder: Path, times: int, seed: int) -> Outcome:
    """Interleave so often on a PostgreSQL of our own, and a few times with the planted bug."""
    outcome, blind = Outcome(seed=seed), Outcome(seed=seed)
    clock = SystemClock()
    began = clock.monotonic()
    with postgres_server() as server:
        async with house_at(server.url(server.create("outbox")), folder / "outbox") as house:
            await interleave(house, times, random.Random(seed), outcome)
        outcome.seconds = round(clock.monotonic() - began, 1)
        async with house_at(server.url(server.create("bug")), folder / "bug") as house:
            await interleave(house, 20, random.Random(seed), blind, paging=True)
    if blind.faults:
        outcome.bugs_caught.append(BUG)
    else:
        outcome.faults.append(f"the planted bug {BUG!r} was not caught")
    return outcome


def main() -> None:
    """Run a campaign and print what came of it; exit status 1 if anything is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.crash_outbox")
    parser.add_argument("--interleavings", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--json", action="store_true", help="print one JSON object (as without it)")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="gateway-outbox-") as folder:
        outcome = asyncio.run(run(Path(folder), given.interleavings, given.seed))
    told = msgspec.to_builtins(outcome) | {"good": outcome.good()}
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(told)).decode() + "\n")
    sys.exit(0 if outcome.good() else 1)


if __name__ == "__main__":
    main()
