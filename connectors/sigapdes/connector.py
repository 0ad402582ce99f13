"""Si-GAPDes: complaints, damage records and letters of villages; looked up by our key, followed by polling."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from gateway.sdk import (
    Amendment,
    Answer,
    App,
    Batch,
    ContractBroken,
    News,
    Receipt,
    Rejected,
    Submission,
    Unauthorized,
    rows,
)

from . import feed, wire
from .feed import Feed

MESSAGES_BACK = timedelta(hours=96)
"""How far back a message of ours is looked for: longer than a delivery can live."""


class Connector:
    """Level 2: the app takes a repeated key for a new record, but finds a key exactly."""

    def __init__(self, app: App) -> None:
        self._http = app.http
        self._secrets = app.secrets
        self._zone = app.manifest.zone or ZoneInfo("Asia/Makassar")
        self._token: str | None = None

    async def login(self) -> None:
        """Get a token for seven days."""
        answer = await self._http.call(
            "POST",
            "/api/v1/auth/login",
            write=False,
            json={"username": self._secrets["USERNAME"], "password": self._secrets["PASSWORD"]},
        )
        self._token = answer.json(wire.One[wire.Token]).data.token

    def document_headers(self) -> Mapping[str, str]:
        """Return what the app wants to see before it hands out a finished letter."""
        return self._bearer()

    def _bearer(self) -> Mapping[str, str]:
        if self._token is None:
            raise Unauthorized("not logged in yet")
        return {"Authorization": f"Bearer {self._token}"}

    async def submit(self, submission: Submission) -> Receipt:
        """Open a record of the kind that the category names."""
        kind = submission.category.partition("/")[0]
        if kind not in wire.KINDS:
            raise Rejected("Si-GAPDes has no such kind of record", "service")
        answer = await self._write(f"/api/v1/{kind}", wire.new_record(kind, submission, self._zone))
        saved = answer.json(wire.One[wire.Saved]).data
        return wire.receipt(kind, saved.id, submission.key, saved.status)

    async def amend(self, reference: str, amendment: Amendment) -> Receipt:
        """Reply in a record; this also answers a letter that is incomplete."""
        kind, _, number = reference.partition(":")
        if amendment.command != "message" or kind not in wire.KINDS:
            raise Rejected("Si-GAPDes takes messages to its own records only")
        await self._write(f"/api/v1/{kind}/{{id}}/tanggapan", wire.new_reply(amendment), id=number)
        return wire.receipt(kind, int(number), amendment.key)

    async def find(self, key: str) -> Receipt | None:
        """Look our key up: as the reference of a record, else as that of a reply in a record."""
        for kind in wire.KINDS:
            answer = await self._read(f"/api/v1/{kind}/ref/{{key}}", key=key)
            if not answer.absent:
                row = answer.json(wire.One[wire.Row]).data
                if row.ref_luar != key:
                    raise ContractBroken("the look-up of one key answered with another record")
                return wire.receipt(kind, row.id, key, row.status)
        now = self._http.app_now()
        for kind in wire.KINDS:
            async for page in self._changes(kind, feed.stamp(now - MESSAGES_BACK, self._zone)):
                for number in _answered(page, key):
                    return wire.receipt(kind, number, key)
        return None

    async def read(self, reference: str, after: str | None) -> Batch:
        """Return what one record says now."""
        kind, _, number = reference.partition(":")
        answer = await self._read(f"/api/v1/{kind}/{{id}}", id=number)
        return Batch(news=() if answer.absent else self._news(kind, [_data(answer)[0]]))

    async def poll(self, cursor: str | None) -> Batch:
        """Ask each kind once for records with a greater id and for changes."""
        feeds = msgspec.json.decode(cursor, type=dict[str, Feed]) if cursor else {}
        news: list[News] = []
        more = False
        for kind in wire.KINDS:
            stand = feeds.get(kind, Feed())
            path = f"/api/v1/{kind}"
            born, more_born = await self._page(path, kode_desa="", sejak_id=stand.id, page=1, per_page=100)
            over = [row for row in born if not self._unfinished(row)]
            changed, more_changed = await self._page(f"{path}/perubahan", sejak=stand.since, page=stand.page)
            seen = feed.last_of_each([*over, *(row for row in changed if not self._unfinished(row))])
            fresh = {name: row for row in seen if (name := feed.version(row, stand.latest)) not in stand.told}
            news += self._news(kind, list(fresh.values()))
            following = self._onward(stand, changed, more_changed)
            told = [name for name in [*stand.told, *fresh] if name >= feed.before(following.latest, feed.OVERLAP)]
            feeds[kind] = msgspec.structs.replace(following, id=feed.last_id(born, stand.id), told=told)
            more = more or more_changed or (more_born and feeds[kind].id > stand.id)
        return Batch(news=news, cursor=msgspec.json.encode(feeds).decode(), more=more)

    async def sweep(self, day: date) -> Batch:
        """Return what records say whose last change lies on a day."""
        since, until = (f"{one} 00:00:00" for one in (day, day + timedelta(days=1)))
        news: list[News] = []
        for kind in wire.KINDS:
            async for page in self._changes(kind, since):
                news += self._news(kind, [row for row in page if since <= (feed.changed_at(row) or since) < until])
        return Batch(news=news)

    def _onward(self, stand: Feed, changed: Sequence[Any], more: bool) -> Feed:
        """Return where the changes are asked for next: the next page, or from the overlap on once all are read."""
        latest = max([stand.latest, *self._times(changed)])
        if more:
            since, page = feed.next_page(stand.since, stand.page, self._times(changed))
            return Feed(since=since, page=page, latest=latest)
        # Never ahead of the app's own clock: were it put back, changes would fall behind.
        reached = min(latest, feed.stamp(self._http.app_now(), self._zone))
        return Feed(since=max(feed.BEGINNING, feed.before(reached, feed.OVERLAP)), latest=reached)

    def _unfinished(self, row: Any) -> bool:
        """Tell whether a row of the answer just had changed in a second that may still have run when it was read: it
        may have changed again, and nobody would know which was last."""
        # The answer's `Date`: it has no fractions, and the reading may have been a second before.
        now, near = self._http.app_now(), timedelta(seconds=1)
        return feed.stamp(now - near, self._zone) <= (feed.changed_at(row) or "") <= feed.stamp(now + near, self._zone)

    async def _changes(self, kind: str, since: str) -> AsyncIterator[list[Any]]:
        page, more = 1, True
        while more:
            found, more = await self._page(f"/api/v1/{kind}/perubahan", sejak=since, page=page)
            yield found
            since, page = feed.next_page(since, page, self._times(found))

    def _times(self, found: Sequence[Any]) -> list[str]:
        """Return when undecoded rows changed, without what cannot be true: a broken row leads no cursor astray."""
        until = feed.stamp(self._http.app_now() + feed.LATEST_AHEAD, self._zone)
        return [at for at in map(feed.changed_at, found) if at is not None and at <= until]

    def _news(self, kind: str, found: Sequence[Any]) -> list[News]:
        def decode(row: Any) -> list[News]:
            return wire.news(kind, row, self._zone)

        return rows(found, decode, lambda row: f"{kind}:{row['id']}:{row['updated_at']}")

    async def _page(self, path: str, **query: str | int) -> tuple[list[Any], bool]:
        found, more = _data(await self._read(path, query))
        if not isinstance(found, list):
            raise ContractBroken("a page without rows")
        return found, more

    async def _read(self, path: str, query: Mapping[str, str | int] | None = None, **values: str) -> Answer:
        return await self._http.call("GET", path, values=values, query=query, write=False, headers=self._bearer)

    async def _write(self, path: str, body: Mapping[str, object], **values: str) -> Answer:
        return await self._http.call(
            "POST",
            path,
            values=values,
            write=True,
            json=body,
            headers=self._bearer,
            decode=wire.Envelope,
            body_verdict=wire.refusal,
        )


def _data(answer: Answer) -> tuple[Any, bool]:
    """Return what an envelope holds, not decoded yet, and whether another page follows.

    The standard library reads it: for one half emoji msgspec would refuse a row's neighbours too.
    """
    try:
        envelope = json.loads(answer.body)
    except (ValueError, RecursionError):
        envelope = None
    if not isinstance(envelope, dict) or envelope.get("success") is not True:
        raise ContractBroken("the answer is not the envelope of a success")
    meta = envelope.get("meta")
    return envelope.get("data"), isinstance(meta, dict) and meta.get("has_next") is True


def _answered(page: Sequence[Any], key: str) -> list[int]:
    """Return the numbers of the undecoded records that hold a reply with our key."""
    found = [row["id"] for row in page if isinstance(row, dict) and key in _keys(row.get("tanggapan"))]
    if any(type(number) is not int for number in found):
        raise ContractBroken("a record with our reply in it has no number")
    return found


def _keys(replies: Any) -> list[Any]:
    return [one.get("ref_luar") for one in replies if isinstance(one, dict)] if isinstance(replies, list) else []
