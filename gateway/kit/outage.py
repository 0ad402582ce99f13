"""Gold: an app that is away for an hour."""

from typing import Any, Final

from gateway.kit.acting import journey
from gateway.kit.hints import Move
from gateway.kit.room import ENDED, Room
from gateway.kit.rule import DoesNotApply, expect, rule
from gateway.kit.trial import Trial
from gateway.model.catalogue import Service
from gateway.model.delivery import Command, DeliveryState
from gateway.sdk.tier import Tier

_BUNCHED: Final = 20
"""One in so many requests may be refused: what left at its time may arrive close behind the one before. Rule K15 looks
at the limit itself."""
_LEAST, _MOST = 5, 24
_WITH_MESSAGES: Final = 3
_MESSAGES: Final = ("Kenari: pesan pertama", "Kenari: pesan kedua")
_HOUR: Final = 6
"""Rounds of ten minutes."""
_ROUND_S: Final = 600.0
_ROUNDS: Final = 80


@rule(
    "K32",
    Tier.GOLD,
    "An hour away costs an hour",
    why="Apps are updated, lines are cut, power fails. Reports go on coming, and when the app is back they all want in "
    "at once: whoever lets them in all at once takes it down again, and whoever logs every try hides everything else.",
    tested="Nobody listens for an hour, while more reports come in than the app takes at once, and some reporters "
    "write twice; the worker goes on trying, and asks for news. Then the app is back, with its limit. Exactly one line "
    "in the log says that it is away and one that it is back; every report and message arrives once; a report before "
    "its messages, and these in their order; the app says 429 to one request in twenty at most; what its "
    "officers did meanwhile is heard.",
    passing="Let the errors of app.http through, keep nothing in the class that an hour makes wrong, and write the "
    "app's documented limit into [limits].",
)
async def k32(trial: Trial) -> None:
    """Take the app away for an hour."""
    _ = trial.subject.level
    async with trial.room(limited=True) as room:
        service, move = _moving(room)
        first = await room.file(service)
        (row,) = await room.all_of([room.ends(first)])
        expect(row["state"] == DeliveryState.ACCEPTED, f"before: {row['state']} ({row['cause']})")
        await room.all_of([room.hear()])
        logged = len(trial.log)
        keys: dict[str, list[str]] = {}
        async with room.wire.down():
            at_once, _seconds = room.sandbox.limit
            for number in range(max(_LEAST, at_once + 3) if at_once < _MOST else _LEAST):
                key = await room.file(service, f"Laporan kenari nomor {number}")
                keys[key] = await _messages(room, service, key) if number < _WITH_MESSAGES else []
            if move is not None:
                await room.move(room.records_of(first)[0]["reference"], move)
            await _hour(room)
            states = {str((await room.delivery(one))["state"]) for one in _all(keys)}
            waits = states <= {DeliveryState.QUEUED, DeliveryState.UNSURE}
            expect(waits, f"while the app is away, deliveries are {', '.join(sorted(states))}")
        await _drained(room, keys)
        if move is not None:
            await room.all_of([room.hear(60.0)])
            heard = [event.word for event in await room.events(first)]
            expect(move.to in heard, f"{move.to!r} was set while the app could not be reached, and is never heard")
        _told(trial, logged)
    journal = room.journal()
    refused = sum(entry["status"] == 429 for entry in journal)
    expect(
        refused <= len(journal) // _BUNCHED, f"the app is back and had to refuse {refused} of {len(journal)} requests"
    )


def _moving(room: Room) -> tuple[Service, Move | None]:
    """Return a service, and a move of its records where the app is asked for news."""
    if room.manifest.poll is None:
        return room.subject.service(), None
    try:
        service, moves = journey(room.subject)
    except DoesNotApply:
        return room.subject.service(), None
    return service, moves[0]


async def _messages(room: Room, service: Service, key: str) -> list[str]:
    if room.manifest.level(Command.MESSAGE) is None or "description" not in room.subject.shares(service):
        return []
    return [await room.say(key, text) for text in _MESSAGES]


def _all(keys: dict[str, list[str]]) -> list[str]:
    return [one for key, later in keys.items() for one in (key, *later)]


async def _hour(room: Room) -> None:
    for _ in range(_HOUR):
        await room.all_of([room.carry(), room.look(), room.poll()])
        await room.travel(_ROUND_S)


async def _drained(room: Room, keys: dict[str, list[str]]) -> None:
    """Let everything arrive, and fail unless it did so once and in its order."""
    rows: list[dict[str, Any]] = []
    for _ in range(_ROUNDS):
        await room.all_of([room.carry(), room.look()])
        rows = [await room.delivery(one) for one in _all(keys)]
        if all(row["state"] in ENDED for row in rows):
            break
        await room.travel(15.0)
    for row in rows:
        expect(row["state"] == DeliveryState.ACCEPTED, f"the app is back: a {row['command']} is {row['state']}")
    for key, later in keys.items():
        records = room.records_of(key)
        expect(len(records) == 1, f"the app is back: {len(records)} records of one report")
        said = [message["key"] for message in records[0]["messages"] if message["key"] in later]
        expect(said == later, f"the app is back: {len(said)} of {len(later)} messages are there in their order")


def _told(trial: Trial, logged: int) -> None:
    events = [line.get("event") for line in trial.log[logged:]]
    for edge in ("connector.away", "connector.back"):
        expect(events.count(edge) == 1, f"{edge}: {events.count(edge)} lines in the log, one is needed")
