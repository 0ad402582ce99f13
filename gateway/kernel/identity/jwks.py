"""Keys that verify tokens: read from a JSON Web Key Set (RFC 7517), fetched from the issuer when they are needed."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import msgspec
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gateway.kernel.edge.body import read_json
from gateway.model.problem import Problem
from gateway.sdk.clock import Clock
from gateway.sdk.errors import AppError

ALGORITHMS: Final = frozenset({"ES256", "RS256", "EdDSA", "Ed25519"})
"""Signatures that are accepted. All are made with a private key: nothing that a verifier holds can forge one."""

_PUBLIC: Final = ("kty", "crv", "x", "y", "n", "e")
_LIMIT: Final = 262_144
_MOST_KEYS: Final = 64
_FRESH_S: Final = 3_600.0
_RSA_BITS: Final = range(2048, 8193)
_DEAD_S: Final = 86_400.0
_PAUSE_S: Final = 30.0

Fetch = Callable[[str], Awaitable[bytes]]
"""Gets what is at an address. May raise AppError, OSError or TimeoutError."""

_log = structlog.get_logger()


class VerifyingKey(msgspec.Struct, frozen=True):
    """A public key, its name, and the algorithms (RFC 7518, 8037) it may be used with."""

    kid: str
    algorithms: frozenset[str]
    native: ECKey | RSAKey | OKPKey


class KeySource(Protocol):
    """Where verifying keys come from."""

    @property
    def generation(self) -> int:
        """A number that changes when the keys do: what was verified under an older one is looked at again."""

    async def find(self, kid: str) -> VerifyingKey | None:
        """Return the key of a name, None if the issuer has none. Raises Problem `unavailable`."""


class KeySetRefused(Exception):
    """A document is no usable key set; says why, without repeating it."""


def parse_jwks(raw: bytes) -> dict[str, VerifyingKey]:
    """Return the usable keys of a key set by name: the first of each name, for signatures, of a known kind.

    Symmetric keys, keys for encryption, weak or nameless keys are passed over. Raises KeySetRefused if there is
    no key set at all.
    """
    document = _document(raw)
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise KeySetRefused("no list of keys")
    keys: dict[str, VerifyingKey] = {}
    for entry in entries[:_MOST_KEYS]:
        key = _key(entry) if isinstance(entry, dict) else None
        if key is not None:
            keys.setdefault(key.kid, key)
    return keys


def _document(raw: bytes) -> dict[str, Any]:
    try:
        document = read_json(raw, _LIMIT)
    except Problem as problem:
        raise KeySetRefused(problem.slug) from None
    if not isinstance(document, dict):
        raise KeySetRefused("no JSON object")
    return document


def _key(entry: Mapping[str, Any]) -> VerifyingKey | None:
    kid, use, operations = entry.get("kid"), entry.get("use", "sig"), entry.get("key_ops", ["verify"])
    named = isinstance(kid, str) and 0 < len(kid) <= 200
    if not named or use != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    public: dict[str, str | list[str]] = {name: entry[name] for name in _PUBLIC if name in entry}
    if not all(isinstance(value, str) for value in public.values()):
        return None
    try:
        found = _native(public)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if found is None:
        return None
    native, algorithms = found
    if "alg" in entry:
        algorithms = algorithms & {str(entry["alg"])}
    return VerifyingKey(str(kid), algorithms, native) if algorithms else None


def _native(public: dict[str, str | list[str]]) -> tuple[ECKey | RSAKey | OKPKey, frozenset[str]] | None:
    match public.get("kty"), public.get("crv"):
        case "EC", "P-256":
            return ECKey.import_key(public), frozenset({"ES256"})
        case "OKP", "Ed25519":
            return OKPKey.import_key(public), frozenset({"EdDSA", "Ed25519"})
        case "RSA", None if _bits(str(public["n"])) in _RSA_BITS:
            return RSAKey.import_key(public), frozenset({"RS256"})
    return None


def _bits(number: str) -> int:
    """Return how many bits a base64url number has: RFC 8725 wants 2048, and endless ones cost endless time."""
    return int.from_bytes(base64.urlsafe_b64decode(number + "=" * (-len(number) % 4))).bit_length()


def _prints(keys: Mapping[str, VerifyingKey]) -> dict[str, str]:
    return {kid: key.native.thumbprint() for kid, key in keys.items()}


class RemoteKeys:
    """The keys of an issuer somewhere else, found by its discovery document (OpenID Connect Discovery 1.0).

    They are fetched when first needed, again after an hour, and for a name never seen, but not twice within 30
    seconds, so that made-up names cannot be used to knock at the issuer's door. While it is away, known keys stay
    good for a day, and nobody who has one waits. The address of the keys must be as safe as the issuer's own.
    """

    def __init__(self, issuer: str, fetch: Fetch, clock: Clock) -> None:
        self._issuer, self._fetch, self._clock = issuer, fetch, clock
        self._keys: dict[str, VerifyingKey] = {}
        self._stale_at = self._dead_at = self._try_at = float("-inf")
        self._lock = asyncio.Lock()
        self._address: str | None = None
        self._generation = 0
        self._away = False

    @property
    def generation(self) -> int:
        """See `KeySource.generation`."""
        return self._generation

    async def find(self, kid: str) -> VerifyingKey | None:
        """See `KeySource.find`."""
        if self._wanting(kid) and not (kid in self._keys and self._lock.locked()):
            async with self._lock:
                if self._wanting(kid):
                    await self._refresh()
        if not self._keys or self._clock.monotonic() >= self._dead_at:
            raise Problem("unavailable")
        return self._keys.get(kid)

    def _wanting(self, kid: str) -> bool:
        now = self._clock.monotonic()
        return now >= self._try_at and (kid not in self._keys or now >= self._stale_at)

    async def _refresh(self) -> None:
        self._try_at = self._clock.monotonic() + _PAUSE_S
        try:
            if self._address is None:
                self._address = await self._discover()
            keys = parse_jwks(await self._fetch(self._address))
        except (AppError, OSError, TimeoutError, KeySetRefused) as fault:
            self._address = None
            if not self._away:
                _log.warning("issuer.away", cause=type(fault).__name__)
            self._away = True
            return
        if self._away:
            _log.info("issuer.back")
        self._away = False
        now = self._clock.monotonic()
        self._stale_at, self._dead_at = now + _FRESH_S, now + _DEAD_S
        if _prints(keys) != _prints(self._keys):
            self._generation += 1
        self._keys = keys

    async def _discover(self) -> str:
        document = _document(await self._fetch(self._issuer.rstrip("/") + "/.well-known/openid-configuration"))
        address = document.get("jwks_uri")
        if document.get("issuer") != self._issuer or not isinstance(address, str):
            raise KeySetRefused("the discovery document is another issuer's")
        if not address.startswith("https://") and not (
            self._issuer.startswith("http://") and address.startswith("http://")
        ):
            raise KeySetRefused("the keys are at an unsafe address")
        return address
