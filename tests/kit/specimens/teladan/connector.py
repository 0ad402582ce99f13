"""Teladan: opens complaints, looks them up, hears its webhooks, and polls what changed."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from gateway.sdk import (
    Amendment,
    App,
    Batch,
    ContractBroken,
    Hook,
    News,
    Receipt,
    Rejected,
    Submission,
    Upstream,
    rows,
)

from . import wire

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
OVERLAP = timedelta(minutes=2)


class Stand(msgspec.Struct, omit_defaults=True):
    """Where the poll stands, in the app's own time: since when, which page, and which versions near it were told."""

    since: datetime = LONG_AGO
    page: int = 1
    latest: datetime = LONG_AGO
    told: dict[str, datetime] = {}


class Connector:
    """Level 2: the app takes a repeated key for a new complaint, but finds a key exactly."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._http = app.http

    def _headers(self) -> Mapping[str, str]:
        return {"X-Kunci": self._app.secrets["KUNCI"]}

    def document_headers(self) -> Mapping[str, str]:
        """Return what the app wants to see before it hands out a document."""
        return self._headers()

    async def submit(self, submission: Submission) -> Receipt:
        """Open a complaint."""
        opened = await self._write("/aduan", wire.new_complaint(submission))
        found = msgspec.convert(opened, wire.Opened)
        return wire.receipt(found.nomor, found.dibuat, found.status, submission.key)

    async def find(self, key: str) -> Receipt | None:
        """Look our key up, exactly: as that of a complaint, or of a message in one."""
        found = (await self._page(ref=key))["aduan"]
        if not found:
            return None
        row = msgspec.convert(found[0], wire.Row)
        if len(found) > 1 or key not in wire.keys(row):
            raise ContractBroken("the look-up of one key answered with something else")
        return wire.receipt(row.nomor, row.dibuat, row.status, key)

    async def amend(self, reference: str, amendment: Amendment) -> Receipt:
        """Add a message."""
        if amendment.command != "message":
            raise Rejected("Teladan takes messages only")
        await self._write("/aduan/{nomor}/pesan", wire.new_message(amendment), nomor=reference)
        return wire.receipt(reference, None, None, amendment.key)

    def receive(self, hook: Hook) -> Sequence[News]:
        """Translate a webhook."""

        def decode(body: bytes) -> News:
            return wire.news(msgspec.json.decode(body, type=wire.Row))

        return rows([hook.body], decode, lambda body: json.loads(body)["nomor"])

    async def read(self, reference: str, after: str | None) -> Batch:
        """Return what one complaint says now."""
        answer = await self._http.call(
            "GET", "/aduan/{nomor}", values={"nomor": reference}, write=False, headers=self._headers
        )
        return Batch(news=() if answer.absent else (wire.news(answer.json(wire.Row)),))

    async def poll(self, cursor: str | None) -> Batch:
        """Ask for one page of what changed."""
        stand = msgspec.json.decode(cursor, type=Stand) if cursor else Stand()
        page = await self._page(sejak=stand.since.astimezone(wire.WITA).isoformat(), halaman=stand.page)
        told = dict(stand.told)

        def decode(row: Any) -> News | None:
            found = _as_row(row)
            name = wire.version(found)
            if name in told:
                return None
            told[name] = found.diubah
            return wire.news(found)

        news = rows(page["aduan"], decode, lambda row: f"aduan {row['nomor']}")
        following = self._onward(stand, told, more=page["lanjut"] is True)
        return Batch(news=news, cursor=msgspec.json.encode(following).decode(), more=page["lanjut"] is True)

    def _onward(self, stand: Stand, told: Mapping[str, datetime], *, more: bool) -> Stand:
        """Return where to go on: at the last time seen, so that rows that move shift nothing; else from the overlap."""
        latest = max([stand.latest, *told.values()])
        if more:
            further = latest > stand.since and latest > stand.latest
            since, page = (latest, 1) if further else (stand.since, stand.page + 1)
            return Stand(since=since, page=page, latest=latest, told=dict(told))
        reached = min(latest, self._http.app_now())
        kept = {name: at for name, at in told.items() if at >= reached - OVERLAP}
        return Stand(since=max(LONG_AGO, reached - OVERLAP), latest=reached, told=kept)

    async def sweep(self, day: date) -> Batch:
        """Return one event for each complaint that changed on a day."""
        start = datetime(day.year, day.month, day.day, tzinfo=wire.WITA)
        found: dict[str, News] = {}
        page, more = 1, True
        while more:
            answer = await self._page(sejak=start.isoformat(), halaman=page)
            changed = [_as_row(row) for row in answer["aduan"]]
            inside = [row for row in changed if row.diubah < start + timedelta(days=1)]
            found |= {row.nomor: wire.news(row) for row in inside}
            more, page = answer["lanjut"] is True and bool(inside), page + 1
        return Batch(news=tuple(found.values()))

    async def catalogue(self) -> Sequence[Upstream]:
        """Return the app's categories and words."""
        answer = await self._http.call("GET", "/kamus", write=False, headers=self._headers)
        listed = answer.json(dict[str, dict[str, str]])
        kinds = {"jenis": "category", "status": "status"}
        return [
            Upstream(kind=kinds[name], value=value, label=label)
            for name, entries in listed.items()
            for value, label in entries.items()
        ]

    async def _page(self, **query: str | int) -> dict[str, Any]:
        answer = await self._http.call(
            "GET", "/aduan", query=query, write=False, headers=self._headers, missing=(), decode=bytes
        )
        try:
            page = json.loads(answer.body)
        except (ValueError, RecursionError):
            page = None
        if not isinstance(page, dict) or not isinstance(page.get("aduan"), list):
            raise ContractBroken("the page is not in the agreed form")
        return page

    async def _write(self, path: str, body: Mapping[str, object], **values: str) -> dict[str, Any]:
        answer = await self._http.call(
            "POST",
            path,
            values=values,
            write=True,
            json=body,
            headers=self._headers,
            decode=dict[str, Any],
            body_verdict=wire.refusal,
        )
        return answer.json(dict[str, Any])


def _as_row(row: Any) -> wire.Row:
    """Decode a row by itself; one with half a character in it is refused. Raises ValueError."""
    msgspec.json.encode(row)
    return msgspec.convert(row, wire.Row)
