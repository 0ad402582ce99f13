"""What became of what a rule did: reads of the ledger in a room, by the names that rules use."""

from typing import Any

from gateway.kernel.ledger import Ledger
from gateway.kernel.ledger.reading import Whole, delivery_by_key, events_of, report_by_code
from gateway.kit import queries
from gateway.model.case import CaseEvent
from gateway.model.principal import EVERYTHING

Row = dict[str, Any]


class Books:
    """Reads of one ledger about one app."""

    def __init__(self, app: str, ledger: Ledger) -> None:
        self.app, self.ledger = app, ledger

    async def report(self, key: str) -> Whole:
        """Return the report of a code or of a delivery's key."""
        code = key if key.count("-") == 2 else key.rpartition("-")[0]
        whole = await self.ledger.read(report_by_code, EVERYTHING, code)
        assert whole is not None, code
        return whole

    async def case(self, key: str) -> Row:
        """Return the case of a report in the app."""
        return next(case for case in (await self.report(key)).cases if case["app"] == self.app)

    async def events(self, key: str) -> list[CaseEvent]:
        """Return the events of the case of a report in the app."""
        case = await self.case(key)
        found: dict[Any, list[CaseEvent]] = await self.ledger.read(events_of, [case["id"]])
        return found[case["id"]]

    async def numbers(self, key: str) -> list[str]:
        """Return the app's numbers for a report."""
        whole = await self.report(key)
        case = next(case for case in whole.cases if case["app"] == self.app)
        return [row["value"] for row in whole.references_of(case["id"])]

    async def delivery(self, key: str) -> Row:
        """Return a delivery."""
        return (await self.ledger.read(delivery_by_key, [key]))[0]

    async def alerts(self, kind: str | None = None) -> list[Row]:
        """Return what a person was alerted of."""
        return await self.ledger.read(queries.alerts, kind)

    async def inbox(self) -> list[Row]:
        """Return what came in, with what became of it."""
        return await self.ledger.read(queries.inbox, self.app)

    async def codes(self) -> list[str]:
        """Return the codes of all reports."""
        return await self.ledger.read(queries.codes)

    async def said(self, key: str, notice: str) -> int:
        """Return how often the readers of a report were told something."""
        return await self.ledger.read(queries.said, (await self.report(key)).code, notice)

    async def attached(self, key: str) -> list[Row]:
        """Return the files of a report."""
        return await self.ledger.read(queries.files, (await self.report(key)).code)

    async def documents(self, key: str) -> list[Row]:
        """Return what became of the documents that the app named in a report."""
        return await self.ledger.read(queries.documents, (await self.report(key)).code)
