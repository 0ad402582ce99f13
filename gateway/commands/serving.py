"""`gateway up`, `serve` and `work`: the processes of the house."""

import click

from gateway.commands.asked import settings
from gateway.settings import Settings


@click.command()
@click.option("--host", help="address to listen on (GATEWAY_HOST)")
@click.option("--port", type=int, help="port to listen on (GATEWAY_PORT)")
def up(host: str | None, port: int | None) -> None:
    """Serve the API and work the queues in one process."""
    _serve(settings(), host, port, work=True)


@click.command()
@click.option("--host", help="address to listen on (GATEWAY_HOST)")
@click.option("--port", type=int, help="port to listen on (GATEWAY_PORT)")
def serve(host: str | None, port: int | None) -> None:
    """Serve the API only (needs PostgreSQL; run `gateway work` beside it)."""
    _serve(_on_postgres("serve"), host, port, work=False)


@click.command()
def work() -> None:
    """Work the queues only (needs PostgreSQL; run `gateway serve` beside it)."""
    from gateway.kernel.edge.logging import configure_logging
    from gateway.run import run_worker

    found = _on_postgres("work")
    configure_logging(found.production)
    run_worker(found)


def _on_postgres(command: str) -> Settings:
    found = settings()
    if found.sqlite:
        raise click.ClickException(
            f"`gateway {command}` needs PostgreSQL, because SQLite serves one process only: set GATEWAY_DATABASE_URL "
            "to postgresql://…, or use `gateway up`"
        )
    return found


def _serve(found: Settings, host: str | None, port: int | None, work: bool) -> None:
    from gateway.kernel.edge.logging import configure_logging
    from gateway.run import run_server

    configure_logging(found.production)
    run_server(found, host or found.host, port or found.port, work=work)
