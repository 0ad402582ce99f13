"""Silver: polling. No change is missed, none is told twice, and one broken row hides nobody."""

import json
from collections.abc import Callable
from typing import Any, Final

from gateway.kit.acting import gather, journey, needs_news, needs_poll, told_of
from gateway.kit.faults import changes
from gateway.kit.hints import Move
from gateway.kit.room import Room
from gateway.kit.rule import Failed, expect, rule
from gateway.kit.trial import Trial
from gateway.kit.wire import Passage, answer_of, body_of
from gateway.sdk import Event, Look, News, Unreadable
from gateway.sdk.tier import Tier

Spoil = Callable[[dict[str, Any], set[str]], dict[str, Any]]
"""Returns a row spoiled; gets the forms of its record's number, which stay."""
_WAIT_S: Final = 3.0
_OFF_S: Final = (900.0, -900.0)


class Crowd:
    """More records than a page of the app holds, and ways to change them all at one instant."""

    def __init__(self, room: Room, moves: list[Move]) -> None:
        self.room, self.moves = room, moves
        self.cursor: str | None = None
        self.references: list[str] = []
        self.known: set[str] = set()
        self._turn = 0

    async def open(self, count: int) -> None:
        """Poll what is there, then open so many records at one instant."""
        _, self.cursor = await gather(self.room, None)
        service, _ = journey(self.room.subject)
        for _ in range(count):
            outcome = await self.room.submit(await self.room.submission(service))
            if outcome.receipt is None:
                raise Failed(f"a report is not taken ({outcome.verdict}, {outcome.cause})")
        self.references = [str(record["reference"]) for record in self.room.records()][-count:]

    async def change(self, references: list[str] | None = None) -> None:
        """Move records, all at one instant, to the next word."""
        self._turn += 1
        move = self.moves[self._turn % len(self.moves)]
        for reference in self.references if references is None else references:
            await self.room.move(reference, move)

    async def told(self, *, restart: bool = False) -> list[News]:
        """Let a moment pass and poll to the end, twice; return what is new."""
        news: list[News] = []
        for _ in range(2):
            await self.room.travel(_WAIT_S)
            more, self.cursor = await gather(self.room, self.cursor, restart=restart)
            news += more
        fresh = [one for one in news if one.id not in self.known]
        self.known |= {one.id for one in fresh}
        return fresh


@rule(
    "K19",
    Tier.SILVER,
    "Polling misses no change and tells none twice",
    why="What a poll skips nobody will ever ask for again: a case stays open for ever although the app has closed "
    "it. Pages shift while they are read, clocks are wrong, processes are killed between two pages.",
    tested="More records than the app's longest page (page in kit.toml) are opened and changed at one instant, so "
    "that all have the same time. Then again while a page is answered twice, while records move from page to page "
    "during the reading, and with a new process after every page. Then with the app's clock 15 minutes ahead, "
    "behind, and put back in the middle. Every change must be told, in each case, under one id; a second poll must "
    "tell nothing new.",
    passing="Keep the cursor in the app's own time and words, with an overlap for what it commits late, and name a "
    "change by record and version, so that what is read twice is the same news. Page until the app says that it is "
    "done. Never use the gateway's clock for a window: http.app_now() is the app's.",
)
async def k19(trial: Trial) -> None:
    """Change many records in unkind ways."""
    needs_poll(trial)
    _ = trial.subject.level
    count = trial.subject.hints.page + 3
    async with trial.room() as room:
        crowd = await _crowd(room, count)
        await _complete(crowd, "opened at one instant")
        await crowd.change()
        await _complete(crowd, "changed at one instant", once=True)
        await crowd.change()
        _page_twice(room)
        await _complete(crowd, "a page answered twice", once=True)
        room.wire.clear()
        await crowd.change()
        await _shift(crowd)
        await crowd.change()
        await _complete(crowd, "a new process after every page", once=True, restart=True)
    for off in _OFF_S:
        await _off_time(trial, off)


async def _crowd(room: Room, count: int) -> Crowd:
    room.ear.keeps = True
    _, moves = journey(room.subject)
    expect(len(moves) > 1, "records can be moved to one word only: the rule needs two", "List more [[moves]].")
    crowd = Crowd(room, moves[:2])
    await crowd.open(count)
    return crowd


async def _complete(crowd: Crowd, way: str, *, once: bool = False, restart: bool = False) -> None:
    """Poll, and fail unless every record of the crowd was told of, under one id where it was changed once."""
    told = told_of(await crowd.told(restart=restart))
    missed = [reference for reference in crowd.references if reference not in told]
    expect(not missed, f"{way}: {len(missed)} of {len(crowd.references)} changes are never told")
    if once:
        twice = [reference for reference in crowd.references if len(told[reference]) > 1]
        expect(not twice, f"{way}: {len(twice)} changes are told under more than one id")
    again = told_of(await crowd.told())
    anew = [reference for reference in again if reference in crowd.references]
    expect(not anew, f"{way}: {len(anew)} changes are told again under another id")


def _page_twice(room: Room) -> None:
    """Let the app answer the second request of a kind as it answered the first: once, for each kind there is."""
    first: dict[tuple[str, str], bytes] = {}
    done: set[tuple[str, str]] = set()

    async def twice(passage: Passage) -> None:
        kind = (passage.seen.method, passage.seen.path.partition("?")[0].rstrip("0123456789"))
        if kind in first and kind not in done:
            done.add(kind)
            await passage.answer(first[kind])
            return
        first[kind] = await passage.forward()
        await passage.answer(first[kind])

    room.wire.when(lambda seen: True, twice, times=1000, name="twice")


async def _shift(crowd: Crowd) -> None:
    """Let the records that were read first move to the end while the rest is read."""
    room, moved = crowd.room, crowd.references[:3]
    pending = [True]

    def shift(answer: bytes) -> bytes:
        if pending and moved[0].rpartition(":")[2].encode() in answer:
            pending.clear()
            for reference in moved:
                record = room.sandbox.store.records[reference]
                room.sandbox.advance(record, room.sandbox.word(record), None, None, {})
                room.sandbox.store.note()
        return answer

    room.wire.when(lambda seen: True, changes(shift), times=1000, name="shift")
    await _complete(crowd, "records move while pages are read")
    room.wire.clear()


async def _off_time(trial: Trial, off: float) -> None:
    where = f"the app's clock is {abs(off) / 60:.0f} minutes {'ahead' if off > 0 else 'behind'}"
    async with trial.room() as room:
        room.quirk(clock_offset_s=off)
        crowd = await _crowd(room, 3)
        await _complete(crowd, where)
        await crowd.change()
        await _complete(crowd, where, once=True)
        room.quirk(clock_offset_s=0.0 if off > 0 else off - 60.0)
        await crowd.change(crowd.references[:2])
        told = told_of(await crowd.told())
        missed: list[str] = []
        for _ in range(4):
            # The app lives through the time that was put back once more; at its end at the latest it is told.
            missed = [reference for reference in crowd.references[:2] if reference not in told]
            if not missed:
                return
            await room.travel(300.0)
            told |= told_of(await crowd.told())
        expect(not missed, "the app's clock is put back: changes behind the cursor are never told")


@rule(
    "K20",
    Tier.SILVER,
    "One broken row hides nobody",
    why="One resident types half an emoji, one import leaves a row without a status, and from then on nobody hears "
    "anything of his case any more, because the page with it cannot be read.",
    tested="Several records change at once. On the way to the class one row of the page is spoiled: its values are "
    "of other types; then with half a character in a text; then a webhook. The row must be quarantined under an id "
    "that names its record, and every other row must arrive.",
    passing="Decode rows one by one with gateway.sdk.rows(items, decode, identify). Read pages with the standard "
    "library where texts may hold half a character.",
)
async def k20(trial: Trial) -> None:
    """Spoil one row among several."""
    needs_news(trial)
    _ = trial.subject.level
    if trial.subject.manifest.poll is not None:
        for way, spoil in _SPOILED.items():
            async with trial.room() as room:
                await _poisoned(room, way, spoil)
    if trial.subject.manifest.webhook is not None:
        async with trial.room() as room:
            await _poisoned_call(room)


async def _poisoned(room: Room, way: str, spoil: Spoil) -> None:
    crowd = await _crowd(room, 4)
    await crowd.told()
    await crowd.change()
    await room.travel(_WAIT_S)
    victim = crowd.references[1]
    touched: list[str] = []
    names = {victim, victim.rpartition(":")[2]}

    def poison(answer: bytes) -> bytes:
        spoiled = _with_poison(body_of(answer), names, spoil)
        if spoiled is None:
            return answer
        touched.append(victim)
        return answer_of(200, spoiled)

    room.wire.when(lambda seen: True, changes(poison), times=50, name="poison")
    news, _ = await gather(room, crowd.cursor)
    expect(touched, f"{way}: the rows of the page do not show the number of their record")
    told = told_of(news)
    missed = [reference for reference in crowd.references if reference != victim and reference not in told]
    expect(not missed, f"{way}: {len(missed)} of {len(crowd.references) - 1} sound rows beside it do not arrive")
    bad = [one.id for one in news if isinstance(one, Unreadable)]
    named = any(name in one for one in bad for name in names)
    expect(named or victim in told, f"{way}: the row is neither told nor quarantined under its number (ids: {bad[:3]})")


def _with_poison(body: bytes, names: set[str], spoil: Spoil) -> bytes | None:
    """Return a page with the row of a record spoiled; None where it has no such row, or is no page."""
    try:
        page = json.loads(body)
    except (ValueError, RecursionError):
        return None
    found = False

    def within(value: Any) -> Any:
        nonlocal found
        if isinstance(value, dict):
            return {name: within(one) for name, one in value.items()}
        if not isinstance(value, list):
            return value
        made = []
        for row in value:
            is_it = isinstance(row, dict) and any(str(one) in names for one in row.values())
            if is_it and not found and len(row) > 3:
                found = True
                row = spoil(row, names)
            made.append(row)
        return made

    spoiled = within(page)
    return json.dumps(spoiled).encode() if found else None


def _of_other_types(row: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Return a row of which only the number of its record is left as it was."""
    return {name: value if str(value) in names else {"kenari": [value]} for name, value in row.items()}


def _ends_in(ending: str) -> Spoil:
    def spoil(row: dict[str, Any], names: set[str]) -> dict[str, Any]:
        texts = {name: value for name, value in row.items() if isinstance(value, str) and value not in names}
        if not texts:
            return row
        longest = max(texts, key=lambda name: len(texts[name]))
        return {**row, longest: texts[longest] + ending}

    return spoil


_SPOILED: Final[dict[str, Spoil]] = {
    "values of other types": _of_other_types,
    "half a character": _ends_in("\ud83d"),
    "NUL": _ends_in("\x00"),
}
"""How a row is spoiled; the number of its record stays as it was."""


async def _poisoned_call(room: Room) -> None:
    """Send a signed webhook with the wrong content between two sound ones."""
    room.ear.keeps = True
    service, moves = journey(room.subject)
    outcome = await room.submit(await room.submission(service))
    expect(outcome.receipt, f"a report is not taken ({outcome.verdict}, {outcome.cause})")
    await room.move(str(room.records()[-1]["reference"]), moves[0])
    await room.called()
    genuine = room.ear.heard[-1]
    for body in (b'{"kenari": [1]}', b"[]", b'{"kenari":', genuine.body.replace(b"}", b', "x": "\\ud83d"}', 1)):
        signed = room.sandbox.signed(body, room.sandbox.now())
        headers = genuine.headers | {name.lower(): value for name, value in signed.items()}
        outcome = room.host.receive(room.app, room.host.verify(room.app, headers, body))
        quarantined = outcome.batch is None or all(
            isinstance(one, Unreadable | Look | Event) for one in outcome.batch.news
        )
        expect(quarantined, "a proven webhook with the wrong content is taken for something")
        told = outcome.batch is None or len(outcome.batch.news) > 0
        expect(told, "a proven webhook with the wrong content is dropped without a trace")
        expect(outcome.cause != "connector_error", "receive fails on a proven webhook with the wrong content")
