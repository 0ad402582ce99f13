"""Gold: files. Photos go out with a report, documents of the app come in, and neither is taken from a stranger."""

import hashlib
import re
from typing import Final

import msgspec

from gateway.flows.inbound.fetch import LIMIT
from gateway.kit import filing
from gateway.kit.acting import Fits, arrived, shape, spelled
from gateway.kit.ear import Heard
from gateway.kit.faults import PAGE, changes, says
from gateway.kit.hints import Move
from gateway.kit.office import OFFICERS
from gateway.kit.room import Room
from gateway.kit.rule import DoesNotApply, expect, fail, rule
from gateway.kit.traces import Sent
from gateway.kit.trial import Trial
from gateway.kit.wire import Seen, answer_of, body_of, status_of, stranger
from gateway.model.catalogue import Service
from gateway.model.delivery import Command, DeliveryState, Verdict
from gateway.sdk import Amendment, Document
from gateway.sdk.tier import Tier

_BIG: Final = 6_000_000
_NAMES: Final = re.compile(r"\bdocuments\s*=")
_TELL: Final = "Say in the text that there is a file, with the report's code: '(1 lampiran ada di laporan …)'."


@rule(
    "K30",
    Tier.GOLD,
    "Photos go out, documents come in",
    why="A photo is often the whole report, and the answer of an office is often a file. A photo that is dropped "
    "silently sends a crew to the wrong pole; a link that is followed wherever it leads lets whoever can type into the "
    "app make the gateway fetch things inside our own network.",
    tested="A report with a photo of every service whose reports may carry documents: the photo is in what was sent, "
    "byte for byte, or the text says that it is in the report; a photo of 6 MB and one that comes with a later message "
    "likewise, or they are refused by name. Then an officer of the app adds a document (a move of kit.toml with "
    "document = true): it must be in the report with its very bytes. A web page in its place is no document and is "
    "asked for again; one that is too large is refused; for a link to another host nothing is asked of anybody.",
    passing="Send submission.documents as the app wants them, and count in the text what did not fit. Put what the app "
    "links to into Event.documents as Document(url=…) and let the gateway fetch it; document_headers says what the "
    "app wants to see.",
    exempt="Where an app's files cannot be had by machines yet, until its team has opened a way.",
)
async def k30(trial: Trial) -> None:
    """Send photos out and bring documents in."""
    subject = trial.subject
    opens = subject.manifest.level(Command.OPEN) is not None
    sharing = [one for one in subject.services if opens and "documents" in subject.shares(one)]
    moves = [move for move in subject.hints.moves if move.document]
    expect(
        moves or not _NAMES.search(_code(trial)),
        "the class names documents of the app, and no move of kit.toml brings one",
        "Add document = true to a [[moves]] of kit.toml after which the app has a document.",
    )
    if not sharing and not moves:
        raise DoesNotApply("[shares] has no documents, and the app's officers add none")
    if sharing:
        async with trial.room() as room:
            room.ear.keeps = True
            await _out(room, sharing)
    if moves:
        await _in(trial, moves[0])


def _code(trial: Trial) -> str:
    files = sorted(trial.subject.folder.glob("*.py"))
    code = [file for file in files if not file.name.startswith(("test_", "sandbox", "conftest"))]
    return "\n".join(file.read_text(encoding="utf-8") for file in code)


# -- out ---------------------------------------------------------------------------------------------------------------


async def _out(room: Room, services: list[Service]) -> None:
    carrying = None
    for service in services:
        before = len(room.wire.seen)
        key = await room.file(service, photos=1)
        row = await room.ends(key)
        where = f"{service.code} with a photo"
        expect(row["state"] == DeliveryState.ACCEPTED, f"{where}: {row['state']} ({row['cause']})")
        photos = {one["digest"] for one in await room.attached(key) if one["role"] is None}
        sent = Sent(room.wire.seen[before:])
        if photos <= sent.files:
            carrying = carrying or service
        else:
            expect(_told(sent, key), f"{where}: it is not in what was sent, and the text does not say so", _TELL)
    if carrying is None:
        fail("[shares] has documents, and no report carries one", "Take documents out of [shares], or send them.")
    await _big(room, carrying)
    message = room.manifest.level(Command.MESSAGE)
    if message is not None and {"documents", "description"} <= set(room.subject.shares(carrying)):
        await _later(room, carrying)


async def _big(room: Room, service: Service) -> None:
    """Send a photo that is larger than most apps take."""
    content = filing.picture(11) + bytes(_BIG)
    photo = Document(
        name="kenari-11.png", media_type="image/png", digest=hashlib.sha256(content).hexdigest(), content=content
    )
    whole = await room.submission(service)
    whole = msgspec.structs.replace(whole, documents=(*whole.documents, photo))
    before = len(room.wire.seen)
    outcome = await room.submit(whole)
    if outcome.verdict is Verdict.REJECTED:
        expect(outcome.field, "a photo of 6 MB: refused without the name of a field")
        return
    expect(outcome.receipt, f"a photo of 6 MB: {outcome.verdict} ({outcome.cause})")
    _there(Sent(room.wire.seen[before:]), photo, whole.key, "a photo of 6 MB")


async def _later(room: Room, service: Service) -> None:
    """Send a photo with a message."""
    key, _ = await arrived(room, service)
    photo, before = filing.document(12), len(room.wire.seen)
    amendment = Amendment(
        key=f"{key[:-1]}2",
        code=key[:-2],
        command=Command.MESSAGE,
        text="Ini fotonya",
        at=room.time.now(),
        documents=(photo,),
    )
    outcome = await room.host.amend(room.app, (await room.numbers(key))[0], amendment)
    await room.calm()
    if outcome.verdict is Verdict.REJECTED:
        expect(outcome.field, "a message with a photo: refused without the name of a field")
        return
    expect(outcome.receipt, f"a message with a photo: {outcome.verdict} ({outcome.cause})")
    _there(Sent(room.wire.seen[before:]), photo, key, "a message with a photo")


def _there(sent: Sent, photo: Document, key: str, where: str) -> None:
    there = photo.digest in sent.files or _told(sent, key)
    expect(there, f"{where}: it is not in what was sent, and the text does not say so", _TELL)


def _told(sent: Sent, key: str) -> bool:
    """Tell whether a text names the report beside the delivery's key, for whoever looks for a file."""
    code = re.compile(re.escape(key.rpartition("-")[0]) + r"(?!-\d)")
    return any(code.search(text) for text in sent.texts)


# -- in ----------------------------------------------------------------------------------------------------------------


async def _in(trial: Trial, move: Move) -> None:
    async with trial.room() as room:
        key = await _with_document(room, move)
        before = len(room.wire.seen)
        await room.fetch()
        asked = room.wire.seen[before:]
        await _kept(room, key, "a document of the app")
        await room.employ()
        await room.hear(70.0)
        await room.fetch()
        expect(await room.said(key, "document.received") == 1, "a document is told of more than once")
    if not asked:
        return  # its bytes came with the news: there is no link
    link = asked[-1]
    async with trial.room() as room:
        await _not_a_page(room, move, link)
    async with trial.room() as room:
        key = await _with_document(room, move)
        large = filing.picture(OFFICERS) + bytes(LIMIT)
        room.wire.when(_like(link), says(answer_of(200, large, "image/png")), name="large")
        await room.fetch()
        await _refused(room, key, "a document over 10 MB", "too_large")
    async with trial.room() as room:
        await _foreign(room, move, link.path)


def _like(link: Seen) -> Fits:
    return lambda seen: shape(seen) == shape(link)


async def _with_document(room: Room, move: Move) -> str:
    """File a report and let the app's officer add a document; return its key once the news was heard."""
    service = room.subject.service_of_word(move.to)
    key, reference = await arrived(room, service)
    await room.hear()
    for before in move.before:
        await room.move(reference, spelled(room.subject.move(before)))
        await room.hear()
    await room.move(reference, spelled(move))
    await room.hear()
    return key


async def _kept(room: Room, key: str, where: str) -> None:
    digest = hashlib.sha256(filing.picture(OFFICERS)).hexdigest()
    found = [one["digest"] for one in await room.attached(key) if one["app"] == room.app]
    named = [f"{one['state']} ({one['cause']})" for one in await room.documents(key)]
    expect(found, f"{where} is not in the report: {', '.join(named) or 'the news names none'}")
    expect(found == [digest], f"{where} has arrived with other bytes, or more than once")


async def _refused(room: Room, key: str, where: str, cause: str) -> None:
    became = [(one["state"], one["cause"]) for one in await room.documents(key)]
    expect(became == [("refused", cause)], f"{where}: {became or 'never named'}, not refused")
    expect(not [one for one in await room.attached(key) if one["app"] == room.app], f"{where}: kept all the same")
    expect(await room.said(key, "document.refused") == 1, f"{where}: the reporter is not told")


async def _not_a_page(room: Room, move: Move, link: Seen) -> None:
    key = await _with_document(room, move)
    room.wire.when(_like(link), says(answer_of(200, PAGE, "text/html")), name="page")
    await room.fetch()
    expect(room.wire.injected["page"], "the document is asked for at another address each time")
    found = [one for one in await room.attached(key) if one["app"] == room.app]
    expect(not found, "a web page in the place of a document is taken for it")
    await room.travel(3600.0)
    await room.fetch()
    await _kept(room, key, "a document, asked for again after a web page,")


async def _foreign(room: Room, move: Move, path: str) -> None:
    async with stranger() as (url, callers):
        own = (room.wire.url + path).encode()

        def lead_away(body: bytes) -> bytes:
            away = body.replace(own, (url + path).encode())
            return away if away != body else body.replace(path.encode(), (url + path).encode())

        def change(answer: bytes) -> bytes:
            body = body_of(answer)
            return answer if lead_away(body) == body else answer_of(status_of(answer), lead_away(body))

        room.ear.keeps = True
        room.wire.when(lambda seen: True, changes(change), times=1000, name="led away")
        key = await _with_document(room, move)
        for heard in room.ear.heard:
            await room.ear.pass_on(_signed_anew(room, heard, lead_away(heard.body)))
        await room.apply()
        await room.fetch()
        await _refused(room, key, "a link to another host", "foreign_host")
        expect(not callers, "a link to another host is followed")


def _signed_anew(room: Room, heard: Heard, body: bytes) -> Heard:
    if body == heard.body:
        return heard
    signed = room.sandbox.signed(body, room.sandbox.now())
    return Heard(heard.headers | {name.lower(): value for name, value in signed.items()}, body)
