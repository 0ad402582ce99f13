"""The second way to a report: its code and the secret that its reporter was given.

A wrong secret, an unknown code and a code that is none answer alike, and take the same steps.
"""

from typing import Final
from uuid import UUID

import msgspec

from gateway.flows.tracking import queries
from gateway.flows.tracking.queries import Known
from gateway.kernel.ledger import Ledger
from gateway.model.codes import parse_code
from gateway.model.principal import Principal, Scope
from gateway.model.problem import Problem

_NOBODY: Final = UUID(int=0)
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
    if secret is not None and await _fits(ledger, name, secret):
        scope, by_secret = Scope(code=name), True
    else:
        by_secret = False
    known = await ledger.read(queries.known, scope, name)
    if known is None:
        raise Problem("not-found")
    return Entered(known, scope, by_secret)


async def enter_by_secret(ledger: Ledger, code: str, secret: str) -> Entered:
    """Return a report for whoever holds its secret. Raises Problem `not-found` whatever the reason is."""
    name = parse_code(code) or _NO_CODE
    fits = await _fits(ledger, name, secret)
    scope = Scope(code=name) if fits else Scope()
    known = await ledger.read(queries.known, scope, name)
    if known is None:
        raise Problem("not-found")
    return Entered(known, scope, True)


async def _fits(ledger: Ledger, code: str, secret: str) -> bool:
    """Tell whether a secret opens a report: its own, or that of the report it was split off.

    For a report that is not there, or no part, the same work is done for nothing."""
    row = await ledger.read(queries.door, code) or {"id": None, "main_id": None}
    own, main = (
        ledger.keyring.secret_matches(row[f"{which}id"] or _NOBODY, row.get(f"{which}epoch") or 0, secret)
        and row[f"{which}id"] is not None
        for which in ("", "main_")
    )
    return own or main
