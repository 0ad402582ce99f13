"""How cases and their report move: keep the events, fold, tell. The same for apps, desk and gateway."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.act import Act, Asked
from gateway.kernel.ledger.clocks import turn
from gateway.kernel.ledger.parts import ReportRef
from gateway.kernel.ledger.reading import Row, Whole, case_ref
from gateway.kernel.ledger.vault import Vault
from gateway.model.case import CaseEvent, fold
from gateway.model.entry import Hop
from gateway.model.principal import Actor
from gateway.model.status import ENDED, Status, report_status

DESK: Final = "gateway"
"""The app's name of cases that are worked at the gateway's own desk."""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """An event about to be kept, with what is told about it.

    `kind` names the entry (`case.<kind>`); `by` is who says it to the citizen (an agency or app); `text` is what they
    wrote; `notice` replaces the status's own notice; `silent` keeps it out of the timeline; `actor` is who is entered
    (default: the act's); `facts` are small plain facts for the trace.
    """

    event: CaseEvent
    kind: str
    by: str
    text: str | None = None
    notice: str | None = None
    internal: bool = False
    silent: bool = False
    actor: Actor | None = None
    hop: Hop | None = None
    rule: str | None = None
    facts: Mapping[str, str | int | bool] = {}
    values: Mapping[str, str] = {}
    asked: Asked | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to one case in an act, and the events that were known of it before. `heard` is false for what
    somebody else than the case's own app or desk says of it; `answered`: what was asked is dealt with by the caller."""

    case_id: UUID
    happenings: Sequence[Happening]
    known: Sequence[CaseEvent]
    heard: bool = True
    answered: bool = False


def progress(
    act: Act,
    vault: Vault,
    whole: Whole,
    case_id: UUID,
    happenings: Sequence[Happening],
    known: Sequence[CaseEvent],
) -> Status | None:
    """Add happenings of one case to an act and return the report's new status; None if nothing was new.

    Events that are known already (by id) are left out. The report's version is a precondition of the act, so
    that two cases of one report never fold past each other.
    """
    seen = {event.id for event in known}
    new = [happening for happening in happenings if happening.event.id not in seen]
    if not new:
        return None
    return advance(act, vault, whole, [Step(case_id=case_id, happenings=new, known=known)])


def advance(
    act: Act,
    vault: Vault,
    whole: Whole,
    steps: Sequence[Step],
    *,
    opened: Sequence[Status] = (),
    passed: Status | None = None,
    **values: Any,
) -> Status:
    """Move several cases of one report in one act, and return the report's new status.

    `opened` are the statuses of cases that the same act opens; `passed` is a milestone that was reached although the
    report's status does not show it; `values` are set in the report's row. Every event must be new.
    """
    report = whole.ref(vault)
    now = {case["id"]: Status(case["status"]) for case in whole.cases}
    reached_at = act.now
    for step in steps:
        now[step.case_id], since = _fold(act, report, whole, step)
        reached_at = min(since or act.now, act.now)
    status = report_status([*now.values(), *opened])
    moved = status != whole.report["status"]
    act.touch(report, **(values | ({"status": status} if moved else {})))
    turn(act, report, whole, status, reached_at, passed)
    if moved:
        act.record(whole.code, "report.moved", status=str(status), facts={"from": str(whole.report["status"])})
    return status


def said(act: Act, row: Row, known: Sequence[CaseEvent], status: Status | None, after: int = 0) -> CaseEvent:
    """Return a new event by which the gateway's desk or the reporter adds to a case (`after` others of the same act).

    In a case of the desk what is said is numbered, so that it stays in the order in which it was said, whatever a clock
    does. The numbers of an app's case are the app's own, and so are its moves, unless the gateway ends it.
    """
    name = f"{DESK}:{act.new_id()}"
    if row["app"] == DESK:
        number = 1 + after + max((one.seq or 0 for one in known), default=0)
        return CaseEvent(id=name, at=act.now, status=status, seq=number)
    return CaseEvent(id=name, at=act.now, status=status)


def _fold(act: Act, report: ReportRef, whole: Whole, step: Step) -> tuple[Status, datetime | None]:
    """Keep the events of one case, tell them, and set the case to where all its events say it stands.

    A case in an app waits for its reporter as long as he was asked something and has not answered, whatever its app
    says meanwhile, unless it has ended there. That is no event of the case: its app's clock need not agree with ours.
    """
    row = whole.case(step.case_id)
    case = case_ref(row)
    folded = fold([*step.known, *(happening.event for happening in step.happenings)])
    for happening in step.happenings:
        more: dict[str, Any] = {"hop": happening.hop, "rule": happening.rule, "actor": happening.actor}
        if happening.facts:
            more["facts"] = dict(happening.facts)
        if happening.text is not None:
            more["commits"] = {"text": report.key.commitment(happening.text)}
        if happening.asked is not None:
            act.ask(report, case, happening.event, happening.by, happening.asked, happening.text, **more)
        else:
            act.hear(report, case, happening.event, happening.kind, **more)
        moved = happening.event.status is not None and happening.event.id not in folded.superseded
        if not happening.silent and (moved or happening.text is not None):
            status = happening.event.status if moved else Status.NEEDS_INFO if happening.asked else None
            notice = happening.notice or (f"status.{status}" if status else "message.app")
            act.say(
                report,
                notice,
                happening.by,
                case=case,
                status=status,
                text=happening.text,
                at=happening.event.at,
                internal=happening.internal,
                **({"app": case.app} | dict(happening.values)),
            )
    mine = [ask for ask in whole.asks if ask["case_id"] == step.case_id and not step.answered]
    status, since = folded.status, folded.since
    if status in ENDED:
        for ask in mine:
            act.change(t.ask, {"id": ask["id"], "state": "open"}, state="dropped")
    elif case.app != DESK and (mine or any(happening.asked for happening in step.happenings)):
        status, since = Status.NEEDS_INFO, None if row["status"] == Status.NEEDS_INFO else act.now
    elif row["status"] == Status.NEEDS_INFO and step.answered:
        since = since or act.now
    act.move(case, status, folded.word, since, step.heard)
    return status, since
