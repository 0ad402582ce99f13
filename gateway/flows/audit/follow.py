"""Following a report for an auditor. Whoever looks leaves a trace too, written before anything is shown."""

from datetime import datetime
from typing import Final

import msgspec

from gateway.flows.audit import queries
from gateway.flows.audit.trace import Trace, assemble
from gateway.kernel.ledger import Dropped, Ledger
from gateway.kernel.ledger.reading import Row
from gateway.model.principal import Actor, Scope
from gateway.model.problem import Problem

STREAM: Final = "access"


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A report that a number stands for."""

    code: str
    service: str
    status: str
    agency: str
    created_at: datetime


async def trace(ledger: Ledger, actor: Actor, name: str, scope: Scope, cause: str = "audit") -> Trace:
    """Return the trace of the report that a code, an app's number or a delivery's key names.

    The look is an entry on the stream `access`, durable before this returns; if it cannot be written,
    nothing is shown. Raises Problem `not-found` if no report of the scope has the name, `ambiguous-name` if
    several have it, `unavailable` if the look could not be written (so do Overloaded and Unavailable).
    """
    rows = await ledger.read(queries.named, scope, name)
    if len(rows) != 1:
        await _log(ledger, actor, cause, "access.search", name, rows)
        if not rows:
            raise Problem("not-found")
        raise Problem("ambiguous-name", codes=", ".join(row["code"] for row in rows))
    found, truncated = await ledger.read(queries.walk, scope, rows[0]["id"])
    document = assemble(found, truncated)
    await _write(ledger, actor, cause, "access.trace", {"code": document.report.code, "reports": len(document.reports)})
    return document


async def find(ledger: Ledger, actor: Actor, name: str, scope: Scope, cause: str = "audit") -> list[Hit]:
    """Return the reports that a name stands for, newest first; the search is an entry as well."""
    rows = await ledger.read(queries.named, scope, name)
    await _log(ledger, actor, cause, "access.search", name, rows)
    return [
        Hit(
            code=row["code"],
            service=row["service"],
            status=row["status"],
            agency=row["agency"],
            created_at=row["received_at"],
        )
        for row in rows
    ]


async def _log(ledger: Ledger, actor: Actor, cause: str, kind: str, name: str, rows: list[Row]) -> None:
    """Write down a search: what was typed may be anything, so only its keyed pseudonym is kept."""
    query = ledger.keyring.pseudonym_of(name.strip())
    facts: dict[str, str | int | bool] = {"query": query, "found": len(rows)}
    if len(rows) == 1:
        facts["code"] = rows[0]["code"]
    await _write(ledger, actor, cause, kind, facts)


async def _write(ledger: Ledger, actor: Actor, cause: str, kind: str, facts: dict[str, str | int | bool]) -> None:
    act = ledger.act(actor, cause)
    act.record(STREAM, kind, facts=facts)
    try:
        await ledger.commit(act)
    except Dropped as dropped:
        raise Problem("unavailable") from dropped
