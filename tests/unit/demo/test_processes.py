"""Processes of the demo are real ones here: they end with their parent, and are found again when they did not."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo.processes import Child, NotStarted, claim, free_ports, is_free, start, stop_leftovers
from gateway.sdk.clock import SystemClock
from gateway.sdk.entropy import SeededEntropy
from tests.architecture.source import ROOT

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    *(sys.executable, "-c"),
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]
CLOCK = SystemClock()

PARENT = """
import asyncio, os, sys
from pathlib import Path
from gateway.demo import processes
if sys.argv[2] == "untied":
    processes._tie = lambda parent: lambda: None
async def main():
    folder = Path(sys.argv[1])
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    child = await processes.start("sleeper", command, os.environ, folder, folder)
    print(child.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def started(folder: Path, command: list[str] = SLEEPER) -> Child:
    child = await start("sleeper", command, os.environ, folder, folder)
    deadline = time.monotonic() + 10
    while "up" not in child.last_words():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    return child


def ends(pid: int) -> bool:
    """Whether a process ends within ten seconds."""
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def killed_parent(folder: Path, tie: str) -> int:
    """Start a run with one process and kill it; return the number of the process it leaves."""
    command = [sys.executable, "-c", PARENT, str(folder), tie]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        pid = int(killed.stdout.readline())
        killed.send_signal(signal.SIGKILL)
        killed.wait(10)
    return pid


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of the demo's."""
    with subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_process_is_stopped_and_its_name_is_free_again(tmp_path: Path) -> None:
    child = await started(tmp_path)
    with pytest.raises(NotStarted, match="running already"):
        await start("sleeper", SLEEPER, os.environ, tmp_path, tmp_path)
    await child.stop()
    assert child.ended
    assert child.how == "SIGTERM"
    again = await started(tmp_path)
    await again.stop()


async def test_a_process_is_held_still_and_goes_on(tmp_path: Path) -> None:
    def state() -> str:
        return Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]

    async def becomes(*wanted: str) -> None:
        deadline = time.monotonic() + 10
        while state() not in wanted:
            assert time.monotonic() < deadline, state()
            await asyncio.sleep(0.01)

    child = await started(tmp_path)
    with child.held():
        await becomes("T")
    await becomes("S", "R")
    await child.stop()
    with child.held():  # one that has ended needs no holding
        assert child.ended


async def test_the_kernel_ends_a_process_with_its_parent(tmp_path: Path) -> None:
    pid = killed_parent(tmp_path, "tied")
    assert ends(pid)
    assert await stop_leftovers(tmp_path, CLOCK) == []


async def test_what_a_killed_run_left_is_ended(tmp_path: Path) -> None:
    pid = killed_parent(tmp_path, "untied")
    assert alive(pid)
    assert await stop_leftovers(tmp_path, CLOCK) == ["sleeper"]
    assert not alive(pid)


async def test_a_recycled_number_is_never_mistaken_for_ours(tmp_path: Path, stranger: subprocess.Popen[bytes]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "gateway.pid").write_text(f"{stranger.pid}\n")
    assert await stop_leftovers(tmp_path, CLOCK) == []
    assert stranger.poll() is None


async def test_a_stubborn_process_is_ended_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.demo.processes._GRACE_S", 0.3)
    child = await started(tmp_path, STUBBORN)
    await child.stop()
    assert child.how == "SIGKILL"


def test_a_folder_has_one_demo(tmp_path: Path) -> None:
    lock = claim(tmp_path / "lock")
    assert lock is not None
    assert claim(tmp_path / "lock") is None
    os.close(lock)
    again = claim(tmp_path / "lock")
    assert again is not None
    os.close(again)


def test_ports_are_free_and_differ() -> None:
    ports = free_ports(20, SeededEntropy(4))
    assert len(set(ports)) == 20
    assert all(20_000 <= port < 32_000 and is_free(port) for port in ports)
