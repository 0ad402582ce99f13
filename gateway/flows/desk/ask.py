"""Asking the reporter, and saying who works on a case."""

from typing import Final

from gateway.flows.desk import queries
from gateway.flows.desk.again import decided
from gateway.flows.desk.bodies import AskBody, Asked, AssignBody, Assigned
from gateway.flows.desk.meant import Meant, meant
from gateway.flows.desk.who import Desk
from gateway.kernel.coordination import Wake
from gateway.kernel.ledger import Act, Ledger
from gateway.kernel.ledger import act as verbs
from gateway.kernel.ledger.progress import Happening, Step, advance, said
from gateway.kernel.ledger.reading import Row, case_ref
from gateway.kernel.policy import Policy
from gateway.kernel.policy.asking import PEOPLE, askable, question
from gateway.kernel.policy.matter import protects
from gateway.model.catalogue import Service
from gateway.model.principal import Principal
from gateway.model.problem import Fault, Problem, pointer_to, refused
from gateway.model.status import OPEN, TRANSITIONS, Status

ASK: Final = "desk:ask"
ASSIGN: Final = "desk:assign"
MYSELF: Final = "me"


class Asker:
    """Asks reporters, and gives cases to officers."""

    def __init__(self, ledger: Ledger, policy: Policy, wake: Wake) -> None:
        self._ledger, self._policy, self._wake = ledger, policy, wake

    async def ask(self, desk: Desk, code: str, body: AskBody) -> Asked:
        """Ask the reporter of a case for fields, or in words; the case waits for him.

        A case in an app waits too, as far as the gateway shows it, and stands where its app says once he has answered.
        Raises Problem `reporter-hidden` for fields that would tell who a hidden reporter is, `case-conflict` for a case
        that ended.
        """
        done: list[Asked] = []

        async def think() -> Act:
            at = await meant(self._ledger, desk, code, body.case)
            fields = self._fields(at, body)
            act = self._ledger.act(desk.actor, ASK)
            service = self._policy.services[at.row["service"]]
            lines = question(service, fields, self._policy.needs("id"))
            text = "\n".join(filter(None, ((body.text or "").strip(), lines)))
            here = at.row["app"] == queries.DESK
            happening = Happening(
                event=said(act, at.row, at.known, Status.NEEDS_INFO if here else None),
                kind="asked",
                by=desk.by,
                text=text,
                notice="message.asked",
                rule=ASK,
                asked=verbs.Asked(fields=fields),
            )
            step = Step(case_id=at.row["id"], happenings=[happening], known=at.known, heard=here)
            status = advance(act, self._ledger.vault, at.whole, [step])
            done[:] = [Asked(report=at.whole.code, case=at.row["number"], status=status, fields=list(fields))]
            return act

        await decided(self._ledger, think)
        self._wake.ring(f"report:{done[0].report}")
        return done[0]

    async def assign(self, desk: Desk, principal: Principal, code: str, body: AssignBody) -> Assigned:
        """Give a case to an officer of its agency, or to another agency, whose officers then work on it."""
        if body.officer is None and body.agency is None:
            raise Problem("assignment-empty")
        if body.agency is not None and body.agency not in self._policy.agencies:
            possible = ", ".join(sorted(self._policy.agencies))
            raise refused([Fault(code="not-one-of", pointer="/agency", params={"possible": possible})])
        done: list[Assigned] = []

        async def think() -> Act:
            at = await meant(self._ledger, desk, code, body.case)
            if at.row["status"] not in OPEN:
                raise Problem("case-conflict", status=at.row["status"], possible="note")
            act = self._ledger.act(desk.actor, ASSIGN)
            agency = body.agency or at.row["agency"]
            owner = self._officer(principal, body.officer)
            self._not_there(at, agency)
            act.assign(case_ref(at.row), assignee=owner, agency=agency)
            self._assigned(act, desk, at, agency, owner, body.note)
            done[:] = [Assigned(report=at.whole.code, case=at.row["number"], agency=agency, owner=owner)]
            return act

        await decided(self._ledger, think)
        self._wake.ring(f"report:{done[0].report}")
        return done[0]

    # -- parts -----------------------------------------------------------------------------------------------------

    def _fields(self, at: Meant, body: AskBody) -> tuple[str, ...]:
        """Return what is to be asked and is not asked for yet, or refuse."""
        row, report = at.row, at.whole.report
        now = Status(row["status"])
        if now not in OPEN or (now is not Status.NEEDS_INFO and Status.NEEDS_INFO not in TRANSITIONS[now]):
            raise Problem("case-conflict", status=now, possible="note")
        service: Service = self._policy.services[row["service"]]
        known = askable(service)
        faults = [
            Fault(code="not-one-of", pointer=pointer_to("fields", index), params={"possible": ", ".join(known)})
            for index, name in enumerate(body.fields)
            if name not in known
        ]
        if faults:
            raise refused(faults)
        if protects(report["identity"], report["privacy"]) and (personal := set(body.fields) & set(PEOPLE)):
            raise Problem("reporter-hidden", field=", ".join(sorted(personal)))
        asked = {name for ask in at.whole.asks if ask["case_id"] == row["id"] for name in ask["fields"]}
        fields = tuple(name for name in dict.fromkeys(body.fields) if name not in asked)
        if not fields and not (body.text and body.text.strip()):
            raise Problem("question-empty")
        return fields

    def _officer(self, principal: Principal, officer: str | None) -> str | None:
        """Return the pseudonym under which an officer stands in entries: names of people stay out of the rows."""
        if officer is None:
            return None
        name = principal.key if officer == MYSELF else f"{principal.issuer}|{officer}"
        return self._ledger.keyring.pseudonym_of(name)

    def _not_there(self, at: Meant, agency: str) -> None:
        """Refuse to give a case of the desk to an agency that has one already."""
        row = at.row
        for case in at.whole.cases if row["app"] == queries.DESK else ():
            if case["id"] != row["id"] and case["status"] in OPEN and _place(case) == (row["app"], agency):
                raise Problem("already-there", place=agency, number=case["number"], status=case["status"])

    def _assigned(self, act: Act, desk: Desk, at: Meant, agency: str, owner: str | None, note: str | None) -> None:
        report, case = at.whole.ref(self._ledger.vault), case_ref(at.row)
        facts = {"agency": agency} | ({} if owner is None else {"owner": owner})
        commits = None if note is None else {"reason": report.key.commitment(note)}
        if agency != at.row["agency"]:
            facts["from"] = at.row["agency"]
            short = self._policy.agencies[agency].short_name
            act.say(report, "desk.referred", desk.by, case=case, agency=short)
        else:
            act.say(report, "desk.assigned", desk.by, case=case)
        if note is not None:
            act.say(report, "desk.note", desk.by, case=case, text=note, internal=True)
        act.record(report.code, "case.assigned", case=case.number, rule=ASSIGN, facts=facts, commits=commits)
        act.touch(report)


def _place(case: Row) -> tuple[str, str]:
    return case["app"], case["agency"]
