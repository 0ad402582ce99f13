"""Patience ends, and a busy machine does not use it up."""

import threading
import time

from gateway.kit.patience import Patience, waited

FOREVER = 60.0


def test_what_waits_is_given_up() -> None:
    ended = threading.Event()
    with Patience(0.05, ended.set):
        assert ended.wait(FOREVER)


def test_what_ended_is_not_given_up() -> None:
    ended, later = threading.Event(), threading.Event()
    with Patience(0.05, ended.set):
        pass
    threading.Timer(0.2, later.set).start()
    assert later.wait(FOREVER)
    assert not ended.is_set()


def test_seconds_without_a_processor_do_not_count_but_for_ever_is_no_patience() -> None:
    """Planted: a machine that never lets this process run. It is looked at again, and given up in the end."""
    looks: list[float] = []

    def starved() -> float:
        looks.append(time.monotonic())
        return time.monotonic()

    ended = threading.Event()
    with Patience(0.05, ended.set, starved):
        assert ended.wait(FOREVER)
    assert len(looks) > 5, "a patience that counts every second looks once at its beginning and once at its end"


def test_waiting_for_a_processor_only_grows() -> None:
    before = waited()
    assert before >= 0.0
    assert waited() >= 0.0
