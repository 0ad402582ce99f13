"""What an app bears, cut into shares, so that several processes together never ask more of it than one may.

A share is held by one process at a time. Each has at least two places where the app has them, because one of a
process's places is kept for urgent calls; and at least one request of what a second holds.
"""

from collections.abc import Collection, Sequence

import msgspec

from gateway.sdk import App
from gateway.sdk.manifest import Limits


class Share(msgspec.Struct, frozen=True):
    """A part of an app's limits: how many requests of a window (see `Pace`), and how many at once."""

    count: int
    places: int


def shares_of(limits: Limits) -> tuple[Share, ...]:
    """Return the shares of an app; together they are exactly what it bears."""
    second = max(1, int(limits.rate_per_s))
    parts = max(1, min(second, limits.concurrency // 2))
    return tuple(Share(_part(second, parts, index), _part(limits.concurrency, parts, index)) for index in range(parts))


def allot(app: App, held: Collection[int], until: float, fresh: Collection[int] = ()) -> None:
    """Let this process use the shares of an app that it holds, until a moment of the event loop's clock.

    Those in `fresh` another process held until now: they rest for one window first.
    """
    shares = shares_of(app.manifest.limits)
    count, places = _sum(shares, held)
    app.http.pace.allot(count, places, until, fresh=_sum(shares, fresh)[0])


def _part(total: int, parts: int, index: int) -> int:
    return total // parts + (index < total % parts)


def _sum(shares: Sequence[Share], which: Collection[int]) -> tuple[int, int]:
    chosen = [shares[index] for index in which]
    return sum(one.count for one in chosen), sum(one.places for one in chosen)
