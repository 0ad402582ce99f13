"""Whoever sends text messages on: a service that takes a signed POST, or, in development, a file and the terminal.

The service gets `{"id", "to", "text"}` (number in E.164) with three headers:

- `X-Gateway-Timestamp`: seconds since 1970, when this try was signed;
- `X-Gateway-Signature`: `sha256=` and HMAC-SHA256 in hex over timestamp, a dot and the body as it came, by
  GATEWAY_SMS_SECRET;
- `Idempotency-Key`: the message's id, the same over all tries. An answer may be lost, so a message may come again:
  whoever sent an id on drops it the next time and answers as before.

200, 201, 202 and 204 say that the message is in good hands; 429 and 503 ask for patience (Retry-After is kept); every
other 4xx refuses the message for good, but 401 and 403, which refuse us.
"""

import asyncio
import hmac
import os
import sys
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import msgspec

from gateway.kernel.ledger import TextMessage
from gateway.sdk import Secrets
from gateway.sdk.bodies import encode
from gateway.sdk.clock import Clock
from gateway.sdk.http import Http
from gateway.sdk.manifest import Limits, Timeouts

TIMESTAMP: Final = "X-Gateway-Timestamp"
SIGNATURE: Final = "X-Gateway-Signature"
TAKEN: Final = (200, 201, 202, 204)
TIMEOUTS: Final = Timeouts(connect=3.0, total=10.0)
SHOWN: Final = "sms.jsonl"
"""The file in GATEWAY_DATA that holds, in development, what would have been sent."""
_LIMITS: Final = Limits(rate_per_s=20.0, concurrency=4, max_response_bytes=65_536)


class Outgoing(msgspec.Struct, frozen=True):
    """A text message as the service gets it; `id` names it over all tries."""

    id: str
    to: str
    text: str


class Provider(Protocol):
    """Takes text messages."""

    async def send(self, id_: str, message: TextMessage) -> None:
        """Hand a message over; raises one of the five errors of `gateway.sdk` where it is not in good hands."""

    async def close(self) -> None:
        """Let go of connections."""


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the value of `X-Gateway-Signature` for a body."""
    return "sha256=" + hmac.digest(secret.encode(), timestamp.encode() + b"." + body, "sha256").hex()


class Signed:
    """A service at a URL; what is sent is signed with GATEWAY_SMS_SECRET (of several lines the first)."""

    def __init__(self, url: str, secrets: Secrets, clock: Clock) -> None:
        parts = urlsplit(url)
        self._path, self._secrets, self._clock = parts.path or "/", secrets, clock
        self._http = Http(
            f"{parts.scheme}://{parts.netloc}", clock=clock, limits=_LIMITS, timeouts=TIMEOUTS, redact=secrets.redact
        )

    async def send(self, id_: str, message: TextMessage) -> None:
        """See `Provider.send`."""
        outgoing = Outgoing(id_, message.to, message.text)
        body, _ = encode(outgoing, None, None)

        def signed() -> dict[str, str]:
            stamp = str(int(self._clock.real().timestamp()))
            secret = self._secrets.all("SECRET")[0]
            return {TIMESTAMP: stamp, SIGNATURE: signature(secret, stamp, body), "Idempotency-Key": id_}

        await self._http.call(
            "POST", self._path, write=True, json=outgoing, headers=signed, expect=TAKEN, missing=(), decode=bytes
        )

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._http.close()


class Shown:
    """Nobody sends anything: messages are shown on the terminal and kept in a file, a JSON object a line."""

    def __init__(self, data: Path) -> None:
        self._file = data / SHOWN

    async def send(self, id_: str, message: TextMessage) -> None:
        """See `Provider.send`."""
        await asyncio.to_thread(self._keep, msgspec.json.encode(Outgoing(id_, message.to, message.text)))
        sys.stderr.write(f"SMS {message.to}: {message.text}\n")

    async def close(self) -> None:
        """See `Provider.close`."""

    def _keep(self, line: bytes) -> None:
        with self._file.open("ab") as out:
            out.write(line + b"\n")
            out.flush()
            os.fsync(out.fileno())


def open_provider(url: str | None, secrets: Secrets, clock: Clock, data: Path, production: bool) -> Provider | None:
    """Return whoever takes text messages: the service at `url`, without one in development the terminal, else None."""
    if url is not None:
        return Signed(url, secrets, clock)
    return None if production else Shown(data)
