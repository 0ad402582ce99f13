"""What a reporter thinks of how his report ended. Who is content confirms the end: then it is closed.

One rating for each end; the last word of the reporter counts.
"""

from typing import Final

from gateway.flows.tracking import queries
from gateway.flows.tracking.bodies import Rated, RatingBody
from gateway.flows.tracking.ends import by_gateway, endings
from gateway.flows.tracking.once import Caller
from gateway.kernel.ledger import Act, Ledger, ReportKey
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.progress import DESK, Happening, Step, advance
from gateway.kernel.ledger.reading import Row, Whole, events_of
from gateway.model.case import CaseEvent
from gateway.model.problem import Problem
from gateway.model.status import ENDED, Status

RULE: Final = "rating"
CONTENT: Final = 3
"""From so many stars on a rating confirms the end, unless it says otherwise."""


class Rater:
    """Takes ratings."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def rate(self, caller: Caller, body: RatingBody, whole: Whole) -> tuple[Act | None, Rated]:
        """Return the act by which a report is rated, and what is told; no act where the same was said before.

        Raises Problem `rating-too-early` for a report that has not ended.
        """
        if whole.report["status"] not in ENDED:
            raise Problem("rating-too-early", status=whole.report["status"])
        events = await self._ledger.read(events_of, [case["id"] for case in whole.cases])
        ending = endings(events.values())
        before = await self._ledger.read(queries.rating, whole.id, ending)
        report = whole.ref(self._ledger.vault)
        confirmed = body.stars >= CONTENT if body.confirmed is None else body.confirmed
        waiting = [case for case in whole.cases if confirmed and case["status"] == Status.RESOLVED]
        if before is not None and not waiting and _same(before, body, report.key):
            return None, Rated(code=whole.code, status=whole.report["status"], stars=body.stars, at=before["at"])
        act = self._ledger.act(caller.actor, "POST /v1/reports/rating")
        sealed = report.key.seal("comment", body.comment) if body.comment else None
        if before is None:
            act.insert(t.rating, report_id=whole.id, ending=ending, stars=body.stars, at=act.now, sealed=sealed)
        else:
            where = {"report_id": whole.id, "ending": ending, "at": before["at"]}
            act.change(t.rating, where, stars=body.stars, at=act.now, sealed=sealed)
        act.say(report, "report.rated", "reporter", text=body.comment or None, stars=str(body.stars))
        act.record(
            whole.code,
            "report.rated",
            rule=RULE,
            facts={"stars": body.stars, "ending": ending, "confirmed": confirmed},
            commits={"comment": report.key.commitment(body.comment)} if body.comment else None,
        )
        steps = [_closed(act, case, events[case["id"]]) for case in waiting]
        status = advance(act, self._ledger.vault, whole, steps)
        return act, Rated(code=whole.code, status=status, stars=body.stars, at=act.now)


def _same(before: Row, body: RatingBody, key: ReportKey) -> bool:
    comment = "" if before["sealed"] is None else key.open("comment", before["sealed"], str)
    return bool(before["stars"] == body.stars) and comment == body.comment


def _closed(act: Act, case: Row, known: list[CaseEvent]) -> Step:
    happening = Happening(
        event=by_gateway(act, case, known, Status.CLOSED),
        kind="confirmed",
        by="reporter",
        rule=RULE,
        notice="report.confirmed",
    )
    return Step(case_id=case["id"], happenings=[happening], known=known, heard=case["app"] == DESK)
