"""Turns: loops of the flows that go round once and come back, and bells that nobody waits for."""

import asyncio
from collections.abc import Collection


class Turn(asyncio.Event):
    """A stop signal that is given after one round: `run(Turn())` takes up what is there, finishes it and returns."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = False

    def is_set(self) -> bool:
        """Tell whether a round was made."""
        asked, self._asked = self._asked, True
        return asked


class Quiet:
    """Wake-ups for a room in which nothing waits (`gateway.kernel.coordination.Wake`)."""

    def ring(self, channel: str) -> None:
        """Wake nobody: whose turn it is is told."""

    async def wait(
        self,
        channels: Collection[str],
        timeout: float,  # noqa: ASYNC109 - the protocol's own
        subscriber: object | None = None,
    ) -> frozenset[str]:
        """Return at once."""
        await asyncio.sleep(0)
        return frozenset()

    async def close(self) -> None:
        """There is nothing to close."""
