"""Many processes on one PostgreSQL: `gateway serve` and `gateway work` as real processes, between them and the apps
the fault proxies of a town, and clients that repeat what they were not answered."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from sqlalchemy import make_url

from gateway.demo.processes import Child, start
from gateway.issuer import development_token
from gateway.kernel.ledger import migrate
from gateway.kernel.ledger.election import _key
from tests import processes
from tests.faults.town import BOTH, QUICK, Manifest, Row, Town, town
from tests.journeys.stage import DAMAGE, FLOOD
from tests.processes import first_answer
from tests.servers import STARTUP_MESSAGE, Postgres, server_user

PATIENCE_S = 60.0
"""Seconds after which what does not come about is a failure; nothing is judged by how long it took."""
OURS = (503, 429)
"""What a door may answer that has not taken a report: come again."""
BODIES: Mapping[str, Mapping[str, Any]] = {"cc112": FLOOD, "sigapdes": DAMAGE}


async def until(look: Callable[[], Awaitable[Any]], what: str = "it") -> Any:
    """Wait until `look` returns something true, and return it."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not (seen := await look()):
        assert asyncio.get_running_loop().time() < deadline, f"{what} did not come about"
        await asyncio.sleep(0.05)
    return seen


class MortalPostgres:
    """A PostgreSQL server that is shut down as a power cut would, and started again on its own data."""

    def __init__(self, server: Postgres) -> None:
        assert server.child is not None, "a server that is not ours is not shut down"
        self.server, self._child = server, server.child
        self._process = server.child.process

    def die(self) -> None:
        """Shut it down at once: nothing is written any more, nobody is told."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Hold the whole server still: connections stand, and nobody answers."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        everyone = [pid, *map(int, children)]
        for one in everyone:
            os.kill(one, signal.SIGSTOP)
        try:
            yield
        finally:
            for one in everyone:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGCONT)

    def live(self) -> None:
        """Start it again; returns when it answers, be it that it is still recovering."""
        command = self._process.args
        assert isinstance(command, list)
        with self._child.log.open("ab") as out:
            self._process = processes.start(command, out, self._child.folder, server_user(), signal.SIGQUIT)
        processes.await_port(
            self._process, self._child.port, self._child.log, lambda port: first_answer(port, STARTUP_MESSAGE) != b""
        )

    def end(self) -> None:
        """End what was started here; the first process is its maker's."""
        if self._process is not self._child.process:
            processes.stop(self._process, signal.SIGQUIT)


class Client:
    """Files reports at any of several doors, each under a key of its own, until it is answered. Keeps the answers."""

    def __init__(self, session: aiohttp.ClientSession, doors: Callable[[], Sequence[str]], token: str) -> None:
        self._session, self._doors, self._token = session, doors, token
        self.acked: dict[str, dict[str, str]] = {"cc112": {}, "sigapdes": {}}
        self.refused: Counter[str] = Counter()
        self.unhinted = 0
        self.tries = 0

    async def file(self, app: str, *, account: bool = True) -> str:
        """File a report for an app; return its code. Anything but an answer or a plea for patience is a failure.

        Without an account it is counted at the door.
        """
        headers = {"Idempotency-Key": os.urandom(16).hex()}
        if account:
            headers["Authorization"] = f"Bearer {self._token}"
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            self.tries += 1
            doors = self._doors()
            door = doors[self.tries % len(doors)]
            try:
                async with self._session.post(f"{door}/v1/reports", json=BODIES[app], headers=headers) as answer:
                    body = await answer.json(content_type=None)
                    if answer.status == 201:
                        self.acked[app][headers["Idempotency-Key"]] = body["code"]
                        return str(body["code"])
                    assert answer.status in OURS, (answer.status, body)
                    self.refused[str(answer.status)] += 1
                    self.unhinted += "Retry-After" not in answer.headers
            except (aiohttp.ClientConnectionError, ConnectionError) as fault:
                self.refused[type(fault).__name__] += 1
            assert asyncio.get_running_loop().time() < deadline, self.refused
            await asyncio.sleep(0.1)

    async def load(self, stop: asyncio.Event, pause_s: float = 0.2, senders: int = 2) -> None:
        """File reports to both apps until told to stop; every one that was begun is seen through."""

        async def sender(number: int) -> None:
            count = number
            while not stop.is_set():
                await self.file(BOTH[count % 2])
                count += 1
                await asyncio.sleep(pause_s)

        await asyncio.gather(*(sender(number) for number in range(senders)))


class Sleeper:
    """A process that is held still from now on, until it is woken."""

    def __init__(self, child: Child) -> None:
        self._held = contextlib.ExitStack()
        self._held.enter_context(child.held())

    def wake(self) -> None:
        """Let it go on."""
        self._held.close()


class Fleet:
    """The processes of one gateway, and what an onlooker sees of it: its database and its apps' records."""

    def __init__(self, place: Town, url: str, session: aiohttp.ClientSession, redis_url: str | None) -> None:
        self.town, self._session = place, session
        self.settings = place.settings(url, **({"GATEWAY_REDIS_URL": redis_url} if redis_url else {}))
        self._dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self.apis: dict[str, Child] = {}
        self.workers: list[Child] = []
        self._number = 0
        self.token = development_token(self.settings, "warga-1", ["citizen"], None, timedelta(hours=1))
        self.client = Client(session, lambda: list(self.apis), self.token)

    async def serve(self) -> str:
        """Start an API; return its address once it is ready."""
        port = processes.free_port()
        child = await self._start("serve", "--port", str(port))
        url = f"http://127.0.0.1:{port}"

        async def ready() -> bool:
            assert not child.ended, child.last_words(40)
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with self._session.get(f"{url}/readyz") as answer:
                    return answer.status == 200
            return False

        await until(ready, f"{child.name}")
        self.apis[url] = child
        self.town.back.target = next(iter(self.apis))
        return url

    async def work(self, *bugs: str) -> Child:
        """Start a worker, by a program of the tests' own if bugs are to be planted in it."""
        child = await self._start("work", bugs=bugs)
        self.workers.append(child)
        return child

    async def _start(self, *command: str, bugs: Sequence[str] = ()) -> Child:
        self._number += 1
        program = ["-m", "tests.faults.many_bugs", *bugs, "--"] if bugs else ["-m", "gateway"]
        environ = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")}
        environ |= dict(self.settings.environ)
        name = f"{command[0]}-{self._number}"
        folder = self.town.folder
        return await start(name, [sys.executable, *program, *command], environ, folder, Path.cwd())

    @asynccontextmanager
    async def follows(self, url: str, code: str) -> AsyncIterator[aiohttp.StreamReader]:
        """Follow a report live at one of the APIs, as its owner."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self._session.get(f"{url}/v1/reports/{code}/stream", headers=headers) as answer:
            assert answer.status == 200
            yield answer.content

    async def drop(self, url: str) -> None:
        """Ask an API to end; wait until it has."""
        child = self.apis.pop(url)
        self.town.back.target = next(iter(self.apis), None)
        await child.stop()
        assert child.how == "exit status 0", child.last_words(40)

    async def rest(self, child: Child) -> None:
        """Ask a worker to end; wait until it has."""
        self.workers.remove(child)
        await child.stop()
        assert child.how == "exit status 0", child.last_words(40)

    async def kill(self, child: Child) -> None:
        """End a worker by kill -9."""
        self.workers.remove(child)
        os.kill(child.pid, signal.SIGKILL)
        await child.stop()
        assert child.how == "SIGKILL"

    async def hurry(self, child: Child) -> None:
        """Let the leases of a worker end now: what a test need not wait for."""
        await self.rows("UPDATE delivery SET lease_until = now() WHERE worker LIKE $1", f"%:{child.pid}")

    async def throw_out(self, child: Child) -> None:
        """End a worker's seats now, as the server does after some seconds of silence: also not waited for."""
        await self.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE $1", f"%:{child.pid}"
        )

    async def close(self) -> None:
        """End everything."""
        for child in (*self.workers, *self.apis.values()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGCONT)
            await child.stop()

    # -- what an onlooker sees ----------------------------------------------------------------------------------

    async def rows(self, statement: str, *values: object) -> list[Row]:
        """Run a statement; return its rows."""
        connection = await asyncpg.connect(self._dsn)
        try:
            return [dict(row) for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()

    async def holder(self, group: str, index: int = 0) -> Child | None:
        """Return the worker that has a seat."""
        key = _key(group, index) & (2**64 - 1)
        rows = await self.rows(
            "SELECT application_name AS name FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND objsubid = 1"
            " AND classid::bigint = $1 AND objid::bigint = $2",
            key >> 32,
            key & 0xFFFFFFFF,
        )
        assert len(rows) < 2, "two hold one seat"
        return next((one for row in rows for one in self.workers if row["name"].endswith(f":{one.pid}")), None)

    async def seated(self, *groups: str) -> dict[str, Child]:
        """Wait until somebody has the first seat of each group; return who."""

        async def look() -> dict[str, Child] | None:
            found = {group: await self.holder(group) for group in groups}
            return {group: one for group, one in found.items() if one} if all(found.values()) else None

        seen: dict[str, Child] = await until(look, f"a holder of {groups}")
        return seen

    async def unfinished(self) -> list[Row]:
        """Return the deliveries that are not with their app."""
        return await self.rows("SELECT key, app, state, attempt, cause FROM delivery WHERE state <> 'accepted'")

    async def settled(self) -> None:
        """Wait until every delivery is with its app."""

        async def look() -> bool:
            return not await self.unfinished()

        try:
            await until(look, "the end of all deliveries")
        except AssertionError:
            left = await self.unfinished()
            words = "\n".join(child.last_words(5) for child in self.workers)
            raise AssertionError(f"{len(left)} are not there: {left[:3]}\n{words}") from None

    async def proven(self) -> int:
        """Check that every report that was acknowledged is in its app exactly once, and nothing else is; return how
        many there are. Reads the clients' answers and the apps' own records only."""
        await self.settled()
        total = 0
        for app, acked in self.client.acked.items():
            codes = Counter(acked.values())
            assert set(codes.values()) <= {1}, "two keys were answered with one report"
            held = Counter(record["key"] for record in self.town.records(app))
            known = {f"{code}-1" for code in codes}
            assert known <= held.keys(), f"lost: {known - held.keys()}"
            assert set(held.values()) <= {1}, f"doubled: {[key for key, count in held.items() if count > 1]}"
            extra = held.keys() - known
            assert not extra, f"{app} has what nobody was promised: {extra}"
            total += len(known)
        return total

    def words(self) -> str:
        """Return all that the processes logged."""
        return "\n".join(file.read_text(errors="replace") for file in (self.town.folder / "logs").glob("*.log"))


@asynccontextmanager
async def fleet(
    folder: Path,
    url: str,
    redis_url: str | None = None,
    *,
    apis: int = 2,
    workers: int = 2,
    manifests: Mapping[str, Manifest] = QUICK,
    poll_s: float = 0.4,
) -> AsyncIterator[Fleet]:
    """Open a town with a gateway of so many processes."""
    await migrate(url)
    async with (
        town(folder, manifests=manifests, poll_s=poll_s) as place,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session,
    ):
        made = Fleet(place, url, session, redis_url)
        try:
            await asyncio.gather(*(made.serve() for _ in range(apis)), *(made.work() for _ in range(workers)))
            yield made
        finally:
            await made.close()
