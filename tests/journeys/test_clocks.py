"""By when: clocks start with the report, stop when what they wait for is reached, and show it when they run over."""

from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp

from gateway.sdk.clock import travel
from tests.journeys.stage import FLOOD, Stage, staged


async def test_clocks_stop_at_their_milestones(tmp_path: Path, database_url: str) -> None:
    async with staged(tmp_path, database_url, apps=("cc112",)) as stage:
        citizen = stage.token("siti", "citizen")
        code = (await stage.file(FLOOD, citizen)).body["code"]
        seen = await stage.ask("GET", f"/v1/reports/{code}", citizen)
        assert _states(seen.body) == {"acknowledge": "running", "dispatch": "running", "arrival_town": "running"}
        ticket = await stage.until(lambda: _ticket(stage, code, citizen))
        await _advance(stage, ticket, "VERIFIED")
        assert _states(await stage.reaches(code, "verified", citizen))["acknowledge"] == "met"
        file = stage.house.settings.clock_file
        assert file is not None
        travel(file, timedelta(minutes=10))
        await stage.until(lambda: _travelled(stage))
        late = await stage.until(lambda: _late(stage, code, citizen))
        assert late == {"acknowledge": "met", "dispatch": "late", "arrival_town": "running"}
        await _advance(stage, ticket, "CLOSED", {"closing": {"outcome": "handled", "text": "Surut."}})
        done = _states(await stage.reaches(code, "resolved", citizen))
        assert done == {"acknowledge": "met", "dispatch": "missed", "arrival_town": "met"}
        trace = (await stage.ask("GET", f"/v1/audit/reports/{code}/trace", stage.token("a", "auditor"))).body
        assert [hop["kind"] for hop in trace["hops"] if hop["kind"].startswith("clock.")] == [
            "clock.started",
            "clock.started",
            "clock.started",
            "clock.met",
            "clock.missed",
            "clock.met",
        ]


def _states(report: Any) -> dict[str, str]:
    return {due["clock"]: due["state"] for due in report["due"]}


async def _travelled(stage: Stage) -> bool:
    clocks = (stage.apps["cc112"].clock, stage.house.clock)
    return all(clock.now() - clock.real() > timedelta(minutes=9) for clock in clocks)


async def _late(stage: Stage, code: str, token: str) -> dict[str, str] | None:
    states = _states((await stage.ask("GET", f"/v1/reports/{code}", token)).body)
    return states if "late" in states.values() else None


async def _ticket(stage: Stage, code: str, token: str) -> str | None:
    numbers = (await stage.ask("GET", f"/v1/reports/{code}", token)).body["cases"][0]["references"]
    return str(numbers[0]["value"]) if numbers else None


async def _advance(stage: Stage, ticket: str, word: str, fields: dict[str, Any] | None = None) -> None:
    address = stage.house.settings.environ["GATEWAY_CC112_BASE_URL"]
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{address}/_sandbox/records/{ticket}/advance", json={"word": word, "fields": fields or {}}
        ) as answer,
    ):
        assert answer.status == 200, await answer.text()


async def test_a_clock_stands_still_while_the_reporter_is_asked(tmp_path: Path, database_url: str) -> None:
    """The desk is not late by the weeks that a citizen takes to answer; an emergency's clocks wait for nobody."""
    aid = {
        "service": "VI-AID",
        "description": "Bantuan beras tidak pernah sampai.",
        "place": {"village": "73.11.07.1001"},
        "reporter": {"name": "Siti Rahma", "phone": "0812-3456-7890"},
    }
    async with staged(tmp_path, database_url, apps=()) as stage:
        citizen, officer = stage.token("siti", "citizen"), stage.token("dinsos", "operator", agency="DINSOS")
        (code, urgent) = [(await stage.file(body, citizen)).body["code"] for body in (aid, FLOOD)]

        async def due(name: str, clock: str) -> Any:
            report = (await stage.ask("GET", f"/v1/reports/{name}", citizen)).body
            return next(one for one in report["due"] if one["clock"] == clock)

        before = await due(code, "complaint_14")
        bpbd = stage.token("bpbd", "operator", agency="BPBD")
        for name, who in ((code, officer), (urgent, bpbd)):
            asked = await stage.ask("POST", f"/v1/desk/reports/{name}/ask", who, {"text": "Sejak kapan?"})
            assert asked.status == 200, asked
        assert (await due(code, "complaint_14"))["state"] == "paused"
        assert (await due(urgent, "dispatch"))["state"] == "running"
        file = stage.house.settings.clock_file
        assert file is not None
        travel(file, timedelta(days=40))
        waiting = await stage.until(lambda: _moved(due(code, "complaint_14"), before["by"]))
        assert waiting["state"] == "paused"
        answer = await stage.ask("POST", f"/v1/reports/{code}/messages", citizen, {"text": "Sejak Januari"})
        assert answer.status == 201, answer
        after = await due(code, "complaint_14")
        assert (after["state"], after["by"] > before["by"]) == ("running", True)
        trace = (await stage.ask("GET", f"/v1/audit/reports/{code}/trace", stage.token("a", "auditor"))).body
        kinds = [hop["kind"] for hop in trace["hops"] if hop["facts"].get("clock") == "complaint_14"]
        assert kinds == ["clock.started", "clock.paused", "clock.resumed"]
        done = await stage.ask("POST", f"/v1/desk/reports/{code}/close", officer, {"outcome": "resolved", "text": "ok"})
        assert done.status == 200, done
        assert (await due(code, "complaint_14"))["state"] == "met", "forty days late, and not the desk's"


async def _moved(look: Awaitable[Any], before: str) -> Any:
    found = await look
    return found if found["by"] > before else None
