"""Referring a report ("disposisi"): another case of it in another app or at another agency, with its link.

A case of the gateway's own desk that is referred goes on elsewhere: it becomes `routed` and then ends as `cancelled`,
which leaves the report's status to the new case. A case in an app stays as its app says. A referral to an emergency
service makes a report of its own, escalated from this one, with deadlines and a lane of its own; this one runs on.
"""

from typing import Any, Final
from uuid import UUID

import msgspec

from gateway.flows.desk import queries
from gateway.flows.desk.again import decided
from gateway.flows.desk.bodies import ReferBody, Referred
from gateway.flows.desk.meant import Meant, meant
from gateway.flows.desk.pictures import documents_of, pictures
from gateway.flows.desk.show import title
from gateway.flows.desk.who import Desk
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host
from gateway.kernel.ledger import Act, Ledger
from gateway.kernel.ledger.act import Asked
from gateway.kernel.ledger.progress import Happening, Step, advance, said
from gateway.kernel.ledger.reading import Row, Whole, case_ref, clocks, linked_numbers
from gateway.kernel.policy import Plan, PlannedCase, Policy
from gateway.kernel.policy.asking import attribute_faults, fitting, missing
from gateway.kernel.policy.matter import QUOTED_NOWHERE, Matter, content_of, linked_to, own_numbers, protects
from gateway.kernel.policy.opening import REFERRED, Opener, followed
from gateway.model.catalogue import Privacy, Service
from gateway.model.link import LinkKind
from gateway.model.problem import Fault, Problem, refused
from gateway.model.report import Content, Draft, Identity
from gateway.model.status import OPEN, Status

RULE: Final = "desk:refer"
OPEN_CLASSES: Final = frozenset({Privacy.NORMAL, Privacy.PERSONAL})
"""Privacy classes that any other class may replace."""


class Referrer:
    """Refers reports for desks."""

    def __init__(self, ledger: Ledger, policy: Policy, host: Host, opener: Opener, wake: Wake) -> None:
        self._ledger, self._policy, self._host, self._opener, self._wake = ledger, policy, host, opener, wake

    async def refer(self, desk: Desk, code: str, body: ReferBody) -> Referred:
        """Open a case elsewhere, or an emergency. Raises Problem `already-there` with what is there, `reporter-hidden`
        where the service needs somebody who must stay hidden, `privacy-clash`, and faults of the body."""
        done: list[Referred] = []
        rings: list[str] = []

        async def think() -> Act:
            at = await meant(self._ledger, desk, code, body.case)
            rings[:] = [at.whole.code]
            service = self._service(body.service or at.row["service"])
            act = self._ledger.act(desk.actor, RULE)
            if service.emergency:
                done[:] = [await self._escalate(act, desk, at, service, body)]
            else:
                done[:] = [await self._refer(act, desk, at, service, body)]
            return act

        await decided(self._ledger, think)
        self._wake.ring("delivery")
        for name in {*rings, done[0].report}:
            self._wake.ring(f"report:{name}")
        return done[0]

    # -- a case of the same report ---------------------------------------------------------------------------------

    async def _refer(self, act: Act, desk: Desk, at: Meant, service: Service, body: ReferBody) -> Referred:
        whole = at.whole
        told = self._told(at, service, body)
        plan = self._plan(act, whole, service, told)
        planned = self._planned(plan, service, body)
        self._not_there(whole, planned, service)
        privacy = self._privacy(whole, service)
        hidden = protects(whole.report["identity"], privacy)
        lacking = missing(service, told)
        if hidden and not service.hides_allowed:
            raise Problem("reporter-hidden", field=", ".join(sorted(service.requires)))
        report, number = whole.ref(self._ledger.vault), max(case["number"] for case in whole.cases) + 1
        asked = Asked(fields=lacking, opens=True) if lacking else None
        raised = {} if privacy == whole.report["privacy"] else {"privacy": str(privacy)}
        self._explain(act, desk, at, body.reason, planned, service.code, {"new_case": number} | raised)
        own = body.description is not None or service.code != whole.report["service"]
        case = self._opener.add(
            act, report, number, planned, service.code, plan.digest, asked, desk.by, told if own else None
        )
        sent = whole.report["deliveries"]
        if planned.app is not None and asked is None:
            sent += 1
            linked = [*own_numbers(whole), *await self._ledger.read(linked_numbers, whole.id)]
            matter = Matter(
                service=service.code,
                priority=str(service.priority),
                content=told,
                hidden=hidden,
                occurred_at=whole.report["occurred_at"] or whole.report["received_at"],
                received_at=whole.report["received_at"],
                linked=linked_to(linked, hidden),
                documents=documents_of(await pictures(self._ledger, whole, service)),
            )
            self._opener.deliver(act, report, case, sent, planned.profile, matter, False)
        started = await self._ledger.read(clocks, whole.id)
        if asked is None:
            fresh = [deadline for deadline in plan.deadlines if deadline.clock not in started]
            self._opener.start(act, report, fresh, plan.digest)
        status = Status.RECEIVED if asked is None else Status.NEEDS_INFO
        advance(
            act,
            self._ledger.vault,
            whole,
            self._left(act, desk, at),
            opened=[status],
            passed=Status.ROUTED,
            deliveries=sent,
            privacy=str(privacy),
        )
        return Referred(
            report=whole.code,
            case=number,
            app=case.app,
            agency=planned.agency,
            status=status,
            reason=planned.reason,
            missing=list(lacking),
        )

    def _left(self, act: Act, desk: Desk, at: Meant) -> list[Step]:
        """Return how the case that is referred ends: one of the desk goes on elsewhere, one in an app is its app's."""
        if at.row["app"] != queries.DESK or at.row["status"] not in OPEN:
            return []
        told = []
        for after, status in enumerate((Status.ROUTED, Status.CANCELLED)):
            moved = said(act, at.row, at.known, status, after)
            told.append(Happening(event=moved, kind="refer", by=desk.by, silent=True, rule=RULE))
        return [Step(case_id=at.row["id"], happenings=told, known=at.known)]

    def _told(self, at: Meant, service: Service, body: ReferBody) -> Content:
        """Return what is said in the new case. Raises Problem `words-needed` where the reporter's words must not go."""
        whole = at.whole
        faults = list(attribute_faults(service, body.attributes, partly=True))
        content = content_of(whole, at.row, self._ledger.vault, self._service(at.row["service"], known=True))
        protected = whole.report["privacy"] in QUOTED_NOWHERE and body.description is None
        if protected and service.code != at.row["service"]:
            faults.append(Fault(code="words-needed", pointer="/description"))
        if faults:
            raise refused(faults)
        return msgspec.structs.replace(
            content,
            description=body.description or content.description,
            attributes=({} if body.description else fitting(service, content.attributes)) | body.attributes,
        )

    def _planned(self, plan: Plan, service: Service, body: ReferBody) -> PlannedCase:
        """Return where the case is to be: where the officer wants it, else where the catalogue sends the service."""
        agencies, apps = self._policy.agencies, self._policy.apps
        if body.agency is not None and body.agency not in agencies:
            possible = ", ".join(sorted(agencies))
            raise refused([Fault(code="not-one-of", pointer="/agency", params={"possible": possible})])
        if body.app is not None and body.app != queries.DESK and body.app not in apps:
            possible = ", ".join([*sorted(apps), queries.DESK])
            raise refused([Fault(code="not-one-of", pointer="/app", params={"possible": possible})])
        agency = body.agency or plan.agency
        if body.app is not None or body.agency is not None:
            return self._opener.placed(service, agency, body.app or queries.DESK)
        (planned,) = plan.cases
        reason = planned.reason if planned.reason.startswith("app_") else REFERRED
        return msgspec.structs.replace(planned, reason=reason, rule=RULE)

    def _not_there(self, whole: Whole, planned: PlannedCase, service: Service) -> None:
        """Refuse a second open case at one place: one desk of an agency, or one service of an app."""
        for case in whole.cases:
            same = case["agency"] == planned.agency if planned.app is None else case["service"] == service.code
            if case["status"] in OPEN and case["app"] == (planned.app or queries.DESK) and same:
                place = planned.agency if planned.app is None else title(self._host, planned.app)
                raise Problem("already-there", place=place, number=case["number"], status=case["status"])

    def _privacy(self, whole: Whole, service: Service) -> Privacy:
        """Return how the report is protected from now on: never less than before, and as its new service demands."""
        mine, theirs = Privacy(whole.report["privacy"]), service.privacy
        if theirs == mine or theirs is Privacy.NORMAL:
            return mine
        if mine in OPEN_CLASSES:
            return theirs
        if theirs in OPEN_CLASSES:
            return mine
        if mine is Privacy.HEALTH and theirs is Privacy.CHILD_HEALTH:
            return theirs  # the same protection, and more: a child's
        raise Problem("privacy-clash", mine=mine, theirs=theirs)

    # -- an emergency ----------------------------------------------------------------------------------------------

    async def _escalate(self, act: Act, desk: Desk, at: Meant, service: Service, body: ReferBody) -> Referred:
        """Make an emergency of the report, with its place and its reporter (as the app may know them)."""
        whole = at.whole
        faults = [Fault(code="not-one-of", pointer=f"/{name}", params={"possible": "-"}) for name in ("app", "agency")]
        given = [fault for fault in faults if getattr(body, fault.pointer[1:]) is not None]
        if given := [*given, *attribute_faults(service, body.attributes, partly=True)]:
            raise refused(given)
        for row in await self._ledger.read(queries.children, whole.id, LinkKind.ESCALATED_FROM):
            if row["service"] == service.code and row["status"] in OPEN:
                raise Problem("already-there", place=service.code, number=row["code"], status=row["status"])
        content = whole.content(self._ledger.vault)
        identity = Identity(whole.report["identity"])
        if identity is Identity.OPEN and protects(identity, whole.report["privacy"]):
            identity = Identity.CONFIDENTIAL
        draft = Draft(
            service=service.code,
            content=msgspec.structs.replace(
                content,
                description=body.description or content.description,
                attributes=fitting(service, content.attributes) | body.attributes,
            ),
            identity=identity,
            channel="desk",
        )
        origin = followed(whole, LinkKind.ESCALATED_FROM, rule=RULE, reason=body.reason)
        opened = self._opener.open(
            act,
            draft,
            owner=whole.report["owner"],
            followed=origin,
            files=await pictures(self._ledger, whole, service),
            part_of=root_of(whole.report),
        )
        act.say(opened.report, "report.part", queries.DESK, code=whole.code)
        act.say(opened.report, "desk.note", desk.by, text=body.reason, internal=True)
        self._explain(act, desk, at, body.reason, opened.plan.cases[0], service.code, {"report": opened.code})
        advance(act, self._ledger.vault, whole, [], passed=Status.ROUTED)
        (case,) = opened.cases
        planned = opened.plan.cases[0]
        return Referred(
            report=opened.code,
            case=case.number,
            app=case.app,
            agency=planned.agency,
            status=Status.RECEIVED,
            reason=planned.reason,
            missing=[],
        )

    # -- parts -----------------------------------------------------------------------------------------------------

    def _service(self, code: str, known: bool = False) -> Service:
        service = self._policy.services.get(code)
        if service is None or not (service.active or known):
            raise refused([Fault(code="unknown-service", pointer="/service", params={"service": code})])
        return service

    def _plan(self, act: Act, whole: Whole, service: Service, told: Content) -> Plan:
        """Decide about the new case as about a report of its service, as if it came in now."""
        draft = Draft(service=service.code, content=told, channel=whole.report["channel"])
        return self._opener.plan(draft, act)

    def _explain(
        self, act: Act, desk: Desk, at: Meant, reason: str, planned: PlannedCase, service: str, facts: dict[str, Any]
    ) -> None:
        """Tell the reporter where it goes, those who work on it why, and the log both."""
        report, old = at.whole.ref(self._ledger.vault), case_ref(at.row)
        agency = self._policy.agencies[planned.agency].short_name
        if "report" in facts:
            act.say(report, "report.escalated", desk.by, case=old, code=facts["report"])
        else:
            act.say(report, "desk.referred", desk.by, case=old, agency=agency)
        act.say(report, "desk.note", desk.by, case=old, text=reason, internal=True)
        more = {"to": planned.app or queries.DESK, "agency": planned.agency, "service": service}
        commits = {"reason": report.key.commitment(reason)}
        act.record(report.code, "case.referred", case=old.number, rule=RULE, facts=more | facts, commits=commits)


def root_of(report: Row) -> UUID:
    """Return the report whose secret opens what is split off a report: its own, or that of which it is a part."""
    part_of: UUID | None = report["part_of"]
    main: UUID = report["id"] if part_of is None or report["epoch"] else part_of
    return main
