"""Power cuts: what was answered before the power failed is there when it is back, whole, and nothing is half.

`GATEWAY_SOAK_CUTS` names how often (100 cuts, each after 1,000 answers and more, is the figure of a release).
"""

import asyncio
import os
import random
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from tests.faults.crash import BRISK, Siege, nursery, people_of
from tests.faults.crash import Outcome as Crashes
from tests.faults.power import BUGS, campaign, caught, cut_all
from tests.faults.power_disk import Disk, Step, steps_of
from tests.faults.power_layer import Recording, What, layer
from tests.faults.power_outcome import Outcome
from tests.faults.town import town

CUTS = int(os.environ.get("GATEWAY_SOAK_CUTS", "0"))


@pytest.fixture
def seed() -> int:
    made = random.SystemRandom().randrange(2**31)
    print(f"seed {made}")  # noqa: T201 - shown when the test fails
    return made


@pytest.mark.timeout(120 + 3 * CUTS)
def test_what_was_answered_survives_a_power_cut(tmp_path: Path, seed: int) -> None:
    outcome = campaign(tmp_path, CUTS, seed) if CUTS else campaign(tmp_path, 50, seed, reports=300, least=100)
    print(outcome)  # noqa: T201
    assert outcome.faults == []
    assert outcome.cuts >= (CUTS or 50)
    assert outcome.fewest_acks is not None
    assert outcome.fewest_acks >= (1000 if CUTS else 100)
    assert outcome.injected["dropped"] > 0
    assert outcome.injected["torn"] > 0
    assert outcome.good()


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_are_caught(tmp_path: Path, seed: int, bug: str) -> None:
    """SQLite's own weaker settings lose answers or the whole file, and so does whoever answers before the commit."""
    faults = " | ".join(caught(tmp_path, bug, seed))
    assert "was promised and is not there" in faults or (bug == "off" and "the database" in faults)


def test_a_disk_that_loses_nothing_proves_nothing(tmp_path: Path) -> None:
    steps = [Step(What.CREATE, 1, 0, memoryview(b"gateway.db")), Step(What.WRITE, 1, 0, memoryview(bytes(4096)))]
    outcome = Outcome(campaign="power:sqlite", seed=1)
    cut_all(tmp_path, [*steps, Step(What.SYNC, 1, 0, memoryview(b""))], 5, random.Random(1), outcome, least=1)
    assert not outcome.good()
    assert outcome.faults == ["there was no moment at which a cut could have dropped anything"]
    outcome.faults.clear()
    assert not outcome.good(), "a run that injected nothing fails"


def test_the_layer_sees_what_sqlite_asks_for(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "recording")
    with layer(recording), closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as database:
        database.execute("pragma journal_mode=wal")
        database.execute("pragma synchronous=full")
        database.execute("create table t (a)")
        before = len(steps_of(recording.file))
        database.execute("insert into t values (1)")
        recording.ack(what="told")
        done = steps_of(recording.file)[before:]
    recording.close()
    assert [step.what for step in done][-2:] == [What.SYNC, What.ACK], "synced before anybody is told"
    assert What.WRITE in {step.what for step in done}
    names = {Path(bytes(step.data).decode()).name for step in steps_of(recording.file) if step.what is What.CREATE}
    assert names == {"x.db", "x.db-journal", "x.db-wal"}
    with closing(sqlite3.connect(tmp_path / "x.db")) as database:
        database.execute("create table u (a)")
        assert database.execute("select a from t").fetchall() == [(1,)], "the files are real ones"
    assert steps_of(recording.file)[-1].what is not What.CREATE, "nothing is recorded once the layer is gone"


def test_a_cut_keeps_what_was_synced_and_any_part_of_the_rest() -> None:
    disk = Disk()
    whole = memoryview(bytes([1]) * 4096)
    for step in (
        Step(What.CREATE, 1, 0, memoryview(b"x.db-wal")),
        Step(What.WRITE, 1, 0, whole),
        Step(What.SYNC, 1, 0, memoryview(b"")),
        Step(What.WRITE, 1, 4096, whole),
        Step(What.WRITE, 1, 8192, whole),
    ):
        disk.take(step)
    found = [disk.cut(random.Random(seed)) for seed in range(400)]
    for remains in found:
        assert remains.files["x.db-wal"][:4096] == whole, "what was synced is kept"
        assert (remains.dropped + remains.torn == 0) == (remains.files["x.db-wal"] == bytes([1]) * 12288)
    assert {len(remains.files["x.db-wal"]) for remains in found} > {4096, 8192, 12288}, "also torn at a sector"
    assert any(remains.files["x.db-wal"][4096:] == bytes(4096) + whole for remains in found), "in any order"


@pytest.mark.timeout(240)
async def test_what_the_door_answered_survives_a_power_cut(tmp_path: Path, seed: int) -> None:
    """A whole gateway in a process of its own, on such a disk: its 201 left the socket, so it is there."""
    recording = Recording(tmp_path / "recording")
    async with town(tmp_path, manifests=BRISK) as here, nursery() as place, aiohttp.ClientSession() as session:
        (tmp_path / "live").mkdir()
        siege = Siege(
            here,
            place,
            f"sqlite:///{tmp_path / 'live' / 'gateway.db'}",
            random.Random(seed),
            Crashes(campaign="crash:sqlite", seed=seed),
        )
        stop = asyncio.Event()
        pid, ending = await siege.born(recording=str(recording.file))
        citizens = people_of(here, siege.address, session, recording.ack)
        people = asyncio.gather(*(citizen.live(stop) for citizen in citizens))
        async with asyncio.timeout(120):
            while sum(len(citizen.told) for citizen in citizens) < 60:  # noqa: ASYNC110 - it is behind a socket
                await asyncio.sleep(0.05)
            stop.set()
            await people
            os.kill(pid, signal.SIGTERM)
            assert await ending == 0
    recording.close()
    outcome = Outcome(campaign="power:door", seed=seed)
    await asyncio.to_thread(cut_all, tmp_path, steps_of(recording.file), 20, random.Random(seed), outcome, 10)
    print(outcome)  # noqa: T201
    assert outcome.faults == []
    assert outcome.good()
