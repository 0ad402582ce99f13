"""`gateway sandbox`: the simulated apps, started by hand."""

from pathlib import Path

import click

from gateway.commands.asked import development


@click.command()
@click.argument("apps", nargs=-1)
@click.option("--port-base", type=int, default=8201, show_default=True, help="port of the first app")
@click.option("--data", type=click.Path(path_type=Path), help="folder for records and journals (GATEWAY_DATA)")
@click.option("--gateway", default=None, help="where webhooks go")
def sandbox(apps: tuple[str, ...], port_base: int, data: Path | None, gateway: str | None) -> None:
    """Start the simulated apps, one process and port each; prints APP=URL lines.

    They keep the time of `gateway clock`, wherever their records are.
    """
    from gateway.demo.sandboxes import run_sandboxes

    found = development("`gateway sandbox`")
    url = gateway or f"http://{found.host}:{found.port}"
    assert found.clock_file is not None
    run_sandboxes(list(apps), port_base, data or found.data, url, found.connectors, found.config, found.clock_file)
