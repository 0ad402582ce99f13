"""Silver: what people write, in every script and at any length."""

import json
from typing import Any, Final

import msgspec

from gateway.kit.acting import gather, journey
from gateway.kit.room import Room
from gateway.kit.rule import DoesNotApply, expect, rule
from gateway.kit.trial import Trial
from gateway.model.delivery import Verdict
from gateway.model.text import fault
from gateway.sdk.tier import Tier

_END: Final = "akhir-kenari"
TEXTS: Final = {
    "Bugis": "ᨅᨑᨘ ᨈᨛᨄᨘ ᨕᨗ",
    "Arabic": "مياه الفيضان في القرية",
    "emoji": "👩‍🚒 kebakaran 🔥🏚️ segera 🇮🇩",
    "right to left": "pasar \u202eطريق\u202c rusak \u2067ماء\u2069 selesai",
    "combining marks": "é ñ ạ̈ o͝o",
    "quotes and angles": "\"Jalan\" 'rusak' <b>parah</b> & licin \\ 100% {x} [y] %s",
    "lines and tabs": "baris satu\nbaris dua\r\n\tbaris tiga",
}
"""Texts by what is difficult about them."""
LENGTHS: Final = (4_000, 12_000, 60_000)
HALVES: Final = {"NUL": "kenari\x00rusak", "half a character": "kenari\ud83drusak"}


@rule(
    "K22",
    Tier.SILVER,
    "Text is carried whole, or refused by name",
    why="A cut text reads like a whole one. Whoever wrote three pages about a bribe must not be answered as if he "
    "had written one.",
    tested="Bugis, Arabic, emoji, text from right to left, quotes, line breaks; then 4,000, 12,000 and 60,000 "
    "characters. Each is either in the app's record to the last character, or refused as Rejected with the field; "
    "never cut, never in doubt. Half characters and NUL, which the gateway's own door refuses, come from the app in "
    "a row: they must not hide other rows.",
    passing="Check the app's limits in wire.py and raise Rejected('…', 'description') beyond them. A title may be "
    "shortened; a text never.",
)
async def k22(trial: Trial) -> None:
    """Send what people write."""
    _ = trial.subject.level
    service = trial.subject.service()
    if "description" not in trial.subject.shares(service):
        raise DoesNotApply("[shares] has no description: what people write does not go to this app")
    async with trial.room() as room:
        room.ear.keeps = True
        for name, text in TEXTS.items():
            await _carried(room, name, f"{text} {_END}")
        for length in LENGTHS:
            filler = "Air naik dan warga menunggu. " * (length // 20)
            await _carried(room, f"{length:,} characters", filler[: length - len(_END) - 1] + " " + _END)
    for name, text in HALVES.items():
        expect(fault(text), f"{name} is let in at the door")
    if trial.subject.manifest.poll is not None:
        async with trial.room() as room:
            await _halves(room)


async def _carried(room: Room, name: str, text: str) -> None:
    submission = await room.submission(text=text)
    outcome = await room.submit(submission)
    if outcome.verdict is Verdict.REJECTED:
        expect(outcome.field, f"{name}: refused without the name of a field")
        expect(len(text) > 1000, f"{name}: refused")
        return
    expect(
        outcome.verdict is Verdict.ACCEPTED,
        f"{name}: {outcome.verdict} ({outcome.cause}), neither carried nor refused by name",
    )
    (record,) = room.records_of(submission.key) or [None]
    expect(record, f"{name}: accepted, and no record is in the app")
    assert record is not None
    whole = _plain(text) in _plain(json.dumps(record["fields"], ensure_ascii=False))
    expect(whole or _stands_in(record["fields"], text), f"{name}: the app has not got all of it")


def _stands_in(value: Any, text: str) -> bool:
    if isinstance(value, str):
        return _plain(text) in _plain(value)
    if isinstance(value, dict):
        return any(_stands_in(one, text) for one in value.values())
    return isinstance(value, list) and any(_stands_in(one, text) for one in value)


def _plain(text: str) -> str:
    """Return a text with its line ends written one way."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


async def _halves(room: Room) -> None:
    """Let a record of the app hold NUL and half a character; the others must still arrive."""
    room.ear.keeps = True
    service, moves = journey(room.subject)
    _, cursor = await gather(room, None)
    for _ in range(3):
        await room.submit(await room.submission(service))
    references = [str(record["reference"]) for record in room.records()][-3:]
    for reference in references:
        await room.move(reference, moves[0])
    record = room.sandbox.store.records[references[1]]
    texts = {name: value for name, value in record.row.items() if isinstance(value, str) and "kenari" in value.lower()}
    for name, value in texts.items():
        spoiled = {**record.row, name: value + HALVES["NUL"] + HALVES["half a character"]}
        room.sandbox.store.put(msgspec.structs.replace(record, row=spoiled))
        room.sandbox.store.note()
        break
    await room.travel(3.0)
    news, _ = await gather(room, cursor)
    told = {reference for one in news for reference in references if reference in repr(one)}
    missed = [reference for reference in (references[0], references[2]) if reference not in told]
    expect(not missed, "NUL and half a character in one row of the app hide other rows")
