"""Call Center 112: opens incidents, carries notes, hears its webhooks, and looks where one may be missing."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, TypeVar

import msgspec

from gateway.sdk import (
    Ambiguous,
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
    rows,
)

from . import wire

Form = TypeVar("Form")
OVERLAP = timedelta(minutes=2)
"""How far the safety net reaches back behind what it has seen: what the app commits late lies there."""


LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class Bookmark(msgspec.Struct, omit_defaults=True):
    """Where the safety net stands, in the app's own time and words, and which changes near its end were told."""

    after: datetime | None = None
    cursor: str | None = None
    latest: datetime | None = None
    told: dict[str, datetime] = {}


class Connector:
    """Level 3: the app honours our key for incidents and for notes."""

    def __init__(self, app: App) -> None:
        self._http = app.http
        self._secrets = app.secrets

    def _headers(self, key: str | None = None) -> Mapping[str, str]:
        proof = {"X-Api-Key": self._secrets["API_KEY"]}
        return proof if key is None else {**proof, "Idempotency-Key": key}

    async def submit(self, submission: Submission) -> Receipt:
        """Open an incident. The app repeats its first answer to the same key."""
        key = submission.key
        answer = await self._http.call(
            "POST",
            "/v1/incidents",
            write=True,
            json=wire.new_incident(submission),
            headers=partial(self._headers, key),
            expect=(200, 201, 409),
            body_verdict=wire.refusal,
        )
        if answer.status == 409:
            # Our key came with another body before; what stands there is ours all the same.
            found = await self.find(key)
            if found is None:
                raise Ambiguous("the key is said to be used, but no incident carries it")
            return found
        opened = answer.json(wire.Accepted)
        return wire.receipt(opened.ticket_no, opened.created_at, opened.status, key)

    async def find(self, key: str) -> Receipt | None:
        """Look our key up, exactly."""
        found = (await self._list(external_ref=key)).json(wire.Incidents).incidents
        if not found:
            return None
        incident = found[0]
        if len(found) > 1 or incident.external_ref != key:
            raise ContractBroken("the look-up of one key answered with something else")
        return wire.receipt(incident.ticket_no, incident.created_at, incident.status, key)

    async def amend(self, reference: str, amendment: Amendment) -> Receipt:
        """Add a note; the app keeps one per key."""
        if amendment.command != "message":
            raise Rejected("the 112 platform takes messages only")
        answer = await self._http.call(
            "POST",
            "/v1/incidents/{ticket_no}/notes",
            values={"ticket_no": reference},
            write=True,
            json=wire.new_note(amendment),
            headers=self._headers,
            body_verdict=wire.refusal,
        )
        noted = answer.json(wire.Accepted)
        return wire.receipt(noted.ticket_no, noted.at, None, amendment.key)

    def receive(self, hook: Hook) -> Sequence[News]:
        """Translate a webhook."""

        def decode(body: bytes) -> News:
            return wire.news(msgspec.json.decode(body, type=wire.Happening))

        return rows([hook.body], decode, lambda body: json.loads(body)["event_id"])

    async def read(self, reference: str, after: str | None) -> Batch:
        """Return an incident's events after a sequence number: gaps, hints, and what began in the app."""
        answer = await self._get("/v1/incidents/{ticket_no}/events", reference, after_seq=after or "0")
        if answer.absent:
            return Batch(news=())
        found = _undecoded(answer)["events"]
        incident: wire.Incident | None = None
        if any(map(wire.is_born_here, found)):
            incident = (await self._get("/v1/incidents/{ticket_no}", reference)).json(wire.Incident)

        def decode(row: Any) -> News:
            return wire.news(_as(row, wire.Happening), incident)

        news = rows(found, decode, lambda row: row["event_id"])
        seen = [one.seq for one in news if isinstance(one, Event) and one.seq is not None]
        return Batch(news=news, cursor=str(max(seen)) if seen else after)

    async def poll(self, cursor: str | None) -> Batch:
        """Name every incident that changed, so that what a lost webhook would have told is read."""
        stand = msgspec.json.decode(cursor, type=Bookmark) if cursor else Bookmark()
        after = stand.after.astimezone(wire.WITA).isoformat() if stand.after else None
        page = _undecoded(await self._list(updated_after=after, cursor=stand.cursor))
        told = dict(stand.told)

        def decode(row: Any) -> News | None:
            changed = _as(row, wire.Incident)
            look = _look(changed)
            if look.id in told:
                return None
            told[look.id] = changed.updated_at
            return look

        news = rows(page["incidents"], decode, lambda row: f"incident {row['ticket_no']}")
        latest, follows = max([*told.values(), stand.latest or LONG_AGO]), page["next_cursor"]
        # Never ahead of the app's own clock: were it put back, changes would fall behind the bookmark.
        reached = latest if follows else min(latest, self._http.app_now())
        following = Bookmark(
            after=stand.after if follows else reached - OVERLAP,
            cursor=follows,
            latest=reached,
            told={name: at for name, at in told.items() if at >= reached - OVERLAP},
        )
        return Batch(news=news, cursor=msgspec.json.encode(following).decode(), more=follows is not None)

    async def sweep(self, day: date) -> Batch:
        """Name every incident whose last change lies on a day, as the safety net does."""
        since = datetime.combine(day, time(), wire.WITA)

        def decode(row: Any) -> News | None:
            changed = _as(row, wire.Incident)
            return _look(changed) if since <= changed.updated_at < since + timedelta(days=1) else None

        news: list[News] = []
        page: dict[str, Any] = {"next_cursor": ""}
        while (cursor := page["next_cursor"]) is not None:
            page = _undecoded(await self._list(updated_after=since.isoformat(), cursor=cursor or None))
            news += rows(page["incidents"], decode, lambda row: f"incident {row['ticket_no']}")
        return Batch(news=news)

    async def _list(self, **query: str | None) -> Answer:
        return await self._http.call(
            "GET", "/v1/incidents", write=False, query=query, headers=self._headers, missing=()
        )

    async def _get(self, path: str, ticket_no: str, **query: str) -> Answer:
        return await self._http.call(
            "GET", path, values={"ticket_no": ticket_no}, write=False, query=query or None, headers=self._headers
        )


def _look(changed: wire.Incident) -> Look:
    name = f"look:{changed.ticket_no}@{changed.updated_at.isoformat()}"
    return Look(id=name, reference=wire.ticket(changed.ticket_no))


def _undecoded(answer: Answer) -> dict[str, Any]:
    """Return a page whose rows are not decoded yet.

    The standard library reads it: for one half emoji msgspec would refuse a row's neighbours too.
    """
    try:
        page = json.loads(answer.body)
    except (ValueError, RecursionError):
        page = None
    if not isinstance(page, dict) or not isinstance(page.get("events", page.get("incidents")), list):
        raise ContractBroken("the page is not in the agreed form")
    return {"events": [], "incidents": [], "next_cursor": None, **page}


def _as(row: Any, form: type[Form]) -> Form:
    """Decode a row by itself; one with half an emoji in it, which is no text, is refused. Raises ValueError."""
    msgspec.json.encode(row)
    return msgspec.convert(row, form)
