"""Reads asked for at the same time share their queries, and nothing else."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway.kernel.ledger.together import GROUP, Together, Work
from gateway.kernel.ledger.writer import Unavailable


def doubled(_: Connection, items: Sequence[int]) -> list[int]:
    """Find the double of each."""
    return [2 * item for item in items]


def squared(_: Connection, items: Sequence[int]) -> list[int]:
    """Find the square of each."""
    return [item * item for item in items]


class Database:
    """Reads when it is let, and keeps what it was asked."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.open = asyncio.Event()
        self.away = False

    async def read(self, work: Work, items: Sequence[Any]) -> list[Any]:
        self.groups.append(list(items))
        await self.open.wait()
        if self.away:
            raise Unavailable("OSError")
        if -1 in items:
            raise ValueError("it cannot be looked for")
        return work(None, items)  # type: ignore[arg-type]


async def test_what_arrives_meanwhile_is_read_together() -> None:
    database = Database()
    together = Together(database.read)
    callers = [asyncio.create_task(together.load(doubled, item)) for item in range(GROUP + 2)]
    await asyncio.sleep(0)
    other = asyncio.create_task(together.load(squared, 5))
    await asyncio.sleep(0)
    database.open.set()
    assert await asyncio.gather(*callers) == [2 * item for item in range(GROUP + 2)]
    assert await other == 25
    assert sorted(len(group) for group in database.groups) == [1, 2, GROUP]


async def test_one_that_cannot_be_asked_for_fails_alone() -> None:
    database = Database()
    database.open.set()
    together = Together(database.read)
    found = await asyncio.gather(*(together.load(doubled, item) for item in (1, -1, 2)), return_exceptions=True)
    assert [type(one) for one in found] == [int, ValueError, int]
    assert [found[0], found[2]] == [2, 4]


async def test_a_database_that_is_away_is_asked_once() -> None:
    database = Database()
    database.away = True
    database.open.set()
    together = Together(database.read)
    found = await asyncio.gather(*(together.load(doubled, item) for item in range(5)), return_exceptions=True)
    assert [type(one) for one in found] == [Unavailable] * 5
    assert len(database.groups) <= 2
    database.away = False
    assert await together.load(doubled, 4) == 8


async def test_a_caller_who_goes_away_takes_nobody_along() -> None:
    database = Database()
    together = Together(database.read)
    gone, stays = (asyncio.create_task(together.load(doubled, item)) for item in (1, 2))
    await asyncio.sleep(0)
    gone.cancel()
    database.open.set()
    assert await stays == 4
    with pytest.raises(asyncio.CancelledError):
        await gone
