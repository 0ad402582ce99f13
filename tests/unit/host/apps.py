"""Connector folders written by tests, as an app team would write them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import structlog
from structlog.testing import LogCapture

from gateway.kernel.host import Host, Registry
from tests.unit.sdk.rawapp import FixedClock

HEAD = 'sdk = 1\nname = "{name}"\ntitle = "App {name}"\nowner = "DISKOMINFO-SP"\nsettle_s = 2\n'
MANIFEST = (
    HEAD
    + """
[levels]
open = "L2"
message = "L2"
[timeouts]
connect = 0.3
total = 0.3
[limits]
rate_per_s = 1000
concurrency = 10
[secrets]
KEY = "token"
HOOK = "of the webhook"
[webhook]
scheme = "bearer"
secret = "HOOK"
[poll]
interval_s = 1
[statuses]
"1" = "received"
[categories.out]
"IN-ROAD" = "jalan"
[categories.in]
"jalan" = "IN-ROAD"
[shares]
"description" = "test"
"""
)
CONNECTOR = """
from datetime import UTC, datetime

from gateway.sdk import (
    Ambiguous, App, Batch, ContractBroken, Event, Look, Receipt, Reference, Rejected, Retryable, Tally,
    Unauthorized, Unreadable,
)

from . import wire


class Connector:
    def __init__(self, app: App) -> None:
        self.app = app
        self.http = app.http

    async def submit(self, submission):
        answer = await self.http.call(
            "POST", "/reports", write=True, json={"key": submission.key, "text": submission.text},
            headers={"Authorization": app_token(self.app)},
        )
        return wire.receipt(answer, submission.key)

    async def amend(self, reference, amendment):
        await self.http.call("POST", "/reports/{r}/notes", values={"r": reference}, write=True, json={})
        return Receipt(references=())

    async def find(self, key):
        answer = await self.http.call("GET", "/reports", query={"key": key}, write=False)
        return None if answer.absent else wire.receipt(answer, key)

    async def poll(self, cursor):
        answer = await self.http.call("GET", "/news", write=False)
        return Batch(news=[], cursor=str(len(answer.body)))

    async def read(self, reference, after):
        return Batch(news=[wire.event(reference)])

    def receive(self, hook):
        return [wire.event(hook.body.decode())]


def app_token(app):
    return f"Bearer {app.secrets['KEY']}"
"""
WIRE = """
from datetime import UTC, datetime

from gateway.sdk import Event, Receipt, Reference


def receipt(answer, key):
    return Receipt(references=(Reference("id", str(answer.json(dict)["id"])),), key=key)


def event(number):
    at = datetime(2026, 1, 28, tzinfo=UTC)
    return Event(id=f"e{number}", references=(Reference("id", number),), at=at, kind="changed", word="1")
"""


def write(
    folder: Path, name: str = "ppid", *, manifest: str = MANIFEST, connector: str = CONNECTOR, wire: str = WIRE
) -> Path:
    """Write a connector's folder."""
    place = folder / name
    place.mkdir(parents=True)
    (place / "connector.toml").write_text(manifest.replace("{name}", name))
    (place / "connector.py").write_text(connector)
    (place / "wire.py").write_text(wire)
    return place


def environ(name: str = "ppid", url: str = "http://127.0.0.1:9", **more: str) -> dict[str, str]:
    """The variables an operator sets for an app."""
    prefix = f"GATEWAY_{name.upper()}_"
    given = {"BASE_URL": url, "KEY": "k-secret-1", "HOOK": "h-secret-1"} | more
    return {prefix + key: value for key, value in given.items() if value}


def host(folder: Path, env: Mapping[str, str]) -> Host:
    """A host over everything in a folder."""
    return Host(Registry.discover([folder], env), FixedClock())


@contextmanager
def logged() -> Iterator[list[dict[str, object]]]:
    """What was logged meanwhile, also by loggers that are cached."""
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    try:
        yield capture.entries  # type: ignore[misc]
    finally:
        structlog.configure(**before)
