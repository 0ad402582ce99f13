"""The kit as a plugin of pytest, run as an app team runs it: in a repository of its own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SPECIMEN = Path(__file__).parent / "specimens" / "teladan"


def run(repository: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *options]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=50, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a team's repository that holds nothing but a connector."""
    shutil.copytree(SPECIMEN, tmp_path / "teladan", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_each_rule_is_a_test_that_can_be_chosen(repository: Path) -> None:
    done = run(repository, "--gateway-connector", "teladan", "-k", "K01 or K05")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_a_broken_rule_fails_and_says_what_to_do(repository: Path) -> None:
    manifest = repository / "teladan" / "connector.toml"
    manifest.write_text(manifest.read_text() + "\n[surprise]\nkey = 1\n")
    done = run(repository, "--gateway-connector", "teladan", "-k", "K01")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "K01 (bronze) Manifest and class agree" in done.stdout
    assert "surprise" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_folder_without_a_connector_is_an_error_of_usage(repository: Path) -> None:
    done = run(repository, "--gateway-connector", "nowhere")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "nowhere holds no connector.toml" in done.stdout + done.stderr


def test_without_the_option_nothing_is_added(repository: Path) -> None:
    (repository / "test_own.py").write_text("def test_own() -> None:\n    pass\n")
    done = run(repository, "test_own.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
