"""Kills the gateway of a running demo (now and then the demo itself) with `kill -9` at random moments, lets it go
on, and counts.

By hand: `python -m tests.faults.kill --kills 200` prints one JSON object. What is true is read from the disk after
everything has ended: the demo's journal of answers, the sandboxes' own files, the gateway's entries.
"""

import argparse
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from gateway.demo.memory import read_acks
from gateway.demo.surroundings import APPS
from gateway.model.codes import parse_key
from tests.architecture.source import ROOT

STARTING_S = 3.0
"""A kill while the gateway starts comes within so many seconds of its process."""
PLAYING_S = 15.0
"""A kill while the stories are played comes within so many seconds of the gateway's first answer..."""
PROMISES, PROMISED_S = 24, 0.4
"""... or at most so many promises later and so many seconds after that: while what was promised is carried."""
DEMO_EVERY = 5
"""After so many kills of the gateway the demo itself is killed once."""
GATEWAY_ENDED = 3
MISSES = 3
"""After so many runs on end that ended before the moment of their kill a campaign gives up."""
RUN_S = 600.0
"""How long one run may take that nobody kills."""


class Run(msgspec.Struct, kw_only=True):
    """One demo from its beginning to its good end.

    `moments` are those of each kill that met a living gateway; `demo_kills` counts the demo's own; `interrupted`
    counts deliveries that a kill left in the air.
    """

    folder: str
    moments: list[str] = []
    demo_kills: int = 0
    interrupted: int = 0
    faults: list[str] = []
    reports: int = 0
    seconds: float = 0.0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What came of all `kills` (those that met a living gateway)."""

    seed: int
    kills: int
    runs: list[Run]

    @property
    def faults(self) -> list[str]:
        """Everything that was not as it must be; a run that killed nothing proves nothing."""
        found = [fault for run in self.runs for fault in run.faults]
        return found if self.kills else [*found, "no kill met a living gateway"]


def demo(folder: Path, resume: bool, stories: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Start the unattended demo with some of its stories, or with all."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    environ |= {"GATEWAY_CONFIG": str(ROOT / "config"), "GATEWAY_CONNECTORS": str(ROOT / "connectors")}
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "gateway", "demo", "--once", "--data", str(folder)),
            *(["--resume"] * resume),
            *(["--stories", ",".join(stories)] if stories else []),
        ],
        cwd=folder.parent,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def gateway_of(folder: Path, process: subprocess.Popen[str]) -> int | None:
    """Wait for the gateway of a demo; return its process number, None if the demo ended before."""
    file = folder / "run" / "gateway.pid"
    before = file.read_text() if file.is_file() else ""
    while process.poll() is None:
        if file.is_file() and (text := file.read_text()) not in {"", before} and text.endswith("\n"):
            return int(text)
        time.sleep(0.005)
    return None


def campaign(folder: Path, kills: int, seed: int, most_per_run: int = 12, stories: Sequence[str] = ()) -> Summary:
    """Kill until `kills` are done, in as many runs as that takes, each of the demo's `stories` (all, if none)."""
    chance = random.Random(seed)
    runs: list[Run] = []
    left, missed = kills, 0
    while left > 0:
        run = Run(folder=str(folder / f"run-{len(runs) + 1}"))
        runs.append(run)
        one_run(run, min(left, most_per_run), chance, stories)
        left -= len(run.moments)
        missed = 0 if run.moments else missed + 1
        if run.faults or missed == MISSES:
            break
    return Summary(seed=seed, kills=kills - left, runs=runs)


def one_run(run: Run, kills: int, chance: random.Random, stories: Sequence[str] = ()) -> None:
    """Play one demo to its end with up to `kills` kills on the way."""
    folder, began, resume = Path(run.folder), time.monotonic(), False
    folder.mkdir(parents=True)
    while True:
        process = demo(folder, resume, stories)
        resume = True
        pid = gateway_of(folder, process)
        if pid is not None and len(run.moments) < kills:
            moment = await_moment(folder, process, chance)
            if run.demo_kills < (len(run.moments) + 1) // DEMO_EVERY:
                run.demo_kills += killed(process.pid, process)
            else:
                run.moments += [moment] * killed(pid, process)
        told = ended(process)
        if process.returncode == GATEWAY_ENDED and "gateway demo --resume" in told:
            continue
        if process.returncode == -signal.SIGKILL:
            continue
        if process.returncode != 0:
            run.faults.append(f"after {run.moments}: the demo ended with {process.returncode}: {told[-3000:]}")
        break
    run.seconds = round(time.monotonic() - began, 1)
    if not run.faults:
        run.faults += faults_of(folder)
        run.reports = len({ack.code for ack in read_acks(folder)})
        run.interrupted = interrupted(folder)


def await_moment(folder: Path, process: subprocess.Popen[str], chance: random.Random) -> str:
    """Wait for a moment by chance, or for the demo's end; say which moment it was."""
    kind = chance.choices(("start", "play", "promise"), weights=(2, 4, 4))[0]
    if kind == "start":
        seconds, what = chance.uniform(0.0, STARTING_S), "of its life"
    elif kind == "play":
        wait_until(process, lambda: answers(folder))
        seconds, what = chance.uniform(0.0, PLAYING_S), "after its first answer"
    else:
        promises = chance.randint(1, PROMISES)
        wanted = len(read_acks(folder)) + promises
        wait_until(process, lambda: len(read_acks(folder)) >= wanted)
        seconds, what = chance.uniform(0.0, PROMISED_S), f"after {promises} promises"
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return f"{seconds:.3f} s {what}"


def wait_until(process: subprocess.Popen[str], there: Callable[[], bool]) -> None:
    """Wait for something, but not beyond the demo's end."""
    while process.poll() is None and not there():
        time.sleep(0.01)


def answers(folder: Path) -> bool:
    """Whether the gateway of a demo takes connections."""
    port = json.loads((folder / "state.json").read_text())["ports"]["gateway"]
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def killed(pid: int, process: subprocess.Popen[str]) -> bool:
    """Kill a process as long as the demo lives; whether there was something to kill."""
    if process.poll() is not None:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def ended(process: subprocess.Popen[str]) -> str:
    """Return what a demo complained of when it has ended."""
    try:
        return process.communicate(timeout=RUN_S)[1]
    except subprocess.TimeoutExpired:
        process.terminate()
        return process.communicate()[1] + f"\n(still running after {RUN_S:.0f} s)"


# What is true, read from the disk.


def faults_of(folder: Path) -> list[str]:
    """Say where promises, the apps' records and the gateway's entries do not agree."""
    acks = read_acks(folder)
    codes = Counter(code for _, code in {(ack.key, ack.code) for ack in acks})
    faults = [f"{code} was promised under {count} keys" for code, count in codes.items() if count > 1]
    promised: dict[str, set[str]] = {}
    for ack in acks:
        promised.setdefault(ack.key, set()).add(ack.code)
    faults += [f"{key} was answered with {sorted(given)}" for key, given in promised.items() if len(given) > 1]
    if not acks:
        faults.append("nothing was ever promised")
    records = {app: list(app_records(folder / "gateway" / "sandboxes" / app)) for app in APPS}
    with sqlite3.connect(f"file:{folder / 'gateway' / 'gateway.db'}?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        known = {row["code"] for row in database.execute("select code from report")}
        faults += [f"{code} was promised and is not there" for code in codes.keys() - known]
        faults += list(of_deliveries(database, records))
        faults += list(of_entries(database))
    return faults


def app_records(folder: Path) -> Iterator[dict[str, Any]]:
    """Return the records of a simulated app as its file has them, the last state of each."""
    last: dict[str, dict[str, Any]] = {}
    for line in (folder / "log.jsonl").read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            for record in json.loads(line).get("records", ()):
                last[record["reference"]] = record
    yield from last.values()


def of_deliveries(database: sqlite3.Connection, records: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Hold every delivery against the app it went to: there exactly once, and nothing there that was not sent.

    One that a person resolved with a number which an officer typed in by hand is there under that number, without key.
    """
    opened = list(database.execute("select key, app, state from delivery where command = 'open'"))
    by_hand = dict(resolved(database))
    typed = set()
    for delivery in opened:
        held = records[delivery["app"]]
        there = [record for record in held if record["key"] == delivery["key"]]
        number = by_hand.get(delivery["key"])
        if number is not None:
            mine = [one for one in held if one["key"] is None and one["reference"] == number]
            typed |= {(delivery["app"], one["reference"]) for one in mine}
            there += mine
        if delivery["state"] != "accepted":
            yield f"{delivery['key']} to {delivery['app']} is {delivery['state']}"
        if len(there) != 1:
            yield f"{delivery['key']} is {len(there)} times in {delivery['app']}"
    keys = {(delivery["app"], delivery["key"]) for delivery in opened}
    for app, held in records.items():
        for record in held:
            if record["key"] is not None and (app, record["key"]) not in keys:
                yield f"{app} has {record['reference']} under {record['key']}, which was never sent"
    adopted = Counter(
        (row["app"], row["value"])
        for row in database.execute(
            "select reference.app, reference.value from reference join report on report.id = reference.report_id"
            " where report.born_in = reference.app"
        )
    )
    born = {(app, record["reference"]) for app, held in records.items() for record in held if record["key"] is None}
    for app, reference in born:
        opens = not reference.startswith("call-") and (app, reference) not in typed
        if adopted[app, reference] != opens:
            yield f"{app} {reference} was born in its app and is {adopted[app, reference]} reports here"


def resolved(database: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Return the deliveries that a person resolved, each with the number he gave as evidence."""
    for (body,) in database.execute("select body from entry"):
        entry = json.loads(body)
        if entry["kind"] == "delivery.accepted" and entry.get("facts", {}).get("how") == "person":
            yield entry["hop"]["delivery"], entry["facts"]["number"]


def of_entries(database: sqlite3.Connection) -> Iterator[str]:
    """Hold the entries against themselves: no hole in a stream, no delivery accepted twice or never."""
    numbers: dict[str, list[int]] = {}
    accepted: Counter[str] = Counter()
    for row in database.execute("select stream, seq, body from entry order by stream, seq"):
        numbers.setdefault(row["stream"], []).append(row["seq"])
        entry = json.loads(row["body"])
        if entry["kind"] == "delivery.accepted":
            accepted[entry["hop"]["delivery"]] += 1
    for stream, found in numbers.items():
        if found != list(range(1, len(found) + 1)):
            yield f"{stream} has the entries {found}"
    for row in database.execute("select key, state from delivery"):
        if accepted[row["key"]] != (row["state"] == "accepted") or parse_key(row["key"]) is None:
            yield f"{row['key']} is {row['state']} and was accepted {accepted[row['key']]} times"


def interrupted(folder: Path) -> int:
    """Count the deliveries whose worker was killed while it was sending them."""
    with sqlite3.connect(f"file:{folder / 'gateway' / 'gateway.db'}?mode=ro", uri=True) as database:
        bodies = [json.loads(body) for (body,) in database.execute("select body from entry")]
    return sum(body.get("hop", {}).get("outcome") == "lease_expired" for body in bodies)


def main() -> None:
    """Run a campaign and print its summary; exit status 1 if anything is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kill")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gateway-kill-"))
    summary = campaign(folder, given.kills, given.seed)
    told = msgspec.to_builtins(summary) | {"faults": summary.faults, "good": not summary.faults}
    if not summary.faults:  # what went wrong is worth a look
        shutil.rmtree(folder)
    json.dump(told, sys.stdout, indent=2)
    sys.stdout.write("\n")
    sys.exit(1 if summary.faults else 0)


if __name__ == "__main__":
    main()
