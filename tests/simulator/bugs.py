"""Bugs that were made or could be made, kept so that the checker can show that it sees them.

Each is planted into the product as it runs, and taken out again. None of them may survive a run of the size of CI.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import true

from gateway.flows.delivery import deliver, queries, reconcile
from gateway.flows.delivery.deliver import Deliverer
from gateway.flows.delivery.evidence import hop_of, received, standing_of
from gateway.kernel.host import Outcome
from gateway.kernel.ledger import Act, Claimed, Ledger, progress, queue
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.outcome import decided, settle_delivery
from gateway.model.case import CaseEvent, Folded
from gateway.model.delivery import DeliveryState, Level, Next, Standing, Verdict, after_attempt, after_look
from gateway.model.principal import GATEWAY
from gateway.model.status import Status, may_follow
from tests.planting import replaced


class Bug(NamedTuple):
    """A bug: the promises it breaks, how the checker names what it sees of it, and what plants it."""

    promises: str
    seen_as: frozenset[str]
    plant: Callable[[], contextlib.AbstractContextManager[Any]]


def resend_at_once() -> contextlib.AbstractContextManager[Any]:
    """A lost answer counts as a failure: the command is sent again without looking."""

    def hasty(
        standing: Standing, verdict: Verdict, level: Level, now: datetime, fraction: float, after: float | None = None
    ) -> Next:
        lost = verdict in {Verdict.AMBIGUOUS, Verdict.BROKEN}
        return after_attempt(standing, Verdict.RETRY if lost else verdict, level, now, fraction, after)

    return replaced(deliver, "after_attempt", hasty)


def look_at_once() -> contextlib.AbstractContextManager[Any]:
    """The app is asked before it had time to settle."""

    @contextlib.contextmanager
    def planted() -> Iterator[None]:
        real = settle_delivery

        def impatient(*args: Any, settle_s: float = 0.0, **more: Any) -> None:
            real(*args, settle_s=0.0, **more)

        with replaced(deliver, "settle_delivery", impatient), replaced(reconcile, "settle_delivery", impatient):
            yield

    return planted()


def resend_at_l1() -> contextlib.AbstractContextManager[Any]:
    """A mere search that finds nothing counts as proof of absence."""

    def credulous(
        standing: Standing, verdict: Verdict, level: Level, now: datetime, fraction: float, after: float | None = None
    ) -> Next:
        return after_look(standing, verdict, max(level, Level.L2), now, fraction, after)

    return replaced(reconcile, "after_look", credulous)


def no_fence() -> contextlib.AbstractContextManager[Any]:
    """Whoever comes back from an app writes what became of it, whatever happened to the delivery meanwhile."""

    async def careless(self: Deliverer, claimed: Claimed, outcome: Outcome) -> None:
        sent = claimed.row

        async def think() -> Act | None:
            row, whole, known = await self._ledger.read_together(queries.standing, sent["id"])
            act = self._ledger.act(GATEWAY, f"delivery:{sent['key']}")
            level = Level(self._host.level(self.app, sent["command"]))
            following = after_attempt(
                standing_of(sent), outcome.verdict, level, act.real, self._ledger.entropy.fraction()
            )
            hop = hop_of(self.app, sent, outcome)
            number = claimed.case_number
            settle_delivery(act, whole.ref(self._ledger.vault), number, row, following, hop, settle_s=self._settle_s)
            if following.state is DeliveryState.ACCEPTED and outcome.receipt is not None:
                received(act, self._ledger, self._host, whole, row, known, outcome.receipt)
            return act

        await decided(self._ledger, think)

    return replaced(Deliverer, "_commit", careless)


def no_lanes() -> contextlib.AbstractContextManager[Any]:
    """Whatever is due is sent, also what an earlier command of the same lane should go before."""

    @contextlib.contextmanager
    def planted() -> Iterator[None]:
        anything = queue._due(true())
        fresh = anything.where(t.delivery.c.attempt == 0)
        with replaced(queue, "_DUE", anything), replaced(queue, "_FRESH", fresh):
            yield

    return planted()


def last_word_wins() -> contextlib.AbstractContextManager[Any]:
    """The case stands where the event that came last says it does."""

    def naive(events: Iterable[CaseEvent], start: Status = Status.RECEIVED) -> Folded:
        last = [event for event in events if event.status is not None][-1:]
        return Folded(last[0].status or start, last[0].word, last[0].at, frozenset()) if last else _nothing(start)

    return replaced(progress, "fold", naive)


def order_of_arrival() -> contextlib.AbstractContextManager[Any]:
    """Events are judged in the order in which they came."""

    def unsorted(events: Sequence[CaseEvent], start: Status = Status.RECEIVED) -> Folded:
        at = _nothing(start)
        for event in events:
            if event.status is not None and may_follow(at.status, event.status):
                at = Folded(event.status, event.word, event.at, frozenset())
        return at

    return replaced(progress, "fold", unsorted)


def never_gives_back() -> contextlib.AbstractContextManager[Any]:
    """Nobody looks after deliveries whose worker died."""
    return replaced(reconcile, "unsettled", lambda *_: [])


def said_before_kept() -> contextlib.AbstractContextManager[Any]:
    """A report is acknowledged before it is committed."""
    real: Callable[[Ledger, Act], Awaitable[None]] = Ledger.commit

    async def early(self: Ledger, act: Act) -> None:
        if act.new_streams:
            self.forgotten = asyncio.ensure_future(real(self, act))  # type: ignore[attr-defined]
            self.forgotten.add_done_callback(asyncio.Future.exception)  # type: ignore[attr-defined]
        else:
            await real(self, act)

    return replaced(Ledger, "commit", early)


def _nothing(start: Status) -> Folded:
    return Folded(start, None, None, frozenset())


BUGS: Final = {
    "resend at once": Bug("P3 P4", frozenset({"doubled", "resent"}), resend_at_once),
    "look at once": Bug("P3", frozenset({"doubled"}), look_at_once),
    "resend at L1": Bug("P5", frozenset({"resent"}), resend_at_l1),
    "no fence": Bug("P6", frozenset({"entry", "doubled", "lost"}), no_fence),
    "no lanes": Bug("P8", frozenset({"order"}), no_lanes),
    "last word wins": Bug("P18 P19", frozenset({"status"}), last_word_wins),
    "order of arrival": Bug("P18", frozenset({"status"}), order_of_arrival),
    "said before kept": Bug("P1", frozenset({"lost"}), said_before_kept),
    "nobody looks after": Bug("P3", frozenset({"limbo"}), never_gives_back),
}
