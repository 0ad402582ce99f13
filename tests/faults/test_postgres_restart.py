"""PostgreSQL is shut down at once and started again under load: the doors ask for patience and never fall, the workers
go on alone, and what was acknowledged is in its app once."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.engine import PostgresStore
from gateway.model.principal import GATEWAY
from tests.faults.many import PATIENCE_S, Fleet, MortalPostgres, fleet, until
from tests.journeys.filed import opened
from tests.journeys.stage import DAMAGE
from tests.servers import postgres_server

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch) -> Iterator[MortalPostgres]:
    monkeypatch.delenv("GATEWAY_TEST_POSTGRES", raising=False)
    with postgres_server() as server:
        made = MortalPostgres(server)
        try:
            yield made
        finally:
            made.end()


async def doors_say(many: Fleet) -> Counter[tuple[str, int, bool]]:
    """Ask every door for everything at once; return (what, status, whether it says when to come again)."""
    token = {"Authorization": f"Bearer {many.token}"}

    async def said(door: str, what: str, method: str, path: str, headers: dict[str, str]) -> tuple[str, int, bool]:
        body = DAMAGE if method == "POST" else None
        async with session.request(method, door + path, json=body, headers=headers) as answer:
            return what, answer.status, "Retry-After" in answer.headers

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session:
        asked = [
            question
            for door in many.apis
            for question in (
                said(door, "file", "POST", "/v1/reports", token | {"Idempotency-Key": str(uuid4())}),
                said(door, "list", "GET", "/v1/reports", token),
                said(door, "track", "GET", "/v1/track/BRU-0000-0000", {"X-Report-Secret": "s1.x"}),
                said(door, "lives", "GET", "/healthz", {}),
            )
        ]
        return Counter(await asyncio.gather(*asked))


PATIENT: Mapping[tuple[str, int, bool], int] = {
    ("file", 503, True): 2,
    ("list", 503, True): 2,
    ("track", 503, True): 2,
    ("lives", 200, False): 2,
}


async def test_shut_down_at_once_and_started_again_under_load(tmp_path: Path, mortal: MortalPostgres) -> None:
    url = mortal.server.url(mortal.server.create())
    async with fleet(tmp_path, url) as many:
        stop = asyncio.Event()
        load = asyncio.create_task(many.client.load(stop))
        await until(lambda: filed(many, 5), "the first reports")
        mortal.die()
        for _ in range(3):
            assert await doors_say(many) == PATIENT
        await until(lambda: unready(many), "doors that say they are not ready")
        mortal.live()
        known = sum(map(len, many.client.acked.values()))
        await until(lambda: filed(many, known + 5), "reports after it came back")
        # Once more, and at once: what the pools hold is dead, and nobody had time to notice.
        mortal.die()
        mortal.live()
        known = sum(map(len, many.client.acked.values()))
        await until(lambda: filed(many, known + 5), "reports after it came back again")
        stop.set()
        await load
        assert await many.proven() >= 15
        await many.seated("cc112", "sigapdes", "house")
        assert many.client.refused["503"] > 0, "nobody noticed"
        assert many.client.unhinted == 0
        words = many.words()
        assert "request.fell" not in words
        assert "duties.lost" in words


async def test_a_server_that_stands_still_holds_nobody_for_ever(tmp_path: Path, mortal: MortalPostgres) -> None:
    url = mortal.server.url(mortal.server.create())
    async with fleet(tmp_path, url) as many:
        for app in many.town.lines:
            await many.client.file(app)
        await many.settled()
        with mortal.frozen():
            assert await doors_say(many) == PATIENT
        await many.client.file("cc112")
        assert await many.proven() == 3
        assert "request.fell" not in many.words()


async def unready(many: Fleet) -> bool:
    async with aiohttp.ClientSession() as session:
        for door in many.apis:
            async with session.get(f"{door}/readyz") as answer:
                if answer.status != 503:
                    return False
    return True


async def filed(many: Fleet, count: int) -> bool:
    return sum(map(len, many.client.acked.values())) >= count


async def test_whoever_sleeps_in_a_transaction_holds_nobody_for_ever(tmp_path: Path, postgres_url: str) -> None:
    """A process froze with a report's row in its hands: the server takes it away, and everybody else goes on."""
    async with opened(postgres_url, tmp_path) as books:
        code = await books.file()
        asleep = PostgresStore(postgres_url)
        async with asleep._engine.connect() as connection:
            await connection.execute(update(t.stream).where(t.stream.c.name == code).values(head=t.stream.c.head))
            act = books.ledger.act(GATEWAY, "test")
            act.record(code, "case.event")
            await books.ledger.commit(act)
            with pytest.raises(DBAPIError):
                await connection.execute(select(1))
        assert await asleep.read(lambda one: one.execute(select(1)).scalar()) == 1
        await asleep.close()
