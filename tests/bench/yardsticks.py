"""What is measured against: PostgreSQL with the rows that a report cannot do without, one transaction each, and a bare
loop of the same rows on SQLite.

Three rows (report, queue item, audit entry), a foreign key, three secondary indexes; 32 connections, prepared
statements. Ours does more per report: the answer kept for a repeat, cases, clocks, a timeline, five entries, and
everything that is personal encrypted.
"""

import os
import sqlite3
import time
from pathlib import Path

import asyncpg

from tests.bench.pgbench import run_pgbench
from tests.servers import in_thread

CONNECTIONS = 32
_TABLES = """
CREATE TABLE y_report (id bigint PRIMARY KEY, code text NOT NULL UNIQUE, owner text, body bytea NOT NULL,
  received_at timestamptz NOT NULL);
CREATE INDEX ON y_report (owner, received_at);
CREATE TABLE y_outbox (id bigint PRIMARY KEY, report_id bigint NOT NULL REFERENCES y_report, state text NOT NULL,
  due_at timestamptz NOT NULL, payload bytea NOT NULL);
CREATE INDEX ON y_outbox (state, due_at);
CREATE TABLE y_audit (stream text NOT NULL, seq bigint NOT NULL, body bytea NOT NULL, PRIMARY KEY (stream, seq));
INSERT INTO y_report SELECT n, 'x' || n, 'issuer|subject', repeat('x', 500)::bytea, now()
  FROM generate_series(1, 10000) n;
"""
_INSERTS = """
\\set id random(100000, 9000000000000000)
\\set other random(1, 9000000000000000)
BEGIN;
INSERT INTO y_report VALUES (:id, :id::bigint::text, 'issuer|subject', repeat('x', 500)::bytea, now());
INSERT INTO y_outbox VALUES (:other, :id, 'queued', now(), repeat('x', 700)::bytea);
INSERT INTO y_audit VALUES (:id::bigint::text, 1, repeat('x', 500)::bytea);
COMMIT;
"""
_SELECT = """
\\set id random(1, 10000)
SELECT * FROM y_report WHERE id = :id;
"""


def make_tables(url: str) -> None:
    """Make pgbench's tables, with ten thousand rows to be read."""

    async def make() -> None:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        await connection.execute(_TABLES)
        await connection.close()

    in_thread(make)


def inserts(url: str, seconds: int) -> float:
    """Return durable three-row transactions per second."""
    return run_pgbench(url, _INSERTS, CONNECTIONS, seconds)


def selects(url: str, seconds: int) -> float:
    """Return rows read by their key per second."""
    return run_pgbench(url, _SELECT, CONNECTIONS, seconds)


def sqlite_loop(folder: Path, seconds: float) -> float:
    """Return three-row transactions per second of one bare loop on SQLite (WAL, synchronous=FULL)."""
    folder.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(folder / "yardstick.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=4000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.executescript(
        """
        CREATE TABLE IF NOT EXISTS y_report (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, owner TEXT, body BLOB,
          received_at TEXT);
        CREATE INDEX IF NOT EXISTS i1 ON y_report (owner, received_at);
        CREATE TABLE IF NOT EXISTS y_outbox (id INTEGER PRIMARY KEY, report_id INTEGER REFERENCES y_report, state TEXT,
          due_at TEXT, payload BLOB);
        CREATE INDEX IF NOT EXISTS i2 ON y_outbox (state, due_at);
        CREATE TABLE IF NOT EXISTS y_audit (stream TEXT, seq INTEGER, body BLOB, PRIMARY KEY (stream, seq));
        """
    )
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        number = int.from_bytes(os.urandom(6))
        connection.execute("BEGIN IMMEDIATE")
        report = (number, str(number), "issuer|subject", b"x" * 500, "2026-01-01")
        connection.execute("INSERT INTO y_report VALUES (?, ?, ?, ?, ?)", report)
        queued = (int.from_bytes(os.urandom(6)), number, "queued", "2026-01-01", b"x" * 700)
        connection.execute("INSERT INTO y_outbox VALUES (?, ?, ?, ?, ?)", queued)
        connection.execute("INSERT INTO y_audit VALUES (?, 1, ?)", (str(number), b"x" * 500))
        connection.execute("COMMIT")
        count += 1
    took = time.perf_counter() - began
    connection.close()
    return count / took
