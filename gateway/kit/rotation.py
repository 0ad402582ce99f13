"""Gold: secrets change while they are in use."""

from typing import Final

from gateway.kit.acting import arrived, journey
from gateway.kit.hints import Move
from gateway.kit.room import Room
from gateway.kit.rule import DoesNotApply, expect, rule
from gateway.kit.trial import Trial
from gateway.model.catalogue import Service
from gateway.model.delivery import DeliveryState
from gateway.sdk.tier import Tier

_MORE: Final = "-baru"


@rule(
    "K37",
    Tier.GOLD,
    "A secret can be changed while it is in use",
    why="A secret that cannot be changed without losing reports is never changed. The two sides can never do it in the "
    "same moment.",
    tested="Each secret in turn is changed in the app first, while a report is on its way and a record moves there, "
    "and some minutes later at the gateway. Where the class or the webhook takes several values (one a line), the "
    "gateway has the new one beforehand and nothing may wait. In the end every report is in the app once, every move "
    "is heard, and the log has one line at each edge.",
    passing="Read app.secrets whenever a request is made, never in __init__. What a secret was exchanged for (a token) "
    "is thrown away by login. app.secrets.all(NAME) gives old and new while both count.",
)
async def k37(trial: Trial) -> None:
    """Change each secret."""
    _ = trial.subject.level
    names = list(trial.subject.manifest.secrets)
    if not names:
        raise DoesNotApply("[secrets] names none")
    service, moves = _moving(trial)
    for name in names:
        async with trial.room() as room:
            logged = len(trial.log)
            await _changed(room, name, service, moves, several=_several(trial, name))
            events = [line.get("event") for line in trial.log[logged:]]
            for edge in ("connector.paused", "connector.resumed"):
                expect(events.count(edge) <= 1, f"{name}: {events.count(edge)} lines {edge} in the log")


def _moving(trial: Trial) -> tuple[Service, list[Move]]:
    manifest = trial.subject.manifest
    if manifest.poll is None and manifest.webhook is None:
        return trial.subject.service(), []
    return journey(trial.subject)


def _several(trial: Trial, name: str) -> bool:
    """Tell whether the gateway can hold old and new at once: the webhook's, and what the class reads with `all`."""
    webhook = trial.subject.manifest.webhook
    if webhook is not None and webhook.secret == name:
        return True
    code = "\n".join(file.read_text(encoding="utf-8") for file in trial.subject.folder.glob("*.py"))
    return f'.all("{name}")' in code or f".all('{name}')" in code


async def _changed(room: Room, name: str, service: Service, moves: list[Move], *, several: bool) -> None:
    variable = f"GATEWAY_{room.app.upper()}_{name}"
    old = room.environ[variable]
    new = old + _MORE
    key, reference = await arrived(room, service)
    await room.hear()
    if several:
        room.environ[variable] = f"{old}\n{new}"
        await _used(room, f"{name}, old and new at the gateway", service)
    waiting = await room.file(service, "Laporan kenari di tengah pergantian")
    room.sandbox.setting.environ[variable] = new  # type: ignore[index]
    await room.carry()
    for move in moves[:1]:
        await room.move(reference, move)
    await room.travel(3.0)
    await room.poll()
    await room.apply()
    if several:
        row = await room.delivery(waiting)
        at_once = row["state"] == DeliveryState.ACCEPTED
        expect(at_once, f"{name}: the app has changed it, the gateway has both, and a report is {row['state']}")
        await _used(room, f"{name}, new in the app", service)
    await room.travel(120.0)
    await room.carry()
    room.environ[variable] = new
    row = await room.ends(waiting)
    expect(row["state"] == DeliveryState.ACCEPTED, f"{name}: changed on both sides, and a report is {row['state']}")
    records = len(room.records_of(waiting))
    expect(records == 1, f"{name}: changed on both sides, and {records} records of a report are in the app")
    await room.hear(60.0)
    heard = [event.word for event in await room.events(key)]
    for move in moves[:1]:
        expect(move.to in heard, f"{name}: {move.to!r} was set while it was changed, and is never heard")
    await _used(room, f"{name}, new on both sides", service)


async def _used(room: Room, where: str, service: Service) -> None:
    """Fail unless a report goes through at once."""
    key = await room.file(service)
    await room.carry()
    row = await room.delivery(key)
    expect(row["state"] == DeliveryState.ACCEPTED, f"{where}: a report is {row['state']} ({row['cause']})")
    expect(len(room.records_of(key)) == 1, f"{where}: not one record")
