"""Gold: answers that are meant to hurt, or come from something that is not the app at all."""

import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

from gateway.kernel.host import Outcome
from gateway.kit.acting import everything
from gateway.kit.faults import PAGE, bomb, deep, drips, endless, giant, moved, says
from gateway.kit.room import Room
from gateway.kit.rule import expect, rule
from gateway.kit.trial import Trial
from gateway.kit.wire import Fault, answer_of, stranger
from gateway.model.delivery import Command, DeliveryState, Verdict
from gateway.sdk.tier import Tier

_LEAST: Final = 64 << 20
_GRACE_S: Final = 5.0


@rule(
    "K34",
    Tier.GOLD,
    "A hostile answer costs nothing but itself",
    why="One process carries everybody's reports. An app that is defaced, taken over or simply broken must be "
    "unavailable, and nothing else: it may not fill the memory, hold the line, lead the gateway elsewhere, or pass off "
    "a page of advertising as 'no such report' or 'no news'.",
    tested="Everything the app is asked (submit, look up, poll, lists) is answered with: a giant, an answer without "
    "end, one that comes drop by drop, a compressed bomb, JSON ten thousand levels deep, a redirect to a stranger, one "
    "in a circle, and a web page with 200. Nothing may be taken for accepted, refused, absent, listed or for no "
    "news; each is over within the time limits, holds only little memory, and the stranger is never called. Then the "
    "app is itself again and a report arrives.",
    passing="Ask by app.http alone, and let its errors through. Whoever reads undecoded bytes (decode=bytes) raises "
    "ContractBroken for what is not in the agreed form, instead of taking it for an empty page.",
)
async def k34(trial: Trial) -> None:
    """Answer everything with what hurts."""
    async with trial.room() as room, stranger() as (elsewhere, callers):
        room.ear.keeps = True
        largest = max(_LEAST, 16 * room.manifest.limits.max_response_bytes)
        for way, fault in _ways(room, largest, elsewhere).items():
            for ask in _ASKS:
                await _asked(room, ask, way, fault, largest)
                await room.travel(180.0)
        expect(not callers, "a redirect to a stranger is followed")
        if room.manifest.level(Command.OPEN) is not None:
            key = await room.file()
            row = await room.ends(key)
            expect(row["state"] == DeliveryState.ACCEPTED, f"the app is itself again: {row['state']} ({row['cause']})")
            expect(len(room.records_of(key)) == 1, "the app is itself again: not one record")


def _ways(room: Room, largest: int, elsewhere: str) -> dict[str, Fault]:
    return {
        "a giant": giant(largest),
        "without end": endless(largest),
        "drop by drop": drips(lambda: room.time.skip(1.0), 4),
        "a compressed bomb": _bomb(largest),
        "ten thousand levels deep": deep(10_000),
        "a redirect to a stranger": moved(302, f"{elsewhere}/masuk"),
        "a redirect in a circle": moved(307, f"{room.wire.url}/masuk"),
        "a web page with 200": says(answer_of(200, PAGE, "text/html")),
        "a web page that says it is JSON": says(answer_of(200, PAGE)),
        "JSON of nothing": says(answer_of(200, b"null")),
    }


_bomb = cache(bomb)


async def _submit(room: Room, way: str) -> Outcome | None:
    if room.manifest.level(Command.OPEN) is None:
        return None
    outcome = await room.submit(await room.submission())
    unsure = outcome.verdict in {Verdict.RETRY, Verdict.AMBIGUOUS, Verdict.BROKEN}
    expect(unsure, f"{way}: submit takes it for {outcome.verdict} ({outcome.cause})")
    return outcome


async def _find(room: Room, way: str) -> Outcome | None:
    if not room.host.can(room.app, "find"):
        return None
    outcome = await room.host.find(room.app, (await room.submission()).key)
    expect(not outcome.absent and outcome.receipt is None, f"{way}: the look-up takes it for {outcome.verdict}")
    return outcome


async def _poll(room: Room, way: str) -> Outcome | None:
    if not room.host.can(room.app, "poll"):
        return None
    outcome = await room.host.poll(room.app, None)
    expect(outcome.batch is None, f"{way}: the poll takes it for news, or for none")
    return outcome


async def _list(room: Room, way: str) -> Outcome | None:
    if not room.host.can(room.app, "catalogue"):
        return None
    outcome = await room.host.catalogue(room.app)
    expect(outcome.listed is None, f"{way}: taken for the app's lists")
    return outcome


Ask = Callable[[Room, str], Awaitable[Outcome | None]]
_ASKS: Final[tuple[Ask, ...]] = (_submit, _find, _poll, _list)


async def _asked(room: Room, ask: Ask, way: str, fault: Fault, largest: int) -> None:
    times = room.manifest.timeouts
    most = 2 * (times.connect + times.total) + _GRACE_S
    room.wire.when(everything, fault, times=1000, name=way)
    began = room.time.monotonic()
    with _frugal() as peak:
        outcome = await ask(room, way)
    await room.calm()
    room.wire.clear()
    if outcome is None:
        return
    expect(room.wire.injected[way], f"{way}: the app was not asked")
    room.wire.injected.clear()
    took = room.time.monotonic() - began
    expect(took < most, f"{way}: over after {took:.0f} s, and {most:.0f} s are the limit")
    expect(peak[0] < largest // 2, f"{way}: {peak[0] >> 20} MB of memory were held")


@contextmanager
def _frugal() -> Iterator[list[int]]:
    """Measure the memory that is held at once; yields a list that holds it in the end, in bytes."""
    peak = [0]
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    try:
        yield peak
    finally:
        peak[0] = tracemalloc.get_traced_memory()[1] - before
        if not tracing:
            tracemalloc.stop()
