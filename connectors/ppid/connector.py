"""PPID: requests for information and objections, told apart from others' by our key at the end of their text."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from gateway.sdk import (
    Amendment,
    Answer,
    App,
    Batch,
    ContractBroken,
    Event,
    News,
    Receipt,
    Reference,
    Rejected,
    Retryable,
    Submission,
    Upstream,
    rows,
)

from . import heard, rounds, wire
from .places import plain

WITA = ZoneInfo("Asia/Makassar")
"""The office's calendar; the app's times are UTC."""

SEARCHED = timedelta(minutes=2)
"""What is older than this is in the index of the app's search."""


class Connector:
    """Level 1: what was sent can be searched for, and is never sent again."""

    def __init__(self, app: App) -> None:
        self._http = app.http
        self._secrets = app.secrets
        self._lists: wire.Names | None = None
        self._turn = 0

    async def login(self) -> None:
        """Take the other token for the next try, if the token is being replaced."""
        self._turn += 1

    def document_headers(self) -> Mapping[str, str]:
        """Return what proves, to the app itself, that we may have the documents of an answer."""
        tokens = self._secrets.all("TOKEN")
        return {"Authorization": f"Bearer {tokens[self._turn % len(tokens)]}"}

    def _headers(self) -> Mapping[str, str]:
        # Without Accept the app answers with its login page.
        return {**self.document_headers(), "Accept": "application/json"}

    # What goes out.

    async def submit(self, submission: Submission) -> Receipt:
        """Send a request or an objection."""
        kind, path = submission.category, f"/api/public/{submission.category}"
        if kind not in wire.KINDS:
            raise Rejected("PPID has no such kind of record", "service")
        wire.check(submission)
        if kind == wire.OBJECTION:
            answer = await self._write(path, json=wire.new_objection(submission))
        else:
            form = wire.new_request(submission, await self._names())
            try:
                answer = await self._write(path, multipart=form)
            except Rejected as refused:
                if refused.field in {field for _, field in wire.ASKED.values()}:
                    self._lists = None  # it may have numbered a list anew
                raise
        saved = answer.json(wire.Opened).data
        word = None if saved.status is None else f"{wire.KINDS[kind]}/{saved.status}"
        return Receipt(references=(Reference(wire.TICKET, saved.tiket),), word=word, key=submission.key)

    async def amend(self, reference: str, amendment: Amendment) -> Receipt:
        """Cancel a request; to cancel it twice changes nothing."""
        if amendment.command != "withdraw":
            raise Rejected("PPID takes no messages")
        found = await self._record(reference)
        if found is None:
            raise Retryable("PPID does not show the record yet", after=60.0)
        kind, row = found
        if kind != wire.REQUEST:
            raise Rejected("PPID cancels requests only")
        saved = heard.read_as(row, wire.Saved)
        if str(saved.status) != wire.CANCELLED:
            form = {"_method": "PUT", "status": wire.CANCELLED}
            answer = await self._write(f"/api/admin/{kind}/{{id}}", form=form, values={"id": saved.id})
            saved = answer.json(wire.Opened).data
        word = f"{wire.KINDS[kind]}/{saved.status}"
        return Receipt(references=(Reference(wire.TICKET, reference),), word=word, key=amendment.key)

    async def find(self, key: str) -> Receipt | None:
        """Search for the record whose text ends with our key. The search may be a minute behind."""
        for kind in wire.KINDS:
            for row in await self._whole(kind, search=key):
                if heard.key_of(kind, row) == key:
                    return heard.receipt(kind, row, key)
        return None

    # What comes in.

    async def read(self, reference: str, after: str | None) -> Batch:
        """Return what one record says now."""
        found = await self._record(reference)
        return Batch(news=() if found is None else await self._news(found[0], [found[1]]))

    async def poll(self, cursor: str | None) -> Batch:
        """Read the next page of each kind whose round is under way; if none is, begin with both."""
        stands = msgspec.json.decode(cursor, type=dict[str, rounds.Stand]) if cursor else {}
        news: list[News] = []
        for kind in [kind for kind, stand in stands.items() if stand.under_way] or wire.KINDS:
            now = self._http.app_now()
            stand = rounds.resumed(stands.get(kind), now)
            page = await self._page(kind, stand.page, updated_since=heard.stamp(stand.since))
            stands[kind], fresh = rounds.met(stand, page, now)
            news += await self._news(kind, fresh)
        more = any(stand.under_way for stand in stands.values())
        return Batch(news=news, cursor=msgspec.json.encode(stands).decode(), more=more)

    async def sweep(self, day: date) -> Batch:
        """Return one event for each record whose last change lies on a day of the office's calendar."""
        since = datetime.combine(day, time(), WITA).astimezone(UTC)
        until = since + timedelta(days=1)
        news: list[News] = []
        for kind in wire.KINDS:
            changed = [
                (heard.changed_at(row), row) for row in await self._whole(kind, updated_since=heard.stamp(since))
            ]
            news += await self._news(kind, [row for at, row in changed if at is None or since <= at < until])
        kinds = set(wire.KINDS.values())
        return Batch(news=[one for one in news if not isinstance(one, Event) or one.kind in kinds])

    async def catalogue(self) -> Sequence[Upstream]:
        """Return the entries of the app's lists, by our names for them where we have one."""
        self._lists = None
        ours = {
            name: {plain(told): answer for answer, told in known.items() if answer}
            for name, known in wire.CHOICES.items()
        }
        kinds = {"pekerjaan": "occupation", "domisili": "village", "bentuk_informasi": "form_of_information"}
        return [
            Upstream(kind=kinds[name], value=ours[name].get(plain(one.nama), one.nama), label=one.nama)
            for name in wire.CHOICES
            for one in await self._listed(name)
        ]

    async def _news(self, kind: str, found: Sequence[Any]) -> list[News]:
        # What was born there names its place by number.
        names = await self._names() if any(heard.key_of(kind, row) is None for row in found) else {}
        return rows(found, lambda row: heard.news_of(kind, row, names), heard.version_of)

    # The way there.

    async def _names(self) -> wire.Names:
        """Return the app's lists, read once."""
        if self._lists is None:
            read = {name: await self._listed(name) for name in wire.CHOICES}
            self._lists = {name: {str(one.id): plain(one.nama) for one in listed} for name, listed in read.items()}
        return self._lists

    async def _listed(self, name: str) -> list[heard.Entry]:
        answer = await self._read("/api/public/referensi/{name}", values={"name": name})
        return heard.read_as(heard.data_of(answer), list[heard.Entry])

    async def _record(self, ticket: str) -> tuple[str, Any] | None:
        """Return the kind and the undecoded row of a record; None where neither search nor latest changes have it."""
        recent = heard.stamp(self._http.app_now() - SEARCHED)
        for kind in wire.KINDS:
            for query in ({"search": ticket}, {"updated_since": recent}):
                for row in await self._whole(kind, **query):
                    if isinstance(row, dict) and row.get("tiket") == ticket:
                        return kind, row
        return None

    async def _whole(self, kind: str, **query: str) -> list[Any]:
        """Return all undecoded rows of a list, read until as many were met as it has.

        Raises ContractBroken where they are not met: then nothing is known of what is absent.
        """
        found: dict[str, Any] = {}
        known, total = -1, 0
        while known < len(found) < total or known < 0:
            known = len(found)
            async for page in self._pages(kind, query):
                found |= {heard.name_of(row): row for row in page.rows}
                total = page.total
        if len(found) < total:
            raise ContractBroken("the list has rows that no page of it shows")
        return list(found.values())

    async def _pages(self, kind: str, query: Mapping[str, str]) -> AsyncIterator[heard.Page]:
        """Yield all pages of a list, and where there are several its first page again."""
        number, last = 0, 1
        while number < last:
            number += 1
            page = await self._page(kind, number, **query)
            if page.number != number:
                raise ContractBroken(f"page {page.number} came for page {number}")
            last = page.last
            yield page
        if last > 1:
            yield await self._page(kind, 1, **query)

    async def _page(self, kind: str, number: int, **query: str) -> heard.Page:
        answer = await self._read(f"/api/admin/{kind}", query={"page": number, **query})
        return heard.page_of(answer)

    async def _read(self, path: str, **more: Any) -> Answer:
        return await self._http.call("GET", path, write=False, headers=self._headers, missing=(), **more)

    async def _write(self, path: str, **body: Any) -> Answer:
        return await self._http.call(
            "POST", path, write=True, headers=self._headers, decode=wire.Envelope, body_verdict=wire.refusal, **body
        )
