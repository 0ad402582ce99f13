"""Identity: who is calling, what they may do, whose reports they may see.

A token becomes a `Principal`; the access table decides, per route, who is let in and with what `Scope`.
"""

from gateway.kernel.identity.access import Access, AccessError, Reach, Rule, scope_of
from gateway.kernel.identity.actors import actor_of
from gateway.kernel.identity.callers import Callers
from gateway.kernel.identity.issuer import DevelopmentIssuer
from gateway.kernel.identity.jwks import KeySource, RemoteKeys, VerifyingKey
from gateway.kernel.identity.keys import Keys, KeysError
from gateway.kernel.identity.routes import issuer_routes
from gateway.kernel.identity.table import ISSUER_RULES, RULES
from gateway.kernel.identity.tokens import TokenRefused, TokenVerifier, Verified

__all__ = [
    "ISSUER_RULES",
    "RULES",
    "Access",
    "AccessError",
    "Callers",
    "DevelopmentIssuer",
    "KeySource",
    "Keys",
    "KeysError",
    "Reach",
    "RemoteKeys",
    "Rule",
    "TokenRefused",
    "TokenVerifier",
    "Verified",
    "VerifyingKey",
    "actor_of",
    "issuer_routes",
    "scope_of",
]
