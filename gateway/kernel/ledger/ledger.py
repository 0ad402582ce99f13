"""The one door to the data: acts in, rows out."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import IntegrityError

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.act import Act
from gateway.kernel.ledger.apply import Dropped, Stale, apply, apply_each, dropped
from gateway.kernel.ledger.engine import PostgresStore, Store, open_store
from gateway.kernel.ledger.keyring import Keyring, check_owner, load_keyring
from gateway.kernel.ledger.parts import Texter, Timekeeper
from gateway.kernel.ledger.queue import Claimed, claim, expire_leases
from gateway.kernel.ledger.together import Together
from gateway.kernel.ledger.vault import Vault
from gateway.kernel.ledger.writer import UNREACHABLE, Unavailable, Writer
from gateway.model.principal import GATEWAY, Actor
from gateway.sdk.clock import Clock
from gateway.sdk.entropy import Entropy

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")


class Ledger:
    """Commits acts and reads rows. Open with `Ledger.open`, close with `close`; or put it together and `start` it."""

    def __init__(self, store: Store, keyring: Keyring, clock: Clock, entropy: Entropy) -> None:
        self.clock, self.entropy, self.keyring = clock, entropy, keyring
        self.vault = Vault(keyring.kek, entropy.bytes)
        self.texter: Texter | None = None
        """Says notices in text messages; None: nobody is sent any."""
        self.timekeeper: Timekeeper | None = None
        """Tells which clocks stand still while a reporter is asked for something; None: none does."""
        self._store = store
        self._writer = Writer(self._group, store.flushers)
        self._together = Together(self.read)

    @classmethod
    async def open(cls, url: str, data: Path, clock: Clock, entropy: Entropy) -> "Ledger":
        """Open the ledger on a migrated database and its data folder.

        Refuses a server that may lose acknowledged commits (`Unsafe`) and a data folder that belongs to another
        database (`KeyringError`).
        """
        store = open_store(url)
        async with AsyncExitStack() as unless_opened:
            unless_opened.push_async_callback(store.close)
            if isinstance(store, PostgresStore):
                await store.check()
            keyring = load_keyring(data, entropy)
            owner = await store.read(instance_of)
            if owner is None:
                owner = await store.write(_claim_instance, keyring.instance, clock)
            check_owner(owner, keyring, data)
            unless_opened.pop_all()
        ledger = cls(store, keyring, clock, entropy)
        ledger.start()
        return ledger

    def start(self) -> None:
        """Begin to commit, on the running loop. `open` has done so; for a ledger that was put together by hand."""
        self._writer.start()

    async def close(self) -> None:
        """Commit what is queued and let go of the database."""
        await self._writer.close()
        await self._store.close()

    def act(self, actor: Actor, cause: str) -> Act:
        """Begin an act: add verbs to it, then `commit` it."""
        return Act(actor, cause, self.clock.now(), self.clock.real(), self.entropy, self.texter, self.timekeeper)

    async def commit(self, act: Act) -> None:
        """Return when the act is durable. Raises `Stale` or `Taken` if it was dropped, alone, with no trace;
        `Overloaded` or `Unavailable` if it was never taken up."""
        await self._writer.submit(act)

    async def decide(self, think: Callable[[], Awaitable[Act | None]], tries: int = 20) -> bool:
        """Read, think, commit; think again when something changed in between. False if there was nothing to do."""
        for _ in range(tries - 1):
            if (act := await think()) is None:
                return False
            try:
                await self.commit(act)
            except Stale:
                continue
            return True
        if (act := await think()) is None:
            return False
        await self.commit(act)
        return True

    async def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query function of a `queries.py`. Raises Unavailable if the database cannot be reached."""
        try:
            return await self._store.read(work, *args, **kwargs)
        except UNREACHABLE as fault:
            raise Unavailable(type(fault).__name__) from fault

    async def read_together(self, work: Callable[[Connection, Sequence[Item]], list[T]], item: Item) -> T:
        """Run a query function that finds something for each of many items, together with whoever asks it at the same
        time; return what it found for this item. Raises Unavailable if the database cannot be reached."""
        found: T = await self._together.load(work, item)
        return found

    async def fault(self) -> str | None:
        """Return what is wrong with the database in a word, None if it answers."""
        try:
            await self.read(_alive)
        except Unavailable as away:
            return str(away)
        return None

    async def claim(
        self, apps: Sequence[str], emergency: bool, limit: int, lease: timedelta, worker: str, *, fresh: bool = False
    ) -> list[Claimed]:
        """Take up queued deliveries that are due (see `queue.claim`). Raises Unavailable as `read` does."""
        if not apps:
            return []

        def take(connection: Connection) -> list[Claimed]:
            # Its act is made in here: a transaction that broke is begun again with a fresh one.
            act = self.act(GATEWAY, f"worker:{worker}")
            return claim(connection, act, apps, emergency, limit, lease, worker, fresh)

        try:
            return await self._store.write(take)
        except UNREACHABLE as fault:
            raise Unavailable(type(fault).__name__) from fault

    async def expire_leases(self) -> int:
        """End every lease (see `queue.expire_leases`); for the only process that works on this database."""
        return await self._store.write(expire_leases, self.clock.real())

    async def _group(self, acts: Sequence[Act]) -> list[Dropped | None]:
        """Commit acts: first all together; if any of them cannot be, nothing was done and each stands for itself."""
        try:
            await self._store.write(apply, acts)
        except (Stale, IntegrityError) as fault:
            return [dropped(fault)] if len(acts) == 1 else await self._store.write(apply_each, acts)
        return [None] * len(acts)


def instance_of(connection: Connection) -> str | None:
    """Return which data folder a database belongs to, None for a new one."""
    return connection.execute(select(t.instance.c.id)).scalar()


def _claim_instance(connection: Connection, name: str, clock: Clock) -> str:
    """Name a new database; of several first starts at once the first names it. Returns its name."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE instance IN SHARE ROW EXCLUSIVE MODE"))
    owner = instance_of(connection)
    if owner is None:
        connection.execute(insert(t.instance).values(id=name, created_at=clock.real()))
    return owner or name


def _alive(connection: Connection) -> None:
    connection.execute(select(1))
