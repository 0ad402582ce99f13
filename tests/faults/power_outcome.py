"""What came of a campaign of power cuts."""

from collections import Counter

import msgspec


class Outcome(msgspec.Struct, kw_only=True):
    """What came of a campaign; one JSON object of the soak's transcript.

    `cuts` counts those that dropped or tore something; `acks` are the answers given before each cut, added up, and
    `fewest_acks` those before the earliest.
    """

    campaign: str
    seed: int
    cuts: int = 0
    acks: int = 0
    fewest_acks: int | None = None
    injected: Counter[str] = msgspec.field(default_factory=Counter)
    bugs_caught: list[str] = []
    faults: list[str] = []
    seconds: float = 0.0

    def good(self) -> bool:
        """Tell whether everything was as it must be, and something happened at all."""
        return not self.faults and self.cuts > 0 and self.injected.total() > 0
