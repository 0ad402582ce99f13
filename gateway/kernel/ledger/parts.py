"""What acts are made of: row changes, entries without their place yet, what is known of reports and cases."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import Table

from gateway.kernel.ledger.vault import ReportKey
from gateway.model.deadline import Pause


class Change(msgspec.Struct, frozen=True):
    """An update of exactly one row: `values` are set where `where` holds; no such row drops the whole act."""

    table: Table
    where: Mapping[str, Any]
    values: Mapping[str, Any]


class PendingEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry before the ledger gives it its place in the stream."""

    stream: str
    kind: str
    fields: Mapping[str, Any]


class ReportRef(msgspec.Struct, frozen=True, kw_only=True):
    """What an act needs to know about the report it changes; `version` is its precondition, `row` (its other columns)
    tells who is sent text messages and what may be said in them."""

    id: UUID
    code: str
    version: int
    key: ReportKey
    row: Mapping[str, Any] = {}


class CaseRef(msgspec.Struct, frozen=True, kw_only=True):
    """What an act needs to know about a case."""

    id: UUID
    number: int
    app: str
    version: int


class TextMessage(msgspec.Struct, frozen=True):
    """A text message as it is sealed: a number (E.164) and what is said."""

    to: str
    text: str


class Texter(Protocol):
    """Says notices in text messages (`gateway.kernel.policy.texting`)."""

    def message(self, report: ReportRef, notice: str, values: Mapping[str, str]) -> tuple[str, TextMessage] | None:
        """Return how a notice of a report is said to its reporter in a text message, with the name of the text; None if
        it is not."""


class Timekeeper(Protocol):
    """Knows which clocks stand still while a reporter is asked for something, and what that costs
    (`gateway.kernel.policy`)."""

    def pauses(self, clock: str) -> bool:
        """Tell whether a clock stands still meanwhile."""

    def resumed(self, clock: str, by: datetime, agency: str, pause: Pause) -> datetime:
        """Return by when a clock runs out that would have run out at `by`, had it not stood still."""
