"""Which desk a caller stands at. The access table has let him in; this says for whom he may act."""

import msgspec

from gateway.model.principal import Actor, Principal, Role, Scope
from gateway.model.problem import Problem


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """A caller at a desk: `agency` is whose cases he works (None: everybody's), `by` in whose name he speaks."""

    scope: Scope
    actor: Actor
    agency: str | None
    by: str


def desk_of(principal: Principal, scope: Scope, actor: Actor) -> Desk:
    """Return the desk a caller stands at: coordinators all desks, operators their agency's."""
    if principal.has(Role.COORDINATOR, Role.ADMIN):
        return Desk(scope=scope, actor=actor, agency=None, by=principal.agency or "gateway")
    if principal.agency is None:
        raise Problem("operator-without-agency")
    return Desk(scope=scope, actor=actor, agency=principal.agency, by=principal.agency)
