"""Silver: what an app is told, and by whom it is told nothing."""

import asyncio
from typing import Final

import msgspec

from gateway.kit import filing
from gateway.kit.room import Room
from gateway.kit.rule import Failed, expect, rule
from gateway.kit.subject import Subject
from gateway.kit.traces import Sent
from gateway.kit.trial import Trial
from gateway.model.catalogue import Service
from gateway.sdk import AppError, Document, Submission, Submits
from gateway.sdk.tier import Tier

PERSON: Final = ("reporter.name", "reporter.phone", "reporter.email", "reporter.national_id")


@rule(
    "K16",
    Tier.SILVER,
    "Shares, and nothing else",
    why="Each field an app gets has a legal basis in [shares]. One that leaks has none, and cannot be taken back; a "
    "person who was promised to stay unknown is known for good.",
    tested="A canary in every field of a report of every service. What [shares] does not name must be in no "
    "request, however it is wrapped; also when the class is handed a report that nobody reduced. What [shares] "
    "names must arrive with at least one service. A hidden reporter's name, number, address of mail and NIK are in "
    "no request at all.",
    passing="Use from a Submission only what the app has a field for and [shares] names. A share that nothing ever "
    "uses is taken out of the manifest: what is not needed is not given.",
)
async def k16(trial: Trial) -> None:
    """Send canaries and look for them."""
    _ = trial.subject.level
    used: dict[str | None, set[str]] = {}
    async with trial.room() as room:
        room.ear.keeps = True
        for service in trial.subject.services:
            whole = await room.submission(service, documents=_documents(room, service))
            used.setdefault(_table(trial.subject, service), set()).update(await _reduced(room, service, whole))
            await _whole(room, service, whole)
            await _hidden(room, service, whole)
    for table, promised in _promised(trial.subject).items():
        unused = promised - used.get(table, set())
        where = "[shares]" if table is None else f"[profiles.{table}.shares]"
        expect(not unused, f"{where} names {', '.join(sorted(unused))}, and nothing of it is ever sent")


def _table(subject: Subject, service: Service) -> str | None:
    """Name the profile whose own shares hold for a service; None: the manifest's."""
    profile = subject.profile(service)
    own = subject.manifest.profiles.get(profile) if profile is not None else None
    return None if own is None or own.shares is None else profile


def _promised(subject: Subject) -> dict[str | None, set[str]]:
    """Return what each table of shares names and a report can hold; single answers are in no form but their own."""
    tables = [None, *(name for name, one in subject.manifest.profiles.items() if one.shares is not None)]
    promised = {}
    for table in tables:
        names = {name for name in subject.manifest.shares_of(table) if not name.startswith("attributes.")}
        if not any(service.fields for service in subject.services if _table(subject, service) == table):
            names.discard("attributes")
        promised[table] = names
    return promised


def _documents(room: Room, service: Service) -> tuple[Document, ...]:
    roles = filing.roles_of(room.subject, service)
    return (*(filing.document(number, role) for number, role in enumerate(roles, start=1)), filing.document(9))


def forms(whole: Submission) -> dict[str, tuple[str, ...]]:
    """Return how each shareable field of a canary report may look when it was sent."""
    codes = whole.site.codes
    assert codes is not None
    return {
        "reporter.name": (filing.NAME,),
        "reporter.phone": (filing.PHONE[-9:],),
        "reporter.email": (filing.EMAIL,),
        "reporter.national_id": (filing.NATIONAL_ID,),
        "description": (whole.text,),
        "place.point": ("4.413", "4,413"),
        "place.village": tuple(filter(None, (codes.kemendagri, codes.compact, codes.bps, codes.village))),
        "place.address": (filing.ADDRESS,),
        "place.landmark": (filing.LANDMARK,),
        "linked": tuple(one.value for one in whole.linked),
    }


def _held(sent: Sent, whole: Submission, name: str) -> bool:
    if name == "documents":
        return any(document.digest in sent.files for document in whole.documents)
    if name == "attributes":
        return any(sent.holds(str(value)) for value in whole.attributes.values())
    return sent.holds(*forms(whole)[name])


async def _reduced(room: Room, service: Service, whole: Submission) -> set[str]:
    """Send a report as the host does; return which shares were seen."""
    before = len(room.wire.seen)
    outcome = await room.submit(whole)
    expect(outcome.receipt, f"{service.code}: {outcome.verdict} ({outcome.cause})")
    sent, shares = Sent(room.wire.seen[before:]), room.subject.shares(service)
    for name in forms(whole):
        leaked = name not in shares and sent.holds(*forms(whole)[name])
        expect(not leaked, f"{service.code}: {name} is not shared and was sent")
    for name, value in whole.attributes.items():
        if "attributes" not in shares and f"attributes.{name}" not in shares and isinstance(value, str):
            expect(not sent.holds(value), f"{service.code}: attributes.{name} is not shared and was sent")
    return {name for name in shares if not name.startswith("attributes.") and _held(sent, whole, name)}


async def _whole(room: Room, service: Service, whole: Submission) -> None:
    """Hand the class a report that was not reduced, but for answers, files and links, which it may pass on unseen."""
    shares = room.subject.shares(service)
    prepared, _ = room.host.prepare(room.app, whole.profile, whole)
    fresh = await room.submission(service)
    bare = msgspec.structs.replace(
        prepared,
        key=fresh.key,
        code=fresh.code,
        title=whole.title,
        text=whole.text,
        site=whole.site,
        reporter=whole.reporter,
    )
    sent = await _direct(room, bare)
    for name in (*PERSON, "description", "place.point", "place.village", "place.address", "place.landmark"):
        leaked = name not in shares and sent.holds(*forms(whole)[name])
        expect(not leaked, f"{service.code}: the class sends {name} as soon as it gets it; [shares] does not name it")


async def _hidden(room: Room, service: Service, whole: Submission) -> None:
    """Hide the reporter: the app may know that there is one, and no more."""
    fresh = await room.submission(service)
    hidden = msgspec.structs.replace(
        whole, key=fresh.key, code=fresh.code, reporter=msgspec.structs.replace(whole.reporter, hidden=True)
    )
    before = len(room.wire.seen)
    await room.submit(hidden)
    sent = Sent(room.wire.seen[before:])
    for name in PERSON:
        expect(not sent.holds(*forms(whole)[name]), f"{service.code}: {name} of a hidden reporter was sent")


async def _direct(room: Room, submission: Submission) -> Sent:
    """Call submit without the host; what the app thinks of it does not matter here."""
    instance = room.host.get(room.app).instance
    if not isinstance(instance, Submits):
        raise Failed("the class has no method submit")
    before = len(room.wire.seen)
    call = asyncio.create_task(instance.submit(submission))
    await asyncio.wait({call})
    error = call.exception()
    if error is not None and not isinstance(error, AppError):
        raise Failed(f"submit fails with {type(error).__name__} on a report that was not reduced")
    await room.calm()
    return Sent(room.wire.seen[before:])
