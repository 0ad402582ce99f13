"""What the commands about connectors show: the list of apps, and a check with its progress."""

import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from gateway.commands.pages import claimed
from gateway.kernel.host import Registry
from gateway.kit.check import check
from gateway.kit.report import Report, Result, Verdict
from gateway.kit.rule import Rule
from gateway.kit.rules import RULES
from gateway.sdk.clock import SystemClock
from gateway.sdk.manifest import FILE
from gateway.sdk.tier import Tier, proven_tier
from gateway.settings import Settings

_WORDS: Final[Mapping[Verdict, str]] = {
    Verdict.PASSED: "passed",
    Verdict.FAILED: "FAILED",
    Verdict.NOT_APPLICABLE: "does not apply",
    Verdict.EXEMPT: "exempt",
}
_STYLES: Final[Mapping[Verdict, str]] = {
    Verdict.PASSED: "green",
    Verdict.FAILED: "bold red",
    Verdict.NOT_APPLICABLE: "dim",
    Verdict.EXEMPT: "yellow",
}
_COLUMNS: Final[Mapping[str, str]] = {
    "name": "app",
    **{name: name for name in ("level", "tier", "claimed", "mode", "health", "title")},
}
"""The table of apps: names in a row, and what stands above them."""
_PIPE_WIDTH: Final = 160


def listed(settings: Settings) -> list[dict[str, str | None]]:
    """Return what `connector list` shows of each app; `tier` is what its folder has proven as it stands today."""
    registry = Registry.discover(settings.connectors, settings.environ)
    today = SystemClock().real().date()
    rows = []
    for row in registry.describe():
        name = str(row["name"])
        if name in registry.names():
            folder = registry.get(name).folder
            row |= {"tier": proven_tier(folder, today).word, "claimed": claimed(folder)}
        rows.append(row)
    return rows


def shown(rows: Sequence[Mapping[str, str | None]]) -> None:
    """Print the list of apps as a table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in _COLUMNS.values():
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(escape(row[name] or "-") for name in _COLUMNS))
    _console().print(table)


def folder_of(name: str, settings: Settings) -> Path:
    """Return the folder of a connector, given by its app's name or as a path. Raises LookupError with what there is."""
    given = Path(name)
    if (given / FILE).is_file():
        return given
    for place in settings.connectors:
        if (place / name / FILE).is_file():
            return place / name
    registry = Registry.discover(settings.connectors, settings.environ)
    if name in registry.names():
        return registry.get(name).folder
    there = registry.names()
    near = get_close_matches(name, there, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(there) or 'none'}"
    raise LookupError(f"no connector {name} in {', '.join(map(str, settings.connectors))}: {hint}")


def rules_of(ids: Sequence[str]) -> Sequence[Rule]:
    """Return the rules of these ids, all where there is none. Raises LookupError."""
    known = {rule.id: rule for rule in RULES}
    if unknown := [one for one in ids if one not in known]:
        raise LookupError(f"there is no rule {unknown[0]}; there are {', '.join(known)}")
    return [rule for rule in RULES if rule.id in ids] if ids else RULES


def holds(report: Report) -> bool:
    """Tell whether no rule that was tried has failed, whatever is claimed."""
    return all(result.verdict is not Verdict.FAILED for result in report.results)


def tried(folder: Path, config: Path, rules: Sequence[Rule], *, quiet: bool, write: bool) -> Report:
    """Try rules on a connector; unless `quiet`, show progress on a terminal and the verdicts as a table.

    Only all rules together prove a tier, which is kept in the folder if `write`. Where there is no configuration (a
    team's own repository), they are tried under the one that came with the gateway.
    """
    console = _console()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        bar.disable = quiet or not sys.stderr.isatty()
        task = bar.add_task(folder.resolve().name, total=len(rules), visible=not bar.disable)

        def progress(result: Result) -> None:
            bar.update(task, advance=1, description=f"{result.rule} {result.title}")

        where, all_of_them = config if config.is_dir() else None, len(rules) == len(RULES)
        report = check(folder, progress, config=where, rules=None if all_of_them else rules, write=write)
    if not quiet:
        _print(report, console)
    return report


def _print(report: Report, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("rule", "tier", "verdict", "what"):
        table.add_column(name, overflow="fold")
    for result in report.results:
        what = result.title if not result.detail else f"{result.title}: {result.detail}"
        verdict = f"[{_STYLES[result.verdict]}]{_WORDS[result.verdict]}[/]"
        table.add_row(result.rule, result.tier, verdict, escape(what))
    console.print(table)
    seconds = sum(result.seconds for result in report.results)
    if len(report.results) == len(RULES):
        console.print(f"\n{report.app}: {report.tier}, claimed {report.claimed} ({seconds:.0f} s)", highlight=False)
        for fault in report.faults:
            console.print(f"[bold red]{escape(fault)}[/]", highlight=False)
    else:
        console.print(f"\n{report.app}: {len(report.results)} of {len(RULES)} rules ({seconds:.0f} s)", highlight=False)
    for line in next_steps(report):
        console.print(line, highlight=False, markup=False)


def next_steps(report: Report) -> list[str]:
    """Return what to do next: the failures that keep the connector from the next tier, each with its step and page."""
    tier = Tier.of(report.tier)
    failed = [result for result in report.results if result.verdict is Verdict.FAILED]
    if not failed:
        return [f'kit.toml may say claimed = "{tier.word}".'] if tier > Tier.of(report.claimed) else []
    wanted = min(Tier.of(result.tier) for result in failed)
    lines = [f"To be {wanted.word}:"]
    for result in failed:
        if Tier.of(result.tier) is wanted:
            lines += [f"  {result.rule}  {result.step}", f"        {result.page}"]
    return lines


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
