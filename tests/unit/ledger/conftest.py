"""A ledger on a fresh database of each kind, and a second pair of eyes that knows nothing of ours."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url

from tests.journeys.filed import Books, opened


class Outside:
    """The database seen with its plain driver, past our engine: what is really there, and locks from elsewhere."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self.postgres = self._url.get_backend_name() == "postgresql"

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows; committed."""
        if not self.postgres:
            with contextlib.closing(sqlite3.connect(str(self._url.database), isolation_level=None)) as connection:
                return connection.execute(statement).fetchall()
        connection = await self._connect()
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    async def count(self, table: str) -> int:
        """How many rows a table holds."""
        return int((await self.rows(f"SELECT count(*) FROM {table}"))[0][0])

    @contextlib.asynccontextmanager
    async def writers_wait(self) -> AsyncIterator[None]:
        """Nobody can commit meanwhile; reading goes on."""
        if not self.postgres:
            with contextlib.closing(sqlite3.connect(str(self._url.database), isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                yield
                connection.execute("ROLLBACK")
            return
        connection = await self._connect()
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE stream, entry IN SHARE MODE")
                yield
        finally:
            await connection.close()

    async def _connect(self) -> Any:
        return await asyncpg.connect(self._url.set(drivername="postgresql").render_as_string(hide_password=False))


@pytest.fixture
async def books(database_url: str, tmp_path: Path) -> AsyncIterator[Books]:
    async with opened(database_url, tmp_path) as made:
        yield made


@pytest.fixture
def outside(database_url: str) -> Outside:
    return Outside(database_url)


async def breathe(times: int = 20) -> None:
    """Let everything that can go on go on."""
    for _ in range(times):
        await asyncio.sleep(0.002)
