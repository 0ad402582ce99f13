"""`gateway doctor`: what is there and what is missing."""

import asyncio
import sys

import click

from gateway.commands.asked import settings, show_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="print findings as JSON")
def doctor(as_json: bool) -> None:
    """Look whether everything is there that a gateway needs; change nothing."""
    from gateway.doctor import examine

    async def look() -> list[dict[str, str]]:
        return [
            {"what": found.what, "state": found.state, "detail": found.detail} async for found in examine(settings())
        ]

    findings = asyncio.run(look())
    if as_json:
        show_json({"findings": findings})
    else:
        for found in findings:
            click.echo(f"{found['state']:<6}{found['what']:<24}{found['detail']}")
    sys.exit(1 if any(found["state"] == "fault" for found in findings) else 0)
