"""A gateway process that is asked to end finishes what is in hand; one that was killed is followed at once."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.demo.processes import Child, free_ports, start
from gateway.kernel.ledger import Ledger
from gateway.kernel.ledger import tables as t
from gateway.run import alone
from gateway.sdk.clock import SystemClock
from gateway.sdk.entropy import SystemEntropy
from tests.faults.proxy import Fault, answers_when, hangs
from tests.faults.town import Town, town
from tests.journeys.stage import DAMAGE

LONG = {"sigapdes": {"timeouts.total": 60, "settle_s": 1}}
"""A call may last a minute, and its lease two: whoever waits for that does not pass these tests."""


class Running:
    """One `gateway up`, and a client of it."""

    def __init__(self, child: Child, url: str, session: aiohttp.ClientSession) -> None:
        self.child, self.url, self.session = child, url, session

    async def file(self) -> str:
        """File a report, as soon as anybody listens."""
        headers = {"Idempotency-Key": os.urandom(16).hex()}
        for _ in range(600):
            try:
                async with self.session.post(f"{self.url}/v1/reports", json=DAMAGE, headers=headers) as answer:
                    body = await answer.json()
                    assert answer.status == 201, body
                    return str(body["code"])
            except aiohttp.ClientConnectorError:
                assert not self.child.ended, self.child.last_words()
                await asyncio.sleep(0.1)
        raise AssertionError(self.child.last_words())


async def up(town: Town, session: aiohttp.ClientSession, name: str) -> Running:
    """Start a gateway process on the town's folder."""
    (port,) = free_ports(1, SystemEntropy())
    data = town.folder / "var"
    environ = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")}
    environ |= dict(town.settings(f"sqlite:///{data / 'gateway.db'}").environ) | {"GATEWAY_DATA": str(data)}
    environ["GATEWAY_DATABASE_URL"] = f"sqlite:///{data / 'gateway.db'}"
    command = [sys.executable, "-m", "gateway", "up", "--port", str(port)]
    child = await start(name, command, environ, town.folder, town.folder)
    return Running(child, f"http://127.0.0.1:{port}", session)


async def seen(town: Town, fits: Callable[[], bool]) -> None:
    for _ in range(1200):
        if fits():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not seen")


async def in_the_air(town: Town, running: Running, fault: Fault) -> str:
    """File a report and wait until the app has it, its answer still out."""
    town.lines["sigapdes"].when(lambda one: one.method == "POST" and "kerusakan" in one.path, fault, name="slow")
    code = await running.file()
    await seen(town, lambda: len(town.records("sigapdes")) == 1)
    return code


async def delivery(town: Town, code: str) -> dict[str, Any]:
    data = town.folder / "var"
    ledger = await Ledger.open(f"sqlite:///{data / 'gateway.db'}", data, SystemClock(), SystemEntropy())
    try:
        rows = await ledger.read(
            lambda connection: (
                connection.execute(t.delivery.select().where(t.delivery.c.key == f"{code}-1")).mappings().all()
            )
        )
        return dict(rows[0])
    finally:
        await ledger.close()


async def test_asked_to_end_it_finishes_what_is_in_hand(tmp_path: Path) -> None:
    answer = asyncio.Event()
    async with town(tmp_path, ("sigapdes",), LONG) as here, aiohttp.ClientSession() as session:
        running = await up(here, session, "gateway")
        code = await in_the_air(here, running, answers_when(answer))
        stopping = asyncio.create_task(running.child.stop())
        await asyncio.sleep(1.5)  # it has stopped listening, and must still be there for the answer
        assert not running.child.ended
        answer.set()
        await stopping
        assert running.child.how == "exit status 0"
        assert (await delivery(here, code))["state"] == "accepted"
        assert here.injected == 1


async def test_after_a_kill_it_looks_up_at_once_what_was_in_hand(tmp_path: Path) -> None:
    async with town(tmp_path, ("sigapdes",), LONG) as here, aiohttp.ClientSession() as session:
        running = await up(here, session, "gateway")
        code = await in_the_air(here, running, hangs)
        os.kill(running.child.pid, signal.SIGKILL)
        await running.child.stop()
        assert (await delivery(here, code))["state"] == "sending"
        again = await up(here, session, "again")
        found: dict[str, Any] = {}

        for _ in range(600):
            found = await delivery(here, code)
            if found["state"] == "accepted":
                break
            await asyncio.sleep(0.1)
        await again.child.stop()
        assert found["state"] == "accepted"
        assert found["attempt"] == 1
        assert len(here.records("sigapdes")) == 1


def test_two_gateways_do_not_share_a_folder(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(SystemExit, match="another gateway is running on"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass
