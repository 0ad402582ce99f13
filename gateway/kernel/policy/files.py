"""Reading config/: TOML and CSV as plain values, and the digest that names exactly this configuration."""

import csv
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.kernel.policy.findings import Finding

SERVICES: Final = "services.toml"
AGENCIES: Final = "agencies.csv"
TERRITORY: Final = "territory.csv"
HOLIDAYS: Final = "holidays.csv"
SLA: Final = "sla.toml"
ROUTING: Final = "routing.toml"
NOTICES: Final = "notices.toml"
DANGER: Final = "danger_words.toml"

COLUMNS: Final = {
    AGENCIES: [
        "code",
        "name",
        "short_name",
        "kind",
        "week_days",
        "district",
        "verified",
        "handles_id",
        "handles_en",
    ],
    TERRITORY: [
        "code",
        "compact",
        "level",
        "name",
        "parent",
        "bps2018",
        "latitude",
        "longitude",
        "min_latitude",
        "min_longitude",
        "max_latitude",
        "max_longitude",
    ],
    HOLIDAYS: ["date", "kind", "name_id", "name_en"],
}
"""The columns of each CSV file, in their order."""
NAMES: Final = (SERVICES, AGENCIES, TERRITORY, HOLIDAYS, SLA, ROUTING, NOTICES, DANGER)


class Row(msgspec.Struct, frozen=True):
    """One row of a CSV file: its line number, and its cells by column; an empty cell is None."""

    line: int
    cells: dict[str, str | None]


class Raw(msgspec.Struct, frozen=True):
    """The content of all files: TOML documents and CSV rows by file name."""

    documents: dict[str, dict[str, Any]]
    tables: dict[str, list[Row]]

    def digest(self) -> str:
        """Return the SHA-256 (hex) of what the files say.

        Comments, line endings, spacing and the order of keys do not matter; every value and the order of lists and
        rows do.
        """
        said: dict[str, Any] = dict(self.documents)
        said.update({name: [row.cells for row in rows] for name, rows in self.tables.items()})
        return sha256(msgspec.json.encode(said, order="sorted")).hexdigest()


def read(folder: Path) -> tuple[Raw, list[Finding]]:
    """Read every file of a configuration; one that is missing or unreadable is a finding and stays empty."""
    raw, findings = Raw({}, {}), []
    for name in NAMES:
        try:
            text = (folder / name).read_text(encoding="utf-8-sig")
            if name in COLUMNS:
                raw.tables[name], wrong = _rows(name, text)
                findings += wrong
            else:
                raw.documents[name] = tomllib.loads(text)
        except FileNotFoundError:
            findings.append(Finding(name, "-", f"the file is missing in {folder}"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
            findings.append(Finding(name, "-", f"cannot be read: {fault}"))
        if name in COLUMNS:
            raw.tables.setdefault(name, [])
        else:
            raw.documents.setdefault(name, {})
    if folder.is_dir():
        known = set(NAMES)
        for path in sorted(folder.iterdir()):
            if path.suffix in {".toml", ".csv"} and path.name not in known:
                findings.append(Finding(path.name, "-", "no program reads this file; its name may be misspelt"))
    return raw, findings


def _rows(name: str, text: str) -> tuple[list[Row], list[Finding]]:
    """Split a CSV file into rows: header first; lines that begin with # and empty lines are passed over."""
    rows: list[Row] = []
    findings: list[Finding] = []
    columns: list[str] | None = None
    for line, content in enumerate(text.splitlines(), start=1):
        if not content.strip() or content.lstrip().startswith("#"):
            continue
        try:
            cells = [cell.strip() for cell in next(csv.reader([content], strict=True))]
        except csv.Error as fault:
            findings.append(Finding(name, f"line {line}", f"cannot be read: {fault}"))
            continue
        if columns is None:
            columns = cells
            if columns != COLUMNS[name]:
                findings.append(Finding(name, f"line {line}", f"the columns must be {','.join(COLUMNS[name])}"))
                return rows, findings
        elif len(cells) != len(columns):
            findings.append(Finding(name, f"line {line}", f"{len(cells)} cells, {len(columns)} are needed"))
        else:
            rows.append(Row(line, {column: cell or None for column, cell in zip(columns, cells, strict=True)}))
    if columns is None:
        findings.append(Finding(name, "-", "the file is empty"))
    return rows, findings
