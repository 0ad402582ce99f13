"""`python -m tests.simulator --seed N --deliveries M`: play a world and print what became of it."""

import argparse
import sys
import time

from tests.simulator.world import Plan, played


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--deliveries", type=int, default=1000)
    parser.add_argument("--bug")
    given = parser.parse_args()
    began = time.process_time()
    from contextlib import nullcontext
    from tests.simulator.bugs import BUGS
    with BUGS[given.bug].plant() if given.bug else nullcontext(), played(Plan(seed=given.seed, deliveries=given.deliveries)) as world:
        took = time.process_time() - began
        print(world.loop.moment, took, len(world.acked), world.filed, dict(world.faults), world.digest())
        from collections import Counter
        from tests.simulator.check import check
        found = check(world.evidence()); print(len(found), *found[:30], sep="\n")
        from tests.simulator.office import rows_of, t
        print(Counter((r["app"], r["state"]) for r in rows_of(world.store, t.delivery)))
        print(Counter((r["app"], r["state"]) for r in rows_of(world.store, t.inbox)))


if __name__ == "__main__":
    sys.exit(main())
