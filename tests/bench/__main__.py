"""`make bench`: what the gateway does per second, as ratios to what the machine does beneath it in the same run.

Rounds are interleaved and the table shows medians, because only ratios of one run on one machine mean anything.
"""

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from tests.bench.table import memory_table, ratio_table
from tests.bench.volume import fill
from tests.bench.ways import WAYS, Bench, get_one, post_postgres, prepare
from tests.servers import postgres_server


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="per measurement")
    parser.add_argument("--only", default=",".join(WAYS), help=f"of {', '.join(WAYS)}; a list with commas")
    parser.add_argument("--stored", type=int, default=0, help="measure again with so many reports stored")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := set(chosen) - WAYS.keys():
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}; there are {', '.join(WAYS)}")
    console = Console(stderr=True)
    with (
        tempfile.TemporaryDirectory() as name,
        postgres_server() as server,
        ExitStack() as stack,
        Progress(console=console, disable=not console.is_terminal) as bar,
    ):
        bench = Bench(server, Path(name), options.seconds, stack)
        prepare(bench)
        task = bar.add_task("measuring", total=options.rounds * len(chosen))
        for _ in range(options.rounds):
            for way in chosen:
                bar.update(task, description=way)
                WAYS[way](bench)
                bar.advance(task)
        if options.stored:
            _stored(bench, options.stored, options.rounds)
    if options.json:
        sys.stdout.write(json.dumps(bench.figures) + "\n")
        return
    shown = Console(width=150)
    shown.print(ratio_table(bench.figures))
    shown.print(memory_table(bench.figures))


def _stored(bench: Bench, count: int, rounds: int) -> None:
    """Measure writing and reading once more on a database that holds many reports."""
    fill(bench.gateway, bench.codes[0], count)
    usual = {name: values[:] for name, values in bench.figures.items()}
    for _ in range(rounds):
        post_postgres(bench)
        get_one(bench)
    for way in ("post", "get"):
        name = {"post": "post postgres", "get": "get"}[way]
        for what in ("", " p50", " p99", " cpu"):
            bench.figures[f"{way} stored{what}"] = bench.figures[name + what][len(usual.get(name + what, ())) :]
            bench.figures[name + what] = usual.get(name + what, [])


if __name__ == "__main__":
    main()
