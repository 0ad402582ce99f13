"""Reads of the dry run: the last reports, and where each was sent first."""

from sqlalchemy import Connection, and_, select

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.reading import Row
from gateway.kernel.ledger.scope import visible
from gateway.model.principal import Scope


def last(connection: Connection, scope: Scope, count: int) -> list[Row]:
    """Return the last reports, newest first: their rows, and of the first case `sent_to`, `sent_as` and `sent_why`."""
    first = and_(t.cases.c.report_id == t.report.c.id, t.cases.c.number == 1)
    found = connection.execute(
        select(
            t.report,
            t.cases.c.app.label("sent_to"),
            t.cases.c.profile.label("sent_as"),
            t.cases.c.reason.label("sent_why"),
        )
        .join(t.cases, first, isouter=True)
        .where(visible(scope))
        .order_by(t.report.c.received_at.desc(), t.report.c.code)
        .limit(count)
    )
    return [dict(row) for row in found.mappings()]
