"""`gateway demo`: sets up its little world, plays the stories in it, judges them, and leaves it open to play with.

Exit codes: 0 every story reached its end · 1 one did not, or a simulated app ended · 2 the folder or a port cannot be
used · 3 the gateway ended while the demo was running (`gateway demo --resume` goes on) · 130 Ctrl-C, 143 SIGTERM.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from gateway.demo import finale, memory
from gateway.demo.callers import Unreachable
from gateway.demo.evidence import judge_all
from gateway.demo.memory import Memory, Refused
from gateway.demo.people import enter, fetch_tokens
from gateway.demo.processes import Ended, NotStarted, claim, free_ports, is_free, stop_leftovers
from gateway.demo.programme import TROUBLE, Programme, Story
from gateway.demo.stage import Props
from gateway.demo.stories import STORIES
from gateway.demo.surroundings import APPS, World, find_config, find_connectors
from gateway.demo.teller import Teller
from gateway.demo.texts import Inbox
from gateway.demo.travel import Travel
from gateway.demo.troupe import GATEWAY, Stopped, Troupe
from gateway.demo.verdict import Scene
from gateway.demo.waiting import PATIENCE_S, NotYet, until
from gateway.flows.audit.words import Words
from gateway.kernel.policy import Policy
from gateway.sdk.clock import Clock, SystemClock
from gateway.sdk.entropy import SystemEntropy

DONE: Final = 0
FAILED: Final = 1
REFUSED: Final = 2
GATEWAY_ENDED: Final = 3

RESUMED_PATIENCE_S: Final = 300.0
"""How long a step may take after a kill: deliveries that were in hand are taken up when their leases have run out, and
then looked up one after the other, twice, within the app's limit of requests."""


def show(data: Path, *, once: bool, resume: bool, as_json: bool, stories: Sequence[str] = ()) -> int:
    """Play the demo in the folder `data` and return the exit code.

    `once` stops after the stories; `resume` goes on with what is in the folder (else it starts over); `as_json`
    implies `once` and prints the outcome as one JSON object and nothing else. `stories` names those that are played
    (else all). Raises SystemExit for one that is not known.
    """
    if unknown := set(stories) - {story.ending.name for story in STORIES}:
        raise SystemExit(f"{', '.join(sorted(unknown))}: no such story")
    played = [story for story in STORIES if not stories or story.ending.name in stories]
    return asyncio.run(_show(data.resolve(), played, once=once or as_json, resume=resume, as_json=as_json))


async def _show(folder: Path, stories: Sequence[Story], *, once: bool, resume: bool, as_json: bool) -> int:
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
        return await _run(folder, stories, troupe, teller, clock, once=once, resume=resume, as_json=as_json)
    except Refused as refused:
        teller.trouble("Demo tidak dapat dimulai.", f"The demo cannot start: {refused}")
        return REFUSED
    except Ended as ended:
        return _ended(teller, ended)
    except (NotStarted, Unreachable, *TROUBLE) as failure:
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
    folder: Path,
    stories: Sequence[Story],
    troupe: Troupe,
    teller: Teller,
    clock: Clock,
    *,
    once: bool,
    resume: bool,
    as_json: bool,
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
    with teller.waiting("menyalakan gateway dan lima aplikasi", "starting the gateway and five apps"):
        await troupe.guarded(troupe.start(world))
        tokens = await troupe.guarded(fetch_tokens(world, kept, clock))
    async with enter(world, tokens, clock) as company:
        props = Props(
            company=company,
            memory=kept,
            clock=clock,
            inbox=Inbox(world.data),
            travel=Travel(world.data / "clock", clock, troupe.still),
            patience_s=RESUMED_PATIENCE_S if goes_on else PATIENCE_S,
        )
        scenes = await troupe.guarded(_perform(stories, props, teller, world, as_json))
        if not once:
            finale.invite(teller, world, finale.play_file(world, company), scenes)
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


async def _perform(stories: Sequence[Story], props: Props, teller: Teller, world: World, as_json: bool) -> list[Scene]:
    """Play the stories, judge them, tell the outcome."""
    teller.title(
        "Gerbang Layanan Warga Barru: satu laporan, lima aplikasi, satu jejak",
        f"Barru citizen-services gateway: one report, five apps, one trace · {world.gateway}",
        (
            "Cerita-cerita dimainkan lewat API publik; tiap aplikasi disimulasikan oleh prosesnya sendiri.",
            "The stories are played through the public API; each app is simulated by a process of its own.",
        ),
    )
    programme = Programme(stories, props, teller)
    await programme.perform()
    scenes, traces = await judge_all(props, teller, [story.ending for story in stories])
    titles = {story.ending.name: (story.indonesian, story.english) for story in stories}
    policy = Policy.load(world.config)
    finale.outcome(teller, scenes, titles, traces, Words("id", policy), as_json)
    for scene in scenes:
        if not scene.ok:
            _complain(teller, scene, programme.troubles)
    whole = traces.get(scenes[0].code or "")
    if whole is not None:
        finale.trace(teller, whole, policy, finale.play_file(world, props.company))
    return scenes


def _complain(teller: Teller, scene: Scene, troubles: dict[str, str]) -> None:
    """Tell on the error stream what is wrong with a story."""
    if scene.name in troubles:
        teller.detail(f"{scene.name}: stuck: {troubles[scene.name]}")
    for fault in scene.faults:
        teller.detail(f"{scene.name}: {fault}")
