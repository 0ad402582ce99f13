"""Si-PeNDTING: complaints, and requests to look at a child or a pregnant woman; looked up by our key.

Its callbacks are hints; what is believed is fetched, signed: single reports, and the pages of what changed on a day.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from gateway.sdk import (
    Amendment,
    Answer,
    App,
    Batch,
    ContractBroken,
    Event,
    Hook,
    Look,
    News,
    Receipt,
    Rejected,
    Submission,
    Upstream,
    rows,
)

from . import heard, passes, wire

Form = TypeVar("Form")
MESSAGES_BACK = timedelta(days=4)
"""How far back a message of ours is looked for: longer than a delivery can live."""


class Connector:
    """Level 2: the app takes a repeated key for a new report, but finds a key exactly."""

    def __init__(self, app: App) -> None:
        self._http = app.http
        self._secrets = app.secrets
        self._zone = app.manifest.zone or ZoneInfo("Asia/Makassar")
        self._profiles = {
            category: name
            for name, one in app.manifest.profiles.items()
            if one.categories is not None
            for category in one.categories.out.values()
        }
        self._turn = 0

    async def login(self) -> None:
        """Sign the next try anew: the refusal told the app's time, and of a key that is being replaced the other
        value may be the one."""
        self._turn += 1

    def _signed(self) -> Mapping[str, str]:
        keys = self._secrets.all("SECRET_KEY")
        cons_id, stamp = self._secrets["CONS_ID"], str(int(self._http.app_now().timestamp()))
        proof = hmac.new(keys[self._turn % len(keys)].encode(), f"{cons_id}&{stamp}".encode(), hashlib.sha256)
        return {
            "X-cons-id": cons_id,
            "X-timestamp": stamp,
            "X-signature": base64.b64encode(proof.digest()).decode(),
        }

    # What goes out.

    async def submit(self, submission: Submission) -> Receipt:
        """Send a report in the profile that its category belongs to."""
        profile = self._profiles.get(submission.category)
        if profile is None:
            raise Rejected("Si-PeNDTING has no such category", "service")
        answer = await self._write("/laporan", wire.new_report(profile, submission, self._zone), wire.refusal)
        return wire.receipt(answer.json(wire.Opened).response, profile, submission.key)

    async def amend(self, reference: str, amendment: Amendment) -> Receipt:
        """Add to a report. Its profile decides what may be said there, so it is read first."""
        if amendment.command != "message":
            raise Rejected("Si-PeNDTING takes messages only")
        found = await self._report(reference)
        if found is None:
            raise Rejected("Si-PeNDTING has no such report")
        body = wire.new_addition(found.get("profil"), amendment)
        await self._write("/laporan/{no}/tambahan", body, wire.refusal_of_addition, no=reference)
        return Receipt(references=(wire.reference(reference),), key=amendment.key)

    async def find(self, key: str) -> Receipt | None:
        """Look our key up: as that of a report, else as that of an addition to one."""
        row = await self._read("/laporan/ref/{ref_cons}", ref_cons=key)
        if row is not None:
            found = heard.read_as(row, wire.Found)
            if found.ref_cons != key:
                raise ContractBroken("the look-up of one key answered with another report")
            return wire.receipt(found, found.profil, key)
        day, until = self._day(self._http.app_now() - MESSAGES_BACK), self._day(self._http.app_now())
        while day <= until:
            for row in await self._whole(day):
                if key in _keys(row):
                    return Receipt(references=(wire.reference(heard.read_as(row, wire.Found).no_laporan),), key=key)
            day, until = day + passes.ONE_DAY, self._day(self._http.app_now())
        return None

    # What comes in.

    def receive(self, hook: Hook) -> Sequence[News]:
        """Translate a callback into the hint it is."""

        def decode(body: bytes) -> News:
            call = msgspec.json.decode(body, type=heard.Callback)
            return Look(id=f"hint:{call.no_laporan}@{call.waktu}", reference=wire.reference(call.no_laporan))

        return rows([hook.body], decode, lambda body: f"callback {json.loads(body)['no_laporan']}")

    async def read(self, reference: str, after: str | None) -> Batch:
        """Return what one report says now."""
        row = await self._report(reference)
        return Batch(news=() if row is None else self._news([row]))

    async def poll(self, cursor: str | None) -> Batch:
        """Read one page of a pass over the days."""
        now = self._http.app_now()
        known = msgspec.json.decode(cursor, type=passes.Stand) if cursor else None
        stand = passes.resumed(known, now, self._day)
        page = await self._page(stand.next or stand.start)
        stand, fresh = passes.met(stand, page, now, self._day)
        return Batch(news=self._news(fresh), cursor=msgspec.json.encode(stand).decode(), more=stand.next is not None)

    async def sweep(self, day: date) -> Batch:
        """Return one event for each report whose last change lies on a day."""
        news = self._news(await self._whole(day))
        moves = {one.references[0].value: one for one in news if isinstance(one, Event) and one.kind != heard.ADDED}
        return Batch(news=tuple(moves.values()))

    async def catalogue(self) -> Sequence[Upstream]:
        """Return the app's categories, status words and villages."""
        kinds = await self._listed("kategori", heard.Kind)
        words = await self._listed("status", heard.Word)
        places = await self._listed("wilayah", heard.Place)
        return [
            *(Upstream(kind="category", value=one.kode, label=one.nama) for one in kinds),
            *(Upstream(kind="status", value=f"{one.profil}/{one.kode}", label=one.nama) for one in words),
            *(
                Upstream(kind="village", value=one.kode_bps, label=one.nama)
                for one in places
                if len(one.kode_bps) == 10
            ),
        ]

    # The way there.

    async def _listed(self, name: str, form: type[Form]) -> list[Form]:
        found = await self._read("/referensi/{name}", name=name)
        listed = found.get("daftar") if isinstance(found, dict) else None
        if not isinstance(listed, list):
            raise ContractBroken("a list without entries")
        return [heard.read_as(one, form) for one in listed]

    async def _report(self, number: str) -> dict[str, Any] | None:
        """Return what may be known of a report; None where there is none."""
        found = await self._read("/laporan/{no}", no=number)
        if found is None:
            return None
        row: dict[str, Any] = heard.known_of(found)
        if row.get("no_laporan") != number:
            raise ContractBroken("the reading of one report answered with another")
        return row

    async def _page(self, spot: passes.Spot) -> list[Any]:
        """Return the undecoded rows of a page, as far as they may be known."""
        path = "/laporan/perubahan/{hari}/{halaman}"
        found = await self._read(path, hari=spot.day.isoformat(), halaman=spot.page)
        listed = [] if found is None else found.get("laporan") if isinstance(found, dict) else None
        if not isinstance(listed, list):
            raise ContractBroken("a page without rows")
        return [heard.known_of(row) for row in listed]

    async def _whole(self, day: date) -> list[Any]:
        """Return all undecoded rows of a day, read until nothing moved from page to page meanwhile."""
        before, found = None, await self._pages(day)
        while before is None or found[: len(before)] != before:
            before, found = found, await self._pages(day)
        return found

    async def _pages(self, day: date) -> list[Any]:
        found: list[Any] = []
        spot, full = passes.Spot(day, 1), True
        while full:
            page = await self._page(spot)
            full = len(page) >= passes.PAGE and page != found[-len(page) :]
            found += page
            spot = passes.Spot(day, spot.page + 1)
        return found

    def _day(self, at: datetime) -> date:
        return at.astimezone(self._zone).date()

    def _news(self, found: Sequence[Any]) -> list[News]:
        return rows(found, lambda row: heard.news_of(row, self._zone), heard.version_of)

    async def _read(self, path: str, **values: object) -> Any:
        answer = await self._http.call("GET", path, values=values, write=False, headers=self._signed, missing=())
        return heard.response_of(answer)

    async def _write(
        self, path: str, body: Mapping[str, object], verdict: Callable[[wire.Envelope], None], **values: object
    ) -> Answer:
        return await self._http.call(
            "POST",
            path,
            values=values,
            write=True,
            json=body,
            headers=self._signed,
            decode=wire.Envelope,
            body_verdict=verdict,
        )


def _keys(row: Any) -> list[Any]:
    """Return the keys of what was added to an undecoded report."""
    added = row.get("tambahan") if isinstance(row, dict) else None
    return [one.get("ref_cons") for one in added if isinstance(one, dict)] if isinstance(added, list) else []
