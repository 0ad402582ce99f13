"""The checker proves itself: every bug that is planted is seen, for what it is."""

from itertools import count

import pytest

from tests.simulator.__main__ import play
from tests.simulator.bugs import BUGS
from tests.simulator.world import Plan

ENOUGH = 10
"""Small worlds after which a bug must have been seen: no more deliveries than are played without one."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name: str) -> None:
    bug = BUGS[name]
    for seed in count(1):
        assert seed <= ENOUGH, f"{name} ({bug.promises}) was not caught"
        report = play(Plan(seed=seed, deliveries=120, persons=False, longest_s=1200), name)
        if {wrong.partition(":")[0] for wrong in report.wrong} & bug.seen_as:
            return
