"""A stage with officers at their desks: what the journeys across apps stand on."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.sdk.sandbox_store import Record
from tests.journeys.stage import Answer, Stage, staged

PATIENCE = 30.0
VILLAGE = "73.11.07.1001"


class Hall:
    """The stage, with verbs that officers, citizens and apps think in."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.siti = stage.token("siti", "citizen")
        self.coordinator = stage.token("koordinator", "coordinator")
        self.auditor = stage.token("inspektur", "auditor")

    def officer(self, agency: str, *extra: str) -> str:
        return self.stage.token(f"petugas-{agency.lower()}", "operator", agency=agency, extra=extra)

    async def verb(self, code: str, verb: str, token: str, /, **body: Any) -> Answer:
        return await self.stage.ask("POST", f"/v1/desk/reports/{code}/{verb}", token, body)

    async def report(self, code: str, token: str | None = None, secret: str | None = None, **headers: str) -> Any:
        more: dict[str, Any] = headers | ({"X_Report_Secret": secret} if secret else {})
        answer = await self.stage.ask("GET", f"/v1/reports/{code}", token, **more)
        assert answer.status == 200, answer
        return answer.body

    async def told(self, code: str, token: str | None = None, secret: str | None = None) -> list[dict[str, Any]]:
        more: dict[str, Any] = {"X_Report_Secret": secret} if secret else {}
        answer = await self.stage.ask("GET", f"/v1/reports/{code}/timeline", token, **more)
        assert answer.status == 200, answer
        rows: list[dict[str, Any]] = answer.body
        return rows

    async def trace(self, code: str) -> Any:
        answer = await self.stage.ask("GET", f"/v1/audit/reports/{code}/trace", self.auditor)
        assert answer.status == 200, answer
        assert answer.body["gaps"] == []
        return answer.body

    async def hop(self, code: str, kind: str) -> Any:
        """The one entry of a kind in a report's own stream."""
        (hop,) = [hop for hop in (await self.trace(code))["hops"] if hop["report"] == code and hop["kind"] == kind]
        return hop

    async def arrives(self, app: str, key: str) -> Record:
        """Wait until an app has the record of a delivery; return it."""

        async def look() -> Record | None:
            records = self.stage.apps[app].store.records.values()
            return next((record for record in records if record.key == key), None)

        record: Record = await self.stage.until(look, PATIENCE)
        return record

    async def numbered(self, code: str, case: int, token: str) -> str:
        """Wait until a case has its app's number here; return it."""

        async def look() -> str | None:
            cases = (await self.report(code, token))["cases"]
            numbers = cases[case - 1]["references"]
            return str(numbers[0]["value"]) if numbers else None

        number: str = await self.stage.until(look, PATIENCE)
        return number

    async def stands(self, code: str, status: str, token: str | None = None) -> Any:
        """Wait until a report has a status; return it."""

        async def look() -> Any:
            seen = await self.report(code, token or self.coordinator)
            return seen if seen["status"] == status else None

        return await self.stage.until(look, PATIENCE)

    async def born(self, app: str, **fields: Any) -> str:
        """Let a record begin in an app; return the code of its report."""
        reference = self.stage.apps[app].born(fields).reference

        async def look() -> str | None:
            found = await self.stage.ask("GET", f"/v1/reports?q={reference}", self.coordinator)
            return str(found.body["items"][0]["code"]) if found.body["items"] else None

        code: str = await self.stage.until(look, PATIENCE)
        return code

    def move(self, app: str, reference: str, word: str, note: str | None = None, **fields: Any) -> None:
        """Let an app's officer move a record."""
        sandbox = self.stage.apps[app]
        sandbox.advance(sandbox.store.records[reference], word, note, None, fields)


@asynccontextmanager
async def hall(
    folder: Path, database_url: str, apps: Sequence[str] = ("cc112", "sigapdes"), **more: str
) -> AsyncIterator[Hall]:
    """A gateway with its apps, and people who work with it."""
    async with staged(folder, database_url, apps=apps, **more) as stage:
        yield Hall(stage)
