"""What the tables are made of: their names, instants, and the columns that many of them have."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, DateTime, Dialect, ForeignKey, MetaData, TypeDecorator, Uuid


class Instant(TypeDecorator[datetime]):
    """An aware instant, stored in UTC; SQLite keeps it as text without zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store in UTC; refuse what has no zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        at = value.astimezone(UTC)
        return at.replace(tzinfo=None) if dialect.name == "sqlite" else at

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware instant in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""All tables; constraints are named by one rule, so that migrations can name them too."""


def id_column() -> Column[Any]:
    """Return the column of a row's own id."""
    return Column("id", Uuid(), primary_key=True)


def report_column(**more: Any) -> Column[Any]:
    """Return the column that names the report a row belongs to; `more` replaces what is usual of it."""
    return Column("report_id", Uuid(), ForeignKey("report.id"), **({"nullable": False} | more))
