"""The yardstick measures, and does not hide a failure."""

import asyncpg
import pytest

from tests.bench.pgbench import read_tps, run_pgbench
from tests.processes import ServerError


async def count(url: str) -> int:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        found: int = await connection.fetchval("SELECT count(*) FROM probe")
        return found
    finally:
        await connection.close()


async def test_it_commits_what_it_counts(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    await connection.execute("CREATE TABLE probe (id bigserial PRIMARY KEY, client int)")
    assert await connection.fetchval("SHOW fsync") == "on"
    assert await connection.fetchval("SHOW synchronous_commit") == "on"
    await connection.close()
    tps = run_pgbench(postgres_url, "INSERT INTO probe (client) VALUES (:client_id);", clients=4, seconds=1)
    rows = await count(postgres_url)
    assert rows > 0
    assert tps == pytest.approx(rows, rel=0.5)


def test_a_script_that_fails_has_no_figure(postgres_url: str) -> None:
    with pytest.raises(ServerError, match="pgbench failed"):
        run_pgbench(postgres_url, "INSERT INTO nowhere VALUES (1);", clients=1, seconds=1)


def test_failed_transactions_are_not_averaged_away() -> None:
    with pytest.raises(ServerError, match="cleanly"):
        read_tps("number of failed transactions: 3 (0.1%)\ntps = 100.5 (without initial connection time)\n")
