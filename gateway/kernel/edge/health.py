"""Whether this process lives, and whether it can do its work."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from gateway.kernel.ledger import Overloaded, Unavailable
from gateway.sdk.clock import Clock

_PATIENCE_S: Final = 2.0
_REMEMBERED_S: Final = 1.0


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Something this process needs. `run` returns None if it is well, else a word for what is wrong.

    Where `required` is false the process can work without it, and says so only.
    """

    name: str
    run: Callable[[], Awaitable[str | None]]
    required: bool = True


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How the process is: `status` is `ok`, `ready` or `unready`; `checks` is `ok` or a word, by name."""

    status: str
    checks: dict[str, str] = {}


class Readiness:
    """Runs the checks together, at most once a second however often it is asked."""

    def __init__(self, checks: Sequence[Check], clock: Clock) -> None:
        self._checks, self._clock = tuple(checks), clock
        self._known: tuple[float, Standing] | None = None
        self._lock = asyncio.Lock()

    async def standing(self) -> Standing:
        """Return how the process is now."""
        async with self._lock:
            now = self._clock.monotonic()
            if self._known is None or now - self._known[0] >= _REMEMBERED_S:
                self._known = (now, await self._look())
            return self._known[1]

    async def _look(self) -> Standing:
        words = await asyncio.gather(*(_word(check) for check in self._checks))
        failed = any(word != "ok" and check.required for check, word in zip(self._checks, words, strict=True))
        named = {check.name: word for check, word in zip(self._checks, words, strict=True)}
        return Standing(status="unready" if failed else "ready", checks=named)


async def _word(check: Check) -> str:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await check.run() or "ok"
    except TimeoutError:
        return "timeout"
    except (OSError, Unavailable, Overloaded) as fault:
        return type(fault).__name__


def health_routes(checks: Sequence[Check], clock: Clock) -> list[HTTPRouteHandler]:
    """Return the handlers of /healthz (the process answers) and /readyz (503 while a required check fails)."""
    readiness = Readiness(checks, clock)

    @get("/healthz", summary="The process lives", tags=["health"])
    async def healthz() -> Standing:
        """Answer, and nothing else: whoever restarts processes must not be misled by a database that is away."""
        return Standing(status="ok")

    @get("/readyz", summary="The process can work", tags=["health"])
    async def readyz() -> Response[Standing]:
        """Tell whether requests may be sent here."""
        standing = await readiness.standing()
        return Response(standing, status_code=200 if standing.status == "ready" else 503)

    return [healthz, readyz]
