"""An app's secrets, by the names its manifest declares; values leave this module only to sign with.

A value comes from `GATEWAY_<APP>_<NAME>`, or from the file that `GATEWAY_<APP>_<NAME>_FILE` names; such a
file is read again when it changes, so that a secret can be rotated while the gateway runs.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

REDACTED = "***"
_SHORTEST = 4
"""Values shorter than this are not blotted out of messages: they would blot out half of every sentence."""


class SecretMissing(LookupError):
    """A secret that the manifest declares has no value; the message names the variable, never a value."""


class Secrets:
    """The secrets of one app."""

    def __init__(self, app: str, names: Iterable[str], environ: Mapping[str, str]) -> None:
        self._prefix = f"GATEWAY_{app.upper()}_"
        self._names = tuple(names)
        self._environ = environ
        self._files: dict[str, tuple[tuple[int, int, int], str]] = {}

    def __getitem__(self, name: str) -> str:
        """Return the value of a declared secret as it is now. Raises SecretMissing."""
        if name not in self._names:
            raise SecretMissing(f"{name} is not in [secrets] of the manifest")
        variable = self._prefix + name
        if value := self._environ.get(variable):
            return value
        if path := self._environ.get(f"{variable}_FILE"):
            return self._from_file(name, Path(path))
        raise SecretMissing(f"set {variable} or {variable}_FILE")

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a secret that holds several, one a line: during a rotation both count."""
        return tuple(line.strip() for line in self[name].splitlines() if line.strip())

    def missing(self) -> tuple[str, ...]:
        """Say of every declared secret without a value what to set."""
        told = []
        for name in self._names:
            try:
                self[name]
            except SecretMissing as missing:
                told.append(str(missing))
        return tuple(told)

    def fingerprint(self) -> bytes:
        """Return a digest of all values as they are now: another digest, another credential."""
        seen = hashlib.sha256()
        for name in self._names:
            try:
                value = self[name].encode()
            except SecretMissing:
                value = b""
            seen.update(len(value).to_bytes(8, "big") + value)
        return seen.digest()

    def reread(self) -> None:
        """Forget what was read from files, so that the next use reads them again."""
        self._files.clear()

    def redact(self, text: str) -> str:
        """Return `text` with every secret blotted out, also where it was written for a URL."""
        for name in self._names:
            try:
                values = self.all(name)
            except SecretMissing:
                continue
            for value in values:
                for form in {value, quote(value, safe=""), quote_plus(value)}:
                    if len(form) >= _SHORTEST:
                        text = text.replace(form, REDACTED)
        return text

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self._names)})"

    def _from_file(self, name: str, path: Path) -> str:
        kept = self._files.get(name)
        try:
            seen = path.stat()
            stamp = (seen.st_mtime_ns, seen.st_size, seen.st_ino)
            if kept is not None and kept[0] == stamp:
                return kept[1]
            value = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            if kept is not None:
                return kept[1]  # a file being replaced is gone for a moment
            raise SecretMissing(f"{self._prefix}{name}_FILE cannot be read ({type(error).__name__})") from error
        if not value:
            if kept is not None:
                return kept[1]
            raise SecretMissing(f"{self._prefix}{name}_FILE names an empty file")
        self._files[name] = (stamp, value)
        return value
