"""The second way to a report: its code and the secret that its reporter was given.

A wrong secret, an unknown code and a code that is none answer alike, and take the same steps.
"""

from typing import Final

import msgspec

from gateway.flows.tracking import queries
from gateway.flows.tracking.queries import Known
from gateway.kernel.ledger import Ledger
from gateway.kernel.ledger.door import opens
from gateway.model.codes import parse_code
from gateway.model.principal import Principal, Scope
from gateway.model.problem import Problem

_NO_CODE: Final = "BRU-0000-0000"


class Entered(msgspec.Struct, frozen=True):
    """A report somebody may see, under the scope that let him, and whether his secret did."""

    known: Known
    scope: Scope
    by_secret: bool


async def enter(ledger: Ledger, principal: Principal, scope: Scope, code: str, secret: str | None) -> Entered:
    """Return a report for a caller: with its secret as for its owner, else under the caller's own scope.

    Raises Problem `not-found` whatever the reason is.
    """
    name = parse_code(code) or _NO_CODE
    if secret is not None and await opens(ledger, name, secret):
        scope, by_secret = Scope(code=name), True
    else:
        by_secret = False
    known = await ledger.read_together(queries.known, (scope, name))
    if known is None:
        raise Problem("not-found")
    return Entered(known, scope, by_secret)


async def enter_by_secret(ledger: Ledger, code: str, secret: str) -> Entered:
    """Return a report for whoever holds its secret. Raises Problem `not-found` whatever the reason is."""
    name = parse_code(code) or _NO_CODE
    fits = await opens(ledger, name, secret)
    scope = Scope(code=name) if fits else Scope()
    known = await ledger.read_together(queries.known, (scope, name))
    if known is None:
        raise Problem("not-found")
    return Entered(known, scope, True)
