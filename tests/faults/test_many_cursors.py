"""Two processes read one app for a moment: whoever slept in the middle moves no cursor back and keeps no row twice."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.flows.inbound.poll import Poller
from gateway.flows.inbound.sweep import Sweeper
from gateway.house import House, open_house
from gateway.kernel.ledger import Act
from gateway.kernel.ledger import tables as t
from tests.faults.proxy import answers_when
from tests.faults.town import Gateway, opened
from tests.journeys.test_sweep import QUIET, TYPED, today


async def one_sleeps(
    ready: Gateway,
    sleeper: Callable[[], Awaitable[object]],
    meanwhile: Callable[[], Awaitable[object]],
    fits: str,
) -> object:
    """Hold the app's answer to one reader back until another has read on; return what the first one made of it."""
    answer, line = asyncio.Event(), ready.town.lines["sigapdes"]
    line.when(lambda one: one.method == "GET" and fits in one.path, answers_when(answer), name="asleep")
    asleep = asyncio.ensure_future(sleeper())
    await ready.until(lambda: happened(line.injected["asleep"]))
    await meanwhile()
    answer.set()
    assert ready.town.injected == 1
    return await asleep


async def happened(found: Any) -> Any:
    return found


async def cursor(ready: Gateway, name: str) -> dict[str, Any]:
    (row,) = await ready.rows(t.cursor, app=name)
    return {column: row[column] for column in ("cursor", "version")}


def poller(house: House) -> Poller:
    return Poller("sigapdes", house.ledger, house.host, house.store, house.wake, QUIET)


async def polled_by_two(ready: Gateway, other: House) -> bool:
    """Let a poller sleep while another polls on; return whether the cursor and the rows stayed the other's."""
    office = ready.town.apps["sigapdes"]
    while await poller(other).once():
        pass
    office.born(TYPED)
    seen: dict[str, Any] = {}

    async def meanwhile() -> None:
        office.born(TYPED)
        while await poller(other).once():
            pass
        seen.update(await cursor(ready, "sigapdes"))

    assert not await one_sleeps(ready, poller(ready.house).once, meanwhile, "surat/perubahan")
    return await cursor(ready, "sigapdes") == seen


async def swept_by_two(ready: Gateway, other: House) -> bool:
    """Let a sweep of a day sleep while another sweeps that day and the next; return whether the next stands."""
    day = today(ready)
    mine, others = (
        Sweeper("sigapdes", house.ledger, house.host, house.store, house.wake) for house in (ready.house, other)
    )

    assert await others.sweep(day - timedelta(days=2))

    async def meanwhile() -> None:
        assert await others.sweep(day - timedelta(days=1))
        assert await others.sweep(day)

    await one_sleeps(ready, lambda: mine.sweep(day - timedelta(days=1)), meanwhile, "/")
    stands: str = (await cursor(ready, "sigapdes/sweep"))["cursor"]
    return stands == day.isoformat()


def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant it: the cursor is written as if nobody else ever wrote it."""
    change = Act.change

    def unconditional(self: Act, table: Any, where: Any, **values: Any) -> None:
        change(self, table, {"app": where["app"]} if table is t.cursor else where, **values)

    monkeypatch.setattr(Act, "change", unconditional)


Played = Callable[[Gateway, House], Awaitable[bool]]


@pytest.mark.parametrize("played", [polled_by_two, swept_by_two])
@pytest.mark.parametrize("planted", [False, True], ids=["right", "planted"])
async def test_whoever_slept_moves_no_cursor_back(
    played: Played, planted: bool, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if planted:
        blind(monkeypatch)
    async with AsyncExitStack() as stack:
        ready = await stack.enter_async_context(
            opened(tmp_path, postgres_url, apps=("sigapdes",), poll_s=QUIET, work=False)
        )
        other = await stack.enter_async_context(open_house(ready.house.settings, migrated=True))
        assert await played(ready, other) is not planted
