"""Silver: records that begin in the app."""

from typing import Final

from gateway.kernel.ledger.reading import Whole
from gateway.kit import queries
from gateway.kit.acting import needs_news
from gateway.kit.hints import Birth
from gateway.kit.room import Room
from gateway.kit.rule import DoesNotApply, expect, rule
from gateway.kit.trial import Trial
from gateway.model.report import Identity
from gateway.sdk.tier import Tier

_STEPS: Final = "Describe one in kit.toml, [[born]]: fields in the app's own shape, service, name, phone, hidden."


@rule(
    "K21",
    Tier.SILVER,
    "A record born in the app opens one report here",
    why="Whoever rings 112 or stands at a counter is a reporter like any other: the report must be one, in the "
    "right service, and his wish not to be known must come along.",
    tested="Every record of kit.toml, [[born]], begins in the simulated app. By webhook or poll exactly one report "
    "must open, with the service of [categories.in], the reporter's name and number, hidden where he asked for it; "
    "hearing everything again, and a new process, must open no second one. What reports of the gateway itself leave "
    "in the app must open nothing.",
    passing="Give the event an Opening when it carries no key of ours and its kind is in [opening] kinds. Map the "
    "app's own form of a hidden reporter to Person(hidden=True), without a name.",
)
async def k21(trial: Trial) -> None:
    """Let records begin in the app."""
    needs_news(trial)
    if not trial.subject.manifest.opening.kinds:
        raise DoesNotApply("[opening] names no kinds: no record of the app opens a report here")
    births = trial.subject.hints.born
    expect(births, "no record that begins in the app is described", _STEPS)
    hidden = any(birth.hidden for birth in births)
    for number, birth in enumerate(births, start=1):
        async with trial.room() as room:
            await _born(room, birth, f"[[born]] {number}")
    expect(hidden or len(births) > 1, "no hidden reporter is described", _STEPS)


async def _born(room: Room, birth: Birth, where: str) -> None:
    own = []
    if room.manifest.levels:
        own = [(await room.file()).rpartition("-")[0]]
        await room.ends(f"{own[0]}-1")
    reference = await room.bear(birth.fields)
    await room.hear()
    await room.hear(70.0)
    found = [code for code in await room.codes() if code not in own]
    if birth.service is None:
        expect(not found, f"{where}: opens a report, and should open none")
        return
    rows = [row["reason"] for row in await room.inbox() if row["state"] != "applied"]
    expect(
        len(found) == 1, f"{where}: {len(found)} reports are open ({', '.join(filter(None, rows)) or 'nothing heard'})"
    )
    whole = await room.report(found[0])
    _as_told(room, whole, birth, where)
    expect(reference in await room.numbers(found[0]), f"{where}: the report does not know the app's number")
    await room.employ()
    await room.hear(70.0)
    again = [code for code in await room.codes() if code not in own]
    expect(len(again) == 1, f"{where}: a new process hears it again and opens {len(again)} reports")
    twice = await room.ledger.read(queries.said, found[0], "report.received")
    expect(twice == 1, f"{where}: its reader is told {twice} times that it was received")


def _as_told(room: Room, whole: Whole, birth: Birth, where: str) -> None:
    expect(whole.report["service"] == birth.service, f"{where}: opens {whole.report['service']}, not {birth.service}")
    reporter = whole.content(room.ledger.vault).reporter
    identity = whole.report["identity"]
    if birth.hidden:
        expect(identity == Identity.CONFIDENTIAL, f"{where}: the reporter asked not to be known and is {identity}")
        return
    expect(identity == Identity.OPEN, f"{where}: the reporter did not ask to be hidden and is {identity}")
    if birth.name is not None:
        expect(reporter.name == birth.name, f"{where}: the reporter's name does not arrive")
    if birth.phone is not None:
        digits = "".join(filter(str.isdigit, reporter.phone or ""))
        expect(digits[-9:] == "".join(filter(str.isdigit, birth.phone))[-9:], f"{where}: the number does not arrive")
