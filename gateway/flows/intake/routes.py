"""Routes of phones: the catalogue, the territory, reports and their files."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter

from gateway.flows.intake.accept import Intake, fingerprint
from gateway.flows.intake.bodies import Accepted, ReportBody, Uploaded
from gateway.flows.intake.catalogue import Catalogue, Places, ServiceView
from gateway.flows.intake.check import Checker
from gateway.flows.intake.files import LIMIT, Files
from gateway.flows.intake.follow import Following
from gateway.flows.intake.keys import hard_to_guess, read_key
from gateway.kernel.edge.limits import Limiter
from gateway.kernel.ledger import Ledger
from gateway.kernel.policy import Policy
from gateway.model.principal import Actor, Principal
from gateway.model.problem import Fault, Problem, refused

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(name="Idempotency-Key", description="the client's own name for this request, e.g. a UUID"),
]
Secret = Annotated[str | None, HeaderParameter(name="X-Report-Secret", max_length=80)]


@get("/v1/services", summary="What can be reported", tags=["catalogue"])
async def list_services(policy: NamedDependency[Policy], language: NamedDependency[str]) -> Catalogue:
    """Return all active services with their groups and forms, in one call."""
    return Catalogue.of(policy, language)


@get("/v1/services/{code:str}", summary="One service and its form", tags=["catalogue"])
async def one_service(
    policy: NamedDependency[Policy], language: NamedDependency[str], code: FromPath[str]
) -> ServiceView:
    """Return a service; its `form` is JSON Schema."""
    service = policy.services.get(code)
    if service is None:
        raise Problem("not-found")
    return ServiceView.of(service, policy, language)


@get("/v1/territory", summary="Villages and districts", tags=["catalogue"])
async def territory(
    policy: NamedDependency[Policy],
    lat: FromQuery[float | None] = None,
    lon: FromQuery[float | None] = None,
    name: Annotated[str | None, QueryParameter(max_length=100)] = None,
) -> Places:
    """Return the whole territory, or ranked candidates for a point or a name. Choosing is a person's."""
    return Places.of(policy.gazetteer, lat, lon, name)


@post(
    "/v1/reports",
    summary="File a report",
    tags=["reports"],
    responses={201: ResponseSpec(data_container=Accepted, description="durable; keep code and secret")},
)
async def file_report(
    request: Request[Any, Any, Any],
    data: JSONBody[ReportBody],
    ledger: NamedDependency[Ledger],
    policy: NamedDependency[Policy],
    intake: NamedDependency[Intake],
    following: NamedDependency[Following],
    files: NamedDependency[Files],
    limiter: NamedDependency[Limiter],
    principal: NamedDependency[Principal],
    actor: NamedDependency[Actor],
    language: NamedDependency[str],
    idempotency_key: IdempotencyKey = None,
    secret: Secret = None,
) -> Response[bytes]:
    """Take a report in, exactly once per `Idempotency-Key`. 201 means that it is on disk."""
    key = read_key(idempotency_key, principal)
    digest = fingerprint(data)
    try:
        if data.client_ref is not None and not principal.account and not hard_to_guess(data.client_ref):
            raise refused([Fault(code="idempotency-key-weak", pointer="/client_ref")])
        draft = Checker(policy).draft(data, ledger.clock.now())
        followed = await following.find(principal, data.follow_up_to, secret) if data.follow_up_to else None
        service = policy.services[draft.service]
        chosen = await files.chosen(principal, data.attachments, service, data.attributes)
        calm = await limiter.take(request, principal, emergency=service.emergency)
        answer = await intake.accept(principal, actor, key, digest, draft, language, followed, chosen, suspect=not calm)
    except Problem:
        # What was once accepted is answered as it was, also where the same request would be refused by now:
        # its files are part of the report, its time has become too old, the caller has written too often.
        repeated = await intake.repeated(principal, key, digest, data.client_ref)
        if repeated is None:
            raise
        answer = repeated
    headers = {"Idempotency-Replayed": "true"} if answer.replayed else {}
    code = msgspec.json.decode(answer.body, type=_Code).code
    headers["Location"] = f"/v1/reports/{code}"
    return Response(answer.body, status_code=answer.status, media_type="application/json", headers=headers)


@post(
    "/v1/attachments",
    summary="Upload a file for a report",
    tags=["reports"],
    request_max_body_size=LIMIT + 1,
)
async def upload(
    request: Request[Any, Any, Any],
    files: NamedDependency[Files],
    limiter: NamedDependency[Limiter],
    principal: NamedDependency[Principal],
) -> Uploaded:
    """Take one file (the raw bytes, with their `Content-Type`); name its id in a report's `attachments`."""
    await limiter.take(request, principal)
    return await files.take(principal, request.headers.get("content-type", ""), await request.body())


class _Code(msgspec.Struct):
    code: str


routes = [list_services, one_service, territory, file_report, upload]
