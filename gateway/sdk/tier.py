"""What a connector has proven: a tier, computed by the conformance kit and bound to a digest of the folder.

`tier.json` beside `connector.toml` keeps it. Whoever reads it believes it only for the very files it was computed
from: a folder that was changed since, or whose exemptions have run out, has proven nothing.
"""

import hashlib
from collections.abc import Iterator
from datetime import date
from enum import IntEnum
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = "tier.json"
KIT: Final = 1
"""Version of the rules; what was computed by other rules proves nothing by these."""
_LEFT_OUT: Final = frozenset({FILE, "__pycache__"})


class Tier(IntEnum):
    """How far a connector has come: bronze may be merged, silver may carry citizens' reports, gold may be a service's
    only channel, platinum is strict, property-tested and proven live."""

    UNPROVEN = 0
    BRONZE = 1
    SILVER = 2
    GOLD = 3
    PLATINUM = 4

    @property
    def word(self) -> str:
        """The name in lower case, as files and tables have it."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> "Tier":
        """Return the tier of a word. Raises ValueError."""
        try:
            return cls[word.upper()]
        except KeyError:
            raise ValueError(f"{word!r} is none of {', '.join(tier.word for tier in cls)}") from None


class TierRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `tier.json` holds: words of the tiers, SHA-256 of the folder, the verdict of every rule.

    `until` is the day on which the first exemption runs out (None: there is none).
    """

    kit: int
    tier: str
    claimed: str
    digest: str
    rules: dict[str, str]
    until: date | None = None


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 of all files of a connector's folder, names and contents, but for `tier.json` and caches."""
    seen = hashlib.sha256()
    for name, file in sorted((file.relative_to(folder).as_posix(), file) for file in _files(folder)):
        content = file.read_bytes()
        for part in (name.encode(), content):
            seen.update(len(part).to_bytes(8, "big") + part)
    return seen.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in _LEFT_OUT or path.name.startswith(".") or path.suffix == ".pyc":
            continue
        if path.is_dir():
            yield from _files(path)
        elif path.is_file():
            yield path


def read_tier(folder: Path) -> TierRecord | None:
    """Return what `tier.json` says, whether it still holds or not; None where there is none that can be read."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=TierRecord)
    except (OSError, msgspec.DecodeError):
        return None


def write_tier(folder: Path, record: TierRecord) -> None:
    """Write `tier.json`; the same record gives the same bytes."""
    text = msgspec.json.format(msgspec.json.encode(record), indent=2)
    part = folder / f".{FILE}.part"
    part.write_bytes(text + b"\n")
    part.replace(folder / FILE)


def proven_tier(folder: Path, today: date | None = None) -> Tier:
    """Return the tier that a connector's folder has proven as it stands now.

    UNPROVEN where there is no `tier.json`, where it is of other files or other rules, and where an exemption it
    rests on has run out by `today` (None: exemptions are not looked at).
    """
    record = read_tier(folder)
    if record is None or record.kit != KIT or record.digest != folder_digest(folder):
        return Tier.UNPROVEN
    if today is not None and record.until is not None and record.until < today:
        return Tier.UNPROVEN
    try:
        return Tier.of(record.tier)
    except ValueError:
        return Tier.UNPROVEN
