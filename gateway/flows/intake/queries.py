"""Reads of the intake flow."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select

from gateway.kernel.ledger import tables as t
from gateway.model.file import FileState

Row = dict[str, Any]


def first_answer(connection: Connection, scope: str, key: str) -> Row | None:
    """Return the answer once given under an idempotency key, with its report's wrapped key."""
    found = connection.execute(
        select(t.idempotency, t.report.c.wrapped, t.report.c.kek, t.report.c.code)
        .join(t.report, t.report.c.id == t.idempotency.c.report_id)
        .where(t.idempotency.c.scope == scope, t.idempotency.c.key == key)
    )
    row = found.mappings().first()
    return None if row is None else dict(row)


def answer_of(connection: Connection, report_id: UUID) -> Row | None:
    """Return the first answer given for a report, whatever its key was."""
    found = connection.execute(
        select(t.idempotency, t.report.c.wrapped, t.report.c.kek, t.report.c.code)
        .join(t.report, t.report.c.id == t.idempotency.c.report_id)
        .where(t.idempotency.c.report_id == report_id)
        .order_by(t.idempotency.c.created_at)
        .limit(1)
    )
    row = found.mappings().first()
    return None if row is None else dict(row)


def by_client_ref(connection: Connection, owner: str, client_ref: str) -> UUID | None:
    """Return the report that a caller once filed under a name of his own."""
    found = connection.execute(
        select(t.report.c.id).where(t.report.c.owner == owner, t.report.c.client_ref == client_ref)
    )
    return found.scalar()


def files(connection: Connection, owner: str, ids: Sequence[UUID]) -> list[Row]:
    """Return uploads of a caller that are not yet part of a report."""
    found = connection.execute(
        select(t.attachment).where(
            t.attachment.c.owner == owner, t.attachment.c.id.in_(ids), t.attachment.c.state == FileState.UPLOAD
        )
    )
    return [dict(row) for row in found.mappings()]


def uploaded(connection: Connection, owner: str, since: datetime) -> int:
    """Return how many bytes a caller has uploaded since an instant without attaching them."""
    total = connection.execute(
        select(func.coalesce(func.sum(t.attachment.c.size), 0)).where(
            t.attachment.c.owner == owner,
            t.attachment.c.created_at >= since,
            t.attachment.c.state == FileState.UPLOAD,
        )
    )
    return int(total.scalar_one())
