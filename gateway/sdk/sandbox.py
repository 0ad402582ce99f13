"""Simulated apps: real HTTP servers that keep their word, and their memory, through `kill -9`.

A connector's `sandbox.py` imports from here and subclasses `Sandbox` once; storage, journal, limits, quirks,
callbacks and the control surface under `/_sandbox/` come with it. What is answered is on the disk
first; what is not complete within the app's settle time is dropped unread. No running gateway imports this.

    python -m gateway.sdk.sandbox cc112 --port 9112 --data var --gateway http://127.0.0.1:8112
"""

import argparse
import asyncio
import importlib.util
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from email.utils import format_datetime
from pathlib import Path

from aiohttp import web

from gateway.sdk.clock import SystemClock
from gateway.sdk.sandbox_app import Kept, Sandbox
from gateway.sdk.sandbox_calls import Call, Malformed, Refused, Reply, Route, object_in
from gateway.sdk.sandbox_sender import Sender
from gateway.sdk.sandbox_setting import Setting, Village, development_secret
from gateway.sdk.sandbox_store import Record

__all__ = [
    "Call",
    "Kept",
    "Malformed",
    "Record",
    "Refused",
    "Reply",
    "Route",
    "Sandbox",
    "Setting",
    "Village",
    "development_secret",
    "object_in",
    "read_sandbox",
    "serve",
    "serving",
]

LARGEST_BODY = 32 * 1024 * 1024
IN_TIME = 0.8
"""Share of the settle time within which a request must be complete, counted from its first byte."""


async def _handled(sandbox: Sandbox, request: web.BaseRequest) -> web.StreamResponse:
    """Read a request in time or drop it; answer once what it changed is on the disk."""
    protocol = request.protocol
    assert isinstance(protocol, _Punctual)
    try:
        body = await protocol.body(request, sandbox.settle_s * IN_TIME)
        if body is None:
            sandbox.dropped(request.method, request.path)
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=408)
        reply = sandbox.take(
            Call(
                method=request.method,
                path=request.rel_url.raw_path,
                query=dict(request.query),
                headers={name.lower(): value for name, value in request.headers.items()},
                body=body,
                base=f"{request.scheme}://{request.host}",
            )
        )
        await sandbox.store.durable()
    finally:
        protocol.began = None
    headers = {"Date": format_datetime(sandbox.now(), usegmt=True), "Content-Type": reply.media_type}
    return web.Response(status=reply.status, body=reply.encoded(), headers={**headers, **reply.headers})


class _Punctual(web.RequestHandler):
    """A connection that knows when the request in hand began to arrive."""

    began: float | None = None

    def data_received(self, data: bytes) -> None:
        if self.began is None:
            self.began = asyncio.get_running_loop().time()
        super().data_received(data)

    async def body(self, request: web.BaseRequest, within: float) -> bytes | None:
        """Return the whole body, None if the request is not complete `within` seconds of its first byte."""
        loop = asyncio.get_running_loop()
        deadline = (loop.time() if self.began is None else self.began) + within
        parts, size = [], 0
        try:
            async with asyncio.timeout_at(deadline):
                while part := await request.content.readany():
                    parts.append(part)
                    size += len(part)
                    if size > LARGEST_BODY:
                        return None
        except (TimeoutError, OSError, web.RequestPayloadError):
            return None
        return b"".join(parts) if loop.time() <= deadline else None


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Punctual(self, loop=asyncio.get_running_loop())


@asynccontextmanager
async def serving(sandbox: Sandbox, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve a simulated app and send its callbacks; yields its address. Port 0 takes a free one."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await _handled(sandbox, request)

    runner = web.ServerRunner(_Server(handle))
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        sending = asyncio.create_task(Sender(sandbox).run())
        try:
            yield f"http://{host}:{runner.addresses[0][1]}"
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
    finally:
        await runner.cleanup()
        sandbox.store.close()


async def serve(sandbox: Sandbox, port: int, host: str) -> None:
    """Serve until SIGTERM or SIGINT, having printed `APP=URL` on a line of its own."""
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    async with serving(sandbox, port, host) as address:
        sys.stdout.write(f"{sandbox.app}={address}\n")
        sys.stdout.flush()
        await stop.wait()


def read_sandbox(app: str, folders: Sequence[Path]) -> type[Sandbox]:
    """Return the simulated app of `<folder>/<app>/sandbox.py`, from the first folder that has it.

    Raises SystemExit with what is missing.
    """
    for folder in folders:
        file = folder / app / "sandbox.py"
        if file.is_file():
            spec = importlib.util.spec_from_file_location(f"sandbox_of_{app}", file)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            apps = [
                thing
                for thing in vars(module).values()
                if isinstance(thing, type) and issubclass(thing, Sandbox) and thing is not Sandbox
            ]
            if len(apps) == 1:
                return apps[0]
            raise SystemExit(f"{file}: must hold exactly one subclass of Sandbox")
    raise SystemExit(f"{app}: no {app}/sandbox.py in {', '.join(map(str, folders))}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one simulated app as a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m gateway.sdk.sandbox", description="One simulated app.")
    parser.add_argument("app", help="name of the connector's folder")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--data", type=Path, default=Path("var"), help="folder for records and journal")
    parser.add_argument("--clock", type=Path, help="file of the travelling clock (default: `clock` in --data)")
    parser.add_argument("--gateway", help="address of the gateway, for callbacks")
    parser.add_argument("--connectors", default="connectors", help="folders, separated like a PATH")
    parser.add_argument("--territory", type=Path, default=Path("config/territory.csv"))
    given = parser.parse_args(arguments)
    folders = [Path(part) for part in given.connectors.split(os.pathsep)]
    setting = Setting(
        app=given.app,
        folder=given.data / "sandboxes" / given.app,
        territory=given.territory,
        clock=SystemClock(given.clock or given.data / "clock"),
        gateway=given.gateway,
        environ=os.environ,
    )
    asyncio.run(serve(read_sandbox(given.app, folders)(setting), given.port, given.host))


if __name__ == "__main__":
    # The apps subclass the `Sandbox` of its own module, so that it does not matter that this one is `__main__`.
    main()
