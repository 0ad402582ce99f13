"""When what was reported first has ended, those who reported it too are told: each in his own timeline, and nothing of
the other's report but that it has ended."""

import asyncio
from typing import Final

from gateway.flows.desk import queries
from gateway.kernel.coordination import Wake
from gateway.kernel.ledger import Act, Erased, Ledger, Stale
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.reading import Row, report_by_id
from gateway.model.link import LinkKind
from gateway.model.principal import EVERYTHING, GATEWAY
from gateway.model.status import Status

RULE: Final = "link:duplicate_of"
CHANNEL: Final = "duplicates"
_PAUSE_S: Final = 1.0
_BATCH: Final = 200
_DONE: Final = frozenset({Status.RESOLVED, Status.CLOSED})


class Fanout:
    """Tells the reporters of duplicates of an end."""

    def __init__(self, ledger: Ledger, wake: Wake) -> None:
        self._ledger, self._wake = ledger, wake

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            if not await self.round():
                await self._wake.wait({CHANNEL}, _PAUSE_S)

    async def round(self) -> int:
        """Tell whoever has not been told yet; return to how many."""
        for row in await self._ledger.read(queries.taken_up_again, _BATCH):
            await self._mark(row, row["told"], None)
        untold = await self._ledger.read(queries.untold, _BATCH)
        first = {(row["report_id"], row["other_id"]): row for row in reversed(untold)}
        for row in first.values():
            await self._tell(row)
        return len(first)

    async def _tell(self, row: Row) -> None:
        whole = await self._ledger.read(report_by_id, EVERYTHING, row["report_id"])
        assert whole is not None, "a link without a report breaks a foreign key"
        act = self._ledger.act(GATEWAY, RULE)
        told = "report.duplicate_resolved" if row["status"] in _DONE else "report.duplicate_ended"
        try:
            report = whole.ref(self._ledger.vault)
        except Erased:
            await self._mark(row, None, row["status"])  # nobody is there to be told
            return
        act.say(report, told, "gateway")
        act.record(whole.code, "report.told", rule=RULE, facts={"ended": str(row["status"])})
        act.touch(report)
        self._marked(act, row, None, row["status"])
        try:
            await self._ledger.commit(act)
        except Stale:
            return  # the report moved, or another process told it: seen again in the next round
        self._wake.ring(f"report:{whole.code}")

    async def _mark(self, row: Row, before: str | None, after: str | None) -> None:
        act = self._ledger.act(GATEWAY, RULE)
        self._marked(act, row, before, after)
        try:
            await self._ledger.commit(act)
        except Stale:
            return

    def _marked(self, act: Act, row: Row, before: str | None, after: str | None) -> None:
        where = {"report_id": row["report_id"], "other_id": row["other_id"], "kind": LinkKind.DUPLICATE_OF}
        act.change(t.link, where | {"told": before}, told=after)
