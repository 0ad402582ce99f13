"""Silver: what becomes of a report when its answer, or the report itself, is lost on the way."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.kernel.host import Outcome
from gateway.kit.acting import answers_to, arrived, everything, repeats, writings
from gateway.kit.faults import (
    LOST,
    UNREAD,
    arrives_late,
    cuts_before_headers,
    hangs,
    says_500,
    says_html,
    truncates_json,
)
from gateway.kit.moment import NOWHERE
from gateway.kit.room import Room
from gateway.kit.rule import DoesNotApply, expect, fail, rule
from gateway.kit.trial import Trial
from gateway.model.catalogue import Service
from gateway.model.delivery import DeliveryState, Level, Verdict
from gateway.sdk.tier import Tier


@rule(
    "K11",
    Tier.SILVER,
    "A lost answer never makes a second record",
    why="Somebody calls for help, the app takes the report, and the answer is lost. Sent again it is a second fire, "
    "a second crew and a statistic that nobody believes; taken for failed it is a report that two people handle "
    "without knowing of each other. This is the mistake that systems of this kind make most often.",
    tested="For every kind of request that opens a record: the app takes it, and the answer is cut before, within "
    "and after its headers, hangs, is a 500, a web page, half a JSON document, or the request arrives after the "
    "gateway has given up; then requests that the app never saw although nobody could know. The real worker and "
    "reconciler go on until the delivery has ended. The app must hold one record: at L3 and L2 the delivery is "
    "accepted with its number, at L1 and L0 it is found or parked for a person, never sent twice. What is sent "
    "again is the same to the byte.",
    passing="Never catch Ambiguous to send again. Mark requests that change something with write=True. Choose the "
    "level the app really keeps: L3 only if a repeated key makes no second record, L2 only if a key is found "
    "exactly.",
)
async def k11(trial: Trial) -> None:
    """Lose every answer in every way."""
    level = trial.subject.level
    async with trial.room() as room:
        room.ear.keeps = True
        ways = {**LOST, **UNREAD, "arrives_late": arrives_late(room.manifest.settle_s / 2)}
        for service, fits in (await writings(room)).values():
            for way, fault in ways.items():
                room.wire.when(fits, fault, name=way)
                await _lost(room, service, level, way, way in UNREAD)
                room.wire.clear()
        missed = [way for way in ways if not room.wire.injected[way]]
        expect(not missed, f"{', '.join(missed)} never happened: the connector writes otherwise than before")


async def _lost(room: Room, service: Service, level: Level, way: str, unread: bool) -> None:
    before = len(room.wire.seen)
    key = await room.file(service)
    row = await room.ends(key)
    where, records = f"{service.code}, {way}", room.records_of(key)
    expect(len(records) < 2, f"{where}: {len(records)} records in the app for one report")
    if level >= Level.L2:
        expect(row["state"] == DeliveryState.ACCEPTED, f"{where}: {row['state']} ({row['cause']}), not accepted")
        expect(len(records) == 1, f"{where}: accepted, and no record is in the app")
    else:
        parked = row["state"] in {DeliveryState.ACCEPTED, DeliveryState.HELD}
        expect(parked, f"{where}: {row['state']} ({row['cause']}), neither found nor parked")
        expect(len(records) == (0 if unread else 1), f"{where}: {len(records)} records in the app")
    if row["state"] == DeliveryState.ACCEPTED:
        numbers = await room.numbers(key)
        expect(records and records[0]["reference"] in numbers, f"{where}: accepted under another number")
    mine = key.encode()
    bodies = {seen.body for seen in room.wire.seen[before:] if mine in seen.body and seen.method == "POST"}
    attempts = int(row["attempt"])
    if attempts > 1 and level is Level.L3:
        expect(len(bodies) == 1, f"{where}: the second attempt is not the same as the first, byte for byte")


@rule(
    "K12",
    Tier.SILVER,
    "What never left is sent again",
    why="An app that is down for an hour must cost an hour, not a report: what certainly never left is no case for "
    "a person.",
    tested="Connection refused, a name nobody has, a server that speaks no TLS, and one that takes no connection: "
    "each must be Retryable, with nothing sent. Then the app comes back and the report arrives once.",
    passing="Let the errors of app.http through. A connector that wraps them into errors of its own hides what "
    "happened.",
)
async def k12(trial: Trial) -> None:
    """Keep reports from leaving, in every way."""
    _ = trial.subject.level
    async with trial.room() as room:
        async with room.wire.down():
            key = await room.file()
            await room.carry()
            _unsent("connection refused", await room.submit(await room.submission()))
            row = await room.delivery(key)
            expect(row["state"] == DeliveryState.QUEUED, f"connection refused: {row['state']} ({row['cause']})")
        expect(not room.journal(), "connection refused: the app has seen a request")
        row = await room.ends(key)
        expect(row["state"] == DeliveryState.ACCEPTED, f"the app is back: {row['state']} ({row['cause']})")
        expect(len(room.records_of(key)) == 1, "the app is back: not one record")
    async with trial.room() as room:
        await room.employ(base_url=f"http://{NOWHERE}:9")
        _unsent("a name nobody has", await room.submit(await room.submission()))
        async with _plain() as port:
            await room.employ(base_url=f"https://127.0.0.1:{port}")
            _unsent("no TLS", await room.submit(await room.submission()))
        with _deaf() as port:
            await room.employ(base_url=f"http://127.0.0.1:{port}")
            submission = await room.submission()
            call = asyncio.create_task(room.submit(submission))
            await asyncio.sleep(0.05)
            await room.time.travel(room.manifest.timeouts.connect + 0.5)
            _unsent("no connection in time", await call)
        expect(not room.records(), "something is in the app that never left")


def _unsent(way: str, outcome: Outcome) -> None:
    expect(outcome.verdict is Verdict.RETRY, f"{way}: {outcome.verdict} ({outcome.cause}), not Retryable")
    expect(not outcome.sent, f"{way}: taken for sent")


@asynccontextmanager
async def _plain() -> AsyncIterator[int]:
    """Serve something that speaks no TLS."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class _deaf:  # noqa: N801 - used like a function
    """A port that is open and takes no connection: its queue is full."""

    def __enter__(self) -> int:
        self._server = socket.socket()
        self._server.bind(("127.0.0.1", 0))
        self._server.listen(0)
        self._full = []
        for _ in range(3):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(self._server.getsockname())
            self._full.append(one)
        return int(self._server.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        for one in (*self._full, self._server):
            one.close()


@rule(
    "K13",
    Tier.SILVER,
    "Its own record is found, and absent means absent",
    why="Whether something is sent again rests on one question: do you have it? A look-up that finds a stranger's "
    "record loses a report; one that says absent when it does not know makes a second ticket.",
    tested="Several reports are in the app; each key must find its own record after settle, a key that was never "
    "sent none. A look-up that is answered with 500, a web page, half a document or not at all must not say absent. "
    "Where the app is asked before anything is sent again, an answer that was lost is looked up in a copy that lags "
    "behind: one record, accepted.",
    passing="find returns None only when the app itself says that it has no such record; everything else is an "
    "error of app.http, let through. Set settle_s to how late the app's index can be.",
)
async def k13(trial: Trial) -> None:
    """Look up what is there, what is not, and what nobody can say."""
    level = trial.subject.level
    async with trial.room() as room:
        if not room.host.can(room.app, "find"):
            raise DoesNotApply(f"level {level.name}: the app is not asked for our key")
        keys = dict([await arrived(room, text=f"Laporan kenari nomor {number}") for number in range(4)])
        await room.travel(room.manifest.settle_s)
        for key, reference in keys.items():
            outcome = await room.host.find(room.app, key)
            found = [one.value for one in outcome.receipt.references] if outcome.receipt else []
            expect(reference in found, f"its own record is not found: {outcome.verdict} ({outcome.cause})")
            others = set(found) & (set(keys.values()) - {reference})
            expect(not others, "a look-up names the record of another report as well")
        unknown = (await room.submission()).key
        outcome = await room.host.find(room.app, unknown)
        expect(outcome.absent, f"a key that was never sent: {outcome.verdict} ({outcome.cause}), not absent")
        for fault in (says_500, says_html, truncates_json, hangs, cuts_before_headers):
            room.wire.when(everything, fault, times=50)
            outcome = await room.host.find(room.app, unknown)
            await room.calm()
            room.wire.clear()
            expect(not outcome.absent, f"{fault.__name__}: the look-up says absent, and does not know")
            expect(outcome.receipt is None, f"{fault.__name__}: the look-up finds something")
            await room.travel(120.0)
    if level in {Level.L1, Level.L2}:
        async with trial.room() as room:
            await _stale(room, level)


async def _stale(room: Room, level: Level) -> None:
    """Let the first look-up after a lost answer be answered as before the report was sent."""
    room.ear.keeps = True
    service, fits = next(iter((await writings(room)).values()))
    key = await room.file(service)
    outcome, before = await answers_to(room, room.host.find(room.app, key))
    expect(outcome.absent, f"not sent yet, and the look-up says {outcome.verdict}")
    room.wire.when(fits, cuts_before_headers)
    await room.carry()
    if (await room.delivery(key))["state"] != DeliveryState.UNSURE:
        return  # what is done about a lost answer is K11's question
    room.wire.when(lambda seen: not fits(seen), repeats(before), times=len(before), name="stale")
    row = await room.ends(key)
    expect(room.wire.injected["stale"], "the app was not asked before the delivery ended")
    expect(len(room.records_of(key)) == 1, f"{len(room.records_of(key))} records after one stale look-up")
    if level is Level.L2:
        expect(row["state"] == DeliveryState.ACCEPTED, f"after one stale look-up: {row['state']} ({row['cause']})")
    elif row["state"] not in {DeliveryState.ACCEPTED, DeliveryState.HELD}:
        fail(f"after one stale look-up: {row['state']} ({row['cause']})")
