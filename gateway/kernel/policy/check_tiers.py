"""Live routes: citizens' reports go to an app only through a connector that has proven silver."""

from collections.abc import Mapping
from typing import Final

from gateway.kernel.policy import files
from gateway.kernel.policy.findings import Finding
from gateway.kernel.policy.policy import Policy
from gateway.sdk.tier import Tier

LEAST: Final = Tier.SILVER
_SHOWN: Final = 3


def unproven_routes(policy: Policy, tiers: Mapping[str, Tier]) -> list[Finding]:
    """Return every live app that reports can go to and whose connector has proven less than silver.

    `tiers` is what the connectors of live apps have proven. Outside development these are mistakes.
    """
    return [
        Finding(files.ROUTING, f"apps.{app}", _told(app, tier, services))
        for app, tier in tiers.items()
        if tier < LEAST and (services := policy.routes_to(app))
    ]


def _told(app: str, tier: Tier, services: tuple[str, ...]) -> str:
    named = ", ".join(services[:_SHOWN]) + (f" and {len(services) - _SHOWN} more" if len(services) > _SHOWN else "")
    proven = "nothing" if tier is Tier.UNPROVEN else tier.word
    return (
        f"reports go there ({named}), and its connector has proven {proven}; a live route needs {LEAST.word}: "
        f"run `gateway connector check {app}`, or set its mode to shadow"
    )
