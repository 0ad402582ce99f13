"""The embedded issuer's signing keys, in `GATEWAY_DATA/keys/issuer.json` (mode 0600), made at the first start.

A list, newest first: the first signs, all verify, so that tokens of before a rotation stay good until they expire.
"""

import contextlib
import os
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from gateway.kernel.identity.jwks import VerifyingKey, parse_jwks
from gateway.sdk.entropy import Entropy

_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of the group of NIST P-256 (FIPS 186-5)."""
_KEPT: Final = 3


class KeysError(Exception):
    """The key file cannot be used; the message says why and what to do."""


class Keys:
    """The signing keys of one data folder; also a `KeySource` that sees when another process has rotated them."""

    def __init__(self, file: Path, entropy: Entropy) -> None:
        """Read the keys, making the first one if there is none. Raises KeysError."""
        self._file, self._entropy = file, entropy
        self._generation = 0
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._write([_made(entropy)], first=True)
        self._read()

    @classmethod
    def open(cls, data: Path, entropy: Entropy) -> "Keys":
        """Return the keys of a data folder (GATEWAY_DATA)."""
        return cls(data / "keys" / "issuer.json", entropy)

    @property
    def signing(self) -> ECKey:
        """The newest key, with its private part."""
        return self._signing[0]

    @property
    def generation(self) -> int:
        """See `KeySource.generation`."""
        return self._generation

    @property
    def jwks(self) -> dict[str, Any]:
        """The public parts as a JSON Web Key Set."""
        return {"keys": [key.as_dict(private=False, use="sig", alg="ES256") for key in self._signing]}

    async def find(self, kid: str) -> VerifyingKey | None:
        """See `KeySource.find`. A name never seen makes the file be looked at again."""
        if kid not in self._verifying:
            with contextlib.suppress(OSError, KeysError):  # a broken file is told at the start, not to callers
                if self._stamp() != self._seen:
                    self._read()
        return self._verifying.get(kid)

    def rotate(self) -> str:
        """Make a new signing key and return its name; the last few stay for verifying."""
        self._read()
        made = _made(self._entropy)
        self._write([made, *self._signing[: _KEPT - 1]], first=False)
        self._read()
        return str(made.kid)

    def _read(self) -> None:
        try:
            if self._file.stat().st_mode & 0o077:
                raise KeysError(f"{self._file} can be read by others: run `chmod 600 {self._file}`")
            seen = self._stamp()
            entries = msgspec.json.decode(self._file.read_bytes(), type=dict[str, list[dict[str, str]]])["keys"]
            signing = [ECKey.import_key({**entry}) for entry in entries]
        except (msgspec.DecodeError, JoseError, KeyError, ValueError) as fault:
            raise KeysError(f"{self._file} is damaged ({type(fault).__name__}): restore it, or remove it") from None
        if not signing or not all(key.is_private for key in signing):
            raise KeysError(f"{self._file} holds no signing key: restore it, or remove it")
        self._signing, self._seen = signing, seen
        self._verifying = parse_jwks(msgspec.json.encode(self.jwks))
        self._generation += 1

    def _stamp(self) -> tuple[int, int]:
        found = self._file.stat()
        return found.st_mtime_ns, found.st_ino

    def _write(self, keys: list[ECKey], *, first: bool) -> None:
        part = self._file.with_name(f"issuer.{self._entropy.bytes(6).hex()}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(msgspec.json.encode({"keys": [key.as_dict(private=True) for key in keys]}))
            stream.flush()
            os.fsync(stream.fileno())
        if not first:
            part.replace(self._file)
            return
        try:
            os.link(part, self._file)  # two first starts at once: the slower one takes the faster one's key
        except FileExistsError:
            pass
        finally:
            part.unlink()


def _made(entropy: Entropy) -> ECKey:
    """Return a new P-256 key named by its thumbprint (RFC 7638), drawn from the injected randomness.

    384 bits modulo the order: the bias is below 2^-128 (FIPS 186-5 A.2.1).
    """
    scalar = int.from_bytes(entropy.bytes(48)) % (_ORDER - 1) + 1
    key = ECKey(ec.derive_private_key(scalar, ec.SECP256R1()), None)
    key.ensure_kid()
    return key
