"""Gathering what is there at the end: from the apps' own records, from the auditor's doors, from `acks.jsonl`."""

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.demo.callers import Record, Unexpected
from gateway.demo.stage import Stage
from gateway.demo.verdict import GHOST_CALL, Ending, Evidence, Scene, born_records, code_of, judge, strays
from gateway.demo.waiting import Late, NotYet, until
from gateway.flows.audit import Trace

_PATIENCE_S: Final = 15.0
_PAGE: Final = "100"


async def judge_all(stage: Stage, endings: Sequence[Ending]) -> tuple[list[Scene], Trace | None]:
    """Judge all stories; return their scenes and the trace of the first.

    News of the last moment may still be on its way, so a bad outcome is looked at again for 15 seconds.
    """
    last: list[tuple[list[Scene], Trace | None]] = []

    async def look() -> tuple[list[Scene], Trace | None]:
        scenes, trace = await _look(stage, endings)
        last[:] = [(scenes, trace)]
        if not all(scene.ok for scene in scenes):
            raise NotYet("; ".join(fault for scene in scenes for fault in scene.faults)[:2000])
        return scenes, trace

    with stage.teller.waiting("auditor memeriksa", "the auditor checks"):
        try:
            return await until("every story has its end", look, stage.clock, _PATIENCE_S)
        except Late:
            return last[0]


async def _look(stage: Stage, endings: Sequence[Ending]) -> tuple[list[Scene], Trace | None]:
    evidence = await gather(stage, endings)
    astray = tuple(strays(endings, evidence))
    scenes = [judge(ending, evidence) for ending in endings]
    if astray:
        scenes = [msgspec.structs.replace(scene, ok=False, faults=(*scene.faults, *astray)) for scene in scenes]
    first = scenes[0].code
    return scenes, evidence.traces.get(first) if first is not None else None


async def gather(stage: Stage, endings: Sequence[Ending]) -> Evidence:
    """Return what is there now."""
    wanted = [one for ending in endings for one in ending.wanted]
    marks = {one.step: stage.memory.mark(one.step) for one in wanted if one.born}
    records = {
        "cc112": [*await stage.cc112.records(), *await stage.cc112.records(GHOST_CALL)],
        "sigapdes": await stage.sigapdes.records(),
    }
    found: dict[str, Sequence[str]] = {}
    for one in wanted:
        for record in born_records(records[one.app], marks[one.step]) if one.born else ():
            found[record.reference] = await _searched(stage, record)
    evidence = Evidence(
        acks=stage.memory.acks(), marks=marks, records=records, found=found, traces={}, reports=await _reports(stage)
    )
    codes = [code_of(ending.wanted[0], evidence)[0] for ending in endings]
    traces = {code: await _trace(stage, code) for code in codes if code is not None}
    return msgspec.structs.replace(evidence, traces=traces)


async def _searched(stage: Stage, record: Record) -> list[str]:
    found = await stage.people["auditor"].read("/v1/audit/search", {"q": record.reference})
    return [str(hit["code"]) for hit in found["items"]]


async def _trace(stage: Stage, code: str) -> Trace:
    path = f"/v1/audit/reports/{code}/trace"
    answer = await stage.people["auditor"].ask("GET", path)
    if answer.status == 404:
        raise NotYet(f"{path}: 404")
    try:
        return msgspec.json.decode(answer.body, type=Trace)
    except msgspec.DecodeError as error:
        raise Unexpected(f"GET {path}: HTTP {answer.status}: {error}") from error


async def _reports(stage: Stage) -> list[str]:
    """Return the codes of all reports, as the coordinator lists them."""
    codes: list[str] = []
    query = {"limit": _PAGE}
    while True:
        page = await stage.people["koordinator"].read("/v1/reports", query)
        codes += [str(report["code"]) for report in page["items"]]
        if not page["next"]:
            return codes
        query = {"limit": _PAGE, "cursor": str(page["next"])}
