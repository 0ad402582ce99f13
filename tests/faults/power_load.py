"""The load under which the power fails: citizens who file through the real intake, and a carrier of what they filed.

Each tells what he was told, the moment he was told it: that is what a cut must not take back.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy.exc import DBAPIError

from gateway.flows.intake.accept import fingerprint
from gateway.flows.intake.bodies import ReportBody
from gateway.flows.intake.check import Checker
from gateway.house import House, open_house
from gateway.kernel.ledger import engine, writer
from gateway.kernel.ledger.writer import Unavailable, Writer
from gateway.model.delivery import DeliveryState
from gateway.model.principal import Actor, Principal, Role
from tests.journeys.filed import Books, StillClock
from tests.journeys.stage import DAMAGE, FLOOD, secrets, settings_for
from tests.planting import replaced

APPS: Final = ("cc112", "sigapdes")
CITIZEN: Final = Principal(issuer="public", subject="public", roles=frozenset({Role.PUBLIC}))
ACTOR: Final = Actor(kind="public", ref="public")
CITIZENS: Final = 16
_CARRIED: Final = 20
_LEASE: Final = timedelta(minutes=1)
_TRIES: Final = 100
_AWAY: Final = (Unavailable, *writer.UNREACHABLE, DBAPIError)
"""How a database that was stopped in the middle of something shows itself."""
_SLOW_S: Final = 0.05
"""How slow a disk is for whoever does not wait for it."""

Say = Callable[..., None]
"""Takes what somebody was told (`power_evidence`)."""


@asynccontextmanager
async def house_at(url: str, folder: Path) -> AsyncIterator[House]:
    """Open a house whose apps nobody calls; the database is made or mended first."""
    environ = secrets(APPS) | {f"GATEWAY_{app.upper()}_BASE_URL": "http://127.0.0.1:9" for app in APPS}
    async with open_house(settings_for(folder, url, **environ)) as house:
        yield house


async def file_reports(house: House, numbers: Iterator[int], say: Say) -> None:
    """File a report for each number, several citizens at a time; each is repeated under its key until it is answered.

    Only "nobody is there" is an answer that may be given instead.
    """
    bodies = [msgspec.convert(body, ReportBody) for body in (DAMAGE, FLOOD)]
    checker = Checker(house.policy)

    async def citizen() -> None:
        for number in numbers:
            body = bodies[number % len(bodies)]
            draft, digest = checker.draft(body, house.clock.now()), fingerprint(body)
            key = f"report-{number}"
            for _ in range(_TRIES):
                try:
                    answer = await house.intake.accept(CITIZEN, ACTOR, key, digest, draft, "id", None, ())
                except _AWAY:
                    await asyncio.sleep(0.1)
                    continue
                say(what="report", key=key, code=msgspec.json.decode(answer.body)["code"], body=answer.body.decode())
                break
            else:
                raise AssertionError(f"{key} was never answered")

    await asyncio.gather(*(citizen() for _ in range(CITIZENS)))


async def carry(house: House, say: Say, stop: asyncio.Event) -> None:
    """Carry what is queued until told to stop: a claim, then an outcome, each told of when it is durable."""
    books = Books(house.ledger, StillClock())
    while not stop.is_set():
        try:
            claimed = await house.ledger.claim(APPS, emergency=False, limit=_CARRIED, lease=_LEASE, worker="w")
            claimed += await house.ledger.claim(APPS, emergency=True, limit=_CARRIED, lease=_LEASE, worker="w")
            for one in claimed:
                say(what="attempt", key=one.row["key"], attempt=one.row["attempt"])
            for one in claimed:
                await books.settle(one.row["key"], DeliveryState.ACCEPTED, "accepted", 201, how="receipt")
                say(what="accepted", key=one.row["key"])
        except _AWAY:
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.01)


async def work(house: House, numbers: Iterator[int], say: Say) -> None:
    """File a report for each number while a carrier works."""
    stop = asyncio.Event()
    carrier = asyncio.create_task(carry(house, say, stop))
    try:
        await file_reports(house, numbers, say)
    finally:
        stop.set()
        await carrier


# Planted bugs: what the checkers must catch. They live here and nowhere in the product.


@contextmanager
def planted(bug: str | None) -> Iterator[None]:
    """Build a bug into this process: `normal` or `off` (SQLite's `synchronous`), `early` (answered before the
    commit)."""
    match bug:
        case None:
            yield
        case "normal" | "off":
            kept = engine.SQLITE_PRAGMAS["synchronous"]
            engine.SQLITE_PRAGMAS["synchronous"] = bug.upper()
            try:
                yield
            finally:
                engine.SQLITE_PRAGMAS["synchronous"] = kept
        case "early":
            with replaced(Writer, "_settle", _settled_early(Writer._settle)):
                yield
        case _:
            raise ValueError(bug)


def _settled_early(settle: Callable[..., Any]) -> Callable[..., Any]:
    async def early(self: Writer, group: list[Any]) -> Any:
        for waiting in group:
            writer._answer(waiting)
        await asyncio.sleep(_SLOW_S)
        return await settle(self, group)

    return early
