"""A reporter takes a report up again that has ended: a new epoch of its cases, and somebody who is told of it.

A case of the desk stands in its desk's queue again. An app that takes messages is told in one; of any other, and of
emergencies, the desk takes the case over: what nobody would hear of is not reopened. Clocks that waited for the end run
anew.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from gateway.flows.tracking import queries
from gateway.flows.tracking.bodies import Reopened
from gateway.flows.tracking.ends import REOPENED, by_gateway, endings
from gateway.flows.tracking.once import Caller
from gateway.kernel.host import Host, carries
from gateway.kernel.ledger import Act, Ledger, ReportRef
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.progress import DESK, Happening, Step, advance
from gateway.kernel.ledger.reading import Row, Whole, case_ref, events_of
from gateway.kernel.policy import Policy
from gateway.kernel.policy.clocks import REOPENING
from gateway.model.case import CaseEvent
from gateway.model.codes import delivery_key
from gateway.model.delivery import Command
from gateway.model.problem import Problem
from gateway.model.status import Status
from gateway.sdk import Amendment

RULE: Final = "reopening"
_ANEW: Final = frozenset({Status.RESOLVED, Status.CLOSED, Status.REJECTED})
"""Ends that a reporter may undo; what was cancelled or is a duplicate has not ended here."""


class _Doing(msgspec.Struct):
    """A reopening while it is thought of; `sent` and `number` are those of the last delivery and case."""

    act: Act
    whole: Whole
    report: ReportRef
    name: str
    sent: int
    number: int
    steps: list[Step] = []
    opened: list[Status] = []
    carried: list[str] = []
    desk: list[str] = []


class Reopener:
    """Opens reports again."""

    def __init__(self, ledger: Ledger, policy: Policy, host: Host) -> None:
        self._ledger, self._policy, self._host = ledger, policy, host

    async def reopen(self, caller: Caller, reason: str, whole: Whole) -> tuple[Act | None, Reopened]:
        """Return the act by which a report is reopened, and what is told; no act where it stands reopened already.

        Raises Problem `reopening-impossible` for a report that has not come to an end of its own, `reopening-too-late`
        where the time is over.
        """
        if any(case["status"] == Status.REOPENED for case in whole.cases):
            return None, Reopened(code=whole.code, status=whole.report["status"], carried=[], desk=[])
        ended = [case for case in whole.cases if case["status"] in _ANEW]
        if whole.report["withdrawn_at"] is not None or whole.report["status"] not in _ANEW or not ended:
            raise Problem("reopening-impossible", status=whole.report["status"])
        self._in_time(max(case["since"] for case in ended), whole.report["agency"])
        events = await self._ledger.read(events_of, [case["id"] for case in whole.cases])
        act, ending = self._ledger.act(caller.actor, "POST /v1/reports/reopening"), endings(events.values())
        doing = _Doing(
            act=act,
            whole=whole,
            report=whole.ref(self._ledger.vault),
            name=f"{REOPENED}{ending}",
            sent=whole.report["deliveries"],
            number=max(case["number"] for case in whole.cases),
        )
        act.say(doing.report, "report.reopened", "reporter", status=Status.REOPENED, text=reason)
        for case in ended:
            self._case(doing, case, reason, events)
        await self._run_anew(doing)
        facts = {"ending": ending, "carried": ",".join(doing.carried), "desk": ",".join(doing.desk)}
        act.record(
            whole.code,
            "report.reopened",
            rule=RULE,
            facts={name: value for name, value in facts.items() if value},
            commits={"reason": doing.report.key.commitment(reason)},
        )
        act.alarm("report_reopened", whole.code, "reopened_by_reporter", report_id=whole.id)
        status = advance(act, self._ledger.vault, whole, doing.steps, opened=doing.opened, deliveries=doing.sent)
        return act, Reopened(code=whole.code, status=status, carried=doing.carried, desk=doing.desk)

    def _in_time(self, ended_at: datetime, agency: str) -> None:
        by = self._policy.deadline(REOPENING, ended_at, agency).by
        if self._ledger.clock.now() > by:
            raise Problem("reopening-too-late", by=by.isoformat(timespec="minutes"))

    def _case(self, doing: _Doing, case: Row, reason: str, events: dict[UUID, list[CaseEvent]]) -> None:
        app = case["app"]
        if app == DESK:
            doing.desk.append(case["agency"])
        elif not doing.whole.report["emergency"] and carries(self._host, case["app"], case["profile"]):
            self._carry(doing, case, reason)
        else:
            self._take_over(doing, case)
            return
        known = events[case["id"]]
        event = by_gateway(doing.act, case, known, Status.REOPENED, doing.name, self._now(app))
        happening = Happening(event=event, kind="reopened", by="reporter", rule=RULE, silent=True)
        doing.steps.append(Step(case_id=case["id"], happenings=[happening], known=known, heard=app == DESK))

    def _now(self, app: str) -> datetime | None:
        """Return an app's own time, None where it is not known."""
        return self._host.get(app).app.http.app_now() if app in self._host.apps() else None

    def _carry(self, doing: _Doing, case: Row, reason: str) -> None:
        act, app = doing.act, case["app"]
        doing.sent += 1
        amendment = Amendment(
            key=delivery_key(doing.whole.code, doing.sent),
            code=doing.whole.code,
            command=Command.MESSAGE,
            text=f"Pelapor membuka kembali laporan ini: {reason}",
            at=act.now,
        )
        act.send(doing.report, case_ref(case), doing.sent, Command.MESSAGE, amendment, emergency=False)
        act.say(doing.report, "reopening.carried", DESK, case=case_ref(case), app=app)
        doing.carried.append(app)

    def _take_over(self, doing: _Doing, case: Row) -> None:
        """Open a case at the desk of the agency that had it: its app cannot be told, or 112 has long closed it."""
        act = doing.act
        doing.number += 1
        row = {
            "app": DESK,
            "profile": None,
            "service": case["service"],
            "agency": case["agency"],
            "status": Status.REOPENED,
            "reason": "reopened",
            "rule": RULE,
            "sealed": case["sealed"],
        }
        new = act.open_case(doing.report, doing.number, row, self._policy.digest)
        event = by_gateway(act, row, (), Status.REOPENED, doing.name)
        act.hear(doing.report, new, event, "reopened", rule=RULE)
        act.say(doing.report, "reopening.not_carried", DESK, case=new, app=case["app"])
        doing.opened.append(Status.REOPENED)
        doing.desk.append(case["agency"])

    async def _run_anew(self, doing: _Doing) -> None:
        """Start those clocks again that waited for the end."""
        for row in await self._ledger.read(queries.stopped, doing.whole.id):
            if row["clock"] not in self._policy.clocks:
                continue
            due = self._policy.deadline(row["clock"], doing.act.now, doing.whole.report["agency"])
            where = {"report_id": doing.whole.id, "clock": row["clock"], "state": row["state"]}
            doing.act.change(t.deadline, where, state="running", by=due.by, met_at=None)
            facts = {"clock": due.clock, "by": due.by.isoformat()}
            doing.act.record(doing.whole.code, "clock.started", rule=RULE, config=self._policy.digest, facts=facts)
