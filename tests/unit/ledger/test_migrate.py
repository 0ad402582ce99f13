"""A database that is away, is coming, or lets nobody in: waited for or named, never a traceback."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

import pytest

from gateway.kernel.ledger import Unreachable, database_fault, migrate
from tests.processes import HOST, free_port


def moved(url: str, **parts: str) -> str:
    """Return a URL with another address or database."""
    return urlunsplit(urlsplit(url)._replace(**parts))


def at(url: str, port: int) -> str:
    """Return a URL of the same server seen through another port."""
    return moved(url, netloc=f"{urlsplit(url).netloc.rpartition(':')[0]}:{port}")


async def test_who_is_away_is_named_with_the_way_out(postgres_url: str) -> None:
    with pytest.raises(Unreachable, match=r"cannot be reached .*GATEWAY_DATABASE_URL"):
        await migrate(at(postgres_url, free_port()))


async def test_a_database_that_is_not_there_is_named(postgres_url: str) -> None:
    with pytest.raises(Unreachable, match=r"lets nobody in.*name in GATEWAY_DATABASE_URL"):
        await migrate(moved(postgres_url, path="/nowhere"), patience_s=30)


async def test_one_that_is_coming_is_waited_for(postgres_url: str) -> None:
    port, there = free_port(), urlsplit(postgres_url)

    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up, down = await asyncio.open_connection(there.hostname, there.port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        await asyncio.gather(pump(reader, down), pump(up, writer))

    waiting = asyncio.create_task(migrate(at(postgres_url, port), patience_s=30))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    async with await asyncio.start_server(through, HOST, port):
        await waiting
    assert await database_fault(postgres_url) is None
