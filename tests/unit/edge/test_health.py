"""Liveness asks nobody; readiness asks everybody needed, briefly, and not more than once a second."""

import asyncio

import pytest
from litestar import Litestar

from gateway.kernel.edge.health import Check, Readiness, health_routes
from gateway.kernel.ledger import Unavailable
from tests.unit.edge.served import HandClock, served


class Part:
    """Something that may be away."""

    def __init__(self) -> None:
        self.word: str | None = None
        self.fault: type[Exception] | None = None
        self.asked = 0

    async def look(self) -> str | None:
        self.asked += 1
        if self.fault is not None:
            raise self.fault("no")
        return self.word


async def test_ready_and_not() -> None:
    database, redis, clock = Part(), Part(), HandClock()
    checks = [
        Check(name="database", run=database.look),
        Check(name="redis", run=redis.look, required=False),
    ]
    app = Litestar(health_routes(checks, clock), logging_config=None, openapi_config=None)
    async with served(app) as call:
        reply = await call("GET", "/readyz")
        assert (reply.status, reply.json()) == (200, {"status": "ready", "checks": {"database": "ok", "redis": "ok"}})
        redis.word = "away"
        for _ in range(5):
            reply = await call("GET", "/readyz")
        assert database.asked == 1, "a second look within a second"
        clock.at += 1
        reply = await call("GET", "/readyz")
        assert (reply.status, reply.json()["checks"]["redis"]) == (200, "away")
        database.fault = Unavailable
        clock.at += 1
        reply = await call("GET", "/readyz")
        assert (reply.status, reply.json()["status"]) == (503, "unready")
        assert reply.json()["checks"]["database"] == "Unavailable"
        asked = database.asked
        assert (await call("GET", "/healthz")).json()["status"] == "ok"
        assert database.asked == asked


@pytest.mark.parametrize("fault", [OSError, ConnectionResetError, TimeoutError])
async def test_a_check_that_fails_is_a_word(fault: type[Exception]) -> None:
    part = Part()
    part.fault = fault
    standing = await Readiness([Check(name="x", run=part.look)], HandClock()).standing()
    assert standing.status == "unready"


async def test_a_check_that_hangs_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang() -> str | None:
        await asyncio.sleep(60)
        return None

    monkeypatch.setattr("gateway.kernel.edge.health._PATIENCE_S", 0.05)
    standing = await Readiness([Check(name="x", run=hang)], HandClock()).standing()
    assert standing.checks == {"x": "timeout"}
