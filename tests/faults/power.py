"""Power cuts: a load runs on a disk whose every write is recorded, and then the power fails, again and again.

By hand: `python -m tests.faults.power --cuts 100 --seed 1 --json` prints one JSON object; `--database postgresql` stops
a PostgreSQL at once, under load, so many times instead. `--bug normal` plants one, which must be caught.
"""

import argparse
import asyncio
import logging
import random
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy.exc import DBAPIError

from gateway.kernel.ledger import Ledger, migrate
from gateway.model.principal import GATEWAY
from gateway.sdk.clock import SystemClock
from gateway.sdk.entropy import SystemEntropy
from tests.faults.power_disk import Disk, Remains, Step, steps_of
from tests.faults.power_evidence import Told, faults_of, read_books
from tests.faults.power_layer import Recording, What, layer
from tests.faults.power_load import house_at, planted, work
from tests.faults.power_outcome import Outcome
from tests.faults.power_postgres import caught as caught_on_postgres
from tests.faults.power_postgres import mortal, shutdowns

REPORTS: Final = 1200
"""How many reports one recording holds; a cut of a long run comes after at least `ACKS` answers."""
ACKS: Final = 1000
PER_RECORDING: Final = 50
BUGS: Final = ("normal", "off", "early")
_SHOWN: Final = 20


def record(folder: Path, reports: int, bug: str | None = None) -> list[Step]:
    """Run the load on a recording disk; return all that happened."""
    folder.mkdir(parents=True, exist_ok=True)
    recording = Recording(folder / "recording")

    async def run() -> None:
        async with house_at(_url(folder / "live"), folder) as house:
            await work(house, iter(range(reports)), recording.ack)

    (folder / "live").mkdir()
    try:
        with planted(bug), layer(recording):
            asyncio.run(run())
    finally:
        recording.close()
    return steps_of(recording.file)


def cut_all(
    folder: Path, steps: list[Step], cuts: int, chance: random.Random, outcome: Outcome, least: int = 0
) -> None:
    """Cut the power so many times, each after at least `least` answers; note in `outcome` what was found."""
    moments = moments_of(steps, least)
    if not moments:
        outcome.faults.append("there was no moment at which a cut could have dropped anything")
        return
    chosen = Counter(chance.choices(moments, k=cuts))
    disk, told = Disk(), list[Told]()
    answers = 0
    for index, step in enumerate(steps):
        for _ in range(chosen[index]):
            remains = disk.cut(chance)
            while not remains.dropped + remains.torn:
                remains = disk.cut(chance)
            outcome.cuts += 1
            outcome.injected += Counter(dropped=remains.dropped, torn=remains.torn)
            outcome.acks += answers
            outcome.fewest_acks = min(answers, outcome.fewest_acks if outcome.fewest_acks is not None else answers)
            found = asyncio.run(after(folder, remains, told))
            outcome.faults += [f"cut at {index} after {answers} answers: {fault}" for fault in found[:_SHOWN]]
        disk.take(step)
        if step.what is What.ACK:
            told.append(msgspec.json.decode(step.data))
            answers += told[-1]["what"] == "report"


def moments_of(steps: list[Step], least: int) -> list[int]:
    """Return the moments, by the number of the next step, at which something was not synced after `least` answers."""
    disk, answers, found = Disk(), 0, []
    for index, step in enumerate(steps):
        if disk.unsynced and answers >= least:
            found.append(index)
        disk.take(step)
        if step.what is What.ACK:
            answers += msgspec.json.decode(step.data)["what"] == "report"
    return found


async def after(folder: Path, remains: Remains, told: list[Told]) -> list[str]:
    """Start again on what a cut left: the database is sound, the ledger opens, and every promise stands."""
    place = folder / "after"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name, content in remains.files.items():
        (place / Path(name).name).write_bytes(content)
    try:
        with closing(sqlite3.connect(place / "gateway.db")) as database:
            sound = database.execute("pragma integrity_check").fetchone()[0]
            orphans = database.execute("pragma foreign_key_check").fetchall()
        if sound != "ok" or orphans:
            return [f"the database is damaged: {sound}, {len(orphans)} rows without their parents"]
        await migrate(_url(place))
        ledger = await Ledger.open(_url(place), folder / "data", SystemClock(), SystemEntropy())
    except (sqlite3.DatabaseError, DBAPIError, OSError) as fault:
        return [f"the database cannot be opened: {fault}"]
    try:
        act = ledger.act(GATEWAY, "after the cut")
        act.record("config", "test.said")
        await ledger.commit(act)
        return faults_of(await ledger.read(read_books), told)
    finally:
        await ledger.close()


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'gateway.db'}"


def campaign(folder: Path, cuts: int, seed: int, reports: int = REPORTS, least: int = ACKS) -> Outcome:
    """Cut the power so many times, `PER_RECORDING` in each of as many recordings as that takes."""
    chance, outcome = random.Random(seed), Outcome(campaign="power:sqlite", seed=seed)
    clock = SystemClock()
    began = clock.monotonic()
    while outcome.cuts < cuts and not outcome.faults:
        place = folder / f"recording-{outcome.cuts}"
        steps = record(place, reports)
        cut_all(place, steps, min(PER_RECORDING, cuts - outcome.cuts), chance, outcome, least)
        if not outcome.faults:
            shutil.rmtree(place)
    outcome.seconds = round(clock.monotonic() - began, 1)
    return outcome


def caught(folder: Path, bug: str, seed: int, reports: int = 120, cuts: int = 12) -> list[str]:
    """Return what the checker finds when a bug is planted; nothing found means that the checker is blind."""
    outcome = Outcome(campaign="power:sqlite", seed=seed)
    steps = record(folder, reports, bug)
    cut_all(folder, steps, cuts, random.Random(seed), outcome, reports // 2)
    return outcome.faults


def run(folder: Path, cuts: int, seed: int, reports: int) -> Outcome:
    """Run a campaign on SQLite, and every planted bug."""
    outcome = campaign(folder, cuts, seed, reports, min(ACKS, reports * 5 // 6))
    for bug in BUGS:
        _noted(outcome, bug, caught(folder / f"bug-{bug}", bug, seed))
    return outcome


async def run_on_postgres(folder: Path, cuts: int, seed: int) -> Outcome:
    """Stop a PostgreSQL at once so many times, and once more with a planted bug."""
    outcome = Outcome(campaign="power:postgresql", seed=seed)
    clock = SystemClock()
    began = clock.monotonic()
    with mortal() as postgres:
        await shutdowns(postgres, folder / "load", cuts, random.Random(seed), outcome)
        outcome.seconds = round(clock.monotonic() - began, 1)
        _noted(outcome, "early", await caught_on_postgres(postgres, folder / "bug", seed))
    return outcome


def _noted(outcome: Outcome, bug: str, faults: list[str]) -> None:
    if faults:
        outcome.bugs_caught.append(bug)
    else:
        outcome.faults.append(f"the planted bug {bug!r} was not caught")


def main() -> None:
    """Run a campaign and print what came of it; exit status 1 if anything is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.power")
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--reports", type=int, default=REPORTS)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--json", action="store_true", help="print one JSON object (as without it)")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    folder = Path(tempfile.mkdtemp(prefix="gateway-power-"))
    if given.database == "sqlite":
        outcome = run(folder, given.cuts, given.seed, given.reports)
    else:
        outcome = asyncio.run(run_on_postgres(folder, given.cuts, given.seed))
    told: dict[str, Any] = msgspec.to_builtins(outcome) | {"good": outcome.good()}
    if outcome.good():
        shutil.rmtree(folder)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(told)).decode() + "\n")
    sys.exit(0 if outcome.good() else 1)


if __name__ == "__main__":
    main()
