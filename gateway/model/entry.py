"""An entry is one audited fact: who, why, what, which hop. It is written once and never changed.

The canonical form (RFC 8785, JSON Canonicalization Scheme) and the leaf hash (RFC 6962) are frozen: proofs made
today must verify in ten years. Entries hold no personal data and no free text; where content must be provable
they hold a commitment, HMAC-SHA256 under the report's commitment key.
"""

import hashlib
from datetime import UTC, datetime
from typing import Final

import msgspec

from gateway.model.principal import Actor

VERSION: Final = 1


class Hop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One crossing between the gateway and an app.

    `direction` is `out` or `in`; `delivery` is the delivery's key; `attempt` counts from 1; `operation` is what
    was asked of the app (`open`, `message`, `find`, `webhook`, `poll`, `read`); `outcome` is what became of it;
    `http` the status code; `latency_ms` whole milliseconds; `request` and `response` are commitments to the bytes.
    """

    direction: str
    app: str
    operation: str
    delivery: str | None = None
    attempt: int | None = None
    outcome: str | None = None
    http: int | None = None
    latency_ms: int | None = None
    request: str | None = None
    response: str | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The leaf of the log.

    `stream` is a report's code, `app:NAME`, `config` or `access`; `seq` counts from 1 without a gap within the
    stream; `at` is the gateway's clock, RFC 3339 UTC with milliseconds; `kind` is dotted (`delivery.accepted`);
    `case` is the case's number within the report; `event` is the id of the app's event; `word` the app's own
    word; `rule` and `config` name what decided; `commits` are commitments by name; `facts` are small plain facts.
    """

    v: int
    id: str
    stream: str
    seq: int
    at: str
    kind: str
    actor: Actor
    cause: str
    case: int | None = None
    status: str | None = None
    word: str | None = None
    event: str | None = None
    rule: str | None = None
    config: str | None = None
    hop: Hop | None = None
    commits: dict[str, str] = {}
    facts: dict[str, str | int | bool] = {}


_ENCODER: Final = msgspec.json.Encoder(order="sorted")


def canonical(entry: Entry) -> bytes:
    """Return the canonical bytes of an entry (RFC 8785).

    Keys are ASCII and there are no fractions in an entry, so sorted compact JSON in UTF-8 is the canonical form;
    a test holds it against an independent implementation.
    """
    return _ENCODER.encode(entry)


def leaf_hash(body: bytes) -> bytes:
    """Return the Merkle leaf hash of an entry's canonical bytes (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x00" + body).digest()


def stamp(at: datetime) -> str:
    """Format an instant as entries do: RFC 3339, UTC, milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
