"""The rules of a test run hold: skips fail, sockets stay on the machine, servers die with their process."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.architecture.source import ROOT
from tests.house import LeftTheMachineError


def run_pytest(folder: Path, *tests: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs test modules in a fresh pytest that knows the house's rules only."""
    for number, test in enumerate(tests):
        (folder / f"test_{number}.py").write_text(f"import pytest\n{test}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.house", "-p", "no:cacheprovider"]
    command += ["-p", "no:randomly", "-c", os.devnull, "--rootdir", str(folder), str(folder)]
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "GATEWAY"))}
    return subprocess.run(
        command, cwd=ROOT, env={**clean, **env}, capture_output=True, text=True, check=False, timeout=60
    )


SKIPS = (
    "def test_it():\n    pytest.skip('later')",
    "@pytest.mark.skip(reason='later')\ndef test_it(): pass",
    "@pytest.mark.skipif(True, reason='later')\ndef test_it(): pass",
    "@pytest.fixture\ndef x():\n    pytest.skip('later')\ndef test_it(x): pass",
)
NOT_COLLECTED = "pytest.importorskip('no_such_module_anywhere')\ndef test_it(): pass"
EXPECTED = "@pytest.mark.xfail(strict=True)\ndef test_it():\n    assert False"


def test_a_skip_fails(tmp_path: Path) -> None:
    refused = run_pytest(tmp_path, *SKIPS, EXPECTED)
    assert refused.returncode == 1, refused.stdout
    assert refused.stdout.count("proves nothing") >= len(SKIPS)
    summary = refused.stdout.splitlines()[-1]
    assert "1 xfailed" in summary
    assert "skipped" not in summary
    assert "passed" not in summary


def test_a_module_that_skips_itself_fails(tmp_path: Path) -> None:
    refused = run_pytest(tmp_path, NOT_COLLECTED)
    assert refused.returncode not in (0, 5), refused.stdout
    assert "proves nothing" in refused.stdout


def test_skips_may_be_allowed_on_purpose(tmp_path: Path) -> None:
    allowed = run_pytest(tmp_path, *SKIPS, NOT_COLLECTED, GATEWAY_ALLOW_SKIP="1")
    assert allowed.returncode in (0, 5), allowed.stdout
    assert f"{len(SKIPS) + 1} skipped" in allowed.stdout


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("0.0.0.0", 0), ("", 0)])
def test_sockets_stay_on_the_machine(address: tuple[str, int]) -> None:
    with socket.socket() as sock, pytest.raises(LeftTheMachineError):
        sock.connect(address) if address[1] else sock.bind(address)


def test_datagrams_and_names_stay_on_the_machine() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(LeftTheMachineError):
        sock.sendto(b"x", ("192.0.2.1", 53))
    with pytest.raises(LeftTheMachineError):
        socket.getaddrinfo("example.org", 80)


def test_loopback_and_unix_sockets_work(tmp_path: Path) -> None:
    for family, address in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, str(tmp_path / "s"))):
        with socket.socket(family) as server, socket.socket(family) as client:
            server.bind(address)
            server.listen()
            client.connect(server.getsockname())
    assert socket.getaddrinfo("localhost", 80)
    assert socket.getaddrinfo("192.0.2.1", 80)


HOLD = """
import sys, time
from tests.servers import postgres_server, redis_server
with postgres_server() as server, redis_server() as url:
    print(server.admin_url.rpartition(":")[2].partition("/")[0], url.rpartition(":")[2].partition("/")[0])
    sys.stdout.flush()
    time.sleep(60)
"""


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_servers_end_with_their_process(sign: signal.Signals) -> None:
    env = {k: v for k, v in os.environ.items() if k not in ("GATEWAY_TEST_POSTGRES", "GATEWAY_TEST_REDIS")}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        ports = [int(word) for word in process.stdout.readline().split()]
        assert len(ports) == 2
        assert all(listens(port) for port in ports)
        process.send_signal(sign)
        process.wait(20)
    deadline = time.monotonic() + 10
    while any(listens(port) for port in ports) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [port for port in ports if listens(port)] == []
