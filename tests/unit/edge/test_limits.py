"""Limits for callers without an account: told by headers, refused with the wait, emergencies let through."""

from typing import Any

import pytest
from litestar import Litestar, Request, post
from litestar.types import ASGIApp

from gateway.kernel.coordination import LocalCounters
from gateway.kernel.edge.answers import HANDLERS
from gateway.kernel.edge.context import RequestContext
from gateway.kernel.edge.limits import Limit, Limiter, address_of
from gateway.model.principal import Principal, Role
from gateway.sdk.entropy import SeededEntropy
from tests.unit.edge.served import HandClock, served


def application(limiter: Limiter, clock: HandClock) -> ASGIApp:
    @post("/file")
    async def file(request: Request[Any, Any, Any]) -> dict[str, bool]:
        role = Role(request.headers.get("role", "public"))
        principal = Principal(
            issuer="i", subject="s", roles=frozenset({role}), client=request.headers.get("x-client-id", "public")
        )
        within = await limiter.take(request, principal, emergency="emergency" in request.headers)
        return {"within": within}

    app = Litestar([file], exception_handlers=HANDLERS, logging_config=None, openapi_config=None)
    return RequestContext(app, clock, SeededEntropy(1))


async def test_beyond_the_limit_of_an_address() -> None:
    clock = HandClock()
    limiter = Limiter(LocalCounters(clock), Limit(3, 60), Limit(100, 60))
    async with served(application(limiter, clock)) as call:
        replies = [await call("POST", "/file") for _ in range(4)]
        assert [reply.status for reply in replies] == [201, 201, 201, 429]
        assert replies[0].headers["RateLimit-Policy"] == '"address";q=3;w=60, "client";q=100;w=60'
        assert replies[0].headers["RateLimit"].startswith('"address";r=2;t=')
        last = replies[-1]
        assert last.json()["type"] == "/problems/rate-limited"
        assert last.headers["Retry-After"] == "20"
        assert last.headers["RateLimit"] == '"address";r=0;t=20'
        assert "112" in last.json()["detail"]
        for headers in ({"role": "citizen"}, {"role": "operator"}):
            reply = await call("POST", "/file", headers=headers)
            assert (reply.status, "RateLimit" in reply.headers) == (201, False)
        urgent = await call("POST", "/file", headers={"emergency": "1"})
        assert (urgent.status, urgent.json()) == (201, {"within": False})
        clock.at += 20
        assert (await call("POST", "/file")).status == 201
        assert (await call("POST", "/file")).status == 429


async def test_beyond_the_limit_of_a_program() -> None:
    clock = HandClock()
    limiter = Limiter(LocalCounters(clock), Limit(100, 60), Limit(2, 60))
    async with served(application(limiter, clock)) as call:
        replies = [await call("POST", "/file", headers={"X-Client-Id": "a"}) for _ in range(3)]
        assert [reply.status for reply in replies] == [201, 201, 429]
        assert (await call("POST", "/file", headers={"X-Client-Id": "b"})).status == 201


@pytest.mark.parametrize(
    ("client", "network"),
    [
        (("203.0.113.9", 1), "203.0.113.9"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
        (("2001:db8:1:2:ffff::1", 1), "2001:db8:1:2::/64"),
        (("::ffff:203.0.113.9", 1), "203.0.113.9"),
        (("fe80::1%eth0", 1), "fe80::/64"),
        (("socket", 1), "-"),
        (None, "-"),
    ],
)
def test_addresses_are_networks(client: tuple[str, int] | None, network: str) -> None:
    scope: Any = {"type": "http", "client": client, "headers": []}
    assert address_of(Request(scope)) == network
