"""Rows that go to the driver as they are are the rows that SQLAlchemy would have written."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import create_engine, insert, select

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.rows import insert_rows

WHOLE = datetime(2026, 11, 30, 15, 59, 59, tzinfo=UTC)
"""A whole second: the end of a day in Barru."""


@pytest.mark.parametrize("by", [WHOLE, WHOLE + timedelta(microseconds=250)])
def test_an_instant_is_written_in_one_form(by: datetime) -> None:
    """Texts of two forms are neither equal nor in order: a deadline would not be found by its own value."""
    row: dict[str, Any] = {
        "report_id": UUID(int=1),
        "clock": "triage_3",
        "by": by,
        "until": "routed",
        "state": "running",
        "rule": "sla:triage_3",
    }
    with create_engine("sqlite://").begin() as connection:
        t.metadata.create_all(connection)
        insert_rows(connection, t.deadline, frozenset(row), [row])
        connection.execute(insert(t.deadline).values(row | {"clock": "other"}))
        raw = connection.exec_driver_sql("SELECT * FROM deadline").mappings().all()
        assert [{name: value for name, value in one.items() if name != "clock"} for one in raw[:1]] == [
            {name: value for name, value in one.items() if name != "clock"} for one in raw[1:]
        ]
        assert len(connection.execute(select(t.deadline).where(t.deadline.c.by == by)).all()) == 2
