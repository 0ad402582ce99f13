"""The ways a process runs the house: serving, working, and the small jobs of the command line."""

import asyncio
import fcntl
import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import uvloop
from rich.console import RenderableType

from gateway.app import create_app
from gateway.draining import DrainingServer
from gateway.flows.audit.follow import trace
from gateway.flows.audit.picture import picture
from gateway.house import open_house
from gateway.model.principal import EVERYTHING, Actor
from gateway.settings import Settings
from gateway.worker import Worker

_ENDING = (signal.SIGTERM, signal.SIGINT)


def run_server(settings: Settings, host: str, port: int, *, work: bool) -> None:
    """Serve until SIGTERM or SIGINT; with `work` the queues are worked in the same process.

    On SQLite that process is the only one: a second raises SystemExit.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if settings.sqlite:
            with alone(settings.data):
                runner.run(_serve(settings, host, port, work))
        else:
            runner.run(_serve(settings, host, port, work))


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """Hold a data folder as its only gateway, for as long as this process lives.

    Raises SystemExit if another holds it.
    """
    data.mkdir(parents=True, exist_ok=True)
    with (data / "gateway.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit(
                f"another gateway is running on {data}: stop it, name another folder with GATEWAY_DATA, or use "
                "PostgreSQL, which serves many processes (GATEWAY_DATABASE_URL=postgresql://…)"
            ) from None
        yield


async def _serve(settings: Settings, host: str, port: int, work: bool) -> None:
    async with open_house(settings) as house:
        if settings.sqlite:
            # Whoever was sending here before is gone: what was in his hands is looked up at once.
            await house.ledger.expire_leases()
        server = DrainingServer(
            create_app(house),
            host=host,
            port=port,
            http="httptools",
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            forwarded_allow_ips=settings.environ.get("GATEWAY_TRUSTED_PROXIES", "127.0.0.1"),
        )
        worker = Worker(house)
        if work:
            worker.start()
        calm_collector()
        # When it has drained, the server raises the signal that ended it once more: that must not end the process
        # before the worker has finished what is in hand. A second signal does.
        loop = asyncio.get_running_loop()
        for sign in _ENDING:
            loop.add_signal_handler(sign, _heard)
        try:
            await server.serve()
            await asyncio.sleep(0)
        finally:
            for sign in _ENDING:
                loop.remove_signal_handler(sign)
            await worker.stop()


def _heard() -> None:
    """Let a signal pass that was dealt with already."""


def run_worker(settings: Settings) -> None:
    """Work the queues until SIGTERM or SIGINT."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(settings))


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    for sign in _ENDING:
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    async with open_house(settings) as house:
        worker = Worker(house)
        worker.start()
        calm_collector()
        await stop.wait()
        await worker.stop()


def calm_collector() -> None:
    """Keep the garbage collector from walking everything that was loaded at start-up, again and again.

    Measured: it takes the 99th percentile of a write from 45 ms to 5 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


async def trace_document(settings: Settings, name: str, lang: str, width: int) -> tuple[RenderableType, str]:
    """Return the trace of a report as a picture and as JSON. The look is an entry, as it is over the API.

    Raises Problem `not-found` and what the ledger raises.
    """
    async with open_house(settings) as house:
        actor = Actor(kind="auditor", ref="command-line")
        found = await trace(house.ledger, actor, name, EVERYTHING, cause="gateway audit trace")
        return picture(found, lang, width, house.policy), msgspec.json.encode(found).decode()
