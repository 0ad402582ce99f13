"""Documents that apps named, fetched into the private store: a queue beside the inbox.

A file that cannot be had now is asked for again, later and later, and holds back no news. What may not be fetched at
all (another host, too large, a kind of file that is none of a public office's) is refused and shown, and so is in the
end what never came.
"""

import asyncio
from datetime import timedelta
from hashlib import sha256
from typing import Final

import structlog

from gateway.flows.inbound import queries
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host, Outcome
from gateway.kernel.ledger import Act, CaseRef, Erased, Ledger, ReportRef, Stale
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.blobs import Blobs
from gateway.kernel.ledger.files import NewFile, receive
from gateway.model.delivery import MAX_AGE, Verdict, backoff
from gateway.model.entry import Hop
from gateway.model.file import About, DocumentState, FileState
from gateway.model.filetype import is_page, named, sniff
from gateway.model.principal import app_actor
from gateway.sdk import Document

LIMIT: Final = 10 * 1024 * 1024
"""Bytes that a document of an app may have."""
_LEASE: Final = timedelta(minutes=3)
"""How long an attempt is left alone by other workers."""
_ROUND_S: Final = 1.0
_OVERDUE_S: Final = 30.0
_BATCH: Final = 20
_MOVED: Final = range(300, 400)
_log = structlog.get_logger()


class Fetcher:
    """Fetches the documents of one app."""

    def __init__(self, app: str, ledger: Ledger, host: Host, blobs: Blobs, wake: Wake) -> None:
        self.app = app
        self._ledger, self._host, self._blobs, self._wake = ledger, host, blobs, wake

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            if not await self.round(stop):
                await self._wake.wait({"delivery", "document"}, _ROUND_S)

    async def round(self, stop: asyncio.Event | None = None) -> int:
        """Fetch what is due, one after the other; return how many documents were asked for."""
        rows = await self._ledger.read(queries.documents_due, self.app, self._ledger.clock.real(), _BATCH)
        asked = 0
        for row in rows:
            if (stop is not None and stop.is_set()) or not self._host.ready(self.app):
                break
            asked += await self._one(row)
        return asked

    async def _one(self, row: queries.Row) -> bool:
        claim = self._ledger.act(app_actor(self.app), "document")
        tried = row | {"tries": row["tries"] + 1}
        where = {"id": row["id"], "state": DocumentState.WAITING, "tries": row["tries"]}
        claim.change(t.document, where, tries=tried["tries"], due_at=claim.real + _LEASE)
        if not await self._done(claim):
            return False
        try:
            key = self._ledger.vault.unwrap(row["report_kek"], row["report_wrapped"], row["report_id"].hex)
            document = key.open("document", row["sealed"], Document)
        except Erased:
            await self._done(_settled(self._ledger, tried, DocumentState.FAILED, "erased"))
            return True
        report = ReportRef(id=row["report_id"], code=row["code"], version=row["report_version"], key=key)
        outcome = await self._had(document)
        content = outcome.content
        if refusal := _refusal(outcome, content):
            await self._ended(tried, report, DocumentState.REFUSED, refusal, outcome)
        elif lack := _lack(outcome, content, document):
            await self._later(tried, lack, outcome)
        else:
            assert content is not None, "whatever lacks nothing has bytes"
            await self._keep(tried, report, document, content, outcome)
        return True

    async def _had(self, document: Document) -> Outcome:
        """Return the bytes that came with the news, else ask the app for them."""
        if document.content is not None:
            return Outcome(verdict=Verdict.ACCEPTED, content=document.content)
        if not document.url:
            return Outcome(verdict=Verdict.REJECTED, cause="no_link")
        return await self._host.document(self.app, document.url, LIMIT)

    async def _keep(
        self, row: queries.Row, report: ReportRef, document: Document, content: bytes, outcome: Outcome
    ) -> None:
        digest = sha256(content).hexdigest()
        files = await self._ledger.read(queries.files_of, report.id)
        if any(one["role"] and one["digest"] in {digest, report.key.commitment(digest)} for one in files):
            # The app hands back what was only passed on to it: it stays destroyed here.
            await self._ended(row, report, DocumentState.REFUSED, "passed_on", outcome)
            return
        same = next((one for one in files if one["state"] == FileState.KEPT and one["digest"] == digest), None)
        if same is not None:
            act = _settled(self._ledger, row, DocumentState.KEPT, None, attachment_id=same["id"])
            await self._done(act)
            return
        act = self._ledger.act(app_actor(self.app), "document")
        kind = sniff(content)
        assert kind is not None, "what is of no kind was refused"
        file = NewFile(
            id=act.new_id(),
            key=self._ledger.vault.new_key(),
            media_type=kind.media_type,
            size=len(content),
            digest=digest,
            about=About(name=named(document.name, kind)),
        )
        await self._blobs.write(file.id, file.key, content)
        case = _case(row)
        receive(act, self._ledger.vault, report, case, file, _hop(self.app, row, outcome, "accepted"))
        act.say(
            report, "document.received", self.app, case=case, app=self.app, attachment=f"{file.id.hex}.{kind.suffix}"
        )
        _settle(act, row, DocumentState.KEPT, None, attachment_id=file.id)
        if not await self._done(act):
            await self._blobs.destroy(file.id)
            return
        _log.info("document.received", report=row["code"], connector=self.app, attempt=row["tries"])
        self._wake.ring(f"report:{row['code']}")

    async def _later(self, row: queries.Row, cause: str, outcome: Outcome) -> None:
        wait = max(backoff(row["tries"], self._ledger.entropy.fraction()), outcome.after or 0.0, 1.0)
        act = self._ledger.act(app_actor(self.app), "document")
        where = {"id": row["id"], "state": DocumentState.WAITING, "tries": row["tries"]}
        act.change(t.document, where, due_at=act.real + timedelta(seconds=wait), cause=cause[:80])
        await self._done(act)

    async def _ended(
        self, row: queries.Row, report: ReportRef, state: DocumentState, cause: str, outcome: Outcome
    ) -> None:
        act = _told_off(self._ledger, row, report, state, cause, _hop(self.app, row, outcome, str(state)))
        if await self._done(act):
            _log.warning(f"document.{state}", report=row["code"], connector=self.app, cause=cause)
            self._wake.ring(f"report:{row['code']}")

    async def _done(self, act: Act) -> bool:
        """Commit; False if another worker has the document in hand."""
        try:
            await self._ledger.commit(act)
        except Stale:
            return False
        return True


class Overdue:
    """Gives up documents that never came, also those of apps that are there no more."""

    def __init__(self, ledger: Ledger, wake: Wake) -> None:
        self._ledger, self._wake = ledger, wake

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            await self.round()
            if not stop.is_set():
                await self._wake.wait({"overdue"}, _OVERDUE_S)

    async def round(self) -> None:
        """Look once."""
        for row in await self._ledger.read(queries.documents_overdue, self._ledger.clock.real() - MAX_AGE, _BATCH):
            try:
                key = self._ledger.vault.unwrap(row["report_kek"], row["report_wrapped"], row["report_id"].hex)
                report = ReportRef(id=row["report_id"], code=row["code"], version=row["report_version"], key=key)
                cause = row["cause"] or "too_old"
                act = _told_off(self._ledger, row, report, DocumentState.FAILED, cause, None)
            except Erased:
                act = _settled(self._ledger, row, DocumentState.FAILED, "erased")
            try:
                await self._ledger.commit(act)
            except Stale:
                continue
            self._wake.ring(f"report:{row['code']}")


def _refusal(outcome: Outcome, content: bytes | None) -> str | None:
    """Return why a document is never to be had, None if that cannot be said."""
    if outcome.verdict is Verdict.REJECTED:
        return outcome.cause
    if outcome.verdict is Verdict.BROKEN and outcome.cause == "too_large":
        return "too_large"
    if outcome.verdict is Verdict.BROKEN and outcome.http is not None and outcome.http in _MOVED:
        return "redirect"
    if content is None or not content or is_page(content):
        return None
    if len(content) > LIMIT:
        return "too_large"
    return "type" if sniff(content) is None else None


def _lack(outcome: Outcome, content: bytes | None, document: Document) -> str | None:
    """Return why a document is to be asked for again, None if it is there and whole."""
    if outcome.verdict is not Verdict.ACCEPTED or content is None:
        return outcome.cause or str(outcome.verdict)
    if not content:
        return "empty"
    if is_page(content):
        return "page"  # an app that is away answers so, also with 200
    if document.digest is not None and document.digest.lower() != sha256(content).hexdigest():
        return "digest"
    return None


def _case(row: queries.Row) -> CaseRef:
    return CaseRef(id=row["case_id"], number=row["number"], app=row["app"], version=row["case_version"])


def _settle(act: Act, row: queries.Row, state: DocumentState, cause: str | None, **values: object) -> None:
    where = {"id": row["id"], "state": DocumentState.WAITING, "tries": row["tries"]}
    act.change(t.document, where, state=state, cause=cause and cause[:80], **values)


def _settled(ledger: Ledger, row: queries.Row, state: DocumentState, cause: str | None, **values: object) -> Act:
    act = ledger.act(app_actor(row["app"]), "document")
    _settle(act, row, state, cause, **values)
    return act


def _told_off(
    ledger: Ledger, row: queries.Row, report: ReportRef, state: DocumentState, cause: str, hop: Hop | None
) -> Act:
    """Return the act by which a document is refused or given up: entered, told, and a person alerted."""
    act = _settled(ledger, row, state, cause)
    case = _case(row)
    act.record(
        report.code,
        f"document.{state}",
        case=case.number,
        hop=hop,
        facts={"cause": cause},
        commits={"document": row["mark"]},
    )
    act.say(report, f"document.{state}", row["app"], case=case, app=row["app"])
    act.alarm(f"document_{state}", f"{row['app']}:{row['id'].hex}", cause, row["app"], report.id)
    return act


def _hop(app: str, row: queries.Row, outcome: Outcome, came: str) -> Hop:
    last = outcome.exchanges[-1] if outcome.exchanges else None
    return Hop(
        direction="in",
        app=app,
        operation="document",
        attempt=row["tries"],
        outcome=came,
        http=last.status if last else None,
        latency_ms=sum(exchange.latency_ms for exchange in outcome.exchanges) if last else None,
        request=last.request_digest if last else None,
        response=last.response_digest if last else None,
    )
