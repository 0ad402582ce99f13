"""`gateway demo`: sets up its little world, plays the stories in it, judges them, and leaves it open to play with.

Exit codes: 0 every story reached its end · 1 one did not, or a simulated app ended · 2 the folder or a port cannot be
used · 3 the gateway ended while the demo was running (`gateway demo --resume` goes on) · 130 Ctrl-C, 143 SIGTERM.
"""

import asyncio
import os
import signal
from functools import partial
from pathlib import Path
from typing import Final

from gateway.demo import finale, memory
from gateway.demo.callers import Unexpected, Unreachable
from gateway.demo.evidence import judge_all
from gateway.demo.memory import Memory, Refused
from gateway.demo.people import enter, fetch_tokens
from gateway.demo.processes import Ended, NotStarted, claim, free_ports, is_free, stop_leftovers
from gateway.demo.stage import Stage
from gateway.demo.stories import STORIES
from gateway.demo.surroundings import APPS, World, find_config, find_connectors
from gateway.demo.teller import Teller, safe
from gateway.demo.troupe import GATEWAY, Stopped, Troupe
from gateway.demo.verdict import Scene
from gateway.demo.waiting import PATIENCE_S, Late, NotYet, until
from gateway.sdk.clock import Clock, SystemClock
from gateway.sdk.entropy import SystemEntropy

DONE: Final = 0
FAILED: Final = 1
REFUSED: Final = 2
GATEWAY_ENDED: Final = 3

RESUMED_PATIENCE_S: Final = 300.0
"""How long a step may take after a kill: deliveries that were in hand are taken up when their leases have run out, and
then looked up one after the other, twice, within the app's limit of requests."""
_TROUBLE: Final = (Late, NotYet, Unexpected)
"""What one story may suffer without the others being given up."""


def show(data: Path, *, once: bool, resume: bool, as_json: bool) -> int:
    """Play the demo in the folder `data` and return the exit code.

    `once` stops after the stories; `resume` goes on with what is in the folder (else it starts over); `as_json`
    implies `once` and prints the outcome as one JSON object and nothing else.
    """
    return asyncio.run(_show(data.resolve(), once=once or as_json, resume=resume, as_json=as_json))


async def _show(folder: Path, *, once: bool, resume: bool, as_json: bool) -> int:
    teller = Teller(silent=as_json)
    if not memory.is_ours(folder):
        teller.trouble(
            f"{folder} berisi sesuatu yang bukan buatan demo; sebut folder lain dengan --data.",
            f"{folder} holds something that no demo made; name another folder with --data.",
        )
        return REFUSED
    lock = claim(folder / "lock")
    if lock is None:
        teller.trouble(f"Demo lain sedang memakai {folder}.", f"Another demo is using {folder}.")
        return REFUSED
    clock = SystemClock(folder / "gateway" / "clock")
    troupe = Troupe(folder, clock)
    try:
        return await _run(folder, troupe, teller, clock, once=once, resume=resume, as_json=as_json)
    except Refused as refused:
        teller.trouble("Demo tidak dapat dimulai.", f"The demo cannot start: {refused}")
        return REFUSED
    except Ended as ended:
        return _ended(teller, ended)
    except (NotStarted, Unreachable, *_TROUBLE) as failure:
        teller.trouble("Demo gagal.", f"The demo has failed: {failure}")
        return FAILED
    except Stopped as stopped:
        teller.trouble("Dihentikan. Lanjutkan: gateway demo --resume", "Stopped. Go on: gateway demo --resume")
        return stopped.code
    finally:
        with teller.waiting("menutup", "closing"):
            await troupe.close()
        os.close(lock)


def _ended(teller: Teller, ended: Ended) -> int:
    """Tell that a process has ended under the demo, and how to go on."""
    if not ended.killed:
        teller.detail(str(ended))
    teller.trouble(
        f"{ended.name} berhenti di tengah demo. Lanjutkan: gateway demo --resume",
        f"{ended.name} has ended ({ended.how}). Go on with: gateway demo --resume",
    )
    return GATEWAY_ENDED if ended.name == GATEWAY else FAILED


async def _run(
    folder: Path, troupe: Troupe, teller: Teller, clock: Clock, *, once: bool, resume: bool, as_json: bool
) -> int:
    troupe.listen((signal.SIGINT, signal.SIGTERM))
    await stop_leftovers(folder, clock)
    kept, goes_on = _remembered(folder, clock, resume)
    for name, port in kept.state.ports.items():
        await until(f"the port of {name} is free", partial(_free, port), clock, 5.0)
    world = World(
        folder=folder,
        config=find_config(os.environ),
        connectors=find_connectors(os.environ),
        ports=kept.state.ports,
    )
    with teller.waiting("menyalakan gateway dan dua aplikasi", "starting the gateway and two apps"):
        await troupe.guarded(troupe.start(world))
        tokens = await troupe.guarded(fetch_tokens(world, kept, clock))
    patience_s = RESUMED_PATIENCE_S if goes_on else PATIENCE_S
    async with enter(world, tokens, clock) as company:
        stage = Stage(company, kept, teller, clock, patience_s)
        scenes = await troupe.guarded(_perform(stage, world, as_json))
        if not once:
            finale.invite(teller, world, company, scenes)
            await troupe.stay()
    return DONE if all(scene.ok for scene in scenes) else FAILED


def _remembered(folder: Path, clock: Clock, resume: bool) -> tuple[Memory, bool]:
    """Remember an earlier run, or begin a new one in a clean folder; the second value tells which."""
    kept = memory.remember(folder, clock) if resume else None
    if kept is not None:
        return kept, True
    memory.clear(folder)
    entropy, names = SystemEntropy(), (GATEWAY, *APPS)
    ports = dict(zip(names, free_ports(len(names), entropy), strict=True))
    return memory.start(folder, ports, clock, entropy), False


async def _free(port: int) -> None:
    if not is_free(port):
        raise NotYet(f"port {port} is taken by another program")


async def _perform(stage: Stage, world: World, as_json: bool) -> list[Scene]:
    """Play all stories, judge them, tell the outcome."""
    teller = stage.teller
    teller.title(
        "Gerbang Layanan Warga Barru: satu laporan, dua aplikasi, satu jejak",
        f"Barru citizen-services gateway: one report, two apps, one trace · {world.gateway}",
        (
            "Empat cerita, dimainkan lewat API publik; 112 dan Si-GAPDes disimulasikan sebagai proses tersendiri.",
            "Four stories, played through the public API; 112 and Si-GAPDes are simulated, each by its own process.",
        ),
    )
    titles = {story.ending.name: (story.indonesian, story.english) for story in STORIES}
    troubles: dict[str, str] = {}
    for number, story in enumerate(STORIES, start=1):
        teller.story(number, story.indonesian, story.english)
        try:
            await story.play(stage)
        except _TROUBLE as trouble:
            troubles[story.ending.name] = str(trouble)
            teller.say("", f"[red]berhenti di sini[/red]: {safe(str(trouble))}", "stuck here; going on with the next")
    scenes, flood = await judge_all(stage, [story.ending for story in STORIES])
    finale.outcome(teller, scenes, titles, as_json)
    for scene in scenes:
        if not scene.ok:
            _complain(teller, scene, troubles)
    if flood is not None:
        finale.trace(teller, flood)
    return scenes


def _complain(teller: Teller, scene: Scene, troubles: dict[str, str]) -> None:
    """Tell on the error stream what is wrong with a story."""
    if scene.name in troubles:
        teller.detail(f"{scene.name}: stuck: {troubles[scene.name]}")
    for fault in scene.faults:
        teller.detail(f"{scene.name}: {fault}")
