"""Si-GAPDes: complaints, damage records and letters of villages; looked up by our key, followed by polling."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
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

from . import wire

BEGINNING = "2000-01-01 00:00:00"
MESSAGES_BACK = timedelta(hours=96)
"""How far back a message of ours is looked for: longer than a delivery can live."""

OVERLAP = timedelta(minutes=2)
"""What the app commits late lies at most so far behind what was already seen."""

LATEST_AHEAD = timedelta(hours=1)
"""How far ahead of us an app's clock may be and still be believed in a row."""


class Feed(msgspec.Struct, omit_defaults=True):
    """Where the poll of one kind stands, in the app's own time.

    The greatest id; since when changes are asked for and which page of them; the latest change seen; and the
    versions of rows near it that were told already, for the overlap brings them again.
    """

    id: int = 0
    since: str = BEGINNING
    page: int = 1
    latest: str = BEGINNING
    told: list[str] = []


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
            async for page in self._changes(kind, _stamp(now - MESSAGES_BACK, self._zone)):
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
            feed = feeds.get(kind, Feed())
            path = f"/api/v1/{kind}"
            born, more_born = await self._page(path, kode_desa="", sejak_id=feed.id, page=1, per_page=100)
            changed, more_changed = await self._page(f"{path}/perubahan", sejak=feed.since, page=feed.page)
            seen = [row for row in [*born, *changed] if not self._unfinished(row)]
            fresh = {name: row for row in seen if (name := _version(row, feed.latest)) not in feed.told}
            news += self._news(kind, list(fresh.values()))
            following = self._onward(feed, changed, more_changed)
            told = [name for name in [*feed.told, *fresh] if name >= _before(following.latest, OVERLAP)]
            feeds[kind] = msgspec.structs.replace(following, id=_last_id(born, feed.id), told=told)
            more = more or more_changed or (more_born and feeds[kind].id > feed.id)
        return Batch(news=news, cursor=msgspec.json.encode(feeds).decode(), more=more)

    def _onward(self, feed: Feed, changed: Sequence[Any], more: bool) -> Feed:
        """Return where the changes are asked for next: the next page, or from the overlap on once all are read."""
        latest = max([feed.latest, *self._times(changed)])
        if more:
            since, page = _next_page(feed.since, feed.page, self._times(changed))
            return Feed(since=since, page=page, latest=latest)
        # Never ahead of the app's own clock: were it put back, changes would fall behind.
        reached = min(latest, _stamp(self._http.app_now(), self._zone))
        return Feed(since=max(BEGINNING, _before(reached, OVERLAP)), latest=reached)

    def _unfinished(self, row: Any) -> bool:
        """Tell whether a row changed in the app's running second: it may again, and nobody knew which was last."""
        now = self._http.app_now()  # less than a second late, for a `Date` has no fractions
        return _stamp(now, self._zone) <= (_changed_at(row) or "") <= _stamp(now + timedelta(seconds=1), self._zone)

    async def _changes(self, kind: str, since: str) -> AsyncIterator[list[Any]]:
        page, more = 1, True
        while more:
            found, more = await self._page(f"/api/v1/{kind}/perubahan", sejak=since, page=page)
            yield found
            since, page = _next_page(since, page, self._times(found))

    def _times(self, found: Sequence[Any]) -> list[str]:
        """Return when undecoded rows changed, without what cannot be true: a broken row leads no cursor astray."""
        until = _stamp(self._http.app_now() + LATEST_AHEAD, self._zone)
        return [at for at in map(_changed_at, found) if at is not None and at <= until]

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


def _stamp(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime(wire.TIME)


def _before(stamp: str, span: timedelta) -> str:
    """Return the app's time `span` earlier."""
    return (datetime.strptime(stamp, wire.TIME) - span).strftime(wire.TIME)  # noqa: DTZ007 - it has no zone


def _next_page(since: str, page: int, times: Sequence[str]) -> tuple[str, int]:
    """Return where the next page of changes begins: at the last time seen, so that rows that move shift nothing.

    Only where a whole page lies within one second is a page number of use.
    """
    return (newest, 1) if (newest := max(times, default=since)) > since else (since, page + 1)


def _changed_at(row: Any) -> str | None:
    """Return when an undecoded row changed; None where it does not say so in the app's form."""
    try:
        return datetime.strptime(row["updated_at"], wire.TIME).strftime(wire.TIME)  # noqa: DTZ007 - it has no zone
    except (LookupError, TypeError, ValueError):
        return None


def _version(row: Any, otherwise: str) -> str:
    """Name an undecoded row as it is now: when it changed, and a digest of all it says."""
    said = blake2b(json.dumps(row, sort_keys=True).encode(), digest_size=8).hexdigest()
    return f"{_changed_at(row) or otherwise} {said}"


def _last_id(born: Sequence[Any], known: int) -> int:
    numbers = [row.get("id") for row in born if isinstance(row, dict)]
    return max([known, *(number for number in numbers if isinstance(number, int))])


def _answered(page: Sequence[Any], key: str) -> list[int]:
    """Return the numbers of the undecoded records that hold a reply with our key."""
    found = [row["id"] for row in page if isinstance(row, dict) and key in _keys(row.get("tanggapan"))]
    if any(type(number) is not int for number in found):
        raise ContractBroken("a record with our reply in it has no number")
    return found


def _keys(replies: Any) -> list[Any]:
    return [one.get("ref_luar") for one in replies if isinstance(one, dict)] if isinstance(replies, list) else []
