"""Linking two reports: this one is a duplicate of, a follow-up to, escalated from, related to, an objection to another.

A duplicate ends at the desks of the gateway; a case in an app stays as its app says. Two reporters never learn of each
other by a link: nothing of the other report is told but that there is one, and, at its end, that it has ended.
"""

from typing import Final

from gateway.flows.desk import queries
from gateway.flows.desk.again import decided
from gateway.flows.desk.bodies import LinkBody, Linked
from gateway.flows.desk.meant import Meant, some
from gateway.flows.desk.who import Desk
from gateway.kernel.coordination import Wake
from gateway.kernel.ledger import Act, Ledger, Taken
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.progress import Happening, Step, advance, said
from gateway.kernel.ledger.reading import Whole, report_named
from gateway.kernel.policy.matter import protects
from gateway.model.codes import parse_code
from gateway.model.link import LinkKind
from gateway.model.principal import Scope
from gateway.model.problem import Fault, Problem, refused
from gateway.model.status import OPEN, Status

RULE: Final = "desk:link"
BY_HAND: Final = frozenset(LinkKind) - {LinkKind.SPLIT_FROM}
"""Links that an officer makes; parts are linked by splitting."""


class Linker:
    """Links reports for desks."""

    def __init__(self, ledger: Ledger, wake: Wake) -> None:
        self._ledger, self._wake = ledger, wake

    async def link(self, desk: Desk, code: str, kind: LinkKind, body: LinkBody) -> Linked:
        """Make a link. Raises Problem `already-linked`, `link-circle` for a duplicate of a duplicate of itself, and
        faults of the body (`link-unknown`)."""
        done: list[Linked] = []

        async def think() -> Act:
            at = await some(self._ledger, desk, code)
            other = await self._other(desk, at.whole, body.code)
            act = self._ledger.act(desk.actor, RULE)
            report = at.whole.ref(self._ledger.vault)
            act.link(report, other.id, other.code, kind, rule=RULE, reason=body.reason)
            act.say(report, "desk.note", desk.by, text=body.reason, internal=True)
            self._tell(act, desk, at.whole, other)
            steps = await self._duplicate(act, desk, at, other) if kind is LinkKind.DUPLICATE_OF else []
            status = advance(act, self._ledger.vault, at.whole, steps)
            done[:] = [Linked(report=at.whole.code, kind=str(kind), code=other.code, status=status)]
            return act

        try:
            await decided(self._ledger, think)
        except Taken as clash:
            if clash.table != "link":
                raise
            raise Problem("already-linked") from None
        self._wake.ring("duplicates")
        for name in (done[0].report, done[0].code):
            self._wake.ring(f"report:{name}")
        return done[0]

    async def _other(self, desk: Desk, whole: Whole, name: str) -> Whole:
        """Return the report meant. An officer may name any report by its number: the answer tells nothing of it."""
        scope = Scope(everything=True, restricted=desk.scope.restricted)
        other = await self._ledger.read(report_named, scope, parse_code(name) or name.strip())
        if other is None or other.id == whole.id:
            raise refused([Fault(code="link-unknown", pointer="/code")])
        return other

    def _tell(self, act: Act, desk: Desk, whole: Whole, other: Whole) -> None:
        """Tell a person who filed both reports; officers read it too, so not where one of the two hides him."""
        owner = whole.report["owner"]
        alike = _hidden(whole) == _hidden(other)
        if owner is None or owner != other.report["owner"] or not alike:
            return
        act.say(whole.ref(self._ledger.vault), "report.linked", desk.by, code=other.code)
        act.say(other.ref(self._ledger.vault), "report.linked", desk.by, code=whole.code)

    async def _duplicate(self, act: Act, desk: Desk, at: Meant, other: Whole) -> list[Step]:
        """End what the gateway itself holds of a duplicate: cases of its desks, and those not yet delivered."""
        if at.whole.id in await self._ledger.read(queries.originals, other.id):
            raise Problem("link-circle")
        # Whoever makes the other a duplicate of this one at the same moment thinks again: no circle by chance.
        version = other.report["version"]
        act.change(t.report, {"id": other.id, "version": version}, version=version + 1)
        unsent = {ask["case_id"] for ask in at.whole.asks if ask["opens"]}
        steps = []
        for row in at.whole.cases:
            if row["status"] not in OPEN or not (row["app"] == queries.DESK or row["id"] in unsent):
                continue
            known = at.events[row["id"]]
            happening = Happening(
                event=said(act, row, known, Status.DUPLICATE), kind="link", by=desk.by, silent=True, rule=RULE
            )
            steps.append(Step(case_id=row["id"], happenings=[happening], known=known))
        status = Status.DUPLICATE if steps else None
        act.say(at.whole.ref(self._ledger.vault), "report.duplicate", desk.by, status=status)
        return steps


def _hidden(whole: Whole) -> bool:
    return protects(whole.report["identity"], whole.report["privacy"])
