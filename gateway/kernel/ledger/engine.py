"""Two engines, one way: PostgreSQL (asyncpg) and SQLite (WAL, synchronous=FULL, one writer thread).

Both run the same synchronous functions over a `Connection`; PostgreSQL through `run_sync`.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

P = ParamSpec("P")
T = TypeVar("T")

SQLITE_PRAGMAS: Final = {
    "journal_mode": "WAL",
    "synchronous": "FULL",  # NORMAL loses acknowledged commits on power loss
    "foreign_keys": "ON",
    "busy_timeout": "5000",
    "cache_size": "-65536",
    "mmap_size": "268435456",
    "temp_store": "MEMORY",
    "recursive_triggers": "ON",  # REPLACE must not get past the guard of the entries
    "wal_autocheckpoint": "4000",
}


CONNECT_S: Final = 5.0
"""Seconds until a server that does not answer counts as away."""
COMMAND_S: Final = 10.0
"""Seconds that one statement may take: whoever waits at the door is told by then."""
_AWAY: Final = ("08", "57P0", "53300", "25P03")
"""How SQLSTATEs of a server begin that is away, is going or coming, takes no more connections, or has ended the
session of a process that slept in a transaction."""


class Unsafe(Exception):
    """The database is set up so that an acknowledged report could be lost. It will not be used."""


class Store(Protocol):
    """Where acts are written and rows are read."""

    dialect: str
    flushers: int

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in one durable transaction; committed when this returns."""

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work`, which only reads."""

    async def close(self) -> None:
        """Let go of all connections."""


def open_store(url: str) -> Store:
    """Open the store that a URL names (`sqlite:///file` or `postgresql://…`)."""
    return SqliteStore(url) if make_url(url).get_backend_name() == "sqlite" else PostgresStore(url)


class PostgresStore:
    """PostgreSQL through asyncpg."""

    dialect = "postgresql"
    flushers = 2

    def __init__(self, url: str) -> None:
        settings = {
            "application_name": "gateway",
            "synchronous_commit": "on",
            "lock_timeout": "5s",
            # A process that freezes in a transaction holds rows: others must get them before their own tries are spent.
            "idle_in_transaction_session_timeout": "5s",
        }
        self._engine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            pool_size=10,
            max_overflow=0,  # beyond it connections would be opened and closed for every read
            pool_timeout=5,
            pool_recycle=1800,
            pool_pre_ping=False,
            json_serializer=_dumps,
            json_deserializer=msgspec.json.decode,
            connect_args={
                "server_settings": settings,
                "timeout": CONNECT_S,
                "command_timeout": COMMAND_S,
                "prepared_statement_cache_size": 500,
            },
        )
        event.listen(self._engine.sync_engine, "handle_error", _mark_dead)
        self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def check(self) -> None:
        """Refuse a server that may forget what it acknowledged."""
        async with self._reader.connect() as connection:
            for name in ("fsync", "full_page_writes"):
                if (await connection.execute(text(f"SHOW {name}"))).scalar_one() == "off":
                    raise Unsafe(f"PostgreSQL runs with {name}=off; turn it on, then start again")

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Store.write`. Raises OSError or one of SQLAlchemy's errors if the server cannot be reached."""
        with reaching():
            try:
                return await self._write(work, *args, **kwargs)
            except _Broke:
                # A connection of before a restart broke, and nothing can have been committed: once more is harmless.
                return await self._write(work, *args, **kwargs)

    async def _write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in one transaction. Raises _Broke if its connection broke before it was to be committed."""
        async with self._engine.connect() as connection, connection.begin():
            try:
                return await connection.run_sync(work, *args, **kwargs)
            except DBAPIError as fault:
                if fault.connection_invalidated:
                    raise _Broke(type(fault.orig).__name__) from fault
                raise

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Store.read`. Raises as `write` does."""
        with reaching():
            try:
                async with self._reader.connect() as connection:
                    return await connection.run_sync(work, *args, **kwargs)
            except DBAPIError as fault:
                if not fault.connection_invalidated:
                    raise
            # The server was restarted and the pool held a dead connection; reading again is harmless.
            async with self._reader.connect() as connection:
                return await connection.run_sync(work, *args, **kwargs)

    async def close(self) -> None:
        """See `Store.close`."""
        await self._engine.dispose()


class _Broke(ConnectionError):
    """The connection broke."""


@contextmanager
def reaching() -> Iterator[None]:
    """Turn what the driver says of a server that is away into ConnectionError (an OSError, as a refused connection is
    by itself)."""
    try:
        yield
    except DBAPIError as fault:
        if fault.connection_invalidated or _is_away(fault.orig):
            raise ConnectionError(type(fault.orig).__name__) from fault
        raise


def _is_away(fault: BaseException | None) -> bool:
    return str(getattr(fault, "sqlstate", None)).startswith(_AWAY)


def _mark_dead(context: ExceptionContext) -> None:
    """Have the pool drop its connections when the server says that it goes, not only once they are closed."""
    if context.connection is not None and _is_away(context.original_exception):
        context.is_disconnect = True


class SqliteStore:
    """SQLite: one thread writes, a few read. One process only."""

    dialect = "sqlite"
    flushers = 1

    def __init__(self, url: str) -> None:
        parsed = make_url(url).set(drivername="sqlite+pysqlite")
        self._writer = sqlite_engine(parsed, "BEGIN IMMEDIATE", StaticPool)
        self._reader = sqlite_engine(parsed, "BEGIN", None)
        self._write_thread = ThreadPoolExecutor(1, "ledger-writer")
        self._read_threads = ThreadPoolExecutor(4, "ledger-reader")

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Store.write`."""

        def run() -> T:
            with self._writer.begin() as connection:
                return work(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._write_thread, run)

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Store.read`."""

        def run() -> T:
            with self._reader.connect() as connection:
                return work(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._read_threads, run)

    async def close(self) -> None:
        """See `Store.close`."""
        self._write_thread.shutdown()
        self._read_threads.shutdown()
        self._reader.dispose()
        self._writer.dispose()


def sqlite_engine(url: Any, begin: str, pool: Any) -> Engine:
    """Return an engine with our pragmas whose transactions, DDL included, begin with `begin`."""
    more = {"poolclass": pool} if pool else {}
    engine = create_engine(
        url,
        json_serializer=_dumps,
        json_deserializer=msgspec.json.decode,
        connect_args={"check_same_thread": False, "timeout": 5.0},
        **more,
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves; the driver's own would be too late
        for name, value in SQLITE_PRAGMAS.items():
            connection.execute(f"PRAGMA {name}={value}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _dumps(value: Any) -> str:
    return msgspec.json.encode(value).decode()
