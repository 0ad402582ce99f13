"""The rules that every test run keeps: a skipped test is a failed test, and no socket leaves the machine.

Both are here and not in single tests so that a new folder of tests cannot forget them.
"""

import ipaddress
import os
import socket
import sys
from collections.abc import Generator
from typing import Any

import hypothesis
import pytest

LOCAL_NAMES = frozenset({"", "localhost", "localhost.localdomain"})
"""Names that mean this machine; an empty name is "any address" and is allowed to look-ups only."""


class LeftTheMachineError(RuntimeError):
    """A test tried to reach, or to be reached from, another machine. Not an OSError, so that code which
    treats network errors as weather cannot swallow it.
    """


def is_loopback(host: object) -> bool:
    """True for ``localhost`` and for every IPv4 or IPv6 loopback address."""
    if isinstance(host, bytes | bytearray):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str):
        return False
    if host in LOCAL_NAMES and host:
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def guard_sockets(event: str, args: tuple[Any, ...]) -> None:
    """The audit hook: refuses to connect, send or listen anywhere but on loopback and Unix sockets, and to
    look up any name but ``localhost`` (a look-up leaves the machine too).

    Raises LeftTheMachineError.
    """
    if event in {"socket.connect", "socket.sendto", "socket.bind"}:
        sock, address = args[0], args[1]
        family = getattr(sock, "family", None)
        inside = family not in (socket.AF_INET, socket.AF_INET6) or address is None or is_loopback(address[0])
    elif event == "socket.getaddrinfo":
        host = args[0]
        inside = host is None or host in LOCAL_NAMES or host == b"" or is_address(host) or is_loopback(host)
        address = host
    else:
        return
    if not inside:
        raise LeftTheMachineError(f"{event} {address!r}: tests stay on loopback")


def is_address(host: object) -> bool:
    """True if the host is written as a number: looking that up asks nobody."""
    text = host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else str(host)
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turns a skip into a failure, unless ``GATEWAY_ALLOW_SKIP=1``. An expected failure stays what it is."""
    if not report.skipped or hasattr(report, "wasxfail") or os.environ.get("GATEWAY_ALLOW_SKIP") == "1":
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{reason}\nA skipped test proves nothing: make it run, or delete it."


def pytest_configure(config: pytest.Config) -> None:
    """Sets the guard (once: an audit hook cannot be taken away) and hypothesis' profile."""
    if not getattr(sys, "_gateway_guarded", False):
        sys.addaudithook(guard_sockets)
        sys._gateway_guarded = True  # type: ignore[attr-defined]
    soak = os.environ.get("GATEWAY_SOAK") == "1"
    # No deadline: two cores are shared by all test processes, and a slow moment is not a bug.
    hypothesis.settings.register_profile("house", deadline=None, max_examples=1000 if soak else 100, print_blob=True)
    hypothesis.settings.load_profile("house")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that skips itself, or is marked so, fails."""
    report = yield
    refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that skips itself (``importorskip`` at its top) fails to be collected."""
    report = yield
    refuse_skip(report)
    return report


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the tests that may take longest, so that none of them is what all others have to wait for at the end;
    among equals the order stays what chance made it.
    """

    def patience(item: pytest.Item) -> float:
        marker = item.get_closest_marker("timeout")
        return float(marker.args[0]) if marker is not None and marker.args else 0.0

    items.sort(key=patience, reverse=True)
