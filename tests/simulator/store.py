"""A database in memory that answers at once, in virtual time, and breaks when it is told to."""

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from gateway.kernel.ledger.columns import metadata
from gateway.kernel.ledger.engine import sqlite_engine

P = ParamSpec("P")
T = TypeVar("T")
_LATENCY: Final = 0.06
"""Seconds, at most, to a database and as much back."""


class MemoryStore:
    """SQLite in memory (`gateway.kernel.ledger.engine.Store`), shared by all processes of the simulation.

    The way there and the way back take time, so that whatever happens can happen before and after a commit; the work
    itself is one step. While `broken` answers are lost: on the way there, or on the way back of what was committed.
    """

    dialect = "sqlite"
    flushers = 2

    def __init__(self, random: Random) -> None:
        self._random = random
        self.faults: Counter[str] = Counter()
        self.broken = 0.0
        """Share of calls that fail."""
        writing = sqlite_engine("sqlite://", "BEGIN", StaticPool)
        self._writer = writing.connect()
        held = self._writer.connection.driver_connection
        assert held is not None
        for pragma in ("synchronous=OFF", "journal_mode=OFF", "foreign_keys=ON"):
            held.execute(f"PRAGMA {pragma}")
        held.execute("PRAGMA journal_mode=MEMORY")
        self._writer.rollback()
        # Reads share the connection, without a transaction of their own: here nobody can be in the middle of one.
        self._reader = create_engine(
            "sqlite://",
            creator=lambda: held,
            poolclass=StaticPool,
            json_serializer=writing.dialect._json_serializer,
            json_deserializer=writing.dialect._json_deserializer,
        ).connect()
        with self._writer.begin():
            metadata.create_all(self._writer)

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Store.write`."""
        await self._way("before a commit")
        with self._writer.begin():
            result = work(self._writer, *args, **kwargs)
        await self._way("after a commit")
        return result

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Store.read`."""
        await self._way("a read")
        return self.look(work, *args, **kwargs)

    def look(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Read at once, as only the one who watches the simulation can."""
        try:
            return work(self._reader, *args, **kwargs)
        finally:
            self._reader.rollback()

    async def close(self) -> None:
        """See `Store.close`. A process goes, the database stays."""

    def drop(self) -> None:
        """Throw the database away."""
        self._reader.close()
        self._writer.close()
        self._writer.engine.dispose()

    async def _way(self, what: str) -> None:
        await asyncio.sleep(self._random.random() * _LATENCY)
        if self.broken and self._random.random() < self.broken:
            self.faults[f"database lost {what}"] += 1
            raise OperationalError(what, None, ConnectionError(what))
