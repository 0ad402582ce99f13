"""Drift: an app's own categories and words are held against our maps once a day, before a report fails on them.

Nothing is changed by it: maps are edited by people (`connector.toml`, `config/`), and what they wrote there stands.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from gateway.flows.inbound import queries
from gateway.flows.inbound.store import Moved, Store
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host
from gateway.kernel.ledger import Act, Ledger, Stale, Taken
from gateway.kernel.ledger import tables as t
from gateway.model.delivery import Verdict
from gateway.sdk import Manifest, Upstream

READER: Final = "catalogue"
STANDING: Final = "drift"
"""Kind of the alerts that end by themselves when maps and catalogue agree again; subjects are `APP:KIND:VALUE`."""
SEEN: Final = "drift_seen"
"""Kind of the alerts about what happened once; a person clears them."""
EVERY_S: Final = 86_400.0
_AGAIN_S: Final = 900.0
_log = structlog.get_logger()

Listed = dict[str, dict[str, str]]
"""Label by value, by kind."""


class Drift(msgspec.Struct, frozen=True):
    """What an app's catalogue says that we do not expect, told by (kind, value).

    `standing` is so until a map or the app is changed; `seen` happened since the last look (a renamed entry, an
    entry of a list that no map is about).
    """

    standing: dict[tuple[str, str], str]
    seen: dict[tuple[str, str], str]


def drift_of(manifest: Manifest, before: Listed | None, now: Listed) -> Drift:
    """Hold what an app lists against our maps, and against what it listed last (None: never)."""
    profiles = manifest.profiles.values()
    categories = [manifest.categories, *(one.categories for one in profiles if one.categories is not None)]
    statuses = [manifest.statuses, *(one.statuses for one in profiles if one.statuses is not None)]
    maps = {
        "category": {word for one in categories for word in one.inward},
        "status": {word for one in statuses for word in one},
    }
    sent = {word for one in categories for word in one.out.values()}
    standing: dict[tuple[str, str], str] = {}
    seen: dict[tuple[str, str], str] = {}
    for kind, entries in now.items():
        known, last = maps.get(kind), (before or {}).get(kind, entries)
        for value, label in entries.items():
            if known is not None and value not in known:
                standing[kind, value] = f"new there: {label}"
            elif value not in last:
                seen[kind, value] = f"new there: {label}"
            elif last[value] != label:
                seen[kind, value] = f"renamed there: {last[value]} -> {label}"
        lost = (known or set()) | sent if kind == "category" else set[str]()
        for value in lost - entries.keys():
            standing[kind, value] = f"no longer there: {last.get(value, value)}"
        for value in last.keys() - entries.keys() - lost:
            seen[kind, value] = f"no longer there: {last[value]}"
    return Drift(standing, seen)


class Lister:
    """Watches the catalogue of one app."""

    def __init__(self, app: str, ledger: Ledger, host: Host, store: Store, wake: Wake) -> None:
        self.app = app
        self._ledger, self._host, self._store, self._wake = ledger, host, store, wake

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            await self.round()
            if not stop.is_set():
                await self._wake.wait({"catalogue"}, _AGAIN_S)

    async def round(self) -> bool:
        """Look once a day; True if it was looked at now."""
        row = await self._ledger.read(queries.cursor, f"{self.app}/{READER}")
        real = self._ledger.clock.real()
        if (row and (real - row["polled_at"]).total_seconds() < EVERY_S) or not self._host.ready(self.app):
            return False
        return await self.look()

    async def look(self) -> bool:
        """Look now; False if the app could not be asked, or another process did it meanwhile."""
        row = await self._ledger.read(queries.cursor, f"{self.app}/{READER}")
        outcome = await self._host.catalogue(self.app)
        if outcome.verdict is not Verdict.ACCEPTED or outcome.listed is None:
            return False
        before = msgspec.json.decode(row["cursor"], type=Listed) if row and row["cursor"] else None
        now = _by_kind(outcome.listed)
        drift = drift_of(self._host.manifest(self.app), before, now)
        alerts = await self._ledger.read(queries.open_alerts, self.app, STANDING)
        cursor = msgspec.json.encode(now, order="sorted").decode()

        def tell(act: Act, _: int) -> None:
            for kind, found in ((STANDING, drift.standing), (SEEN, drift.seen)):
                for subject, told in self._subjects(found).items():
                    if subject in alerts:
                        continue
                    act.alarm(kind, subject, told, self.app)
                    act.record(f"app:{self.app}", "catalogue.drifted", facts={"what": subject, "how": told})
                    _log.warning("catalogue.drifted", connector=self.app, cause=subject)
            for subject in alerts.keys() - self._subjects(drift.standing).keys():
                act.change(t.alert, {"id": alerts[subject], "cleared_at": None}, cleared_at=act.now)

        moved = Moved(version=row["version"] if row else None, cursor=cursor, reader=READER)
        try:
            await self._store.keep(self.app, READER, [], moved, tell)
        except (Stale, Taken):
            return False
        return True

    def _subjects(self, found: Mapping[tuple[str, str], str]) -> dict[str, str]:
        return {f"{self.app}:{kind}:{value}"[:240]: told[:300] for (kind, value), told in found.items()}


def _by_kind(listed: tuple[Upstream, ...]) -> Listed:
    kinds: Listed = {}
    for entry in listed:
        kinds.setdefault(entry.kind, {})[entry.value] = entry.label
    return kinds
