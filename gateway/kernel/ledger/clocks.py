"""What becomes of a report's clocks when it moves: they are over, stand still while its reporter is asked for
something, or go on."""

from datetime import datetime
from typing import Any

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.act import Act
from gateway.kernel.ledger.parts import ReportRef
from gateway.kernel.ledger.reading import Row, Whole
from gateway.model.deadline import Pause, reached
from gateway.model.status import Status


def turn(act: Act, report: ReportRef, whole: Whole, status: Status, at: datetime, passed: Status | None = None) -> None:
    """Add to an act what its report's move to `status` at an instant does to the clocks that are not over.

    `passed` is a milestone that was reached although the status does not show it.
    """
    moved = status != whole.report["status"]
    for clock in whole.running:
        if moved and clock["state"] == "paused":
            clock = _go_on(act, report, whole, clock, at)
        if (moved and reached(clock["until"], status)) or (passed is not None and reached(clock["until"], passed)):
            act.reach(report, clock["clock"], clock["by"], at)
        elif moved and status is Status.NEEDS_INFO:
            _stand_still(act, report, clock, at)


def _stand_still(act: Act, report: ReportRef, clock: Row, at: datetime) -> None:
    """Stop a clock that stands still meanwhile, unless its time is over already."""
    if act.timekeeper is None or not act.timekeeper.pauses(clock["clock"]) or clock["by"] < at:
        return
    act.change(t.deadline, _where(report, clock), state="paused", paused_at=at)
    act.record(report.code, "clock.paused", facts={"clock": clock["clock"], "by": clock["by"].isoformat()})


def _go_on(act: Act, report: ReportRef, whole: Whole, clock: Row, at: datetime) -> Row:
    """Let a clock go on that stood still, with the time it has still; return its row as it is then."""
    by, pause = clock["by"], Pause(clock["paused_at"], max(at, clock["paused_at"]))
    if act.timekeeper is not None:
        by = act.timekeeper.resumed(clock["clock"], by, whole.report["agency"], pause)
    act.change(t.deadline, _where(report, clock), state="running", paused_at=None, by=by)
    facts = {"clock": clock["clock"], "from": clock["by"].isoformat(), "by": by.isoformat()}
    act.record(report.code, "clock.resumed", facts=facts)
    return clock | {"state": "running", "paused_at": None, "by": by}


def _where(report: ReportRef, clock: Row) -> dict[str, Any]:
    return {"report_id": report.id, "clock": clock["clock"], "state": clock["state"], "by": clock["by"]}
