"""The configuration turned into decisions: catalogue, territory, routing, deadlines, notices.

`opening`, which turns a plan into an act, is imported by its own name.
"""

from gateway.kernel.policy.check import check
from gateway.kernel.policy.check_tiers import unproven_routes
from gateway.kernel.policy.clocks import Clock
from gateway.kernel.policy.danger import Suggested
from gateway.kernel.policy.findings import ConfigError, Finding
from gateway.kernel.policy.notices import Notices
from gateway.kernel.policy.plan import AppState, Plan, PlanInput, PlannedCase, PlannedDeadline
from gateway.kernel.policy.policy import Policy

__all__ = [
    "AppState",
    "Clock",
    "ConfigError",
    "Finding",
    "Notices",
    "Plan",
    "PlanInput",
    "PlannedCase",
    "PlannedDeadline",
    "Policy",
    "Suggested",
    "check",
    "unproven_routes",
]
