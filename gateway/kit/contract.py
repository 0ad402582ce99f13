"""Recorded exchanges with an app, `contract/*.json`: what connector and simulated app are both held to.

A sample is `{name, from?, given?, request{method, path, headers, body}, response{status, headers, body}}`. `given`
lists requests to the simulated app's control surface that come before it; `from: "app"` marks a webhook. A body is a
JSON value, or a string of exact bytes. Samples are played in the order of their file names, on one fresh app, at the
moment at which they were recorded.
"""

import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

FOLDER: Final = "contract"
APP: Final = "app"
_NOT_ABOUT_CONTENT: Final = frozenset({401, 403, 404, 405, 408, 409, 425, 429})


class ContractError(Exception):
    """A sample cannot be read; the message names the file."""


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request of a sample; `path` with its query."""

    method: str
    path: str
    headers: dict[str, str] = {}
    body: Any = None

    @property
    def raw(self) -> bytes:
        """The bytes of the body."""
        return raw(self.body)

    @property
    def route(self) -> str:
        """The path without its query."""
        return urlsplit(self.path).path

    @property
    def query(self) -> dict[str, str]:
        """The query."""
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    @property
    def writes(self) -> bool:
        """Tell whether it is a request by which something is submitted."""
        return self.method not in {"GET", "HEAD"} and self.body is not None


class Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A response of a sample; of the headers only those that matter."""

    status: int
    headers: dict[str, str] = {}
    body: Any = None

    @property
    def refuses(self) -> bool:
        """Tell whether, by its status, it refuses the content of what was sent."""
        return 400 <= self.status < 500 and self.status not in _NOT_ABOUT_CONTENT

    @property
    def media_type(self) -> str:
        """The type of its body."""
        return self.headers.get("Content-Type", "application/json")


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """One exchange."""

    name: str
    request: Asked
    response: Answered
    sender: str = "gateway"
    given: list[Asked] = []

    @property
    def from_app(self) -> bool:
        """Tell whether it is a webhook."""
        return self.sender == APP


def read_contract(folder: Path) -> tuple[Sample, ...]:
    """Return the samples of a connector's folder in their order. Raises ContractError."""
    samples = []
    for file in sorted((folder / FOLDER).glob("*.json")):
        try:
            samples.append(msgspec.json.decode(file.read_bytes(), type=Sample))
        except (OSError, msgspec.DecodeError) as error:
            raise ContractError(f"{FOLDER}/{file.name}: {error}") from error
    return tuple(samples)


def raw(body: Any) -> bytes:
    """Return the bytes of a sample's body."""
    return b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
