"""`make bench`: accepted reports per second over HTTP, as a ratio to pgbench doing like inserts in the same run.

Rounds are interleaved and the table shows medians, because only ratios of one run on one machine mean anything.
"Like inserts" is one transaction per report with the three rows a report cannot do without (report, queue item,
audit entry), a foreign key and three secondary indexes, 32 connections, prepared statements. Ours does more per
report (idempotency answer, timeline, deadlines, disclosure, several entries) and answers over HTTP.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.bench.load import Figures, run_load
from tests.bench.pgbench import run_pgbench
from tests.processes import free_port
from tests.servers import Postgres, in_thread, postgres_server

CONNECTIONS = 32
YARDSTICK_TABLES = """
CREATE TABLE y_report (id bigint PRIMARY KEY, code text NOT NULL UNIQUE, owner text, body bytea NOT NULL,
  received_at timestamptz NOT NULL);
CREATE INDEX ON y_report (owner, received_at);
CREATE TABLE y_outbox (id bigint PRIMARY KEY, report_id bigint NOT NULL REFERENCES y_report, state text NOT NULL,
  due_at timestamptz NOT NULL, payload bytea NOT NULL);
CREATE INDEX ON y_outbox (state, due_at);
CREATE TABLE y_audit (stream text NOT NULL, seq bigint NOT NULL, body bytea NOT NULL, PRIMARY KEY (stream, seq));
"""
YARDSTICK = """
\\set id random(1, 9000000000000000)
\\set other random(1, 9000000000000000)
BEGIN;
INSERT INTO y_report VALUES (:id, :id::bigint::text, 'issuer|subject', repeat('x', 500)::bytea, now());
INSERT INTO y_outbox VALUES (:other, :id, 'queued', now(), repeat('x', 700)::bytea);
INSERT INTO y_audit VALUES (:id::bigint::text, 1, repeat('x', 500)::bytea);
COMMIT;
"""


@contextmanager
def gateway(database_url: str, folder: Path) -> Iterator[tuple[str, str]]:
    """A gateway on its own data folder, no apps connected; gives its address and a citizen's token."""
    port = free_port()
    connectors = folder / "connectors"
    connectors.mkdir(parents=True)
    environment = os.environ | {
        "GATEWAY_DATABASE_URL": database_url.replace("+asyncpg", ""),
        "GATEWAY_DATA": str(folder / "data"),
        "GATEWAY_CONNECTORS": str(connectors),
        "GATEWAY_PORT": str(port),
    }
    command = [sys.executable, "-m", "gateway"]
    log = (folder / "gateway.log").open("wb")
    process = subprocess.Popen([*command, "up"], env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_ready(url, process, folder / "gateway.log")
        made = subprocess.run([*command, "token", "bench"], env=environment, capture_output=True, text=True, check=True)
        yield url, made.stdout.strip()
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _wait_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit(f"the gateway did not start:\n{log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit("the gateway did not become ready in 30 seconds")


def make_yardstick(url: str) -> None:
    """Make pgbench's tables."""

    async def make() -> None:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        await connection.execute(YARDSTICK_TABLES)
        await connection.close()

    in_thread(make)


def measure(server: Postgres, folder: Path, rounds: int, seconds: int, bar: Progress) -> dict[str, list[float]]:
    """Return the figures of each way, one per round."""
    yardstick, ours = server.create("yardstick"), server.create("gateway")
    make_yardstick(server.url(yardstick))
    figures: dict[str, list[float]] = {"pgbench": []}
    task = bar.add_task("rounds", total=rounds * 3)
    with (
        gateway(server.url(ours), folder / "postgres") as (on_postgres, token_p),
        gateway(f"sqlite:///{folder / 'sqlite' / 'gateway.db'}", folder / "sqlite") as (on_sqlite, token_s),
    ):
        for target, token in ((on_postgres, token_p), (on_sqlite, token_s)):
            run_load(target, token, CONNECTIONS, 1.0)
        for _ in range(rounds):
            figures["pgbench"].append(run_pgbench(server.url(yardstick), YARDSTICK, CONNECTIONS, seconds))
            bar.advance(task)
            for name, target, token in (("postgres", on_postgres, token_p), ("sqlite", on_sqlite, token_s)):
                _keep(figures, name, run_load(target, token, CONNECTIONS, float(seconds)))
                bar.advance(task)
    return figures


def _keep(figures: dict[str, list[float]], name: str, measured: Figures) -> None:
    if measured.refused:
        raise SystemExit(f"{measured.refused} reports were refused on {name}; the figure would mean nothing")
    for what, value in (("", measured.per_second), (" p50", measured.p50_ms), (" p99", measured.p99_ms)):
        figures.setdefault(name + what, []).append(value)


def table(figures: dict[str, list[float]]) -> Table:
    """Return the table of medians and ratios."""
    middle = {name: statistics.median(values) for name, values in figures.items()}
    shown = Table(title="accepted reports per second (medians of interleaved rounds)")
    for column in ("way", "per second", "ratio to pgbench", "p50 ms", "p99 ms"):
        shown.add_column(column, justify="left" if column == "way" else "right")
    shown.add_row(
        "pgbench, 3 inserts, one transaction each, 32 connections", f"{middle['pgbench']:,.0f}", "1.00", "", ""
    )
    for name, label in (("postgres", "POST /v1/reports, PostgreSQL"), ("sqlite", "POST /v1/reports, SQLite FULL")):
        shown.add_row(
            label,
            f"{middle[name]:,.0f}",
            f"{middle[name] / middle['pgbench']:.2f}",
            f"{middle[name + ' p50']:.1f}",
            f"{middle[name + ' p99']:.1f}",
        )
    return shown


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="per measurement")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    console = Console(stderr=True)
    with (
        tempfile.TemporaryDirectory() as name,
        postgres_server() as server,
        Progress(console=console, disable=not console.is_terminal) as bar,
    ):
        figures = measure(server, Path(name), options.rounds, options.seconds, bar)
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        Console().print(table(figures))


if __name__ == "__main__":
    main()
