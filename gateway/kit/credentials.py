"""Silver: what happens when the app does not know us any more, and how fast it is spoken to."""

import json
from datetime import timedelta
from email.utils import format_datetime
from typing import Any, Final

from gateway.kit.acting import Fits, writing
from gateway.kit.faults import says
from gateway.kit.room import Room
from gateway.kit.rule import DoesNotApply, expect, rule
from gateway.kit.trial import Trial
from gateway.kit.wire import answer_of
from gateway.model.delivery import DeliveryState, Verdict
from gateway.sdk.tier import Tier

WRONG: Final = "salah-kenari"
_AFTER: Final = 47.0
_PATIENCE_S: Final = 1800.0
"""Within which a submission may wait for its turn, where it is tried how fast turns come."""


def outgoing(room: Room) -> list[str]:
    """Return the names of the secrets with which the gateway proves itself to the app."""
    webhook = room.manifest.webhook.secret if room.manifest.webhook is not None else None
    return [name for name in room.manifest.secrets if name != webhook]


@rule(
    "K14",
    Tier.SILVER,
    "A refused credential is renewed once, then a person is told",
    why="Tokens expire in the middle of the night, and passwords are changed without telling anybody. One renewal "
    "is routine; knocking on and on locks the account, and a secret in a log is a secret no more.",
    tested="A write is answered with 401 once: where the class has login it logs in once and the report arrives "
    "once, otherwise the outcome is Unauthorized. Then the gateway has wrong credentials: at most two tries, "
    "Unauthorized, one line in the log, the app left alone; with the right ones again the report arrives. No value "
    "of a secret may stand in a message, a log line or an exchange.",
    passing="Have headers built by a function that app.http calls for every try, and a method login that gets a new "
    "token once. Never put a token into a message.",
)
async def k14(trial: Trial) -> None:
    """Refuse the credential in the middle, then altogether."""
    _ = trial.subject.level
    async with trial.room() as room:
        if not outgoing(room):
            raise DoesNotApply("[secrets] names none by which the gateway proves itself")
        service = room.subject.service()
        fits, _kind = await writing(room, service)
        before, records = len(room.wire.seen), len(room.records())
        room.wire.when(fits, says(answer_of(401, b'{"message": "Unauthenticated."}')), name="expired")
        outcome = await room.submit(await room.submission(service))
        tries = sum(1 for seen in room.wire.seen[before:] if fits(seen))
        expect(room.wire.injected["expired"], "the request that writes was not seen")
        logs_in = hasattr(room.host.get(room.app).instance, "login")
        wanted = Verdict.ACCEPTED if logs_in else Verdict.UNAUTHORIZED
        expect(outcome.verdict is wanted, f"401 in the middle: {outcome.verdict} ({outcome.cause}), not {wanted}")
        expect(tries == 1 + logs_in, f"401 in the middle: {tries} tries")
        expect(len(room.records()) == records + logs_in, "401 in the middle: not one record")
    await _revoked(trial)


async def _revoked(trial: Trial) -> None:
    wrong = dict(trial.subject.secrets)
    async with trial.room() as room:
        fits, _ = await writing(room, room.subject.service())
        right = [wrong[f"GATEWAY_{room.app.upper()}_{name}"] for name in outgoing(room)]
        wrong |= {f"GATEWAY_{room.app.upper()}_{name}": f"{WRONG}-{name}" for name in outgoing(room)}
    logged = len(trial.log)
    async with trial.room(secrets=wrong) as room:
        outcome = await room.submit(await room.submission())
        expect(outcome.verdict is Verdict.UNAUTHORIZED, f"wrong credential: {outcome.verdict} ({outcome.cause})")
        key = await room.file()
        await room.travel(61.0)
        await room.carry()
        tries = sum(1 for seen in room.wire.seen if fits(seen))
        expect(tries <= 4, f"wrong credential: {tries} tries for two reports")
        expect(not room.records(), "wrong credential: the app has taken something")
        expect(
            (await room.delivery(key))["state"] == DeliveryState.QUEUED, "wrong credential: the report does not wait"
        )
        paused = [line for line in trial.log[logged:] if line.get("event") == "connector.paused"]
        expect(len(paused) == 1, f"wrong credential: {len(paused)} lines in the log, one is needed")
        shown = json.dumps([repr(outcome), [repr(line) for line in trial.log]])
        shown += json.dumps([[alert["detail"], alert["subject"]] for alert in await room.alerts()], default=str)
        for value in (*right, WRONG):
            expect(value not in shown, "a secret stands in a message, a log line or an exchange")
        room.environ.update(trial.subject.secrets)
        row = await room.ends(key)
        expect(row["state"] == DeliveryState.ACCEPTED, f"right again: {row['state']} ({row['cause']})")
        expect(len(room.records_of(key)) == 1, "right again: not one record")


@rule(
    "K15",
    Tier.SILVER,
    "It slows down when the app asks, and never goes beyond its limit",
    why="The apps are small. A gateway that floods one of them takes it away from its own officers.",
    tested="A write is answered with 429 and with 503, with Retry-After in seconds and as a date: nothing is asked "
    "of the app until that very second, then the report arrives. Then more requests than the app bears in a while: "
    "it must not once have to say 429.",
    passing="Write the app's documented limit into [limits]: rate_per_s and concurrency. Do not catch Retryable.",
)
async def k15(trial: Trial) -> None:
    """Ask it to wait; then hurry it."""
    _ = trial.subject.level
    for status in (429, 503):
        for dated in (False, True):
            async with trial.room() as room:
                fits, _kind = await writing(room, room.subject.service())
                await _wait(room, fits, status, dated=dated)
    async with trial.room(limited=True) as room:
        await _hurry(room)


async def _wait(room: Room, fits: Fits, status: int, *, dated: bool) -> None:
    where = f"{status}, Retry-After {'as a date' if dated else 'in seconds'}"
    now = room.time.now()
    headers = {"date": format_datetime(now, usegmt=True), "retry_after": f"{_AFTER:.0f}"}
    if dated:
        headers["retry_after"] = format_datetime(now + timedelta(seconds=_AFTER), usegmt=True)
    key = await room.file()
    room.wire.when(fits, says(answer_of(status, b"{}", **headers)), name="wait")
    await room.carry()
    expect(room.wire.injected["wait"], f"{where}: the request that writes was not seen")
    row = await room.delivery(key)
    expect(row["state"] == DeliveryState.QUEUED, f"{where}: {row['state']} ({row['cause']}), not waiting")
    asked = len(room.wire.seen)
    await room.travel(_AFTER - 1.0)
    await room.carry()
    await room.look()
    expect(len(room.wire.seen) == asked, f"{where}: the app was asked before {_AFTER:.0f} s had passed")
    await room.travel(1.1)
    await room.carry()
    expect(len(room.wire.seen) > asked, f"{where}: {_AFTER:.0f} s have passed, and the report still waits")
    row = await room.ends(key)
    expect(row["state"] == DeliveryState.ACCEPTED, f"{where}: {row['state']} ({row['cause']})")
    expect(len(room.records_of(key)) == 1, f"{where}: not one record")


async def _hurry(room: Room) -> None:
    """Ask for more than the app bears at once; time goes on only while nothing is under way."""
    count, _seconds = room.sandbox.limit
    submissions = [await room.submission() for _ in range(count + 10)]
    calls: list[Any] = [room.submit(one, _PATIENCE_S) for one in submissions]
    await room.all_of(calls)
    refused = [entry for entry in room.journal() if entry["status"] == 429]
    expect(not refused, f"the app had to refuse {len(refused)} of {len(room.journal())} requests: [limits] is too high")
    expect(len(room.journal()) > count, "too few requests arrived to know")
