"""All rules, in the order of their ids."""

from typing import Final

from gateway.kit import credentials, lost_answers, manifest, mapping, polling, receipts, replay, sharing, webhooks
from gateway.kit.rule import Rule

_ROOMS: Final = (manifest, mapping, replay, receipts, lost_answers, credentials, sharing, webhooks, polling)
RULES: Final[tuple[Rule, ...]] = tuple(
    sorted(
        (thing for room in _ROOMS for thing in vars(room).values() if isinstance(thing, Rule)), key=lambda one: one.id
    )
)
