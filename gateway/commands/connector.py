"""`gateway connector`: the connected apps, for whoever runs the gateway and for the teams of the apps."""

import click

from gateway.commands.asked import settings, show_json


@click.group()
def connector() -> None:
    """The connected apps."""


@connector.command("list")
@click.option("--json", "as_json", is_flag=True, help="print as JSON")
def list_command(as_json: bool) -> None:
    """Show each connector with its level and mode."""
    from gateway.kernel.host import Registry

    found = settings()
    rows = Registry.discover(found.connectors, found.environ).describe()
    if as_json:
        show_json({"connectors": rows})
        return
    for row in rows:
        click.echo(f"{row['name']:<20} {row['level']:<4} {row['mode']:<8} {row['health']:<30} {row['title']}")
