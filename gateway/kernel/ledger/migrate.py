"""Migrations (Alembic), run by `gateway migrate` and by the embedded single process at start-up."""

import asyncio
from pathlib import Path
from typing import Final

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.kernel.ledger.engine import open_store, reaching, sqlite_engine

_log = structlog.get_logger()

_FOLDER = Path(__file__).parent / "migrations"
EMPTY = "None"
"""What `version_gap` says of a database without tables."""
_LOCK = int.from_bytes(b"gateway")
"""Which advisory lock of PostgreSQL migrations take."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    command.upgrade(_config(connection), "head")


class Unreachable(Exception):
    """The database cannot be reached, or lets nobody in; the message says the way out."""


async def migrate(url: str, patience_s: int = 0) -> None:
    """Bring a database to the newest version, creating it from nothing if it is empty.

    All in one transaction: a process that is killed half-way leaves nothing, several at once wait for the first. A
    server that is away, or starting, is tried again for so many seconds. Raises Unreachable.
    """
    for second in range(patience_s + 1):
        try:
            with reaching():
                await _migrate(url)
        except OSError as fault:
            if second == patience_s:
                raise Unreachable(
                    f"the database cannot be reached ({type(fault).__name__}): start it, or look at "
                    "GATEWAY_DATABASE_URL; `gateway doctor` looks at everything"
                ) from None
            if second == 0:
                _log.warning("database.awaited", fault=type(fault).__name__)
            await asyncio.sleep(1)
        except DBAPIError as fault:
            if str(getattr(fault.orig, "sqlstate", None)).startswith(_CLOSED):
                why = type(getattr(fault.orig, "__cause__", None)).__name__
                raise Unreachable(
                    f"the database lets nobody in ({why}): look at user, password and name in GATEWAY_DATABASE_URL"
                ) from None
            raise
        else:
            return


_CLOSED: Final = ("28", "3D")
"""How SQLSTATEs begin of a user who is not let in, or of a database that is not there."""


async def _migrate(url: str) -> None:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)

        def run() -> None:
            engine = sqlite_engine(parsed.set(drivername="sqlite+pysqlite"), "BEGIN IMMEDIATE", None)
            try:
                with engine.begin() as connection:
                    _upgrade(connection)
            finally:
                engine.dispose()

        await asyncio.to_thread(run)
        return
    engine = create_async_engine(parsed.set(drivername="postgresql+asyncpg"))
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def version_gap(connection: Connection) -> str | None:
    """Return None if the database is at the newest version, else what it is at (`None` in words if empty)."""
    current = MigrationContext.configure(connection).get_current_revision()
    return None if current == newest_version() else str(current)


def newest_version() -> str:
    """Return the version that this program needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


async def database_fault(url: str) -> str | None:
    """Return None if a database is at the newest version; else what it is at, or the fault that hides it."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not await asyncio.to_thread(Path(parsed.database or "").exists):
        return EMPTY
    store = open_store(url)
    try:
        return await store.read(version_gap)
    except (DBAPIError, OSError) as fault:
        return type(fault).__name__
    finally:
        await store.close()
