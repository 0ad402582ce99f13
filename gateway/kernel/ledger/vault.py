"""The vault: personal data and free text, AES-256-GCM under a key per report.

The report's key is 64 random bytes: half encrypts, half makes keyed commitments (HMAC-SHA256). It is kept only
wrapped by a key-encryption key that never sits in the database. Destroying the wrapped key erases the content
and leaves every proof valid: a commitment still proves *that* and *when*, never again *what*.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.kernel.ledger.keyring import KeyringError

T = TypeVar("T")

_NONCE: Final = 12
_SIZE: Final = 64
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


class Erased(Exception):
    """The key of this content was destroyed; what remains is the proof that it existed."""


class ReportKey:
    """The unwrapped key of one report. Never log it, never keep it longer than the act that needs it."""

    __slots__ = ("_cipher", "_commit", "_random", "raw")

    def __init__(self, raw: bytes, random_bytes: Callable[[int], bytes]) -> None:
        if len(raw) != _SIZE:
            raise ValueError("a report key has 64 bytes")
        self.raw = raw
        self._cipher = AESGCM(raw[:32])
        self._commit = raw[32:]
        self._random = random_bytes

    def seal(self, purpose: str, value: object) -> bytes:
        """Encrypt `value` (anything msgspec can encode) for one purpose, e.g. `content`."""
        nonce = self._random(_NONCE)
        return nonce + self._cipher.encrypt(nonce, _ENCODER.encode(value), purpose.encode())

    def open(self, purpose: str, sealed: bytes, type_: type[T]) -> T:
        """Decrypt what `seal` made; raises `Erased` if it was made under another key or altered."""
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose.encode())
        except InvalidTag:
            raise Erased(purpose) from None
        return msgspec.json.decode(plain, type=type_)

    def commitment(self, value: object) -> str:
        """Return the keyed commitment to a value (or to bytes as they are), 64 hex digits."""
        data = value if isinstance(value, bytes) else _ENCODER.encode(value)
        return hmac.new(self._commit, data, hashlib.sha256).hexdigest()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the commitment key; stands in the first entry so that the key cannot be swapped later."""
        return hashlib.sha256(self._commit).hexdigest()


class Vault:
    """Wraps and unwraps report keys with versioned key-encryption keys (32 bytes each)."""

    def __init__(self, keks: Mapping[int, bytes], random_bytes: Callable[[int], bytes]) -> None:
        if not keks:
            raise ValueError("the vault needs a key-encryption key")
        self._keks = {version: AESGCM(key) for version, key in keks.items()}
        self.current = max(keks)
        self._random = random_bytes

    def new_key(self) -> ReportKey:
        """Make a fresh key."""
        return ReportKey(self._random(_SIZE), self._random)

    def wrap(self, key: ReportKey, owner: str) -> bytes:
        """Wrap a key for the row named `owner` (its id in hex), so that it opens nowhere else."""
        nonce = self._random(_NONCE)
        return nonce + self._keks[self.current].encrypt(nonce, key.raw, owner.encode())

    def unwrap(self, kek: int, wrapped: bytes | None, owner: str) -> ReportKey:
        """Unwrap a key; raises `Erased` if it was destroyed, `KeyringError` if the data folder lacks the key-encryption
        key it was wrapped with."""
        if not wrapped:
            raise Erased(owner)
        if kek not in self._keks:
            raise KeyringError(f"key-encryption key {kek} is not in the data folder; restore keys/ledger.json")
        try:
            raw = self._keks[kek].decrypt(wrapped[:_NONCE], wrapped[_NONCE:], owner.encode())
        except InvalidTag:
            raise Erased(owner) from None
        return ReportKey(raw, self._random)

    def rewrap_under(self, key: ReportKey, by: ReportKey, owner: str) -> bytes:
        """Wrap `key` (of an inbox row or a file) under a report's key, so that erasing the report erases it."""
        return by.seal(f"key:{owner}", key.raw)

    def unwrap_under(self, wrapped: bytes | None, by: ReportKey, owner: str) -> ReportKey:
        """Undo `rewrap_under`."""
        if not wrapped:
            raise Erased(owner)
        return ReportKey(by.open(f"key:{owner}", wrapped, bytes), self._random)
