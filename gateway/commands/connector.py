"""`gateway connector`: the connected apps, for whoever runs the gateway and for the teams of the apps."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.commands.asked import settings, show_json

if TYPE_CHECKING:
    from gateway.kit.new.make import Auth, Inbound


@click.group()
def connector() -> None:
    """The connected apps, and how to write one."""


@connector.command("list")
@click.option("--json", "as_json", is_flag=True, help="print as JSON")
def list_command(as_json: bool) -> None:
    """Show each app: level, proven and claimed tier, mode and health."""
    from gateway.commands.connectors import listed, shown

    rows = listed(settings())
    if as_json:
        show_json({"connectors": rows})
    else:
        shown(rows)


@connector.command()
@click.argument("name")
@click.option("--inbound", type=click.Choice(["webhook", "poll"]), required=True, help="how the app's news comes")
@click.option(
    "--auth", type=click.Choice(["apikey", "bearer", "login", "hmac"]), required=True, help="how we prove who we are"
)
@click.option("--title", help="the app's name for people")
@click.option("--into", type=click.Path(path_type=Path), help="folder to make it in (the first of GATEWAY_CONNECTORS)")
def new(name: str, inbound: "Inbound", auth: "Auth", title: str | None, into: Path | None) -> None:
    """Make a connector that works, with its simulated app, to start from."""
    from gateway.kit.new.make import NotMade, make_connector

    place = into or settings().connectors[0]
    try:
        made = make_connector(name, place, inbound=inbound, auth=auth, title=title)
    except NotMade as fault:
        raise click.ClickException(str(fault)) from None
    for file in made:
        click.echo(f"  {file}")
    click.echo(
        f"\nIt works as it stands, against the app that its sandbox.py simulates:\n"
        f"  pytest {place / name}\n"
        f"  gateway connector check {place / name}\n"
        f"Make both yours in the order of {place / name / 'README.md'}.\n"
        "To send reports to it, add one line below [apps] in config/routing.toml, with the services it takes over:\n"
        f'  {name} = {{ title = "{title or name}", connector = "present", services = ["EN-WASTE"] }}\n'
        "  gateway config check"
    )


@connector.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="print the verdicts as JSON")
@click.option("--keep/--no-keep", default=True, help="write what is proven into tier.json (default: yes)")
@click.option("--rule", "only", multiple=True, metavar="ID", help="try only this rule, e.g. K11 (proves no tier)")
def check(name: str, as_json: bool, keep: bool, only: tuple[str, ...]) -> None:
    """Try every rule of the kit on one connector: a NAME, or the path of a folder.

    Needs no server. Exit code 0: what kit.toml claims is earned (with --rule: the rules hold); 1: it is not.
    """
    from gateway.commands.connectors import folder_of, holds, rules_of, tried

    found = settings()
    try:
        folder, rules = folder_of(name, found), rules_of(only)
    except LookupError as missing:
        raise click.ClickException(str(missing)) from None
    report = tried(folder, found.config, rules, quiet=as_json, write=keep)
    ok = holds(report) if only else report.ok
    if as_json:
        import msgspec

        show_json(msgspec.to_builtins(report) | {"ok": ok})
    sys.exit(0 if ok else 1)


@connector.command()
@click.option("--check", "only_check", is_flag=True, help="change nothing; exit code 1 where a page is out of date")
@click.option("--into", type=click.Path(path_type=Path), default=Path("docs/connectors"), show_default=True)
def docs(only_check: bool, into: Path) -> None:
    """Write the pages of docs/connectors: every app, every rule, the matrix, the SDK."""
    from gateway.commands.pages import pages_of, readmes_of, stale, write

    found = settings()
    pages = pages_of(found, into)
    old = {into / name: why for name, why in stale(pages, into).items()}
    for readme, text in readmes_of(found).items():
        if readme.read_text(encoding="utf-8") != text:
            old[readme] = "its facts are out of date"
            if not only_check:
                readme.write_text(text, encoding="utf-8")
    if not only_check:
        # Once more: a README that was changed has proven nothing, and the pages say so.
        write(pages_of(found, into), into)
    for file, why in old.items():
        click.echo(f"{file}: {why}" if only_check else f"{file}")
    click.echo(f"{len(pages)} pages, {len(old)} {'wrong' if only_check else 'changed'}")
    if only_check and old:
        click.echo("Run `gateway connector docs`.")
        sys.exit(1)
