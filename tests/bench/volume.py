"""Filling a database with many reports, by copying one with all its rows, faster than anybody could file them."""

import asyncpg

from gateway.kernel.ledger import tables as t
from tests.servers import in_thread

_TABLES = (t.stream, t.report, t.idempotency, t.cases, t.timeline, t.deadline, t.entry)
_BATCH = 50_000


def fill(url: str, code: str, count: int) -> None:
    """Add `count` copies of the report `code`, each under an id and a code of its own."""

    async def run() -> None:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        for first in range(0, count, _BATCH):
            async with connection.transaction():
                await _batch(connection, code, first, min(_BATCH, count - first))
        await connection.execute("ANALYZE")
        await connection.close()

    in_thread(run)


async def _batch(connection: asyncpg.Connection, code: str, first: int, count: int) -> None:
    await connection.execute("DROP TABLE IF EXISTS copies")
    await connection.execute(
        "CREATE TEMP TABLE copies AS SELECT n, gen_random_uuid() AS rid, gen_random_uuid() AS cid, "
        f"'V' || lpad(n::text, 12, '0') AS code FROM generate_series({first}, {first + count - 1}) n"
    )
    for table in _TABLES:
        columns = ", ".join(column.name for column in table.columns)
        values = ", ".join(_value(table.name, column.name) for column in table.columns)
        of = {"stream": "name", "report": "code", "entry": "stream"}.get(table.name)
        where = f"o.{of} = $1" if of else "o.report_id = (SELECT id FROM report WHERE code = $1)"
        await connection.execute(
            f"INSERT INTO {table.name} ({columns}) SELECT {values} FROM {table.name} o, copies c WHERE {where}",
            code,
        )


def _value(table: str, column: str) -> str:
    own = {
        ("stream", "name"): "c.code",
        ("report", "id"): "c.rid",
        ("report", "code"): "c.code",
        ("cases", "id"): "c.cid",
        ("entry", "stream"): "c.code",
        ("idempotency", "key"): "c.rid::text",
    }
    if (table, column) in own:
        return own[table, column]
    if column == "id":
        return "gen_random_uuid()"
    if column == "report_id":
        return "c.rid"
    if column == "case_id":
        return "CASE WHEN o.case_id IS NULL THEN NULL ELSE c.cid END"
    return f"o.{column}"
