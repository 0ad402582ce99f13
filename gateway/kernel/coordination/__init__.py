"""Coordination: what may vanish at any moment. Wake-ups between processes and counters for limits.

Redis carries it where there is one, the process itself where there is none; the same tests hold for both.
Nothing here is ever the truth: a lost wake-up costs a moment, a lost counter a little too much patience.
"""

from gateway.kernel.coordination.connection import redis_answers
from gateway.kernel.coordination.counters import Counters, LocalCounters
from gateway.kernel.coordination.gcra import Verdict
from gateway.kernel.coordination.redis_counters import RedisCounters, open_counters
from gateway.kernel.coordination.redis_wake import RedisWake, open_wake
from gateway.kernel.coordination.wake import LocalWake, Wake

__all__ = [
    "Counters",
    "LocalCounters",
    "LocalWake",
    "RedisCounters",
    "RedisWake",
    "Verdict",
    "Wake",
    "open_counters",
    "open_wake",
    "redis_answers",
]
