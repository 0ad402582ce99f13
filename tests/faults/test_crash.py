"""A gateway is killed at every named point and at random: what was promised is there, and each app has it once.

`GATEWAY_SOAK_CRASHES` names how often, on each database (2,000 is the figure of a release).
"""

import os
import random
from pathlib import Path

import pytest

from tests.faults.crash import PLANTED, RANDOM, Outcome, campaign, caught, plan
from tests.faults.crash_points import AFTER, POINTS, arm

KILLS = int(os.environ.get("GATEWAY_SOAK_CRASHES", "25"))
SEEN = {"early": "was promised and is not there", "no_unique": "doubled"}


@pytest.fixture
def seed() -> int:
    made = random.SystemRandom().randrange(2**31)
    print(f"seed {made}")  # noqa: T201 - shown when the test fails
    return made


@pytest.mark.timeout(240 + 20 * KILLS)
async def test_killed_at_every_point_it_loses_nothing_and_doubles_nothing(
    tmp_path: Path, database_url: str, seed: int
) -> None:
    outcome = await campaign(tmp_path, database_url, KILLS, seed)
    print(outcome)  # noqa: T201
    assert outcome.faults == []
    assert outcome.kills >= KILLS
    assert outcome.good()
    assert set(outcome.injected) == {*POINTS, RANDOM}, "every point was passed"
    assert outcome.replayed > 0, "answers were lost with a gateway, and given again by the next"
    assert outcome.interrupted > 0, "deliveries were left in the air"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("bug", PLANTED)
async def test_planted_bugs_are_caught(tmp_path: Path, sqlite_url: str, seed: int, bug: str) -> None:
    faults = await caught(tmp_path, sqlite_url, bug, seed)
    assert SEEN[bug] in " | ".join(faults)


def test_every_point_has_its_turn() -> None:
    points = [*POINTS, RANDOM]
    for seed in range(50):
        order = list(plan(points, 2 * len(points), random.Random(seed)))
        for turn in (order[: len(points)], order[len(points) :]):
            assert sorted(turn) == sorted(points)
            for later, earlier in AFTER.items():
                assert turn.index(later) == turn.index(earlier) + 1


def test_whoever_kills_nobody_proves_nothing(tmp_path: Path) -> None:
    assert not Outcome(campaign="crash:sqlite", seed=1).good()
    with pytest.raises(KeyError):
        arm("no:such_point", 1, tmp_path / "told")
