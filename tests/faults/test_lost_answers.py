"""An answer that is lost is *unsure*, never *failed*: the app has each report exactly once, and the entries tell how
that came about. Every way to lose an answer, at an app that honours our key (112) and at one that can only be asked
for it (Si-GAPDes), over real sockets.
"""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.kernel.ledger import tables
from tests.faults.proxy import (
    LOST,
    Fault,
    Seen,
    answer_of,
    answers_when,
    hangs,
    hangs_up_unread,
    never_arrives,
    says,
)
from tests.faults.town import QUICK, Gateway, opened
from tests.journeys.stage import DAMAGE, FLOOD

CAUSES: Final = {
    "hangs": "timeout",
    "cuts_before_headers": "cut",
    "cuts_in_headers": "cut",
    "cuts_in_body": "cut",
    "says_500": "http_500",
    "says_html": "unreadable",
    "truncates_json": "unreadable",
    "arrives_late": "timeout",
    "never_arrives": "timeout",
    "hangs_up_unread": "cut",
}
WAYS: Final[dict[str, Fault]] = {**LOST, "never_arrives": never_arrives, "hangs_up_unread": hangs_up_unread}
UNREAD: Final = {"never_arrives", "hangs_up_unread"}
QUIET: Final = 60.0
"""Seconds between polls that are not meant to find anything before the look-up does."""


def about(way: str) -> Any:
    """Fits the request that opens the record of the report whose text names this way."""

    def fits(seen: Seen) -> bool:
        return seen.method == "POST" and f"[{way}]".encode() in seen.body

    return fits


async def filed(gateway: Gateway, app: str, body: dict[str, Any]) -> dict[str, str]:
    """File one report per way, each to meet its fault; return the deliveries' keys by way."""
    for way, fault in WAYS.items():
        gateway.town.lines[app].when(about(way), fault, name=way)
    codes = await asyncio.gather(*(gateway.filed(body, description=f"Air masuk rumah [{way}]") for way in WAYS))
    return {way: f"{code}-1" for way, code in zip(WAYS, codes, strict=True)}


async def proven(gateway: Gateway, app: str, keys: dict[str, str]) -> dict[str, list[str]]:
    """Wait until all have arrived; prove that each did once, and return the way of each."""
    for key in keys.values():
        await gateway.ends(key, seconds=30)
    records = {record["key"]: record["reference"] for record in gateway.town.records(app)}
    assert Counter(record["key"] for record in gateway.town.records(app)) == Counter(keys.values())
    for way, key in keys.items():
        case = (await gateway.trace(key.removesuffix("-1")))["report"]["cases"][0]
        assert [number["value"] for number in case["references"]] == [records[key]], way
    line = gateway.town.lines[app]
    assert line.injected == Counter(list(WAYS)), "every fault must have happened once"
    return {way: await gateway.way(key) for way, key in keys.items()}


async def test_an_app_that_honours_our_key_gets_it_again(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url, apps=("cc112",), poll_s=QUIET) as gateway:
        gateway.town.quirk("cc112", hold_webhooks=True)
        ways = await proven(gateway, "cc112", await filed(gateway, "cc112", FLOOD))
        for way, told in ways.items():
            assert told == [
                "queued",
                "attempt 1",
                f"unsure ({CAUSES[way]})",
                f"retry by settled ({CAUSES[way]})",
                "attempt 2",
                "accepted by receipt",
            ], way
        sent = [seen for seen in gateway.town.lines["cc112"].seen if seen.method == "POST"]
        for body, times in Counter(seen.body for seen in sent).items():
            assert times == 2, f"attempts are not byte-equal: {body!r}"


async def test_an_app_that_can_be_asked_is_asked_first(tmp_path: Path, database_url: str) -> None:
    async with opened(tmp_path, database_url, apps=("sigapdes",), poll_s=QUIET) as gateway:
        # The one poll at the start is over before anything is lost: only the look-ups can find.
        await gateway.until(lambda: polled(gateway))
        ways = await proven(gateway, "sigapdes", await filed(gateway, "sigapdes", DAMAGE))
        for way, told in ways.items():
            first = ["queued", "attempt 1", f"unsure ({CAUSES[way]})"]
            if way not in UNREAD:
                assert told == [*first, "accepted by find"], way
                continue
            assert told == [*first, "unsure by find", "retry by find", "attempt 2", "accepted by receipt"], way


async def polled(gateway: Gateway) -> bool:
    """Tell whether every page of the first poll has been asked for."""
    return len(gateway.town.lines["sigapdes"].requests("GET", "/perubahan")) >= 3


@pytest.mark.parametrize(("app", "body"), [("cc112", FLOOD), ("sigapdes", DAMAGE)])
async def test_refused_connections_are_no_doubt(
    tmp_path: Path, sqlite_url: str, app: str, body: dict[str, Any]
) -> None:
    async with opened(tmp_path, sqlite_url, apps=(app,)) as gateway:
        line = gateway.town.lines[app]
        async with line.down():
            key = await gateway.filed(body) + "-1"
            await gateway.until(lambda: tried(gateway, key))
            assert gateway.town.records(app) == []
        await gateway.hurry(key)
        await gateway.ends(key)
        told = await gateway.way(key)
        assert told[:3] == ["queued", "attempt 1", "retry (connect_failed)"]
        assert told[-1] == "accepted by receipt"
        assert "unsure" not in " ".join(told)
        assert [record["key"] for record in gateway.town.records(app)] == [key]


async def tried(gateway: Gateway, key: str) -> bool:
    """Tell whether an attempt was made and is over."""
    row = await gateway.delivery(key)
    return bool(row["attempt"] > 0 and row["state"] == "queued")


@pytest.mark.parametrize(("app", "body"), [("cc112", FLOOD), ("sigapdes", DAMAGE)])
async def test_whoever_speaks_first_resolves_it(
    tmp_path: Path, database_url: str, app: str, body: dict[str, Any]
) -> None:
    """A webhook, or a row that a poll brings, carries our key: the receipt that was lost is no longer needed."""
    # News comes before the attempt has ended: also from a list, which shows what changed when its second is over.
    patient = {name: {**changes, "timeouts.total": 8.0} for name, changes in QUICK.items()}
    async with opened(tmp_path, database_url, apps=(app,), manifests=patient) as gateway:
        gateway.town.lines[app].when(about("hangs"), hangs)
        key = await gateway.filed(body, description="Air masuk rumah [hangs]") + "-1"
        await gateway.ends(key)
        told = await gateway.way(key)
        assert told[:2] == ["queued", "attempt 1"]
        assert "accepted by event" in told
        assert "attempt 2" not in told
        # What came of the attempt itself is evidence, and changes nothing.
        await gateway.until(lambda: late(gateway, key))
        records = gateway.town.records(app)
        assert [record["key"] for record in records] == [key]
        case = (await gateway.trace(key.removesuffix("-1")))["report"]["cases"][0]
        assert [number["value"] for number in case["references"]] == [records[0]["reference"]]
        assert gateway.town.injected == 1


async def late(gateway: Gateway, key: str) -> bool:
    """Tell whether the outcome of an attempt came after somebody else had spoken."""
    return "late" in await gateway.way(key)


async def test_an_event_overtakes_the_receipt(tmp_path: Path, database_url: str) -> None:
    """112 calls back before it answers: the event belongs to the report, and the receipt changes nothing."""
    async with opened(tmp_path, database_url, apps=("cc112",), poll_s=QUIET) as gateway:
        answered = asyncio.Event()
        line = gateway.town.lines["cc112"]
        line.when(about("first"), answers_when(answered), name="first")
        key = await gateway.filed(FLOOD, description="Air masuk rumah [first]") + "-1"
        await gateway.ends(key)
        assert not answered.is_set()
        answered.set()
        await gateway.until(lambda: late(gateway, key))
        told = await gateway.way(key)
        assert told == ["queued", "attempt 1", "accepted by event", "late"]
        assert len(gateway.town.records("cc112")) == 1
        assert line.injected == Counter({"first": 1})
        assert len(await gateway.rows(tables.report)) == 1


async def test_a_look_that_fails_is_made_again(tmp_path: Path, database_url: str) -> None:
    """While the app cannot even be asked nothing is sent again: no answer to a question is not "I do not have it"."""
    async with opened(tmp_path, database_url, apps=("sigapdes",), poll_s=QUIET) as gateway:
        await gateway.until(lambda: polled(gateway))
        line = gateway.town.lines["sigapdes"]
        line.when(about("hangs"), hangs)
        for status in (502, 404):
            page = says(answer_of(status, b"<html>-</html>", "text/html"))
            line.when(lambda seen: "/ref/" in seen.path, page, name=f"page {status}")
        key = await gateway.filed(DAMAGE, description="Dapur hanyut [hangs]") + "-1"
        for looks in (1, 2):
            await looked(gateway, key, looks)
            await gateway.hurry(key)
        await gateway.ends(key)
        assert await gateway.way(key) == [
            "queued",
            "attempt 1",
            "unsure (timeout)",
            "unsure by find (http_502)",
            "unsure by find (http_404)",
            "accepted by find",
        ]
        assert line.injected == Counter({"hangs": 1, "page 502": 1, "page 404": 1})
        assert [record["key"] for record in gateway.town.records("sigapdes")] == [key]


async def looked(gateway: Gateway, key: str, count: int) -> None:
    """Wait until so many look-ups have ended without an answer."""

    async def look() -> bool:
        return sum("unsure by find" in step for step in await gateway.way(key)) >= count

    await gateway.until(look)
