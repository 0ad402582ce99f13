"""What becomes of a draft: a pure decision from the draft, the configuration and the apps' states, with its reasons."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from gateway.kernel.policy.danger import Suggested
from gateway.model.catalogue import Kind, Priority, Privacy


class AppState(msgspec.Struct, frozen=True, kw_only=True):
    """How an app stands: its mode (live, shadow, off), and the services it can take (None: all that name it)."""

    mode: str
    services: frozenset[str] | None = None


class PlanInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision depends on. `village` is a dotted Kemendagri code, `text` what the reporter wrote.

    `exclude_app` is the app a report was born in: it has the report already. Times are aware.
    """

    service: str
    village: str | None
    attributes: Mapping[str, object]
    channel: str
    text: str
    received_at: datetime
    occurred_at: datetime
    exclude_app: str | None = None


class PlannedCase(msgspec.Struct, frozen=True, kw_only=True):
    """One case to open: the app (None: the gateway's own desk), its profile, the agency, the reason and the rule.

    `reason` is the key of a notice `reason.…` or the name of the rule whose reason is meant.
    """

    app: str | None
    profile: str | None
    agency: str
    reason: str
    rule: str


class PlannedDeadline(msgspec.Struct, frozen=True, kw_only=True):
    """A clock that starts: its name, the last instant in time (UTC), the rule that starts it, its basis, and which
    milestone it waits for (`gateway.model.deadline.MILESTONES`)."""

    clock: str
    by: datetime
    rule: str
    basis: str
    until: str = "ended"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A draft with the decisions that were taken and why.

    `rule` names the rule (`service:CODE` or `routing:ID`), `digest` the configuration it stands in; `lane` is
    `emergency` or `normal`; `support` are agencies that should know. `cases` is empty only for a report whose
    own app has it already.
    """

    service: str
    kind: Kind
    priority: Priority
    emergency: bool
    lane: str
    privacy: Privacy
    agency: str
    support: tuple[str, ...]
    cases: tuple[PlannedCase, ...]
    deadlines: tuple[PlannedDeadline, ...]
    rule: str
    digest: str
    suggestions: tuple[Suggested, ...]


class Route(msgspec.Struct, frozen=True):
    """Where reports of one service go under one rule."""

    rule: str
    reason: str
    app: str | None
    profile: str | None
    fallback: str | None
    agency: str
    support: tuple[str, ...]


def place_cases(
    route: Route, service: str, agency: str, apps: Mapping[str, AppState], exclude: str | None
) -> tuple[PlannedCase, ...]:
    """Return the case a report becomes: in the route's app, else its fallback, else at the gateway's own desk.

    The reason is that of the first app which could not take it. An app that has the report already (`exclude`)
    needs no case: the result is then empty.
    """
    why = None
    for app in (route.app, route.fallback):
        if app is None:
            continue
        if app == exclude:
            return ()
        hindered = hindrance(app, service, apps)
        if hindered is None:
            profile = route.profile if app == route.app else None
            reason = why or route.reason
            return (PlannedCase(app=app, profile=profile, agency=agency, reason=reason, rule=route.rule),)
        why = why or hindered
    return (PlannedCase(app=None, profile=None, agency=agency, reason=why or "service_desk", rule=route.rule),)


def hindrance(app: str, service: str, apps: Mapping[str, AppState]) -> str | None:
    """Return why an app cannot take reports of a service (the key of a reason), or None if it can."""
    state = apps.get(app)
    if state is None:
        return "app_absent"
    if state.mode != "live":
        return "app_shadow" if state.mode == "shadow" else "app_off"
    return None if state.services is None or service in state.services else "app_cannot"
