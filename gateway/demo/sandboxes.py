"""`gateway sandbox`: the simulated apps as processes of their own, until Ctrl-C."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from gateway.demo.processes import HOST, Child, Ended, NotStarted, start
from gateway.demo.surroundings import APPS, sandbox_command
from gateway.demo.waiting import Late, answers, until
from gateway.sdk.clock import SystemClock

_LOOK_S: Final = 0.2


def run_sandboxes(
    apps: Sequence[str],
    port_base: int,
    data: Path,
    gateway_url: str,
    connectors: Sequence[Path],
    config: Path,
    clock_file: Path,
) -> None:
    """Start the named apps (all, if none is named), print `APP=URL` for each once it answers, and stay.

    Their records lie in `data`; their time travels with `clock_file`, which is the gateway's. The ports count up
    from `port_base` in the order of the names. Returns when it was asked to stop. Raises SystemExit with the reason
    if an app is unknown, does not start, or ends by itself.
    """
    names = list(apps) or [name for name in APPS if _has(name, connectors)]
    if unknown := [name for name in names if not _has(name, connectors)]:
        raise SystemExit(f"{', '.join(unknown)}: no sandbox.py in {', '.join(map(str, connectors))}")
    ports = {name: port_base + place for place, name in enumerate(names)}
    try:
        asyncio.run(_run(ports, data.resolve(), gateway_url, connectors, config.resolve(), clock_file.resolve()))
    except (NotStarted, Ended, Late) as error:
        raise SystemExit(str(error)) from None


def _has(name: str, connectors: Sequence[Path]) -> bool:
    return any((folder / name / "sandbox.py").is_file() for folder in connectors)


async def _run(
    ports: dict[str, int], data: Path, gateway_url: str, connectors: Sequence[Path], config: Path, clock_file: Path
) -> None:
    stop, clock = asyncio.Event(), SystemClock()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    folders = [folder.resolve() for folder in connectors]
    children: list[Child] = []
    try:
        for name, port in ports.items():
            command = sandbox_command(name, port, data, gateway_url, folders, config)
            command += ["--clock", str(clock_file)]
            children.append(await start(name, command, os.environ, data / "sandboxes", data))
        for child, (name, port) in zip(children, ports.items(), strict=True):
            await until(f"{name} answers", partial(answers, port), clock, child=child)
            sys.stdout.write(f"{name}=http://{HOST}:{port}\n")
            sys.stdout.flush()
        await _until_asked_or_ended(stop, children)
    finally:
        await asyncio.gather(*(child.stop() for child in children))


async def _until_asked_or_ended(stop: asyncio.Event, children: Sequence[Child]) -> None:
    while not stop.is_set():
        for child in children:
            if child.ended:
                raise Ended(child)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                await stop.wait()
