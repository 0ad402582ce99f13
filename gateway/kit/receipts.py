"""Silver: what proves that a report has arrived."""

import re
from typing import Final

from gateway.kit.acting import answers_to, arrived, everything, repeats, writings
from gateway.kit.faults import changes
from gateway.kit.room import Room
from gateway.kit.rule import expect, rule
from gateway.kit.trial import Trial
from gateway.kit.wire import body_of
from gateway.model.catalogue import Service
from gateway.model.delivery import DeliveryState
from gateway.sdk.tier import Tier

_TIME: Final = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\d\d-\d\d-\d{4} \d\d:\d\d")


@rule(
    "K10",
    Tier.SILVER,
    "A receipt is the app's, and this report's",
    why="The receipt is the evidence that an app has taken a report. A receipt that names a stranger's record sends "
    "a citizen after somebody else's case and closes his own with it.",
    tested="A receipt names the app's record, and its time where the app tells one. Then answers are mixed up: a "
    "report is answered with the receipt of another, and a look-up with the record of another. Neither may make "
    "that number this report's.",
    passing="Return exactly what the app said: its numbers, its time, its word. Compare our key with the one in the "
    "row before you believe a look-up, and set Receipt.key where the app repeats it.",
)
async def k10(trial: Trial) -> None:
    """Read receipts, then mix them up."""
    _ = trial.subject.level
    async with trial.room() as room:
        room.ear.keeps = True
        for service, _fits in (await writings(room)).values():
            outcome, answers = await answers_to(room, room.submit(await room.submission(service)))
            expect(outcome.receipt and outcome.receipt.references, f"{service.code}: no number on the receipt")
            assert outcome.receipt is not None
            untold = not any(_TIME.search(body_of(answer)) for answer in answers[-1:])
            expect(outcome.receipt.at or untold, f"{service.code}: the app tells when, the receipt does not")
    async with trial.room() as room:
        room.ear.keeps = True
        service, fits = next(iter((await writings(room)).values()))
        before = len(room.wire.given)
        _, theirs = await arrived(room, service)
        answer = next(content for seen, content in reversed(room.wire.given[before:]) if fits(seen))
        room.wire.when(fits, changes(lambda _: answer), name="swapped")
        await _not_theirs(room, service, theirs)
        expect(room.wire.injected["swapped"], "the answer was never mixed up")
        if room.host.can(room.app, "find"):
            await _not_found(room, theirs)


async def _not_theirs(room: Room, service: Service, theirs: str) -> None:
    key = await room.file(service)
    row = await room.ends(key)
    numbers = await room.numbers(key)
    expect(theirs not in numbers, "a report has the number of another report's record")
    if row["state"] == DeliveryState.ACCEPTED:
        mine = [record["reference"] for record in room.records_of(key)]
        expect(set(mine) & set(numbers), "accepted under a number that no record of it has")


async def _not_found(room: Room, theirs: str) -> None:
    """Answer a look-up of one key with what the look-up of another was answered."""
    await room.travel(room.manifest.settle_s)
    key = next(record["key"] for record in room.records() if record["reference"] == theirs)
    if key is None:
        return
    outcome, answers = await answers_to(room, room.host.find(room.app, key))
    expect(outcome.receipt, f"its own record is not found ({outcome.verdict}, {outcome.cause})")
    mine = (await room.submission()).key
    room.wire.when(everything, repeats(answers), times=50, name="swapped")
    outcome = await room.host.find(room.app, mine)
    await room.calm()
    found = [one.value for one in outcome.receipt.references] if outcome.receipt else []
    expect(theirs not in found, "a look-up that is answered with another report's record takes its number")
