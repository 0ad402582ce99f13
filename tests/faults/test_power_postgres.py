"""PostgreSQL is stopped at once, under load: what was answered is there when it is back, and the gateway goes on.

`GATEWAY_SOAK_STOPS` names how often.
"""

import os
import random
from pathlib import Path

import pytest

from tests.faults.power_outcome import Outcome
from tests.faults.power_postgres import caught, mortal, shutdowns

STOPS = int(os.environ.get("GATEWAY_SOAK_STOPS", "4"))


@pytest.mark.timeout(180 + 20 * STOPS)
async def test_what_was_answered_survives_an_immediate_shutdown(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**31)
    outcome = Outcome(campaign="power:postgresql", seed=seed)
    with mortal() as postgres:
        await shutdowns(postgres, tmp_path / "load", STOPS, random.Random(seed), outcome)
        print(outcome)  # noqa: T201 - shown when the test fails
        assert outcome.faults == []
        assert outcome.good()
        assert outcome.injected == {"immediate": STOPS}
        assert "was promised and is not there" in " | ".join(await caught(postgres, tmp_path / "bug", seed))
