"""The data folder: instance id and the keys that never sit in the database.

`GATEWAY_DATA/keys/ledger.json` (mode 0600) holds versioned keys: `kek` wraps report keys, `secret` derives the
secrets that reporters hold, `pseudonym` names people in entries. It has a backup of its own.
"""

import base64
import hashlib
import hmac
import os
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from gateway.sdk.entropy import Entropy

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


class KeyringError(Exception):
    """The data folder and the database do not belong together, or keys are missing. Says the way out."""


class Keyring(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Versioned keys, 32 bytes each; the highest version is used for new things."""

    instance: str
    kek: dict[int, bytes]
    secret: dict[int, bytes]
    pseudonym: bytes

    def report_secret(self, report: UUID, epoch: int) -> str:
        """Return the secret of a report at an epoch: `version.` and 26 base 32 characters (130 bits).

        The same report and epoch give the same secret, so a replayed answer repeats it; a claim raises the epoch
        and ends it.
        """
        version = max(self.secret)
        return self._secret(version, report, epoch)

    def secret_matches(self, report: UUID, epoch: int, given: str) -> bool:
        """Tell, in constant time, whether `given` is the report's secret under any key version."""
        head, _, _ = given.partition(".")
        version = int(head[1:]) if head[:1] == "s" and head[1:].isdecimal() and len(head) < 6 else max(self.secret)
        known = version in self.secret
        expected = self._secret(version if known else max(self.secret), report, epoch)
        return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")) and known

    def _secret(self, version: int, report: UUID, epoch: int) -> str:
        message = b"report-secret" + report.bytes + epoch.to_bytes(4)
        number = int.from_bytes(hmac.digest(self.secret[version], message, hashlib.sha256)) >> 126
        return f"s{version}." + "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in range(26))

    def pseudonym_of(self, name: str) -> str:
        """Return the stable pseudonym of a person for entries: 16 base 32 characters."""
        digest = hmac.digest(self.pseudonym, name.encode(), hashlib.sha256)
        return base64.b32encode(digest[:10]).decode().lower()


def check_owner(owner: str, keyring: Keyring, data: Path) -> None:
    """Refuse a data folder that is not the one of the database, which says who its `owner` is. Raises KeyringError."""
    if owner != keyring.instance:
        raise KeyringError(
            f"the data folder {data} belongs to another database (instance {keyring.instance[:8]}, the "
            f"database says {owner[:8]}); point GATEWAY_DATA to the folder that was used with this database"
        )


def read_keyring(data: Path) -> Keyring | None:
    """Read the keyring of a data folder; None if none was made yet."""
    file = _file(data)
    return msgspec.json.decode(file.read_bytes(), type=Keyring) if file.exists() else None


def _file(data: Path) -> Path:
    return data / "keys" / "ledger.json"


def load_keyring(data: Path, entropy: Entropy) -> Keyring:
    """Read the keyring of a data folder, making it on the very first start."""
    if (made := read_keyring(data)) is not None:
        return made
    file = _file(data)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = Keyring(
        instance=entropy.bytes(16).hex(),
        kek={1: entropy.bytes(32)},
        secret={1: entropy.bytes(32)},
        pseudonym=entropy.bytes(32),
    )
    part = file.with_name(f"ledger.{entropy.bytes(6).hex()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(msgspec.json.encode(made))
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(part, file)  # two first starts at once: the slower one takes the faster one's keys
    except FileExistsError:
        return msgspec.json.decode(file.read_bytes(), type=Keyring)
    finally:
        part.unlink()
    folder = os.open(file.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    return made
