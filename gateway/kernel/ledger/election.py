"""Leader election: of all processes that could do something, one does.

What is to be had are *seats*, in groups: the loops of an app that one process runs, the parts of its limits. On
PostgreSQL a seat is a session advisory lock, so that a seat without its holder cannot exist: it is free as soon as the
holder's connection is. A holder says every second that it lives; a frozen one is thrown out by the server, and stops
by itself before that. On SQLite the only process has all seats.

A seat keeps work from being done twice. It does not make it safe to do twice for a moment: that is done by the
preconditions of every act.
"""

import asyncio
import hashlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import ARRAY, BigInteger, Connection, TextClause, bindparam, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from gateway.kernel.ledger.engine import PostgresStore
from gateway.kernel.ledger.writer import UNREACHABLE, Unavailable

BEAT_S: Final = 1.0
"""Seconds between two signs of life."""
LAPSE_S: Final = 3.0
"""Seconds after which a holder that could not say that it lives stops by itself."""
THROWN_OUT_S: Final = 5
"""Seconds after which the server ends the session of a holder that says nothing: more than `LAPSE_S`, so that it has
stopped before another begins."""

_PREFIX: Final = "gateway:"

Seat = tuple[str, int]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What this process has: `held` until the moment `until` (seconds of the event loop's clock), unless it shows
    life again. `taken` it did not have before, and another may have; `wanted` others are to have: give them up."""

    held: frozenset[Seat]
    until: float
    taken: frozenset[Seat] = frozenset()
    wanted: frozenset[Seat] = frozenset()


class Election(Protocol):
    """Hands out seats among all processes on one database."""

    async def beat(self, groups: Mapping[str, int]) -> Standing:
        """Show life, for so many seats in each group, and take what falls to this process.

        Raises Unavailable if the database cannot be reached; then nothing is held any more.
        """

    async def release(self, seats: Collection[Seat]) -> None:
        """Give seats up; what they were held for must have ended. Raises Unavailable, with the same consequence."""

    async def close(self) -> None:
        """Give everything up."""


class LocalElection:
    """Gives everything to the only process there is."""

    async def beat(self, groups: Mapping[str, int]) -> Standing:
        """See `Election.beat`."""
        seats = frozenset((group, index) for group, count in groups.items() for index in range(count))
        return Standing(held=seats, until=float("inf"))

    async def release(self, seats: Collection[Seat]) -> None:
        """See `Election.release`."""

    async def close(self) -> None:
        """See `Election.close`."""


class PostgresElection:
    """Seats as advisory locks of one dedicated session; its candidates are known by locks that they share.

    Needs a session of its own on the server: PostgreSQL directly, or a pooler that keeps sessions.
    """

    def __init__(self, url: str, name: str) -> None:
        """`name` tells operators whose session it is (`pg_stat_activity.application_name`)."""
        settings = {
            "application_name": f"{_PREFIX}{name}"[:63],
            "idle_session_timeout": f"{THROWN_OUT_S}s",
            "synchronous_commit": "off",  # nothing is written
        }
        self._engine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"server_settings": settings, "timeout": LAPSE_S, "command_timeout": LAPSE_S},
        )
        self._session: AsyncConnection | None = None
        self._stands: set[str] = set()
        self._held: set[Seat] = set()

    async def beat(self, groups: Mapping[str, int]) -> Standing:
        """See `Election.beat`."""
        began = asyncio.get_running_loop().time()
        before = frozenset(self._held)
        try:
            async with asyncio.timeout(LAPSE_S):
                if self._session is None:
                    self._session = await self._engine.connect()
                alone, wanted = await self._session.run_sync(self._sit, groups)
        except (*UNREACHABLE, DBAPIError) as fault:
            await self._lose()
            raise Unavailable(type(fault).__name__) from fault
        held = frozenset(self._held)
        taken = frozenset[Seat]() if alone else held - before
        return Standing(held=held, until=began + LAPSE_S, taken=taken, wanted=wanted)

    async def release(self, seats: Collection[Seat]) -> None:
        """See `Election.release`."""
        mine = self._held.intersection(seats)
        if self._session is None or not mine:
            return
        try:
            async with asyncio.timeout(LAPSE_S):
                await self._session.run_sync(_unlock, [_key(*seat) for seat in mine])
        except (*UNREACHABLE, DBAPIError) as fault:
            await self._lose()
            raise Unavailable(type(fault).__name__) from fault
        self._held -= mine

    async def close(self) -> None:
        """See `Election.close`."""
        await self._lose()
        await self._engine.dispose()

    async def _lose(self) -> None:
        session, self._session = self._session, None
        self._held.clear()
        self._stands.clear()
        if session is not None:
            # Ended rather than returned: with the session go its locks. One that answers no more is left to the server.
            with suppress(*UNREACHABLE, DBAPIError):
                async with asyncio.timeout(LAPSE_S):
                    await session.invalidate()
                    await session.close()

    def _sit(self, connection: Connection, groups: Mapping[str, int]) -> tuple[bool, frozenset[Seat]]:
        """Stand for the groups, take what falls to us; return whether nobody else stands, and what others are to have.

        What we hold and no longer fall to others' candidates keep until we let go of it: whoever it falls to waits.
        """
        if entered := groups.keys() - self._stands:
            connection.execute(_STAND, {"keys": [_key(group) for group in sorted(entered)]})
            self._stands |= entered
        me = int(connection.execute(_ME).scalar_one())
        standing: dict[int, set[int]] = {}
        for high, low, candidate in connection.execute(_CANDIDATES):
            standing.setdefault(_signed(high << 32 | low), set()).add(candidate)
        mine: set[Seat] = set()
        alone = True
        for group, count in groups.items():
            candidates = standing.get(_key(group), set()) | {me}
            alone = alone and candidates == {me}
            ranked = ranking(group, candidates)
            mine |= {(group, index) for index in range(count) if ranked[index % len(ranked)] == me}
        free = sorted(mine - self._held)
        if free:
            by_key = {_key(*seat): seat for seat in free}
            found = connection.execute(_TAKE, {"keys": list(by_key)})
            self._held |= {by_key[key] for key, got in found if got}
        return alone, frozenset(self._held - mine)


def ranking(group: str, candidates: Collection[int]) -> list[int]:
    """Return candidates in the order in which the seats of a group fall to them: the same for all who ask, another in
    each group. Seat 0 falls to the first, seat 1 to the second, and around again."""
    return sorted(candidates, key=lambda one: hashlib.blake2b(f"{group}:{one}".encode(), digest_size=8).digest())


def open_election(url: str, name: str) -> Election:
    """Return the election of a database, for a candidate of this name; nothing is connected yet."""
    return LocalElection() if make_url(url).get_backend_name() == "sqlite" else PostgresElection(url, name)


async def workers(url: str) -> list[str]:
    """Return the names of those who stand for election on a PostgreSQL database at this moment (`host:process`).

    Raises Unavailable if it cannot be asked.
    """
    store = PostgresStore(url)
    try:
        return await store.read(_workers)
    except UNREACHABLE as fault:
        raise Unavailable(type(fault).__name__) from fault
    finally:
        await store.close()


def _workers(connection: Connection) -> list[str]:
    found = connection.execute(_NAMES, {"prefix": _PREFIX + "%"})
    return [name.removeprefix(_PREFIX) for name in found.scalars()]


def _key(group: str, index: int | None = None) -> int:
    """Return the advisory lock of a seat, or the one that all candidates of a group share."""
    name = f"gateway:seat:{group}" if index is None else f"gateway:seat:{group}:{index}"
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)


def _signed(key: int) -> int:
    return key - (1 << 64) if key >= 1 << 63 else key


def _unlock(connection: Connection, keys: list[int]) -> None:
    connection.execute(_GIVE, {"keys": keys})


def _over_keys(function: str) -> TextClause:
    statement = text(f"SELECT k, {function}(k) FROM unnest(CAST(:keys AS bigint[])) AS k")  # noqa: S608 - our own names
    return statement.bindparams(bindparam("keys", type_=ARRAY(BigInteger)))


_TAKE: Final = _over_keys("pg_try_advisory_lock")
_GIVE: Final = _over_keys("pg_advisory_unlock")
_STAND: Final = _over_keys("pg_advisory_lock_shared")
_ME: Final = text("SELECT pg_backend_pid()")
_NAMES: Final = text(
    "SELECT application_name FROM pg_stat_activity"
    " WHERE application_name LIKE :prefix AND datname = current_database() ORDER BY 1"
)
_CANDIDATES: Final[Any] = text(
    "SELECT CAST(classid AS bigint), CAST(objid AS bigint), pid FROM pg_locks WHERE locktype = 'advisory'"
    " AND mode = 'ShareLock' AND granted AND objsubid = 1"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""Who stands for what; a lock over a whole number shows as its upper and lower half."""
