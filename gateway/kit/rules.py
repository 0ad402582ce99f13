"""All rules, in the order of their ids."""

from typing import Final

from gateway.kit import (
    births,
    credentials,
    lost_answers,
    manifest,
    mapping,
    polling,
    receipts,
    replay,
    sharing,
    texts,
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
)
RULES: Final[tuple[Rule, ...]] = tuple(
    sorted(
        (thing for room in _ROOMS for thing in vars(room).values() if isinstance(thing, Rule)), key=lambda one: one.id
    )
)
