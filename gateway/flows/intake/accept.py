"""Accepting a report exactly once, however often and however concurrently it is sent.

The first answer is stored in the act that opens the report, under the caller's Idempotency-Key and, if given,
under the client's own name for the report; a repeat finds it there, also after a crash between commit and answer.
"""

from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec
import structlog

from gateway.flows.intake import queries
from gateway.flows.intake.bodies import Accepted, CaseAnswer, DueAnswer, Suggestion
from gateway.kernel.coordination import Wake
from gateway.kernel.ledger import Act, Erased, Ledger, Stale, Taken
from gateway.kernel.ledger import tables as t
from gateway.kernel.policy import Policy
from gateway.kernel.policy.opening import DESK, File, Followed, Opened, Opener
from gateway.model.principal import Actor, Principal
from gateway.model.problem import Problem
from gateway.model.report import Draft
from gateway.model.status import Status

_TRIES: Final = 5
_log = structlog.get_logger()


class Answer(msgspec.Struct, frozen=True):
    """The bytes to answer with, and whether they were answered before."""

    status: int
    body: bytes
    replayed: bool


def fingerprint(body: object) -> bytes:
    """Return the digest of a decoded request: the same whatever its spacing or order of keys."""
    return sha256(msgspec.json.encode(body, order="sorted")).digest()


class Intake:
    """Opens reports for callers."""

    def __init__(self, ledger: Ledger, policy: Policy, opener: Opener, wake: Wake) -> None:
        self._ledger, self._policy, self._opener, self._wake = ledger, policy, opener, wake

    async def repeated(self, principal: Principal, key: str, digest: bytes, client_ref: str | None) -> Answer | None:
        """Return the first answer given to this caller under this key or name; None if there was none.

        Raises the problem `idempotency-conflict` if the key was used for another request.
        """
        row = await self._ledger.read(queries.first_answer, _scope("key", principal), key)
        if row is not None:
            if row["fingerprint"] != digest:
                raise Problem("idempotency-conflict")
            return self._reopened(row)
        if client_ref is not None:
            row = await self._ledger.read(queries.first_answer, _scope("ref", principal), client_ref)
        return None if row is None else self._reopened(row)

    async def accept(
        self,
        principal: Principal,
        actor: Actor,
        key: str,
        digest: bytes,
        draft: Draft,
        language: str,
        followed: Followed | None,
        files: tuple[File, ...],
        suspect: bool = False,
    ) -> Answer:
        """Open the report and return when it is durable; a repeat gets the first answer.

        `suspect` marks a caller beyond his limit: an emergency of his is taken all the same, and a person told.
        """
        for _ in range(_TRIES):
            act = self._ledger.act(actor, "POST /v1/reports")
            owner = principal.key if principal.account else None
            opened = self._opener.open(act, draft, owner=owner, followed=followed, files=files)
            if suspect:
                act.record(opened.code, "report.flagged", rule="limit:intake", facts={"reason": "too_many"})
                act.alarm("suspect_report", opened.code, "too_many", report_id=opened.report.id)
            body = msgspec.json.encode(self._answer(opened, language, act.now))
            self._remember(act, opened, _scope("key", principal), key, digest, body)
            if draft.client_ref is not None:
                self._remember(act, opened, _scope("ref", principal), draft.client_ref, digest, body)
            try:
                await self._ledger.commit(act)
            except Taken as clash:
                if clash.table not in {"idempotency", "report", "stream", "delivery", "attachment"}:
                    raise
                if first := await self.repeated(principal, key, digest, draft.client_ref):
                    return first
                continue  # the random code exists already: draw again
            except Stale:
                # A file was attached to another report in this moment: to this caller's own, or it is gone.
                if first := await self.repeated(principal, key, digest, draft.client_ref):
                    return first
                raise
            self._wake.ring("delivery")
            _log.info("report.accepted", report=opened.code, service=draft.service, cases=len(opened.cases))
            return Answer(201, body, False)
        raise Problem("unavailable")

    def _remember(self, act: Act, opened: Opened, scope: str, key: str, digest: bytes, body: bytes) -> None:
        act.insert(
            t.idempotency,
            scope=scope,
            key=key,
            fingerprint=digest,
            report_id=opened.report.id,
            status=201,
            created_at=act.real,
            sealed=opened.report.key.seal("first-answer", body),
        )

    def _reopened(self, row: queries.Row) -> Answer:
        try:
            key = self._ledger.vault.unwrap(row["kek"], row["wrapped"], row["report_id"].hex)
            return Answer(row["status"], key.open("first-answer", row["sealed"], bytes), True)
        except Erased:
            raise Problem("not-found") from None

    def _answer(self, opened: Opened, language: str, now: datetime) -> Accepted:
        plan = opened.plan
        return Accepted(
            code=opened.code,
            secret=self._ledger.keyring.report_secret(opened.report.id, 0),
            status=Status.RECEIVED,
            service=plan.service,
            cases=[
                CaseAnswer(app=case.app or DESK, agency=case.agency, status=Status.RECEIVED, reason=case.reason)
                for case in plan.cases
            ],
            due=[DueAnswer(clock=due.clock, by=due.by, state="running") for due in plan.deadlines],
            created_at=now,
            suggestions=[
                Suggestion(
                    service=found.service,
                    words=list(found.words),
                    text=self._policy.notices.text("suggestion.call_112", language),
                )
                for found in plan.suggestions
            ],
        )


def _scope(kind: str, principal: Principal) -> str:
    return f"report-{kind}|{principal.key}"
