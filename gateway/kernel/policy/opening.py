"""One act opens a plan: report, cases, deliveries, deadlines and what is told, with the rule behind each.

Intake and inbound open reports the same way; what differs is who owns the report and whether it was born in an
app (then that app holds the first case already and nothing is sent to it).
"""

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from gateway.kernel.ledger import Act, CaseRef, Ledger, ReportRef
from gateway.kernel.ledger import tables as t
from gateway.kernel.policy.plan import AppState, Plan, PlanInput
from gateway.kernel.policy.policy import Policy
from gateway.model.codes import new_code
from gateway.model.delivery import Command
from gateway.model.link import LinkKind
from gateway.model.report import Draft, Identity, Place
from gateway.model.status import Status
from gateway.model.text import shortened
from gateway.sdk.types import Document, Linked, Person, PlaceCodes, Site, Submission

DESK: Final = "gateway"
"""Name under which the gateway's own desk stands among the apps."""
_TITLE: Final = 100


class Born(msgspec.Struct, frozen=True, kw_only=True):
    """Where a report was born: the app, the service its record is of, and the app's numbers for it."""

    app: str
    service: str
    references: tuple[tuple[str, str], ...]


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """The report that a new one follows, with the numbers apps gave to it."""

    id: object
    code: str
    numbers: tuple[tuple[str, str], ...]


class File(msgspec.Struct, frozen=True, kw_only=True):
    """An uploaded file that goes with the report: its row, and its key wrapped for its uploader."""

    row: Mapping[str, object]
    name: str


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
        """Return the app's name for people."""


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
            {name: AppState(mode=state.mode, services=state.services) for name, state in self._apps.states().items()},
        )

    def open(
        self,
        act: Act,
        draft: Draft,
        *,
        owner: str | None,
        born: Born | None = None,
        followed: Followed | None = None,
        files: tuple[File, ...] = (),
    ) -> Opened:
        """Add the opening of a report to an act."""
        plan = self.plan(draft, act, born)
        key = self._ledger.vault.new_key()
        code = new_code(self._ledger.entropy.below)
        report_id = act.new_id()
        sent = [case for case in plan.cases if case.app is not None]
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
                "status": Status.RECEIVED,
                "identity": str(draft.identity),
                "channel": draft.channel,
                "owner": owner,
                "client_ref": draft.client_ref,
                "epoch": 0,
                "born_in": born.app if born else None,
                "occurred_at": draft.occurred_at,
                "received_at": act.now,
                "updated_at": act.now,
                "rule": plan.rule,
                "config": plan.digest,
                "deliveries": len(sent),
                "kek": self._ledger.vault.current,
                "wrapped": self._ledger.vault.wrap(key, report_id.hex),
                "sealed": key.seal("content", draft.content),
            },
            rule=plan.rule,
            config=plan.digest,
            commits={"content": key.commitment(draft.content)},
        )
        act.say(report, "report.received", DESK)
        if followed is not None:
            act.link(report, followed.id, followed.code, LinkKind.FOLLOW_UP_TO)  # type: ignore[arg-type]
        for file in files:
            self._attach(act, report, file)
        cases: list[CaseRef] = []
        if born is not None:
            cases.append(self._born(act, report, born, plan))
        number = 0
        for planned_case in plan.cases:
            app = planned_case.app or DESK
            row = {
                "app": app,
                "profile": planned_case.profile,
                "service": draft.service,
                "status": Status.RECEIVED,
                "agency": planned_case.agency,
                "reason": planned_case.reason,
                "rule": planned_case.rule,
            }
            case = act.open_case(report, len(cases) + 1, row, plan.digest)
            cases.append(case)
            if planned_case.app is None:
                act.say(
                    report,
                    "case.desk",
                    DESK,
                    case=case,
                    reason=planned_case.reason,
                    agency=self._policy.agencies[planned_case.agency].short_name,
                )
                continue
            if planned_case.reason.startswith("app_"):
                act.say(
                    report,
                    "case.fallback",
                    DESK,
                    case=case,
                    app=self._apps.title(planned_case.app),
                    reason=planned_case.reason,
                )
            number += 1
            self._send(act, report, case, number, draft, plan, planned_case.profile, followed, files)
        self._deadlines(act, report, plan)
        return Opened(code=code, report=report, plan=plan, cases=tuple(cases))

    def _born(self, act: Act, report: ReportRef, born: Born, plan: Plan) -> CaseRef:
        row = {
            "app": born.app,
            "profile": None,
            "service": born.service,
            "status": Status.RECEIVED,
            "agency": plan.agency,
            "reason": "born_there",
            "rule": f"born:{born.app}",
        }
        case = act.open_case(report, 1, row, plan.digest)
        act.refer(report, case, born.references)
        return case

    def _send(
        self,
        act: Act,
        report: ReportRef,
        case: CaseRef,
        number: int,
        draft: Draft,
        plan: Plan,
        profile: str | None,
        followed: Followed | None,
        files: tuple[File, ...],
    ) -> None:
        submission = self._submission(act, report, number, draft, plan, profile, followed, files)
        prepared, shared = self._apps.prepare(case.app, profile, submission)
        act.send(report, case, number, Command.OPEN, prepared, plan.emergency)
        act.record(
            report.code,
            "data.disclosed",
            case=case.number,
            rule=f"shares:{case.app}",
            facts={"to": case.app, "fields": ",".join(sorted(shared))},
        )
        act.say(report, "delivery.waiting", DESK, case=case, app=self._apps.title(case.app))

    def _submission(
        self,
        act: Act,
        report: ReportRef,
        number: int,
        draft: Draft,
        plan: Plan,
        profile: str | None,
        followed: Followed | None,
        files: tuple[File, ...],
    ) -> Submission:
        content = draft.content
        linked = followed and tuple(
            Linked(kind="follow_up_to", app=app, value=value, code=followed.code) for app, value in followed.numbers
        )
        return Submission(
            key=f"{report.code}-{number}",
            code=report.code,
            service=draft.service,
            category="",
            profile=profile,
            priority=str(plan.priority),
            title=shortened(content.description, _TITLE),
            text=content.description,
            occurred_at=draft.occurred_at or act.now,
            received_at=act.now,
            site=self._site(content.place),
            reporter=Person(
                name=content.reporter.name,
                phone=content.reporter.phone,
                email=content.reporter.email,
                national_id=content.reporter.national_id,
                hidden=self._hidden(draft, plan),
            ),
            attributes=content.attributes,
            linked=linked or (),
            documents=tuple(
                Document(name=file.name, media_type=str(file.row["media_type"]), digest=str(file.row["digest"]))
                for file in files
            ),
        )

    def _hidden(self, draft: Draft, plan: Plan) -> bool:
        """A reporter is hidden from the app when he asked for it or when the service protects him anyway."""
        return draft.identity is not Identity.OPEN or str(plan.privacy) == "sensitive_reporter"

    def _site(self, place: Place) -> Site:
        codes = None
        if place.village is not None:
            village = self._policy.gazetteer.by_code(place.village)
            district = self._policy.gazetteer.by_code(village.parent)
            codes = PlaceCodes(
                kemendagri=village.code,
                compact=village.compact,
                bps=village.bps,
                bps_district=district.bps or "",
                village=village.name,
                district=district.name,
            )
        return Site(
            codes=codes,
            latitude=place.latitude,
            longitude=place.longitude,
            accuracy_m=place.accuracy_m,
            address=place.address,
            landmark=place.landmark,
        )

    def _attach(self, act: Act, report: ReportRef, file: File) -> None:
        row = file.row
        name = f"{row['id'].hex}"  # type: ignore[attr-defined]
        own = self._ledger.vault.unwrap(row["kek"], row["wrapped"], name)  # type: ignore[arg-type]
        wrapped = self._ledger.vault.rewrap_under(own, report.key, name)
        act.change(t.attachment, {"id": row["id"], "report_id": None}, report_id=report.id, wrapped=wrapped)
        act.record(
            report.code,
            "attachment.added",
            commits={"file": report.key.commitment(str(row["digest"]))},
            facts={"media_type": str(row["media_type"]), "size": int(str(row["size"]))},
        )

    def _deadlines(self, act: Act, report: ReportRef, plan: Plan) -> None:
        for deadline in plan.deadlines:
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
                config=plan.digest,
                facts={"clock": deadline.clock, "by": deadline.by.isoformat()},
            )
