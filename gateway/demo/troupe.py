"""The processes of one run: started, watched as long as anything is done, and ended in order whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from signal import Signals
from typing import Any, Final, TypeVar

from gateway.demo.callers import Person, Unreachable
from gateway.demo.processes import Child, Ended, start
from gateway.demo.surroundings import APPS, World
from gateway.demo.waiting import NotYet, answers, until
from gateway.sdk.clock import Clock

Result = TypeVar("Result")
GATEWAY: Final = "gateway"
_START_S: Final = 30.0
_NOTICED_S: Final = 2.0
_LOOK_S: Final = 0.02
_STILL_S: Final = 0.4


class Stopped(Exception):
    """Somebody asked us to stop; `code` is the exit code that says so."""

    def __init__(self, sign: int) -> None:
        super().__init__(sign)
        self.code = 128 + sign


class Troupe:
    """Gateway and simulated apps."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._children: dict[str, Child] = {}
        self._asked: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def listen(self, signs: Iterable[Signals]) -> None:
        """Take these signals as the wish to stop."""
        for sign in signs:
            asyncio.get_running_loop().add_signal_handler(sign, self._ask, sign)

    def _ask(self, sign: int) -> None:
        if not self._asked.done():
            self._asked.set_result(sign)

    async def start(self, world: World) -> None:
        """Start all processes and return when all of them answer. Raises Ended if one gives up."""
        world.data.mkdir(parents=True, exist_ok=True)
        commands = {app: world.sandbox_command(app) for app in APPS}
        commands[GATEWAY] = world.gateway_command("up", "--port", str(world.ports[GATEWAY]))
        for name, command in commands.items():
            self._children[name] = await start(name, command, world.environ(), self._folder, world.folder)
        for name, child in self._children.items():
            await until(f"{name} answers", partial(self._up, world, name), self._clock, _START_S, child)

    async def _up(self, world: World, name: str) -> None:
        await answers(world.ports[name])
        if name == GATEWAY:
            probe = Person(world.gateway, self._clock)
            try:
                if (answer := await probe.ask("GET", "/readyz")).status != 200:
                    raise NotYet(f"/readyz: HTTP {answer.status}")
            finally:
                await probe.close()

    async def guarded(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what `work` returns. Stops it and raises Ended or Stopped if a process ends or somebody asks."""
        working = asyncio.ensure_future(work)
        watching = asyncio.ensure_future(self._until_something_ends())
        try:
            ends: set[asyncio.Future[Any]] = {working, watching, self._asked}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._asked.done():
                raise Stopped(self._asked.result())
            if not working.done():
                await watching
            if isinstance(working.exception(), Unreachable):
                # The lost connection may be ahead of the news that the process behind it has ended.
                await asyncio.wait({watching}, timeout=_NOTICED_S)
                if watching.done():
                    await watching
            return working.result()
        finally:
            for task in (working, watching):
                task.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)

    async def _until_something_ends(self) -> None:
        while True:
            for child in self._children.values():
                if child.ended:
                    raise Ended(child)
            await asyncio.sleep(_LOOK_S)

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Hold the gateway still: what it sent before has arrived when this begins, and everybody has looked at the
        clock again when it ends."""
        with self._children[GATEWAY].held():
            await asyncio.sleep(_STILL_S)
            yield
            await asyncio.sleep(_STILL_S)

    async def stay(self) -> None:
        """Return when somebody asks to stop. Raises Ended if a process ends before."""
        try:
            await self.guarded(asyncio.Event().wait())
        except Stopped:
            return

    async def close(self) -> None:
        """End all processes, the gateway first."""
        for name in (GATEWAY, *APPS):
            if name in self._children:
                await self._children[name].stop()
