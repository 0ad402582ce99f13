"""Resolving what is unsure: leases that ran out, answers that were lost.

An unsure delivery is looked up in the app, after the app had time to settle, before anything is sent again.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from gateway.flows.delivery import queries
from gateway.flows.delivery.evidence import NUMBER_TAKEN, hop_of, received, standing_of
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host, Outcome
from gateway.kernel.ledger import Act, Claimed, Ledger, Taken
from gateway.kernel.ledger.outcome import decided, settle_delivery
from gateway.kernel.ledger.queue import unsettled
from gateway.model.delivery import (
    DeliveryState,
    Level,
    Next,
    Resolve,
    Verdict,
    after_lease,
    after_look,
    after_settle,
    when_unsure,
)
from gateway.model.entry import Hop
from gateway.model.principal import GATEWAY

NOT_FOUND: Final = "not_found"
"""Cause of a delivery that is held because its app, which can only be searched, does not show it."""
_IDLE: Final = 0.5
_BATCH: Final = 50
_log = structlog.get_logger()


class Reconciler:
    """Looks after the deliveries of one app that nobody is sending."""

    def __init__(self, app: str, ledger: Ledger, host: Host, wake: Wake) -> None:
        self.app = app
        self._ledger, self._host, self._wake = ledger, host, wake
        manifest = host.manifest(app)
        self._settle_s, self._slots = float(manifest.settle_s), manifest.limits.concurrency
        self._writing_s = manifest.timeouts.connect + manifest.timeouts.total

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            now, real = self._ledger.clock.now(), self._ledger.clock.real()
            found = await self._ledger.read(unsettled, [self.app], now, real, _BATCH)
            if not await self._resolved(found):
                await self._wake.wait({"reconcile"}, _IDLE)

    async def _resolved(self, found: Sequence[Claimed]) -> bool:
        """Resolve deliveries, as many at once as the app bears, so that none waits for the slowest; tell whether any
        was. What cannot be resolved at all is raised after the others were."""
        places = asyncio.Semaphore(self._slots)

        async def one(claimed: Claimed) -> bool:
            async with places:
                return await self._resolve(claimed)

        ended = await asyncio.gather(*(one(claimed) for claimed in found), return_exceptions=True)
        for fault in ended:
            if isinstance(fault, BaseException):
                raise fault
        return any(ended)

    async def _resolve(self, claimed: Claimed) -> bool:
        """Do what can be done for a delivery now; False if it must wait, because its app may not be asked."""
        level = Level(self._host.level(self.app, claimed.row["command"]))
        if claimed.expired_lease:
            hop = Hop(
                direction="out",
                app=self.app,
                operation=claimed.row["command"],
                delivery=claimed.row["key"],
                attempt=claimed.row["attempt"],
                outcome="lease_expired",
            )
            # A lease is told by the clock, and a clock can be put forward: whoever holds it may write for as long as
            # an attempt lasts, so that much is waited as well before the app is asked; unless nobody does.
            writing_s = 0.0 if claimed.row["worker"] is None else self._writing_s
            await self._move(claimed, after_lease(level), hop, None, "lease", self._settle_s + writing_s)
            return True
        if when_unsure(level) is Resolve.LOOK:
            if asked := self._host.leave(self.app, 1).number > 0:
                await self._look(claimed, level)
            return asked
        # An app that honours our key gets the same command again: that is its look-up. At L0 a person takes over.
        following = after_settle(standing_of(claimed.row), level, self._ledger.clock.real())
        hop = Hop(
            direction="out",
            app=self.app,
            operation="resend" if following.state is DeliveryState.QUEUED else "hold",
            delivery=claimed.row["key"],
            attempt=claimed.row["attempt"],
        )
        await self._move(claimed, following, hop, None, "settled")
        return True

    async def _look(self, claimed: Claimed, level: Level) -> None:
        outcome = None
        try:
            outcome = await self._host.find(self.app, claimed.row["key"])
        finally:
            if outcome is None or not outcome.exchanges:
                self._host.unused(self.app)
        real, fraction = self._ledger.clock.real(), self._ledger.entropy.fraction()
        following = after_look(standing_of(claimed.row), outcome.verdict, level, real, fraction, outcome.after)
        hop = hop_of(self.app, claimed.row, outcome, operation="find")
        if following.state is DeliveryState.HELD and not outcome.cause:
            outcome = msgspec.structs.replace(outcome, cause=NOT_FOUND)
        try:
            await self._move(claimed, following, hop, outcome, "find")
        except Taken:
            # What was found is the record of another case: a person must see how that can be.
            outcome = msgspec.structs.replace(outcome, verdict=Verdict.REJECTED, receipt=None, cause=NUMBER_TAKEN)
            following = Next(state=DeliveryState.HELD, absences=claimed.row["absences"], alert=True)
            await self._move(claimed, following, hop, outcome, "find")
        _log.info("delivery.looked", delivery=claimed.row["key"], connector=self.app, outcome=str(outcome.verdict))

    async def _move(
        self,
        claimed: Claimed,
        following: Next,
        hop: Hop,
        outcome: Outcome | None,
        how: str,
        settle_s: float | None = None,
    ) -> None:
        async def think() -> Act | None:
            row, whole, known = await self._ledger.read_together(queries.standing, claimed.row["id"])
            if row["state"] != claimed.row["state"] or row["attempt"] != claimed.row["attempt"]:
                return None  # whoever spoke first has resolved it
            act = self._ledger.act(GATEWAY, f"reconcile:{row['key']}")
            report = whole.ref(self._ledger.vault)
            settle_delivery(
                act,
                report,
                claimed.case_number,
                row,
                following,
                hop,
                settle_s=self._settle_s if settle_s is None else settle_s,
                how=how,
                cause=outcome.cause if outcome else row["cause"],
                field=outcome.field if outcome else row["field"],
                http=outcome.http if outcome else row["http"],
                answer=outcome.message if outcome else None,
            )
            if outcome is not None and outcome.verdict is Verdict.ACCEPTED and outcome.receipt is not None:
                received(act, self._ledger, self._host, whole, row, known, outcome.receipt)
            return act

        if await decided(self._ledger, think) and following.state in {DeliveryState.ACCEPTED, DeliveryState.QUEUED}:
            self._wake.ring("inbox")
            self._wake.ring("delivery")
        self._wake.ring(f"report:{claimed.code}")
