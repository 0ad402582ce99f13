"""`gateway demo`: the main job, shown."""

import sys
from pathlib import Path

import click

from gateway.commands.asked import development


@click.command()
@click.option("--once", is_flag=True, help="play the stories and stop; fails if one did not reach its end")
@click.option("--resume", is_flag=True, help="go on with the data of a demo that was stopped or killed")
@click.option("--json", "as_json", is_flag=True, help="print the outcome as JSON (with --once)")
@click.option("--stories", default="", help="play only these: names with commas between, e.g. flood,fire")
@click.option("--data", type=click.Path(path_type=Path), help="folder for everything the demo keeps")
def demo(once: bool, resume: bool, as_json: bool, stories: str, data: Path | None) -> None:
    """Show the main job: gateway and sandboxes, real traffic, the stories with their traces."""
    from gateway.demo.show import show

    found = development("`gateway demo`")
    names = [name.strip() for name in stories.split(",") if name.strip()]
    sys.exit(show(data or found.data / "demo", once=once, resume=resume, as_json=as_json, stories=names))
