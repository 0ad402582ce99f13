"""What must not wait silently: emergencies that nobody has acknowledged, deliveries that nobody took care of."""

import asyncio
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from gateway.flows.delivery import queries
from gateway.kernel.coordination import Wake
from gateway.kernel.ledger import Act, Ledger, Stale
from gateway.kernel.ledger.outcome import settle_delivery
from gateway.kernel.ledger.reading import case_ref
from gateway.model.delivery import Command, DeliveryState, Next
from gateway.model.entry import Hop
from gateway.model.principal import GATEWAY

ACKNOWLEDGE_WITHIN: Final = timedelta(seconds=60)
"""An emergency that nobody has acknowledged by then alerts the 112 desk, and a person takes over."""
_ROUND_S: Final = 5.0
_BATCH: Final = 50
_GIVEN_UP: Final = {
    DeliveryState.QUEUED: Next(state=DeliveryState.DEAD, alert=True),
    DeliveryState.HELD: Next(state=DeliveryState.DEAD, alert=True),
    # What may have arrived goes to a person, who can look in the app.
    DeliveryState.UNSURE: Next(state=DeliveryState.HELD, alert=True),
    # Sending still, so long after its lease: no worker carries this app any more.
    DeliveryState.SENDING: Next(state=DeliveryState.UNSURE, settle=True, alert=True),
}
_log = structlog.get_logger()


class Watch:
    """Raises what nobody else would: it needs neither the apps nor their connectors."""

    def __init__(self, ledger: Ledger, wake: Wake) -> None:
        self._ledger, self._wake = ledger, wake

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            await self.round()
            if not stop.is_set():
                await self._wake.wait({"watch"}, _ROUND_S)

    async def round(self) -> None:
        """Look once."""
        now, real = self._ledger.clock.now(), self._ledger.clock.real()
        for row in await self._ledger.read(queries.unacknowledged, real - ACKNOWLEDGE_WITHIN, _BATCH):
            await self._alert(row["report_id"], row["case_id"], row["key"])
        for row in await self._ledger.read(queries.unattended, now - ACKNOWLEDGE_WITHIN, _BATCH):
            await self._alert(row["report_id"], row["case_id"], f"{row['code']} case {row['number']}")
        for delivery_id in await self._ledger.read(queries.given_up, real, _BATCH):
            await self._give_up(delivery_id, real)

    async def _alert(self, report_id: UUID, case_id: UUID, subject: str) -> None:
        """Alert the 112 desk once, whoever else watches, and tell the reporter that a person takes over."""

        async def think() -> Act | None:
            # The report is read before the question: its version is what makes a second watcher think again.
            whole = await self._ledger.read(queries.whole, report_id)
            if await self._ledger.read(queries.alerted, subject):
                return None
            case = whole.case(case_id)
            act = self._ledger.act(GATEWAY, "watch")
            act.alarm(queries.UNACKNOWLEDGED, subject, "call_and_take_over", case["app"], whole.id)
            facts = {"subject": subject}
            act.record(whole.code, "report.alerted", case=case["number"], rule="emergency:60s", facts=facts)
            report = whole.ref(self._ledger.vault)
            act.say(report, "desk.takes_over", "gateway", case=case_ref(case), app=case["app"])
            act.touch(report)
            return act

        if await self._ledger.decide(think):
            _log.warning("emergency.unacknowledged", delivery=subject)

    async def _give_up(self, delivery_id: UUID, real: datetime) -> None:
        async def think() -> Act | None:
            row, whole, _ = await self._ledger.read_together(queries.standing, delivery_id)
            following = _GIVEN_UP.get(DeliveryState(row["state"]))
            if following is None or not queries.is_given_up(row, real):
                return None
            act = self._ledger.act(GATEWAY, "watch")
            hop = Hop(direction="out", app=row["app"], operation="give_up", delivery=row["key"])
            settle_delivery(
                act,
                whole.ref(self._ledger.vault),
                whole.case(row["case_id"])["number"],
                row,
                following,
                hop,
                how="watch",
                cause=row["cause"] or "too_old",
                field=row["field"],
                http=row["http"],
            )
            if row["state"] == DeliveryState.QUEUED and row["command"] != Command.OPEN:
                act.say(whole.ref(self._ledger.vault), "message.not_carried", "gateway", app=row["app"])
            return act

        try:
            await self._ledger.decide(think)
        except Stale:
            return  # somebody is busy with it, and not silently
