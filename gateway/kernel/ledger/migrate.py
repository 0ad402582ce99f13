"""Migrations (Alembic), run by `gateway migrate` and by the embedded single process at start-up."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, make_url
from sqlalchemy.ext.asyncio import create_async_engine

_FOLDER = Path(__file__).parent / "migrations"


class Outdated(Exception):
    """The database is not at the version of this program. Run `gateway migrate`."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    command.upgrade(_config(connection), "head")


async def migrate(url: str) -> None:
    """Bring a database to the newest version, creating it from nothing if it is empty."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)

        def run() -> None:
            engine = create_engine(parsed.set(drivername="sqlite+pysqlite"))
            with engine.begin() as connection:
                _upgrade(connection)
            engine.dispose()

        await asyncio.to_thread(run)
        return
    engine = create_async_engine(parsed.set(drivername="postgresql+asyncpg"))
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade)
    await engine.dispose()


def version_gap(connection: Connection) -> str | None:
    """Return None if the database is at the newest version, else what it is at."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    current = MigrationContext.configure(connection).get_current_revision()
    return None if current == newest else str(current)
