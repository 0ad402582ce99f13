"""`kill -9` of the gateway at random moments of the demo, then `--resume`: every report exactly once, nothing lost."""

import json
import os
import random
import sqlite3
from pathlib import Path

import pytest

from tests.faults.kill import campaign, faults_of

SOAK = "GATEWAY_SOAK_KILLS" in os.environ
KILLS = int(os.environ.get("GATEWAY_SOAK_KILLS", "10"))
STORIES = () if SOAK else ("flood", "fire", "defaced", "letter")
"""What a landing plays: every way out and back is in these. A soak plays all."""


@pytest.mark.timeout(60 + 60 * KILLS)
def test_killed_at_any_moment_it_goes_on_and_ends_well(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**31)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    summary = campaign(tmp_path, KILLS, seed, stories=STORIES)
    print(summary)  # noqa: T201
    assert summary.faults == []
    assert summary.kills >= KILLS
    assert sum(run.demo_kills for run in summary.runs) >= KILLS // 10, "the demo itself was killed as well"
    assert max(len(run.moments) for run in summary.runs) >= min(KILLS, 3), "several kills in one run"
    _lies_are_seen(Path(summary.runs[-1].folder))


def _lies_are_seen(folder: Path) -> None:
    """The checker itself, on the folder that has just been found good: each planted fault must be caught."""
    log = folder / "gateway" / "sandboxes" / "sigapdes" / "log.jsonl"
    honest = log.read_bytes()
    records = [
        record for line in honest.splitlines() for record in json.loads(line).get("records", ()) if record["key"]
    ]
    twice = json.dumps({"records": [records[0] | {"reference": "kerusakan:999"}]})
    log.write_bytes(honest + twice.encode() + b"\n")
    assert "is 2 times in sigapdes" in " | ".join(faults_of(folder))

    lost = [line for line in honest.splitlines(keepends=True) if records[0]["key"].encode() not in line]
    log.write_bytes(b"".join(lost))
    assert "is 0 times in sigapdes" in " | ".join(faults_of(folder))
    log.write_bytes(honest)
    assert faults_of(folder) == []

    typed = folder / "gateway" / "sandboxes" / "ppid" / "log.jsonl"
    honest = typed.read_bytes()
    others = [line for line in honest.splitlines(keepends=True) if b"pengunjung per bulan" not in line]
    typed.write_bytes(b"".join(others))
    assert "is 0 times in ppid" in " | ".join(faults_of(folder)), "what an officer typed in by hand is looked for"
    typed.write_bytes(honest)

    acks = folder / "acks.jsonl"
    first = json.loads(acks.read_bytes().splitlines()[0])
    with acks.open("ab") as file:
        file.write(json.dumps(first | {"code": "BRU-0000-0000"}).encode() + b"\n")
    assert "was answered with" in " | ".join(faults_of(folder))
    assert "is not there" in " | ".join(faults_of(folder))

    with sqlite3.connect(folder / "gateway" / "gateway.db") as database:
        triggers = [name for (name,) in database.execute("select name from sqlite_master where type = 'trigger'")]
        for name in triggers:  # the database itself refuses to lose an entry
            database.execute(f'drop trigger "{name}"')
        database.execute("delete from entry where kind = 'delivery.attempt'")
    assert "has the entries" in " | ".join(faults_of(folder))
