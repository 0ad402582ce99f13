"""More callers than the gateway can take: it says so at the door, before memory grows; emergencies get in longest.

Nothing here looks at a clock: what is counted is who was let in, who was refused with what, how many bytes were held.
"""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec
import pytest
import uvicorn
from litestar.types import Receive, Scope, Send

from gateway.app import create_app
from gateway.doctor import examine
from gateway.house import open_house
from gateway.kernel.edge.context import RequestContext
from gateway.kernel.edge.disk import Disk, Free, Reserve, Space
from gateway.kernel.edge.door import Door, Room
from gateway.kernel.edge.health import Check, Readiness
from gateway.sdk.entropy import SeededEntropy
from gateway.settings import SettingsError
from tests.journeys.stage import FLOOD, Stage, settings_for
from tests.pictures import photo
from tests.unit.edge.served import HandClock, Reply

PATIENCE = 60.0
AMPLE = Free(free=1 << 40, total=1 << 41)
MB = 1 << 20
PNG = photo(kind="PNG")
ROADS = FLOOD | {"service": "IN-ROAD", "description": "Jalan berlubang di depan pasar."}


class House:
    """An application whose handlers end when the test says so; what came in, and what it did."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.crowded: list[str] = []
        self.may_go = asyncio.Event()
        self.answer = b"{}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        if crowded := scope["state"].get("crowded"):
            self.crowded.append(crowded)
        try:
            await self.may_go.wait()
            headers = [(b"content-length", b"%d" % len(self.answer))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": self.answer, "more_body": False})
        finally:
            self.inside -= 1


class Counting(Door):
    """A door that counts whose body is coming in."""

    receiving = 0

    async def _received(self, *args: Any) -> Any:
        self.receiving += 1
        try:
            return await super()._received(*args)
        finally:
            self.receiving -= 1


class Front:
    """A door on a socket."""

    def __init__(self, door: Counting, house: House, port: int) -> None:
        self.door, self.house, self.port = door, house, port

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, method: str, path: str, body: bytes = b"") -> Reply:
        reader, writer = await self.connect()
        writer.write(request(method, path, len(body)) + body)
        reply = await reply_of(reader)
        writer.close()
        return reply

    async def until(self, look: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not look():  # noqa: ASYNC110 - what it waits for is behind sockets
                await asyncio.sleep(0.01)


def request(method: str, path: str, size: int) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()


async def reply_of(reader: asyncio.StreamReader) -> Reply:
    async with asyncio.timeout(PATIENCE):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Reply(int(head[0].split()[1]), headers, body)


@contextlib.asynccontextmanager
async def front(room: Room, free: Free = AMPLE) -> AsyncIterator[Front]:
    house, clock = House(), HandClock()
    door = Counting(house, room, Disk(lambda: free, Reserve(), clock), SeededEntropy(1))
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    app = RequestContext(door, clock, SeededEntropy(2))
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", http="httptools", backlog=4096)
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield Front(door, house, listener.getsockname()[1])
    finally:
        house.may_go.set()
        server.should_exit = True
        server.force_exit = True
        await task
        listener.close()


# Slow telephones.


SLOW, LENGTH, SENT = 2000, 40_000, 20_000
ROOM = Room(size=16 * MB)


async def crowd(there: Front) -> int:
    """Two thousand telephones begin to send and do not go on; return how many of them the door holds."""
    refused: Counter[int] = Counter()
    writers: list[asyncio.StreamWriter] = []

    async def told(reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            refused[(await reply_of(reader)).status] += 1

    async with asyncio.TaskGroup() as answers:
        for _ in range(SLOW):
            reader, writer = await there.connect()
            writers.append(writer)
            writer.write(request("POST", "/v1/reports", LENGTH) + bytes(SENT))
            await writer.drain()
            answers.create_task(told(reader))
        await there.until(lambda: refused.total() + there.door.receiving == SLOW)
        held, size = there.door.receiving, there.door.size
        assert set(refused) <= {503}
        assert there.house.inside == 0, "nobody takes a place before all of it is there"
        for writer in writers:
            writer.transport.abort()
        await there.until(lambda: there.door.receiving == 0)
    assert there.door.size == 0
    there.house.may_go.set()
    assert (await there.ask("GET", "/v1/services")).status == 200
    assert held * LENGTH <= ROOM.size * 1.25, f"{held} telephones are held, with {size} bytes"
    return held


async def test_two_thousand_slow_telephones_cost_a_bounded_memory() -> None:
    async with front(ROOM) as there:
        assert await crowd(there) == int(ROOM.size * 1.25) // LENGTH < SLOW, "the room must have been filled"


async def test_a_door_without_a_measure_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: bodies are not counted."""
    monkeypatch.setattr("gateway.kernel.edge.door._declared", lambda scope, kind: 1)
    async with front(ROOM) as there:
        with pytest.raises(AssertionError, match="2000 telephones are held"):
            await crowd(there)


# Who is let in.


async def test_reads_are_refused_first_and_emergencies_last() -> None:
    """The door fills up: the limit of each kind is reached in its turn, and a report is let in to show what it is."""
    room = Room(places=100)
    async with front(room) as there:
        waiting = [asyncio.create_task(there.ask("POST", "/v1/reports", b"{}")) for _ in range(70)]
        await there.until(lambda: there.house.inside == 70)
        refused = await there.ask("GET", "/v1/reports")
        assert refused.status == 503
        assert refused.json()["type"] == "/problems/overloaded"
        assert 1 <= int(refused.headers["retry-after"]) <= 4
        waiting += [asyncio.create_task(there.ask("POST", "/hooks/cc112", b"{}")) for _ in range(10)]
        await there.until(lambda: there.house.inside == 80)
        assert (await there.ask("POST", "/hooks/cc112", b"{}")).status == 503
        path = "/v1/reports/BRU-0000-0000/messages"
        waiting += [asyncio.create_task(there.ask("POST", path, b"{}")) for _ in range(10)]
        await there.until(lambda: there.house.inside == 90)
        assert (await there.ask("POST", path, b"{}")).status == 503
        assert there.house.crowded == []
        waiting += [asyncio.create_task(there.ask("POST", "/v1/reports", b"{}")) for _ in range(35)]
        await there.until(lambda: there.house.inside == 125)
        assert there.house.crowded == ["overloaded"] * 25
        last = await there.ask("POST", "/v1/reports", b"{}")
        assert (last.status, last.headers["connection"]) == (503, "close")
        assert there.house.most == 125
        there.house.may_go.set()
        assert {reply.status for reply in await asyncio.gather(*waiting)} == {200}
        assert (there.door.in_hand, there.door.size) == (0, 0)


async def test_streams_and_uploads_have_limits_of_their_own() -> None:
    async with front(Room(places=10, streams=3, uploads=2)) as there:
        path = "/v1/reports/BRU-0000-0000/stream"
        waiting = [asyncio.create_task(there.ask("GET", path)) for _ in range(3)]
        waiting += [asyncio.create_task(there.ask("POST", "/v1/attachments", b"x")) for _ in range(2)]
        await there.until(lambda: there.house.inside == 5)
        assert (await there.ask("GET", path)).status == 503
        assert (await there.ask("POST", "/v1/attachments", b"x")).status == 503
        assert there.door.in_hand == 2, "streams take no place from others"
        there.house.may_go.set()
        assert {reply.status for reply in await asyncio.gather(*waiting)} == {200}
        assert (there.door.streams, there.door.uploads) == (0, 0)


async def test_a_body_that_does_not_come_is_told_so() -> None:
    async with front(Room(body_s=0.05)) as there:
        reader, writer = await there.connect()
        writer.write(request("POST", "/v1/reports", 100) + b"{")
        reply = await reply_of(reader)
        assert (reply.status, reply.json()["type"]) == (408, "/problems/too-slow")
        assert await reader.read() == b"", "the connection is over"
        writer.close()
        assert (there.house.most, there.door.size) == (0, 0)


async def test_a_reader_who_takes_nothing_gives_his_place_back_and_is_let_go() -> None:
    async with front(Room(reader_s=0.2)) as there:
        there.house.answer = bytes(32 * MB)
        there.house.may_go.set()
        reader, writer = await asyncio.open_connection("127.0.0.1", there.port, limit=1024)
        writer.write(request("GET", "/v1/services", 0))
        await there.until(lambda: there.door.size == 32 * MB and there.door.in_hand == 0)
        await there.until(lambda: there.door.size == 0)
        with contextlib.suppress(ConnectionError):
            while await reader.read(1 << 20):
                pass
        writer.close()
        reply = await there.ask("GET", "/v1/services")
        assert (reply.status, len(reply.body)) == (200, 32 * MB), "whoever reads gets all of it"


# The whole house.


@contextlib.asynccontextmanager
async def housed(
    folder: Path, url: str, room: Room | None = None, free: Callable[[], Free] | None = None, **more: str
) -> AsyncIterator[tuple[Stage, Any]]:
    """A gateway without apps and worker, its door of another size, and the door."""
    listener = socket.create_server(("127.0.0.1", 0))
    async with open_house(settings_for(folder, url, **more)) as house, aiohttp.ClientSession() as session:
        app: Any = create_app(house, room, free)
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", http="httptools")
        )
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield Stage(house, f"http://127.0.0.1:{listener.getsockname()[1]}", session, {}), app._app
        finally:
            server.should_exit = True
            await task
            listener.close()


async def test_an_emergency_gets_in_where_others_are_refused(tmp_path: Path, database_url: str) -> None:
    async with housed(tmp_path, database_url, Room(places=4)) as (stage, door):
        door.in_hand = 4  # others are being served
        siti = stage.token("siti", "citizen")
        flood = await stage.file(FLOOD, siti)
        assert flood.status == 201, flood
        road = await stage.file(ROADS, siti)
        assert (road.status, road.body["type"]) == (503, "/problems/overloaded")
        assert int(road.headers["Retry-After"]) >= 1
        key = str(uuid4())
        door.in_hand = 0
        first = await stage.file(ROADS, siti, key)
        door.in_hand = 4
        again = await stage.file(ROADS, siti, key)
        assert (again.status, again.body["code"]) == (201, first.body["code"]), "what was accepted is answered again"


class Shelf:
    """A file system whose room the test sets."""

    def __init__(self) -> None:
        self.free = 100 * 1024 * MB

    def __call__(self) -> Free:
        return Free(free=self.free, total=200 * 1024 * MB)


async def test_files_are_refused_first_reports_last_and_emergencies_never(tmp_path: Path, sqlite_url: str) -> None:
    shelf = Shelf()
    async with housed(tmp_path, sqlite_url, free=shelf) as (stage, door):
        siti = stage.token("siti", "citizen")

        async def shows(free: int) -> Any:
            shelf.free, door._disk._known = free, None
            ready = await stage.until(lambda: standing(space_of(free)), PATIENCE)
            assert ready.status == 200, "it can still do something"

        async def standing(word: str) -> Any:
            ready = await stage.ask("GET", "/readyz")
            return ready if ready.body["checks"]["disk"] == word else None

        assert (await stage.ask("POST", "/v1/attachments", siti, None, PNG, Content_Type="image/png")).status == 201
        await shows(MB * 1024)
        refused = await stage.ask("POST", "/v1/attachments", siti, None, PNG, Content_Type="image/png")
        assert (refused.status, refused.body["type"]) == (507, "/problems/storage-low")
        assert refused.headers["Retry-After"] == "600"
        assert "tanpa berkas" in refused.body["detail"]
        assert (await stage.file(ROADS, siti)).status == 201
        await shows(MB * 10)
        road = await stage.file(ROADS, siti)
        assert (road.status, road.body["type"]) == (507, "/problems/storage-full")
        assert "112" in road.body["detail"]
        assert (await stage.ask("POST", "/hooks/cc112", None, {})).status == 507
        flood = await stage.file(FLOOD, siti)
        assert flood.status == 201, flood
        assert (await stage.ask("GET", f"/v1/reports/{flood.body['code']}", siti)).status == 200
        await shows(MB * 1024 * 50)
        assert (await stage.file(ROADS, siti)).status == 201


def space_of(free: int) -> str:
    return str(Reserve().space(Free(free=free, total=200 * 1024 * MB)))


@pytest.mark.parametrize(
    ("reserve", "free", "total", "space"),
    [
        (Reserve(), 11, 200, Space.AMPLE),
        (Reserve(), 9, 200, Space.LOW),
        (Reserve(), 1, 200, Space.FULL),
        (Reserve(), 3 * 1024 * MB, 4 << 40, Space.AMPLE),
        (Reserve(), 1 * 1024 * MB, 4 << 40, Space.LOW),
        (Reserve(), 200 * MB, 4 << 40, Space.FULL),
        (Reserve(files_mb=10, reports_mb=5), 11 * MB, 4 << 40, Space.AMPLE),
        (Reserve(files_mb=10, reports_mb=5), 9 * MB, 4 << 40, Space.LOW),
        (Reserve(files_mb=10, reports_mb=5), 4 * MB, 4 << 40, Space.FULL),
        (Reserve(files_mb=0, reports_mb=0), 0, 4 << 40, Space.AMPLE),
    ],
)
def test_what_is_nearly_full(reserve: Reserve, free: int, total: int, space: Space) -> None:
    assert reserve.space(Free(free=free, total=total)) is space


async def test_a_disk_that_cannot_be_read_refuses_nobody() -> None:
    def broken() -> Free:
        raise OSError("gone")

    disk = Disk(broken, Reserve(), HandClock())
    assert disk.space is Space.AMPLE
    ready = await Readiness([Check(name="disk", run=disk.word, required=False)], HandClock()).standing()
    assert msgspec.to_builtins(ready) == {"status": "ready", "checks": {"disk": "ok"}}


async def test_doctor_tells_of_the_room(tmp_path: Path, sqlite_url: str) -> None:
    async def told(**more: str) -> tuple[str, str]:
        settings = settings_for(tmp_path, sqlite_url, **more)
        return next((one.state, one.detail) for one in [one async for one in examine(settings)] if one.what == "disk")

    plenty = str(1 << 40)
    assert (await told(GATEWAY_DISK_FILES_MB="0", GATEWAY_DISK_REPORTS_MB="0"))[0] == "ok"
    state, detail = await told(GATEWAY_DISK_FILES_MB=plenty, GATEWAY_DISK_REPORTS_MB="0")
    assert (state, "files are refused" in detail) == ("fault", True)
    state, detail = await told(GATEWAY_DISK_FILES_MB=plenty, GATEWAY_DISK_REPORTS_MB=plenty)
    assert (state, "only emergencies" in detail) == ("fault", True)
    with pytest.raises(SettingsError, match="whole number of megabytes"):
        await told(GATEWAY_DISK_FILES_MB="viel")
