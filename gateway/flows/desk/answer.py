"""What an officer says about a report: a reply the reporter reads, a note he does not, and the end of a case.

Cases of the gateway's own desk move by it. A case that lives in an app is moved by that app alone; a reply to it
is carried there as a message where the app can take one.
"""

from typing import Final

import msgspec

from gateway.flows.desk import queries
from gateway.flows.desk.again import decided
from gateway.flows.desk.meant import meant
from gateway.flows.desk.show import title
from gateway.flows.desk.who import Desk
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host, carries
from gateway.kernel.ledger import Act, Ledger
from gateway.kernel.ledger.progress import Happening, progress, said
from gateway.kernel.ledger.reading import Row, Whole, case_ref
from gateway.model.case import CaseEvent
from gateway.model.codes import delivery_key
from gateway.model.delivery import Command
from gateway.model.problem import Problem
from gateway.model.status import GATEWAY_ONLY, OPEN, TRANSITIONS, Status
from gateway.sdk import Amendment

REPLY: Final = frozenset(OPEN) - GATEWAY_ONLY - {Status.RECEIVED}
"""Where a reply may move a case of the desk; its end is said with `close`."""
CLOSE: Final = frozenset({Status.RESOLVED, Status.REJECTED})


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an officer's word: the report's status now, and the app it is on its way to, if any."""

    code: str
    case: int
    status: str
    carried: str | None = None


class Officer:
    """Speaks for desks."""

    def __init__(self, ledger: Ledger, host: Host, wake: Wake) -> None:
        self._ledger, self._host, self._wake = ledger, host, wake

    async def reply(self, desk: Desk, code: str, number: int | None, text: str, status: Status | None) -> Done:
        """Answer the reporter. A case of the desk goes to `status` (default: it is being worked on).

        Raises Problem `case-conflict` for a move that is not legal, or for a case in an app that cannot take
        messages; it says what is possible instead.
        """
        done: list[Done] = []

        async def think() -> Act:
            at = await meant(self._ledger, desk, code, number)
            whole, row, known = at.whole, at.row, at.known
            act = self._ledger.act(desk.actor, "desk:reply")
            if row["app"] == queries.DESK:
                moved = self._moved(act, desk, whole, row, known, "reply", text, self._target(row, status))
                done[:] = [Done(code=whole.code, case=row["number"], status=moved)]
            else:
                self._carry(act, desk, whole, row, text, status)
                done[:] = [
                    Done(
                        code=whole.code,
                        case=row["number"],
                        status=whole.report["status"],
                        carried=row["app"],
                    )
                ]
            return act

        await decided(self._ledger, think)
        self._wake.ring("delivery")
        self._wake.ring(f"report:{done[0].code}")
        return done[0]

    async def close(self, desk: Desk, code: str, number: int | None, outcome: Status, text: str) -> Done:
        """End a case of the gateway's own desk as resolved or rejected, with the answer the reporter reads."""
        done: list[Done] = []

        async def think() -> Act:
            at = await meant(self._ledger, desk, code, number)
            whole, row, known = at.whole, at.row, at.known
            if row["app"] != queries.DESK:
                raise Problem("case-in-app", app=title(self._host, row["app"]), possible="reply, note")
            act = self._ledger.act(desk.actor, "desk:close")
            moved = self._moved(act, desk, whole, row, known, "close", text, self._target(row, outcome))
            done[:] = [Done(code=whole.code, case=row["number"], status=moved)]
            return act

        await decided(self._ledger, think)
        self._wake.ring(f"report:{done[0].code}")
        return done[0]

    async def note(self, desk: Desk, code: str, number: int | None, text: str) -> Done:
        """Keep a note that only those who work on the report read."""
        done: list[Done] = []

        async def think() -> Act:
            at = await meant(self._ledger, desk, code, number)
            whole, row = at.whole, at.row
            report = whole.ref(self._ledger.vault)
            act = self._ledger.act(desk.actor, "desk:note")
            act.say(report, "desk.note", desk.by, case=case_ref(row), text=text, internal=True)
            commits = {"text": report.key.commitment(text)}
            act.record(whole.code, "case.note", case=row["number"], rule="desk:note", commits=commits)
            done[:] = [Done(code=whole.code, case=row["number"], status=whole.report["status"])]
            return act

        await decided(self._ledger, think)
        self._wake.ring(f"report:{done[0].code}")
        return done[0]

    # -- parts -------------------------------------------------------------------------------------------------

    def _target(self, row: Row, wanted: Status | None) -> Status | None:
        """Return the status to move to (None: stay), or refuse with what is possible from here."""
        now = Status(row["status"])
        if wanted is None:
            may = now in OPEN and now is not Status.IN_PROGRESS
            return Status.IN_PROGRESS if may and Status.IN_PROGRESS in TRANSITIONS[now] else None
        if wanted is now:
            return None
        if wanted not in TRANSITIONS[now]:
            possible = sorted(TRANSITIONS[now] & (REPLY | CLOSE))
            raise Problem("case-conflict", status=now, possible=", ".join(possible) or "note")
        return wanted

    def _moved(
        self,
        act: Act,
        desk: Desk,
        whole: Whole,
        row: Row,
        known: list[CaseEvent],
        kind: str,
        text: str,
        status: Status | None,
    ) -> str:
        happening = Happening(
            event=said(act, row, known, status),
            kind=kind,
            by=desk.by,
            text=text,
            rule=f"desk:{kind}",
            notice=None if status else "message.agency",
        )
        moved = progress(act, self._ledger.vault, whole, row["id"], [happening], known)
        return str(moved if moved is not None else whole.report["status"])

    def _carry(self, act: Act, desk: Desk, whole: Whole, row: Row, text: str, status: Status | None) -> None:
        """Send an officer's reply to the app that has the case, and keep it with the report."""
        app = row["app"]
        if status is not None or row["status"] not in OPEN or not carries(self._host, app, row["profile"]):
            raise Problem("case-in-app", app=title(self._host, app), possible="note")
        report, case = whole.ref(self._ledger.vault), case_ref(row)
        number = whole.report["deliveries"] + 1
        amendment = Amendment(
            key=delivery_key(whole.code, number),
            code=whole.code,
            command=Command.MESSAGE,
            text=text,
            at=act.now,
        )
        act.send(report, case, number, Command.MESSAGE, amendment, whole.report["emergency"])
        act.say(report, "message.agency", desk.by, case=case, text=text)
        commits = {"text": report.key.commitment(text)}
        act.record(whole.code, "case.reply", case=case.number, rule="desk:reply", commits=commits)
        act.touch(report, deliveries=number)
