"""The end of files that nobody is to keep: identity cards once their app has them or nobody carries them any more, and
uploads that no report named.

What the database says decides, whoever ended a delivery: its receipt, an event, a person, the watch. The bytes go
first and the key with the entry after them, so that a crash in between leaves a file that is destroyed again, never one
that is only said to be.
"""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from gateway.flows.delivery import queries
from gateway.kernel.coordination import Wake
from gateway.kernel.ledger import CaseRef, Erased, Ledger, ReportRef, Stale
from gateway.kernel.ledger.blobs import Blobs
from gateway.kernel.ledger.files import destroy, discard
from gateway.kernel.ledger.progress import DESK
from gateway.model.file import UPLOADS_WAIT
from gateway.model.principal import GATEWAY

_GRACE: Final = timedelta(hours=1)
_ROUND_S: Final = 2.0
_BATCH: Final = 50
_log = structlog.get_logger()


class Destroyer:
    """Destroys files whose time is over."""

    def __init__(self, ledger: Ledger, blobs: Blobs, wake: Wake) -> None:
        self._ledger, self._blobs, self._wake = ledger, blobs, wake

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            await self.round()
            if not stop.is_set():
                await self._wake.wait({"transit"}, _ROUND_S)

    async def round(self) -> int:
        """Destroy what is to be destroyed now; return how many files that were."""
        spent = await self._ledger.read(queries.spent, _BATCH)
        for row in spent:
            await self._passed_on(row)
        unnamed = await self._ledger.read(queries.unnamed, self._ledger.clock.real() - UPLOADS_WAIT - _GRACE, _BATCH)
        for row in unnamed:
            await self._unnamed(row)
        return len(spent) + len(unnamed)

    async def _passed_on(self, row: queries.Row) -> None:
        await self._blobs.destroy(row["id"])
        act = self._ledger.act(GATEWAY, "transit")
        case = CaseRef(id=row["case_id"], number=row["number"], app=row["case_app"], version=row["case_version"])
        why = str(row["ended"] or "not_carried")
        try:
            key = self._ledger.vault.unwrap(row["report_kek"], row["report_wrapped"], row["report_id"].hex)
        except Erased:
            discard(act, row)
            facts = {"role": row["role"], "why": why}
            act.record(row["code"], "document.destroyed", case=case.number, rule="transit", facts=facts)
        else:
            report = ReportRef(id=row["report_id"], code=row["code"], version=row["report_version"], key=key)
            destroy(act, report, case.number, row, why)
            act.say(report, "document.destroyed", DESK, case=case)
        try:
            await self._ledger.commit(act)
        except Stale:
            return  # another process has done it
        _log.info("document.destroyed", report=row["code"], reason=why)
        self._wake.ring(f"report:{row['code']}")

    async def _unnamed(self, row: queries.Row) -> None:
        """Destroy an upload; here the key goes first, for it may be named in this very moment."""
        act = self._ledger.act(GATEWAY, "transit")
        discard(act, row)
        try:
            await self._ledger.commit(act)
        except Stale:
            return
        await self._blobs.destroy(row["id"])
