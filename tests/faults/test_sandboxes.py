"""Simulated apps can testify: what they answered for survives `kill -9`, what is unfinished never happened."""

import asyncio
import itertools
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from connectors.cc112.connector import Connector
from gateway.sdk.sandbox_store import Record, Store
from tests.sandboxes import CONNECTORS, ROOT, TERRITORY, Bench, Ear, bench, listening

INCIDENT: dict[str, Any] = {
    "category": "BANJIR",
    "priority": 1,
    "caller": {"withheld": False},
    "location": {"text": "Takkalasi"},
    "narrative": "Air naik",
    "occurred_at": "2026-01-28T10:00:00+08:00",
}


def body(key: str) -> bytes:
    return json.dumps({**INCIDENT, "external_ref": key}).encode()


def headers(key: str) -> dict[str, str]:
    return {"X-Api-Key": "sandbox-cc112-API_KEY", "Idempotency-Key": key}


@asynccontextmanager
async def process(data: Path, gateway: str | None = None, port: int = 0) -> AsyncIterator[tuple[Any, str]]:
    """Run a call centre as a process of its own; yields it and its address, and kills it afterwards."""
    command = [sys.executable, "-m", "gateway.sdk.sandbox", "cc112", "--port", str(port), "--data", str(data)]
    command += ["--connectors", str(CONNECTORS), "--territory", str(TERRITORY)]
    command += ["--gateway", gateway] if gateway else []
    started = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        assert started.stdout is not None
        async with asyncio.timeout(20):
            line = (await started.stdout.readline()).decode().strip()
        name, _, address = line.partition("=")
        assert name == "cc112"
        yield started, address
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def control(address: str, path: str, sent: Any = None) -> Any:
    async with aiohttp.ClientSession() as session:
        method, data = ("GET", None) if sent is None else ("POST", json.dumps(sent).encode())
        async with session.request(method, f"{address}/_sandbox/{path}", data=data) as answer:
            assert answer.status < 300
            return await answer.json()


async def test_what_was_answered_survives_kill_nine(tmp_path: Path) -> None:
    """Killed six times with eight requests in flight: every answered incident is there, once, with its callback."""
    random = Random(112)
    answered: dict[str, str] = {}
    cut = 0
    more = asyncio.Event()

    async def send(session: aiohttp.ClientSession, address: str, sender: str) -> None:
        for number in itertools.count():
            key = f"BRU-{sender}-{number}"
            async with session.post(f"{address}/v1/incidents", data=body(key), headers=headers(key)) as answer:
                assert answer.status == 201
                answered[key] = (await answer.json())["ticket_no"]
                more.set()

    for round_ in range(6):
        async with process(tmp_path) as (running, address), aiohttp.ClientSession() as session:
            await control(address, "quirks", {"unlimited": True})
            enough = len(answered) + random.randrange(1, 60)
            sending = [asyncio.create_task(send(session, address, f"{round_}-{n}")) for n in range(8)]
            async with asyncio.timeout(30):
                while len(answered) < enough:
                    more.clear()
                    await more.wait()
            running.send_signal(signal.SIGKILL)
            results = await asyncio.gather(*sending, return_exceptions=True)
            assert all(isinstance(result, aiohttp.ClientError) for result in results), results
            cut += len(results)
    assert cut == 48
    async with process(tmp_path) as (_, address):
        records = {one["key"]: one["reference"] for one in (await control(address, "records"))["records"]}
        journal = [one for one in (await control(address, "journal"))["requests"] if one["status"] == 201]
        owed = {one["id"] for one in (await control(address, "callbacks"))["callbacks"]}
    assert answered.items() <= records.items()
    assert len(set(records.values())) == len(records)
    assert {one["key"] for one in journal} == set(records)
    assert owed == {f"evt-{reference}-1" for reference in records.values()}


async def test_a_callback_outlives_its_process(tmp_path: Path) -> None:
    async with listening() as ear:
        ear.status = 503
        async with process(tmp_path, ear.address) as (running, address):
            await control(address, "records", {"fields": {"narrative": "Air naik"}})
            await ear.until(2)  # heard, not believed: sent again
            running.send_signal(signal.SIGKILL)
        ear.status = 202
        before = len(ear.heard)
        async with process(tmp_path, ear.address) as (_, address):
            await ear.until(before + 1)
            async with asyncio.timeout(5):
                while (await control(address, "callbacks"))["callbacks"]:
                    pass
    assert {event["event_id"] for event in ear.events()} == {ear.events()[0]["event_id"]}


async def test_it_ends_when_asked_to(tmp_path: Path) -> None:
    async with process(tmp_path) as (running, _):
        running.send_signal(signal.SIGTERM)
        assert await running.wait() == 0


async def test_an_unknown_app_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gateway.sdk.sandbox", "nobody", "--connectors", str(CONNECTORS)]
    started = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
    _, told = await started.communicate()
    assert started.returncode == 1
    assert b"nobody: no nobody/sandbox.py" in told


# The disk.


def record(number: int) -> Record:
    return Record(reference=f"r{number}", kind="k", key=f"key{number}", row={"text": "\ud83d half"})


async def test_a_torn_line_was_never_answered_for(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in (1, 2):
        store.put(record(number))
        store.note({"method": "POST"})
    await store.durable()
    store.close()
    log = tmp_path / "log.jsonl"
    whole = log.read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in range(len(lines[0]), len(whole)):
        log.write_bytes(whole[:cut])
        again = Store(tmp_path)
        assert list(again.records) == ["r1"]
        assert [entry["n"] for entry in again.journal] == [1]
        again.put(record(3))
        again.note({"method": "POST"})
        again.close()
        third = Store(tmp_path)
        assert list(third.records) == ["r1", "r3"]
        third.close()
    log.write_bytes(whole)
    full = Store(tmp_path)
    assert full.records["r2"] == record(2)
    full.close()


@contextmanager
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A disk whose fsync returns only when the event is set."""
    ready, real = threading.Event(), os.fsync

    def fsync(handle: int) -> None:
        ready.wait(10)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    yield ready
    ready.set()


async def test_nothing_is_answered_before_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench("cc112", tmp_path, Connector) as made, aiohttp.ClientSession() as session:
        with slow_disk(monkeypatch) as ready:
            sending = [
                asyncio.create_task(
                    session.post(f"{made.address}/v1/incidents", data=body(f"BRU-{n}"), headers=headers(f"BRU-{n}"))
                )
                for n in range(3)
            ]
            done, _ = await asyncio.wait(sending, timeout=0.5)
            assert not done
            assert len(made.sandbox.store.records) == 3
            ready.set()
            assert {answer.status for answer in await asyncio.gather(*sending)} == {201}


# Requests that are not complete.


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench("cc112", tmp_path, Connector) as made:
        yield made


def request(key: str) -> tuple[bytes, bytes]:
    """Return head and body of a request that opens an incident."""
    content = body(key)
    lines = [f"POST /v1/incidents HTTP/1.1\r\nHost: app\r\nContent-Length: {len(content)}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers(key).items()]
    return "".join([*lines, "\r\n"]).encode(), content


async def said(address: str, *pieces: bytes | float) -> bytes:
    """Send pieces of bytes, waiting seconds between them where a number stands; return what comes back."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    for piece in pieces:
        if isinstance(piece, bytes):
            writer.write(piece)
        else:
            await asyncio.sleep(piece)
    try:
        async with asyncio.timeout(5):
            return await reader.read(4096)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_whole_request_in_pieces_is_taken(room: Bench[Connector]) -> None:
    head, content = request("BRU-1")
    assert b"201" in await said(room.address, head[:20], 0.1, head[20:], content[:30], 0.1, content[30:])


async def test_a_request_whose_body_comes_late_is_dropped(room: Bench[Connector]) -> None:
    head, content = request("BRU-1")
    assert await said(room.address, head, content[:-1], room.sandbox.settle_s, content[-1:]) == b""
    assert await room.records() == []
    assert (await room.journal())[-1]["dropped"] is True


async def test_a_request_whose_head_comes_late_is_dropped(room: Bench[Connector]) -> None:
    head, content = request("BRU-1")
    assert await said(room.address, head[:-2], room.sandbox.settle_s, head[-2:] + content) == b""
    assert await room.records() == []


async def test_a_request_that_never_ends_is_let_go(room: Bench[Connector]) -> None:
    head, content = request("BRU-1")
    assert await said(room.address, head, content[:-1]) == b""


async def test_a_request_that_is_cut_is_dropped(room: Bench[Connector]) -> None:
    head, content = request("BRU-1")
    parts = urlsplit(room.address)
    for cut in (1, len(content) // 2, len(content) - 1):
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(head + content[:cut])
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    await asyncio.sleep(0.2)
    assert await room.records() == []


# Callbacks.


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    async with listening() as made:
        yield made


@pytest.fixture
async def calling(tmp_path: Path, ear: Ear) -> AsyncIterator[Bench[Connector]]:
    async with bench("cc112", tmp_path, Connector, ear.address) as made:
        yield made


CALL = {"narrative": "Air naik"}


async def test_webhooks_are_held_and_let_go(calling: Bench[Connector], ear: Ear) -> None:
    await calling.control("quirks", {"hold_webhooks": True})
    await calling.born(CALL)
    await asyncio.sleep(0.3)
    assert ear.heard == []
    await calling.control("quirks", {"hold_webhooks": False})
    await ear.until(1)


async def test_webhooks_come_twice_and_newest_first(calling: Bench[Connector], ear: Ear) -> None:
    await calling.control("quirks", {"reorder_webhooks": True, "duplicate_webhooks": True})
    tickets = [await calling.born(CALL) for _ in range(4)]
    await ear.until(8)
    assert [event["ticket_no"] for event in ear.events()] == [one for one in reversed(tickets) for _ in range(2)]


async def test_stale_and_unsigned_webhooks_are_mended_when_refused(calling: Bench[Connector], ear: Ear) -> None:
    ear.status = 401
    await calling.control("quirks", {"stale_webhooks": 3, "unsigned_webhooks": 2})
    await calling.born(CALL)
    await ear.until(3)
    ear.status = 202
    await ear.until(4)
    signed = ["x-112-signature" in headers for headers, _ in ear.heard]
    assert signed == [False, False, True, True]
    stale, fresh = (int(headers["x-112-timestamp"]) for headers, _ in ear.heard[2:])
    assert fresh - stale == 600
    assert len({body for _, body in ear.heard}) == 1


async def test_a_refused_webhook_holds_up_no_other(calling: Bench[Connector], ear: Ear) -> None:
    ear.status = 500
    await calling.born(CALL)
    await ear.until(1)
    ear.status = 202
    second = await calling.born(CALL)
    await ear.until(2)
    assert ear.events()[1]["ticket_no"] == second


# The control surface.


async def test_the_control_surface_tells_what_is_wrong(room: Bench[Connector]) -> None:
    ticket = await room.born(CALL)
    wrong = [
        ("quirks", {"nothing": True}, 422),
        ("quirks", {"hold_webhooks": 1}, 422),
        ("quirks", {"drop_webhooks": True}, 422),
        ("records/112-0/advance", {"word": "NEW"}, 404),
        (f"records/{ticket}/advance", {"word": 3}, 422),
        (f"records/{ticket}/advance", {"word": "SELESAI"}, 422),
        (f"records/{ticket}/advance", {"word": "CLOSED", "fields": {"closing": {"outcome": "?"}}}, 422),
        (f"records/{ticket}/advance", {"word": "NEW", "document": {"name": "a"}}, 422),
        (f"records/{ticket}/advance", {"word": "NEW", "fields": {"dispatches": [{"unit": "U"}]}}, 422),
        ("records", {"fields": {"call": {"type": "?"}}}, 422),
        ("records", {"fields": {"category": "?"}}, 422),
        ("nothing", {}, 404),
    ]
    async with aiohttp.ClientSession() as session:
        for path, sent, status in wrong:
            async with session.post(f"{room.address}/_sandbox/{path}", json=sent) as answer:
                assert answer.status == status, path
        async with session.post(f"{room.address}/_sandbox/quirks", data=b"[") as answer:
            assert answer.status == 400
    assert [one["word"] for one in await room.records()] == ["NEW"]
    assert await room.journal() == []


async def test_reset_forgets_all_but_the_app(room: Bench[Connector]) -> None:
    await room.born(CALL)
    await room.control("reset", {})
    assert (await room.records(), await room.journal(), await room.control("callbacks")) == ([], [], {"callbacks": []})
    assert await room.born(CALL) == "112-BRU-20260128-0001"
