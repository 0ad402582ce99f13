"""Real processes in bad weather: every acknowledged report is in its app exactly once, or visibly parked.

The sizes are those of each landing; `make soak` runs the long ones.
"""

import asyncio
import os
from pathlib import Path

import msgspec
import pytest

from tests.faults.chaos import Plan, campaign, room
from tests.faults.chaos_bugs import BUGS

SEED = int(os.environ.get("GATEWAY_CHAOS_SEED", "20260128"))
WEATHERS = 4
REPORTS = int(os.environ.get("GATEWAY_CHAOS_REPORTS", "40"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("many", "blows"),
    [(False, ("kill", "freeze", "clock_jump")), (True, ("kill", "postgres_restart", "redis_kill"))],
    ids=["sqlite", "postgresql"],
)
async def test_nothing_is_lost_doubled_or_in_limbo(tmp_path: Path, many: bool, blows: tuple[str, ...]) -> None:
    plan = Plan(reports=REPORTS, seed=SEED, many=many, blows=blows, every_s=0.5)
    outcome = await campaign(tmp_path, plan)
    assert outcome.findings == []
    assert outcome.reports == REPORTS
    assert outcome.faulted >= 0.3 * outcome.deliveries, "too few deliveries met a fault"
    assert outcome.ambiguous >= 0.15 * outcome.deliveries
    assert all(outcome.faults[blow] for blow in blows)


@pytest.mark.timeout(600)
async def test_planted_bugs_are_reported(tmp_path: Path) -> None:
    """Together in one gateway where they do not hide each other; the gateways side by side."""
    # Longer than anything waits by right where no look-up fails: what has not moved by then is in limbo.
    plan = Plan(reports=30, seed=SEED, reads=0.0, blows=("kill",), every_s=1.0, patience_s=9.0)
    # Which rows are overtaken is chance: tests/faults/test_crash_outbox.py plants P7 where it is not, a soak here too.
    groups = (("P1", "P3", "P18"), ("P4", "P13"))
    assert {bug for group in groups for bug in group} == BUGS.keys() - {"P7"}

    async def found(bugs: tuple[str, ...]) -> None:
        left = set(bugs)
        for seed in range(SEED, SEED + WEATHERS):  # where the blows fall is chance: one weather may miss a bug
            here = room(tmp_path, f"{'+'.join(bugs)}-{seed}")
            outcome = await campaign(here, msgspec.structs.replace(plan, seed=seed, bugs=bugs))
            left -= {bug for bug in left if BUGS[bug].told_by & set(outcome.kinds)}
            if not left:
                return
        raise AssertionError(f"{', '.join(f'{bug}, {BUGS[bug].what},' for bug in sorted(left))} went unnoticed")

    await asyncio.gather(*map(found, groups))


async def test_a_campaign_without_faults_proves_nothing(tmp_path: Path) -> None:
    plan = Plan(reports=2, seed=SEED, share=0.0, reads=0.0, every_s=1000.0, apps=("cc112",), calm=True)
    outcome = await campaign(tmp_path, plan)
    assert set(outcome.kinds) == {"vacuous"}
