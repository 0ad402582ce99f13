"""`gateway audit`: one report followed through every app."""

import asyncio
import os
import sys

import click

from gateway.commands.asked import settings


@click.group()
def audit() -> None:
    """Follow one report through every app."""


@audit.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="print the trace as JSON")
@click.option("--lang", type=click.Choice(["id", "en"]), default="id", show_default=True)
def trace(name: str, as_json: bool, lang: str) -> None:
    """Trace a report by its code or by any number an app gave to it (112 ticket, `kerusakan:45`, delivery key)."""
    from rich.console import Console

    from gateway.model.problem import Problem
    from gateway.run import trace_document

    console = Console(width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "120")))
    try:
        picture, document = asyncio.run(trace_document(settings(), name, lang, console.width))
    except Problem as problem:
        raise click.ClickException(str(problem.document(lang)["detail"])) from None
    if as_json:
        click.echo(document)
    else:
        console.print(picture)
