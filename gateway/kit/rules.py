"""All rules, in the order of their ids."""

from typing import Final

from gateway.kit import (
    amending,
    births,
    credentials,
    documents,
    drift,
    hostile,
    lost_answers,
    manifest,
    mapping,
    outage,
    polling,
    receipts,
    replay,
    rotation,
    shadow,
    sharing,
    sweeping,
    texts,
    told,
    webhooks,
)
from gateway.kit.rule import Rule

_ROOMS: Final = (
    manifest,
    mapping,
    replay,
    receipts,
    lost_answers,
    credentials,
    sharing,
    webhooks,
    polling,
    births,
    texts,
    documents,
    amending,
    outage,
    drift,
    hostile,
    sweeping,
    shadow,
    rotation,
    told,
)
RULES: Final[tuple[Rule, ...]] = tuple(
    sorted(
        (thing for room in _ROOMS for thing in vars(room).values() if isinstance(thing, Rule)), key=lambda one: one.id
    )
)
