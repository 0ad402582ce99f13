"""Many rows at once, written and looked for.

Rows of one shape are inserted with a statement that is made once from their table, and so is what prepares their
values: SQLAlchemy writes it, then it goes to the driver as it is. Measured: preparing every row anew through `insert()`
costs more than all the rest of a write.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Connection, Dialect, Table, insert

T = TypeVar("T")
Prepare = Callable[[Any], Any] | None


class Inserts(msgspec.Struct, frozen=True):
    """How rows with these columns are written: the driver's SQL, and for each value in its order the column's name
    and what makes it fit for the driver."""

    sql: str
    values: tuple[tuple[str, Prepare], ...]

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        """Return rows as the driver takes them."""
        values = self.values
        return [tuple(row[name] if prepare is None else prepare(row[name]) for name, prepare in values) for row in rows]


def padded(names: Sequence[T]) -> list[T]:
    """Return names to be looked for, the last one repeated until there is a power of two of them: statements for few
    lengths are prepared once and kept."""
    room = 1 << (len(names) - 1).bit_length() if names else 0
    return [*names, *(names[-1] for _ in range(room - len(names)))]


def insert_rows(connection: Connection, table: Table, columns: frozenset[str], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that all have the same columns. Raises IntegrityError as `connection.execute` does."""
    made = _made(table, columns, _Known(connection.dialect))
    connection.exec_driver_sql(made.sql, made.rows(rows))


class _Known:
    """A dialect that can be a key: dialects of one name write the same."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect: Final = dialect

    def __hash__(self) -> int:
        return hash(self.dialect.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and other.dialect.name == self.dialect.name


@lru_cache(512)
def _made(table: Table, columns: frozenset[str], known: _Known) -> Inserts:
    dialect = known.dialect
    compiled = insert(table).compile(dialect=dialect, column_keys=sorted(columns))
    names = compiled.positiontup
    assert names is not None, "drivers that name their parameters are not used here"
    assert set(names) == columns, f"{table.name} fills in columns by itself"
    return Inserts(compiled.string, tuple((name, _prepare(table, name, dialect)) for name in names))


def _prepare(table: Table, name: str, dialect: Dialect) -> Prepare:
    # A type of our own has an `impl` for each dialect too: without it SQLite gets whole seconds in another form.
    return table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
