"""A signed-in citizen takes a report into his account that was filed without one: the old secret ends with it.

What was split off the report and belongs to nobody yet comes along. Text messages end too: an account is told there.
"""

from typing import Final

from gateway.flows.tracking import queries
from gateway.flows.tracking.bodies import Claimed, Part, SmsWanted
from gateway.flows.tracking.once import Caller
from gateway.kernel.ledger import Act, Ledger
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.reading import Whole, report_by_id
from gateway.kernel.policy.texting import texted_number
from gateway.model.principal import EVERYTHING
from gateway.model.problem import Problem

RULE: Final = "claim"


class Claimer:
    """Hands reports to accounts, and ends or begins text messages."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def claim(self, caller: Caller, whole: Whole) -> tuple[Act | None, Claimed]:
        """Return the act by which a report comes into the caller's account, and its new secret; no act where it is in
        it already. Raises Problem `claim-impossible` where it is in another."""
        owner = whole.report["owner"]
        if owner == caller.principal.key:
            return None, Claimed(code=whole.code, secret=self._secret(whole, whole.report["epoch"]), parts=[])
        if owner is not None:
            raise Problem("claim-impossible")
        act = self._ledger.act(caller.actor, "POST /v1/reports/claim")
        # Told once: two notices of one moment would name a part to those who work on the other.
        act.say(whole.ref(self._ledger.vault), "report.claimed", "reporter")
        secret, parts = self._take(act, caller, whole), []
        for part_id in await self._ledger.read(queries.unclaimed_parts, whole.id):
            part = await self._ledger.read(report_by_id, EVERYTHING, part_id)
            assert part is not None, "a report that was there a moment ago"
            parts.append(Part(code=part.code, secret=self._take(act, caller, part)))
        return act, Claimed(code=whole.code, secret=secret, parts=parts)

    def _take(self, act: Act, caller: Caller, whole: Whole) -> str:
        report, epoch = whole.ref(self._ledger.vault), whole.report["epoch"] + 1
        act.record(whole.code, "report.claimed", rule=RULE, facts={"epoch": epoch})
        act.touch(report, owner=caller.principal.key, epoch=epoch, sealed_phone=None)
        return self._secret(whole, epoch)

    def _secret(self, whole: Whole, epoch: int) -> str:
        return self._ledger.keyring.report_secret(whole.id, epoch)

    async def text(self, caller: Caller, wanted: bool, whole: Whole) -> tuple[Act | None, SmsWanted]:
        """Return the act by which a report's text messages end (what waits is dropped) or begin again; no act where it
        is so already. Raises Problem `sms-impossible` where there is no number, or an account."""
        told = SmsWanted(code=whole.code, wanted=wanted)
        if (whole.report["sealed_phone"] is not None) == wanted:
            return None, told
        report = whole.ref(self._ledger.vault)
        number = texted_number(whole.report["owner"], whole.content(self._ledger.vault).reporter.phone)
        if wanted and number is None:
            raise Problem("sms-impossible")
        act = self._ledger.act(caller.actor, "POST /v1/reports/sms")
        act.say(report, "report.sms_wanted" if wanted else "report.sms_declined", "reporter")
        act.record(whole.code, "sms.wanted" if wanted else "sms.declined", rule="sms")
        act.touch(report, sealed_phone=report.key.seal("phone", number) if wanted else None)
        for row in [] if wanted else await self._ledger.read(queries.waiting_texts, whole.id):
            where = {"id": row["id"], "state": "queued", "tries": row["tries"]}
            act.change(t.sms, where, state="dropped", cause="declined")
        return act, told
