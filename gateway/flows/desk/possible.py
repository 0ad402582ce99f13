"""What a person may do with a delivery, by where it stands."""

from typing import Final

from gateway.model.delivery import DeliveryState

_FROM: Final[dict[str, frozenset[DeliveryState]]] = {
    "replay": frozenset({DeliveryState.HELD, DeliveryState.DEAD}),
    "resolve": frozenset({DeliveryState.HELD, DeliveryState.DEAD, DeliveryState.UNSURE}),
    "cancel": frozenset({DeliveryState.QUEUED, DeliveryState.HELD, DeliveryState.DEAD}),
}
"""From which states a person may make which move; a test holds it against the machine."""


def possible(state: str, attempt: int) -> list[str]:
    """Return the moves a person may make with a delivery; a queued one is cancelled before its first byte only."""
    now = DeliveryState(state)
    begun = now is DeliveryState.QUEUED and attempt > 0
    return [move for move, states in _FROM.items() if now in states and not begun]
