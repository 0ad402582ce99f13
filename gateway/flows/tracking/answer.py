"""A reporter's answers: put where they were asked, and the case moves on once everything is there: at a desk to
`in_progress`, in an app to where the app says it stands.

Answers stand sealed in what the report (or the case, where an officer said it differently) says. A case that lacked
what its app demands is delivered then, and its clocks start: they count from a complete submission. Answers go to the
case that asked and to no other.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from gateway.flows.tracking.supply import Supplied
from gateway.kernel.ledger import Act, Ledger
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.files import hold, report_document, transit_document
from gateway.kernel.ledger.progress import DESK, Happening, Step, said
from gateway.kernel.ledger.reading import Row, Whole, attached, case_ref, clocks, in_transit, linked_numbers
from gateway.kernel.policy import Plan, Policy
from gateway.kernel.policy.asking import (
    answer_faults,
    completed,
    is_personal,
    kept_answers,
    remaining,
    told,
    was_asked,
)
from gateway.kernel.policy.matter import Matter, content_of, linked_to, protects
from gateway.kernel.policy.opening import Opener
from gateway.kernel.policy.texting import texted_number
from gateway.model.case import CaseEvent
from gateway.model.catalogue import Service
from gateway.model.problem import Fault, pointer_to, refused
from gateway.model.report import Content, Draft
from gateway.model.status import Status
from gateway.sdk import Document

RULE = "answer"


class Given(msgspec.Struct, kw_only=True):
    """What an act does with answers, gathered case by case.

    `steps` move cases, `opened` are statuses of new cases, `values` are set in the report's row; `sent` is the number
    of the last delivery, `carried` the apps that cases begin in; `answers` what each case was given, `waiting` the
    cases that are not in their app yet, `missing` what is still asked for.
    """

    content: Content
    sent: int
    cases: int
    started: set[str]
    steps: list[Step] = []
    opened: list[Status] = []
    values: dict[str, Any] = {}
    carried: list[str] = []
    answers: dict[UUID, dict[str, object]] = {}
    waiting: set[UUID] = set()
    missing: list[str] = []


class Answers:
    """Puts answers where they were asked."""

    def __init__(self, ledger: Ledger, policy: Policy, opener: Opener) -> None:
        self._ledger, self._policy, self._opener = ledger, policy, opener

    def asked(self, whole: Whole) -> bool:
        """Tell whether fields are open, so that answers must fit them."""
        return any(ask["fields"] for ask in whole.asks)

    def check(self, whole: Whole, answers: Mapping[str, object]) -> None:
        """Refuse answers that nobody asked for, and those that do not fit, with the place of each."""
        if not self.asked(whole):
            return
        faults: list[Fault] = []
        for name, value in answers.items():
            ask = next((ask for ask in whole.asks if was_asked(name, ask["fields"])), None)
            if ask is None:
                faults.append(Fault(code="unknown-field", pointer=pointer_to("answers", name)))
                continue
            service = self._service(whole.case(ask["case_id"]))
            faults += answer_faults(service, ask["fields"], {name: value}, self._policy.gazetteer)
        if faults:
            raise refused(faults)

    def personal(self, whole: Whole, names: Iterable[str]) -> set[str]:
        """Return those names whose answers nobody reads as plain text: of people, and what forms call sensitive."""
        known = self._policy.services
        services = [known[case["service"]] for case in whole.cases if case["service"] in known]
        return {name for name in names if any(is_personal(service, name) for service in services)}

    def in_form(self, case: Row, name: str) -> bool:
        """Tell whether the form of a case's service has a field."""
        service = self._policy.services.get(case["service"])
        return service is not None and any(field.code == name for field in service.fields)

    def words(self, whole: Whole, answers: Mapping[str, object]) -> str:
        """Return answers as the timeline tells them: what is personal is said to be there only."""
        lines = []
        for case in whole.cases:
            mine = _meant(whole, case, answers)
            if mine:
                lines.append(told(self._service(case), mine, self._policy.needs("id")))
        return "\n".join(dict.fromkeys(lines))

    async def give(
        self,
        act: Act,
        whole: Whole,
        events: Mapping[UUID, list[CaseEvent]],
        answers: Mapping[str, object],
        documents: tuple[Document, ...],
        spoken: bool,
        supplied: Sequence[Supplied] = (),
    ) -> Given:
        """Add to an act what answers change (`spoken`: something was said in words or files as well, which answers a
        question that names no fields; `supplied`: files that answer fields). The caller moves the report with what is
        returned."""
        given = Given(
            content=whole.content(self._ledger.vault),
            sent=whole.report["deliveries"],
            cases=max((case["number"] for case in whole.cases), default=0),
            started=await self._ledger.read(clocks, whole.id),
        )
        for case in whole.cases:
            asks = [ask for ask in whole.asks if ask["case_id"] == case["id"]]
            if any(ask["opens"] for ask in asks):
                given.waiting.add(case["id"])
            mine = _meant(whole, case, answers)
            moved = [self._answered(act, ask, mine, spoken, given) for ask in asks]
            if not any(moved):
                continue
            handed = [one for one in supplied if one.case["id"] == case["id"]]
            for one in handed:
                hold(act, self._ledger.vault, whole.ref(self._ledger.vault), case_ref(case), one.row, one.role)
            mine = kept_answers(self._service(case), mine)
            roles = {one.role for one in handed}
            given.answers[case["id"]] = {name: value for name, value in mine.items() if name not in roles}
            content = self._kept(act, whole, case, mine, given)
            opens = any(ask["opens"] for ask in asks)
            if all(moved) and all(one == "answered" for one in moved):
                documents = (*documents, *(one.document for one in handed))
                await self._on(act, whole, case, events[case["id"]], content, opens, documents, given)
        return given

    def _answered(self, act: Act, ask: Row, mine: Mapping[str, object], spoken: bool, given: Given) -> str | None:
        """Note what of one question was answered: `answered`, `partly`, or None."""
        where = {"id": ask["id"], "state": "open"}
        if ask["fields"]:
            left = remaining(ask["fields"], mine)
            given.missing += left
            if not any(was_asked(name, ask["fields"]) for name in mine):
                return None
            if left:
                act.change(t.ask, where, fields=list(left))
                return "partly"
        elif not spoken:
            return None
        act.change(t.ask, where, fields=[], state="answered", answered_at=act.now)
        return "answered"

    def _kept(self, act: Act, whole: Whole, case: Row, mine: Mapping[str, object], given: Given) -> Content:
        """Seal answers where they belong, and return what is now said in the case."""
        key, gazetteer = whole.key(self._ledger.vault), self._policy.gazetteer
        own = case["sealed"] is not None or case["service"] != whole.report["service"]
        before = content_of(whole, case, self._ledger.vault, self._service(case)) if own else given.content
        if not mine:
            return before
        content = completed(before, mine, gazetteer)
        if own:
            act.change(t.cases, {"id": case["id"]}, sealed=key.seal("case-content", content))
        else:
            given.content = content
            given.values |= {"sealed": key.seal("content", content), "village": content.place.village}
            phone = texted_number(whole.report["owner"], content.reporter.phone)
            if "reporter.phone" in mine and phone is not None:
                given.values |= {"sealed_phone": key.seal("phone", phone)}
        act.record(
            whole.code,
            "report.completed",
            case=case["number"],
            rule=RULE,
            facts={"fields": ",".join(sorted(mine))},
            commits={"content": key.commitment(content)},
        )
        return content

    async def _on(
        self,
        act: Act,
        whole: Whole,
        case: Row,
        known: list[CaseEvent],
        content: Content,
        opens: bool,
        documents: tuple[Document, ...],
        given: Given,
    ) -> None:
        """Let a case go on that has all it asked for; one that was never in its app begins there now."""
        heard = case["app"] == DESK
        status = (Status.VERIFIED if opens else Status.IN_PROGRESS) if heard else None
        if opens:
            status = await self._begin(act, whole, case, content, documents, given) or status
        if case["status"] != Status.NEEDS_INFO and status is not Status.CANCELLED:
            status = None  # its desk has gone on meanwhile
        if status is None:
            act.say(whole.ref(self._ledger.vault), "report.answered", DESK, case=case_ref(case))
        event = said(act, case, known, status)
        happening = Happening(event=event, kind="answered", by=DESK, rule=RULE, silent=status is Status.CANCELLED)
        given.steps.append(Step(case_id=case["id"], happenings=[happening], known=known, heard=heard, answered=True))

    async def _begin(
        self,
        act: Act,
        whole: Whole,
        case: Row,
        content: Content,
        documents: tuple[Document, ...],
        given: Given,
    ) -> Status | None:
        """Deliver a case that is complete now, or bring it to the desk where its app is no longer there to take it."""
        report, service = whole.ref(self._ledger.vault), self._service(case)
        plan = self._plan(act, whole, service, content)
        self._opener.start(act, report, [one for one in plan.deadlines if one.clock not in given.started], plan.digest)
        given.started |= {one.clock for one in plan.deadlines}
        if case["app"] == DESK:
            return None
        planned = self._opener.placed(service, case["agency"], case["app"])
        if planned.app is None:
            given.cases += 1
            at_desk = msgspec.structs.replace(planned, rule=RULE)
            own = None if case["sealed"] is None else content
            self._opener.add(act, report, given.cases, at_desk, service.code, plan.digest, content=own)
            given.opened.append(Status.RECEIVED)
            return Status.CANCELLED
        hidden = protects(whole.report["identity"], whole.report["privacy"])
        rows = await self._ledger.read(attached, whole.id)
        before = await self._ledger.read(in_transit, case["id"])
        matter = Matter(
            service=service.code,
            priority=str(service.priority),
            content=content,
            hidden=hidden,
            occurred_at=whole.report["occurred_at"] or whole.report["received_at"],
            received_at=whole.report["received_at"],
            linked=linked_to(await self._ledger.read(linked_numbers, whole.id), hidden),
            documents=(
                *(report_document(index, row) for index, row in enumerate(rows, start=1)),
                *(transit_document(row) for row in before),
                *documents,
            ),
        )
        given.sent += 1
        self._opener.deliver(
            act, report, case_ref(case), given.sent, case["profile"], matter, whole.report["emergency"]
        )
        given.carried.append(case["app"])
        return None

    def _plan(self, act: Act, whole: Whole, service: Service, content: Content) -> Plan:
        return self._opener.plan(Draft(service=service.code, content=content, channel=whole.report["channel"]), act)

    def _service(self, case: Row) -> Service:
        return self._policy.services[case["service"]]


def _meant(whole: Whole, case: Row, answers: Mapping[str, object]) -> dict[str, object]:
    """Return those answers that a case asked for."""
    names = [name for ask in whole.asks if ask["case_id"] == case["id"] for name in ask["fields"]]
    return {name: value for name, value in answers.items() if was_asked(name, names)}
