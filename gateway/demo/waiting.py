"""Waiting for something to happen: short looks, one clear deadline, and what was last seen when it passes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from gateway.demo.processes import HOST, Child, Ended
from gateway.sdk.clock import Clock

Seen = TypeVar("Seen")
PATIENCE_S: Final = 60.0
"""How long a step of a story may take."""
_FIRST_S: Final = 0.03
_LONGEST_S: Final = 0.4


class Late(Exception):
    """Something did not happen in time; the message says what was waited for and what was seen instead."""


class NotYet(Exception):
    """Raised by a look: it has not happened yet, and this is what there is instead."""


async def until(
    what: str,
    look: Callable[[], Awaitable[Seen]],
    clock: Clock,
    patience_s: float = PATIENCE_S,
    child: Child | None = None,
) -> Seen:
    """Return what `look` returns as soon as it does not raise NotYet.

    Raises Late with `what` and the last NotYet after `patience_s`; Ended if `child` ends meanwhile.
    """
    deadline, pause = clock.monotonic() + patience_s, _FIRST_S
    while True:
        try:
            return await look()
        except NotYet as not_yet:
            if child is not None and child.ended:
                raise Ended(child) from None
            if clock.monotonic() >= deadline:
                raise Late(f"{what}: not within {patience_s:.0f} s; seen: {not_yet}") from None
        await asyncio.sleep(pause)
        pause = min(pause * 1.4, _LONGEST_S)


async def answers(port: int) -> None:
    """Look whether somebody listens on a port of this machine. Raises NotYet."""
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError as error:
        raise NotYet(f"port {port}: {error.strerror or type(error).__name__}") from None
    writer.close()
    with contextlib.suppress(OSError):  # it was there, which is all that was asked
        await writer.wait_closed()
