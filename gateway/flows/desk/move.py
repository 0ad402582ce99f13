"""A person moves a delivery that is stuck: sends it again, says it has arrived, or gives it up.

Every move says who, why and under which rule; the reason in words is sealed with the report, the entry holds its
commitment. What is not allowed is refused with what is.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import msgspec

from gateway.flows.desk import queries
from gateway.flows.desk.again import decided
from gateway.flows.desk.possible import possible
from gateway.flows.desk.show import title
from gateway.flows.desk.who import Desk
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host
from gateway.kernel.ledger import Act, Ledger, Taken
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.outcome import accepted
from gateway.kernel.ledger.progress import Happening, progress
from gateway.kernel.ledger.reading import Row, Whole, case_ref
from gateway.model.case import CaseEvent, fold
from gateway.model.delivery import Command, DeliveryState, Level, Next, after_replay
from gateway.model.delivery import Standing as Attempted
from gateway.model.entry import Hop
from gateway.model.problem import Problem
from gateway.model.status import Status, report_status


class Standing(msgspec.Struct, frozen=True):
    """A delivery as it stands, with its report and the events of its case."""

    row: Row
    whole: Whole
    known: list[CaseEvent]


class Mover:
    """Moves deliveries for people."""

    def __init__(self, ledger: Ledger, host: Host, wake: Wake) -> None:
        self._ledger, self._host, self._wake = ledger, host, wake

    async def replay(self, desk: Desk, delivery_id: UUID, reason: str) -> Row:
        """Send a held or dead delivery again: the same command under the same key.

        What was sent before may have arrived without an answer: an app that can be looked up exactly is asked
        first, after it had time to settle. Everywhere else the next attempt is made now.
        """

        async def move(act: Act, at: Standing) -> None:
            following = self._again(at.row)
            settle_s = float(self._host.manifest(at.row["app"]).settle_s) if following.settle else 0.0
            act.settle(
                at.row,
                following,
                settle_at=act.now + timedelta(seconds=settle_s) if following.settle else None,
                due_at=act.real,
                replayed_at=act.real,
                cause=None,
                field=None,
                http=None,
            )
            self._record(act, desk, at, "replayed", "desk:replay", reason)

        row = await self._move(desk, delivery_id, "replay", move)
        self._wake.ring("delivery")
        self._wake.ring("reconcile")
        return row

    async def resolve(self, desk: Desk, delivery_id: UUID, kind: str, value: str, reason: str) -> Row:
        """Take a person's word, with the app's number as evidence, that the app has the command.

        Raises Problem `reference-taken` if the number names another case.
        """

        async def move(act: Act, at: Standing) -> None:
            case = case_ref(at.whole.case(at.row["case_id"]))
            known = {(number["kind"], number["value"]) for number in at.whole.references_of(case.id)}
            if (kind, value) not in known:
                act.refer(at.whole.ref(self._ledger.vault), case, [(kind, value)])
            act.settle(at.row, accepted(), settle_at=None, due_at=act.real, cause=None, field=None, http=None)
            self._record(act, desk, at, "accepted", "desk:resolve", reason, how="person", number=value)
            if at.row["command"] == Command.OPEN:
                self._arrived(act, at)

        try:
            row = await self._move(desk, delivery_id, "resolve", move)
        except Taken as clash:
            if clash.table != "reference":
                raise
            raise Problem("reference-taken", value=value) from None
        self._wake.ring("delivery")
        self._wake.ring("inbox")
        return row

    async def cancel(self, desk: Desk, delivery_id: UUID, reason: str) -> Row:
        """Give a delivery up. A report that never reached its app becomes a case of the desk, with the reason;
        messages that waited behind it are cancelled too and stay with the report."""

        async def move(act: Act, at: Standing) -> None:
            self._cancelled(act, at.row)
            self._record(act, desk, at, "cancelled", "desk:cancel", reason)
            if at.row["command"] != Command.OPEN:
                return
            behind = await self._ledger.read(queries.waiting_behind, at.row["case_id"], at.row["number"])
            for row in behind:
                self._cancelled(act, row)
                later = Standing(row, at.whole, at.known)
                self._record(act, desk, later, "cancelled", "desk:cancel", None, after=at.row["key"])
            self._to_desk(act, at)

        return await self._move(desk, delivery_id, "cancel", move)

    # -- the parts of a move -----------------------------------------------------------------------------------

    async def _move(
        self,
        desk: Desk,
        delivery_id: UUID,
        name: str,
        move: Callable[[Act, Standing], Awaitable[None]],
    ) -> Row:
        """Make a move under what was read; read and judge again if it changed in between."""

        async def think() -> Act:
            found = await self._ledger.read(queries.delivery, desk.scope, desk.agency, delivery_id)
            if found is None:
                raise Problem("not-found")
            at = Standing(*found)
            allowed = possible(at.row["state"], at.row["attempt"])
            if name not in allowed:
                raise Problem("delivery-conflict", move=name, state=at.row["state"], possible=", ".join(allowed) or "-")
            act = self._ledger.act(desk.actor, f"desk:{name}")
            await move(act, at)
            for alert in await self._ledger.read(queries.open_alerts, at.row["key"]):
                act.change(t.alert, {"id": alert, "cleared_at": None}, cleared_at=act.now)
            return act

        await decided(self._ledger, think)
        found = await self._ledger.read(queries.delivery, desk.scope, desk.agency, delivery_id)
        if found is None:
            raise Problem("not-found")
        self._wake.ring(f"report:{found[1].code}")
        return found[0]

    def _again(self, row: Row) -> Next:
        """Return what follows a replay; an app that is gone altogether keeps the delivery queued until it is back."""
        attempted = Attempted(
            state=DeliveryState(row["state"]),
            attempt=row["attempt"],
            absences=row["absences"],
            made_at=row["made_at"],
            replayed_at=row["replayed_at"],
        )
        try:
            level = self._host.level(row["app"], row["command"])
        except KeyError:
            level = Level.L0
        return after_replay(attempted, level)

    def _cancelled(self, act: Act, row: Row) -> None:
        act.settle(
            row,
            Next(state=DeliveryState.CANCELLED),
            settle_at=None,
            due_at=act.real,
            cause="cancelled",
            field=None,
            http=None,
        )

    def _record(
        self,
        act: Act,
        desk: Desk,
        at: Standing,
        what: str,
        rule: str,
        reason: str | None,
        **facts: str,
    ) -> None:
        """Write the entry of a move, and keep the reason in words for those who work on the report."""
        report, case = at.whole.ref(self._ledger.vault), case_ref(at.whole.case(at.row["case_id"]))
        hop = Hop(
            direction="out",
            app=at.row["app"],
            operation=at.row["command"],
            delivery=at.row["key"],
            attempt=at.row["attempt"] or None,
            outcome=what,
        )
        more = {"from": str(at.row["state"])} | facts
        commits = None if reason is None else {"reason": report.key.commitment(reason)}
        act.record(
            report.code,
            f"delivery.{what}",
            case=case.number,
            rule=rule,
            hop=hop,
            facts=more,
            commits=commits,
        )
        if reason is not None:
            act.say(report, "desk.note", desk.by, case=case, text=f"{at.row['key']}: {reason}", internal=True)

    def _arrived(self, act: Act, at: Standing) -> None:
        """Keep the word of a person as the receipt that never came."""
        case = at.whole.case(at.row["case_id"])
        event = CaseEvent(id=f"receipt:{at.row['key']}", at=act.now, status=None)
        happening = Happening(event=event, kind="receipt", by=case["app"], silent=True, rule="desk:resolve")
        if progress(act, self._ledger.vault, at.whole, case["id"], [happening], at.known) is not None:
            report = at.whole.ref(self._ledger.vault)
            named = title(self._host, case["app"])
            act.say(report, "delivery.forwarded", case["app"], case=case_ref(case), app=named)

    def _to_desk(self, act: Act, at: Standing) -> None:
        """End the case that never reached its app and open one at the gateway's own desk instead."""
        report, old = at.whole.ref(self._ledger.vault), at.whole.case(at.row["case_id"])
        ended = CaseEvent(id=f"cancel:{at.row['key']}", at=act.now, status=Status.CANCELLED)
        act.hear(report, case_ref(old), ended, "given_up", rule="desk:cancel")
        folded = fold([*at.known, ended])
        act.move(case_ref(old), folded.status, folded.word, folded.since)
        number = max(case["number"] for case in at.whole.cases) + 1
        row = {
            "app": queries.DESK,
            "profile": None,
            "service": old["service"],
            "agency": old["agency"],
            "status": Status.RECEIVED,
            "reason": "delivery_cancelled",
            "rule": "desk:cancel",
        }
        case = act.open_case(report, number, row, at.whole.report["config"])
        act.say(
            report,
            "case.desk",
            queries.DESK,
            case=case,
            reason="delivery_cancelled",
            agency=old["agency"],
        )
        others = [Status(other["status"]) for other in at.whole.cases if other["id"] != old["id"]]
        status = report_status([*others, folded.status, Status.RECEIVED])
        if status == at.whole.report["status"]:
            act.touch(report)
        else:
            act.touch(report, status=status)
            before = str(at.whole.report["status"])
            act.record(report.code, "report.moved", status=str(status), facts={"from": before})
