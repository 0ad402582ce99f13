"""Randomness, injected everywhere so that tests can repeat what happened."""

import random
import secrets
import threading
from datetime import datetime
from typing import Protocol
from uuid import UUID


class Entropy(Protocol):
    """The one source of randomness."""

    def bytes(self, count: int) -> bytes:
        """Return `count` random bytes."""

    def below(self, bound: int) -> int:
        """Return a uniform integer in [0, bound)."""

    def fraction(self) -> float:
        """Return a uniform float in [0, 1), for jitter."""


class SystemEntropy:
    """The operating system's generator, asked for 4 KiB at a time: a report needs a dozen small draws.

    Not shared between processes: a copy made by fork would repeat what was drawn. Nothing here forks.
    """

    def __init__(self) -> None:
        self._stock = b""
        self._lock = threading.Lock()

    def bytes(self, count: int) -> bytes:
        """See `Entropy.bytes`."""
        with self._lock:
            if len(self._stock) < count:
                self._stock = secrets.token_bytes(max(4096, count))
            drawn, self._stock = self._stock[:count], self._stock[count:]
        return drawn

    def below(self, bound: int) -> int:
        """See `Entropy.below`."""
        return secrets.randbelow(bound)

    def fraction(self) -> float:
        """See `Entropy.fraction`."""
        return secrets.randbelow(1 << 53) / (1 << 53)


class SeededEntropy:
    """A repeatable generator for tests and simulations. Never for keys that protect anything."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def bytes(self, count: int) -> bytes:
        """See `Entropy.bytes`."""
        return self._random.randbytes(count)

    def below(self, bound: int) -> int:
        """See `Entropy.below`."""
        return self._random.randrange(bound)

    def fraction(self) -> float:
        """See `Entropy.fraction`."""
        return self._random.random()


def uuid7(now: datetime, entropy: Entropy) -> UUID:
    """Return a UUID version 7 (RFC 9562): 48 bits of milliseconds, then random."""
    milliseconds = int(now.timestamp() * 1000)
    value = (milliseconds & ((1 << 48) - 1)) << 80 | int.from_bytes(entropy.bytes(10))
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return UUID(int=value)
