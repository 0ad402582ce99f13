"""T5: news into the inbox, once each, together with the cursor they came with."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Final

import msgspec
import structlog

from gateway.flows.inbound import queries
from gateway.kernel.coordination import Wake
from gateway.kernel.ledger import Act, Ledger, Taken
from gateway.kernel.ledger import tables as t
from gateway.model.principal import app_actor
from gateway.sdk import Event, Look, News, Tally, Unreadable

BACKLOG: Final = 200_000
"""Pieces of news of one app that may wait to be applied."""
_LOOK_S: Final = 1.0
_log = structlog.get_logger()


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an inbox row holds, sealed under a key of its own.

    A `look` of our own, where something seems to be missing, is needed only as long as it is: `after` and `before`
    are the numbers between which there is a hole in the app's sequence; `born` tells that the record is not known.
    """

    event: Event | None = None
    look: Look | None = None
    after: str | None = None
    before: int | None = None
    born: bool = False
    raw: bytes | None = None


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """How far an app was read: the cursor row's version it was read at, and where it stands now.

    `fault` says why it could not be read, `refused` that it does not know us: an alert for its owner. `reader` names
    who reads, where that is not the poll: each has a row of its own (`APP/sweep`).
    """

    version: int | None
    cursor: str | None
    reader: str | None = None
    fault: str | None = None
    refused: bool = False


def row_name(news: News) -> str:
    """Return the id under which the inbox knows a piece of news; the same news gets the same id."""
    prefix = {Event: "", Look: "look:", Tally: "tally:", Unreadable: "bad:"}[type(news)]
    name = prefix + news.id
    return name if len(name) <= 200 and "\x00" not in name else f"{prefix}{sha256(news.id.encode()).hexdigest()}"


class Store:
    """Puts news into the inbox, of which each app may have `most` waiting rows."""

    def __init__(self, ledger: Ledger, wake: Wake, most: int = BACKLOG) -> None:
        self._ledger, self._wake, self._most = ledger, wake, most
        self._looked: dict[str, tuple[float, bool]] = {}

    async def full(self, app: str) -> bool:
        """Tell whether so much news of an app waits already that no more should be brought: an app that floods us fills
        its own part of the disk and no other's. Looked at once in a second at the most."""
        now = self._ledger.clock.monotonic()
        looked, found = self._looked.get(app, (float("-inf"), False))
        if now - looked >= _LOOK_S:
            found = await self._ledger.read(queries.backlog, app, self._most) >= self._most
            self._looked[app] = (now, found)
        return found

    async def keep(
        self,
        app: str,
        source: str,
        news: Sequence[News],
        moved: Moved | None = None,
        more: Callable[[Act, int], None] | None = None,
    ) -> int:
        """Keep what is new and move the cursor, in one transaction; return how many were new.

        `source` is `webhook`, `poll`, `read` or `sweep`; `more` adds to the act, told how many are new. News that is
        known is left out; a bad row is quarantined by its id with an alert, and its neighbours go on. Two processes
        that bring the same news do not disturb each other: the later one leaves out what the earlier one kept.
        """
        by_name = {row_name(item): item for item in news}
        while True:
            known = await self._ledger.read(queries.known_ids, app, list(by_name)) if by_name else set()
            act = self._ledger.act(app_actor(app), source)
            fresh = [(name, item) for name, item in by_name.items() if name not in known]
            for name, item in fresh:
                self._add(act, app, source, name, item)
            if moved is not None:
                self._move(act, app, moved)
            if more is not None:
                more(act, len(fresh))
            if not act.inserts and not act.changes:
                return 0
            try:
                await self._ledger.commit(act)
            except Taken as clash:
                if clash.table != "inbox":
                    raise
                continue
            if fresh:
                self._wake.ring("inbox")
            return len(fresh)

    def _add(self, act: Act, app: str, source: str, name: str, item: News) -> None:
        match item:
            case Event():
                add_row(self._ledger, act, app, source, name, Kept(event=item))
            case Look():
                add_row(self._ledger, act, app, source, name, Kept(look=item))
            case Tally():
                # Counted, and remembered only so that the same call is not counted twice: no number, no content.
                add_row(self._ledger, act, app, source, name, Kept(), state="applied")
                act.count(app, item.kind, item.at)
            case Unreadable():
                add_row(
                    self._ledger,
                    act,
                    app,
                    source,
                    name,
                    Kept(raw=item.raw[:20_000]),
                    state="quarantined",
                    reason=item.reason[:200],
                )
                act.record(
                    f"app:{app}",
                    "inbound.quarantined",
                    event=sha256(name.encode()).hexdigest()[:16],
                    facts={"reason": "unreadable", "source": source},
                )
                act.alarm("unreadable_row", f"{app}:{name}"[:240], item.reason[:300], app)
                _log.warning("inbound.quarantined", connector=app, reason="unreadable")

    def _move(self, act: Act, app: str, moved: Moved) -> None:
        name = app if moved.reader is None else f"{app}/{moved.reader}"
        answered = None if moved.fault else act.real
        if moved.refused:
            act.alarm("connector_paused", app, moved.fault or "unauthorized", app)
        if moved.version is None:
            act.insert(
                t.cursor,
                app=name,
                cursor=moved.cursor,
                version=1,
                polled_at=act.real,
                answered_at=answered,
                fault=moved.fault,
            )
            return
        values = {"cursor": moved.cursor, "version": moved.version + 1, "polled_at": act.real, "fault": moved.fault}
        if answered is not None:
            values["answered_at"] = answered
        act.change(t.cursor, {"app": name, "version": moved.version}, **values)


def add_row(
    ledger: Ledger,
    act: Act,
    app: str,
    source: str,
    name: str,
    kept: Kept,
    state: str = "new",
    reason: str | None = None,
    wait: timedelta = timedelta(0),
) -> None:
    """Add an inbox row to an act, sealed under a fresh key of its own; it is taken up after `wait`."""
    key = ledger.vault.new_key()
    act.insert(
        t.inbox,
        app=app,
        event_id=name,
        source=source,
        hint=kept.look is not None,
        state=state,
        reason=reason,
        received_at=act.now,
        due_at=act.real + wait,
        parked_at=None,
        tries=0,
        report_id=None,
        kek=ledger.vault.current,
        wrapped=ledger.vault.wrap(key, f"{app}:{name}"),
        sealed=key.seal("inbox", kept),
    )
