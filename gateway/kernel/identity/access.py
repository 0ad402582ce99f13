"""The access table at work: who is let in, and whose reports they are shown. What is not in the table is closed."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, Final

import msgspec
from litestar import Litestar, Request
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute

from gateway.kernel.identity.actors import actor_of, capacity
from gateway.kernel.identity.callers import CHALLENGE, NARROW, NOBODY, Callers, Connection
from gateway.model.principal import EVERYTHING, NOTHING, Actor, Principal, Role, Scope
from gateway.model.problem import Problem

ANYONE: Final = frozenset(Role)
NO_ONE: Final[frozenset[Role]] = frozenset()
SEES_RESTRICTED: Final = frozenset({Role.AUDITOR, Role.COORDINATOR})
"""Roles that see that reports of restricted services exist; operators need the extra permission `restricted`."""
SECRET_HEADER: Final = b"x-report-secret"


class Reach(StrEnum):
    """Whose reports a route may show.

    `NONE` no one's; `OWN` those the caller filed; `WORK` also those of the agency, or all of them, by role;
    `DESK` only those by role, not those he filed as a person; `ALL` every report, for auditors.
    """

    NONE = "none"
    OWN = "own"
    WORK = "work"
    DESK = "desk"
    ALL = "all"


class Rule(msgspec.Struct, frozen=True):
    """One row of the access table.

    `path` is the pattern as routes have it, without types (`/v1/reports/{code}`). With `secret` callers are let in
    who bring X-Report-Secret, whatever they are; the handler checks it. Without `token` nobody looks at
    Authorization. A row with no roles is answered as not found.
    """

    method: str
    path: str
    roles: frozenset[Role]
    reach: Reach = Reach.NONE
    secret: bool = False
    token: bool = True


class AccessError(Exception):
    """The application's routes and the access table are not the same; says what is missing where."""


def scope_of(principal: Principal, rule: Rule, sees_restricted: frozenset[Role] = SEES_RESTRICTED) -> Scope:
    """Return whose reports a caller may be shown on a route. Only roles that the route lets in count."""
    roles = principal.roles & rule.roles
    if rule.reach is Reach.NONE:
        return NOTHING
    if Role.AUDITOR in roles and rule.reach in {Reach.ALL, Reach.WORK}:
        return EVERYTHING
    if rule.reach is Reach.ALL:
        return NOTHING
    extra = "restricted" in principal.extra
    if Role.COORDINATOR in roles and rule.reach in {Reach.WORK, Reach.DESK}:
        return Scope(everything=True, restricted=extra or Role.COORDINATOR in sees_restricted)
    owns = rule.reach in {Reach.OWN, Reach.WORK} and principal.account and bool(roles)
    works = rule.reach in {Reach.WORK, Reach.DESK} and not roles.isdisjoint({Role.OPERATOR, Role.SERVICE})
    agency = principal.agency if works else None
    return Scope(
        owner=principal.key if owns else None,
        agency=agency,
        restricted=agency is not None and extra and Role.OPERATOR in roles,
    )


class Access:
    """Guards an application by its table.

    As a guard of the whole application (`guards=[access.guard]`) it runs before a body is read. It leaves in the
    request's state: `principal`, `reach` (a Scope) and `actor`; handlers take them as dependencies of these names.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        callers: Callers,
        pseudonym_of: Callable[[str], str],
        *,
        sees_restricted: frozenset[Role] = SEES_RESTRICTED,
    ) -> None:
        """`pseudonym_of` is the keyring's. Raises AccessError if a route stands twice in the table."""
        self.rules: dict[tuple[str, str], Rule] = {}
        for rule in rules:
            if (rule.method, rule.path) in self.rules:
                raise AccessError(f"{rule.method} {rule.path} stands twice in the access table")
            self.rules[rule.method, rule.path] = rule
        self._callers, self._pseudonym_of, self._sees_restricted = callers, pseudonym_of, sees_restricted

    async def guard(self, connection: Connection, _: BaseRouteHandler) -> None:
        """Let a request in, or raise Problem `unauthorised`, `forbidden`, `not-found` or one about its token."""
        scope = connection.scope
        if scope["type"] != ScopeType.HTTP:
            raise Problem("not-found")
        if scope["method"] == "OPTIONS":
            return
        rule = self.rules.get((scope["method"], scope["path_template"]))
        if rule is None or not rule.roles:
            raise Problem("not-found")
        principal = await self._callers.principal_of(connection) if rule.token else NOBODY
        self._admit(connection, rule, principal)
        state = scope["state"]
        state["principal"] = principal
        state["reach"] = scope_of(principal, rule, self._sees_restricted)
        state["actor"] = actor_of(principal, self._pseudonym_of, capacity(principal, rule.roles))

    @staticmethod
    def _admit(connection: Connection, rule: Rule, principal: Principal) -> None:
        if rule.roles == ANYONE or not principal.roles.isdisjoint(rule.roles):
            return
        if rule.secret and any(name == SECRET_HEADER for name, _ in connection.scope["headers"]):
            return
        if principal.account:
            raise Problem("forbidden", headers=NARROW)
        raise Problem("unauthorised", headers=CHALLENGE)

    @property
    def dependencies(self) -> dict[str, Provide]:
        """Providers of `principal`, `reach` and `actor` for the whole application."""
        return {
            "principal": Provide(_principal, sync_to_thread=False),
            "reach": Provide(_reach, sync_to_thread=False),
            "actor": Provide(_actor, sync_to_thread=False),
        }

    def verify_routes(self, app: Litestar) -> None:
        """Raise AccessError for any route that is not in the table, any row without a route, any unguarded route."""
        there: set[tuple[str, str]] = set()
        faults: list[str] = []
        for route in app.routes:
            if not isinstance(route, HTTPRoute):
                faults.append(f"{route.path_format} is no HTTP route: the table does not know such")
                continue
            there.update((method, route.path_format) for method in route.methods if method != "OPTIONS")
            faults += [
                f"{route.path_format} is not guarded"
                for handler in route.route_handlers
                if self.guard not in handler.resolve_guards()
            ]
        faults += [f"{method} {path} is not in the access table" for method, path in there - self.rules.keys()]
        faults += [f"{method} {path} has no route" for method, path in self.rules.keys() - there]
        if faults:
            raise AccessError("; ".join(sorted(set(faults))))


def _principal(request: Request[Any, Any, Any]) -> Principal:
    principal: Principal = request.scope["state"]["principal"]
    return principal


def _reach(request: Request[Any, Any, Any]) -> Scope:
    reach: Scope = request.scope["state"]["reach"]
    return reach


def _actor(request: Request[Any, Any, Any]) -> Actor:
    actor: Actor = request.scope["state"]["actor"]
    return actor
