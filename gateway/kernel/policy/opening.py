"""One act opens a plan: report, cases, deliveries, deadlines and what is told, with the rule behind each.

Intake, inbound and the desk open reports the same way; what differs is who owns the report and whether it was born in
an app (then that app holds the first case already and nothing is sent to it). The desk also opens cases on reports
that are there, and reports that lack something: those ask for it and are delivered once it is there.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from gateway.kernel.ledger import Act, CaseRef, Ledger, ReportKey, ReportRef
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.act import Asked
from gateway.kernel.ledger.files import attach, hold, share
from gateway.kernel.ledger.progress import said
from gateway.kernel.ledger.reading import Whole
from gateway.kernel.policy.asking import missing, question
from gateway.kernel.policy.matter import Matter, linked_to, protects, submission_of
from gateway.kernel.policy.plan import AppState, Plan, PlanInput, PlannedCase, PlannedDeadline, hindrance
from gateway.kernel.policy.policy import Policy
from gateway.kernel.policy.texting import texted_number
from gateway.model.catalogue import Kind, Service
from gateway.model.codes import new_code
from gateway.model.deadline import WITA
from gateway.model.delivery import Command
from gateway.model.link import LinkKind
from gateway.model.report import Content, Draft
from gateway.model.status import Status
from gateway.sdk.types import Document, Submission

DESK: Final = "gateway"
"""Name under which the gateway's own desk stands among the apps."""
REFERRED: Final = "desk_referred"
"""The reason of a case that an officer opened elsewhere."""


class Born(msgspec.Struct, frozen=True, kw_only=True):
    """Where a report was born: the app, the service its record is of, and the app's numbers for it."""

    app: str
    service: str
    references: tuple[tuple[str, str], ...]


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """The report that a new one follows, is split off or escalated from, with the numbers apps gave to it.

    `identity` and `privacy` are the other's: whether its reporter is hidden. `about` is its kind of report; `rule` and
    `reason` tell why an officer linked the two.
    """

    id: UUID
    code: str
    numbers: tuple[tuple[str, str], ...]
    kind: LinkKind = LinkKind.FOLLOW_UP_TO
    identity: str = "open"
    privacy: str = "normal"
    about: str = ""
    rule: str | None = None
    reason: str | None = None


def followed(whole: Whole, kind: LinkKind = LinkKind.FOLLOW_UP_TO, **why: str | None) -> Followed:
    """Return a report as one that a new one follows."""
    apps = {case["id"]: case["app"] for case in whole.cases}
    return Followed(
        id=whole.id,
        code=whole.code,
        numbers=tuple((apps[number["case_id"]], number["value"]) for number in whole.references),
        kind=kind,
        identity=whole.report["identity"],
        privacy=whole.report["privacy"],
        about=whole.report["kind"],
        **why,
    )


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file that goes with the report: its row, with its key wrapped for its uploader, or by `origin` where it is part
    of another report of his already. `role` is the question of the form that it answers: such a file is only passed
    on."""

    row: Mapping[str, Any]
    name: str
    role: str | None = None
    origin: ReportKey | None = None


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """What was opened: the answer's facts, before anything is committed."""

    code: str
    report: ReportRef
    plan: Plan
    cases: tuple[CaseRef, ...]


class Standing(Protocol):
    """How an app stands."""

    @property
    def mode(self) -> str:
        """`live`, `shadow` or `off`."""

    @property
    def services(self) -> frozenset[str]:
        """The services it can take."""


class Apps(Protocol):
    """What opening needs to know of the apps (the host)."""

    def states(self) -> Mapping[str, Standing]:
        """Return each app's mode and the services it can take."""

    def prepare(self, app: str, profile: str | None, submission: Submission) -> tuple[Submission, tuple[str, ...]]:
        """Return the submission as this app may have it, with its category, and the names of the shared fields."""

    def title(self, app: str) -> str:
        """Return the app's name for people. Raises KeyError."""


class Opener:
    """Opens reports."""

    def __init__(self, ledger: Ledger, policy: Policy, apps: Apps) -> None:
        self._ledger, self._policy, self._apps = ledger, policy, apps

    def knows(self, service: str) -> bool:
        """Tell whether the catalogue has this service."""
        return service in self._policy.services

    def is_emergency(self, service: str) -> bool:
        """Tell whether a service of the catalogue is an emergency."""
        return self._policy.services[service].emergency

    def knows_village(self, code: str) -> bool:
        """Tell whether a dotted Kemendagri code is that of a village of the regency."""
        found = self._policy.gazetteer.find(code)
        return found is not None and found.is_village

    def plan(self, draft: Draft, act: Act, born: Born | None = None) -> Plan:
        """Decide what happens to a draft (pure, given the apps' states)."""
        return self._policy.plan(
            PlanInput(
                service=draft.service,
                village=draft.content.place.village,
                attributes=draft.content.attributes,
                channel=draft.channel,
                text=draft.content.description,
                exclude_app=born.app if born else None,
                received_at=act.now,
                occurred_at=draft.occurred_at or act.now,
            ),
            self._states(),
        )

    def placed(self, service: Service, agency: str, app: str) -> PlannedCase:
        """Return the case that an officer wants in an app, or why it must stand at the gateway's own desk instead."""
        if app == DESK:
            return PlannedCase(app=None, profile=None, agency=agency, reason=REFERRED, rule="desk:refer")
        hindered = hindrance(app, service.code, self._states())
        if hindered is not None:
            return PlannedCase(app=None, profile=None, agency=agency, reason=hindered, rule="desk:refer")
        profile = service.profile if app == service.app else None
        return PlannedCase(app=app, profile=profile, agency=agency, reason=REFERRED, rule="desk:refer")

    def _states(self) -> dict[str, AppState]:
        return {name: AppState(mode=state.mode, services=state.services) for name, state in self._apps.states().items()}

    def open(
        self,
        act: Act,
        draft: Draft,
        *,
        owner: str | None,
        born: Born | None = None,
        followed: Followed | None = None,
        files: tuple[File, ...] = (),
        part_of: UUID | None = None,
        asks: str | None = None,
    ) -> Opened:
        """Add the opening of a report to an act.

        `asks` names the agency that opens it for its reporter: what the service demands and the draft lacks is asked
        in its name, and the cases wait for it. `part_of` is the report whose secret opens this one too.
        """
        plan = self.plan(draft, act, born)
        service = self._policy.services[draft.service]
        given = {file.role for file in files if file.role is not None}
        lacking = missing(service, draft.content, given) if asks is not None and plan.cases else ()
        sent = () if lacking else [case for case in plan.cases if case.app is not None]
        key = self._ledger.vault.new_key()
        code = new_code(self._ledger.entropy.below)
        report_id = act.new_id()
        phone = texted_number(owner, draft.content.reporter.phone)
        report = act.open(
            code,
            key,
            {
                "id": report_id,
                "service": draft.service,
                "kind": str(plan.kind),
                "priority": str(plan.priority),
                "privacy": str(plan.privacy),
                "emergency": plan.emergency,
                "agency": plan.agency,
                "village": draft.content.place.village,
                "status": Status.NEEDS_INFO if lacking else Status.RECEIVED,
                "identity": str(draft.identity),
                "channel": draft.channel,
                "owner": owner,
                "client_ref": draft.client_ref,
                "epoch": 0,
                "part_of": part_of,
                "born_in": born.app if born else None,
                "occurred_at": draft.occurred_at,
                "received_at": act.now,
                "updated_at": act.now,
                "rule": plan.rule,
                "config": plan.digest,
                "deliveries": len(sent),
                "kek": self._ledger.vault.current,
                "wrapped": self._ledger.vault.wrap(key, report_id.hex),
                "sealed_phone": None if phone is None else key.seal("phone", phone),
                "sealed": key.seal("content", draft.content),
            },
            rule=plan.rule,
            config=plan.digest,
            commits={"content": key.commitment(draft.content)},
        )
        act.say(report, "report.received", DESK)
        linked = self._follow(act, report, plan, followed) if followed is not None else ()
        for file in files:
            if file.origin is not None:
                share(act, self._ledger.vault, report, file.row, file.origin)
            elif file.role is None:
                attach(act, self._ledger.vault, report, file.row)
        hidden = protects(draft.identity, plan.privacy)
        matter = Matter(
            service=draft.service,
            priority=str(plan.priority),
            content=draft.content,
            hidden=hidden,
            occurred_at=draft.occurred_at or act.now,
            received_at=act.now,
            linked=linked_to(linked, hidden),
            documents=tuple(
                Document(name=file.name, media_type=file.row["media_type"], digest=file.row["digest"], role=file.role)
                for file in files
            ),
        )
        cases: list[CaseRef] = []
        if born is not None:
            cases.append(self._born(act, report, born, plan))
        number = 0
        for planned in plan.cases:
            asked = Asked(fields=lacking, opens=True) if lacking else None
            case = self.add(act, report, len(cases) + 1, planned, draft.service, plan.digest, asked, asks or DESK)
            cases.append(case)
            if planned.app is not None and not lacking:
                number += 1
                self.deliver(act, report, case, number, planned.profile, matter, plan.emergency)
        for file in files:
            if file.role is not None and cases:
                # The case that takes it; where it stands at a desk nobody does, and it is destroyed at once.
                taker = next((case for case in cases if case.app not in {DESK, born and born.app}), cases[0])
                hold(act, self._ledger.vault, report, taker, file.row, file.role)
        if not lacking:
            self.start(act, report, plan.deadlines, plan.digest)
        return Opened(code=code, report=report, plan=plan, cases=tuple(cases))

    # -- cases of a report that is there ---------------------------------------------------------------------------

    def add(
        self,
        act: Act,
        report: ReportRef,
        number: int,
        planned: PlannedCase,
        service: str,
        config: str,
        asked: Asked | None = None,
        by: str = DESK,
        content: Content | None = None,
    ) -> CaseRef:
        """Open a case where it was planned, and tell it. With `asked` it waits for its reporter's answer; `content` is
        what is said there where an officer said it differently from the report."""
        row: dict[str, object] = {} if content is None else {"sealed": report.key.seal("case-content", content)}
        row |= {
            "app": planned.app or DESK,
            "profile": planned.profile,
            "service": service,
            "status": Status.RECEIVED if asked is None else Status.NEEDS_INFO,
            "agency": planned.agency,
            "reason": planned.reason,
            "rule": planned.rule,
        }
        case = act.open_case(report, number, row, config)
        agency = self._policy.agencies[planned.agency].short_name
        if planned.app is None:
            act.say(report, "case.desk", DESK, case=case, reason=planned.reason, agency=agency)
        elif planned.reason.startswith("app_"):
            title = self._apps.title(planned.app)
            act.say(report, "case.fallback", DESK, case=case, app=title, reason=planned.reason)
        if asked is not None:
            text = question(self._policy.services[service], asked.fields, self._policy.needs("id"))
            event = said(act, row, (), Status.NEEDS_INFO if planned.app is None else None)
            act.ask(report, case, event, by, asked, text, rule=f"service:{service}")
            act.say(report, "message.asked", by, case=case, status=Status.NEEDS_INFO, text=text)
        return case

    def deliver(
        self,
        act: Act,
        report: ReportRef,
        case: CaseRef,
        number: int,
        profile: str | None,
        matter: Matter,
        emergency: bool,
    ) -> None:
        """Queue delivery `number` of a report, by which a case begins in its app; what is shared is entered."""
        submission = submission_of(matter, report.code, number, profile, self._policy.gazetteer)
        prepared, shared = self._apps.prepare(case.app, profile, submission)
        act.send(report, case, number, Command.OPEN, prepared, emergency)
        act.record(
            report.code,
            "data.disclosed",
            case=case.number,
            rule=f"shares:{case.app}",
            facts={"to": case.app, "fields": ",".join(sorted(shared))},
        )
        act.say(report, "delivery.waiting", DESK, case=case, app=self._apps.title(case.app))

    def start(self, act: Act, report: ReportRef, deadlines: Sequence[PlannedDeadline], config: str) -> None:
        """Start clocks of a report."""
        for deadline in deadlines:
            act.insert(
                t.deadline,
                report_id=report.id,
                clock=deadline.clock,
                by=deadline.by,
                until=deadline.until,
                met_at=None,
                state="running",
                rule=deadline.rule,
            )
            act.record(
                report.code,
                "clock.started",
                rule=deadline.rule,
                config=config,
                facts={"clock": deadline.clock, "by": deadline.by.isoformat()},
            )

    def extend(self, act: Act, whole: Whole, by: str) -> bool:
        """Give the running clocks of a report that can be extended their extension, once, and tell until when."""
        found = False
        for clock in whole.running:
            rule = f"extension:{clock['clock']}"
            until = self._policy.extended(clock["clock"], clock["by"], whole.report["agency"])
            if until is None or clock["rule"] == rule:
                continue
            report = whole.ref(self._ledger.vault)
            act.extend(report, clock, until, rule)
            day = until.astimezone(WITA).date()
            act.say(report, "clock.extended", by, date=f"{day:%d-%m-%Y}")
            found = True
        return found

    # -- parts -----------------------------------------------------------------------------------------------------

    def _follow(self, act: Act, report: ReportRef, plan: Plan, followed: Followed) -> list[dict[str, str]]:
        """Link a new report to the one it follows; return that one's numbers, as `reading.linked_numbers` does."""
        kind = followed.kind
        if kind is LinkKind.FOLLOW_UP_TO and plan.kind is Kind.OBJECTION and followed.about == Kind.INFORMATION:
            kind = LinkKind.OBJECTION_TO
        act.link(report, followed.id, followed.code, kind, rule=followed.rule, reason=followed.reason)
        facts = {"kind": str(kind), "code": followed.code, "identity": followed.identity, "privacy": followed.privacy}
        return [facts | {"app": app, "value": value} for app, value in followed.numbers]

    def _born(self, act: Act, report: ReportRef, born: Born, plan: Plan) -> CaseRef:
        service = self._policy.services[born.service]
        row = {
            "app": born.app,
            "profile": service.profile if service.app == born.app else None,
            "service": born.service,
            "status": Status.RECEIVED,
            "agency": plan.agency,
            "reason": "born_there",
            "rule": f"born:{born.app}",
        }
        case = act.open_case(report, 1, row, plan.digest)
        act.refer(report, case, born.references)
        return case
