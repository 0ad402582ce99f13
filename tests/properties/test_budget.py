"""An app that fails is not asked more often for it: the breaker in virtual time, over a queue as workers keep it."""

import heapq
import os
from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kernel.host import breaker as module
from gateway.kernel.host.breaker import LONGEST_S, QUICK, RESERVE, SHARE, Breaker
from gateway.model.delivery import backoff

CONCURRENCY = 4
OUTAGE_S = 600.0
LATENCY_S = 0.2
LOOK_S = 0.5
BACKLOG = 10_000 if os.environ.get("GATEWAY_SOAK") == "1" else 1_000


class Street:
    """A queue of deliveries, the workers of one app, and the app: up or down at a time. Nothing here waits."""

    def __init__(
        self, seed: int, up: Callable[[float], bool], made: Callable[[Breaker], Breaker] = lambda b: b
    ) -> None:
        self.now, self.random, self.up = 0.0, Random(seed), up
        self.breaker = made(Breaker(CONCURRENCY, lambda: self.now, self.random.random))
        self.queue: list[tuple[float, int, int]] = []
        self.under_way: list[tuple[float, int, int]] = []
        self.calls: list[tuple[float, bool]] = []
        self.arrived: set[int] = set()

    def file(self, number: int, at: float) -> None:
        heapq.heappush(self.queue, (at, number, 0))

    def run(self, until: float) -> None:
        """Let the worker look, as it does: whenever a call ends, and every half second."""
        while self.now < until and (self.queue or self.under_way):
            free = CONCURRENCY - len(self.under_way)
            if free and self.queue and self.queue[0][0] <= self.now:
                allowed = self.breaker.take(free)
                for _ in range(allowed):
                    if not self.queue or self.queue[0][0] > self.now:
                        break
                    _, number, attempt = heapq.heappop(self.queue)
                    heapq.heappush(self.under_way, (self.now + LATENCY_S, number, attempt + 1))
            if self.under_way:
                self.now, number, attempt = heapq.heappop(self.under_way)
                self._ended(number, attempt)
            else:
                self.now += LOOK_S

    def _ended(self, number: int, attempt: int) -> None:
        fine = self.up(self.now)
        self.calls.append((self.now, fine))
        self.breaker.note(failed=not fine)
        if fine:
            assert number not in self.arrived
            self.arrived.add(number)
        else:
            heapq.heappush(self.queue, (self.now + backoff(attempt, self.random.random()), number, attempt))


def outage(seed: int, made: Callable[[Breaker], Breaker] = lambda b: b) -> Street:
    """Away for ten minutes, while reports come in as before; then all of them want to go."""
    street = Street(seed, lambda at: not 60 <= at < 60 + OUTAGE_S, made)
    for number in range(BACKLOG):
        street.file(number, number * 700 / BACKLOG)
    street.run(3 * 3600.0)
    return street


class Careless(Breaker):
    """The planted bug: never opens."""

    def take(self, wanted: int) -> int:
        return wanted


class Herd(Breaker):
    """The planted bug: when a probe is due everybody goes."""

    def take(self, wanted: int) -> int:
        return wanted if self.wait() == 0.0 else 0


def amplification(street: Street) -> float:
    assert len(street.arrived) == BACKLOG, "everything arrives"
    assert any(not fine for _, fine in street.calls), "nothing failed: nothing is proven"
    return len(street.calls) / BACKLOG


def between_probes(street: Street) -> list[float]:
    """The times between two failures of an app that is away, after the breaker has opened for good."""
    failures = [at for at, fine in street.calls if not fine]
    opened = failures[QUICK + CONCURRENCY :]
    return [later - earlier for earlier, later in pairwise(opened)]


@pytest.mark.parametrize("seed", range(20))
def test_an_outage_of_ten_minutes_costs_a_tenth_at_most(seed: int) -> None:
    street = outage(seed)
    assert amplification(street) <= 1.10
    assert min(between_probes(street)) >= module.FIRST_S / 2
    assert max(between_probes(street)) <= LONGEST_S + LOOK_S + 1.0
    back = [at for at, fine in street.calls if fine and at >= 60 + OUTAGE_S]
    assert back[0] <= 60 + OUTAGE_S + LONGEST_S + 1.0, "it is soon noticed that the app is back"


@pytest.mark.parametrize("wrong", [Careless, Herd])
def test_a_planted_storm_is_seen(wrong: type[Breaker]) -> None:
    def planted(right: Breaker) -> Breaker:
        return wrong(CONCURRENCY, right._monotonic, right._fraction)

    street = outage(1, planted)
    assert amplification(street) > 1.10 or min(between_probes(street)) < module.FIRST_S / 2


@given(st.integers(0, 2**32), st.floats(0.05, 0.95))
def test_failures_stay_within_the_budget(seed: int, share: float) -> None:
    """An app that fails now and then: failures are a tenth of the answers, the reserve, and one for each interval."""
    chance = Random(seed)
    street = Street(seed, lambda _: chance.random() >= share)
    for number in range(200):
        street.file(number, number * 0.1)
    street.run(3600.0)
    failures = sum(not fine for _, fine in street.calls)
    answers = len(street.calls) - failures
    intervals = street.now / (module.FIRST_S / 2) + 1
    assert failures <= SHARE * answers + RESERVE + 2 * CONCURRENCY + intervals


@given(st.lists(st.tuples(st.sampled_from(["take", "fine", "failed", "back", "time"]), st.floats(0, 70)), max_size=200))
def test_one_probe_at_a_time(steps: list[tuple[str, float]]) -> None:
    """Whatever is noted in whatever order: an open breaker gives one at a time, and is never open for ever."""
    now = 0.0
    one = Breaker(CONCURRENCY, lambda: now, lambda: 0.5)
    out = 0
    for step, seconds in steps:
        match step:
            case "take":
                was_open, given_now = one.open, one.take(CONCURRENCY)
                assert given_now in ({0, 1} if was_open else {CONCURRENCY})
                if was_open and given_now:
                    assert one.take(CONCURRENCY) == 0, "the probe was given twice"
                out += given_now
            case "fine" | "failed" if out:
                out -= 1
                one.note(failed=step == "failed")
            case "back":
                one.give_back()
            case "time":
                now += seconds
        assert one.wait() <= LONGEST_S
    now += LONGEST_S
    assert one.take(1) == 1


def test_three_quick_tries() -> None:
    now = 0.0
    one = Breaker(CONCURRENCY, lambda: now, lambda: 0.0)
    for _ in range(QUICK - 1):
        one.note(failed=True)
        assert one.take(4) == 4
    one.note(failed=True)
    assert (one.take(4), one.wait()) == (0, 1.0)
    waits = []
    for _ in range(8):
        now += one.wait()
        assert one.take(4) == 1
        one.note(failed=True)
        waits.append(one.wait())
    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    now += one.wait()
    assert one.take(4) == 1
    one.note(failed=False)
    assert (one.open, one.take(4)) == (False, 4)
