"""Gold: an app in shadow is read and mapped, and never written to."""

import asyncio

import msgspec

from gateway.kit import queries
from gateway.kit.acting import writing
from gateway.kit.room import Room
from gateway.kit.rule import Failed, expect, rule
from gateway.kit.trial import Trial
from gateway.model.delivery import Command, DeliveryState, Verdict
from gateway.sdk import Amendment, Amends, AppError, Submission, Submits
from gateway.sdk.manifest import Mode
from gateway.sdk.tier import Tier


@rule(
    "K36",
    Tier.GOLD,
    "In shadow nothing is written",
    why="Before an app goes live its maps are tried on real reports for weeks. A connector that writes by a request it "
    "does not call a write makes real tickets out of a rehearsal.",
    tested='mode = "shadow": a report that is on its way, a submission and a message handed straight to the class. '
    "No request that writes may reach the app, whatever it is called; the report must wait without an attempt being "
    "spent, with the app's category and shared fields recorded. A new report must go to a desk and say why. What "
    "begins and moves in the app is heard and mapped as always.",
    passing="Say write=True wherever the app may change something, whatever the method. Nothing else is needed.",
)
async def k36(trial: Trial) -> None:
    """Rehearse."""
    subject = trial.subject
    _ = subject.level
    service = subject.service()
    async with trial.room() as room:
        fits, _kind = await writing(room, service)
    shadow = msgspec.structs.replace(subject.unhurried, mode=Mode.SHADOW)
    async with trial.room() as room:
        key = await room.file(service)
        await room.employ(shadow)
        await room.carry()
        await room.travel(400.0)
        await room.carry()
        await room.look()
        row = await room.delivery(key)
        waits = row["state"] == DeliveryState.QUEUED and not row["attempt"]
        expect(waits, f"a report on its way is {row['state']} after {row['attempt']} attempts; it should wait")
        await _mapped(room, key, service.code)
        await _class_writes(room, key)
        written = [seen for seen in room.wire.seen if fits(seen)]
        expect(not written, f"{len(written)} requests that write have reached the app in shadow")
        expect(not room.records(), "something is in the app that was sent in shadow")
        await _heard(room)
    async with trial.room(shadow) as room:
        try:
            await room.file(service)
        except Failed:
            return
        raise Failed("a new report is routed to an app in shadow")


async def _mapped(room: Room, key: str, service: str) -> None:
    """Fail unless the delivery holds the report as the app would have got it, and the entry names the fields."""
    whole = await room.report(key)
    rows = [one for one in await room.ledger.read(queries.deliveries) if one["key"] == key]
    submission = whole.key(room.ledger.vault).open("payload", rows[0]["sealed"], Submission)
    wanted = room.subject.outward[service]
    expect(submission.category == wanted, f"the report that waits has category {submission.category!r}, not {wanted!r}")


async def _class_writes(room: Room, key: str) -> None:
    """Hand a submission and a message to the host, then to the class itself."""
    submission = await room.submission()
    outcome = await room.submit(submission)
    expect(outcome.verdict is Verdict.RETRY, f"a submission in shadow: {outcome.verdict} ({outcome.cause})")
    prepared, _ = room.host.prepare(room.app, submission.profile, submission)
    instance = room.host.get(room.app).instance
    calls = [instance.submit(prepared)] if isinstance(instance, Submits) else []
    for command in (Command.MESSAGE, Command.WITHDRAW):
        amendment = Amendment(key=f"{key[:-1]}8", code=key[:-2], command=command, text="Kenari", at=room.time.now())
        if room.manifest.level(command) is not None:
            outcome = await room.host.amend(room.app, "1", amendment)
            expect(outcome.verdict is Verdict.RETRY, f"a {command} in shadow: {outcome.verdict} ({outcome.cause})")
            calls += [instance.amend("1", amendment)] if isinstance(instance, Amends) else []
    for call in calls:
        task = asyncio.create_task(call)
        await asyncio.wait({task})
        error = task.exception()
        expect(error is not None, "the class returns a receipt in shadow")
        expect(isinstance(error, AppError), f"the class fails with {type(error).__name__} in shadow")
    await room.calm()


async def _heard(room: Room) -> None:
    """Let a record begin in the app, and fail unless it opens a report as always."""
    births = [one for one in room.subject.hints.born if one.service is not None and not one.hidden]
    if not births or not room.manifest.opening.kinds or not (room.manifest.poll or room.manifest.webhook):
        return
    before = len(await room.codes())
    await room.bear(births[0].fields)
    await room.hear()
    await room.hear(70.0)
    fresh = (await room.codes())[before:]
    expect(len(fresh) == 1, f"a record begins in the app in shadow, and {len(fresh)} reports are open for it")
    whole = await room.report(fresh[0])
    expect(whole.report["service"] == births[0].service, "in shadow a record opens a report of another service")
