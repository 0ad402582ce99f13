"""The API put together: routes, access, errors; and the ways a process runs it.

This is one of the two places that catch everything (`last_resort`): a caller gets a number, the log what fell.
"""

from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from litestar import Litestar
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import ASGIApp

from gateway.flows.audit import routes as audit
from gateway.flows.desk import routes as desk
from gateway.flows.inbound import routes as inbound
from gateway.flows.intake import routes as intake
from gateway.flows.intake.files import Files
from gateway.flows.intake.follow import Following
from gateway.flows.tracking import routes as tracking
from gateway.house import House
from gateway.issuer import ISSUER, embedded_issuer
from gateway.kernel.coordination import open_counters
from gateway.kernel.edge.answers import HANDLERS, last_resort
from gateway.kernel.edge.body import JSON_LIMIT, StrictRequest
from gateway.kernel.edge.context import RequestContext
from gateway.kernel.edge.disk import Disk, Free, Reserve, free_in
from gateway.kernel.edge.door import Door, Room
from gateway.kernel.edge.health import Check, health_routes
from gateway.kernel.edge.language import language_of
from gateway.kernel.edge.limits import Limiter
from gateway.kernel.edge.turns import take_in_turn
from gateway.kernel.identity import (
    ISSUER_RULES,
    RULES,
    Access,
    Callers,
    KeySource,
    RemoteKeys,
    TokenVerifier,
    issuer_routes,
)
from gateway.sdk.clock import Clock, SystemClock
from gateway.sdk.errors import AppError
from gateway.sdk.http import Http
from gateway.sdk.manifest import Limits, Timeouts
from gateway.settings import Settings


def create_app(house: House, room: Room | None = None, free: Callable[[], Free] | None = None) -> ASGIApp:
    """Return the API over an open house. Raises AccessError if a route is not in the access table.

    `room` is how much it takes in at a time, `free` reads the file system of the data folder.
    """
    settings = house.settings
    disk = disk_of(settings, house.clock, free)
    issuer = None if settings.oidc_issuer else embedded_issuer(settings)
    source: KeySource = issuer.keys if issuer else RemoteKeys(str(settings.oidc_issuer), _fetch, house.clock)
    verifier = TokenVerifier(settings.oidc_issuer or ISSUER, settings.oidc_audience, source, house.clock)
    access = Access([*RULES, *(ISSUER_RULES if issuer else ())], Callers(verifier), house.ledger.keyring.pseudonym_of)
    limiter = Limiter(open_counters(settings.redis_url, house.clock))
    provided: dict[str, object] = {
        "ledger": house.ledger,
        "policy": house.policy,
        "host": house.host,
        "wake": house.wake,
        "intake": house.intake,
        "inbound": house.inbound,
        "opener": house.opener,
        "following": Following(house.ledger),
        "files": Files(house.ledger, house.blobs),
        "limiter": limiter,
    }
    app = Litestar(
        route_handlers=[
            *intake.routes,
            *tracking.routes,
            *desk.routes,
            *audit.routes,
            *inbound.routes,
            *health_routes(
                [
                    Check(name="database", run=house.ledger.fault),
                    Check(name="disk", run=disk.word, required=False),
                ],
                house.clock,
            ),
            *(issuer_routes(issuer) if issuer else ()),
        ],
        guards=[access.guard],
        dependencies=access.dependencies
        | {"language": Provide(language_of, sync_to_thread=False)}
        | {name: _given(value) for name, value in provided.items()},
        exception_handlers={**HANDLERS, Exception: last_resort},
        request_class=StrictRequest,
        request_max_body_size=JSON_LIMIT,
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="Barru citizen-services gateway",
            version="1",
            path="/schema",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        ),
    )
    access.verify_routes(app)
    take_in_turn(app)
    _ = app.openapi_schema  # made now: the first one who asks would otherwise hold up all others
    door = Door(app, room or Room(), disk, house.entropy)
    return RequestContext(door, house.clock, house.entropy, https_only=settings.production)


def disk_of(settings: Settings, clock: Clock, free: Callable[[], Free] | None = None) -> Disk:
    """Return the room where a process keeps its files (`GATEWAY_DATA`), with the reserves that are set for it."""
    reserve = Reserve(settings.megabytes("GATEWAY_DISK_FILES_MB"), settings.megabytes("GATEWAY_DISK_REPORTS_MB"))
    return Disk(free or free_in(settings.data), reserve, clock)


def _given(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


async def _fetch(url: str) -> bytes:
    """Return what an issuer publishes (its metadata and keys), through the one outgoing client."""
    parts = urlsplit(url)
    http = Http(f"{parts.scheme}://{parts.netloc}", clock=SystemClock(), limits=Limits(), timeouts=Timeouts(total=5.0))
    try:
        answer = await http.call(
            "GET", parts.path or "/", write=False, decode=bytes, query=dict(parse_qsl(parts.query))
        )
    except AppError as fault:
        raise OSError(fault.message) from None
    finally:
        await http.close()
    return answer.body
