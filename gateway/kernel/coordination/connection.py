"""One way to open Redis: no retries of its own, and what its faults are called."""

import asyncio
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

FAULTS: Final = (RedisError, OSError, EOFError)
"""What using Redis can raise: its own errors, the network's, a connection cut in the middle of an answer."""


def open_redis(url: str, timeout: float) -> Redis:
    """Return a client; nothing is connected yet. Connecting takes at most `timeout` seconds.

    The time of a command is the caller's to bound, with `asyncio.timeout`: the driver's own bound uses `wait_for`,
    which before Python 3.12 now and then swallows a cancellation. Raises ValueError if `url` is not a Redis address
    (`redis://`, `rediss://` or `unix://`).
    """
    return Redis.from_url(url, socket_timeout=None, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0))


async def redis_answers(url: str) -> bool:
    """Tell whether there is a Redis at an address. Raises ValueError if it is no Redis address."""
    client = open_redis(url, 2.0)
    try:
        async with asyncio.timeout(2.0):
            return bool(await client.ping())
    except FAULTS:
        return False
    finally:
        await client.aclose()
