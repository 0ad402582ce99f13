"""`gateway config`: what Diskominfo-SP changes, checked before it counts."""

import sys

import click

from gateway.commands.asked import settings, show_json


@click.group()
def config() -> None:
    """What Diskominfo-SP changes: services, routing, deadlines, texts."""


@config.command()
@click.option("--json", "as_json", is_flag=True, help="print findings as JSON")
def check(as_json: bool) -> None:
    """Find every mistake in config/, with file and place."""
    from gateway.kernel.host import Registry
    from gateway.kernel.policy import check as check_folder

    found = settings()
    registry = Registry.discover(found.connectors, found.environ)
    findings = check_folder(found.config, registry.names())
    if as_json:
        show_json([{"file": one.file, "path": one.path, "message": one.message} for one in findings])
    else:
        for one in findings:
            click.echo(f"{one.file}: {one.path}: {one.message}")
        click.echo(f"{len(findings)} mistakes in {found.config}" if findings else f"{found.config} is sound")
    sys.exit(1 if findings else 0)
