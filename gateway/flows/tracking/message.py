"""A reporter's later word: kept with the report for good, and carried to every app that can take it.

A message moves nothing by itself, unless it answers what was asked (`answer`): then the case that waited goes on. Where
an app waits for an answer of its own, the app says when it goes on.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from gateway.flows.tracking import queries
from gateway.flows.tracking.answer import Answers
from gateway.flows.tracking.bodies import MessageBody, MessageTaken, Suggestion
from gateway.flows.tracking.supply import Supplied, Supply
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host, carries
from gateway.kernel.ledger import Act, Erased, Ledger, ReportRef, Stale, Taken
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.files import attach, report_document
from gateway.kernel.ledger.progress import advance
from gateway.kernel.ledger.reading import Row, Whole, case_ref, events_of, report_by_code
from gateway.kernel.policy import Policy
from gateway.kernel.policy.opening import Opener
from gateway.model.catalogue import Privacy
from gateway.model.codes import delivery_key
from gateway.model.delivery import Command
from gateway.model.file import upload_id
from gateway.model.principal import Actor, Principal, Scope
from gateway.model.problem import Problem
from gateway.model.status import OPEN
from gateway.sdk import Amendment, Document

DESK: Final = "gateway"
_TRIES: Final = 20


class Messages:
    """Takes messages."""

    def __init__(self, ledger: Ledger, policy: Policy, host: Host, wake: Wake) -> None:
        self._ledger, self._host, self._wake = ledger, host, wake
        self._answers = Answers(ledger, policy, Opener(ledger, policy, host))
        self._supply = Supply(ledger, policy, host)

    async def take(
        self,
        principal: Principal,
        scope: Scope,
        actor: Actor,
        code: str,
        body: MessageBody,
        key: str | None,
        suggest: Callable[[str], list[Suggestion]],
    ) -> bytes:
        """Keep a message and queue it for the apps; return the answer's bytes when that is durable.

        With a `key` (Idempotency-Key) a repeat gets the first answer and is not kept again; the same key with
        another body raises Problem `idempotency-conflict`. `suggest` looks for words of danger.
        """
        if not composed(body) and not body.attachments:
            raise Problem("message-empty")
        digest = sha256(msgspec.json.encode(body, order="sorted")).digest()
        answer = b""

        async def think() -> Act:
            nonlocal answer
            whole = await self._ledger.read(report_by_code, scope, code)
            if whole is None:
                raise Problem("not-found")
            self._answers.check(whole, body.answers)
            files = await self._files(principal, whole, body.attachments)
            supplied = await self._supply.find(principal, whole, body)
            act = self._ledger.act(actor, "POST /v1/reports/messages")
            report = whole.ref(self._ledger.vault)
            documents = tuple(self._attach(act, report, index, row) for index, row in enumerate(files, start=1))
            taken = await self._keep(act, whole, report, body, documents, supplied)
            answer = msgspec.json.encode(msgspec.structs.replace(taken, suggestions=suggest(body.text)))
            if key is not None:
                act.insert(
                    t.idempotency,
                    scope=_scope(principal, code),
                    key=key,
                    fingerprint=digest,
                    report_id=whole.id,
                    status=201,
                    created_at=act.real,
                    sealed=report.key.seal("first-answer", answer),
                )
            return act

        if key is not None and (first := await self._first(principal, scope, code, key, digest)) is not None:
            return first
        for _ in range(_TRIES):
            try:
                await self._ledger.decide(think)
            except Taken as clash:
                if key is not None and (first := await self._first(principal, scope, code, key, digest)) is not None:
                    return first
                if clash.table not in {
                    "delivery",
                    "cases",
                    "deadline",
                }:  # another message took the number in this moment: count again
                    raise
                continue
            except Stale:
                break
            except Erased:
                raise Problem("not-found") from None
            return self._rung(code, answer)
        raise Problem("stale")

    def _rung(self, code: str, answer: bytes) -> bytes:
        """Wake who carries messages and who follows the report."""
        self._wake.ring("delivery")
        self._wake.ring(f"report:{code}")
        return answer

    async def _first(self, principal: Principal, scope: Scope, code: str, key: str, digest: bytes) -> bytes | None:
        """Return the first answer given under a key of this caller for this report."""
        row = await self._ledger.read(queries.first_answer, _scope(principal, code), key)
        if row is None:
            return None
        if row["fingerprint"] != digest:
            raise Problem("idempotency-conflict")
        whole = await self._ledger.read(report_by_code, scope, code)
        if whole is None:
            raise Problem("not-found")
        return whole.key(self._ledger.vault).open("first-answer", row["sealed"], bytes)

    async def _keep(
        self,
        act: Act,
        whole: Whole,
        report: ReportRef,
        body: MessageBody,
        documents: tuple[Document, ...],
        supplied: Sequence[Supplied],
    ) -> MessageTaken:
        """Keep the message, put its answers where they were asked, and queue it for the open cases whose app can take
        it: what was said for all of them, an answer for the case that asked."""
        events = await self._ledger.read(events_of, [case["id"] for case in whole.cases])
        answered = self._answers.asked(whole)
        plain = msgspec.structs.replace(body, answers={}) if answered else body
        personal = self._answers.personal(whole, body.answers | body.attributes)
        for_all = composed(plain, personal)
        text = "\n".join(filter(None, (for_all, self._answers.words(whole, body.answers) if answered else "")))
        act.say(report, "message.citizen", "reporter", text=text)
        given = await self._answers.give(
            act, whole, events, body.answers, documents, bool(for_all or documents), supplied
        )
        await self._supply.hand_on(act, whole, supplied)
        carried, kept = given.carried, []
        free = {name: value for name, value in body.answers.items() if name not in personal}
        for case in whole.cases:
            answers = given.answers.get(case["id"], {}) if answered else free
            asked = bool(answered and answers)
            if case["app"] == DESK or case["status"] not in OPEN or case["id"] in given.waiting:
                continue
            if not (for_all or documents or asked):
                continue
            if not carries(self._host, case["app"], case["profile"]):
                kept.append(case["app"])
                act.say(
                    report,
                    "message.not_carried",
                    DESK,
                    case=case_ref(case),
                    app=case["app"],
                )
                continue
            given.sent += 1
            carried.append(case["app"])
            form = {
                name: value
                for name, value in body.attributes.items()
                if name not in personal or self._answers.in_form(case, name)
            }
            words = self._answers.words(whole, answers) if asked else ""
            amendment = Amendment(
                key=delivery_key(whole.code, given.sent),
                code=whole.code,
                command=Command.MESSAGE,
                text="\n".join(filter(None, (for_all, words))),
                at=act.now,
                attributes=self._shared(case, form | answers),
                documents=documents if "documents" in self._shares(case) else (),
            )
            act.send(report, case_ref(case), given.sent, Command.MESSAGE, amendment, whole.report["emergency"])
        counts = {"files": len(documents), "answers": len(body.answers)}
        apps = {"carried": ",".join(carried), "kept": ",".join(kept)}
        facts = {name: value for name, value in (counts | apps).items() if value}
        act.record(whole.code, "message.received", commits={"text": report.key.commitment(text)}, facts=facts or None)
        if given.steps:
            values = given.values | {"deliveries": given.sent}
            advance(act, self._ledger.vault, whole, given.steps, opened=given.opened, **values)
        else:
            act.touch(report, deliveries=given.sent, **given.values)
        missing = list(dict.fromkeys(given.missing))
        return MessageTaken(code=whole.code, at=act.now, carried=carried, kept=kept, suggestions=[], missing=missing)

    def _shares(self, case: Row) -> Mapping[str, str]:
        return self._host.manifest(case["app"]).shares_of(case["profile"])

    def _shared(self, case: Row, answers: Mapping[str, object]) -> dict[str, object]:
        """Return the answers an app may have; of people and places only what its manifest names."""
        shares = self._shares(case)
        every = "attributes" in shares
        return {
            name: value
            for name, value in answers.items()
            if (name in shares if "." in name else every or f"attributes.{name}" in shares)
        }

    async def _files(self, principal: Principal, whole: Whole, names: list[str]) -> list[Row]:
        """Return the uploads a message names, in its order. Raises Problem `attachment-unknown` if one is not there,
        `attachment-of-a-child` where none may be."""
        if names and whole.report["privacy"] == Privacy.CHILD_HEALTH:
            raise Problem("attachment-of-a-child", pointer="/attachments")
        found = [upload_id(name) for name in names]
        ids = list(dict.fromkeys(one for one in found if one is not None))
        if not found:
            return []
        rows = {row["id"]: row for row in await self._ledger.read(queries.files, principal.key, ids)}
        if None in found or len(rows) != len(ids):
            raise Problem("attachment-unknown", pointer="/attachments")
        return [rows[at] for at in ids]

    def _attach(self, act: Act, report: ReportRef, index: int, row: Row) -> Document:
        """Make an upload part of the report, and return it as a document for apps."""
        attach(act, self._ledger.vault, report, row)
        return report_document(index, row)


def composed(body: MessageBody, personal: Collection[str] = ()) -> str:
    """Return a message as one text: what was written, then the answers and attributes line by line.

    Apps that take only text, and officers who read the timeline, get all of it, but for what is `personal`.
    """
    lines = [body.text.strip()] if body.text.strip() else []
    for name, value in (body.answers | body.attributes).items():
        told = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        lines.append(f"{name}: {'***' if name in personal else told}")
    return "\n".join(lines)


def _scope(principal: Principal, code: str) -> str:
    return f"message|{code}|{principal.key}"[:300]
