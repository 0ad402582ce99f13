"""What a command was asked with: the settings of this process, and whether a convenience is allowed here."""

import json
from typing import Any

import click

from gateway.settings import Settings


def settings() -> Settings:
    """Return the settings of the running command."""
    found = click.get_current_context().find_object(Settings)
    assert found is not None
    return found


def development(what: str) -> Settings:
    """Return the settings, or refuse in production what is for development only."""
    found = settings()
    if found.production:
        raise click.ClickException(f"{what} is a development convenience and is refused in production")
    return found


def show_json(value: Any) -> None:
    """Print a value as indented JSON, text of every script as it is."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
