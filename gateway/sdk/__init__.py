"""All that an app team imports: what connectors and gateway exchange, the errors, and the way out to the app.

`connector.py` holds one class, `Connector(app: App)`; what it can do is which of the abilities' methods it
has. The HTTP client is loaded when it is first used, so that reading a manifest costs nothing.
"""

from typing import TYPE_CHECKING

from gateway.model import territory
from gateway.sdk.abilities import Amends, Fetches, Finds, Lists, Polls, Reads, Receives, Submits, Sweeps
from gateway.sdk.app import App
from gateway.sdk.clock import Clock
from gateway.sdk.errors import Ambiguous, AppError, ContractBroken, Rejected, Retryable, Unauthorized
from gateway.sdk.exchange import Answer, Exchange
from gateway.sdk.manifest import Manifest
from gateway.sdk.rows import local_time, mark, rows
from gateway.sdk.secrets import Secrets
from gateway.sdk.types import (
    Amendment,
    Batch,
    Document,
    Event,
    Hook,
    Linked,
    Look,
    News,
    Opening,
    Person,
    PlaceCodes,
    Receipt,
    Reference,
    Site,
    Submission,
    Tally,
    Unreadable,
    Upstream,
)

if TYPE_CHECKING:
    from gateway.sdk.http import Http

__all__ = [
    "Ambiguous",
    "Amendment",
    "Amends",
    "Answer",
    "App",
    "AppError",
    "Batch",
    "Clock",
    "ContractBroken",
    "Document",
    "Event",
    "Exchange",
    "Fetches",
    "Finds",
    "Hook",
    "Http",
    "Linked",
    "Lists",
    "Look",
    "Manifest",
    "News",
    "Opening",
    "Person",
    "PlaceCodes",
    "Polls",
    "Reads",
    "Receipt",
    "Receives",
    "Reference",
    "Rejected",
    "Retryable",
    "Secrets",
    "Site",
    "Submission",
    "Submits",
    "Sweeps",
    "Tally",
    "Unauthorized",
    "Unreadable",
    "Upstream",
    "local_time",
    "mark",
    "rows",
    "territory",
]


def __getattr__(name: str) -> object:
    if name == "Http":
        from gateway.sdk.http import Http

        return Http
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
