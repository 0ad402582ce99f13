"""Redis is frozen, flushed and killed under load, and started again: everything is slower, nothing is wrong (P16)."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.many import Fleet, fleet, until
from tests.unit.coordination.mortal import MortalRedis, mortal_redis

pytestmark = pytest.mark.timeout(240)
MORE = 4
"""Reports that must come through in each state of Redis."""


@pytest.fixture
def mortal() -> Iterator[MortalRedis]:
    with mortal_redis() as server:
        server.start()
        yield server


async def goes_on(many: Fleet) -> None:
    """Reports are taken and carried to their apps, whatever Redis does; also those that are counted at the door."""
    codes = [await many.client.file(app, account=False) for app in many.town.lines for _ in range(MORE // 2)]
    await until(lambda: carried(many, codes), "deliveries")


async def carried(many: Fleet, codes: list[str]) -> bool:
    held = {record["key"] for app in many.town.apps for record in many.town.records(app)}
    return {f"{code}-1" for code in codes} <= held


async def test_redis_may_vanish_at_any_moment(tmp_path: Path, postgres_url: str, mortal: MortalRedis) -> None:
    async with fleet(tmp_path, postgres_url, mortal.url) as many:
        stop = asyncio.Event()
        load = asyncio.create_task(many.client.load(stop))
        await goes_on(many)
        mortal.flush()
        await goes_on(many)
        mortal.freeze()
        await goes_on(many)
        mortal.thaw()
        await goes_on(many)
        mortal.kill()
        await until(lambda: said(many, "redis_away"), "notice of it")
        await goes_on(many)
        url = await many.serve()  # who comes while it is away is not kept out
        await many.drop(url)
        mortal.start()
        await until(lambda: said(many, "redis_back"), "notice that it is back")
        await goes_on(many)
        stop.set()
        await load
        assert await many.proven() > 6 * MORE
        assert not many.client.refused, "a door refused a report because of Redis"
        assert "request.fell" not in many.words()
        assert "loop.fell" not in many.words()


async def said(many: Fleet, what: str) -> bool:
    return what in many.words()
