"""The project's own configuration, loaded once, and drafts to plan."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.kernel.policy import PlanInput, Policy

CONFIG = Path(__file__).parents[3] / "config"
NOW = datetime(2026, 1, 28, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def policy() -> Policy:
    return Policy.load(CONFIG)


@pytest.fixture
def draft() -> Callable[..., PlanInput]:
    def make(service: str, village: str | None = None, **given: Any) -> PlanInput:
        more: dict[str, Any] = {
            "attributes": {},
            "channel": "api",
            "text": "-",
            "received_at": NOW,
            "occurred_at": NOW,
        } | given
        return PlanInput(service=service, village=village, **more)

    return make
