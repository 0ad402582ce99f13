"""Reads of the notify flow (the gateway's own work: no caller's scope applies)."""

from datetime import datetime

from sqlalchemy import Connection, select

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.reading import Row


def due(connection: Connection, real: datetime, limit: int) -> list[Row]:
    """Return text messages that are due, the oldest first, each with its report's code and wrapped key."""
    found = connection.execute(
        select(t.sms, t.report.c.code, t.report.c.kek, t.report.c.wrapped)
        .join(t.report, t.report.c.id == t.sms.c.report_id)
        .where(t.sms.c.state == "queued", t.sms.c.due_at <= real)
        .order_by(t.sms.c.due_at, t.sms.c.id)
        .limit(limit)
    )
    return [dict(row) for row in found.mappings()]
