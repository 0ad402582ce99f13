"""Hints: "go and read that record", from an app, or from us where something seems to be missing."""

import asyncio
from typing import Final

from gateway.flows.inbound import queries
from gateway.flows.inbound.inbox import Inbox, ended
from gateway.flows.inbound.opened import Opened, open_row
from gateway.flows.inbound.store import Store
from gateway.kernel.host import Host
from gateway.kernel.ledger import Ledger
from gateway.kernel.ledger.reading import case_by_number
from gateway.model.delivery import Verdict
from gateway.sdk import Look

_BATCH: Final = 50
_LOOKS: Final = 20
"""How often an answer in no form that we know is borne."""


class Follower:
    """Follows the hints of one app, as many at once as the app bears."""

    def __init__(self, app: str, ledger: Ledger, host: Host, store: Store, inbox: Inbox) -> None:
        self.app = app
        self._ledger, self._host, self._store, self._inbox = ledger, host, store, inbox
        self._slots = host.manifest(app).limits.concurrency

    async def round(self) -> int:
        """Follow what is due, unless the app may not be asked now; return how much that was."""
        can = self._host.can(self.app, "read")
        if can and not self._host.ready(self.app):
            return 0
        rows = await self._ledger.read(queries.due, self.app, self._ledger.clock.real(), _BATCH, hints=True)
        places = asyncio.Semaphore(self._slots)

        async def one(row: queries.Row) -> None:
            opened = open_row(self._ledger, row)
            if (look := opened.kept.look) is None or not can:
                await self._inbox.quarantine(opened, "cannot_read", None)
                return
            async with places:
                await self._follow(opened, look)

        for row, fault in zip(rows, await ended(one(row) for row in rows), strict=True):
            if fault is not None:
                await self._inbox.failed(row, fault)
        return len(rows)

    async def _follow(self, opened: Opened, look: Look) -> None:
        if not await self._needed(opened, look):
            await self._inbox.finish(opened)
            return
        outcome = await self._host.read(self.app, look.reference.value, opened.kept.after)
        if outcome.verdict is Verdict.ACCEPTED and outcome.batch is not None:
            await self._store.keep(self.app, "read", outcome.batch.news)
            await self._inbox.finish(opened)
            return
        # Whoever cannot be reached is asked until he can; what he says again and again in no form we know is parted.
        cause = outcome.cause or str(outcome.verdict)
        spent = outcome.verdict is Verdict.BROKEN and self._inbox.tries(opened.row, cause) > _LOOKS
        if spent or outcome.verdict is Verdict.REJECTED:
            await self._inbox.quarantine(opened, cause, None)
        else:
            await self._inbox.later(opened.row, cause)

    async def _needed(self, opened: Opened, look: Look) -> bool:
        """Tell whether what was missing when a look was asked for is missing still."""
        kept = opened.kept
        if kept.before is None and not kept.born:
            return True
        case = await self._ledger.read(case_by_number, self.app, [look.reference.value])
        if kept.born or case is None:
            return case is None
        have = await self._ledger.read(queries.sequence, case["id"])
        return not have.issuperset(range(int(kept.after or 0) + 1, kept.before or 0))
