"""Thousands of deliveries through everything that can happen, in virtual time: nothing lost, nothing doubled."""

import os
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest

from tests.simulator.__main__ import Report, play
from tests.simulator.line import EFFECT, LATER, NO_EFFECT, NOT_SENT
from tests.simulator.world import Plan

WORLDS = int(os.environ.get("GATEWAY_SOAK_WORLDS", "2"))
DELIVERIES = 700
SEEDS = range(1, 1 + WORLDS)
BLOWS = ("process killed", "process paused", "clock step", "database lost before a commit")


def blows(report: Report) -> Iterator[str]:
    """Name everything that a world must contain to prove anything, and does not."""
    for kind in (*NOT_SENT, *NO_EFFECT, *EFFECT, *LATER, "slow", "says 422", "webhook unanswered", *BLOWS):
        if not report.faults.get(kind):
            yield kind


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_doubled_or_in_limbo(seed: int) -> None:
    report = play(Plan(seed=seed, deliveries=DELIVERIES))
    assert report.wrong == [], f"python -m tests.simulator --seed {seed} --deliveries {DELIVERIES}"
    assert list(blows(report)) == []
    assert report.hit >= 0.3 * report.deliveries
    assert report.acked >= DELIVERIES
    assert report.ends.keys() <= {"accepted", "cancelled"}, "a person has dealt with what was parked"
    assert report.came_to_a_person


def test_what_is_parked_stays_parked_and_visible() -> None:
    report = play(Plan(seed=11, deliveries=100, persons=False))
    assert report.wrong == []
    assert report.ends["held"]


def test_a_run_that_injected_nothing_fails() -> None:
    calm = Plan(
        seed=1, deliveries=40, commands=0, questions=0, kill_every_s=0, pause_every_s=0, step_every_s=0, break_every_s=0
    )
    assert play(calm).wrong == ["nothing was injected: this run proves nothing"]


def test_the_same_seed_is_the_same_history() -> None:
    """In another process too, whatever its hashes are seeded with."""
    command = [sys.executable, "-m", "tests.simulator", "--seed", "7", "--deliveries", "80"]
    reports = [
        msgspec.json.decode(
            subprocess.run(
                command, env=os.environ | {"PYTHONHASHSEED": salt}, check=True, capture_output=True, timeout=120
            ).stdout,
            type=Report,
        )
        for salt in ("1", "2")
    ]
    assert reports[0].digest == reports[1].digest
    assert msgspec.structs.replace(reports[0], cpu_s=0) == msgspec.structs.replace(reports[1], cpu_s=0)
    assert play(Plan(seed=8, deliveries=80)).digest != reports[0].digest
