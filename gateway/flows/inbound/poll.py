"""Asking apps for news: rows and cursor in one transaction, so that nothing is missed and nothing skipped."""

import asyncio
from collections.abc import Sequence

import structlog

from gateway.flows.inbound import queries
from gateway.flows.inbound.store import Moved, Store
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host
from gateway.kernel.ledger import Ledger, Stale, Taken
from gateway.model.delivery import Verdict
from gateway.sdk import News

_log = structlog.get_logger()


class Poller:
    """Polls one app. A slow app holds up nobody but itself."""

    def __init__(self, app: str, ledger: Ledger, host: Host, store: Store, wake: Wake, interval_s: float) -> None:
        self.app = app
        self._ledger, self._host, self._store, self._wake = ledger, host, store, wake
        self._interval_s = interval_s

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            may = self._host.ready(self.app) and not await self._store.full(self.app)
            more = await self.once() if may else False
            if not more and not stop.is_set():  # a ring before the first wait is heard by nobody
                await self._wake.wait({f"poll:{self.app}"}, self._interval_s)

    async def once(self) -> bool:
        """Ask once; True if the app has more to tell at once."""
        row = await self._ledger.read(queries.cursor, self.app)
        version, cursor = (row["version"], row["cursor"]) if row else (None, None)
        outcome = await self._host.poll(self.app, cursor)
        if outcome.verdict is not Verdict.ACCEPTED or outcome.batch is None:
            fault = (outcome.cause or str(outcome.verdict))[:200]
            refused = outcome.verdict is Verdict.UNAUTHORIZED
            await self._keep([], Moved(version=version, cursor=cursor, fault=fault, refused=refused))
            return False
        batch = outcome.batch
        kept = await self._keep(batch.news, Moved(version=version, cursor=batch.cursor))
        return batch.more and kept and batch.cursor != cursor

    async def _keep(self, news: Sequence[News], moved: Moved) -> bool:
        try:
            await self._store.keep(self.app, "poll", news, moved)
        except (Stale, Taken):
            return False  # another process polled meanwhile; its cursor stands, ours is forgotten with its rows
        return True
