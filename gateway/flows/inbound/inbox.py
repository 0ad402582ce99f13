"""The rows of one app's inbox on their way: done, put off, set aside, asked for."""

import asyncio
from collections.abc import Coroutine, Iterable
from datetime import timedelta
from typing import Any, Final, TypeVar

import structlog

from gateway.flows.inbound import queries
from gateway.flows.inbound.opened import Opened
from gateway.flows.inbound.store import Kept, add_row, row_name
from gateway.kernel.ledger import Act, Ledger, Overloaded, Stale, Taken, Unavailable
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.reading import Row, Whole, with_events
from gateway.model.entry import Hop
from gateway.model.principal import EVERYTHING, app_actor

ASKED_AFTER: Final = timedelta(seconds=1)
"""How long something that seems to be missing may still be on its way, before the app is asked for it."""
_TRIES: Final = 5
"""How often a row that cannot be dealt with, and nobody knows why, is tried before it is set aside."""
T = TypeVar("T")
_log = structlog.get_logger()


class Inbox:
    """Moves the rows of one app's inbox."""

    def __init__(self, app: str, ledger: Ledger) -> None:
        self.app, self._ledger = app, ledger

    async def ask(self, act: Act, kept: Kept) -> bool:
        """Let something that is missing be looked for in a while; False if it is already."""
        assert kept.look is not None, "what is asked for is a place to read"
        name = row_name(kept.look)
        if await self._ledger.read(queries.known_ids, self.app, [name]):
            return False
        add_row(self._ledger, act, self.app, "gateway", name, kept, wait=ASKED_AFTER)
        return True

    def done(self, act: Act, opened: Opened, row: Row, whole: Whole) -> None:
        """Let a row be applied: from now on it belongs to its report, and so does its key."""
        wrapped = self._ledger.vault.rewrap_under(
            opened.key, whole.key(self._ledger.vault), f"{self.app}:{opened.name}"
        )
        self._change(act, row, state="applied", reason=None, report_id=whole.id, wrapped=wrapped)

    async def finish(self, opened: Opened) -> None:
        """Let a row be applied that changes nothing."""
        act = self._ledger.act(app_actor(self.app), "inbound")
        self._change(act, opened.row, state="applied")
        await self.settle(act)

    async def later(self, row: Row, reason: str) -> None:
        """Take a row up again later."""
        act = self._ledger.act(app_actor(self.app), "inbound")
        self.put_off(act, row, row["state"], reason)
        await self.settle(act)

    def put_off(self, act: Act, row: Row, state: str, reason: str) -> None:
        """Take a row up again after a while, which grows from 1 s to a minute."""
        tries = self.tries(row, reason)
        wait = timedelta(seconds=min(60.0, 0.5 * 2.0 ** min(tries, 8)))
        parked_at = row["parked_at"] or (act.real if state == "parked" else None)
        self._change(
            act, row, state=state, reason=reason[:200], tries=tries, due_at=act.real + wait, parked_at=parked_at
        )

    @staticmethod
    def tries(row: Row, reason: str) -> int:
        """Return how often in a row, this time included, the same thing has put a row off."""
        return int(row["tries"]) + 1 if row["reason"] == reason[:200] else 1

    async def quarantine(self, opened: Opened, reason: str, case: Row | None) -> None:
        """Set a row aside and alert a person; its neighbours go on. `case` is what it is about, if that is known."""
        event = opened.kept.event
        code = None
        if case is not None:
            found = await self._ledger.read(with_events, EVERYTHING, case["report_id"])
            code = found[0].code if found else None
        word = event.word if event and reason == "unknown_word" else None
        act = self._set_aside(
            opened.row,
            reason,
            code or f"app:{self.app}",
            event.kind if event else "hint",
            subject=word or opened.name,
            detail=f"{reason}: {word}" if word else reason,
            report_id=case["report_id"] if case else None,
        )
        await self.settle(act)

    async def failed(self, row: Row, fault: BaseException) -> None:
        """Put a row off that fell for a reason nobody has thought of; after some tries set it aside."""
        reason = f"fell: {type(fault).__name__}"
        if self.tries(row, reason) < _TRIES:
            _log.error("inbound.fell", connector=self.app, fault=type(fault).__name__, exc_info=fault)
            await self.later(row, reason)
            return
        name = str(row["event_id"])
        act = self._set_aside(row, "cannot_apply", f"app:{self.app}", "unknown", subject=name, detail=reason)
        await self.settle(act)

    def _set_aside(
        self, row: Row, reason: str, stream: str, kind: str, *, subject: str, detail: str, report_id: Any = None
    ) -> Act:
        act = self._ledger.act(app_actor(self.app), "inbound")
        self._change(act, row, state="quarantined", reason=reason[:200])
        act.record(
            stream,
            "inbound.quarantined",
            event=row["event_id"],
            hop=Hop(direction="in", app=self.app, operation=row["source"], outcome="quarantined"),
            facts={"reason": reason, "kind": kind},
        )
        act.alarm(reason[:40], f"{self.app}:{subject}"[:240], detail[:300], self.app, report_id)
        _log.warning("inbound.quarantined", connector=self.app, reason=reason)
        return act

    async def settle(self, act: Act) -> None:
        """Commit; if another process has dealt with the row meanwhile there is nothing left to do."""
        try:
            await self._ledger.commit(act)
        except (Stale, Taken):
            return

    def _change(self, act: Act, row: Row, **values: object) -> None:
        act.change(t.inbox, {"app": self.app, "event_id": row["event_id"], "state": row["state"]}, **values)


async def ended(work: Iterable[Coroutine[Any, Any, T]]) -> list[T | BaseException]:
    """Do several things at once and return what came of each: a value, or why it failed.

    Raises what is no single one's fault: that the database is away or has too much to do, and cancellation.
    """
    over = await asyncio.gather(*work, return_exceptions=True)
    for one in over:
        everybodys = isinstance(one, Unavailable | Overloaded)
        if isinstance(one, BaseException) and (everybodys or not isinstance(one, Exception)):
            raise one
    return over
