"""`gateway token` and `gateway clock`: conveniences of development, refused in production."""

from datetime import timedelta
from typing import Final

import click

from gateway.commands.asked import development

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.command()
@click.argument("subject", default="citizen")
@click.option("--role", "roles", multiple=True, default=("citizen",), show_default=True)
@click.option("--agency", help="the OPD an operator works for, e.g. BPBD")
@click.option("--hours", type=float, default=12, show_default=True, help="how long it is valid")
@click.option("--extra", multiple=True, help="extra permission, e.g. restricted")
def token(subject: str, roles: tuple[str, ...], agency: str | None, hours: float, extra: tuple[str, ...]) -> None:
    """Make an access token of the embedded issuer (development only)."""
    from gateway.issuer import development_token

    found = development("`gateway token`")
    click.echo(development_token(found, subject, roles, agency, timedelta(hours=hours), extra))


@click.command()
@click.argument("by", required=False)
def clock(by: str | None) -> None:
    """Show the travelling clock, or move it: +10d, +3h, +90s (development only)."""
    from gateway.sdk.clock import read_offset, travel

    file = development("`gateway clock`").clock_file
    assert file is not None
    offset = travel(file, _duration(by)) if by else read_offset(file)
    click.echo(f"{offset.total_seconds():.0f} seconds ahead ({offset})")


def _duration(text: str) -> timedelta:
    number, unit = text.lstrip("+")[:-1], text[-1:]
    try:
        return timedelta(**{_UNITS[unit]: float(number)})
    except (KeyError, ValueError):
        raise click.BadParameter(f"{text!r} is not a duration; write for example +10d, +3h, +90s") from None
