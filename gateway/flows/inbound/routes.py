"""The route that apps call back."""

from typing import Any, Final

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.flows.inbound.receive import Inbound


class Taken(msgspec.Struct, frozen=True):
    """How many pieces of news were new."""

    new: int


LARGEST_HOOK: Final = 1024 * 1024
"""Bytes; what is larger an app must let us fetch."""


@post(
    "/hooks/{app:str}",
    summary="An app calls back",
    tags=["apps"],
    status_code=202,
    request_max_body_size=LARGEST_HOOK,
)
async def hook(request: Request[Any, Any, Any], inbound: NamedDependency[Inbound], app: FromPath[str]) -> Taken:
    """Take news from an app. 202 means that it is on disk; the app may forget it."""
    return Taken(await inbound.receive(app, dict(request.headers), await request.body()))


routes = [hook]
