"""A connector's manifest: everything about an app that is data, read from `connector.toml` without its code.

Decoding is strict: an unknown key, a wrong type or a value that contradicts another is a `ManifestError` that
names the place inside the file. Readers ask the manifest; nobody reads the file a second time.
"""

import re
import tomllib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from gateway.model.delivery import Command, Level
from gateway.model.status import GATEWAY_ONLY, Status

FILE: Final = "connector.toml"
SDK_VERSION: Final = 1
NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,40}")
SECRET_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*")
VERDICT_KEY: Final = re.compile(r"(read|write) ([1-5][0-9]{2})")
SHARES: Final = frozenset(
    {
        "reporter.name",
        "reporter.phone",
        "reporter.email",
        "reporter.national_id",
        "description",
        "place.point",
        "place.village",
        "place.address",
        "place.landmark",
        "attributes",
        "documents",
        "linked",
    }
)
"""The names `[shares]` may use, beside `attributes.NAME` for one answer of a service's form."""

LevelName = Literal["L0", "L1", "L2", "L3"]
ErrorName = Literal["retryable", "ambiguous", "rejected", "unauthorized", "contract_broken"]


class ManifestError(Exception):
    """`connector.toml` is missing, unreadable or wrong; the message holds file and path inside it."""


class Mode(StrEnum):
    """How far the gateway goes with an app: `shadow` reads and maps but writes nothing to it."""

    LIVE = "live"
    SHADOW = "shadow"
    OFF = "off"


class Scheme(StrEnum):
    """How an app proves that a webhook is its own."""

    HMAC = "hmac-timestamp-body"
    STANDARD = "standard-webhooks"
    BEARER = "bearer"
    STATIC = "static-token"


_HEADERS: Final = {
    Scheme.HMAC: (("timestamp_header", "signature_header"), ("signature_prefix",)),
    Scheme.STANDARD: ((), ()),
    Scheme.BEARER: ((), ()),
    Scheme.STATIC: (("signature_header",), ()),
}
"""What `[webhook]` must say for each scheme, and what it may say beside it."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Timeouts(_Section, frozen=True, kw_only=True):
    """Seconds: `connect` until a connection stands, `total` for one request from start to the last byte."""

    connect: float = 3.0
    total: float = 15.0


class Limits(_Section, frozen=True, kw_only=True):
    """What the app bears: requests per second, requests at once, and the largest answer in bytes.

    `probe_s` is after how many seconds one delivery may try again whether an app that fails is back; while it is not,
    this doubles up to six times.
    """

    rate_per_s: float = 5.0
    concurrency: int = 4
    max_response_bytes: int = 2_000_000
    probe_s: float = 1.0


class Webhook(_Section, frozen=True, kw_only=True):
    """How the app calls back.

    `secret` names an entry of `[secrets]`. `hmac-timestamp-body` needs both headers; `static-token` carries
    its token in `signature_header`; `window_s` is by how many seconds a signed time may differ from the app's
    clock.
    """

    scheme: Scheme
    secret: str
    timestamp_header: str | None = None
    signature_header: str | None = None
    signature_prefix: str = ""
    window_s: float = 300.0

    @property
    def hints_only(self) -> bool:
        """Tell that the scheme does not prove the content: such a webhook may only say "go and look"."""
        return self.scheme is Scheme.STATIC


class Poll(_Section, frozen=True, kw_only=True):
    """How often the app is asked for news, in seconds."""

    interval_s: float


class OpeningEvents(_Section, frozen=True, kw_only=True):
    """Which kinds of event may open a report here when they carry no key of ours."""

    kinds: tuple[str, ...] = ()


class Categories(_Section, frozen=True, kw_only=True):
    """The category map: `out` from service to the app's word, `inward` (`[categories.in]`) back."""

    out: dict[str, str] = {}
    inward: dict[str, str] = msgspec.field(default_factory=dict, name="in")


class Profile(_Section, frozen=True, kw_only=True):
    """What one profile of an app says differently; a map that is given replaces the manifest's own.

    Its `shares` can only be fewer than the manifest's.
    """

    statuses: dict[str, Status] | None = None
    categories: Categories | None = None
    shares: dict[str, str] | None = None


class Manifest(_Section, frozen=True, kw_only=True):
    """One app, as its `connector.toml` describes it.

    `owner` is the agency code of whoever runs the app; `settle_s` how many seconds an unfinished request may
    still take effect; `naive_timezone` the zone of its times without one; `echoes_key` tells that its rows
    and events repeat our key; `levels` is what it can do per command (a missing one cannot be carried).
    """

    sdk: int
    name: str
    title: str
    owner: str
    mode: Mode = Mode.LIVE
    settle_s: float
    naive_timezone: str | None = None
    echoes_key: bool = False
    levels: dict[Command, LevelName] = {}
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    secrets: dict[str, str] = {}
    webhook: Webhook | None = None
    poll: Poll | None = None
    statuses: dict[str, Status] = {}
    opening: OpeningEvents = OpeningEvents()
    categories: Categories = Categories()
    shares: dict[str, str] = {}
    verdicts: dict[str, ErrorName] = {}
    profiles: dict[str, Profile] = {}

    def level(self, command: Command) -> Level | None:
        """Return what the app can do about a repeated `command`; None if it cannot carry the command."""
        name = self.levels.get(command)
        return None if name is None else Level[name]

    def statuses_of(self, profile: str | None = None) -> dict[str, Status]:
        """Return the status map that holds in `profile` (None, or one without its own: the manifest's)."""
        own = self.profiles[profile].statuses if profile in self.profiles else None
        return self.statuses if own is None else own

    def categories_of(self, profile: str | None = None) -> Categories:
        """Return the category map that holds in `profile` (None, or one without its own: the manifest's)."""
        own = self.profiles[profile].categories if profile in self.profiles else None
        return self.categories if own is None else own

    def shares_of(self, profile: str | None = None) -> dict[str, str]:
        """Return what may be shared in `profile` (None, or one without its own: the manifest's shares)."""
        own = self.profiles[profile].shares if profile in self.profiles else None
        return self.shares if own is None else own

    @property
    def zone(self) -> ZoneInfo | None:
        """The zone of the app's times without one; None where all its times carry theirs."""
        return None if self.naive_timezone is None else ZoneInfo(self.naive_timezone)


def read_manifest(folder: Path, *, named: bool = True) -> Manifest:
    """Read and check `folder/connector.toml`; `named` folders bear the app's name. Raises ManifestError."""
    file = folder / FILE
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{file}: cannot be read ({type(error).__name__})") from error
    manifest = decode_manifest(text, str(file))
    if named and manifest.name != folder.name:
        raise ManifestError(f"{file}: $.name is {manifest.name!r}, but its folder is {folder.name!r}")
    return manifest


def decode_manifest(text: str, origin: str = FILE) -> Manifest:
    """Decode and check the text of a manifest; `origin` names it in messages. Raises ManifestError."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(f"{origin}: not TOML: {error}") from error
    try:
        manifest = msgspec.convert(data, type=Manifest, strict=True)
    except msgspec.ValidationError as error:
        raise ManifestError(f"{origin}: {_named(data, str(error))}") from error
    if faults := list(_faults(manifest)):
        raise ManifestError(f"{origin}: " + "; ".join(faults))
    return manifest


def _named(data: dict[str, Any], message: str) -> str:
    """Complete the place in a message: `$` where it has none, and for `[...]` the key that fails when it is alone."""
    what, found, place = message.rpartition(" - at ")
    if not found:
        return f"{message} - at `$`"
    if "[...]" not in place:
        return message
    resolved: list[str] = []
    shown = "$"
    for part in place.strip("`").removeprefix("$.").replace("[...]", ".*").split("."):
        if part != "*":
            resolved.append(part)
            shown += f".{part}"
            continue
        for key in _at(data, resolved):
            alone = _with(data, resolved, {key: _at(data, resolved)[key]})
            try:
                msgspec.convert(alone, type=Manifest, strict=True)
            except msgspec.ValidationError:
                data = alone
                resolved.append(key)
                shown += f".{key!r}"
                break
    return f"{what}{found}`{shown}`"


def _at(data: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """Return the section at `path`."""
    for part in path:
        data = data[part]
    return data


def _with(data: dict[str, Any], path: list[str], section: dict[str, Any]) -> dict[str, Any]:
    """Return `data` with another section at `path`."""
    first, *rest = path
    return data | {first: _with(data[first], rest, section) if rest else section}


def _faults(manifest: Manifest) -> Iterator[str]:
    """Yield every contradiction inside a manifest of the right shape, each with its path."""
    if manifest.sdk != SDK_VERSION:
        yield f"$.sdk is {manifest.sdk}, this gateway speaks {SDK_VERSION}"
    if not NAME.fullmatch(manifest.name):
        yield f"$.name {manifest.name!r} must be lower-case letters, digits and underscores"
    for field in ("title", "owner"):
        if not getattr(manifest, field).strip():
            yield f"$.{field} is empty"
    yield from _numbers(manifest)
    if manifest.naive_timezone is not None:
        try:
            ZoneInfo(manifest.naive_timezone)
        except (ZoneInfoNotFoundError, ValueError):
            yield f"$.naive_timezone {manifest.naive_timezone!r} is no time zone"
    for name in manifest.secrets:
        if not SECRET_NAME.fullmatch(name):
            yield f"$.secrets.{name} must be capital letters, digits and underscores"
    yield from _shares("$.shares", manifest.shares)
    for name, profile in manifest.profiles.items():
        yield from _narrower(f"$.profiles.{name}.shares", profile.shares or {}, manifest.shares)
    yield from _words(manifest)
    if manifest.webhook is not None:
        yield from _webhook(manifest.webhook, manifest.secrets)


def _numbers(manifest: Manifest) -> Iterator[str]:
    positive = {
        "timeouts.connect": manifest.timeouts.connect,
        "timeouts.total": manifest.timeouts.total,
        "limits.rate_per_s": manifest.limits.rate_per_s,
        "limits.concurrency": manifest.limits.concurrency,
        "limits.max_response_bytes": manifest.limits.max_response_bytes,
        "limits.probe_s": manifest.limits.probe_s,
    }
    if manifest.webhook is not None:
        positive["webhook.window_s"] = manifest.webhook.window_s
    if manifest.poll is not None:
        positive["poll.interval_s"] = manifest.poll.interval_s
    for path, number in positive.items():
        if not 0 < number < float("inf"):
            yield f"$.{path} must be more than zero"
    if not 0 <= manifest.settle_s < float("inf"):
        yield "$.settle_s may not be negative"


def _shares(path: str, shares: dict[str, str]) -> Iterator[str]:
    for name, basis in shares.items():
        if name not in SHARES and not (name.startswith("attributes.") and name != "attributes."):
            yield f"{path}.{name!r} is no field that can be shared"
        if not basis.strip():
            yield f"{path}.{name!r} names no legal basis"


def _narrower(path: str, shares: dict[str, str], whole: dict[str, str]) -> Iterator[str]:
    yield from _shares(path, shares)
    for name in shares:
        if name not in whole and not (name.startswith("attributes.") and "attributes" in whole):
            yield f"{path}.{name!r} is not among the manifest's own shares"


def _words(manifest: Manifest) -> Iterator[str]:
    maps = {"$.statuses": manifest.statuses}
    for name, profile in manifest.profiles.items():
        if profile.statuses is not None:
            maps[f"$.profiles.{name}.statuses"] = profile.statuses
    for path, words in maps.items():
        for word, status in words.items():
            if status in GATEWAY_ONLY:
                yield f"{path}.{word!r}: only the gateway says {status.value!r}; an app's done is 'resolved'"
    for key, error in manifest.verdicts.items():
        found = VERDICT_KEY.fullmatch(key)
        if found is None:
            yield f"$.verdicts.{key!r} must be like 'write 409'"
        elif found[1] == "read" and error == "ambiguous":
            yield f"$.verdicts.{key!r}: a read changes nothing, so it cannot be ambiguous"


def _webhook(webhook: Webhook, secrets: dict[str, str]) -> Iterator[str]:
    if webhook.secret not in secrets:
        yield f"$.webhook.secret {webhook.secret!r} is not in [secrets]"
    needed, allowed = _HEADERS[webhook.scheme]
    for field in needed:
        if not getattr(webhook, field):
            yield f"$.webhook.{field} is needed by {webhook.scheme.value!r}"
    for field in ("timestamp_header", "signature_header", "signature_prefix"):
        if getattr(webhook, field) and field not in {*needed, *allowed}:
            yield f"$.webhook.{field} means nothing to {webhook.scheme.value!r}: leave it out"
