"""Migrations: from nothing to exactly the tables of the code, again and again, on both databases."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.kernel.ledger import migrate
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.migrate import version_gap
from tests.unit.ledger.conftest import Outside

VERSIONS = Path("gateway/kernel/ledger/migrations/versions")


async def inside(url: str, look: Callable[[Connection], Any]) -> Any:
    """Run `look` on a connection of its own."""
    if url.startswith("sqlite"):
        engine = create_engine(make_url(url).set(drivername="sqlite+pysqlite"))
        with engine.connect() as connection:
            found = look(connection)
        engine.dispose()
        return found
    asynchronous = create_async_engine(url)
    async with asynchronous.connect() as open_connection:
        found = await open_connection.run_sync(look)
    await asynchronous.dispose()
    return found


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, t.metadata))


async def test_from_nothing_the_migrations_make_the_tables_of_the_code(database_url: str) -> None:
    await migrate(database_url)
    assert await inside(database_url, differences) == []
    assert await inside(database_url, version_gap) is None
    names = set(await inside(database_url, lambda connection: inspect(connection).get_table_names()))
    assert names == set(t.metadata.tables) | {"alembic_version"}


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    await migrate(database_url)
    await Outside(database_url).rows("INSERT INTO stream (name, head) VALUES ('config', 3)")
    await migrate(database_url)
    assert await Outside(database_url).rows("SELECT name, head FROM stream") == [("config", 3)]
    assert await inside(database_url, differences) == []


async def test_an_empty_database_is_told_from_a_migrated_one(database_url: str) -> None:
    assert await inside(database_url, version_gap) == "None"
    await migrate(database_url)
    assert await inside(database_url, version_gap) is None


async def test_several_processes_may_migrate_at_once(database_url: str) -> None:
    await asyncio.gather(*(migrate(database_url) for _ in range(4)))
    assert await inside(database_url, differences) == []


async def test_a_migration_that_stops_half_way_leaves_nothing(database_url: str) -> None:
    """What is created last stands in the way; nothing of what comes before it may stay."""
    await Outside(database_url).rows("CREATE TABLE timeline (id integer primary key)")
    with pytest.raises(DBAPIError, match="timeline"):
        await migrate(database_url)
    names = set(await inside(database_url, lambda connection: inspect(connection).get_table_names()))
    assert names == {"timeline"}
    await Outside(database_url).rows("DROP TABLE timeline")
    await migrate(database_url)
    assert await inside(database_url, differences) == []


async def test_the_comparison_would_see_a_difference(database_url: str) -> None:
    await migrate(database_url)
    await Outside(database_url).rows("CREATE TABLE intruder (id integer primary key)")
    await Outside(database_url).rows("DROP INDEX ix_report_received_at_code")
    kinds = sorted(str(difference[0]) for difference in await inside(database_url, differences))
    assert kinds == ["add_index", "remove_table"]


async def test_the_folder_of_a_sqlite_file_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/folder/gateway.sqlite3"
    await migrate(url)
    assert await inside(url, version_gap) is None


def test_what_was_released_is_never_edited_by_looking_at_the_tables() -> None:
    """A migration that imports the tables of today would make another database tomorrow."""
    for file in VERSIONS.glob("*.py"):
        assert not re.search(r"^(from|import) gateway", file.read_text(), re.MULTILINE), file


@pytest.mark.parametrize("table", sorted(t.metadata.tables))
def test_personal_data_has_no_column_of_its_own(table: str) -> None:
    """Names under which personal data or free text would hide; what people say stands in `sealed` alone."""
    suspicious = {"phone", "email", "name", "description", "address", "latitude", "longitude", "nik", "text", "body"}
    allowed = {("stream", "name"), ("entry", "body")}
    for column in t.metadata.tables[table].columns:
        assert column.name not in suspicious or (table, column.name) in allowed
