"""Applies acts inside a transaction: the only place that writes.

Written once, synchronously, over SQLAlchemy Core; the SQLite writer thread calls it directly, PostgreSQL through
`run_sync`. Several acts share one transaction; if one fails, they are applied anew, and it is dropped alone.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Table, Update, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.act import Act
from gateway.kernel.ledger.parts import PendingEntry
from gateway.kernel.ledger.rows import insert_rows, padded
from gateway.model.entry import VERSION, Entry, canonical, leaf_hash

ORDER: Final = [
    t.report,
    t.idempotency,
    t.cases,
    t.reference,
    t.event,
    t.delivery,
    t.timeline,
    t.link,
    t.ask,
    t.deadline,
    t.inbox,
    t.cursor,
    t.attachment,
    t.rating,
    t.sms,
    t.entry,
]
"""Order of inserts: parents before children, the same in every transaction."""


class Dropped(Exception):
    """The act was not done, and nothing of it was written."""


class Stale(Dropped):
    """A precondition no longer held: read again and think again."""


class Taken(Dropped):
    """A row with the same unique name exists already (`table` tells where)."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table


class Unfit(Dropped):
    """A row breaks another rule of its table (`table` tells which): a mistake of whoever made the act."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table


def apply(connection: Connection, acts: Sequence[Act]) -> None:
    """Apply acts in one transaction, all or none. Raises Stale, IntegrityError, and what the database raises."""
    _write(connection, sorted(acts, key=_sort_key))


def apply_each(connection: Connection, acts: Sequence[Act]) -> list[Dropped | None]:
    """Apply acts in one transaction, each behind a savepoint of its own, so that only the one at fault is dropped;
    return for each None, or why it was dropped. Raises for faults of the database itself."""
    results: dict[int, Dropped | None] = {}
    for index, act in sorted(enumerate(acts), key=lambda pair: _sort_key(pair[1])):
        results[index] = _alone(connection, act)
    return [results[index] for index in range(len(acts))]


def dropped(fault: Stale | IntegrityError) -> Dropped:
    """Return why the only act of a transaction was dropped."""
    if isinstance(fault, Stale):
        return fault
    return Taken(_table_of(fault)) if _is_second(fault) else Unfit(_table_of(fault))


def _alone(connection: Connection, act: Act) -> Dropped | None:
    point = connection.begin_nested()
    try:
        _write(connection, [act])
    except (Stale, IntegrityError) as fault:
        point.rollback()
        return dropped(fault)
    point.commit()
    return None


def _sort_key(act: Act) -> tuple[str, ...]:
    return tuple(sorted({pending.stream for pending in act.entries}))


def _is_second(clash: IntegrityError) -> bool:
    """Tell whether a unique name was the matter, and not a missing value or an unknown parent."""
    if (state := getattr(clash.orig, "sqlstate", None)) is not None:
        return bool(state == "23505")
    unique = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}
    return getattr(clash.orig, "sqlite_errorcode", None) in unique


def _table_of(clash: DBAPIError) -> str:
    text = str(clash.orig)
    named = [
        table.name
        for table in [*ORDER, t.stream]
        if f"{table.name}." in text or f'_{table.name}"' in text or f"_{table.name}_" in text
    ]
    return max(named, key=len) if named else "unknown"


def _write(connection: Connection, acts: Sequence[Act]) -> None:
    # Rows that go out together must name the same columns: the first one decides what the statement writes.
    rows: defaultdict[str, defaultdict[frozenset[str], list[dict[str, Any]]]]
    rows = defaultdict(lambda: defaultdict(list))
    heads = _advance(connection, acts)
    for act in acts:
        for table, values in act.inserts:
            rows[table.name][frozenset(values)].append(values)
        for pending in act.entries:
            heads[pending.stream] += 1
            row = _entry_row(act, pending, heads[pending.stream])
            rows[t.entry.name][frozenset(row)].append(row)
    for table in ORDER:
        for columns, batch in rows[table.name].items():
            insert_rows(connection, table, columns, batch)
    for act in acts:
        for change in act.changes:
            _change(connection, change.table, change.where, change.values)
    _insert_new(connection, t.document, [row for act in acts for row in act.announced])
    _upsert_tallies(connection, [row for act in acts for row in act.tallies])
    _upsert_alerts(connection, [row for act in acts for row in act.alerts])


def _advance(connection: Connection, acts: Iterable[Act]) -> dict[str, int]:
    """Move the heads of all streams in name order (which also takes the reports' locks); return the old heads."""
    counts: defaultdict[str, int] = defaultdict(int)
    fresh: set[str] = set()
    for act in acts:
        fresh |= act.new_streams
        for pending in act.entries:
            counts[pending.stream] += 1
    if fresh:
        insert_rows(connection, t.stream, _STREAM, [{"name": name, "head": counts[name]} for name in sorted(fresh)])
    known = sorted(counts.keys() - fresh)
    heads = dict.fromkeys(fresh, 0) | _locked(connection, known)
    if late := [name for name in known if name not in heads]:
        # Streams of apps, of the configuration and of accesses begin with their first entry.
        for name in late:
            connection.execute(_insert(connection, t.stream).on_conflict_do_nothing(), {"name": name, "head": 0})
        heads |= _locked(connection, late)
    if known:
        moved = [{"b_name": name, "b_head": heads[name] + counts[name]} for name in known]
        connection.execute(_ADVANCE, moved)
    return heads


_STREAM: Final = frozenset({"name", "head"})
_ADVANCE: Final = update(t.stream).where(t.stream.c.name == bindparam("b_name")).values(head=bindparam("b_head"))


def _locked(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """Return the heads of the streams that there are, each locked until the end, in name order."""
    if not names:
        return {}
    statement = (
        select(t.stream.c.name, t.stream.c.head).where(t.stream.c.name.in_(padded(names))).order_by(t.stream.c.name)
    )
    return {name: int(head) for name, head in connection.execute(statement.with_for_update())}


def _entry_row(act: Act, pending: PendingEntry, seq: int) -> dict[str, Any]:
    row_id = act.new_id()
    fields = {"actor": act.actor} | {name: value for name, value in pending.fields.items() if value is not None}
    body = canonical(
        Entry(
            v=VERSION,
            id=row_id.hex,
            stream=pending.stream,
            seq=seq,
            at=act.stamp,
            kind=pending.kind,
            cause=act.cause,
            **fields,
        )
    )
    return {
        "stream": pending.stream,
        "seq": seq,
        "id": row_id,
        "at": act.now,
        "kind": pending.kind,
        "body": body,
        "leaf": leaf_hash(body),
    }


def _change(connection: Connection, table: Table, where: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    shape = tuple((name, expected is None) for name, expected in where.items())
    given = {f"is_{name}": expected for name, expected in where.items() if expected is not None}
    given |= {f"set_{name}": value for name, value in values.items()}
    if connection.execute(_update(table, shape, tuple(values)), given).rowcount != 1:
        raise Stale(table.name)


@lru_cache(256)
def _update(table: Table, where: tuple[tuple[str, bool], ...], values: tuple[str, ...]) -> Update:
    """Return the update of rows where columns have the values `is_NAME` (or none), to the values `set_NAME`."""
    fits = [table.c[name].is_(None) if null else table.c[name] == bindparam(f"is_{name}") for name, null in where]
    return update(table).where(*fits).values({name: bindparam(f"set_{name}") for name in values})


def _insert(connection: Connection, table: Table) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def _insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that may be there already under their unique names; those stay as they are."""
    for row in rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), row)


def _upsert_tallies(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    for row in sorted(rows, key=lambda r: (r["app"], r["kind"], r["hour"])):
        statement = _insert(connection, t.tally).values(**row)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[t.tally.c.app, t.tally.c.kind, t.tally.c.hour],
                set_={"total": t.tally.c.total + statement.excluded.total},
            )
        )


def _upsert_alerts(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    for row in sorted(rows, key=lambda r: (r["kind"], r["subject"])):
        statement = _insert(connection, t.alert).values(**row)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[t.alert.c.kind, t.alert.c.subject],
                set_={
                    "times": t.alert.c.times + 1,
                    "last_at": statement.excluded.last_at,
                    "cleared_at": None,
                    "detail": statement.excluded.detail,
                },
            )
        )


def heads(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """Return the heads of streams (0 for one that has not begun)."""
    found = connection.execute(select(t.stream.c.name, t.stream.c.head).where(t.stream.c.name.in_(padded(names))))
    return dict.fromkeys(names, 0) | {name: int(head) for name, head in found}
