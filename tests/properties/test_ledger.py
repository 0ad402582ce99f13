"""Whatever acts arrive together, each is there whole or not at all, and every stream stays gapless."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from gateway.kernel.ledger import Act, Ledger, Overloaded, Stale, Taken, Unavailable
from gateway.kernel.ledger import tables as t
from gateway.model.entry import Entry, leaf_hash
from gateway.model.principal import GATEWAY
from tests.journeys.filed import Books, opened

STREAMS = ("config", "access", "app:cc112", "app:sigapdes")


class Sketch(NamedTuple):
    """An act to be made: the streams it writes to, whether it counts on a shared row, and what is wrong with it."""

    streams: list[str]
    shared: bool
    flaw: str | None
    pause: int


class Kept(NamedTuple):
    """A ledger, and what has been asked of it so far."""

    books: Books
    told: dict[str, BaseException | None]


sketches = st.builds(
    Sketch,
    streams=st.lists(st.sampled_from(STREAMS), min_size=1, max_size=4),
    shared=st.booleans(),
    flaw=st.none() | st.none() | st.sampled_from(["stale", "taken", "half a character", "too big"]),
    pause=st.integers(0, 3),
)


@pytest.fixture
async def kept(database_url: str, tmp_path: Path) -> AsyncIterator[Kept]:
    async with opened(database_url, tmp_path) as books:
        act = books.ledger.act(GATEWAY, "test")
        act.insert(t.cursor, app="shared", version=0)
        await books.ledger.commit(act)
        yield Kept(books, {})


def make(ledger: Ledger, name: str, sketch: Sketch, version: int) -> Act:
    act = ledger.act(GATEWAY, "test")
    for stream in sketch.streams:
        act.record(stream, "test.said", facts={"act": name})
    act.insert(t.cursor, app=name, version=1)
    act.alarm("test", name, "x")
    if sketch.shared:
        act.change(t.cursor, {"app": "shared", "version": version}, version=version + 1)
    match sketch.flaw:
        case "stale":
            act.change(t.cursor, {"app": name, "version": 2}, version=3)
        case "taken":
            act.insert(t.cursor, app=name, version=1)
        case "half a character":
            act.insert(t.cursor, app=f"{name}-b", version=1, fault="\ud800")
        case "too big":
            act.insert(t.cursor, app=f"{name}-c", version=2**80)
    return act


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(sketches, min_size=1, max_size=30))
async def test_acts_that_arrive_together_are_whole_or_nothing(kept: Kept, plan: list[Sketch]) -> None:
    ledger = kept.books.ledger
    version = await ledger.read(shared_version)
    names = [f"act{len(kept.told) + index}" for index in range(len(plan))]

    async def run(name: str, sketch: Sketch) -> None:
        for _ in range(sketch.pause):
            await asyncio.sleep(0.001)
        await ledger.commit(make(ledger, name, sketch, version))

    found = await asyncio.gather(*map(run, names, plan), return_exceptions=True)
    kept.told.update(zip(names, found, strict=True))
    for sketch, result in zip(plan, found, strict=True):
        match sketch.flaw:
            case None:
                assert result is None or (sketch.shared and isinstance(result, Stale))
            case "stale":
                assert isinstance(result, Stale)
            case "taken":
                assert isinstance(result, Taken)
            case _:
                assert isinstance(result, Exception)
                assert not isinstance(result, Unavailable | Overloaded)
    won = sum(sketch.shared and result is None for sketch, result in zip(plan, found, strict=True))
    sound = sum(sketch.shared and sketch.flaw is None for sketch in plan)
    assert won == min(1, sound), "of those who counted on the same version exactly one was right"
    assert await ledger.read(shared_version) == version + won
    await check(ledger, {name for name, result in kept.told.items() if result is None})


def shared_version(connection: Connection) -> int:
    return int(connection.execute(select(t.cursor.c.version).where(t.cursor.c.app == "shared")).scalar_one())


async def check(ledger: Ledger, done: set[str]) -> None:
    """What was answered with success is there in every part; of what was dropped there is no part."""

    def everything(connection: Connection) -> tuple[set[str], set[str], list[Any], dict[str, int]]:
        cursors = set(connection.execute(select(t.cursor.c.app)).scalars()) - {"shared"}
        alerts = set(connection.execute(select(t.alert.c.subject)).scalars())
        entries = connection.execute(select(t.entry).order_by(t.entry.c.stream, t.entry.c.seq)).mappings().all()
        heads = {row.name: row.head for row in connection.execute(select(t.stream))}
        return cursors, alerts, list(entries), heads

    cursors, alerts, entries, heads = await ledger.read(everything)
    assert cursors == alerts == done
    said: set[str] = set()
    seen: dict[str, int] = {}
    for row in entries:
        entry = msgspec.json.decode(row["body"], type=Entry)
        assert (entry.stream, entry.seq) == (row["stream"], row["seq"])
        assert row["leaf"] == leaf_hash(row["body"])
        seen[entry.stream] = seen.get(entry.stream, 0) + 1
        assert entry.seq == seen[entry.stream], "no gap, no second"
        said.add(str(entry.facts["act"]))
    assert said == done
    assert seen == {name: head for name, head in heads.items() if head}
