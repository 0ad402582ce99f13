"""A row that commits late is not skipped, whoever overtook it (`GATEWAY_SOAK_INTERLEAVINGS` names how often)."""

import os
import random
from pathlib import Path

import pytest

from tests.faults.crash_outbox import Outcome, interleave
from tests.faults.power_load import house_at

TIMES = int(os.environ.get("GATEWAY_SOAK_INTERLEAVINGS", "100"))


@pytest.fixture
def seed() -> int:
    made = random.SystemRandom().randrange(2**31)
    print(f"seed {made}")  # noqa: T201 - shown when the test fails
    return made


@pytest.mark.timeout(120 + TIMES)
async def test_a_late_row_is_not_skipped(tmp_path: Path, postgres_url: str, seed: int) -> None:
    outcome = Outcome(seed=seed)
    async with house_at(postgres_url, tmp_path) as house:
        await interleave(house, TIMES, random.Random(seed), outcome)
    assert outcome.faults == []
    assert outcome.interleavings == TIMES
    assert outcome.good(), "some were overtaken"


@pytest.mark.timeout(120)
async def test_whoever_pages_by_number_misses_it(tmp_path: Path, postgres_url: str, seed: int) -> None:
    outcome = Outcome(seed=seed)
    async with house_at(postgres_url, tmp_path) as house:
        await interleave(house, 20, random.Random(seed), outcome, paging=True)
    assert "was carried 0 times" in " | ".join(outcome.faults)
    assert "was read 0 times" not in " | ".join(outcome.faults), "the bug was planted in one queue only"
