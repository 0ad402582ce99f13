"""Silver: what people write, in every script and at any length."""

import json
from typing import Any, Final

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
    "never cut, never in doubt. Half characters and NUL the gateway's own door refuses; in a row of the app they are "
    "K20's question.",
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
    records = room.records_of(submission.key)
    expect(len(records) == 1, f"{name}: accepted, and {len(records)} records are in the app")
    record = records[0]
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
