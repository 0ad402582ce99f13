"""Gathers the checker's evidence from outside: journals on the disk, the auditor's trace, the desk's list."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from gateway.model.codes import parse_code
from gateway.sdk.sandbox import Sandbox
from tests.faults.chaos_officers import MEANING
from tests.faults.chaos_weather import KEY, POSTED_READS, Weather
from tests.faults.checker import PARKED, Ack, Case, Evidence, Held, Hop, Sent, Told, states_of

_AT_ONCE = 8
_PATIENCE_S = 10.0
_PAGE = 100


def records_of(app: str, sandbox: Sandbox) -> list[Held]:
    """Return what an app has accepted."""
    views = [sandbox.view(record) for record in sandbox.store.records.values() if record.listed]
    return [
        Held(
            app=app,
            reference=view["reference"],
            key=view["key"],
            word=view["word"],
            messages=tuple((said["key"], said["text"]) for said in view["messages"]),
        )
        for view in views
    ]


def journal_of(app: str, folder: Path) -> list[Sent]:
    """Return the writes with a key of ours that an app's file tells of."""
    found = []
    for line in (folder / "log.jsonl").read_bytes().splitlines(keepends=True):
        entry = json.loads(line).get("journal") if line.endswith(b"\n") else None
        if entry is None or entry["method"] == "GET" or POSTED_READS.search(entry["path"]):
            continue
        key = entry.get("key") or _key_in(entry.get("body") or "")
        if key is not None:
            found.append(Sent(app=app, key=key, status=entry["status"]))
    return found


def _key_in(body: str) -> str | None:
    found = KEY.search(body.encode())
    return found[0].decode() if found else None


class Reader:
    """Reads as an auditor and as a coordinator, and tries again as long as a door is closed."""

    def __init__(self, session: aiohttp.ClientSession, urls: Sequence[str], auditor: str, coordinator: str) -> None:
        self._session, self._urls = session, urls
        self._auditor, self._coordinator = auditor, coordinator
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._asked = 0

    async def told(self, code: str) -> Told | None:
        """Return what the entries tell of a report; None if there is no such report."""
        body = await self._get(f"/v1/audit/reports/{code}/trace", self._auditor)
        if body is None:
            return None
        return Told(
            cases=tuple(
                Case(
                    app=case["app"],
                    status=case["status"],
                    references=tuple(reference["value"] for reference in case["references"]),
                )
                for case in body["report"]["cases"]
            ),
            hops=tuple(msgspec.convert(hop, Hop) for hop in body["hops"] if hop["report"] == code),
            gaps=len(body["gaps"]),
        )

    async def all_told(self, codes: Iterable[str]) -> dict[str, Told | None]:
        """Return what the entries tell of many reports."""
        wanted = list(codes)
        return dict(zip(wanted, await asyncio.gather(*map(self.told, wanted)), strict=True))

    async def parked(self) -> dict[str, str | None]:
        """Return the deliveries on the desk's list, with their cause."""
        found: dict[str, str | None] = {}
        more = True
        while more:
            path = f"/v1/desk/deliveries?limit={_PAGE}&offset={len(found)}"
            body = await self._get(path, self._coordinator)
            assert body is not None
            found |= {item["key"]: item["cause"] for item in body["items"] if item["state"] in PARKED}
            more = body["more"] and bool(body["items"])
        return found

    async def _get(self, path: str, token: str) -> dict[str, Any] | None:
        headers = {"Authorization": f"Bearer {token}"}
        async with self._turn:
            while True:
                self._asked += 1
                url = self._urls[self._asked % len(self._urls)]
                try:
                    async with self._session.get(
                        url + path, headers=headers, timeout=aiohttp.ClientTimeout(total=_PATIENCE_S)
                    ) as answer:
                        if answer.status == 404:
                            return None
                        if answer.status == 200:
                            found: dict[str, Any] = await answer.json()
                            return found
                        assert answer.status in {429, 500, 503}, f"{path}: {answer.status} {await answer.text()}"
                except (aiohttp.ClientError, TimeoutError, ConnectionError):
                    pass
                await asyncio.sleep(0.3)


def at_rest(told: Told | None, words: Mapping[tuple[str, str], str]) -> bool:
    """Tell whether nothing is to be expected of a report any more; `words` are the apps' own, by app and key."""
    if told is None:
        return True
    states = states_of(told)
    if not states or any(state in {"queued", "sending", "unsure"} for state in states.values()):
        return False
    for (app, key), word in words.items():
        for case in told.cases:
            if case.app == app and states.get(key) == "accepted" and case.status != MEANING[app][word]:
                return False
    return True


async def settled(
    reader: Reader, codes: Iterable[str], apps: Mapping[str, Sandbox], patience_s: float
) -> dict[str, Told | None]:
    """Return what is told of all reports once all have come to rest, or when nothing has moved for so long."""
    loop = asyncio.get_running_loop()
    found: dict[str, Told | None] = {}
    left = sorted(set(codes))
    moved, last = loop.time(), dict[str, Told | None]()
    while left and loop.time() < moved + patience_s:
        now = await reader.all_told(left)
        if now != last:
            moved, last = loop.time(), now
        words = _words(apps)
        found |= now
        left = [code for code in left if not at_rest(now[code], words.get(code, {}))]
        if left:
            await asyncio.sleep(0.5)
    return found


def _words(apps: Mapping[str, Sandbox]) -> dict[str, dict[tuple[str, str], str]]:
    found: dict[str, dict[tuple[str, str], str]] = {}
    for app, sandbox in apps.items():
        for record in sandbox.store.records.values():
            if record.key is not None and record.listed:
                code = record.key.rpartition("-")[0]
                if parse_code(code) is not None:
                    found.setdefault(code, {})[app, record.key] = sandbox.word(record)
    return found


async def gathered(
    acks: Sequence[Ack],
    apps: Mapping[str, Sandbox],
    folder: Path,
    reader: Reader,
    weather: Weather,
    levels: Mapping[str, str],
    patience_s: float,
) -> Evidence:
    """Wait until everything has come to rest, and return all evidence."""
    told = await settled(reader, {ack.code for ack in acks}, apps, patience_s)
    return Evidence(
        acks=acks,
        records=[record for app, sandbox in apps.items() for record in records_of(app, sandbox)],
        sends=[sent for app in apps for sent in journal_of(app, folder / "apps" / app)],
        crossings=weather.crossings,
        told=told,
        parked=await reader.parked(),
        levels=levels,
        meaning=MEANING,
        faults=weather.faults,
    )
