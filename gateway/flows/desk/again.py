"""Deciding again where two people act on one report in the same moment."""

from collections.abc import Awaitable, Callable
from typing import Final

from gateway.kernel.ledger import Act, Erased, Ledger, Stale, Taken
from gateway.model.problem import Problem

_TRIES: Final = 20
NUMBERED: Final = frozenset({"delivery", "cases", "deadline", "report", "stream"})
"""Tables whose rows are numbered within a report, or named by chance: thinking again gives another number or name."""


async def decided(ledger: Ledger, think: Callable[[], Awaitable[Act]]) -> None:
    """Think and commit, and think again as long as somebody else was first; think reads anew each time.

    Raises Problem `stale` where that does not end, `not-found` for a report that was erased."""
    for _ in range(_TRIES):
        try:
            await ledger.decide(think)
        except Stale:
            break
        except Erased:
            raise Problem("not-found") from None
        except Taken as clash:
            if clash.table not in NUMBERED:
                raise
            continue
        return
    raise Problem("stale")
