"""Gathering what is there at the end: from the apps' own records, from the auditor's doors, from what reporters may
read, from the text messages, from `acks.jsonl`."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from gateway.demo.callers import Json, Record, Unexpected
from gateway.demo.ending import Ending
from gateway.demo.stage import Props
from gateway.demo.teller import Teller
from gateway.demo.verdict import (
    GHOST_CALL,
    Evidence,
    Listed,
    Scene,
    born_records,
    code_of,
    judge,
    strays,
)
from gateway.demo.waiting import Late, NotYet, until
from gateway.flows.audit import Trace

_PATIENCE_S: Final = 20.0
_PAGE: Final = "100"

Judged = tuple[list[Scene], Mapping[str, Trace]]


async def judge_all(props: Props, teller: Teller, endings: Sequence[Ending]) -> Judged:
    """Judge all stories; return their scenes and the traces by code.

    News of the last moment may still be on its way, so a bad outcome is looked at again for 20 seconds.
    """
    last: list[Judged] = []

    async def look() -> Judged:
        last[:] = [await _look(props, endings)]
        if faults := [fault for scene in last[0][0] for fault in scene.faults]:
            raise NotYet("; ".join(faults)[:2000])
        return last[0]

    with teller.waiting("auditor memeriksa", "the auditor checks"):
        try:
            return await until("every story has its end", look, props.clock, _PATIENCE_S)
        except Late:
            return last[0]


async def _look(props: Props, endings: Sequence[Ending]) -> Judged:
    evidence = await gather(props, endings)
    astray = tuple(strays(endings, evidence))
    scenes = [judge(ending, evidence) for ending in endings]
    if astray:
        scenes = [msgspec.structs.replace(scene, ok=False, faults=(*scene.faults, *astray)) for scene in scenes]
    return scenes, evidence.traces


async def gather(props: Props, endings: Sequence[Ending]) -> Evidence:
    """Return what is there now."""
    wanted = [one for ending in endings for one in ending.wanted]
    marks = {one.step: props.memory.mark(one.step) for one in wanted if one.born or one.parked}
    officers = props.company.officers
    held = await asyncio.gather(*(officer.records() for officer in officers.values()))
    records = dict(zip(officers, held, strict=True))
    records["cc112"] = [*records["cc112"], *await officers["cc112"].records(GHOST_CALL)]
    born = [record for one in wanted if one.born for record in born_records(records[one.app], marks[one.step])]
    codes = await asyncio.gather(*(_searched(props, record) for record in born))
    evidence = Evidence(
        acks=props.memory.acks(),
        marks=marks,
        records=records,
        found={record.reference: found for record, found in zip(born, codes, strict=True)},
        traces={},
        reports=await _reports(props),
        views=await _views(props, endings),
        texts=props.inbox.all(),
    )
    return msgspec.structs.replace(evidence, traces=await _traces(props, endings, evidence))


async def _searched(props: Props, record: Record) -> list[str]:
    found = await props.company.people["auditor"].read("/v1/audit/search", {"q": record.reference})
    return [str(hit["code"]) for hit in found["items"]]


async def _traces(props: Props, endings: Iterable[Ending], evidence: Evidence) -> dict[str, Trace]:
    found = [code_of(ending.wanted[0], evidence)[0] for ending in endings]
    codes = [code for code in found if code is not None]
    traces = await asyncio.gather(*(_trace(props, code) for code in codes))
    return dict(zip(codes, traces, strict=True))


async def _trace(props: Props, code: str) -> Trace:
    path = f"/v1/audit/reports/{code}/trace"
    answer = await props.company.people["auditor"].ask("GET", path)
    if answer.status == 404:
        raise NotYet(f"{path}: 404")
    try:
        return msgspec.json.decode(answer.body, type=Trace)
    except msgspec.DecodeError as error:
        raise Unexpected(f"GET {path}: HTTP {answer.status}: {error}") from error


async def _views(props: Props, endings: Iterable[Ending]) -> dict[str, str]:
    """Return what the reporters may read whom something must be kept from."""
    steps = {step for ending in endings for unseen in ending.unseen for step in unseen.reporters}
    mine = {step: props.filed[step] for step in sorted(steps & props.filed.keys())}
    reader = props.company.people["ponsel"]
    seen = await asyncio.gather(*(reader.everything(filed.code, filed.secret) for filed in mine.values()))
    return dict(zip(mine, seen, strict=True))


async def _reports(props: Props) -> list[Listed]:
    """Return all reports, as the coordinator lists them."""
    found: list[Listed] = []
    query = {"limit": _PAGE}
    while True:
        page = await props.company.people["koordinator"].read("/v1/reports", query)
        found += [Listed(code=str(report["code"]), numbers=frozenset(_numbers(report))) for report in page["items"]]
        if not page["next"]:
            return found
        query = {"limit": _PAGE, "cursor": str(page["next"])}


def _numbers(report: Json) -> list[tuple[str, str]]:
    return [(str(case["app"]), str(one["value"])) for case in report["cases"] for one in case["references"]]
