"""How a case and its report move: keep the events, fold, tell. The same for apps, desk and gateway."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from gateway.kernel.ledger.act import Act
from gateway.kernel.ledger.reading import Whole, case_ref
from gateway.kernel.ledger.vault import Vault
from gateway.model.case import CaseEvent, fold
from gateway.model.deadline import reached
from gateway.model.entry import Hop
from gateway.model.principal import Actor
from gateway.model.status import Status, report_status


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """An event about to be kept, with what is told about it.

        `kind` names the entry (`case.<kind>`); `by` is who says it to the citizen (an agency or app); `text` is what
        they wrote; `notice` replaces the status's own notice; `silent` keeps it out of the timeline; `actor` is who is
    entered (default: the act's); `facts` are small plain facts for the trace.
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
    row = whole.case(case_id)
    report, case = whole.ref(vault), case_ref(row)
    folded = fold([*known, *(happening.event for happening in new)])
    for happening in new:
        more: dict[str, Any] = {"hop": happening.hop, "rule": happening.rule, "actor": happening.actor}
        if happening.facts:
            more["facts"] = dict(happening.facts)
        if happening.text is not None:
            more["commits"] = {"text": report.key.commitment(happening.text)}
        act.hear(report, case, happening.event, happening.kind, **more)
        moved = happening.event.status is not None and happening.event.id not in folded.superseded
        if not happening.silent and (moved or happening.text is not None):
            status = happening.event.status if moved else None
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
                app=case.app,
            )
    act.move(case, folded.status, folded.word, folded.since)
    others = [Status(other["status"]) for other in whole.cases if other["id"] != case_id]
    status = report_status([*others, folded.status])
    if status == whole.report["status"]:
        act.touch(report)
    else:
        act.touch(report, status=status)
        for clock in whole.running:
            if reached(clock["until"], status):
                act.reach(report, clock["clock"], clock["by"], min(folded.since or act.now, act.now))
        act.record(whole.code, "report.moved", status=str(status), facts={"from": str(whole.report["status"])})
    return status
