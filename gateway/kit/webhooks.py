"""Silver: webhooks. Proof before anything is read, and no matter in which order they come."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from gateway.kernel.host import HookRefused
from gateway.kit.acting import arrived, journey, needs_webhook
from gateway.kit.ear import Heard
from gateway.kit.room import Room
from gateway.kit.rule import Failed, expect, rule
from gateway.kit.trial import Trial
from gateway.model.delivery import Command
from gateway.sdk import Look, News, Unreadable
from gateway.sdk.manifest import Scheme, Webhook
from gateway.sdk.tier import Tier

_STANDARD: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
_PLAIN: Final = frozenset({"content-type", "content-length", "host", "accept", "user-agent", "accept-encoding"})


async def calls(room: Room) -> list[Heard]:
    """Let the app call: something begins, is moved, and every webhook about it is kept. Returns them in their order."""
    room.ear.keeps = True
    if room.manifest.level(Command.OPEN) is not None:
        service, moves = journey(room.subject)
        _key, reference = await arrived(room, service)
        for move in moves:
            await room.travel(2.0)
            await room.move(reference, move)
            await room.called()
    for birth in room.subject.hints.born[:1]:
        await room.bear(birth.fields)
    await room.called()
    if not room.ear.heard:
        raise Failed("the simulated app has never called", "Let sandbox.py owe a webhook about every change.")
    return list(room.ear.heard)


def proof_of(webhook: Webhook) -> frozenset[str]:
    """Return the headers that prove a webhook, in lower case."""
    if webhook.scheme is Scheme.STANDARD:
        return frozenset(_STANDARD)
    if webhook.scheme is Scheme.BEARER:
        return frozenset({"authorization"})
    return frozenset(name.lower() for name in (webhook.timestamp_header, webhook.signature_header) if name)


def signature_of(webhook: Webhook) -> str:
    """Return the header that holds signature or token, in lower case."""
    if webhook.scheme is Scheme.STANDARD:
        return "webhook-signature"
    return "authorization" if webhook.scheme is Scheme.BEARER else str(webhook.signature_header).lower()


@rule(
    "K17",
    Tier.SILVER,
    "A webhook is proven before it is read",
    why="The address that apps call is open to the whole world. Whoever can make the gateway believe a webhook can "
    "close a fire that burns.",
    tested="Genuine webhooks of the simulated app are spoiled: without proof, with a wrong one, too old, from the "
    "future, changed, written anew with the same content, sent again later. Each must be refused before the class "
    "sees it and leave nothing behind; sent again at once it must bring nothing new. With two signatures of which "
    "one is right (a secret is being replaced) it is accepted. Headers that prove nothing must not change what is "
    "understood; a static token may carry hints only.",
    passing="Name scheme, headers and window in [webhook] as the app signs them, and read the signed body only. "
    "With a static token return Look(...): what is true is read from the app.",
)
async def k17(trial: Trial) -> None:
    """Spoil genuine webhooks."""
    needs_webhook(trial)
    webhook = trial.subject.manifest.webhook
    assert webhook is not None
    async with trial.room() as room:
        genuine = (await calls(room))[-1]
        rows = len(await room.inbox())
        for way, spoiled in (await spoilings(room, webhook, genuine)).items():
            status = await room.ear.pass_on(spoiled)
            expect(status not in range(200, 300), f"{way}: believed ({status})")
        expect(len(await room.inbox()) == rows, "a webhook that was refused has left something behind")
        _unproven(room, webhook, genuine)
        if webhook.scheme in {Scheme.HMAC, Scheme.STANDARD}:
            doubled = Heard(genuine.headers | {signature_of(webhook): _both(webhook, genuine)}, genuine.body)
            expect(await room.ear.pass_on(doubled) == 202, "two signatures, one of them right: refused")
        expect(await room.ear.pass_on(genuine) == 202, "a genuine webhook is refused")
        rows = len(await room.inbox())
        expect(rows, "a genuine webhook has brought nothing")
        expect(await room.ear.pass_on(genuine) == 202, "a genuine webhook, sent again: refused")
        expect(len(await room.inbox()) == rows, "a genuine webhook, sent again, brings something new")
        if webhook.scheme in {Scheme.HMAC, Scheme.STANDARD}:
            await room.travel(webhook.window_s + 2.0)
            expect(await room.ear.pass_on(genuine) != 202, "replayed after its window: believed")


async def spoilings(room: Room, webhook: Webhook, genuine: Heard) -> dict[str, Heard]:
    """Return a genuine webhook in every form in which it must not be believed, by what was done to it."""
    proof, signature, body = proof_of(webhook), signature_of(webhook), genuine.body
    bare = {name: value for name, value in genuine.headers.items() if name not in proof}
    wrong = _altered(genuine.headers.get(signature, ""))
    ways = {
        "no proof": Heard(bare, body),
        "wrong proof": Heard(genuine.headers | {signature: wrong}, body),
        "empty proof": Heard(genuine.headers | {signature: ""}, body),
    }
    if webhook.scheme not in {Scheme.HMAC, Scheme.STANDARD}:
        return ways
    ways["changed body"] = Heard(genuine.headers, body.replace(b"}", b" }", 1) if b"}" in body else body + b" ")
    anew = json.dumps(json.loads(body), separators=(",", ":"), sort_keys=True).encode() if body[:1] == b"{" else body
    if anew != body:
        ways["written anew"] = Heard(genuine.headers, anew)
    for way, off in {"too old": -webhook.window_s - 5, "from the future": webhook.window_s + 5}.items():
        signed = room.sandbox.signed(body, room.sandbox.now() + timedelta(seconds=off))
        ways[way] = Heard(bare | {name.lower(): value for name, value in signed.items()}, body)
    return ways


def _altered(value: str) -> str:
    """Return a signature or token with its last letter or digit changed."""
    for place in range(len(value) - 1, -1, -1):
        if value[place].isalnum():
            return value[:place] + ("a" if value[place] not in "aA" else "b") + value[place + 1 :]
    return "x"


def _both(webhook: Webhook, genuine: Heard) -> str:
    """Return a wrong signature and the right one in one header."""
    right = genuine.headers[signature_of(webhook)]
    first = right.split()[0].split(",v")[0]
    return f"{_altered(first)} {right}" if webhook.scheme is Scheme.STANDARD else f"{_altered(right)},{right}"


def _unproven(room: Room, webhook: Webhook, genuine: Heard) -> None:
    """Look at what is understood: nothing may come from what was not proven."""
    proof = proof_of(webhook)
    changed = {
        name: value if name in proof | _PLAIN else f"kenari-{value}"[:200] for name, value in genuine.headers.items()
    }
    first, second = _understood(room, genuine), _understood(room, Heard(changed, genuine.body))
    expect(first == second, "a header that proves nothing changes what is understood")
    if webhook.hints_only:
        believed = [one for one in _given(room, genuine) if not isinstance(one, Look | Unreadable)]
        expect(not believed, "a static token proves nothing of the content, and the class believes it: return Look")


def _understood(room: Room, heard: Heard) -> Sequence[News]:
    try:
        hook = room.host.verify(room.app, heard.headers, heard.body)
    except HookRefused as refused:
        raise Failed(f"a genuine webhook is refused ({refused.reason})") from None
    outcome = room.host.receive(room.app, hook)
    if outcome.batch is None:
        raise Failed(f"a genuine webhook is not understood ({outcome.cause})")
    return outcome.batch.news


def _given(room: Room, heard: Heard) -> Sequence[News]:
    """Return what the class itself makes of a webhook, before the host takes it for a hint."""
    instance = room.host.get(room.app).instance
    news: Sequence[News] = instance.receive(room.host.verify(room.app, heard.headers, heard.body))  # type: ignore[attr-defined]
    return news


@rule(
    "K18",
    Tier.SILVER,
    "The order of webhooks cannot matter",
    why="Networks delay, apps send again, and two webhooks of one second overtake each other. A case must not go "
    "back because an old message came late.",
    tested="Two reports go the same way through the app. The webhooks of the first are heard in order; those of the "
    "second are held back, then heard backwards and each twice. Both cases must end in the same status and know the "
    "same words.",
    passing="Give events the app's own running number (seq) or its time, and an id that is the same each time. "
    "Nothing in the class may remember what came before.",
)
async def k18(trial: Trial) -> None:
    """Hear the same in order and backwards."""
    needs_webhook(trial)
    _ = trial.subject.level
    ended = []
    for backwards in (False, True):
        async with trial.room() as room:
            room.ear.keeps = True
            service, moves = journey(trial.subject)
            key, reference = await arrived(room, service)
            for move in moves:
                await room.travel(2.0)
                await room.move(reference, move)
                await room.called()
            heard = list(room.ear.heard)
            expect(len(heard) >= len(moves), f"{len(moves)} moves, {len(heard)} webhooks")
            if backwards:
                heard = [one for one in reversed(heard) for _ in range(2)]
            await room.travel(30.0)
            for one in heard:
                status = await room.ear.pass_on(one)
                expect(status == 202, f"a genuine webhook is refused ({status})")
                if backwards:
                    await room.apply()
            await room.apply()
            words = sorted({event.word for event in await room.events(key) if event.word})
            ended.append(((await room.case(key))["status"], words))
    (in_order, words), (reordered, other_words) = ended
    expect(in_order == reordered, f"in order the case is {in_order}, backwards {reordered}")
    if not trial.subject.manifest.webhook or not trial.subject.manifest.webhook.hints_only:
        missed = sorted(set(words) - set(other_words))
        expect(not missed, f"backwards {', '.join(missed)} is not known")
