"""Simulated apps for tests: served on a real socket, with a clock that the test moves, and a connector to each."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Generic, TypeVar

import aiohttp
import msgspec
from aiohttp import web

from gateway.sdk import App
from gateway.sdk.manifest import Limits, read_manifest
from gateway.sdk.sandbox import Sandbox, Setting, development_secret, read_sandbox, serving
from gateway.sdk.secrets import Secrets

ROOT = Path(__file__).resolve().parents[1]
CONNECTORS = ROOT / "connectors"
TERRITORY = ROOT / "config" / "territory.csv"
MORNING = datetime(2026, 1, 28, 2, 15, 30, tzinfo=UTC)
"""10:15:30 in Barru, the day after the apps were launched."""

C = TypeVar("C")


class StillClock:
    """A clock that stands until the test moves it; durations are real."""

    def __init__(self, at: datetime = MORNING) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def real(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return monotonic()

    def forward(self, **span: float) -> None:
        self.at += timedelta(**span)


class Bench(Generic[C]):
    """One simulated app, its address, and a connector that speaks to it."""

    def __init__(self, sandbox: Sandbox, address: str, connector: C, app: App, clock: StillClock) -> None:
        self.sandbox, self.address, self.connector, self.app, self.clock = sandbox, address, connector, app, clock

    async def control(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Use the control surface; returns the answer, which must be a success."""
        async with aiohttp.ClientSession() as session:
            method, data = ("GET", None) if body is None else ("POST", json.dumps(body).encode())
            async with session.request(method, f"{self.address}/_sandbox/{path}", data=data) as answer:
                found = await answer.json()
                assert answer.status < 300, found
                return found

    async def records(self) -> list[dict[str, Any]]:
        """Return the records that the app has accepted."""
        found: list[dict[str, Any]] = (await self.control("records"))["records"]
        return found

    async def journal(self) -> list[dict[str, Any]]:
        """Return the requests that the app has seen."""
        found: list[dict[str, Any]] = (await self.control("journal"))["requests"]
        return found

    async def born(self, fields: Mapping[str, Any]) -> str:
        """Let a record begin in the app; returns its reference."""
        return str((await self.control("records", {"fields": fields}))["reference"])

    async def advance(self, reference: str, word: str, **more: Any) -> None:
        """Let the app's officer move a record."""
        await self.control(f"records/{reference}/advance", {"word": word, **more})


class Ear:
    """A gateway that only listens: keeps every webhook, and answers with `status`."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.status = 202
        self.address = ""
        self._more = asyncio.Event()

    def events(self) -> list[dict[str, Any]]:
        """Return the bodies that were heard."""
        return [json.loads(body) for _, body in self.heard]

    async def until(self, count: int, within: float = 5.0) -> None:
        """Wait until so many webhooks were heard."""
        async with asyncio.timeout(within):
            while len(self.heard) < count:
                self._more.clear()
                await self._more.wait()

    async def _hear(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.heard.append((headers, await request.read()))
        self._more.set()
        return web.json_response({}, status=self.status)


@asynccontextmanager
async def listening() -> AsyncIterator[Ear]:
    """Serve an ear."""
    ear = Ear()
    runner = web.ServerRunner(web.Server(ear._hear))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ear.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield ear
    finally:
        await runner.cleanup()


def secrets_of(app: str) -> dict[str, str]:
    """Return the environment that holds an app's development secrets."""
    names = read_manifest(CONNECTORS / app).secrets
    return {f"GATEWAY_{app.upper()}_{name}": development_secret(app, name) for name in names}


def setting_of(app: str, folder: Path, clock: StillClock, gateway: str | None = None) -> Setting:
    """Return the setting of a simulated app with its memory in `folder`."""
    return Setting(app=app, folder=folder / app, territory=TERRITORY, clock=clock, gateway=gateway)


def app_at(
    name: str,
    address: str,
    clock: StillClock,
    *,
    unlimited: bool = True,
    secrets: Mapping[str, str] | None = None,
) -> App:
    """Return what a connector is given to speak to an app at an address, by default with the right secrets."""
    manifest = read_manifest(CONNECTORS / name)
    if unlimited:
        manifest = msgspec.structs.replace(manifest, limits=Limits(rate_per_s=10_000, concurrency=8))
    return App(
        manifest=manifest,
        base_url=address,
        secrets=Secrets(name, manifest.secrets, secrets_of(name) if secrets is None else secrets),
        clock=clock,
    )


def connector_of(app: App, make: Callable[[App], C]) -> C:
    """Return the connector to an app, as the host builds it."""
    connector = make(app)
    if login := getattr(connector, "login", None):
        app.logs_in_with(login)
    return connector


@asynccontextmanager
async def bench(
    name: str,
    folder: Path,
    make: Callable[[App], C],
    gateway: str | None = None,
    clock: StillClock | None = None,
    *,
    unlimited: bool = True,
) -> AsyncIterator[Bench[C]]:
    """Serve a simulated app and connect to it. Unless the limit is what is tested, neither side keeps it."""
    clock = clock or StillClock()
    sandbox = read_sandbox(name, [CONNECTORS])(setting_of(name, folder, clock, gateway))
    sandbox.store.set_quirk("unlimited", unlimited)
    async with serving(sandbox) as address:
        app = app_at(name, address, clock, unlimited=unlimited)
        try:
            yield Bench(sandbox, address, connector_of(app, make), app, clock)
        finally:
            await app.close()
