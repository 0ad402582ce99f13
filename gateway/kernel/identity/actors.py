"""Who did something, as it stands in an entry: in what capacity, under what pseudonym. No personal data."""

import re
from collections.abc import Callable
from typing import Final

from gateway.model.principal import Actor, Principal, Role

ORDER: Final = (
    Role.AUDITOR,
    Role.COORDINATOR,
    Role.OPERATOR,
    Role.SERVICE,
    Role.ADMIN,
    Role.CITIZEN,
    Role.PUBLIC,
)
"""In which capacity somebody with several acts: the first of these that the route lets in."""

_PROGRAM: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")


def capacity(principal: Principal, allowed: frozenset[Role] = frozenset(Role)) -> Role:
    """Return the role a caller acts in, of those a route allows; `PUBLIC` if none of them (a secret let him in)."""
    acting = principal.roles & allowed
    return next((role for role in ORDER if role in acting), Role.PUBLIC)


def actor_of(principal: Principal, pseudonym_of: Callable[[str], str], role: Role | None = None) -> Actor:
    """Return the caller as an actor. `pseudonym_of` is the keyring's: keyed, so that nobody can try names.

    Programs with an account stand under their name, if it looks like a program's; everybody else under a
    pseudonym, also callers without account, since anything can be written into X-Client-Id.
    """
    acting = role or capacity(principal)
    named = acting is Role.SERVICE and _PROGRAM.fullmatch(principal.client) is not None
    return Actor(
        kind=str(acting),
        ref=principal.client if named else pseudonym_of(principal.key),
        org=principal.agency if acting in {Role.OPERATOR, Role.SERVICE} else None,
    )
