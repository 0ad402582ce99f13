"""`gateway demo` from outside: unattended it ends well and says so, stopped or killed it goes on."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.memory import read_acks
from tests.architecture.source import ROOT

STORIES = [
    *("flood", "fire", "toddler", "visitor", "levy", "road", "light", "fund", "prank", "defaced", "letter"),
]


def command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "gateway", "demo", "--data", str(folder / "demo"), *options]


def environ() -> dict[str, str]:
    """An environment as bare as a visitor's, with settings that must not reach the demo's gateway."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return kept | {
        "GATEWAY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/production",
        "GATEWAY_CONFIG": str(ROOT / "config"),
        "GATEWAY_CONNECTORS": str(ROOT / "connectors"),
    }


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *options),
        cwd=folder,
        env=environ(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def processes_of(folder: Path) -> list[str]:
    """Command lines of living processes that name a folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


@pytest.mark.timeout(400)
def test_unattended_it_ends_well_and_says_so(tmp_path: Path) -> None:
    done = run(tmp_path, "--once", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert list(told) == ["scenarios"]
    scenarios = {scenario["name"]: scenario for scenario in told["scenarios"]}
    assert list(scenarios) == STORIES
    for scenario in scenarios.values():
        assert set(scenario) == {"name", "code", "cases", "entries", "ok"}
        assert scenario["ok"] is True
        assert scenario["code"].startswith("BRU-")
        assert scenario["entries"] > 3
    _flood(scenarios["flood"])
    assert [case["app"] for case in scenarios["fire"]["cases"]] == ["cc112", "sigapdes", "sigapdes"]
    assert len(scenarios["prank"]["cases"]) == 1
    assert scenarios["letter"]["cases"][0]["status"] == "resolved"
    assert len([ack for ack in read_acks(tmp_path / "demo") if ack.step == "letter.request"]) == 3
    assert processes_of(tmp_path) == []


def _flood(flood: dict[str, Any]) -> None:
    cases = flood["cases"]
    assert [case["app"] for case in cases] == ["cc112"] + ["sigapdes"] * 14 + ["ppid"]
    assert cases[0]["reference"].startswith("112-BRU-")
    numbers = {case["reference"] for case in cases[1:-1]}
    assert len(numbers) == 14
    assert all(number.startswith("kerusakan:") for number in numbers)
    assert cases[-1]["reference"].startswith("PPID-")
    assert (cases[0]["status"], cases[1]["status"]) == ("resolved", "resolved")


def test_what_is_not_its_own_it_leaves_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").write_text("years of work")
    refused = run(tmp_path, "--once")
    assert refused.returncode == 2
    assert "no demo made" in refused.stderr
    assert (tmp_path / "demo" / "thesis.txt").read_text() == "years of work"
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["thesis.txt"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a demo plays that is gone on with afterwards."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def staying(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo that stays up, asked to; it is told to end after the tests."""
    with subprocess.Popen(
        command(folder), cwd=folder, env=environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def told(staying: subprocess.Popen[str]) -> list[str]:
    """What it has told when its stories are over."""
    assert staying.stdout is not None
    lines = []
    for line in staying.stdout:
        lines.append(line)
        if "gateway clock" in line:
            break
    return lines


@pytest.mark.timeout(400)
def test_in_a_pipe_it_tells_results_only_and_the_trace(told: list[str]) -> None:
    text = "".join(told)
    assert "\x1b" not in text
    assert text.count("✓") == len(STORIES), text
    assert "✗" not in text
    assert "Jejak laporan" in text
    for app in ("cc112", "sigapdes", "ppid"):
        assert f"→ {app}" in text or f"← {app}" in text, "the flood's trace in full, across its apps"
    road = r"Si-GAPDes pengaduan:\d+ selesai → Si-PeNDTING PDT-\d+-\d+ selesai"
    assert re.search(road, " ".join(text.split())), "the road's trace in short"
    assert "112-BRU-" in text
    assert "menerima telepon" not in text


@pytest.mark.timeout(400)
def test_it_stays_to_be_played_with_and_goes_on_making_nothing_twice(
    folder: Path, staying: subprocess.Popen[str], told: list[str]
) -> None:
    assert run(folder, "--once").returncode == 2, "a second demo on the same folder"
    settings = _played(folder, told)
    _visited(settings, told)
    staying.send_signal(signal.SIGINT)
    assert staying.wait(20) == 0
    assert processes_of(folder) == []
    before = read_acks(folder / "demo")
    again = run(folder, "--once", "--resume", "--json")
    assert again.returncode == 0, again.stderr
    assert all(scenario["ok"] for scenario in json.loads(again.stdout)["scenarios"])
    after = read_acks(folder / "demo")[len(before) :]
    assert {(ack.step, ack.code) for ack in after} == {(ack.step, ack.code) for ack in before}
    assert all(ack.replayed for ack in after)


def _played(folder: Path, told: list[str]) -> dict[str, str]:
    """Take the lines that it invites to, as a shell takes them; return the settings they work with."""
    curl = next(line for line in told if line.startswith("curl") and "/advance" in line).strip()
    play = next(line.strip() for line in told if line.startswith(". ") and line.strip().endswith("play.sh"))
    assert any("$AUDITOR" in line for line in told)
    played = subprocess.run(
        ["bash", "-euc", f"{play}; {curl.replace('curl -s', 'echo')}; {sys.executable} -m gateway connector list; env"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "http://127.0.0.1:" in played.stdout
    assert "ready" in played.stdout
    return dict(line.split("=", 1) for line in played.stdout.splitlines() if "=" in line)


def _visited(settings: dict[str, str], told: list[str]) -> None:
    """Do as the lines say: file a report, move the 112 ticket that is still open."""
    advance = next(line for line in told if line.startswith("curl") and "/advance" in line).split()[2]
    filed = {"service": "EM-HAZARD", "description": "Pohon tumbang", "place": {"village": "73.11.03.1003"}}
    headers = {"Authorization": f"Bearer {settings['WARGA']}", "Idempotency-Key": "coba-1"}
    for url, body, status in (
        (f"{settings['GATEWAY']}/v1/reports", filed, 201),
        (advance.replace("$CC112_URL", settings["CC112_URL"]), {"word": "DISPATCHED"}, 200),
    ):
        sent = json.dumps(body).encode()
        request = urllib.request.Request(url, sent, {"Content-Type": "application/json", **headers}, method="POST")
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == status
