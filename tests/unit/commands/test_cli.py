"""The command line: it answers at once, names what is wrong, and its small commands work together."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from pathlib import Path
from time import sleep

import pytest
from click.testing import CliRunner

from gateway.cli import COMMANDS, main
from tests.sandboxes import ROOT

HEAVY = ("litestar", "sqlalchemy", "aiohttp", "rich", "uvicorn", "redis", "gateway.kernel", "gateway.flows")


def environ_of(data: Path, **more: str) -> dict[str, str]:
    """Return the environment of a process whose gateway lives in `data`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return {**kept, "GATEWAY_DATA": str(data), **more}


def gateway(data: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, in the project's folder."""
    command = [sys.executable, "-m", "gateway", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environ_of(data, **more), capture_output=True, text=True, check=False, timeout=60
    )


def test_every_command_is_there_and_says_what_it_does() -> None:
    shown = CliRunner().invoke(main, ["--help"])
    assert shown.exit_code == 0
    for name in COMMANDS:
        found = main.get_command(main.make_context("gateway", ["clock"]), name)
        assert found is not None
        assert (found.help or "").strip()
        assert f"\n  {name} " in shown.output


def test_an_unknown_command_is_named() -> None:
    asked = CliRunner().invoke(main, ["nonsense"])
    assert asked.exit_code == 2
    assert "No such command 'nonsense'" in asked.output


@pytest.mark.parametrize("arguments", [["--help"], ["clock"], ["connector", "--help"], ["config", "--help"]])
def test_small_commands_load_nothing_large(tmp_path: Path, arguments: list[str]) -> None:
    code = (
        "import sys\nfrom gateway.cli import main\n"
        f"main({arguments!r}, standalone_mode=False)\nprint(*sys.modules, sep='\\n')"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ_of(tmp_path), capture_output=True, text=True, check=True
    )
    assert set(told.stdout.split()) & set(HEAVY) == set()


def test_a_token_needs_no_api_and_no_database(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom gateway.cli import main\n"
        "main(['token', 'siti'], standalone_mode=False)\nprint(*sys.modules, sep='\\n')"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ_of(tmp_path), capture_output=True, text=True, check=True
    )
    assert told.stdout.count(".") > 2
    assert set(told.stdout.split()) & {"sqlalchemy", "aiohttp", "gateway.app", "gateway.flows", "uvicorn"} == set()


def test_a_mistake_in_the_settings_is_one_line(tmp_path: Path) -> None:
    told = gateway(tmp_path, "clock", GATEWAY_ENV="staging")
    assert told.returncode == 1
    assert told.stderr == "Error: GATEWAY_ENV is 'staging'; it may be 'development' or 'production'\n"


@pytest.mark.parametrize("command", ["token", "clock", "sandbox", "demo"])
def test_production_refuses_conveniences(tmp_path: Path, command: str) -> None:
    told = gateway(tmp_path, command, GATEWAY_ENV="production", GATEWAY_OIDC_ISSUER="https://id.example")
    assert told.returncode == 1
    assert "is a development convenience and is refused in production" in told.stderr


def test_the_clock_moves_and_is_shown(tmp_path: Path) -> None:
    assert gateway(tmp_path, "clock", "+2d").stdout == "172800 seconds ahead (2 days, 0:00:00)\n"
    assert gateway(tmp_path, "clock").stdout == "172800 seconds ahead (2 days, 0:00:00)\n"
    assert "is not a duration" in gateway(tmp_path, "clock", "soon").stderr


@contextmanager
def sandbox(data: Path, port: int, *more: str) -> Iterator[HTTPConnection]:
    """Run `gateway sandbox cc112` until it says where the app is; yields a connection to it."""
    command = [sys.executable, "-m", "gateway", "sandbox", "cc112", "--port-base", str(port), *more]
    with subprocess.Popen(command, cwd=ROOT, env=environ_of(data), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"cc112=http://127.0.0.1:{port}\n"
            with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as app:
                yield app
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.mark.parametrize("apart", [False, True], ids=["beside the gateway's data", "in a folder of its own"])
def test_a_sandbox_started_by_hand_travels_with_the_clock(
    tmp_path: Path, free_port: Callable[[], int], apart: bool
) -> None:
    data, port = tmp_path / "data", free_port()
    with sandbox(data, port, *(("--data", str(tmp_path / "apart")) if apart else ())) as app:

        def time_of_the_app() -> timedelta:
            app.request("GET", "/_sandbox/quirks")
            answer = app.getresponse()
            answer.read()
            return parsedate_to_datetime(answer.headers["Date"]) - parsedate_to_datetime(
                "Thu, 01 Jan 2026 00:00:00 GMT"
            )

        before = time_of_the_app()
        assert gateway(data, "clock", "+10d").returncode == 0
        for _ in range(100):  # the clock's file is looked at four times a second
            if time_of_the_app() - before >= timedelta(days=10):
                break
            sleep(0.1)
        else:
            pytest.fail("the app's time did not move")
    assert ((tmp_path / "apart" if apart else data) / "sandboxes" / "cc112" / "log.jsonl").exists()
