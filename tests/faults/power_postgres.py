"""PostgreSQL stopped at once under load, as by a failing machine: every process gone, nothing written any more, and on
the next start only what its own log holds.
"""

import asyncio
import itertools
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.faults.power_evidence import faults_of, read_books
from tests.faults.power_load import house_at, planted, work
from tests.faults.power_outcome import Outcome
from tests.processes import await_port, first_answer, start, stop
from tests.servers import STARTUP_MESSAGE, Child, Postgres, postgres_server, server_user

_ACKS: Final = 20
"""Before each stop so many reports at least are answered, so that it comes under load..."""
_MOMENT_S: Final = 0.05
"""... and up to so many seconds later."""
_PATIENCE_S: Final = 60.0


class Mortal:
    """A PostgreSQL of our own that is stopped at once and started again on the same folder."""

    def __init__(self, server: Postgres, child: Child) -> None:
        self.server, self._child = server, child
        self._process: subprocess.Popen[bytes] = child.process

    def die(self) -> None:
        """Stop it at once (`immediate`): nobody finishes anything, nothing is flushed."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(_PATIENCE_S)

    def rise(self) -> None:
        """Start it again."""
        command = [str(part) for part in self._process.args]  # type: ignore[union-attr]
        with self._child.log.open("ab") as out:
            self._process = start(command, out, self._child.folder, server_user(), signal.SIGQUIT)
        port = self._child.port
        await_port(self._process, port, self._child.log, lambda at: first_answer(at, STARTUP_MESSAGE)[:1] == b"R")

    def bury(self) -> None:
        """Stop it for good."""
        stop(self._process, signal.SIGQUIT)


@contextmanager
def mortal() -> Iterator[Mortal]:
    """Start a PostgreSQL that may be stopped: never one that the environment names."""
    named = os.environ.pop("GATEWAY_TEST_POSTGRES", None)
    try:
        with postgres_server() as server:
            assert server.child is not None
            made = Mortal(server, server.child)
            try:
                yield made
            finally:
                made.bury()
    finally:
        if named is not None:
            os.environ["GATEWAY_TEST_POSTGRES"] = named


async def shutdowns(
    postgres: Mortal, folder: Path, stops: int, chance: random.Random, outcome: Outcome, bug: str | None = None
) -> None:
    """Stop a PostgreSQL so many times under load; note in `outcome` what was found."""
    url = postgres.server.url(postgres.server.create("power"))
    told: list[dict[str, Any]] = []
    answers = 0
    enough, closing = asyncio.Event(), asyncio.Event()
    wanted = _ACKS

    def say(**what: Any) -> None:
        nonlocal answers
        told.append(what)
        answers += what["what"] == "report"
        if answers >= wanted:
            enough.set()

    numbers = itertools.takewhile(lambda _: not closing.is_set(), itertools.count())
    with planted(bug):
        async with house_at(url, folder) as house:
            load = asyncio.create_task(work(house, numbers, say))
            try:
                for _ in range(stops):
                    await _first(enough.wait(), load)
                    await asyncio.sleep(chance.uniform(0.0, _MOMENT_S))
                    before = answers
                    await asyncio.to_thread(postgres.die)
                    outcome.cuts += 1
                    outcome.acks += before
                    outcome.fewest_acks = min(before, before if outcome.fewest_acks is None else outcome.fewest_acks)
                    outcome.injected["immediate"] += 1
                    await asyncio.to_thread(postgres.rise)
                    wanted = answers + _ACKS
                    enough.clear()
            finally:
                closing.set()
                await load
            outcome.faults += faults_of(await house.ledger.read(read_books), told)


async def _first(wait: Any, load: "asyncio.Task[None]") -> None:
    """Wait for something, but not beyond the end of the load, which does not end by itself."""
    waiting = asyncio.ensure_future(wait)
    await asyncio.wait({waiting, load}, return_when=asyncio.FIRST_COMPLETED, timeout=_PATIENCE_S)
    if not waiting.done():
        waiting.cancel()
        if load.done():
            await load
        raise AssertionError(f"fewer than {_ACKS} reports were answered in {_PATIENCE_S:.0f} s")


async def caught(postgres: Mortal, folder: Path, seed: int) -> list[str]:
    """Return what is found when reports are answered before they are committed."""
    outcome = Outcome(campaign="power:postgresql", seed=seed)
    await shutdowns(postgres, folder, 2, random.Random(seed), outcome, "early")
    return outcome.faults
