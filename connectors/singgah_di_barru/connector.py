"""Singgah Di Barru: reports of visitors about destinations and lodgings; looked up by our key, followed day by day."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from gateway.sdk import (
    Ambiguous,
    Amendment,
    App,
    Batch,
    ContractBroken,
    Event,
    News,
    Receipt,
    Rejected,
    Retryable,
    Submission,
    Unreadable,
    Upstream,
    rows,
)

from . import days, heard, places, wire

API = "/api/services/s01/"
MESSAGES_BACK = timedelta(days=4)
"""How far back a message of ours is looked for: longer than a delivery can live."""

READ_BACK = timedelta(days=14)
"""How far back a single report is looked for: the app reads reports by the day of their last change only."""

LISTED_FOR_S = 3600.0
"""Seconds for which the list of destinations is believed; one that it does not name is asked for sooner."""

ASKED_AGAIN_S = 60.0


class Connector:
    """Level 2: the app takes a repeated key for a new report, but finds a key exactly."""

    def __init__(self, app: App) -> None:
        self._http = app.http
        self._clock = app.clock
        self._secrets = app.secrets
        self._zone = app.manifest.zone or ZoneInfo("Asia/Makassar")
        self._places: places.Destinations = {}
        self._listed_at: float | None = None
        self._turn = 0

    async def login(self) -> None:
        """Take the other token for the next try, if the token is being replaced; else the same, read anew."""
        self._turn += 1

    def _form(self, fields: Mapping[str, str | int]) -> Mapping[str, str | int]:
        tokens = self._secrets.all("KEYTOKEN")
        return {"KEYTOKEN": tokens[self._turn % len(tokens)], **fields}

    # What goes out.

    async def submit(self, submission: Submission) -> Receipt:
        """Send a report about the destination that its place means."""
        try:
            known = await self._destinations()
        except ContractBroken as broken:
            raise Retryable("nothing was sent: the destinations cannot be read") from broken
        name = places.meant(known, submission.site, submission.attributes.get("destination"))
        sent = await self._write("kirimlaporan", wire.new_report(submission, name), submission.key)
        return wire.receipt(sent.id, submission.key, sent.tgl_kirim, self._zone)

    async def amend(self, reference: str, amendment: Amendment) -> Receipt:
        """Comment on a report."""
        if amendment.command != "message":
            raise Rejected("Singgah Di Barru takes messages only")
        sent = await self._write("kirimkomentar", wire.new_comment(reference, amendment), amendment.key)
        return wire.receipt(reference, amendment.key, sent.tgl_kirim, self._zone)

    async def find(self, key: str) -> Receipt | None:
        """Look our key up: as that of a report, else as that of a comment in one.

        Of two reports with one key, which somebody else must have made, the first is ours.
        """
        found = [wire.read_as(row, wire.Found) for row in await self._read("carilaporan", ref_luar=key)]
        if any(one.ref_luar != key for one in found):
            raise ContractBroken("the look-up of one key answered with another report")
        if found:
            first = min(found, key=lambda one: int(one.id))
            return wire.receipt(first.id, key, first.tgl_kirim, self._zone, first.status)
        async for row in self._since(MESSAGES_BACK):
            if key in heard.keys_in(row):
                return Receipt(references=(wire.reference(wire.read_as(row, wire.Found).id),), key=key)
        return None

    # What comes in.

    async def read(self, reference: str, after: str | None) -> Batch:
        """Return what one report says now, if it changed lately."""
        found = [row async for row in self._since(READ_BACK) if isinstance(row, dict) and row.get("id") == reference]
        return Batch(news=await self._news(found[-1:]))

    async def poll(self, cursor: str | None) -> Batch:
        """Read one page of a day."""
        now = self._now()
        known = msgspec.json.decode(cursor, type=days.Stand) if cursor else None
        stand, reading = days.resumed(known, now)
        stand, fresh = days.met(stand, await self._page(reading.day, reading.start), now)
        news = await self._news(fresh)
        return Batch(news=news, cursor=msgspec.json.encode(stand).decode(), more=stand.reading is not None)

    async def sweep(self, day: date) -> Batch:
        """Return one event for each report whose last change lies on a day, and what of it cannot be read."""
        news = await self._news(await self._whole(day))
        moves: dict[str, Event] = {}
        for one in sorted((one for one in news if isinstance(one, Event)), key=lambda event: event.at):
            if one.kind == heard.MOVED and one.at.astimezone(self._zone).date() == day:
                moves[one.references[0].value] = one
        broken = {one.id: one for one in news if isinstance(one, Unreadable)}
        return Batch(news=[*moves.values(), *broken.values()])

    async def catalogue(self) -> Sequence[Upstream]:
        """Return the app's categories; it lists no words."""
        found = [wire.read_as(row, wire.Category) for row in await self._read("getkategori")]
        return [Upstream(kind="category", value=one.id, label=one.nama) for one in found]

    async def _news(self, found: Sequence[Any]) -> list[News]:
        wanted = {name for row in found for name in heard.places_in(row)}
        known = await self._destinations(wanted) if wanted else {}
        return rows(found, lambda row: heard.news_of(row, self._zone, known), heard.version_of)

    async def _destinations(self, wanted: Collection[str] = ()) -> places.Destinations:
        """Return the destinations, asked for again after an hour, or when a row names one that was not among them."""
        age = None if self._listed_at is None else self._clock.monotonic() - self._listed_at
        unknown = not self._places.keys() >= set(wanted)
        if age is None or age >= (ASKED_AGAIN_S if unknown else LISTED_FOR_S):
            self._places = places.destinations_of(await self._read("getdestinasi"))
            self._listed_at = self._clock.monotonic()
        return self._places

    # The way there.

    def _now(self) -> datetime:
        """Return the app's time, as it writes it: without a zone."""
        return self._http.app_now().astimezone(self._zone).replace(tzinfo=None)

    async def _since(self, span: timedelta) -> AsyncIterator[Any]:
        """Yield the rows of all days from so long ago to today. What changes meanwhile moves to a day not read yet."""
        day = (self._now() - span).date()
        while day <= self._now().date():
            for row in await self._whole(day):
                yield row
            day += days.ONE_DAY

    async def _whole(self, day: date) -> list[Any]:
        """Return all undecoded rows of a day, read until nothing moved from page to page meanwhile."""
        before, found = None, await self._pages(day)
        while len(found) >= wire.PAGE and found != before:
            before, found = found, await self._pages(day)
        return found

    async def _pages(self, day: date) -> list[Any]:
        found: list[Any] = []
        start, full = 0, True
        while full:
            page = await self._page(day, start)
            full = len(page) >= wire.PAGE and page != found[-len(page) :]
            found += page
            start += wire.PAGE
        return found

    async def _page(self, day: date, start: int) -> list[Any]:
        return await self._read("getlaporan", tgl_update=day.strftime(wire.DAY), start=start, limit=wire.PAGE)

    async def _read(self, method: str, **fields: str | int) -> list[Any]:
        answer = await self._http.call(
            "POST",
            API + method,
            write=False,
            form=partial(self._form, fields),
            expect=(200,),
            missing=(),
            decode=bytes,
            body_verdict=wire.judged,
        )
        return wire.rows_in(answer.body)

    async def _write(self, method: str, fields: Mapping[str, str], key: str) -> wire.Saved:
        answer = await self._http.call(
            "POST",
            API + method,
            write=True,
            form=partial(self._form, fields),
            expect=(200,),
            decode=wire.Envelope,
            body_verdict=wire.refusal,
        )
        sent = answer.json(wire.Sent).data[0]
        if sent.ref_luar != key:
            raise Ambiguous("the answer is about something else than what was sent")
        return sent
