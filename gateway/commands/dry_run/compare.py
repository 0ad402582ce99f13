"""Where a report goes under one configuration and under another, compared. Pure; no content of a report comes out."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from gateway.kernel.host.translate import category_of, services
from gateway.kernel.policy import AppState, PlanInput, Policy
from gateway.sdk.manifest import Manifest

DESK: Final = "gateway"
GONE: Final = "not in the catalogue"
_ABOUT: Final = "rule"
"""Told of a report that goes elsewhere, but no reason to be one."""

Destination = Mapping[str, str]
"""Where a report goes, by name: `app`, `profile`, `category`, `agency`, `support`; and the `rule` that says so."""


class World(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration and the apps it is used with. Every app counts as being there: what is compared is what maps and
    rules say, not who is away today."""

    policy: Policy
    manifests: Mapping[str, Manifest]

    def destination(self, draft: PlanInput) -> Destination:
        """Return where a draft goes in this world."""
        if draft.service not in self.policy.services:
            return {"app": GONE}
        states = {
            name: AppState(mode=manifest.mode.value, services=services(manifest))
            for name, manifest in self.manifests.items()
        }
        plan = self.policy.plan(draft, states)
        told = {"agency": plan.agency, "support": ", ".join(plan.support), "rule": plan.rule}
        if not plan.cases:  # the app it was born in has it already
            return told
        case = plan.cases[0]
        if case.app is None:
            return told | {"app": DESK, "profile": "", "category": ""}
        category = category_of(self.manifests[case.app], case.profile, draft.service) or ""
        return told | {"app": case.app, "profile": case.profile or "", "category": category}


class Filed(msgspec.Struct, frozen=True, kw_only=True):
    """A report that was filed: its draft without the reporter's words, and where it was really sent."""

    code: str
    draft: PlanInput
    sent: Destination


class Change(msgspec.Struct, frozen=True):
    """One thing that is otherwise."""

    what: str
    before: str
    after: str


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A report that would go elsewhere, and what would be otherwise."""

    code: str
    service: str
    changes: tuple[Change, ...]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a dry run found among `compared` reports."""

    compared: int
    moved: tuple[Moved, ...]


def changes(before: Destination, after: Destination) -> tuple[Change, ...]:
    """Return what differs; nothing where only another rule leads to the same place."""
    if GONE in (before.get("app"), after.get("app")):
        before, after = {"app": before.get("app", "")}, {"app": after.get("app", "")}
    found = [
        Change(name, before[name], after[name]) for name in before if after.get(name, before[name]) != before[name]
    ]
    return tuple(found) if any(change.what != _ABOUT for change in found) else ()


def compare(filed: Iterable[Filed], new: World, old: World | None = None) -> Outcome:
    """Return which reports go elsewhere in a new world than in the old one (None: than where they were really sent)."""
    moved, count = [], 0
    for count, report in enumerate(filed, start=1):  # noqa: B007 - the last number is how many there were
        before = report.sent if old is None else old.destination(report.draft)
        if found := changes(before, new.destination(report.draft)):
            moved.append(Moved(code=report.code, service=report.draft.service, changes=found))
    return Outcome(compared=count, moved=tuple(moved))
