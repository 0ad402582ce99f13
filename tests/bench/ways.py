"""What is measured, one after the other in every round, each with its yardstick."""

import asyncio
import json
import multiprocessing
import multiprocessing.pool
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import asyncpg
import uvloop

from tests.bench import yardsticks
from tests.bench.gateways import Installation, Running
from tests.bench.load import Figures, Load, file_reports, run_load
from tests.bench.yardsticks import CONNECTIONS
from tests.processes import free_port
from tests.servers import Postgres, in_thread, redis_server

PACES = (300, 1000, 3000)
DRAINED = 1500
DRAIN_S = 90.0


@dataclass
class Bench:
    """The servers of one run, the figures taken so far (by name, one per round), and what has to be put away."""

    server: Postgres
    folder: Path
    seconds: int
    stack: ExitStack
    yardstick: str = ""
    gateway: str = ""
    figures: dict[str, list[float]] = field(default_factory=dict)
    running: dict[str, tuple[Running, str]] = field(default_factory=dict)
    codes: tuple[str, ...] = ()

    def keep(self, name: str, value: float) -> None:
        self.figures.setdefault(name, []).append(value)

    def keep_load(self, name: str, found: Figures) -> None:
        if found.refused:
            raise SystemExit(f"{found.refused} requests were refused ({name}); the figure would mean nothing")
        for what, value in (("", found.per_second), (" p50", found.p50_ms), (" p99", found.p99_ms)):
            self.keep(name + what, value)

    def start(self, name: str, installation: Installation, command: str) -> tuple[Running, str]:
        """Start a process that stays for the whole run; return it with a token."""
        running = self.stack.enter_context(installation.running(command))
        self.running[name] = (running, installation.token())
        return self.running[name]

    def load(self, name: str, running: Running, token: str, **more: object) -> None:
        seconds = float(self.seconds)
        load = Load(running.url, token, CONNECTIONS, seconds, **more)  # type: ignore[arg-type]
        before = running.cpu_s
        found = run_load(load)
        self.keep_load(name, found)
        if found.accepted:
            self.keep(name + " cpu", (running.cpu_s - before) / found.accepted * 1e6)


Way = Callable[[Bench], None]


def prepare(bench: Bench) -> None:
    """Start what is measured, and warm it up."""
    bench.yardstick = bench.server.url(bench.server.create("yardstick"))
    bench.gateway = bench.server.url(bench.server.create("gateway"))
    yardsticks.make_tables(bench.yardstick)
    postgres = Installation(bench.folder / "postgres", bench.gateway)
    sqlite = Installation(bench.folder / "sqlite", f"sqlite:///{bench.folder / 'sqlite' / 'gateway.db'}")
    for name, installation, command in (("postgres", postgres, "serve"), ("sqlite", sqlite, "up")):
        running, token = bench.start(name, installation, command)
        run_load(Load(running.url, token, CONNECTIONS, 1.0))
        bench.keep(f"{name} memory before", running.memory_mb)
    running, token = bench.running["postgres"]
    bench.codes = file_reports(running.url, token, 500)


def inserts(bench: Bench) -> None:
    """Take the yardstick of durable writes on PostgreSQL."""
    bench.keep("pgbench inserts", yardsticks.inserts(bench.yardstick, bench.seconds))


def selects(bench: Bench) -> None:
    """Take the yardstick of reads."""
    bench.keep("pgbench selects", yardsticks.selects(bench.yardstick, bench.seconds))


def loop(bench: Bench) -> None:
    """Take the yardstick of durable writes on SQLite."""
    bench.keep("sqlite loop", yardsticks.sqlite_loop(bench.folder / "loop", float(bench.seconds)))


def post_postgres(bench: Bench) -> None:
    """File reports as fast as one API process answers, on PostgreSQL."""
    bench.load("post postgres", *bench.running["postgres"])


def post_sqlite(bench: Bench) -> None:
    """File reports as fast as the embedded gateway answers, on SQLite FULL."""
    bench.load("post sqlite", *bench.running["sqlite"])


def paced(bench: Bench) -> None:
    """File reports at fixed paces on PostgreSQL; latency counts from the moment a request was due."""
    for rate in PACES:
        bench.load(f"paced {rate}", *bench.running["postgres"], rate=float(rate))


def get_one(bench: Bench) -> None:
    """Read single reports as their reporter does."""
    bench.load("get", *bench.running["postgres"], codes=bench.codes)


def pair(bench: Bench) -> None:
    """File reports at two API processes with two workers behind them, on one PostgreSQL and one Redis."""
    seconds = float(bench.seconds)
    if "pair" not in bench.running:
        installation = Installation(
            bench.folder / "pair",
            bench.server.url(bench.server.create("pair")),
            redis_url=bench.stack.enter_context(redis_server()),
        )
        bench.start("pair", installation, "serve")
        bench.running["pair 2"] = (bench.stack.enter_context(installation.running("serve")), "")
        for _ in range(2):
            bench.stack.enter_context(installation.running("work"))
    first, token = bench.running["pair"]
    second, _ = bench.running["pair 2"]
    loads = [Load(one.url, token, CONNECTIONS // 2, seconds) for one in (first, second)]
    with multiprocessing.pool.ThreadPool(2) as pool:
        found = pool.map(run_load, loads)
    for one in found:
        if one.refused:
            raise SystemExit("requests were refused (pair); the figure would mean nothing")
    bench.keep("pair", sum(one.per_second for one in found))
    bench.keep("pair p99", max(one.p99_ms for one in found))


def drain(bench: Bench) -> None:
    """Let one worker carry a queue of deliveries, to nobody and to an app over HTTP."""
    for app in ("hampa", "bebas"):
        number = len(bench.figures.get(f"drain {app}", ()))
        with ExitStack() as stack:
            port = free_port()
            if app == "bebas":
                served = multiprocessing.get_context("spawn").Process(target=serve_freely, args=(port,), daemon=True)
                served.start()
                stack.callback(served.join)
                stack.callback(served.terminate)
            url = bench.server.url(bench.server.create(f"drain_{app}"))
            installation = Installation(
                bench.folder / f"drain-{app}-{number}", url, app=app, app_url=f"http://127.0.0.1:{port}"
            )
            with installation.running("serve") as serving:
                token = installation.token()
                file_reports(serving.url, token, DRAINED, "IN-LIGHT")
            bench.keep(f"drain {app}", _drained(installation, url))


def _drained(installation: Installation, url: str) -> float:
    """Return deliveries per second from the first that was taken up to the last that was accepted."""

    async def count(connection: asyncpg.Connection, state: str) -> int:
        found: int = await connection.fetchval("SELECT count(*) FROM delivery WHERE state = $1", state)
        return found

    async def watch() -> float:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        queued = await count(connection, "queued")
        if queued < DRAINED * 0.9:
            raise SystemExit(f"only {queued} deliveries were queued")
        with installation.running("work") as worker:
            done, began = 0, time.perf_counter()
            while (accepted := await count(connection, "accepted")) < queued:
                if worker.process.poll() is not None:
                    raise SystemExit(worker.log.read_text()[-2000:])
                if time.perf_counter() - began > DRAIN_S:
                    raise SystemExit(f"only {accepted} of {queued} deliveries were accepted in {DRAIN_S:.0f} s")
                if accepted and not done:
                    done, began = accepted, time.perf_counter()
                await asyncio.sleep(0.02)
            took = time.perf_counter() - began
        await connection.close()
        return (accepted - done) / took

    return in_thread(watch)


class _Free(asyncio.Protocol):
    """Answers every request at once."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by their class
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = bytes(self._buffer[:head]).lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
        end = head + 4 + int(length)
        if len(self._buffer) < end:
            return
        key = json.loads(self._buffer[head + 4 : end])["kunci"]
        del self._buffer[:end]
        body = json.dumps({"nomor": key}).encode()
        answer = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        self._transport.write(answer % (len(body), body))


def serve_freely(port: int) -> None:
    """Be an app that takes everything at once."""

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Free, "127.0.0.1", port)
        await server.serve_forever()

    with suppress(KeyboardInterrupt):
        uvloop.run(serve())


def memory(bench: Bench) -> None:
    """Take the memory of the processes."""
    for name in ("postgres", "sqlite"):
        bench.keep(f"{name} memory", bench.running[name][0].memory_mb)


WAYS: dict[str, Way] = {
    "inserts": inserts,
    "post": post_postgres,
    "loop": loop,
    "sqlite": post_sqlite,
    "selects": selects,
    "get": get_one,
    "paced": paced,
    "pair": pair,
    "drain": drain,
    "memory": memory,
}
