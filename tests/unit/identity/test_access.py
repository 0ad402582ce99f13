"""The access table, over real sockets: every route with every caller; nothing that is not in it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Litestar, get, route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from gateway.kernel.edge.answers import HANDLERS, last_resort
from gateway.kernel.identity import (
    ISSUER_RULES,
    RULES,
    Access,
    AccessError,
    Callers,
    DevelopmentIssuer,
    Keys,
    Reach,
    Rule,
    TokenVerifier,
    actor_of,
    issuer_routes,
    scope_of,
)
from gateway.kernel.identity.access import ANYONE, NO_ONE
from gateway.model.principal import EVERYTHING, NOTHING, Actor, Principal, Role, Scope
from gateway.sdk.entropy import SeededEntropy
from tests.unit.edge.served import Caller, HandClock, served

URL, AUDIENCE = "http://127.0.0.1:8112", "barru-gateway"
TABLE = (*RULES, *ISSUER_RULES)
KINDS = ("public", "citizen", "operator", "coordinator", "service", "auditor", "admin", "nobody")
"""Who calls; `nobody` has an account and no role."""


def pseudonym_of(name: str) -> str:
    return "p" + str(sum(name.encode()))


class Seen(msgspec.Struct):
    """What a handler was given."""

    principal: Principal
    reach: Scope
    actor: Actor


def typed(path: str) -> str:
    return path.replace("{id}", "{id:uuid}").replace("{code}", "{code:str}").replace("{app}", "{app:str}")


def stand_in(rule: Rule) -> HTTPRouteHandler:
    @route(typed(rule.path), http_method=rule.method, status_code=200, operation_id=f"{rule.method} {rule.path}")  # type: ignore[arg-type]
    async def handler(
        principal: NamedDependency[Principal], reach: NamedDependency[Scope], actor: NamedDependency[Actor]
    ) -> Seen:
        return Seen(principal, reach, actor)

    return handler


class Door:
    """An application with a handler for every row, and tokens for it."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        self.keys = Keys.open(folder, SeededEntropy(1))
        self.issuer = DevelopmentIssuer(URL, self.keys, self.clock, SeededEntropy(2))
        callers = Callers(TokenVerifier(URL, AUDIENCE, self.keys, self.clock))
        self.access = Access(TABLE, callers, pseudonym_of)

    def app(self, *more: HTTPRouteHandler, without: str = "", guarded: bool = True) -> Litestar:
        plain = [rule for rule in RULES if not rule.path.startswith("/schema") and rule.path != without]
        return Litestar(
            [*map(stand_in, plain), *issuer_routes(self.issuer), *more],
            guards=[self.access.guard] if guarded else [],
            dependencies=self.access.dependencies,
            exception_handlers={**HANDLERS, Exception: last_resort},
            logging_config=None,
            openapi_config=OpenAPIConfig(
                title="t", version="1", path="/schema", render_plugins=[JsonRenderPlugin(path="/openapi.json")]
            ),
        )

    def headers(self, kind: str, *extra: str, agency: str | None = "BPBD") -> dict[str, str]:
        if kind == "public":
            return {}
        roles = [*(() if kind == "nobody" else (kind,)), *extra]
        token = self.issuer.token("andi", roles, agency, audience=AUDIENCE, lifetime=timedelta(hours=1), client="phone")
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


def path_of(rule: Rule) -> str:
    return (
        rule.path.replace("{id}", "0189d1c4-8f4e-7000-8000-0123456789ab")
        .replace("{code}", "BRU-0000-0000")
        .replace("{app}", "cc112")
        .replace("{path}", "x")
    )


def expected(rule: Rule, kind: str, secret: bool) -> int:
    if not rule.roles:
        return 404
    if rule.roles == ANYONE or (rule.secret and secret):
        return 200
    if kind == "public":
        return 200 if Role.PUBLIC in rule.roles else 401
    return 200 if kind != "nobody" and Role(kind) in rule.roles else 403


async def test_every_route_with_every_caller(door: Door) -> None:
    cells = 0
    async with served(door.app()) as call:
        for rule in TABLE:
            for kind in KINDS:
                for secret in (False, True):
                    headers = door.headers(kind) | ({"X-Report-Secret": "s"} if secret else {})
                    reply = await call(rule.method, path_of(rule), headers=headers)
                    assert reply.status == expected(rule, kind, secret), (rule, kind, secret, reply.body)
                    if reply.status == 401:
                        assert reply.headers["WWW-Authenticate"] == 'Bearer realm="gateway"'
                    if reply.status == 403:
                        assert 'error="insufficient_scope"' in reply.headers["WWW-Authenticate"]
                    cells += 1
    assert cells == len(TABLE) * len(KINDS) * 2


def test_the_table_keeps_its_promises() -> None:
    for rule in RULES:
        writes = rule.method != "GET"
        limited = rule.roles != ANYONE
        assert not (writes and limited and Role.AUDITOR in rule.roles), "auditors only read"
        assert not (limited and Role.ADMIN in rule.roles and rule.reach is not Reach.NONE), "admins see no report"
        assert not (limited and not rule.token), "who may call can only be known by a token"
        assert not (rule.roles == ANYONE and rule.reach is not Reach.NONE), "what everybody may call shows no report"
        assert not (rule.secret and Role.PUBLIC in rule.roles)
        if rule.path.startswith("/v1/audit"):
            assert rule.roles == {Role.AUDITOR}
        if rule.path.startswith("/v1/desk"):
            assert Role.CITIZEN not in rule.roles
            assert Role.SERVICE not in rule.roles


async def seen(call: Caller, method: str, path: str, headers: dict[str, str]) -> Seen:
    reply = await call(method, path, headers=headers)
    assert reply.status == 200, reply.body
    return msgspec.json.decode(reply.body, type=Seen)


async def test_handlers_are_given_caller_reach_and_actor(door: Door) -> None:
    me = f"{URL}|andi"
    async with served(door.app()) as call:
        found = await seen(call, "POST", "/v1/reports", {"X-Client-Id": "barru.android"})
        assert found.principal == Principal(
            issuer="", subject="", roles=frozenset({Role.PUBLIC}), client="barru.android"
        )
        assert found.principal.key == "client|barru.android"
        assert found.reach == NOTHING
        assert found.actor == Actor(kind="public", ref=pseudonym_of("client|barru.android"))
        found = await seen(call, "GET", "/v1/reports", door.headers("citizen", agency=None))
        assert found.reach == Scope(owner=me)
        assert found.actor == Actor(kind="citizen", ref=pseudonym_of(me))
        found = await seen(call, "GET", "/v1/reports", door.headers("operator"))
        assert found.reach == Scope(owner=me, agency="BPBD")
        assert found.actor == Actor(kind="operator", ref=pseudonym_of(me), org="BPBD")
        found = await seen(call, "GET", "/v1/desk/queue", door.headers("operator"))
        assert found.reach == Scope(agency="BPBD")
        found = await seen(call, "GET", "/v1/desk/queue", door.headers("operator", "restricted"))
        assert found.reach == Scope(agency="BPBD", restricted=True)
        found = await seen(call, "GET", "/v1/reports", door.headers("service", "restricted"))
        assert found.reach == Scope(owner=me, agency="BPBD")
        assert found.actor == Actor(kind="service", ref="phone", org="BPBD")
        found = await seen(call, "GET", "/v1/reports", door.headers("coordinator"))
        assert found.reach == Scope(everything=True, restricted=True)
        found = await seen(call, "GET", "/v1/audit/search", door.headers("auditor", "operator", "citizen"))
        assert found.reach == EVERYTHING
        assert found.actor == Actor(kind="auditor", ref=pseudonym_of(me))
        found = await seen(call, "POST", "/v1/reports", door.headers("auditor", "operator", "citizen"))
        assert found.reach == Scope(owner=me, agency="BPBD")
        assert found.actor.kind == "operator", "an auditor does not act as one"
        for path in ("/healthz", "/hooks/cc112"):
            method = "GET" if path == "/healthz" else "POST"
            found = await seen(call, method, path, {"Authorization": "Basic rubbish", "X-Client-Id": "???"})
            assert found.principal.roles == {Role.PUBLIC}
            assert found.reach == NOTHING


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer x.y.z"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "x.y.z"},
        {"Authorization": "Bearer " + "A" * 20_000},
        [("Authorization", "good"), ("Authorization", "good")],
    ],
)
async def test_a_bad_token_is_never_taken_for_none(door: Door, headers: Any) -> None:
    good = door.headers("citizen")["Authorization"]
    pairs = [
        (name, good if value == "good" else value)
        for name, value in (headers if isinstance(headers, list) else headers.items())
    ]
    async with served(door.app()) as call:
        for path in ("/v1/services", "/v1/reports", "/v1/track/BRU-0000-0000"):
            reply = await call("GET", path, headers=pairs)
            assert reply.status == 401
            assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]
            assert reply.json()["type"] == "/problems/token-refused"
        assert (await call("POST", "/v1/reports", headers=pairs)).status == 401


async def test_an_expired_token_says_so_and_lower_case_bearer_is_fine(door: Door) -> None:
    headers = door.headers("citizen")
    lower = {"authorization": headers["Authorization"].replace("Bearer ", "bearer  ")}
    async with served(door.app()) as call:
        assert (await call("GET", "/v1/reports", headers=lower)).status == 200
        door.clock.at += 3600
        reply = await call("GET", "/v1/reports", headers=headers)
        assert (reply.status, reply.json()["type"]) == (401, "/problems/token-expired")


async def test_an_operator_without_agency_and_an_odd_client_are_refused(door: Door) -> None:
    async with served(door.app()) as call:
        reply = await call("GET", "/v1/services", headers=door.headers("operator", agency=None))
        assert (reply.status, reply.json()["type"]) == (403, "/problems/operator-without-agency")
        for odd in ("a b", "x" * 65, "081234567890;", "<script>"):
            reply = await call("GET", "/v1/services", headers={"X-Client-Id": odd})
            assert (reply.status, reply.json()["type"]) == (400, "/problems/client-id")


async def test_options_and_unknown_addresses(door: Door) -> None:
    async with served(door.app()) as call:
        assert (await call("OPTIONS", "/v1/reports")).status == 204
        assert (await call("GET", "/v1/nothing")).status == 404
        reply = await call("GET", "/schema/x")
        assert reply.headers["Content-Type"] == "application/problem+json"
        assert (await call("GET", "/schema")).json()["openapi"].startswith("3.1")


async def test_the_issuer_publishes_its_keys(door: Door) -> None:
    async with served(door.app()) as call:
        reply = await call("GET", "/oauth/jwks")
        assert reply.json() == door.keys.jwks
        assert b'"d"' not in reply.body
        reply = await call("GET", "/.well-known/openid-configuration")
        assert reply.json()["issuer"] == URL


def test_routes_and_table_must_be_the_same(door: Door) -> None:
    door.access.verify_routes(door.app())

    @get("/v1/new")
    async def new() -> None: ...

    with pytest.raises(AccessError, match="GET /v1/new is not in the access table"):
        door.access.verify_routes(door.app(new))
    with pytest.raises(AccessError, match="GET /v1/territory has no route"):
        door.access.verify_routes(door.app(without="/v1/territory"))
    with pytest.raises(AccessError, match="/v1/reports is not guarded"):
        door.access.verify_routes(door.app(guarded=False))
    with pytest.raises(AccessError, match="twice"):
        Access([*RULES, RULES[0]], Callers(TokenVerifier(URL, AUDIENCE, door.keys, door.clock)), pseudonym_of)


async def test_a_route_that_is_not_in_the_table_is_closed_even_so(door: Door) -> None:
    @get("/v1/new")
    async def new() -> str:
        return "open"

    async with served(door.app(new)) as call:
        for kind in KINDS:
            assert (await call("GET", "/v1/new", headers=door.headers(kind))).status == 404


def person(*roles: Role, agency: str | None = "BPBD", extra: str = "") -> Principal:
    return Principal(
        issuer="i", subject="s", roles=frozenset(roles), agency=agency, extra=frozenset({extra} if extra else ())
    )


@pytest.mark.parametrize("reach", list(Reach))
def test_no_role_no_reach(reach: Reach) -> None:
    rule = Rule("GET", "/x", frozenset({Role.CITIZEN}), reach)
    for other in (person(), person(Role.ADMIN), person(Role.OPERATOR), person(Role.COORDINATOR), person(Role.AUDITOR)):
        assert scope_of(other, rule) == NOTHING
    nobody = Principal(issuer="", subject="", roles=frozenset({Role.PUBLIC}))
    assert scope_of(nobody, Rule("GET", "/x", ANYONE, reach)) == NOTHING
    assert scope_of(person(Role.ADMIN), Rule("GET", "/x", frozenset({Role.ADMIN}), Reach.ALL)) == NOTHING
    assert scope_of(person(Role.CITIZEN), Rule("GET", "/x", NO_ONE, reach)) == NOTHING


def test_who_sees_restricted_services_can_be_configured() -> None:
    rule = Rule("GET", "/x", frozenset(Role), Reach.WORK)
    chief = person(Role.COORDINATOR)
    assert scope_of(chief, rule) == Scope(everything=True, restricted=True)
    assert scope_of(chief, rule, frozenset({Role.AUDITOR})) == Scope(everything=True)
    named = person(Role.COORDINATOR, extra="restricted")
    assert scope_of(named, rule, frozenset({Role.AUDITOR})) == Scope(everything=True, restricted=True)
    assert scope_of(person(Role.AUDITOR), rule, frozenset()) == EVERYTHING


def test_programs_have_names_and_people_have_not() -> None:
    program = Principal(issuer="i", subject="s", roles=frozenset({Role.SERVICE}), client="sinjai-bot")
    assert actor_of(program, pseudonym_of) == Actor(kind="service", ref="sinjai-bot")
    odd = msgspec.structs.replace(program, client="081234567890")
    assert actor_of(odd, pseudonym_of).ref == pseudonym_of("i|s")
    assert actor_of(person(Role.CITIZEN, Role.ADMIN), pseudonym_of).kind == "admin"
    assert actor_of(person(), pseudonym_of).kind == "public"
