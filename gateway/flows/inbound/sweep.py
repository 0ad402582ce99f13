"""The nightly reconciliation: a whole day of an app is listed and held against what is known here.

What was missed is taken up like any other news. What cannot be repaired (a record that the app no longer has, one
that stands elsewhere though nothing new was told) becomes an alert with the record's number; nothing is guessed.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from gateway.flows.inbound import queries
from gateway.flows.inbound.store import Moved, Store, row_name
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host, Outcome
from gateway.kernel.ledger import Act, Ledger, Stale, Taken
from gateway.kernel.ledger.reading import case_by_number
from gateway.model.delivery import Verdict
from gateway.model.status import GATEWAY_ONLY, Status
from gateway.sdk import Event, Look, News

READER: Final = "sweep"
AFTER: Final = time(1, 0)
"""From when on a day that is over is swept, in the app's time: by then its late commits are done."""
DAYS: Final = 7
"""How many days are made up for after a stop."""
_AGAIN_S: Final = 300.0
_log = structlog.get_logger()


class Sweeper:
    """Sweeps one app, a day at a time."""

    def __init__(self, app: str, ledger: Ledger, host: Host, store: Store, wake: Wake) -> None:
        self.app = app
        self._ledger, self._host, self._store, self._wake = ledger, host, store, wake
        self._zone = host.manifest(app).zone or ZoneInfo("Asia/Makassar")

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            await self.round()
            if not stop.is_set():
                await self._wake.wait({"sweep"}, _AGAIN_S)

    async def round(self) -> int:
        """Sweep every day that is over and was not swept yet; return how many were."""
        swept = 0
        for day in await self.due():
            if not self._host.ready(self.app) or not await self.sweep(day):
                break
            swept += 1
        return swept

    async def sweep(self, day: date) -> bool:
        """Sweep one day; False if the app could not be asked, or another process did it meanwhile.

        The cursor's version is read before anything is asked: whoever slept meanwhile moves nothing back.
        """
        row = await self._ledger.read(queries.cursor, f"{self.app}/{READER}")
        outcome = await self._host.sweep(self.app, day)
        if outcome.verdict is not Verdict.ACCEPTED or outcome.batch is None:
            _log.warning("sweep.failed", connector=self.app, cause=outcome.cause)
            return False
        moved = Moved(version=row["version"] if row else None, cursor=day.isoformat(), reader=READER)
        return await self._compare(day, outcome.batch.news, moved)

    async def due(self) -> list[date]:
        """Return the days to sweep, oldest first. The first sweep of an app is of the day before."""
        here = self._ledger.clock.now().astimezone(self._zone)
        last = here.date() - timedelta(days=1 if here.time() >= AFTER else 2)
        row = await self._ledger.read(queries.cursor, f"{self.app}/{READER}")
        known = date.fromisoformat(row["cursor"]) if row and row["cursor"] else last - timedelta(days=1)
        first = max(known + timedelta(days=1), last - timedelta(days=DAYS - 1))
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]

    async def _compare(self, day: date, news: Sequence[News], moved: Moved) -> bool:
        """Hold one day against what is known, repair and tell; False if another process did it meanwhile."""
        known = await self._ledger.read(queries.known_ids, self.app, [row_name(item) for item in news])
        listed = {reference for item in news for reference in _numbers(item)}
        gone, repaired = await self._missing_there(day, listed)
        stands = [
            found
            for item in news
            if isinstance(item, Event) and row_name(item) in known and (found := await self._elsewhere(item))
        ]

        def tell(act: Act, fresh: int) -> None:
            for value in gone:
                act.alarm("missing_there", f"{self.app}:{value}", f"not listed on {day}, and not found", self.app)
            for value, word, report_id in stands:
                act.alarm("state_differs", f"{self.app}:{value}", f"the app says {word}"[:300], self.app, report_id)
            facts = {
                "day": str(day),
                "listed": len(listed),
                "repaired": fresh,
                "missing_there": len(gone),
                "differing": len(stands),
            }
            act.record(f"app:{self.app}", "inbound.swept", facts=facts)
            found = len(gone) + len(stands)
            _log.info("sweep.done", connector=self.app, count=len(listed), new=fresh, found=found)

        try:
            await self._store.keep(self.app, READER, [*news, *repaired], moved, tell)
        except (Stale, Taken):
            return False
        return True

    async def _missing_there(self, day: date, listed: set[str]) -> tuple[list[str], list[News]]:
        """Return the numbers of records that the app has lost, and news of those that are there all the same."""
        since = datetime.combine(day, time(), self._zone).astimezone(UTC)
        cases = await self._ledger.read(queries.last_changed, self.app, since, since + timedelta(days=1))
        gone: list[str] = []
        repaired: list[News] = []
        for _, values in cases:
            if listed.intersection(values) or not self._host.can(self.app, "read"):
                continue
            outcome = await self._read(values)
            if outcome is None or outcome.batch is None:
                continue  # nobody can say now; the record's next word, or a person, will
            if outcome.batch.news:
                repaired += outcome.batch.news
            else:
                gone.append(values[0])
        return gone, repaired

    async def _read(self, values: Sequence[str]) -> Outcome | None:
        """Read a record by the first of its numbers that the app answers to; None if the app cannot be asked."""
        answered = None
        for value in values:
            outcome = await self._host.read(self.app, value, None)
            if outcome.verdict is Verdict.ACCEPTED and outcome.batch is not None:
                answered = outcome
                if outcome.batch.news:
                    break
            elif outcome.verdict is not Verdict.REJECTED:
                return None
        return answered

    async def _elsewhere(self, event: Event) -> tuple[str, str, UUID] | None:
        """Return number, word and report of a record that stands elsewhere though all it says was heard before."""
        if event.word is None or not event.references:
            return None
        values = [reference.value for reference in event.references]
        case = await self._ledger.read(case_by_number, self.app, values)
        if case is None or Status(case["status"]) in GATEWAY_ONLY or case["word"] == event.word:
            return None
        status = self._host.status_of(self.app, case["profile"], event.word)
        # Whoever moved it after that word, an app or a person here, knows better than the list.
        if status is None or status == case["status"] or case["since"] > event.at:
            return None
        return values[0], event.word, case["report_id"]


def _numbers(item: News) -> list[str]:
    if isinstance(item, Event):
        return [reference.value for reference in item.references]
    return [item.reference.value] if isinstance(item, Look) else []
