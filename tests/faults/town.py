"""A town for tests: simulated apps on real sockets, a fault proxy on every line between them and the gateway, and the
gateway that is opened, worked, crashed and opened again on the same data while the apps go on.
"""

import asyncio
import contextlib
import json
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn
from sqlalchemy import Connection, Table, select, update

from gateway.app import create_app
from gateway.house import House, open_house
from gateway.kernel.ledger import tables as t
from gateway.sdk.sandbox import Sandbox
from gateway.settings import Settings
from gateway.worker import Worker
from tests.faults.proxy import Proxy, Seen, answer_of, says
from tests.journeys.stage import ROOT, Stage, sandboxes, secrets, settings_for

Row = dict[str, Any]
Manifest = Mapping[str, object]
"""Changes to a manifest: `settle_s` or `timeouts.total`, and the value; None takes the whole section away."""

BOTH = ("cc112", "sigapdes")
QUICK: Mapping[str, Manifest] = {
    "cc112": {
        "settle_s": 1.2,
        "timeouts.connect": 1.0,
        "timeouts.total": 1.2,
        "limits.rate_per_s": 1000,
    },
    "sigapdes": {
        "settle_s": 1.2,
        "timeouts.connect": 1.0,
        "timeouts.total": 1.2,
        "limits.rate_per_s": 1000,
        "limits.concurrency": 16,
    },
}
"""Short times, so that what is lost is noticed soon, and no limit that makes tests wait for each other."""


def tuned(folder: Path, changes: Mapping[str, Manifest]) -> Path:
    """Copy these connectors, their manifests changed, into `folder` in place of what was there; return where to."""
    made = folder / "connectors"
    shutil.rmtree(made, ignore_errors=True)
    for app, wanted in changes.items():
        shutil.copytree(ROOT / "connectors" / app, made / app, ignore=shutil.ignore_patterns("test_*", "__pycache__"))
        file = made / app / "connector.toml"
        file.write_text(_changed(file.read_text(), {"limits.probe_s": 0.05} | dict(wanted)))
    return made


def _changed(text: str, wanted: Manifest) -> str:
    left, section, lines = dict(wanted), "", []
    for line in text.splitlines():
        if found := re.fullmatch(r"\[(.+)\]", line):
            section = found[1] + "."
        name = section + line.partition(" = ")[0]
        if left.get(section.rstrip("."), ...) is None:
            continue
        if name in left:
            line = f"{name.removeprefix(section)} = {json.dumps(left.pop(name))}"
        lines.append(line)
        # What a manifest does not say goes to the beginning of its section.
        if found:
            silent = [one for one in left if one.startswith(section) and left[one] is not None]
            spoken = text.partition(line + "\n")[2].partition("\n[")[0]
            for one in silent:
                key = one.removeprefix(section)
                if "." not in key and not re.search(rf"^{re.escape(key)} = ", spoken, re.MULTILINE):
                    lines.append(f"{key} = {json.dumps(left.pop(one))}")
    unused = [name for name, value in left.items() if value is not None]
    assert not unused, f"the manifest has no {unused}"
    return "\n".join(lines) + "\n"


class Town:
    """The apps and the lines. `lines` lead from the gateway to each app, `back` from the apps to the gateway."""

    def __init__(
        self,
        folder: Path,
        apps: Mapping[str, Sandbox],
        lines: Mapping[str, Proxy],
        back: Proxy,
        environ: dict[str, str],
    ) -> None:
        self.folder, self.apps, self.lines, self.back, self.environ = folder, apps, lines, back, environ

    def settings(self, database_url: str, **more: str) -> Settings:
        """Settings of a gateway in this town."""
        return settings_for(self.folder, database_url, **(self.environ | more))

    def records(self, app: str) -> list[Row]:
        """Return what an app has accepted, as its control surface shows it."""
        sandbox = self.apps[app]
        return [sandbox.view(record) for record in sandbox.store.records.values() if record.listed]

    def quirk(self, app: str, **values: float) -> None:
        """Turn switches of an app."""
        for name, value in values.items():
            assert name in self.apps[app].defaults
            self.apps[app].store.set_quirk(name, value)
        self.apps[app].owed.set()

    def deafen(self) -> None:
        """Keep all news from the gateway: no webhook is sent and no poll answered. Writes and look-ups go through."""
        for app, line in self.lines.items():
            if "hold_webhooks" in self.apps[app].defaults:
                self.quirk(app, hold_webhooks=True)
            line.when(is_poll, says(answer_of(500)), times=sys.maxsize, name="deaf")

    @property
    def injected(self) -> int:
        """How many faults have happened."""
        happened = [line.injected for line in (*self.lines.values(), self.back)]
        return sum(count for one in happened for name, count in one.items() if name != "deaf")


def is_poll(seen: Seen) -> bool:
    """Fits how the gateway asks an app for news (the first request of a poll)."""
    path, _, query = seen.path.partition("?")
    return seen.method == "GET" and ((path == "/v1/incidents" and "external_ref" not in query) or "sejak_id" in query)


@asynccontextmanager
async def town(
    folder: Path,
    apps: Sequence[str] = BOTH,
    manifests: Mapping[str, Manifest] = QUICK,
    poll_s: float = 0.4,
    **more: str,
) -> AsyncIterator[Town]:
    """Open a town; `manifests` names the connectors that the gateway finds, and what is changed in each."""
    async with contextlib.AsyncExitStack() as stack:
        back = Proxy()
        await back.start()
        stack.push_async_callback(back.stop)
        running = await stack.enter_async_context(sandboxes(folder, back.url, apps))
        lines: dict[str, Proxy] = {}
        for app, (sandbox, address) in running.items():
            sandbox.store.set_quirk("unlimited", True)
            lines[app] = Proxy(target=address)
            await lines[app].start()
            stack.push_async_callback(lines[app].stop)
        environ = secrets(apps) | {f"GATEWAY_{app.upper()}_BASE_URL": line.url for app, line in lines.items()}
        environ |= {f"GATEWAY_{app.upper()}_POLL_S": str(poll_s) for app in apps}
        environ["GATEWAY_CONNECTORS"] = str(tuned(folder, manifests))
        yield Town(folder, {app: sandbox for app, (sandbox, _) in running.items()}, lines, back, environ | more)


class Gateway(Stage):
    """A gateway in a town: its house, its API on a socket, and its worker, which can be stopped or dropped."""

    def __init__(self, house: House, url: str, session: aiohttp.ClientSession, town: Town) -> None:
        super().__init__(house, url, session, town.apps)
        self.town = town
        self.worker: Worker | None = None
        self.auditor = self.token("auditor-1", "auditor")
        self.coordinator = self.token("koordinator-1", "coordinator")

    def work(self) -> None:
        """Start a worker."""
        self.worker = Worker(self.house)
        self.worker.start()

    async def rest(self) -> None:
        """Let the worker finish what is in hand and stop."""
        if self.worker is not None:
            await self.worker.stop()
            self.worker = None

    async def crash(self) -> None:
        """Drop the worker where it stands, as a kill does: nothing it has in hand is finished or committed."""
        loops = ("Worker._keep", "Deliverer.carry", "Applier._lane", "Reconciler._resolve")
        ours = [task for task in asyncio.all_tasks() if task.get_coro().__qualname__ in loops]  # type: ignore[union-attr]
        for task in ours:
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)
        self.worker = None

    # -- what can be asked --------------------------------------------------------------------------------------

    async def rows(self, table: Table, **where: Any) -> list[Row]:
        """Return rows of a table."""

        def work(connection: Connection) -> list[Row]:
            found = connection.execute(select(table).where(*(table.c[name] == value for name, value in where.items())))
            return [dict(row) for row in found.mappings()]

        return await self.house.ledger.read(work)

    async def delivery(self, key: str) -> Row:
        """Return a delivery."""
        return (await self.rows(t.delivery, key=key))[0]

    async def alerts(self, kind: str) -> list[Row]:
        """Return the alerts of a kind."""
        return await self.rows(t.alert, kind=kind)

    async def aside(self, app: str) -> list[Row]:
        """Return the news of an app that was set aside for a person."""
        return await self.rows(t.inbox, app=app, state="quarantined")

    async def kept(self) -> str:
        """Return what is kept of news, deliveries and alerts, as text."""
        return "".join([repr(await self.rows(table)) for table in (t.inbox, t.delivery, t.alert)])

    async def hurry(self, key: str, column: str = "due_at") -> None:
        """Let the time that a delivery waits for be now: what a test need not wait for."""
        now = self.house.clock.real()

        def work(connection: Connection) -> None:
            connection.execute(update(t.delivery).where(t.delivery.c.key == key).values({column: now}))

        await self.house.ledger._store.write(work)

    async def backdate(self, table: Table, where: Mapping[str, Any], **values: datetime) -> None:
        """Let rows be older than they are."""

        def work(connection: Connection) -> None:
            fits = [table.c[name] == value for name, value in where.items()]
            connection.execute(update(table).where(*fits).values(values))

        await self.house.ledger._store.write(work)

    async def trace(self, code: str) -> dict[str, Any]:
        """Return the trace of a report, as an auditor gets it."""
        answer = await self.ask("GET", f"/v1/audit/reports/{code}/trace", self.auditor)
        assert answer.status == 200, answer
        assert answer.body["gaps"] == []
        trace: dict[str, Any] = answer.body
        return trace

    async def way(self, key: str) -> list[str]:
        """Return what the entries tell of a delivery: `attempt 1`, `unsure timeout`, `accepted by find`, …"""
        hops = (await self.trace(key.rpartition("-")[0]))["hops"]
        return [step_of(hop) for hop in hops if hop["delivery"] == key]

    async def ends(self, key: str, state: str = "accepted", seconds: float = 20.0) -> Row:
        """Wait until a delivery is in a state; return it."""

        async def look() -> Row | None:
            found = await self.delivery(key)
            return found if found["state"] == state else None

        row: Row = await self.until(look, seconds)
        return row

    async def filed(self, body: Mapping[str, Any], token: str | None = None, **changes: Any) -> str:
        """File a report; return its code."""
        answer = await self.file({**body, **changes}, token)
        assert answer.status == 201, answer
        return str(answer.body["code"])

    async def report_of(self, reference: str) -> str | None:
        """Return the code of the report that an app's number names, as a coordinator finds it."""
        answer = await self.ask("GET", f"/v1/reports?q={reference}", self.coordinator)
        assert answer.status == 200, answer
        items = answer.body["items"]
        assert len(items) < 2, f"{reference} stands for {len(items)} reports"
        return str(items[0]["code"]) if items else None


def step_of(hop: Mapping[str, Any]) -> str:
    """Put an entry of a delivery into a few words."""
    kind, facts = hop["kind"].removeprefix("delivery."), hop["facts"]
    if kind == "attempt":
        return f"attempt {hop['attempt']}"
    how = f" by {facts['how']}" if "how" in facts else ""
    return f"{kind}{how}" + (f" ({facts['cause']})" if "cause" in facts else "")


@asynccontextmanager
async def gateway(town: Town, database_url: str, *, work: bool = True, **more: str) -> AsyncIterator[Gateway]:
    """Open a gateway in a town; its apps' calls reach it as long as it is open."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with open_house(town.settings(database_url, **more)) as house:
        server = uvicorn.Server(
            uvicorn.Config(create_app(house), log_config=None, access_log=False, lifespan="off", http="httptools")
        )
        serve = asyncio.create_task(server.serve(sockets=[listener]))
        town.back.target = url
        async with aiohttp.ClientSession() as session:
            made = Gateway(house, url, session, town)
            if work:
                made.work()
            try:
                yield made
            finally:
                await made.rest()
                town.back.target = None
                server.should_exit = True
                await serve
    listener.close()


@asynccontextmanager
async def opened(folder: Path, database_url: str, **more: Any) -> AsyncIterator[Gateway]:
    """Open a town and a gateway in it."""
    ours = {name: more.pop(name) for name in ("work",) if name in more}
    async with town(folder, **more) as made, gateway(made, database_url, **ours) as ready:
        yield ready
