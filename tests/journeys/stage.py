"""A gateway on real sockets with its apps, in one process: what journeys stand on."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import uvicorn

from gateway.app import create_app
from gateway.house import House, open_house
from gateway.issuer import development_token
from gateway.sdk.clock import SystemClock
from gateway.sdk.manifest import read_manifest
from gateway.sdk.sandbox import Sandbox, Setting, development_secret, read_sandbox, serving
from gateway.settings import Settings, read_settings
from gateway.worker import Worker

ROOT = Path(__file__).parents[2]
FLOOD: dict[str, Any] = {
    "service": "EM-FLOOD",
    "description": "Air naik sampai lutut di depan kantor lurah.",
    "place": {"village": "73.11.07.1001", "latitude": -4.285, "longitude": 119.62},
    "reporter": {"name": "Andi Tenri", "phone": "0812-3456-7890"},
}
DAMAGE: dict[str, Any] = {
    "service": "VI-DAMAGE",
    "description": "Dapur hanyut, dinding retak.",
    "place": {"village": "73.11.07.1001"},
    "reporter": {"name": "Baso Tahir", "phone": "+62 852 1111 2222"},
    "attributes": {"head_of_family": "Baso Tahir", "people": 5, "disaster": "banjir", "severity": "berat"},
}


class Answer:
    """What was answered."""

    def __init__(self, status: int, headers: Mapping[str, str], body: Any) -> None:
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self) -> str:
        return f"{self.status} {self.body}"


class Stage:
    """The house on the stage, its address, and ways to act on it."""

    def __init__(self, house: House, url: str, session: aiohttp.ClientSession, apps: Mapping[str, Sandbox]) -> None:
        self.house, self.url, self.session, self.apps = house, url, session, apps

    def token(self, subject: str, *roles: str, agency: str | None = None, extra: Sequence[str] = ()) -> str:
        """Make a token of the embedded issuer."""
        return development_token(self.house.settings, subject, roles, agency, timedelta(hours=1), extra)

    async def ask(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: Any = None,
        raw: bytes | None = None,
        **headers: str,
    ) -> Answer:
        """Make a request; keyword `idempotency_key="x"` becomes the header `Idempotency-Key`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        more: dict[str, Any] = {"json": body} if raw is None and body is not None else {"data": raw}
        if raw is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self.session.request(method, self.url + path, headers=sent, **more) as answer:
            kind = answer.headers.get("content-type", "")
            return Answer(
                answer.status,
                answer.headers,
                await answer.json(content_type=None) if "json" in kind else await answer.text(),
            )

    async def file(self, body: Any, token: str | None = None, key: str | None = None, **headers: str) -> Answer:
        """File a report under a fresh key."""
        return await self.ask("POST", "/v1/reports", token, body, None, idempotency_key=key or str(uuid4()), **headers)

    async def upload(self, token: str | None, content: bytes, kind: str = "image/jpeg") -> str:
        """Upload a file; return its id."""
        sent = await self.ask("POST", "/v1/attachments", token, None, content, Content_Type=kind)
        assert sent.status == 201, sent
        name: str = sent.body["id"]
        return name

    async def until(self, look: Callable[[], Awaitable[Any]], seconds: float = 20.0) -> Any:
        """Wait until `look` returns something true, and return it."""
        async with asyncio.timeout(seconds):
            while not (seen := await look()):  # noqa: ASYNC110 - what it waits for is behind a socket
                await asyncio.sleep(0.05)
        return seen

    async def reaches(self, code: str, status: str, token: str) -> Any:
        """Wait until a report has a status; return it."""

        async def look() -> Any:
            answer = await self.ask("GET", f"/v1/reports/{code}", token)
            return answer.body if answer.status == 200 and answer.body["status"] == status else None

        return await self.until(look)


def settings_for(folder: Path, database_url: str, redis_url: str | None = None, **more: str) -> Settings:
    """Settings of a gateway under test."""
    environ = {
        "GATEWAY_DATABASE_URL": database_url,
        "GATEWAY_DATA": str(folder / "data"),
        "GATEWAY_CONFIG": str(ROOT / "config"),
        "GATEWAY_CONNECTORS": str(ROOT / "connectors"),
        **({"GATEWAY_REDIS_URL": redis_url} if redis_url else {}),
        **more,
    }
    return read_settings(environ, dotenv=None)


def secrets(apps: Sequence[str]) -> dict[str, str]:
    """The secrets that gateway and sandboxes share in development."""
    named = {app: read_manifest(ROOT / "connectors" / app).secrets for app in apps}
    return {f"GATEWAY_{app.upper()}_{name}": development_secret(app, name) for app in apps for name in named[app]}


@asynccontextmanager
async def sandboxes(folder: Path, gateway: str, apps: Sequence[str]) -> AsyncIterator[dict[str, tuple[Sandbox, str]]]:
    """The simulated apps on real sockets."""
    clock = SystemClock(folder / "data" / "clock")
    async with AsyncExitStack() as stack:
        running: dict[str, tuple[Sandbox, str]] = {}
        for app in apps:
            made = read_sandbox(app, [ROOT / "connectors"])(
                Setting(
                    app=app,
                    folder=folder / "apps" / app,
                    territory=ROOT / "config" / "territory.csv",
                    clock=clock,
                    gateway=gateway,
                )
            )
            running[app] = (made, await stack.enter_async_context(serving(made)))
        yield running


@asynccontextmanager
async def staged(
    folder: Path,
    database_url: str,
    redis_url: str | None = None,
    apps: Sequence[str] = ("cc112", "sigapdes"),
    **more: str,
) -> AsyncIterator[Stage]:
    """A gateway with API and worker, and its apps."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with sandboxes(folder, url, apps) as running, AsyncExitStack() as stack:
        stack.callback(listener.close)
        addresses = {f"GATEWAY_{app.upper()}_BASE_URL": address for app, (_, address) in running.items()}
        fast = {f"GATEWAY_{app.upper()}_POLL_S": "0.3" for app in apps}
        settings = settings_for(folder, database_url, redis_url, **(secrets(apps) | addresses | fast | more))
        async with open_house(settings) as house:
            server = uvicorn.Server(
                uvicorn.Config(create_app(house), log_config=None, access_log=False, lifespan="off", http="httptools")
            )
            serve = asyncio.create_task(server.serve(sockets=[listener]))
            worker = Worker(house)
            worker.start()
            try:
                async with aiohttp.ClientSession() as session:
                    yield Stage(house, url, session, {app: made for app, (made, _) in running.items()})
            finally:
                await worker.stop()
                server.should_exit = True
                await serve
