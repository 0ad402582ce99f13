"""The access table: every route of the gateway, who may call it, and whose reports it may show them.

The one place where that is decided. A route that is missing here keeps the gateway from starting, and so does a row
without a route.
"""

from typing import Final

from gateway.kernel.identity.access import ANYONE, NO_ONE, Reach, Rule
from gateway.model.principal import Role

_FILERS: Final = frozenset({Role.PUBLIC, Role.CITIZEN, Role.OPERATOR, Role.COORDINATOR, Role.SERVICE})
_OWNERS: Final = _FILERS - {Role.PUBLIC}
_DESK: Final = frozenset({Role.OPERATOR, Role.COORDINATOR})
# Auditors read by their own routes only, where every look is an entry.
_AUDITORS: Final = frozenset({Role.AUDITOR})

RULES: Final = (
    # Catalogue: for everybody.
    Rule("GET", "/v1/services", ANYONE),
    Rule("GET", "/v1/services/{code}", ANYONE),
    Rule("GET", "/v1/territory", ANYONE),
    # Reports: whoever files needs no account; what was filed without one is opened by its secret.
    Rule("POST", "/v1/attachments", _FILERS, Reach.OWN),
    Rule("POST", "/v1/reports", _FILERS, Reach.WORK),
    Rule("GET", "/v1/reports", _OWNERS, Reach.WORK),
    Rule("GET", "/v1/reports/{code}", _OWNERS, Reach.WORK, secret=True),
    Rule("GET", "/v1/reports/{code}/timeline", _OWNERS, Reach.WORK, secret=True),
    Rule("GET", "/v1/reports/{code}/stream", _OWNERS, Reach.WORK, secret=True),
    Rule("POST", "/v1/reports/{code}/messages", _OWNERS, Reach.WORK, secret=True),
    Rule("POST", "/v1/reports/{code}/attachments", _OWNERS, Reach.WORK, secret=True),
    Rule("POST", "/v1/reports/{code}/withdrawal", _OWNERS, Reach.WORK, secret=True),
    Rule("POST", "/v1/reports/{code}/rating", _OWNERS, Reach.WORK, secret=True),
    Rule("POST", "/v1/reports/{code}/reopening", _OWNERS, Reach.WORK, secret=True),
    Rule("POST", "/v1/reports/{code}/sms", _OWNERS, Reach.WORK, secret=True),
    # An account is needed, a secret alone takes nothing into one.
    Rule("POST", "/v1/reports/{code}/claim", frozenset({Role.CITIZEN}), Reach.OWN),
    Rule("GET", "/v1/track/{code}", ANYONE),
    # Apps: the signature speaks, not a token.
    Rule("POST", "/hooks/{app}", ANYONE, token=False),
    # Desks.
    Rule("GET", "/v1/desk/queue", _DESK, Reach.DESK),
    Rule("GET", "/v1/desk/deliveries", _DESK, Reach.DESK),
    Rule("GET", "/v1/desk/health", _DESK | {Role.ADMIN}),
    Rule("POST", "/v1/desk/reports/{code}/reply", _DESK, Reach.DESK),
    Rule("POST", "/v1/desk/reports/{code}/note", _DESK, Reach.DESK),
    Rule("POST", "/v1/desk/reports/{code}/close", _DESK, Reach.DESK),
    Rule("POST", "/v1/desk/reports/{code}/refer", _DESK, Reach.DESK),
    Rule("POST", "/v1/desk/reports/{code}/split", _DESK, Reach.DESK),
    Rule("POST", "/v1/desk/reports/{code}/link", _DESK, Reach.DESK),
    Rule("POST", "/v1/desk/reports/{code}/ask", _DESK, Reach.DESK),
    Rule("POST", "/v1/desk/reports/{code}/assign", _DESK, Reach.DESK),
    Rule("POST", "/v1/desk/deliveries/{id}/replay", _DESK, Reach.DESK),
    Rule("POST", "/v1/desk/deliveries/{id}/resolve", _DESK, Reach.DESK),
    Rule("POST", "/v1/desk/deliveries/{id}/cancel", _DESK, Reach.DESK),
    # Auditors. Their looks are entries.
    Rule("GET", "/v1/audit/search", _AUDITORS, Reach.ALL),
    Rule("GET", "/v1/audit/reports/{code}/trace", _AUDITORS, Reach.ALL),
    # The process and its documents.
    Rule("GET", "/healthz", ANYONE, token=False),
    Rule("GET", "/readyz", ANYONE, token=False),
    Rule("GET", "/schema", ANYONE, token=False),
    Rule("GET", "/schema/openapi.json", ANYONE, token=False),
    Rule("GET", "/schema/{path}", NO_ONE),
)
"""The routes that every gateway has."""

ISSUER_RULES: Final = (
    Rule("GET", "/oauth/jwks", ANYONE, token=False),
    Rule("GET", "/.well-known/openid-configuration", ANYONE, token=False),
)
"""The routes of the embedded issuer, where it is used."""
