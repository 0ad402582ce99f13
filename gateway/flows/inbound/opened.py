"""An inbox row with its content unsealed, while it is being applied."""

from typing import Any

import msgspec

from gateway.flows.inbound.store import Kept
from gateway.kernel.ledger import Ledger, ReportKey


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the inbox: as it was read, its own key, and what it holds."""

    row: dict[str, Any]
    key: ReportKey
    kept: Kept

    @property
    def name(self) -> str:
        """The row's id within its app."""
        return str(self.row["event_id"])

    @property
    def lane(self) -> str:
        """Rows of one record of the app share a lane and are applied in turn."""
        if self.kept.event is not None and self.kept.event.references:
            return self.kept.event.references[0].value
        return self.kept.look.reference.value if self.kept.look is not None else self.name

    @property
    def seq(self) -> tuple[int, str]:
        """Order within a lane: openings first, only to save work; the fold does not need it."""
        event = self.kept.event
        return (event.seq or 0 if event is not None else 0, self.name)


def open_row(ledger: Ledger, row: dict[str, Any]) -> Opened:
    """Unseal an inbox row that has not been matched yet."""
    key = ledger.vault.unwrap(row["kek"], row["wrapped"], f"{row['app']}:{row['event_id']}")
    return Opened(row=row, key=key, kept=key.open("inbox", row["sealed"], Kept))
