"""The command line. Every command that prints data takes `--json`; long work shows progress on a terminal only."""

import asyncio
import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from gateway.kernel.edge.logging import configure_logging
from gateway.kernel.host import Registry
from gateway.kernel.ledger import KeyringError, Unsafe, migrate
from gateway.kernel.policy import ConfigError, check
from gateway.model.problem import Problem
from gateway.sdk.clock import read_offset, travel
from gateway.settings import Settings, SettingsError, read_settings

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class _Command(click.Group):
    """Turns the mistakes a person can make into one line with the way out."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (SettingsError, ConfigError, KeyringError, Unsafe) as mistake:
            raise click.ClickException(str(mistake)) from None


@click.group(cls=_Command)
@click.version_option(package_name="barru-gateway")
@click.pass_context
def main(context: click.Context) -> None:
    """The citizen-services gateway of Kabupaten Barru."""
    context.obj = read_settings()


def _settings() -> Settings:
    return click.get_current_context().find_object(Settings)  # type: ignore[return-value]


def _development(what: str) -> Settings:
    settings = _settings()
    if settings.production:
        raise click.ClickException(f"{what} is a development convenience and is refused in production")
    return settings


@main.command()
@click.option("--host", help="address to listen on (GATEWAY_HOST)")
@click.option("--port", type=int, help="port to listen on (GATEWAY_PORT)")
def up(host: str | None, port: int | None) -> None:
    """Serve the API and work the queues in one process."""
    _serve(host, port, work=True)


@main.command()
@click.option("--host", help="address to listen on (GATEWAY_HOST)")
@click.option("--port", type=int, help="port to listen on (GATEWAY_PORT)")
def serve(host: str | None, port: int | None) -> None:
    """Serve the API only (needs PostgreSQL; run `gateway work` beside it)."""
    _needs_postgres("serve")
    _serve(host, port, work=False)


@main.command()
def work() -> None:
    """Work the queues only (needs PostgreSQL; run `gateway serve` beside it)."""
    _needs_postgres("work")
    from gateway.run import run_worker

    configure_logging(_settings().production)
    run_worker(_settings())


def _needs_postgres(command: str) -> None:
    if _settings().sqlite:
        raise click.ClickException(
            f"`gateway {command}` needs PostgreSQL, because SQLite serves one process only: set GATEWAY_DATABASE_URL "
            "to postgresql://…, or use `gateway up`"
        )


def _serve(host: str | None, port: int | None, work: bool) -> None:
    from gateway.run import run_server

    settings = _settings()
    configure_logging(settings.production)
    run_server(settings, host or settings.host, port or settings.port, work=work)


@main.command("migrate")
def migrate_command() -> None:
    """Bring the database to the newest version."""
    asyncio.run(migrate(_settings().database_url))
    click.echo("The database is at the newest version.")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="print findings as JSON")
def doctor(as_json: bool) -> None:
    """Look whether everything is there that a gateway needs; change nothing."""
    from gateway.doctor import examine

    async def look() -> list[dict[str, str]]:
        return [
            {"what": found.what, "state": found.state, "detail": found.detail} async for found in examine(_settings())
        ]

    findings = asyncio.run(look())
    if as_json:
        click.echo(json.dumps({"findings": findings}, indent=2))
    else:
        for found in findings:
            click.echo(f"{found['state']:<6}{found['what']:<24}{found['detail']}")
    sys.exit(1 if any(found["state"] == "fault" for found in findings) else 0)


@main.group("config")
def config_group() -> None:
    """What Diskominfo-SP changes: services, routing, deadlines, texts."""


@config_group.command("check")
@click.option("--json", "as_json", is_flag=True, help="print findings as JSON")
def config_check(as_json: bool) -> None:
    """Find every mistake in config/, with file and place."""
    settings = _settings()
    registry = Registry.discover(settings.connectors, settings.environ)
    findings = check(settings.config, registry.names())
    if as_json:
        click.echo(json.dumps([{"file": f.file, "path": f.path, "message": f.message} for f in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.file}: {finding.path}: {finding.message}")
        click.echo(f"{len(findings)} mistakes in {settings.config}" if findings else f"{settings.config} is sound")
    sys.exit(1 if findings else 0)


@main.group("connector")
def connector_group() -> None:
    """The connected apps."""


@connector_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="print as JSON")
def connector_list(as_json: bool) -> None:
    """Show each connector with its level and mode."""
    settings = _settings()
    rows = Registry.discover(settings.connectors, settings.environ).describe()
    if as_json:
        click.echo(json.dumps({"connectors": rows}, indent=2))
        return
    for row in rows:
        click.echo(f"{row['name']:<20} {row['level']:<4} {row['mode']:<8} {row['health']:<30} {row['title']}")


@main.command()
@click.argument("apps", nargs=-1)
@click.option("--port-base", type=int, default=8201, show_default=True, help="port of the first app")
@click.option("--data", type=click.Path(path_type=Path), help="folder for records and journals")
@click.option("--gateway", default=None, help="where webhooks go")
def sandbox(apps: tuple[str, ...], port_base: int, data: Path | None, gateway: str | None) -> None:
    """Start the simulated apps, one process and port each; prints APP=URL lines."""
    from gateway.demo.sandboxes import run_sandboxes

    settings = _development("`gateway sandbox`")
    url = gateway or f"http://{settings.host}:{settings.port}"
    run_sandboxes(list(apps), port_base, data or settings.data / "sandbox", url, settings.connectors, settings.config)


@main.command()
@click.argument("subject", default="citizen")
@click.option("--role", "roles", multiple=True, default=("citizen",), show_default=True)
@click.option("--agency", help="the OPD an operator works for, e.g. BPBD")
@click.option("--hours", type=float, default=12, show_default=True, help="how long it is valid")
@click.option("--extra", multiple=True, help="extra permission, e.g. restricted")
def token(subject: str, roles: tuple[str, ...], agency: str | None, hours: float, extra: tuple[str, ...]) -> None:
    """Make an access token of the embedded issuer (development only)."""
    from gateway.run import development_token

    settings = _development("`gateway token`")
    click.echo(development_token(settings, subject, roles, agency, timedelta(hours=hours), extra))


@main.command()
@click.argument("by", required=False)
def clock(by: str | None) -> None:
    """Show the travelling clock, or move it: +10d, +3h, +90s (development only)."""
    file = _development("`gateway clock`").clock_file
    assert file is not None
    offset = travel(file, _duration(by)) if by else read_offset(file)
    click.echo(f"{offset.total_seconds():.0f} seconds ahead ({offset})")


def _duration(text: str) -> timedelta:
    number, unit = text.lstrip("+")[:-1], text[-1:]
    try:
        return timedelta(**{_UNITS[unit]: float(number)})
    except (KeyError, ValueError):
        raise click.BadParameter(f"{text!r} is not a duration; write for example +10d, +3h, +90s") from None


@main.group()
def audit() -> None:
    """Follow one report through every app."""


@audit.command("trace")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="print the trace as JSON")
@click.option("--lang", type=click.Choice(["id", "en"]), default="id", show_default=True)
def audit_trace(name: str, as_json: bool, lang: str) -> None:
    """Trace a report by its code or by any number an app gave to it (112 ticket, `kerusakan:45`, delivery key)."""
    from gateway.run import trace_document

    console = Console(width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "120")))
    try:
        picture, document = asyncio.run(trace_document(_settings(), name, lang, console.width))
    except Problem as problem:
        raise click.ClickException(str(problem.document(lang)["detail"])) from None
    if as_json:
        click.echo(document)
    else:
        console.print(picture)


@main.command()
@click.option("--once", is_flag=True, help="play the stories and stop; fails if one did not reach its end")
@click.option("--resume", is_flag=True, help="go on with the data of a demo that was stopped or killed")
@click.option("--json", "as_json", is_flag=True, help="print the outcome as JSON (with --once)")
@click.option("--data", type=click.Path(path_type=Path), help="folder for everything the demo keeps")
def demo(once: bool, resume: bool, as_json: bool, data: Path | None) -> None:
    """Show the main job: gateway and sandboxes, real traffic, the stories with their traces."""
    from gateway.demo.show import show

    settings = _development("`gateway demo`")
    sys.exit(show(data or settings.data / "demo", once=once, resume=resume, as_json=as_json))
