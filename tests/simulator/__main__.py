"""`python -m tests.simulator --seed N --deliveries M`: play worlds, and say what became of each in one line of JSON.

One seed decides everything; a seed that failed fails again. More than a thousand deliveries are played in several
worlds. `--parts` plays as often, each time with the next seed; with `--out` the lines are kept in a file, and what it
has is not played again: so a long run can be stopped and goes on later. `--bug` plants one of the bugs that the
checker must see.
"""

import argparse
import contextlib
import hashlib
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from tests.simulator.bugs import BUGS
from tests.simulator.check import check
from tests.simulator.world import Plan, played

MOST_TOLD = 20
WORLD = 1000
"""Deliveries of one world at most; more are played in several."""
SEEDS_APART = 1000
"""Worlds that belong together have seeds from this multiple of theirs on."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a world. `hit` is how many deliveries met a fault on the line, `wrong` what broke a promise."""

    seed: int
    asked: int
    bug: str | None
    deliveries: int
    acked: int
    hit: int
    ends: dict[str, int]
    came_to_a_person: int
    faults: dict[str, int]
    virtual_s: float
    cpu_s: float
    digest: str
    violations: int
    wrong: list[str]


def play(plan: Plan, bug: str | None = None) -> Report:
    """Play one world, with a bug planted or none."""
    began = time.process_time()
    planted: contextlib.AbstractContextManager[Any] = BUGS[bug].plant() if bug else contextlib.nullcontext()
    with planted, played(plan) as world:
        evidence, digest = world.evidence(), world.digest()
    wrong = check(evidence)
    states = Counter(state for _, state, _ in evidence.deliveries.values())
    return Report(
        seed=plan.seed,
        asked=plan.deliveries,
        bug=bug,
        deliveries=len(evidence.deliveries),
        acked=len(evidence.acked),
        hit=evidence.hit,
        ends=dict(sorted(states.items())),
        came_to_a_person=len(set(world.held_at_first)),
        faults=dict(sorted(evidence.faults.items())),
        virtual_s=round(world.loop.time(), 1),
        cpu_s=round(time.process_time() - began, 1),
        digest=digest,
        violations=len(wrong),
        wrong=wrong[:MOST_TOLD],
    )


def play_all(seed: int, deliveries: int, bug: str | None = None) -> Report:
    """Play so many deliveries in worlds of a size that stays quick; what is wrong names the world to play again."""
    if deliveries <= WORLD:
        return play(Plan(seed=seed, deliveries=deliveries), bug)
    worlds: list[Report] = []
    while (left := deliveries - sum(one.asked for one in worlds)) > 0:
        worlds.append(play(Plan(seed=seed * SEEDS_APART + len(worlds), deliveries=min(left, WORLD)), bug))
    wrong = [
        f"--seed {one.seed} --deliveries {one.asked}: {broken}" for one in worlds for broken in one.wrong[:MOST_TOLD]
    ]
    return Report(
        seed=seed,
        asked=deliveries,
        bug=bug,
        deliveries=sum(one.deliveries for one in worlds),
        acked=sum(one.acked for one in worlds),
        hit=sum(one.hit for one in worlds),
        ends=_sum(one.ends for one in worlds),
        came_to_a_person=sum(one.came_to_a_person for one in worlds),
        faults=_sum(one.faults for one in worlds),
        virtual_s=round(sum(one.virtual_s for one in worlds), 1),
        cpu_s=round(sum(one.cpu_s for one in worlds), 1),
        digest=hashlib.sha256("".join(one.digest for one in worlds).encode()).hexdigest(),
        violations=sum(one.violations for one in worlds),
        wrong=wrong[:MOST_TOLD],
    )


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items()))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--deliveries", type=int, default=1000, help="how many are acknowledged")
    parser.add_argument("--parts", type=int, default=1, help="how often, each time with the next seed")
    parser.add_argument("--out", type=Path, help="file of lines to go on with")
    parser.add_argument("--bug", choices=sorted(BUGS))
    given = parser.parse_args()
    done: set[tuple[int, int, str | None]] = set()
    if given.out is not None and given.out.exists():
        for line in given.out.read_bytes().splitlines():
            report = msgspec.json.decode(line, type=Report)
            done.add((report.seed, report.asked, report.bug))
    wrong = 0
    for seed in range(given.seed, given.seed + given.parts):
        if (seed, given.deliveries, given.bug) in done:
            continue
        report = play_all(seed, given.deliveries, given.bug)
        wrong += report.violations
        line = msgspec.json.encode(report).decode()
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        if given.out is not None:
            with given.out.open("a") as file:
                file.write(f"{line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
