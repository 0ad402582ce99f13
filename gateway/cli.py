"""The command line: which commands there are and where each lives.

Every command that prints data takes `--json`; long work shows progress on a terminal only. A command's module is
loaded when the command is named, and what it works with when it runs, so that small commands answer at once.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import click

from gateway.settings import SettingsError, read_settings

COMMANDS: Final[Mapping[str, str]] = {
    "demo": "demo:demo",
    "up": "serving:up",
    "serve": "serving:serve",
    "work": "serving:work",
    "migrate": "database:migrate",
    "doctor": "doctor:doctor",
    "config": "config:config",
    "connector": "connector:connector",
    "sandbox": "sandbox:sandbox",
    "audit": "audit:audit",
    "token": "development:token",
    "clock": "development:clock",
}
"""Every command in the order of `--help`, as `module:name` inside `gateway.commands`."""


class Commands(click.Group):
    """Loads a command when it is named; turns the mistakes a person can make into one line with the way out."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, the ones a newcomer needs first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name, None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        found: click.Command = getattr(import_module(f"gateway.commands.{module}"), name)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (SystemExit, KeyboardInterrupt, click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        # Evaluated only when something else was raised: whoever makes no mistake does not wait for it.
        except _mistakes() as mistake:
            raise click.ClickException(str(mistake)) from None


def _mistakes() -> tuple[type[Exception], ...]:
    from gateway.kernel.ledger import KeyringError, Unreachable, Unsafe
    from gateway.kernel.policy import ConfigError

    return SettingsError, ConfigError, KeyringError, Unreachable, Unsafe


@click.group(cls=Commands)
@click.version_option(package_name="barru-gateway")
@click.pass_context
def main(context: click.Context) -> None:
    """The citizen-services gateway of Kabupaten Barru."""
    context.obj = read_settings()
