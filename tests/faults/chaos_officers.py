"""The officers of the apps: they move records on, word by word, and at the end of the day many at once."""

import asyncio
import random
from collections.abc import Mapping, Sequence

import aiohttp

from gateway.sdk.sandbox import Record
from tests.faults.chaos_weather import Weather
from tests.faults.town import Town

MEANING: Mapping[str, Mapping[str, str]] = {
    "cc112": {"NEW": "received", "VERIFIED": "verified", "DISPATCHED": "routed", "CLOSED": "resolved"},
    "sigapdes": {"1": "received", "2": "in_progress", "3": "resolved"},
    "singgah_di_barru": {
        "baru": "received",
        "diverifikasi": "verified",
        "ditindaklanjuti": "in_progress",
        "selesai": "resolved",
    },
    "sipendting": {"1": "received", "2": "verified", "4": "in_progress", "6": "resolved"},
    "ppid": {"n": "received", "p": "in_progress", "a": "resolved"},
}
"""The words that officers use, in their order, and what the apps' contracts say that they mean."""
_PAUSE_S = 0.05
_FIRST_POLL_S = 2.0
"""A gateway that has just started polls, which would tell of both moves in their order."""
_RUSHED = 8
"""Records of an app that are moved at once in the end; as many webhooks are under way together."""


class Officers:
    """Moves records through the apps' control surfaces, past the weather."""

    def __init__(
        self, here: Town, weather: Weather, session: aiohttp.ClientSession, chance: random.Random, apps: Sequence[str]
    ) -> None:
        self._here, self._weather, self._session, self._chance, self._apps = here, weather, session, chance, apps
        self._direct = {app: str(line.target) for app, line in here.lines.items()}

    def _left(self, app: str, record: Record) -> list[str]:
        """Return the words that a record has still before it."""
        words = list(MEANING[app])
        return words[words.index(self._here.apps[app].word(record)) + 1 :] if record.listed else []

    async def work(self, stop: asyncio.Event) -> None:
        """Move one record after the other until `stop` is set."""
        while not stop.is_set():
            app = self._chance.choice(self._apps)
            # Where news is pushed, two words are left for the rush at the end.
            spared = 2 if self._here.apps[app].hook is not None else 0
            records = self._here.apps[app].store.records.values()
            open_ones = [record for record in records if len(self._left(app, record)) > spared]
            if open_ones:
                record = self._chance.choice(open_ones)
                await self._advance(app, record.reference, self._left(app, record)[0])
            await asyncio.sleep(_PAUSE_S)

    async def rush(self) -> None:
        """Move records twice in a moment, and let the news of the second move overtake that of the first."""
        await asyncio.sleep(_FIRST_POLL_S)
        for app, sandbox in self._here.apps.items():
            if sandbox.hook is None:
                continue
            self._here.quirk(app, reorder_webhooks=False, hold_webhooks=True)
            moved = [record for record in sandbox.store.records.values() if len(self._left(app, record)) > 1]
            for record in moved[-_RUSHED:]:
                first, second, *_ = self._left(app, record)
                before = set(sandbox.store.callbacks)
                await self._advance(app, record.reference, first)
                self._weather.overtaken |= set(sandbox.store.callbacks) - before
                await self._advance(app, record.reference, second)
            self._here.quirk(app, hold_webhooks=False)
        async with asyncio.timeout(30):
            while any(sandbox.store.callbacks for sandbox in self._here.apps.values()):  # noqa: ASYNC110 - of five apps
                await asyncio.sleep(0.1)

    async def _advance(self, app: str, reference: str, word: str) -> None:
        path = f"{self._direct[app]}/_sandbox/records/{reference}/advance"
        async with self._session.post(path, json={"word": word}) as answer:
            assert answer.status == 200, await answer.text()
