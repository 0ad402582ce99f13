"""What a simulated app is started with: its folder, its time, the villages it knows and its secrets."""

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from gateway.sdk.clock import Clock

_VILLAGE: Final = re.compile(r"\d{2}\.\d{2}\.\d{2}\.\d{4}")


class Village(msgspec.Struct, frozen=True, kw_only=True):
    """One village by its Kemendagri codes, dotted and compact."""

    dotted: str
    compact: str
    name: str


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Where a simulated app keeps its memory, which time it has, and whom it calls back.

    `territory` is a CSV with a column `code` (dotted Kemendagri) and a name; `environ` is looked through for
    `GATEWAY_<APP>_<SECRET>`, the names the gateway uses itself.
    """

    app: str
    folder: Path
    territory: Path
    clock: Clock
    gateway: str | None = None
    environ: Mapping[str, str] = {}

    def secret(self, name: str) -> str:
        """Return a secret that the app shares with the gateway."""
        variable = f"GATEWAY_{self.app.upper()}_{name}"
        if file := self.environ.get(f"{variable}_FILE"):
            return Path(file).read_text(encoding="utf-8").strip()
        return self.environ.get(variable) or development_secret(self.app, name)

    def villages(self) -> dict[str, Village]:
        """Return the regency's villages by compact code."""
        with self.territory.open(encoding="utf-8", newline="") as file:
            found = [
                Village(
                    dotted=row["code"],
                    compact=row["code"].replace(".", ""),
                    name=row.get("name") or row.get("name_id") or "",
                )
                for row in csv.DictReader(file)
                if _VILLAGE.fullmatch(row.get("code") or "")
            ]
        if not found:
            raise ValueError(f"{self.territory}: no villages in column `code`")
        return {village.compact: village for village in found}


def development_secret(app: str, name: str) -> str:
    """Return the value that a secret has where none is configured. For development only."""
    return f"sandbox-{app}-{name}"
