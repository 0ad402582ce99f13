"""A bench for a connector's own tests: its simulated app on a real socket, and the connector that speaks to it.

    async with bench(Path(__file__).parent, tmp_path) as made:
        await made.connector.submit(...)
        assert made.records()[0]["key"] == ...

The clock stands until the test moves it; secrets are those of development; neither side keeps the app's limit,
unless that is what is tested.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import Any, Final

import msgspec

from gateway.sdk.app import App
from gateway.sdk.manifest import Limits, Manifest, read_manifest
from gateway.sdk.package import package_of
from gateway.sdk.sandbox import Call, Sandbox, Setting, development_secret, read_sandbox, serving
from gateway.sdk.secrets import Secrets
from gateway.sdk.types import Hook

MORNING: Final = datetime(2026, 1, 28, 2, 15, 30, tzinfo=UTC)
"""When a bench begins: 10:15:30 in Barru. Contract samples are recorded at this moment."""


class StillClock:
    """A clock that stands until it is moved; durations are real. See `gateway.sdk.Clock`."""

    def __init__(self, at: datetime = MORNING) -> None:
        self.at = at

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self.at

    def real(self) -> datetime:
        """See `Clock.real`."""
        return self.at

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return monotonic()

    def forward(self, **span: float) -> None:
        """Let time pass: `forward(minutes=5)`."""
        self.at += timedelta(**span)


class Bench:
    """What stands on it: the simulated app and its address, the connector, and the clock of both."""

    def __init__(self, sandbox: Sandbox, address: str, app: App, connector: Any, clock: StillClock) -> None:
        self.sandbox, self.address, self.app, self.connector, self.clock = sandbox, address, app, connector, clock

    def records(self) -> list[dict[str, Any]]:
        """Return the records that the app has, each with `reference`, `key`, `word`, `messages` and `fields`."""
        found: list[dict[str, Any]] = self._control("GET", "records")["records"]
        return found

    def journal(self) -> list[dict[str, Any]]:
        """Return the requests that the app has seen."""
        found: list[dict[str, Any]] = self._control("GET", "journal")["requests"]
        return found

    def born(self, **fields: Any) -> str:
        """Let a record begin in the app, from fields in its own wire shape; returns its reference."""
        return str(self._control("POST", "records", {"fields": fields})["reference"])

    def advance(self, reference: str, word: str, **more: Any) -> None:
        """Let the app's officer move a record to one of the app's own words."""
        self._control("POST", f"records/{reference}/advance", {"word": word, **more})

    def quirk(self, **switches: bool | float) -> None:
        """Turn the app's quirks on or off."""
        self._control("POST", "quirks", switches)

    def hooks(self) -> list[Hook]:
        """Return the webhooks that the app owes, oldest first, as the host hands them to `receive`."""
        now = self.clock.now()
        bodies = [one.body.encode() for one in self.sandbox.store.callbacks.values()]
        signed = ({name.lower(): value for name, value in self.sandbox.signed(body, now).items()} for body in bodies)
        return [Hook(headers=headers, body=body, received_at=now) for headers, body in zip(signed, bodies, strict=True)]

    def _control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        raw = b"" if body is None else json.dumps(body).encode()
        call = Call(method=method, path=f"/_sandbox/{path}", query={}, headers={}, body=raw, base=self.address)
        reply = self.sandbox.take(call)
        if reply.status >= 300:
            raise AssertionError(f"the simulated app refuses: {reply.body}")
        return reply.body


@asynccontextmanager
async def bench(
    folder: Path,
    data: Path,
    *,
    secrets: Mapping[str, str] | None = None,
    territory: Path = Path("config/territory.csv"),
    unlimited: bool = True,
) -> AsyncIterator[Bench]:
    """Serve the app that `folder/sandbox.py` simulates and connect `folder/connector.py` to it.

    Its memory is kept in `data`. `secrets` replaces values by name: `{"API_KEY": "wrong"}`. `territory` is read only
    by apps that ask for the villages. Raises ManifestError, SystemExit (no sandbox) and what importing raises.
    """
    manifest = read_manifest(folder)
    clock = StillClock()
    setting = Setting(app=manifest.name, folder=data / manifest.name, territory=territory, clock=clock)
    sandbox = _simulated(folder, setting)
    sandbox.store.set_quirk("unlimited", unlimited)
    make = import_module(f"{package_of(manifest.name, folder)}.connector").Connector
    async with serving(sandbox) as address:
        app = app_at(manifest, address, clock, secrets or {}, unlimited=unlimited)
        connector = make(app)
        if login := getattr(connector, "login", None):
            app.logs_in_with(login)
        try:
            yield Bench(sandbox, address, app, connector, clock)
        finally:
            await app.close()


def _simulated(folder: Path, setting: Setting) -> Sandbox:
    return read_sandbox(setting.app, [folder.resolve().parent])(setting)


def app_at(
    manifest: Manifest, address: str, clock: StillClock, secrets: Mapping[str, str], *, unlimited: bool = True
) -> App:
    """Return what a connector is given to speak to an app at an address; `secrets` as for `bench`."""
    values = {name: secrets.get(name, development_secret(manifest.name, name)) for name in manifest.secrets}
    environ = {f"GATEWAY_{manifest.name.upper()}_{name}": value for name, value in values.items()}
    if unlimited:
        manifest = msgspec.structs.replace(manifest, limits=Limits(rate_per_s=10_000, concurrency=8))
    return App(
        manifest=manifest,
        base_url=address,
        secrets=Secrets(manifest.name, manifest.secrets, environ),
        clock=clock,
    )
