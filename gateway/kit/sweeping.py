"""Gold: the nightly reconciliation finds what slipped through, and does not cry wolf."""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from gateway.kit.acting import arrived, journey
from gateway.kit.hints import Birth, Move
from gateway.kit.room import Room
from gateway.kit.rule import DoesNotApply, expect, rule
from gateway.kit.trial import Trial
from gateway.model.catalogue import Service
from gateway.sdk import Event, Sweeps
from gateway.sdk.sandbox import Record
from gateway.sdk.tier import Tier

_KINDS: Final = ("missing_there", "state_differs")
_HERE: Final = ZoneInfo("Asia/Makassar")
_MORNING: Final = timedelta(hours=6)
"""It is still the day before in Greenwich then."""
_NIGHT: Final = timedelta(hours=26)


@rule(
    "K35",
    Tier.GOLD,
    "What slipped through is found the night after",
    why="Webhooks are lost, cursors are wrong, somebody deletes a row. Each is a case that stays open for ever, unless "
    "both sides are compared.",
    tested="A quiet day is swept: no alarm, nothing new. On the next day the gateway hears nothing: a record is moved "
    "in the app, one begins there, one is deleted there, and one stands elsewhere without a word about it. The sweep "
    "of that night must bring what is missing here, name the record that is missing there, repair or show the one "
    "that differs, and nothing else.",
    passing="Let sweep(day) return one event for every record whose last change lies on that day of the app's "
    "calendar, with the same ids as the news has, or a Look at it. Read all pages.",
    exempt="Where the app cannot be asked for a day, until its team has made a way.",
)
async def k35(trial: Trial) -> None:
    """Plant differences and sweep."""
    if not issubclass(trial.subject.connector, Sweeps):
        raise DoesNotApply("the class has no method sweep: the app cannot be asked for a day")
    _ = trial.subject.level
    service, moves = journey(trial.subject)
    async with trial.room() as room:
        await _quiet(room, service, moves)
        await _planted(room, service, moves)


def _day(room: Room) -> datetime:
    """Return the midnight, in the app's zone, with which the present day began."""
    here = room.time.now().astimezone(room.manifest.zone or _HERE)
    return here.replace(hour=0, minute=0, second=0, microsecond=0)


async def _to(room: Room, moment: datetime) -> None:
    await room.time.to(moment)
    await room.called()


async def _quiet(room: Room, service: Service, moves: list[Move]) -> None:
    """Sweep a day on which nothing was lost."""
    keys = [await arrived(room, service) for _ in range(3)]
    await room.hear()
    await room.move(keys[0][1], moves[0])
    await room.hear()
    await room.hear(60.0)
    known = [len(await room.events(key)) for key, _ in keys]
    inbox = len([row for row in await room.inbox() if row["state"] == "quarantined"])
    await _to(room, _day(room) + _NIGHT)
    expect(await room.sweep(), "the day before is not swept")
    alarms = [kind for kind in _KINDS if await room.alerts(kind)]
    expect(not alarms, f"a day on which nothing was lost: {', '.join(alarms)} is alerted")
    expect(len(await room.codes()) == len(keys), "a day on which nothing was lost: a second report is open")
    expect(known == [len(await room.events(key)) for key, _ in keys], "what was heard before is heard as something new")
    quarantined = len([row for row in await room.inbox() if row["state"] == "quarantined"])
    expect(quarantined == inbox, "a day on which nothing was lost: something is set aside")


async def _planted(room: Room, service: Service, moves: list[Move]) -> None:
    await _to(room, _day(room) + _MORNING)
    moved, lost, silent = [await arrived(room, service) for _ in range(3)]
    await room.hear()
    for _, reference in (lost, silent):
        await room.move(reference, moves[0])
    await room.hear()
    await room.hear(60.0)
    room.ear.keeps = True
    await room.move(moved[1], moves[0])
    births = [one for one in room.subject.hints.born if one.service is not None and room.manifest.opening.kinds]
    born = await room.bear(births[0].fields) if births else None
    numbers = await room.numbers(lost[0])
    del room.sandbox.store.records[lost[1]]
    word = _silently(room, silent[1], moves)
    codes = len(await room.codes())
    await _to(room, _day(room) + _NIGHT)
    expect(await room.sweep(), "the day on which things were lost is not swept")
    heard = [event.word for event in await room.events(moved[0])]
    expect(moves[0].to in heard, f"a record was moved to {moves[0].to!r} and the sweep does not bring it")
    await _begun(room, births, born, codes)
    named = {alert["subject"].partition(":")[2] for alert in await room.alerts("missing_there")}
    if room.host.can(room.app, "read"):
        expect(named & set(numbers), "a record is gone from the app, and the sweep does not name it")
    false = named - set(numbers)
    expect(not false, f"{len(false)} records are said to be gone that are there")
    if word is not None and await _says(room, silent[1], word):
        await _differs(room, silent, word)


async def _says(room: Room, reference: str, word: str) -> bool:
    """Tell whether the list of the day before has a record at a word; a list of hints does not say."""
    outcome = await room.host.sweep(room.app, (_day(room) - timedelta(hours=1)).date())
    news = outcome.batch.news if outcome.batch is not None else ()
    return any(
        isinstance(one, Event) and one.word == word and reference in [number.value for number in one.references]
        for one in news
    )


def _silently(room: Room, reference: str, moves: list[Move]) -> str | None:
    """Let a record stand elsewhere without anything being told of it; return its new word, None where no field of its
    row shows the word alone."""
    record = room.sandbox.store.records[reference]
    fresh = room.sandbox.advance(record, moves[-1].word or moves[-1].to, moves[-1].note, None, moves[-1].fields)
    word, shown = room.sandbox.word(fresh), room.sandbox.word(record)
    room.sandbox.store.callbacks.clear()
    changed = {
        name: value
        for name, value in fresh.row.items()
        if str(record.row.get(name)) == shown and str(value) == word and word != shown
    }
    kept: Record = msgspec.structs.replace(record, row={**record.row, **changed})
    room.sandbox.store.put(kept)
    room.sandbox.store.note()
    return moves[-1].to if changed else None


async def _begun(room: Room, births: list[Birth], born: str | None, codes: int) -> None:
    if born is None:
        return
    fresh = (await room.codes())[codes:]
    expect(len(fresh) == 1, f"a record began in the app, and the sweep opens {len(fresh)} reports for it")
    whole = await room.report(fresh[0])
    expect(whole.report["service"] == births[0].service, "the sweep opens a report of another service")


async def _differs(room: Room, silent: tuple[str, str], word: str) -> None:
    key, _ = silent
    status = (await room.case(key))["status"]
    numbers = set(await room.numbers(key))
    shown = {alert["subject"].partition(":")[2] for alert in await room.alerts("state_differs")}
    repaired = status == room.subject.words[word]
    expect(repaired or shown & numbers, f"a record stands at {word!r} in the app, the case is {status}, unnoticed")
    expect(not shown - numbers, "records are said to differ that do not")
