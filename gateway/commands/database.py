"""`gateway migrate`: the database as this version needs it."""

import asyncio

import click

from gateway.commands.asked import settings


@click.command()
def migrate() -> None:
    """Bring the database to the newest version."""
    from gateway.kernel.ledger import migrate as bring

    asyncio.run(bring(settings().database_url))
    click.echo("The database is at the newest version.")
