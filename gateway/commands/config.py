"""`gateway config`: what Diskominfo-SP changes, checked before it counts."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.commands.asked import settings, show_json

if TYPE_CHECKING:
    from gateway.commands.dry_run.compare import Change, Outcome


@click.group()
def config() -> None:
    """What Diskominfo-SP changes: services, routing, deadlines, texts."""


@config.command()
@click.option("--json", "as_json", is_flag=True, help="print findings as JSON")
def check(as_json: bool) -> None:
    """Find every mistake in config/, with file and place.

    A live route through a connector that has not proven silver is one; in development it is only told.
    """
    from gateway.kernel.host import Registry
    from gateway.kernel.policy import Policy, unproven_routes
    from gateway.kernel.policy import check as check_folder
    from gateway.sdk.clock import SystemClock

    found = settings()
    registry = Registry.discover(found.connectors, found.environ)
    findings = check_folder(found.config, registry.names())
    if not findings:
        unproven = unproven_routes(Policy.load(found.config), registry.tiers(SystemClock().real().date()))
        findings = unproven if found.production else []
        for one in [] if found.production else unproven:
            click.echo(f"warning: {one}", err=True)
    if as_json:
        show_json([{"file": one.file, "path": one.path, "message": one.message} for one in findings])
    else:
        for one in findings:
            click.echo(f"{one.file}: {one.path}: {one.message}")
        click.echo(f"{len(findings)} mistakes in {found.config}" if findings else f"{found.config} is sound")
    sys.exit(1 if findings else 0)


@config.command("dry-run")
@click.option("--last", default=200, show_default=True, type=click.IntRange(min=1), help="how many reports")
@click.option("--config", "folder", type=click.Path(path_type=Path, exists=True), help="changed configuration")
@click.option("--connectors", type=click.Path(path_type=Path, exists=True), help="folder with changed connectors")
@click.option("--json", "as_json", is_flag=True, help="print every report as JSON")
def dry_run(last: int, folder: Path | None, connectors: Path | None, as_json: bool) -> None:
    """Show which of the last reports would go elsewhere; change nothing.

    With --config or --connectors the changed ones are compared with those in use; without, the ones in use with where
    the reports were really sent. No content of a report is shown. Exit code 0: none would go elsewhere; 1: some would;
    2: the comparison could not be made.
    """
    import asyncio

    from gateway.commands.dry_run.rehearse import rehearse, world
    from gateway.kernel.policy import ConfigError

    found = settings()
    try:
        new = world(folder or found.config, (connectors,) if connectors else found.connectors)
        old = world(found.config, found.connectors) if folder or connectors else None
    except ConfigError as mistakes:
        raise _Impossible(str(mistakes)) from None
    outcome = asyncio.run(rehearse(found, last, new, old))
    if as_json:
        import msgspec

        show_json(msgspec.to_builtins(outcome) | {"baseline": "sent" if old is None else old.policy.digest})
    else:
        for line in _told(outcome):
            click.echo(line)
    sys.exit(1 if outcome.moved else 0)


class _Impossible(click.ClickException):
    exit_code = 2


def _told(outcome: "Outcome") -> Iterator[str]:
    """Say what would go elsewhere, the same changes of a service together, the most frequent first."""
    alike: dict[tuple[str, tuple[Change, ...]], list[str]] = {}
    for moved in outcome.moved:
        alike.setdefault((moved.service, moved.changes), []).append(moved.code)
    for (service, changes), codes in sorted(alike.items(), key=lambda one: (-len(one[1]), one[0][0])):
        more = f" and {len(codes) - 3} more" if len(codes) > 3 else ""
        yield f"{service}: {len(codes)} ({', '.join(codes[:3])}{more})"
        yield from (f"    {change.what}: {change.before or '-'} -> {change.after or '-'}" for change in changes)
    yield f"{len(outcome.moved)} of {outcome.compared} reports would go elsewhere"
