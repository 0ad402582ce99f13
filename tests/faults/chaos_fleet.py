"""The gateway of a campaign as processes: one `up` on SQLite, or two `serve` and two `work` on PostgreSQL and Redis.

They are killed, stopped and started again on the same data; PostgreSQL and Redis too.
"""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from gateway.demo.processes import Child, free_ports, start
from gateway.sdk.entropy import SystemEntropy
from tests import servers
from tests.faults.proxy import Proxy
from tests.journeys.stage import ROOT
from tests.processes import await_port, first_answer, free_port
from tests.processes import start as start_server
from tests.processes import stop as stop_server

_READY_S = 60.0
_LOOK_S = 0.3
_NO_DATABASE = ("not yet accepting connections", "is starting up", "is shutting down", "ConnectionRefusedError")
"""How PostgreSQL, or its absence, shows itself to a process that starts."""


class Store:
    """A PostgreSQL and a Redis of our own, that may be knocked over and get up again."""

    def __init__(self, postgres: servers.Postgres, redis: "Redis") -> None:
        assert postgres.child is not None, "a server that others use is not restarted: unset GATEWAY_TEST_POSTGRES"
        self.url = postgres.url(postgres.create("chaos")).replace("postgresql+asyncpg://", "postgresql://")
        self.redis = redis
        self._child = postgres.child
        self._process = postgres.child.process

    async def restart_postgres(self) -> None:
        """Shut PostgreSQL down at once, without a checkpoint, and start it again: it recovers from its log."""
        await asyncio.to_thread(self._restart)

    def _restart(self) -> None:
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()
        child = self._child
        with child.log.open("ab") as out:
            command = [str(part) for part in _command_of(self._process)]
            self._process = start_server(command, out, child.folder, servers.server_user(), signal.SIGQUIT)
        await_port(
            self._process, child.port, child.log, lambda port: first_answer(port, servers.STARTUP_MESSAGE)[:1] == b"R"
        )

    def close(self) -> None:
        """End the PostgreSQL that was started last."""
        stop_server(self._process, signal.SIGQUIT)


def _command_of(process: "subprocess.Popen[bytes]") -> Sequence[str]:
    assert isinstance(process.args, list)
    return [str(part) for part in process.args]


class Redis:
    """A Redis-compatible server that keeps nothing on the disk."""

    def __init__(self, folder: Path) -> None:
        self._port, self._folder = free_port(), folder
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [str(servers.valkey_binary()), "--bind", "127.0.0.1", "--port", str(self._port)]
        log = self._folder / "redis.log"
        with log.open("ab") as out:
            process = start_server(
                [*command, "--save", "", "--appendonly", "no"], out, self._folder, None, signal.SIGKILL
            )
        await_port(process, self._port, log, lambda port: first_answer(port, b"PING\r\n") == b"+PONG\r\n")
        return process

    async def flush(self) -> None:
        """Forget everything."""
        await asyncio.to_thread(first_answer, self._port, b"FLUSHALL\r\n")

    async def kill(self, down_s: float) -> None:
        """Be gone for so many seconds."""
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        await asyncio.sleep(down_s)
        self._process = await asyncio.to_thread(self._start)

    def close(self) -> None:
        """End it."""
        stop_server(self._process, signal.SIGKILL)


class Fleet:
    """The processes of one gateway; `urls` are its doors. `bugs` are planted in every one of them."""

    def __init__(self, folder: Path, environ: Mapping[str, str], *, many: bool, bugs: Sequence[str] = ()) -> None:
        self._folder, self._environ, self._bugs = folder, dict(environ), tuple(bugs)
        self._children: dict[str, Child] = {}
        self._turn = asyncio.Lock()
        self._unasked: list[str] = []
        doors = ("serve-1", "serve-2") if many else ("up",)
        ports = dict(zip(doors, free_ports(len(doors), SystemEntropy()), strict=True))
        self._doors = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        self.urls = list(self._doors.values())
        self._arguments = {name: [name.partition("-")[0], "--port", str(port)] for name, port in ports.items()}
        if many:
            self._arguments |= {"work-1": ["work"], "work-2": ["work"]}

    @property
    def names(self) -> list[str]:
        """The processes' names."""
        return list(self._arguments)

    async def start(self) -> None:
        """Start all and return when every door answers."""
        for name in self._arguments:
            await self._begin(name)
        for name in self._arguments:
            await self.answers(name)

    async def _begin(self, name: str) -> None:
        head = ["-m", "gateway"] if not self._bugs else ["-m", "tests.faults.chaos_bugs", ",".join(self._bugs), "--"]
        command = [sys.executable, *head, *self._arguments[name]]
        self._children[name] = await start(name, command, self._environ, self._folder, ROOT)

    async def answers(self, name: str) -> None:
        """Return when a process is ready; one without a door is not waited for."""
        if (url := self._doors.get(name)) is None:
            return
        async with aiohttp.ClientSession() as session, asyncio.timeout(_READY_S):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{url}/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.1)

    async def kill(self, name: str) -> None:
        """`kill -9` a process and start it again."""
        async with self._turn:
            child = self._children[name]
            if not child.ended:
                os.kill(child.pid, signal.SIGKILL)
            await child.stop()
            await self._begin(name)

    async def renew(self, name: str) -> None:
        """Ask a process to end, as a rolling restart does, and start it again."""
        async with self._turn:
            await self._children[name].stop()
            await self._begin(name)

    async def tend(self) -> None:
        """Start again whatever has ended by itself, as a machine's service manager does; until it is cancelled."""
        while True:
            for name in self.names:
                async with self._turn:
                    child = self._children[name]
                    if child.ended:
                        self._unasked.append(f"{name}: {child.how}\n{child.last_words()}")
                        await self._begin(name)
            await asyncio.sleep(_LOOK_S)

    async def freeze(self, name: str, seconds: float) -> None:
        """Give a process no turn of the processor for so many seconds."""
        with self._children[name].held():
            await asyncio.sleep(seconds)

    def ended(self) -> list[str]:
        """Return how those ended that nobody ended; to give up at the start, while there is no database, is right."""
        return [told for told in self._unasked if not any(words in told for words in _NO_DATABASE)]

    async def stop(self) -> None:
        """Ask all to end."""
        await asyncio.gather(*(child.stop() for child in self._children.values()))


def environ_for(folder: Path, town: Mapping[str, str], database_url: str, redis_url: str | None) -> dict[str, str]:
    """Return the environment of a campaign's gateway: nothing that is set outside reaches it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    ours = {"GATEWAY_DATABASE_URL": database_url, "GATEWAY_DATA": str(folder / "data")}
    ours |= {"GATEWAY_CONFIG": str(ROOT / "config"), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return kept | dict(town) | ours | ({"GATEWAY_REDIS_URL": redis_url} if redis_url else {})


@asynccontextmanager
async def store(folder: Path) -> AsyncIterator[Store]:
    """Open a PostgreSQL and a Redis that belong to one campaign alone."""
    with contextlib.ExitStack() as stack:
        postgres = await asyncio.to_thread(stack.enter_context, servers.postgres_server())
        redis = Redis(folder)
        stack.callback(redis.close)
        made = Store(postgres, redis)
        stack.callback(made.close)
        yield made


async def change_doors(back: Proxy, urls: Sequence[str], chance: random.Random) -> None:
    """Let the apps' calls go to another door each time, as a balancer does; until it is cancelled."""
    while True:
        back.target = chance.choice(urls)
        await asyncio.sleep(0.2)
