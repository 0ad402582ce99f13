"""Gold: what a reporter says later. Messages and withdrawals arrive once, or he is told that they do not."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.kit import queries
from gateway.kit.acting import Fits, arrived, shape, writings
from gateway.kit.faults import LOST, UNREAD, arrives_late
from gateway.kit.room import Room
from gateway.kit.rule import Failed, expect, rule
from gateway.kit.trial import Trial
from gateway.kit.wire import Fault
from gateway.model.catalogue import Service
from gateway.model.delivery import Command, DeliveryState, Level
from gateway.model.status import OPEN
from gateway.sdk import Amendment
from gateway.sdk.tier import Tier

WORDS: Final = "Kenari menambahkan: airnya sudah sampai ke jalan"


@rule(
    "K31",
    Tier.GOLD,
    "A later word arrives once, or its writer is told",
    why="'The fire has reached the next house' and 'my child is found' are the words that matter most. Written twice "
    "they cost a crew its time; dropped silently they cost more.",
    tested="For every kind of record its reporter writes a message and takes his report back, as his page does it. "
    "What [levels] says the app takes must be in the app exactly once, also when the answer is lost at every stage or "
    "the request never arrives (L1 and L0: parked for a person); what the app does not take must go nowhere, and the "
    "reporter must be told so once.",
    passing="Say in [levels] what the app takes and how well, and send our key with a message, so that it can "
    "be looked up. A command that the app cannot take is left out of [levels]: the gateway tells the reporter.",
)
async def k31(trial: Trial) -> None:
    """Write, and take back."""
    _ = trial.subject.level
    async with trial.room() as room:
        kinds = [service for service, _ in (await writings(room)).values()]
    async with trial.room() as room:
        for service in kinds:
            await _message(room, service)
            await _withdrawal(room, service)
    for command in (Command.MESSAGE, Command.WITHDRAW):
        if trial.subject.manifest.level(command) is not None:
            async with trial.room() as room:
                await _lost(room, command, [service for service in kinds if _takes(room, service, command)])


def _takes(room: Room, service: Service, command: Command) -> bool:
    words = command is Command.WITHDRAW or "description" in room.subject.shares(service)
    return words and room.manifest.level(command) is not None


async def _keys(room: Room) -> set[str]:
    """Return the keys of all deliveries."""
    return {str(row["key"]) for row in await room.ledger.read(queries.deliveries)}


async def _message(room: Room, service: Service) -> None:
    where = f"{service.code}, a message"
    key, reference = await arrived(room, service)
    before = await _keys(room)
    told = await room.write(key, WORDS)
    fresh = await _keys(room) - before
    if not _takes(room, service, Command.MESSAGE):
        expect(not fresh, f"{where}: queued for an app that takes none")
        expect(room.app in told.kept, f"{where}: the reporter is not answered that it stays here")
        expect(await room.said(key, "message.not_carried") == 1, f"{where}: the reporter is not told so once")
        return
    expect(fresh and room.app in told.carried, f"{where}: not queued for the app")
    (said,) = fresh
    row = await room.ends(said)
    expect(row["state"] == DeliveryState.ACCEPTED, f"{where}: {row['state']} ({row['cause']})")
    _once(room, reference, said, where)


def _once(room: Room, reference: str, key: str, where: str) -> None:
    (record,) = (one for one in room.records() if one["reference"] == reference)
    found = [message for message in record["messages"] if message["key"] == key]
    expect(len(found) == 1, f"{where}: {len(found)} times in the app")
    expect(WORDS in str(found[0]["text"]), f"{where}: the app has other words")


async def _withdrawal(room: Room, service: Service) -> None:
    where = f"{service.code}, a withdrawal"
    key, reference = await arrived(room, service)
    before = await _keys(room)
    told = await room.withdraw(key)
    fresh = await _keys(room) - before
    if service.emergency or not _takes(room, service, Command.WITHDRAW):
        notice = "withdrawal.emergency" if service.emergency else "withdrawal.not_carried"
        expect(room.app in told.refused, f"{where}: the reporter is not answered that it is not carried")
        expect(await room.said(key, notice) == 1, f"{where}: the reporter is not told that it is not carried")
        for one in fresh:
            await room.ends(one)
        return
    expect(fresh and room.app in told.carried, f"{where}: not queued for the app")
    (taken_back,) = fresh
    row = await room.ends(taken_back)
    if row["state"] == DeliveryState.HELD and row["cause"] == "refused":
        told_so = await room.said(key, "message.not_carried")
        expect(told_so, f"{where}: the app refuses it, and the reporter is not told")
        return
    expect(row["state"] == DeliveryState.ACCEPTED, f"{where}: {row['state']} ({row['cause']})")
    await _ended(room, key, reference, where)


async def _ended(room: Room, key: str, reference: str, where: str) -> None:
    """Fail unless the app has ended a record, and the case knows it."""
    await room.hear()
    status = (await room.case(key))["status"]
    (record,) = (one for one in room.records() if one["reference"] == reference)
    expect(status not in OPEN, f"{where}: accepted; the app says {record['word']!r}, and the case is {status}")


async def _lost(room: Room, command: Command, services: list[Service]) -> None:
    """Lose every answer to a later word, in every way."""
    service = next((one for one in services if not (one.emergency and command is Command.WITHDRAW)), None)
    if service is None:
        return
    level = room.manifest.level(command) or Level.L0
    fits = await _request(room, service, command)
    ways: Mapping[str, Fault] = {**LOST, **UNREAD, "arrives_late": arrives_late(room.manifest.settle_s / 2)}
    for way, fault in ways.items():
        where = f"a {command}, {way}"
        key, reference = await arrived(room, service)
        said = await room.say(key, WORDS, command)
        room.wire.when(fits, fault, name=way)
        row = await room.ends(said)
        room.wire.clear()
        expect(room.wire.injected[way], f"{where}: the connector writes otherwise than before")
        if row["state"] == DeliveryState.ACCEPTED:
            if command is Command.WITHDRAW:
                await _ended(room, key, reference, where)
            else:
                _once(room, reference, said, where)
            continue
        parked = level < Level.L2 and row["state"] == DeliveryState.HELD
        expect(parked, f"{where}: {row['state']} ({row['cause']}), not accepted")
        messages: list[Any] = next(one for one in room.records() if one["reference"] == reference)["messages"]
        twice = len([one for one in messages if one["key"] == said]) > 1
        expect(not twice, f"{where}: more than once in the app")


async def _request(room: Room, service: Service, command: Command) -> Fits:
    """Send a later word and return what fits the request by which it is written."""
    key, _ = await arrived(room, service)
    before = len(room.wire.seen)
    amendment = Amendment(
        key=f"{key[:-1]}9", code=key[:-2], command=command, text=WORDS, at=room.time.now()
    )  # fmt: skip
    outcome = await room.host.amend(room.app, (await room.numbers(key))[0], amendment)
    await room.calm()
    expect(outcome.receipt, f"a {command} is not taken ({outcome.verdict}, {outcome.cause})")
    written = [exchange for exchange in outcome.exchanges if exchange.write]
    if not written:
        raise Failed(f"no request of amend is marked as a write ({command})", "Say write=True where it writes.")
    kind = shape([one for one in room.wire.seen[before:] if one.method == written[-1].method][-1])
    return lambda seen: shape(seen) == kind
