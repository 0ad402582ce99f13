"""Who is calling, what they are, and whose reports they may see."""

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """What a caller is. `PUBLIC` is a caller without a token: a phone that reports without an account."""

    PUBLIC = "public"
    CITIZEN = "citizen"
    OPERATOR = "operator"
    COORDINATOR = "coordinator"
    SERVICE = "service"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """The authenticated caller.

    `issuer` and `subject` together name a person or program (RFC 7519); `agency` is the OPD an operator works
    for; `client` is the program that calls (OAuth `client_id`, or `public`); `extra` are permissions beside the
    roles (`restricted`: may see reports of restricted services).
    """

    issuer: str
    subject: str
    roles: frozenset[Role]
    agency: str | None = None
    client: str = "public"
    extra: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """Stable name of the caller inside the database; for a caller without account, the client's."""
        return f"client|{self.client}" if Role.PUBLIC in self.roles else f"{self.issuer}|{self.subject}"

    def has(self, *roles: Role) -> bool:
        """Tell whether the caller has at least one of the roles."""
        return not self.roles.isdisjoint(roles)

    @property
    def account(self) -> bool:
        """Tell whether there is an account behind the call (otherwise only code and secret give access)."""
        return Role.PUBLIC not in self.roles


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Whose reports a read may return. Every read takes one; there is no read without.

    Exactly the fields that are set apply, joined by *or*: `everything`; reports owned by `owner` (a
    `Principal.key`); reports with a case at `agency`; the one report `code` (its secret was checked) and what was split
    off it. `restricted` lets services of privacy class *restricted* through for agency scopes.
    """

    everything: bool = False
    owner: str | None = None
    agency: str | None = None
    code: str | None = None
    restricted: bool = False


NOTHING = Scope()
"""A scope that no report is in."""
EVERYTHING = Scope(everything=True, restricted=True)
"""The gateway's own work (delivery, inbound) and auditors."""


class Actor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who did something, as it stands in an entry: no personal data.

    `kind` is a role, `gateway`, or `app`; `ref` is a keyed pseudonym for people and the name for programs;
    `org` is the agency or app.
    """

    kind: str
    ref: str
    org: str | None = None


GATEWAY = Actor(kind="gateway", ref="gateway")
"""The gateway acting by itself (worker, clocks)."""


def app_actor(app: str) -> Actor:
    """Return the actor for what an app said."""
    return Actor(kind="app", ref=app, org=app)
