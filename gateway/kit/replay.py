"""Bronze: the contract. Recorded exchanges replay against the simulated app and against the connector."""

import asyncio
import json
import re
from typing import Any, Final
from urllib.parse import quote

from gateway.kernel.host import HookRefused
from gateway.kit.contract import Answered, Asked, Sample
from gateway.kit.faults import says
from gateway.kit.room import Room
from gateway.kit.rule import expect, fail, rule
from gateway.kit.traces import pieces
from gateway.kit.trial import Trial
from gateway.kit.wire import Seen, answer_of, body_of, headers_of, status_of
from gateway.model.catalogue import Service
from gateway.model.delivery import Verdict
from gateway.sdk import Unreadable
from gateway.sdk.tier import Tier

KEY: Final = re.compile(r"BRU-[0-9A-Z]{4}-[0-9A-Z]{4}-[1-9][0-9]{0,5}")
_PATH_SAFE: Final = "/%?&=:+,;@!$'()*~-._"


@rule(
    "K02",
    Tier.BRONZE,
    "The contract is kept by both sides",
    why="No app can be asked a hundred times a day whether everything is still as agreed. The samples are what was "
    "agreed; a simulated app that behaves differently from them makes every other rule worthless.",
    tested="All samples of contract/ are played in their order to the simulated app: status, the headers that are "
    "named and body must be as recorded, webhooks byte for byte with their signature. Then the connector meets "
    "them: recorded receipts are read, what it sends to a recorded address has the recorded fields, every key of "
    "the samples is found or not found as it stands in the app, recorded webhooks are proven and understood.",
    passing="The message names the sample. Mend whichever side is wrong; where the app itself has changed, record "
    "the sample again (README of the folder says how) and look at what else relied on it.",
)
async def k02(trial: Trial) -> None:
    """Play the samples to the simulated app, then meet the connector with them."""
    samples = trial.subject.contract
    expect(samples, "contract/ holds no samples", "Record one exchange per kind of request into contract/.")
    async with trial.room() as room:
        room.ear.keeps = True
        for sample in samples:
            await _simulated(room, sample)
        await room.travel(room.manifest.settle_s)
        await _found(room, samples)
        _heard(room, samples)
    async with trial.room() as room:
        await _received(room, samples)


async def _simulated(room: Room, sample: Sample) -> None:
    for step in sample.given:
        answer = await play(room, step)
        expect(answer.status < 300, f"{sample.name}: the app refuses {step.path} ({answer.status})")
    if sample.from_app:
        owed = [heard.body for heard in room.ear.heard]
        owed += [one.body.encode() for one in room.sandbox.store.callbacks.values()]
        expect(sample.request.raw in owed, f"{sample.name}: the app does not send this webhook, byte for byte")
        signed = room.sandbox.signed(sample.request.raw, room.sandbox.now())
        given = {name.lower(): value for name, value in sample.request.headers.items()}
        for name, value in signed.items():
            expect(given.get(name.lower()) == value, f"{sample.name}: header {name} is signed otherwise")
        return
    found = await play(room, sample.request)
    expected = sample.response
    base = room.wire.target or ""
    body = json.loads(json.dumps(found.body).replace(base, "{base}"))
    expect(found.status == expected.status, f"{sample.name}: status {found.status}, recorded {expected.status}")
    headers = {name.lower(): value for name, value in found.headers.items()}
    for name, value in expected.headers.items():
        expect(headers.get(name.lower()) == value, f"{sample.name}: header {name} is {headers.get(name.lower())!r}")
    expect(body == expected.body, f"{sample.name}: the body differs at {difference(expected.body, body)}")


async def play(room: Room, asked: Asked) -> Answered:
    """Send a recorded request to the app itself, as it is."""
    host = (room.wire.target or "").removeprefix("http://")
    lines = [f"{asked.method} {quote(asked.path, safe=_PATH_SAFE)} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in asked.headers.items()]
    lines += [f"Content-Length: {len(asked.raw)}", "Connection: close"]
    answer = await room.wire.forwarded("\r\n".join(lines).encode() + b"\r\n\r\n" + asked.raw)
    await asyncio.sleep(0)
    head = answer.partition(b"\r\n\r\n")[0]
    headers = headers_of(head + b"\r\n")
    text = body_of(answer).decode("utf-8", "replace")
    is_json = headers.get("content-type", "").startswith("application/json")
    return Answered(status=status_of(answer), headers=headers, body=json.loads(text) if is_json and text else text)


def difference(expected: Any, found: Any, path: str = "$") -> str:
    """Return where two JSON values differ first; no values, for they may be somebody's."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in sorted({*expected, *found}, key=str):
            if name not in found or name not in expected:
                return f"{path}.{name} (only {'recorded' if name in expected else 'answered'})"
            if expected[name] != found[name]:
                return difference(expected[name], found[name], f"{path}.{name}")
    if isinstance(expected, list) and isinstance(found, list):
        for place, (one, other) in enumerate(zip(expected, found, strict=False)):
            if one != other:
                return difference(one, other, f"{path}[{place}]")
        return f"{path} ({len(expected)} recorded, {len(found)} answered)"
    return path


async def _found(room: Room, samples: tuple[Sample, ...]) -> None:
    """Look up every key that a recorded look-up names, while the app stands as the samples left it."""
    if not room.host.can(room.app, "find"):
        return
    keys = {key for sample in samples if sample.request.method == "GET" for key in KEY.findall(sample.request.path)}
    for key in sorted(keys):
        records = room.records_of(key)
        outcome = await room.host.find(room.app, key)
        if records:
            values = [one.value for one in outcome.receipt.references] if outcome.receipt else []
            expect(records[0]["reference"] in values, f"{key} of the samples is in the app and is not found")
        elif not any(message["key"] == key for record in room.records() for message in record["messages"]):
            expect(outcome.absent, f"{key} is not in the app; the look-up says {outcome.verdict} ({outcome.cause})")


def _heard(room: Room, samples: tuple[Sample, ...]) -> None:
    """Prove and understand every recorded webhook."""
    for sample in samples:
        if not sample.from_app:
            continue
        try:
            hook = room.host.verify(room.app, sample.request.headers, sample.request.raw)
        except HookRefused as refused:
            fail(f"{sample.name}: the recorded webhook is not believed ({refused.reason})")
        outcome = room.host.receive(room.app, hook)
        unread = outcome.batch is None or any(isinstance(one, Unreadable) for one in outcome.batch.news)
        expect(not unread, f"{sample.name}: the recorded webhook is not understood ({outcome.cause or 'unreadable'})")


async def _received(room: Room, samples: tuple[Sample, ...]) -> None:
    """Send reports to the recorded addresses: the recorded receipts must be read, the fields be the recorded ones."""
    routes = await routes_of(room)
    for sample in samples:
        keys = KEY.findall(sample.request.raw.decode("utf-8", "replace"))
        if sample.from_app or not sample.request.writes or not keys or not 200 <= sample.response.status < 300:
            continue
        services = [
            one for one, seen in routes if (seen.method, seen.path) == (sample.request.method, sample.request.route)
        ]
        if not services or sample.given or _refuses(sample, room):
            continue
        text = json.dumps(sample.response.body).replace("{base}", room.wire.url)
        submission = await room.submission(_service_like(room, services, sample), key=keys[0])
        room.wire.when(at(sample), says(answer_of(sample.response.status, text.encode(), sample.response.media_type)))
        outcome = await room.submit(submission)
        expect(
            outcome.verdict is Verdict.ACCEPTED and outcome.receipt is not None,
            f"{sample.name}: the recorded receipt is not read ({outcome.verdict}, {outcome.cause})",
        )
        assert outcome.receipt is not None
        for reference in outcome.receipt.references:
            number = reference.value.rpartition(":")[2]
            expect(number in text, f"{sample.name}: the receipt names {reference.kind} that the answer does not hold")
        _fields(sample, [one for one in room.wire.seen if one.path == sample.request.path][-1], samples)
        room.wire.clear()


def _refuses(sample: Sample, room: Room) -> bool:
    return any(refusal.sample == sample.name for refusal in room.subject.hints.refusals)


def _service_like(room: Room, services: list[Service], sample: Sample) -> Service:
    """Return the service whose category stands in the sample, else the first."""
    text = sample.request.raw.decode("utf-8", "replace")
    for service in services:
        word = room.subject.outward[service.code]
        if word in text or word.rpartition("/")[2] in text:
            return service
    return services[0]


def _fields(sample: Sample, seen: Seen, samples: tuple[Sample, ...]) -> None:
    """Compare the names of the fields at the top of a body with those of all samples of the same address."""
    alike = [
        {name for name, _ in pieces(one.request.headers.get("Content-Type", ""), one.request.raw)}
        for one in samples
        if (one.request.method, one.request.route) == (sample.request.method, sample.request.route)
    ]
    sent = {name for name, _ in pieces(seen.headers.get("content-type", ""), seen.body)}
    unknown, missing = sent.difference(*alike), set[str].intersection(*alike) - sent
    expect(not unknown, f"{sample.name}: the connector sends {', '.join(sorted(unknown))}, which no sample has")
    expect(not missing, f"{sample.name}: the connector leaves out {', '.join(sorted(missing))}, which every sample has")


def at(sample: Sample) -> Any:
    """Fits requests to the sample's address."""

    def fits(seen: Seen) -> bool:
        return seen.method == sample.request.method and seen.path.partition("?")[0] == sample.request.route

    return fits


async def routes_of(room: Room) -> list[tuple[Service, Seen]]:
    """Send a report of every service; return the request by which each was written."""
    routes = []
    for service in room.subject.services:
        before = len(room.wire.seen)
        outcome = await room.submit(await room.submission(service))
        writes = [exchange for exchange in outcome.exchanges if exchange.write]
        if writes:
            routes += [(service, one) for one in room.wire.seen[before:] if one.method == writes[-1].method][-1:]
    return routes
