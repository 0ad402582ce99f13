"""Routes of the desk for what crosses apps: refer, split, link, ask, assign."""

from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation

from gateway.flows.desk.ask import Asker
from gateway.flows.desk.bodies import (
    AskBody,
    Asked,
    AssignBody,
    Assigned,
    LinkBody,
    Linked,
    Parts,
    ReferBody,
    Referred,
    SplitBody,
)
from gateway.flows.desk.link import BY_HAND, Linker
from gateway.flows.desk.refer import Referrer
from gateway.flows.desk.split import Splitter
from gateway.flows.desk.who import desk_of
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host
from gateway.kernel.ledger import Ledger
from gateway.kernel.policy import Policy
from gateway.kernel.policy.opening import Opener
from gateway.model.link import LinkKind
from gateway.model.principal import Actor, Principal, Scope
from gateway.model.problem import Problem


@post("/v1/desk/reports/{code:str}/refer", summary="Refer it elsewhere", tags=["desk"], status_code=200)
async def refer(
    ledger: NamedDependency[Ledger],
    policy: NamedDependency[Policy],
    host: NamedDependency[Host],
    opener: NamedDependency[Opener],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    code: FromPath[str],
    data: JSONBody[ReferBody],
) -> Referred:
    """Open a case of the report in another app or at another agency; for an emergency service, an emergency."""
    if data.app is None and data.agency is None and data.service is None:
        raise Problem("missing-field", pointer="/app")
    desk = desk_of(principal, reach, actor)
    return await Referrer(ledger, policy, host, opener, wake).refer(desk, code, data)


@post("/v1/desk/reports/{code:str}/split", summary="Split it", tags=["desk"], status_code=200)
async def split(
    ledger: NamedDependency[Ledger],
    policy: NamedDependency[Policy],
    opener: NamedDependency[Opener],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    code: FromPath[str],
    data: JSONBody[SplitBody],
) -> Parts:
    """Make reports of their own of parts; what a part lacks is asked of the reporter."""
    desk = desk_of(principal, reach, actor)
    return await Splitter(ledger, policy, opener, wake).split(desk, code, data)


@post("/v1/desk/reports/{code:str}/link", summary="Link it to another", tags=["desk"], status_code=200)
async def link(
    ledger: NamedDependency[Ledger],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    code: FromPath[str],
    data: JSONBody[LinkBody],
) -> Linked:
    """Say that this report is a `kind` of another; a duplicate ends at the gateway's desks."""
    if data.kind not in BY_HAND:
        raise Problem("not-one-of", pointer="/kind", possible=", ".join(sorted(BY_HAND)))
    desk = desk_of(principal, reach, actor)
    return await Linker(ledger, wake).link(desk, code, LinkKind(data.kind), data)


@post("/v1/desk/reports/{code:str}/ask", summary="Ask the reporter", tags=["desk"], status_code=200)
async def ask(
    ledger: NamedDependency[Ledger],
    policy: NamedDependency[Policy],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    code: FromPath[str],
    data: JSONBody[AskBody],
) -> Asked:
    """Ask for fields or in words; the case waits until the reporter has answered."""
    desk = desk_of(principal, reach, actor)
    return await Asker(ledger, policy, wake).ask(desk, code, data)


@post("/v1/desk/reports/{code:str}/assign", summary="Say who works on it", tags=["desk"], status_code=200)
async def assign(
    ledger: NamedDependency[Ledger],
    policy: NamedDependency[Policy],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    code: FromPath[str],
    data: JSONBody[AssignBody],
) -> Assigned:
    """Give a case to an officer, or to another agency."""
    desk = desk_of(principal, reach, actor)
    return await Asker(ledger, policy, wake).assign(desk, principal, code, data)


routes = [refer, split, link, ask, assign]
