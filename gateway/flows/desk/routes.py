"""Routes of the desk: for operators of an agency, and for coordinators over all of them."""

from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation

from gateway.flows.desk import queries, verb_routes
from gateway.flows.desk.answer import CLOSE, REPLY, Done, Officer
from gateway.flows.desk.bodies import (
    CloseBody,
    Deliveries,
    DeliveryView,
    Health,
    NoteBody,
    Queue,
    ReasonBody,
    ReplyBody,
    ResolveBody,
)
from gateway.flows.desk.move import Mover
from gateway.flows.desk.show import delivery_view, health, queue_item
from gateway.flows.desk.who import Desk, desk_of
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host
from gateway.kernel.ledger import Ledger
from gateway.model.delivery import DeliveryState
from gateway.model.principal import Actor, Principal, Scope
from gateway.model.problem import Problem
from gateway.model.status import Status

Limit = Annotated[int, QueryParameter(ge=1, le=200)]
Offset = Annotated[int, QueryParameter(ge=0, le=100_000)]
States = Annotated[list[DeliveryState] | None, QueryParameter(name="state")]
WAITS_FOR_A_PERSON = [DeliveryState.HELD, DeliveryState.DEAD, DeliveryState.UNSURE]


@get("/v1/desk/queue", summary="What waits for a person", tags=["desk"])
async def queue(
    ledger: NamedDependency[Ledger],
    host: NamedDependency[Host],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    limit: Limit = 50,
    offset: Offset = 0,
) -> Queue:
    """Return open cases that need someone: the desk's own first, then undelivered ones, then late ones."""
    desk, now = desk_of(principal, reach, actor), ledger.clock.now()
    rows = await ledger.read(queries.queue, desk.scope, desk.agency, now, limit + 1, offset)
    stuck = await ledger.read(queries.stuck_of, [row["id"] for row in rows])
    items = [queue_item(row, [one for one in stuck if one["case_id"] == row["id"]], host, now) for row in rows[:limit]]
    return Queue(items=items, more=len(rows) > limit)


@get("/v1/desk/deliveries", summary="What could not be delivered", tags=["desk"])
async def deliveries(
    ledger: NamedDependency[Ledger],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    wanted: States = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Deliveries:
    """Return deliveries with their cause and what can be done; without `state` those that wait for a person."""
    desk = desk_of(principal, reach, actor)
    states = [str(one) for one in wanted or WAITS_FOR_A_PERSON]
    rows = await ledger.read(queries.deliveries, desk.scope, desk.agency, states, limit + 1, offset)
    real = ledger.clock.real()
    return Deliveries(items=[delivery_view(row, ledger, real) for row in rows[:limit]], more=len(rows) > limit)


@get("/v1/desk/health", summary="How the apps are", tags=["desk"])
async def apps_health(
    ledger: NamedDependency[Ledger],
    host: NamedDependency[Host],
) -> Health:
    """Return, per app, how it is from here: worst first."""
    return health(await ledger.read(queries.health), host)


@post("/v1/desk/reports/{code:str}/reply", summary="Answer the reporter", tags=["desk"], status_code=200)
async def reply(
    ledger: NamedDependency[Ledger],
    host: NamedDependency[Host],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    code: FromPath[str],
    data: JSONBody[ReplyBody],
) -> Done:
    """Say something the reporter reads. A case of the gateway's desk goes on by it."""
    status = None if data.status is None else _status(data.status, REPLY, "status")
    desk = desk_of(principal, reach, actor)
    return await Officer(ledger, host, wake).reply(desk, code, data.case, data.text, status)


@post("/v1/desk/reports/{code:str}/note", summary="Keep a note", tags=["desk"], status_code=200)
async def note(
    ledger: NamedDependency[Ledger],
    host: NamedDependency[Host],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    code: FromPath[str],
    data: JSONBody[NoteBody],
) -> Done:
    """Keep a note that the reporter does not see."""
    desk = desk_of(principal, reach, actor)
    return await Officer(ledger, host, wake).note(desk, code, data.case, data.text)


@post("/v1/desk/reports/{code:str}/close", summary="End a case of the desk", tags=["desk"], status_code=200)
async def close(
    ledger: NamedDependency[Ledger],
    host: NamedDependency[Host],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    code: FromPath[str],
    data: JSONBody[CloseBody],
) -> Done:
    """End a case of the gateway's own desk. A case in an app ends in that app."""
    outcome = _status(data.outcome, CLOSE, "outcome")
    desk = desk_of(principal, reach, actor)
    return await Officer(ledger, host, wake).close(desk, code, data.case, outcome, data.text)


@post("/v1/desk/deliveries/{id:uuid}/replay", summary="Send again", tags=["desk"], status_code=200)
async def replay(
    ledger: NamedDependency[Ledger],
    host: NamedDependency[Host],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    id: FromPath[UUID],  # noqa: A002 - the path's own word
    data: JSONBody[ReasonBody],
) -> DeliveryView:
    """Queue a held or dead delivery again, under the same key."""
    desk = desk_of(principal, reach, actor)
    await Mover(ledger, host, wake).replay(desk, id, data.reason)
    return await _moved(ledger, desk, id)


@post("/v1/desk/deliveries/{id:uuid}/resolve", summary="Say that it arrived", tags=["desk"], status_code=200)
async def resolve(
    ledger: NamedDependency[Ledger],
    host: NamedDependency[Host],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    id: FromPath[UUID],  # noqa: A002 - the path's own word
    data: JSONBody[ResolveBody],
) -> DeliveryView:
    """Accept a held, dead or unsure delivery by hand, with the app's number as evidence."""
    desk = desk_of(principal, reach, actor)
    evidence = data.reference
    await Mover(ledger, host, wake).resolve(desk, id, evidence.kind, evidence.value, data.reason)
    return await _moved(ledger, desk, id)


@post("/v1/desk/deliveries/{id:uuid}/cancel", summary="Give it up", tags=["desk"], status_code=200)
async def cancel(
    ledger: NamedDependency[Ledger],
    host: NamedDependency[Host],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    id: FromPath[UUID],  # noqa: A002 - the path's own word
    data: JSONBody[ReasonBody],
) -> DeliveryView:
    """Give a delivery up; a report that never reached its app becomes a case of the gateway's desk."""
    desk = desk_of(principal, reach, actor)
    await Mover(ledger, host, wake).cancel(desk, id, data.reason)
    return await _moved(ledger, desk, id)


async def _moved(ledger: Ledger, desk: Desk, delivery_id: UUID) -> DeliveryView:
    row = await ledger.read(queries.delivery_shown, desk.scope, desk.agency, delivery_id)
    if row is None:
        raise Problem("not-found")
    return delivery_view(row, ledger, ledger.clock.real())


def _status(text: str, allowed: frozenset[Status], field: str) -> Status:
    if text not in allowed:
        raise Problem("not-one-of", pointer=f"/{field}", possible=", ".join(sorted(allowed)))
    return Status(text)


routes = [queue, deliveries, apps_health, reply, note, close, replay, resolve, cancel, *verb_routes.routes]
