"""Splitting a report: each part becomes a report of its own, of the same owner, linked `split_from`.

A part that lacks what its service demands asks the reporter for it and is delivered once it is there. The secret of the
report opens its parts. Where the reporter is hidden and a part's service cannot be given to somebody hidden (a request
for information), or the report is for named roles only, nothing of his identity goes along: he is asked, and the answer
is his consent. Nothing that anybody but he reads then names one report to those who work on the other, and no photo of
his goes along; else his photos do.
"""

from typing import Final

from gateway.flows.desk import queries
from gateway.flows.desk.again import decided
from gateway.flows.desk.bodies import Part, PartBody, Parts, SplitBody
from gateway.flows.desk.meant import Meant, some
from gateway.flows.desk.pictures import pictures
from gateway.flows.desk.refer import root_of
from gateway.flows.desk.who import Desk
from gateway.kernel.coordination import Wake
from gateway.kernel.ledger import Act, Ledger
from gateway.kernel.ledger.progress import advance
from gateway.kernel.ledger.reading import Row, Whole
from gateway.kernel.policy import Policy
from gateway.kernel.policy.asking import attribute_faults, missing
from gateway.kernel.policy.matter import protects
from gateway.kernel.policy.opening import DESK, Opened, Opener, followed
from gateway.model.catalogue import Kind, Privacy, Service
from gateway.model.link import LinkKind
from gateway.model.problem import Fault, Problem, refused
from gateway.model.report import Content, Draft, Identity, Place, Reporter
from gateway.model.status import Status

RULE: Final = "desk:split"


class Splitter:
    """Splits reports for desks."""

    def __init__(self, ledger: Ledger, policy: Policy, opener: Opener, wake: Wake) -> None:
        self._ledger, self._policy, self._opener, self._wake = ledger, policy, opener, wake

    async def split(self, desk: Desk, code: str, body: SplitBody) -> Parts:
        """Open the parts, all of them or none. Raises Problem `already-there` for a part that was split off before, and
        faults of the body."""
        services = self._services(body)
        done: list[Parts] = []

        async def think() -> Act:
            at = await some(self._ledger, desk, code)
            act = self._ledger.act(desk.actor, RULE)
            await self._not_there(desk, at, body)
            content = at.whole.content(self._ledger.vault)
            parts = [
                await self._part(act, desk, at, content, service, part, part.reason or body.reason)
                for service, part in zip(services, body.parts, strict=True)
            ]
            advance(act, self._ledger.vault, at.whole, [], passed=Status.ROUTED)
            done[:] = [Parts(report=at.whole.code, parts=parts)]
            return act

        await decided(self._ledger, think)
        self._wake.ring("delivery")
        self._wake.ring(f"report:{done[0].report}")
        return done[0]

    def _services(self, body: SplitBody) -> list[Service]:
        """Return the services of the parts, or refuse with everything that is wrong with them."""
        services, faults = [], []
        for index, part in enumerate(body.parts):
            at = f"/parts/{index}"
            service = self._policy.services.get(part.service)
            if service is None or not service.active:
                faults.append(Fault(code="unknown-service", pointer=f"{at}/service", params={"service": part.service}))
                continue
            if service.emergency:
                faults.append(Fault(code="refer-instead", pointer=f"{at}/service", params={"service": service.code}))
            if not part.description.strip():
                faults.append(Fault(code="missing-field", pointer=f"{at}/description"))
            faults += attribute_faults(service, part.attributes, f"{at}/attributes", partly=True)
            services.append(service)
        if faults:
            raise refused(faults)
        return services

    async def _not_there(self, desk: Desk, at: Meant, body: SplitBody) -> None:
        """Refuse a part that is there already: the same words for the same service."""
        for row in await self._ledger.read(queries.children, at.whole.id, LinkKind.SPLIT_FROM):
            said = self._description(row)
            for part in body.parts:
                if row["service"] == part.service and said == part.description:
                    apart = self._apart(at.whole, self._policy.services[part.service])
                    number = "-" if apart and desk.agency is not None else row["code"]
                    raise Problem("already-there", place=part.service, number=number, status=row["status"])

    def _apart(self, whole: Whole, service: Service) -> bool:
        """Tell whether a part must not be known to come from this report, nor whose it is before he says so himself."""
        hidden = protects(whole.report["identity"], whole.report["privacy"])
        restricted = whole.report["privacy"] == Privacy.RESTRICTED and service.privacy is not Privacy.RESTRICTED
        return restricted or (hidden and not service.hides_allowed)

    def _description(self, row: Row) -> str | None:
        if row["wrapped"] is None:
            return None
        key = self._ledger.vault.unwrap(row["kek"], row["wrapped"], row["id"].hex)
        return key.open("content", row["sealed"], Content).description

    async def _part(
        self,
        act: Act,
        desk: Desk,
        at: Meant,
        content: Content,
        service: Service,
        part: PartBody,
        reason: str | None,
    ) -> Part:
        whole = at.whole
        hidden = protects(whole.report["identity"], whole.report["privacy"])
        apart = self._apart(whole, service)
        draft = Draft(
            service=service.code,
            content=Content(
                description=part.description,
                place=_place(content.place, service, apart),
                attributes=part.attributes,
                reporter=Reporter() if apart else content.reporter,
            ),
            identity=_identity(Identity(whole.report["identity"]), hidden, service),
            channel="desk",
        )
        told = None if apart else reason
        origin = followed(whole, LinkKind.SPLIT_FROM, rule=RULE, reason=told)
        opened = self._opener.open(
            act,
            draft,
            owner=whole.report["owner"],
            followed=origin,
            files=() if apart else await pictures(self._ledger, whole, service),
            part_of=root_of(whole.report),
            asks=desk.by,
        )
        self._tell(act, desk, at, opened, reason, apart)
        (planned,) = opened.plan.cases
        lacking = missing(service, draft.content)
        return Part(
            code=None if apart and desk.agency is not None else opened.code,
            service=service.code,
            app=planned.app or DESK,
            agency=planned.agency,
            status=Status.NEEDS_INFO if lacking else Status.RECEIVED,
            missing=list(lacking),
        )

    def _tell(self, act: Act, desk: Desk, at: Meant, opened: Opened, reason: str | None, apart: bool) -> None:
        """Tell both timelines and the log. Apart: no timeline names the other report, officers read them too."""
        report, part = at.whole.ref(self._ledger.vault), opened.report
        if apart:
            act.say(report, "report.split_apart", desk.by)
        else:
            act.say(report, "report.split", desk.by, code=opened.code)
            act.say(part, "report.part", DESK, code=report.code)
        if reason is not None:
            act.say(report, "desk.note", desk.by, text=reason, internal=True)
            if not apart:
                act.say(part, "desk.note", desk.by, text=reason, internal=True)
        commits = None if reason is None else {"reason": report.key.commitment(reason)}
        facts = {"to": opened.code, "service": opened.plan.service}
        act.record(report.code, "report.split", rule=RULE, facts=facts, commits=commits)


def _place(place: Place, service: Service, apart: bool) -> Place:
    """Return where a part is: where an applicant lives is not where something happened, and an address may tell who
    somebody is."""
    if service.kind in {Kind.INFORMATION, Kind.OBJECTION}:
        return Place()
    return Place(village=place.village) if apart else place


def _identity(mine: Identity, hidden: bool, service: Service) -> Identity:
    """Return how far the reporter of a part is known: hidden stays hidden, unless the service cannot be given so."""
    if not service.hides_allowed:
        return Identity.OPEN
    return Identity.CONFIDENTIAL if hidden and mine is Identity.OPEN else mine
