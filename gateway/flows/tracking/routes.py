"""Routes for those who follow a report: its reporter, with an account or with the secret, and agencies."""

from typing import Annotated

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter, SkipValidation
from litestar.response import ServerSentEvent

from gateway.flows.tracking import queries, rights_routes
from gateway.flows.tracking.bodies import MessageBody, Page, ReportView, Suggestion, TimelineRow
from gateway.flows.tracking.door import Entered, enter, enter_by_secret
from gateway.flows.tracking.eyes import Eyes, eyes_of, sees_notes
from gateway.flows.tracking.message import Messages
from gateway.flows.tracking.page import cursor_after, filters, read_cursor
from gateway.flows.tracking.show import Shower
from gateway.flows.tracking.stream import follow
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host
from gateway.kernel.ledger import Ledger
from gateway.kernel.policy import Policy
from gateway.model.principal import Actor, Principal, Scope
from gateway.model.problem import Problem
from gateway.model.status import Status

Secret = Annotated[str | None, HeaderParameter(name="X-Report-Secret", max_length=80, description="given with the 201")]
Cursor = Annotated[str | None, QueryParameter(max_length=200, description="`next` of the page before")]
Limit = Annotated[int, QueryParameter(ge=1, le=100)]
Number = Annotated[str | None, QueryParameter(max_length=120, description="a code, or an app's number")]


@get("/v1/reports", summary="Reports, newest first", tags=["reports"])
async def list_reports(
    ledger: NamedDependency[Ledger],
    policy: NamedDependency[Policy],
    host: NamedDependency[Host],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    language: NamedDependency[str],
    limit: Limit = 20,
    cursor: Cursor = None,
    service: FromQuery[str | None] = None,
    status: FromQuery[Status | None] = None,
    since: FromQuery[str | None] = None,
    q: Number = None,
) -> Page:
    """Return the caller's reports (a citizen's own, an agency's cases), newest first, by pages."""
    wanted = filters(service, status, since, q)
    after = read_cursor(cursor) if cursor is not None else None
    found = await ledger.read(queries.page, reach, wanted, after, limit + 1)
    shower = Shower(ledger, policy, host, language)
    items = [shower.report(known, eyes_of(principal, known.whole)) for known in found[:limit]]
    return Page(items=items, next=cursor_after(found[limit - 1]) if len(found) > limit else None)


@get("/v1/reports/{code:str}", summary="One report", tags=["reports"])
async def one_report(
    ledger: NamedDependency[Ledger],
    policy: NamedDependency[Policy],
    host: NamedDependency[Host],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    language: NamedDependency[str],
    code: FromPath[str],
    secret: Secret = None,
) -> ReportView:
    """Return a report as the caller may see it."""
    entered = await enter(ledger, principal, reach, code, secret)
    return _view(Shower(ledger, policy, host, language), principal, entered)


@get("/v1/track/{code:str}", summary="One report, with its secret", tags=["reports"])
async def track(
    ledger: NamedDependency[Ledger],
    policy: NamedDependency[Policy],
    host: NamedDependency[Host],
    principal: NamedDependency[Principal],
    language: NamedDependency[str],
    code: FromPath[str],
    secret: Secret = None,
) -> ReportView:
    """Return a report to whoever holds its secret, as its owner sees it."""
    entered = await enter_by_secret(ledger, code, secret or "")
    return _view(Shower(ledger, policy, host, language), principal, entered)


@get("/v1/reports/{code:str}/timeline", summary="What was told about a report", tags=["reports"])
async def report_timeline(
    ledger: NamedDependency[Ledger],
    policy: NamedDependency[Policy],
    host: NamedDependency[Host],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    language: NamedDependency[str],
    code: FromPath[str],
    secret: Secret = None,
) -> list[TimelineRow]:
    """Return what was told, oldest first; agencies that handle the report also see their notes."""
    entered = await enter(ledger, principal, reach, code, secret)
    whole = entered.known.whole
    eyes = eyes_of(principal, whole, entered.by_secret)
    rows = await ledger.read(queries.timeline, whole.id, sees_notes(eyes))
    return Shower(ledger, policy, host, language).timeline(whole, rows, eyes)


@post("/v1/reports/{code:str}/messages", summary="Add to a report", tags=["reports"])
async def add_message(
    ledger: NamedDependency[Ledger],
    policy: NamedDependency[Policy],
    host: NamedDependency[Host],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    language: NamedDependency[str],
    code: FromPath[str],
    data: JSONBody[MessageBody],
    secret: Secret = None,
    key: Annotated[str | None, HeaderParameter(name="Idempotency-Key", max_length=255)] = None,
) -> Response[bytes]:
    """Keep a later word of the reporter, and carry it to every app that can take it."""
    entered = await enter(ledger, principal, reach, code, secret)
    whole = entered.known.whole
    if eyes_of(principal, whole, entered.by_secret) is not Eyes.OWNER:
        raise Problem("forbidden")
    call = policy.notices.text("suggestion.call_112", language)

    def suggest(text: str) -> list[Suggestion]:
        return [Suggestion(service=service, text=call) for service in policy.suggest(text)]

    body = await Messages(ledger, policy, host, wake).take(
        principal, entered.scope, actor, whole.code, data, key, suggest
    )
    return Response(body, status_code=201, media_type="application/json")


@get("/v1/reports/{code:str}/stream", summary="A report, live", tags=["reports"])
async def report_stream(
    ledger: NamedDependency[Ledger],
    policy: NamedDependency[Policy],
    host: NamedDependency[Host],
    wake: NamedDependency[SkipValidation[Wake]],
    principal: NamedDependency[Principal],
    reach: NamedDependency[Scope],
    language: NamedDependency[str],
    code: FromPath[str],
    secret: Secret = None,
    last: Annotated[str | None, HeaderParameter(name="Last-Event-ID", max_length=64)] = None,
) -> ServerSentEvent:
    """Follow a report live (server-sent events `report` and `told`)."""
    await enter(ledger, principal, reach, code, secret)  # refused before the stream begins, not inside it
    shower = Shower(ledger, policy, host, language)
    return ServerSentEvent(follow(ledger, wake, shower, principal, reach, code, secret, last))


def _view(shower: Shower, principal: Principal, entered: Entered) -> ReportView:
    return shower.report(entered.known, eyes_of(principal, entered.known.whole, entered.by_secret))


routes = [list_reports, one_report, track, report_timeline, report_stream, add_message, *rights_routes.routes]
