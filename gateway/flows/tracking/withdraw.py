"""A reporter takes his report back: what has not left is stopped, what has left is withdrawn where the app can.

Each case goes its own way. A case of the desk ends, and so does one of which no byte has reached its app. An app that
takes withdrawals gets one, after all that waits before it, and says itself what becomes of the case. Where it takes
none the case goes on, and the reporter is told. An emergency is never stopped: 112 is told his words and judges.
"""

from typing import Final
from uuid import UUID

import msgspec

from gateway.flows.tracking import queries
from gateway.flows.tracking.bodies import Withdrawn
from gateway.flows.tracking.once import Caller
from gateway.kernel.host import Host, carries
from gateway.kernel.ledger import Act, Ledger, ReportRef
from gateway.kernel.ledger.progress import DESK, Happening, Step, advance, said
from gateway.kernel.ledger.reading import Row, Whole, case_ref, events_of
from gateway.model.case import CaseEvent
from gateway.model.codes import delivery_key
from gateway.model.delivery import Command, DeliveryState, Next
from gateway.model.entry import Hop
from gateway.model.problem import Problem
from gateway.model.status import OPEN, Status
from gateway.sdk import Amendment

RULE: Final = "withdrawal"
_CANCELLED: Final = Next(state=DeliveryState.CANCELLED)


class _Doing(msgspec.Struct):
    """A withdrawal while it is thought of; `sent` is the number of the last delivery."""

    act: Act
    whole: Whole
    report: ReportRef
    sent: int
    steps: list[Step] = []
    cancelled: list[str] = []
    carried: list[str] = []
    refused: list[str] = []


class Withdrawer:
    """Takes reports back."""

    def __init__(self, ledger: Ledger, host: Host) -> None:
        self._ledger, self._host = ledger, host

    async def withdraw(self, caller: Caller, reason: str, whole: Whole) -> tuple[Act | None, Withdrawn]:
        """Return the act by which a report is withdrawn, and what is told; no act where it was before.

        Raises Problem `withdrawal-impossible` for a report that has ended.
        """
        deliveries = await self._ledger.read(queries.deliveries, whole.id)
        if whole.report["withdrawn_at"] is not None:
            return None, _stood(whole, deliveries)
        if whole.report["status"] not in OPEN:
            raise Problem("withdrawal-impossible", status=whole.report["status"])
        events = await self._ledger.read(events_of, [case["id"] for case in whole.cases])
        act = self._ledger.act(caller.actor, "POST /v1/reports/withdrawal")
        report = whole.ref(self._ledger.vault)
        doing = _Doing(act=act, whole=whole, report=report, sent=whole.report["deliveries"])
        act.say(report, "report.withdrawn", "reporter", text=reason or None)
        for case in whole.cases:
            if case["status"] in OPEN:
                self._case(doing, case, [row for row in deliveries if row["case_id"] == case["id"]], reason, events)
        facts = {name: ",".join(apps) for name in ("cancelled", "carried", "refused") if (apps := getattr(doing, name))}
        commits = {"reason": report.key.commitment(reason)}
        act.record(whole.code, "report.withdrawn", rule=RULE, facts=facts, commits=commits)
        status = advance(act, self._ledger.vault, whole, doing.steps, withdrawn_at=act.now, deliveries=doing.sent)
        told = Withdrawn(
            code=whole.code,
            status=status,
            at=act.now,
            cancelled=doing.cancelled,
            carried=doing.carried,
            refused=doing.refused,
        )
        return act, told

    def _case(
        self, doing: _Doing, case: Row, deliveries: list[Row], reason: str, events: dict[UUID, list[CaseEvent]]
    ) -> None:
        act, app, ref = doing.act, case["app"], case_ref(case)
        if doing.whole.report["emergency"]:
            doing.refused.append(app)
            act.say(doing.report, "withdrawal.emergency", DESK, case=ref, app=app)
            if app != DESK and carries(self._host, app, case["profile"]):
                self._send(doing, case, Command.MESSAGE, f"Pelapor menarik laporan ini: {reason}".rstrip(": "))
        elif app == DESK or _unsent(case, doing.whole, deliveries):
            for row in deliveries:
                if row["state"] == DeliveryState.QUEUED:
                    self._stop(doing, case, row)
            known = events[case["id"]]
            ended = Happening(
                event=said(act, case, known, Status.CANCELLED), kind="withdrawn", by="reporter", rule=RULE
            )
            doing.steps.append(Step(case_id=case["id"], happenings=[ended], known=known, heard=app == DESK))
            doing.cancelled.append(app)
        elif carries(self._host, app, case["profile"], Command.WITHDRAW):
            self._send(doing, case, Command.WITHDRAW, reason)
            doing.carried.append(app)
            act.say(doing.report, "withdrawal.carried", DESK, case=ref, app=app)
        else:
            doing.refused.append(app)
            act.say(doing.report, "withdrawal.not_carried", DESK, case=ref, app=app)

    def _stop(self, doing: _Doing, case: Row, row: Row) -> None:
        """Cancel a delivery before its first byte; a worker that takes it up in this moment has us think again."""
        act = doing.act
        act.settle(row, _CANCELLED, settle_at=None, due_at=act.real, cause="withdrawn", field=None, http=None)
        hop = Hop(direction="out", app=row["app"], operation=row["command"], delivery=row["key"], outcome="cancelled")
        facts = {"from": str(row["state"]), "cause": "withdrawn"}
        act.record(doing.whole.code, "delivery.cancelled", case=case["number"], rule=RULE, hop=hop, facts=facts)

    def _send(self, doing: _Doing, case: Row, command: Command, text: str) -> None:
        doing.sent += 1
        free = "description" in self._host.manifest(case["app"]).shares_of(case["profile"])
        amendment = Amendment(
            key=delivery_key(doing.whole.code, doing.sent),
            code=doing.whole.code,
            command=command,
            text=text if free else "",
            at=doing.act.now,
        )
        emergency = doing.whole.report["emergency"]
        doing.act.send(doing.report, case_ref(case), doing.sent, command, amendment, emergency)


def _unsent(case: Row, whole: Whole, deliveries: list[Row]) -> bool:
    """Tell whether no byte of a case can have reached its app: it has no number there, and nothing was tried."""
    live = [row for row in deliveries if row["state"] != DeliveryState.CANCELLED]
    tried = any(row["state"] != DeliveryState.QUEUED or row["attempt"] for row in live)
    return not tried and not whole.references_of(case["id"])


def _stood(whole: Whole, deliveries: list[Row]) -> Withdrawn:
    """Return what is told of a report that was withdrawn before."""
    carried = {row["case_id"] for row in deliveries if row["command"] == Command.WITHDRAW}
    ways: dict[str, list[str]] = {"cancelled": [], "carried": [], "refused": []}
    for case in whole.cases:
        if case["id"] in carried:
            ways["carried"].append(case["app"])
        elif case["status"] in OPEN:
            ways["refused"].append(case["app"])
        elif case["status"] == Status.CANCELLED:
            ways["cancelled"].append(case["app"])
    return Withdrawn(code=whole.code, status=whole.report["status"], at=whole.report["withdrawn_at"], **ways)
