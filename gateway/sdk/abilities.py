"""What a connector can do. One method each; a class has the ability if and only if it has the method."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol, runtime_checkable

from gateway.sdk.types import Amendment, Batch, Hook, News, Receipt, Submission, Upstream


@runtime_checkable
class Submits(Protocol):
    """Opens a record in the app."""

    async def submit(self, submission: Submission) -> Receipt:
        """Send the submission once; return the app's receipt. Never retries."""


@runtime_checkable
class Finds(Protocol):
    """Looks our key up in the app (needed from L1 on)."""

    async def find(self, key: str) -> Receipt | None:
        """Return the receipt of the record that carries `key`, None only if the app says it has none."""


@runtime_checkable
class Receives(Protocol):
    """Understands the app's webhook."""

    def receive(self, hook: Hook) -> Sequence[News]:
        """Translate a webhook that the host has already verified."""


@runtime_checkable
class Polls(Protocol):
    """Asks the app for news."""

    async def poll(self, cursor: str | None) -> Batch:
        """Return the news after `cursor` (None: from the beginning)."""


@runtime_checkable
class Amends(Protocol):
    """Carries later words about a record."""

    async def amend(self, reference: str, amendment: Amendment) -> Receipt:
        """Send the amendment once, for the record named by the case's first reference."""


@runtime_checkable
class Reads(Protocol):
    """Reads one record, to repair a gap or to follow a hint."""

    async def read(self, reference: str, after: str | None) -> Batch:
        """Return the record's events after `after` (an app sequence or cursor; None: all)."""


@runtime_checkable
class Sweeps(Protocol):
    """Lists a whole day, for the nightly reconciliation."""

    async def sweep(self, day: date) -> Batch:
        """Return one event per record changed on `day` (the app's calendar)."""


@runtime_checkable
class Fetches(Protocol):
    """Proves to the app that the gateway may have its files; without it they are asked for as anybody could."""

    def document_headers(self) -> Mapping[str, str]:
        """Return the headers of a request for a document, asked anew for each try. Raises Unauthorized to log in."""


@runtime_checkable
class Lists(Protocol):
    """Lists the app's own categories and words, to notice drift."""

    async def catalogue(self) -> Sequence[Upstream]:
        """Return the app's catalogue as it stands now."""
