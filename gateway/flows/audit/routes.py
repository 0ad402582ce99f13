"""Routes for auditors."""

from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from gateway.flows.audit.follow import Hit, find, trace
from gateway.flows.audit.trace import Trace
from gateway.kernel.ledger import Ledger
from gateway.model.principal import Actor, Scope


class Hits(msgspec.Struct, frozen=True, kw_only=True):
    """The reports that a number stands for, newest first."""

    items: list[Hit]


@get("/v1/audit/reports/{code:str}/trace", summary="The whole way of a report", tags=["audit"])
async def report_trace(
    ledger: NamedDependency[Ledger],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    code: FromPath[str],
) -> Trace:
    """Return every hop of a report in order, across apps and linked reports.

    `code` may be any number: ours, a 112 ticket, `kerusakan:45`, a delivery's key. The look is written down.
    """
    return await trace(ledger, actor, code, reach, cause="GET /v1/audit/reports/trace")


@get("/v1/audit/search", summary="Reports by any number", tags=["audit"])
async def search(
    ledger: NamedDependency[Ledger],
    reach: NamedDependency[Scope],
    actor: NamedDependency[Actor],
    q: Annotated[str, QueryParameter(min_length=1, max_length=120, description="code, app's number or key")],
) -> Hits:
    """Return the reports that a number stands for. The search is written down."""
    return Hits(items=await find(ledger, actor, q, reach, cause="GET /v1/audit/search"))


routes = [report_trace, search]
