"""A ledger opens only on a database and a data folder that belong together and will keep what they acknowledge."""

import asyncio
import re
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text

from gateway.kernel.ledger import KeyringError, Ledger, Unsafe, migrate, start_refusal
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.engine import SQLITE_PRAGMAS
from gateway.sdk.entropy import SystemEntropy
from tests.journeys.filed import CITIZEN, Books, StillClock, opened
from tests.servers import Postgres, postgres_server
from tests.unit.ledger.conftest import Outside


async def open_ledger(url: str, data: Path) -> Ledger:
    return await Ledger.open(url, data, StillClock(), SystemEntropy())


async def test_a_data_folder_of_another_database_is_refused(database_url: str, tmp_path: Path) -> None:
    await migrate(database_url)
    await (await open_ledger(database_url, tmp_path / "mine")).close()
    with pytest.raises(KeyringError, match="belongs to another database") as refused:
        await open_ledger(database_url, tmp_path / "other")
    assert "GATEWAY_DATA" in str(refused.value), "it says the way out"
    await (await open_ledger(database_url, tmp_path / "mine")).close()


async def test_two_first_starts_at_once_agree(database_url: str, tmp_path: Path) -> None:
    await migrate(database_url)
    ledgers = await asyncio.gather(*(open_ledger(database_url, tmp_path / "data") for _ in range(4)))
    assert len({ledger.keyring.instance for ledger in ledgers}) == 1
    for ledger in ledgers:
        await ledger.close()


async def test_two_first_starts_with_two_data_folders_do_not_both_get_the_database(
    database_url: str, tmp_path: Path
) -> None:
    await migrate(database_url)
    found = await asyncio.gather(
        *(open_ledger(database_url, tmp_path / f"data{number}") for number in range(4)), return_exceptions=True
    )
    opened = [ledger for ledger in found if isinstance(ledger, Ledger)]
    for ledger in opened:
        await ledger.close()
    assert len(opened) == 1
    assert await Outside(database_url).count("instance") == 1
    assert all(isinstance(other, KeyringError) for other in found if other not in opened)


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
async def test_a_server_that_may_forget_is_refused(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GATEWAY_TEST_POSTGRES", raising=False)
    with postgres_server(f"{setting}=off") as server:
        url = server.url(server.create())
        await migrate(url)
        with pytest.raises(Unsafe, match=f"{setting}=off"):
            await open_ledger(url, tmp_path)
        assert f"{setting}=off" in str(await start_refusal(url, tmp_path)), "doctor says it before"
    assert not (tmp_path / "keys").exists()


async def test_commits_wait_for_the_disk_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    await migrate(postgres_url)
    ledger = await open_ledger(postgres_url, tmp_path)

    def settings(connection: Connection) -> dict[str, str]:
        names = ("synchronous_commit", "lock_timeout", "idle_in_transaction_session_timeout")
        return {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in names}

    found = await ledger.read(settings)
    assert found["synchronous_commit"] == "on"
    assert "0" not in (found["lock_timeout"], found["idle_in_transaction_session_timeout"])
    await ledger.close()


async def test_commits_wait_for_the_disk_on_sqlite(sqlite_url: str, tmp_path: Path) -> None:
    await migrate(sqlite_url)
    ledger = await open_ledger(sqlite_url, tmp_path)

    def pragmas(connection: Connection) -> dict[str, object]:
        return {name: connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in SQLITE_PRAGMAS}

    for found in (await ledger.read(pragmas), await ledger._store.write(pragmas)):
        assert found["journal_mode"] == "wal"
        assert found["synchronous"] == 2, "FULL"
        assert found["foreign_keys"] == 1
    await ledger.close()


async def test_a_server_that_was_restarted_is_used_again(books: Books, postgres: Postgres, database_url: str) -> None:
    code = await books.file()
    if database_url.startswith("postgres"):
        name = database_url.rpartition("/")[2]
        postgres.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    assert (await books.whole(code)).code == code, "a read is simply made again"


async def test_what_was_committed_is_there_for_the_next_process(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as books:
        code = await books.file()
        before = await books.whole(code)
    async with opened(database_url, tmp_path, seed=2) as books:
        after = await books.whole(code)
        assert after == before
        assert after.content(books.ledger.vault).description.startswith("Air naik")


async def test_the_database_holds_no_personal_data_and_no_free_text(
    books: Books,
) -> None:
    """Everything people wrote, looked for in every column of every table, and in every entry."""
    code = await books.file()
    whole = await books.whole(code)
    act = books.ledger.act(CITIZEN, "test")
    act.say(whole.ref(books.ledger.vault), "message.citizen", "citizen", text="Tolong cepat, Andi Mappa menunggu")
    act.touch(whole.ref(books.ledger.vault))
    await books.ledger.commit(act)
    secrets = ["Air naik", "Andi Mappa", "+6281234567890", "andi@example.id", "7311014107850001", "Jl. Poros", "Tolong"]

    def everything(connection: Connection) -> list[str]:
        return [
            repr(tuple(row)) for table in t.metadata.sorted_tables for row in connection.execute(select(table)).all()
        ]

    rows = await books.ledger.read(everything)
    assert len(rows) > 8
    for row in rows:
        assert not [secret for secret in secrets if secret in row]
        assert not re.search(r"-4\.43\d+|119\.65\d+", row), "nor where it happened"
