"""`python -m tests.simulator --seed N --deliveries M`: play worlds, and say what became of each in one line of JSON.

One seed decides everything; a seed that failed fails again. `--parts` plays that many worlds, each with the next seed;
with `--out` their lines are kept in a file, and worlds that it has are not played again: so a long run can be stopped
and goes on later. `--bug` plants one of the bugs that the checker must see.
"""

import argparse
import contextlib
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from tests.simulator.bugs import BUGS
from tests.simulator.check import check
from tests.simulator.world import Plan, played

MOST_TOLD = 20


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


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--deliveries", type=int, default=1000, help="how many deliveries a world has")
    parser.add_argument("--parts", type=int, default=1, help="how many worlds, each with the next seed")
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
        report = play(Plan(seed=seed, deliveries=given.deliveries), given.bug)
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
