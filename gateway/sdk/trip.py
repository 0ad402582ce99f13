"""One request on its way: until when it may write, whether a byte may have left, and how it is cut off."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final

_DISCARD: Final = struct.pack("ii", 1, 0)
"""SO_LINGER for no time: closing throws away what was not sent."""


class Trip:
    """One request on its way. `sent` tells whether a byte may have left, `held` that none did because the app asked
    to be left alone while we were connecting (`resting`: for how many seconds); `deadline` is in the loop's clock."""

    def __init__(self, total_s: float, deadline: float | None, resting: Callable[[], float]) -> None:
        latest = asyncio.get_running_loop().time() + total_s
        self.deadline = latest if deadline is None else min(latest, deadline)
        self.sent = False
        self.held = False
        self._resting = resting
        self.sockets: list[socket.socket] = []

    @asynccontextmanager
    async def bounded(self) -> AsyncIterator[None]:
        """End what happens inside at the deadline; whatever ends it early, no byte is written afterwards."""
        async with asyncio.timeout_at(self.deadline):
            token = _TRIP.set(self)
            try:
                yield
            except BaseException:
                self._cut()
                raise
            finally:
                _TRIP.reset(token)

    def leaving(self) -> None:
        """Note that bytes may leave from now on; the last moment to refuse."""
        if asyncio.get_running_loop().time() >= self.deadline:
            raise TimeoutError
        if self._resting() > 0:
            self.held = True
            raise TimeoutError
        self.sent = True

    def _cut(self) -> None:
        # Closing a connection still flushes what is buffered, here and in the kernel. Lingering for no time
        # throws it away instead, and shutting down makes the next flush fail.
        for held in self.sockets:
            with suppress(OSError):
                held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)
                held.shutdown(socket.SHUT_RDWR)


_TRIP: ContextVar[Trip | None] = ContextVar("gateway_sdk_trip", default=None)


def open_socket(info: tuple[Any, ...]) -> socket.socket:
    """Open a socket for an address (as getaddrinfo gives it), known to the trip that it is opened for."""
    made = socket.socket(*info[:3])
    trip = _TRIP.get()
    if trip is not None:
        trip.sockets.append(made)
    return made
