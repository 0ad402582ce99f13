"""The table of a run: medians, and the ratios that alone mean something."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from tests.bench.ways import PACES


@dataclass(frozen=True)
class Line:
    """One line: what is measured, its figure's name, its yardstick's, and what is to be reached (as it is said)."""

    label: str
    figure: str
    yardstick: str | None = None
    goal: str = ""


LINES = (
    Line("pgbench: 3 inserts, one transaction each, 32 connections", "pgbench inserts"),
    Line("POST /v1/reports, PostgreSQL, one API process", "post postgres", "pgbench inserts", ">= 1.2"),
    *(Line(f"… paced at {rate:,} a second", f"paced {rate}", None, "p99 <= 5 ms") for rate in PACES),
    Line("… two API processes, two workers, Redis", "pair", "post postgres", ">= 1.3"),
    Line("SQLite FULL: a bare loop of 3 inserts", "sqlite loop"),
    Line("POST /v1/reports, embedded on SQLite FULL", "post sqlite", "sqlite loop", ">= 1.0"),
    Line("pgbench: select by key, 32 connections", "pgbench selects"),
    Line("GET /v1/reports/{code}, PostgreSQL", "get", "pgbench selects", ">= 0.25"),
    Line("deliveries per worker, to nobody", "drain hampa", None, "10,000/s"),
    Line("deliveries per worker, over HTTP", "drain bebas", None, "2,000/s"),
    Line("POST with many reports stored", "post stored", "post postgres", "0.8 to 1.2"),
    Line("GET with many reports stored", "get stored", "get", "0.8 to 1.2"),
)


def ratio_table(figures: Mapping[str, Sequence[float]]) -> Table:
    """Return the table; what was not measured is left out."""
    middle = {name: statistics.median(values) for name, values in figures.items() if values}
    shown = Table(title="medians of interleaved rounds")
    for column in ("", "per second", "ratio", "to reach", "p50 ms", "p99 ms", "CPU µs each", "rounds"):
        shown.add_column(column, justify="left" if not column else "right")
    for line in LINES:
        if line.figure not in middle:
            continue
        value = middle[line.figure]
        against = middle.get(line.yardstick or "")
        shown.add_row(
            line.label,
            f"{value:,.0f}",
            f"{value / against:.2f}" if against else "",
            line.goal,
            *(_shown(middle.get(f"{line.figure} {what}")) for what in ("p50", "p99")),
            f"{middle[f'{line.figure} cpu']:,.0f}" if f"{line.figure} cpu" in middle else "",
            str(len(figures[line.figure])),
        )
    return shown


def memory_table(figures: Mapping[str, Sequence[float]]) -> Table:
    """Return how much memory the processes had at first and at last, in MB."""
    shown = Table(title="memory of a process, MB")
    for column in ("", "before", "after"):
        shown.add_column(column, justify="left" if not column else "right")
    for name, label in (("postgres", "serve, PostgreSQL"), ("sqlite", "up, SQLite")):
        if f"{name} memory" in figures:
            before, after = figures[f"{name} memory before"][0], figures[f"{name} memory"][-1]
            shown.add_row(label, f"{before:.0f}", f"{after:.0f}")
    return shown


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
