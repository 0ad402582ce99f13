"""An app that fails is not asked more often for it: the breaker in virtual time, over a queue as workers keep it."""

import heapq
import os
from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kernel.host.breaker import QUICK, RESERVE, SHARE, WELL, Breaker, Leave
from gateway.model.delivery import backoff

CONCURRENCY = 4
INTERVAL_S = 1.0
LONGEST_S = 64.0
FROM_S, UNTIL_S = 60.0, 660.0
"""The outage: ten minutes."""
LATENCY_S = 0.2
LOOK_S = 0.5
BACKLOG = 10_000 if os.environ.get("GATEWAY_SOAK") == "1" else 1_000


class Call:
    """One call of the app: when it began, in which attempt, and whether it was answered."""

    def __init__(self, began: float, attempt: int) -> None:
        self.began, self.attempt, self.fine = began, attempt, False


class Street:
    """A queue of deliveries, the workers of one app, and the app: up or down at a time. Nothing here waits."""

    def __init__(self, seed: int, up: Callable[[float], bool], kind: type[Breaker] = Breaker) -> None:
        self.now, self.random, self.up = 0.0, Random(seed), up
        self.breaker = kind(CONCURRENCY, INTERVAL_S, lambda: self.now, self.random.random)
        self.fresh: list[tuple[float, int]] = []
        self.again: list[tuple[float, int, int]] = []
        self.under_way: list[tuple[float, int, Call]] = []
        self.calls: list[Call] = []
        self.arrived: set[int] = set()

    def file(self, number: int, at: float) -> None:
        heapq.heappush(self.fresh, (at, number))

    def run(self, until: float) -> None:
        """Let the worker look, as it does: whenever a call ends, and every half second."""
        while self.now < until and (self.fresh or self.again or self.under_way):
            leave = self.breaker.take(CONCURRENCY - len(self.under_way))
            claimed = sum(self._claim(fresh=leave.fresh) for _ in range(leave.number))
            if leave.probe and not claimed:
                self.breaker.give_back()
            if self.under_way:
                self.now, number, call = heapq.heappop(self.under_way)
                self._ended(number, call)
            else:
                self.now += LOOK_S

    def _claim(self, *, fresh: bool) -> bool:
        """Claim what has been due for longest; tell whether anything was."""
        old = (self.again[0][0], 1) if self.again and not fresh else (self.now + 1, 1)
        new = (self.fresh[0][0], 0) if self.fresh else (self.now + 1, 0)
        if min(old, new)[0] > self.now:
            return False
        attempt = 0
        if old < new:
            _, number, attempt = heapq.heappop(self.again)
        else:
            _, number = heapq.heappop(self.fresh)
        call = Call(self.now, attempt + 1)
        self.calls.append(call)
        heapq.heappush(self.under_way, (self.now + LATENCY_S + len(self.calls) * 1e-9, number, call))
        return True

    def _ended(self, number: int, call: Call) -> None:
        call.fine = self.up(self.now)
        self.breaker.note(failed=not call.fine)
        if call.fine:
            assert number not in self.arrived
            self.arrived.add(number)
        else:
            due = self.now + backoff(call.attempt, self.random.random())
            heapq.heappush(self.again, (due, number, call.attempt))


def outage(seed: int, kind: type[Breaker] = Breaker) -> Street:
    """Away for ten minutes, while reports come in as before; then all of them want to go."""
    street = Street(seed, lambda at: not FROM_S <= at < UNTIL_S, kind)
    for number in range(BACKLOG):
        street.file(number, number * 700 / BACKLOG)
    street.run(3 * 3600.0)
    return street


def storm(street: Street) -> str | None:
    """Judge an outage from the app's side: None if it was borne well, else what was wrong."""
    assert len(street.arrived) == BACKLOG, "everything arrives"
    failed = [call.began for call in street.calls if not call.fine]
    assert failed, "nothing failed: nothing is proven"
    if len(street.calls) > 1.10 * BACKLOG:
        return f"amplified {len(street.calls) / BACKLOG:.2f} times"
    # What was under way when the breaker opened went before it was known.
    probes = failed[QUICK + CONCURRENCY :]
    if any(later - earlier < INTERVAL_S / 2 for earlier, later in pairwise(probes)):
        return "two probes in one interval"
    back = next(call.began for call in street.calls if call.fine and call.began >= UNTIL_S)
    return None if back <= UNTIL_S + LONGEST_S + 1.0 else "nobody notices that the app is back"


@pytest.mark.parametrize("seed", range(20))
def test_an_outage_of_ten_minutes_costs_a_tenth_at_most(seed: int) -> None:
    assert storm(outage(seed)) is None


class Careless(Breaker):
    """The planted bug: never opens."""

    def take(self, wanted: int) -> Leave:
        return Leave(number=wanted)


class Herd(Breaker):
    """The planted bug: when a probe is due everybody goes."""

    def take(self, wanted: int) -> Leave:
        leave = super().take(wanted)
        return Leave(number=wanted) if leave.probe else leave


class Deaf(Breaker):
    """The planted bug: an answer does not close it."""

    def note(self, *, failed: bool) -> None:
        super().note(failed=failed or self.open)


@pytest.mark.parametrize("wrong", [Careless, Herd, Deaf])
def test_a_planted_storm_is_seen(wrong: type[Breaker]) -> None:
    if wrong is Deaf:
        with pytest.raises(AssertionError, match="everything arrives"):
            storm(outage(1, wrong))
    else:
        assert storm(outage(1, wrong)) is not None


@given(st.integers(0, 2**32), st.floats(0.15, 0.6))
def test_an_app_that_fails_now_and_then_gets_new_things_at_once_and_retries_in_turn(seed: int, share: float) -> None:
    """Retries are no more than a tenth of the answers, the reserve of each time that it was well, and one for each
    interval; and unless nobody answers at all, what is new does not wait behind them."""
    chance = Random(seed)
    street = Street(seed, lambda _: chance.random() >= share)
    for number in range(300):
        street.file(number, number * 0.5)
    street.run(3 * 3600.0)
    assert len(street.arrived) == 300
    retries = answers = in_a_row = spells = 0
    for call in street.calls:
        retries += call.attempt > 1
        answers += call.fine
        in_a_row = in_a_row + 1 if call.fine else 0
        spells += in_a_row == WELL
        intervals = call.began / (INTERVAL_S / 2) + 1
        # A retry that was under way is answered later: it counts where it began.
        assert retries <= SHARE * answers + (RESERVE + 2 * CONCURRENCY + WELL) * (spells + 1) + intervals


@given(st.lists(st.tuples(st.sampled_from(["take", "fine", "failed", "back", "time"]), st.floats(0, 70)), max_size=200))
def test_one_probe_at_a_time(steps: list[tuple[str, float]]) -> None:
    """Whatever is noted in whatever order: a probe is given once, and a breaker is never open for ever."""
    now = 0.0
    one = Breaker(CONCURRENCY, INTERVAL_S, lambda: now, lambda: 0.5)
    out = 0
    for step, seconds in steps:
        match step:
            case "take":
                was_open, leave = one.open, one.take(CONCURRENCY)
                assert leave.number in ({0, 1} if was_open else {1, CONCURRENCY})
                if leave.probe:
                    assert one.take(CONCURRENCY) == Leave(number=0 if was_open else CONCURRENCY, fresh=True)
                out += leave.number
            case "fine" | "failed" if out:
                out -= 1
                one.note(failed=step == "failed")
            case "back":
                one.give_back()
            case "time":
                now += seconds
        assert one.wait() <= LONGEST_S
    now += LONGEST_S
    assert one.take(1).number == 1


def test_three_quick_tries() -> None:
    now = 0.0
    one = Breaker(CONCURRENCY, INTERVAL_S, lambda: now, lambda: 0.0)
    for _ in range(QUICK - 1):
        one.note(failed=True)
        assert one.take(4) == Leave(number=4)
    one.note(failed=True)
    assert (one.take(4), one.wait()) == (Leave(number=0, fresh=True), 1.0)
    waits = []
    for _ in range(8):
        now += one.wait()
        assert one.take(4) == Leave(number=1, probe=True)
        one.note(failed=True)
        waits.append(one.wait())
    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 64.0, 64.0]
    now += one.wait()
    assert one.take(4).probe
    one.note(failed=False)
    assert (one.open, one.take(4)) == (False, Leave(number=4))


def test_a_probe_that_was_not_used_is_there_for_the_next() -> None:
    now = 0.0
    one = Breaker(CONCURRENCY, INTERVAL_S, lambda: now, lambda: 0.0)
    for _ in range(QUICK):
        one.note(failed=True)
    now += one.wait()
    assert one.take(4).probe
    assert not one.take(4).probe
    one.give_back()
    assert one.take(4).probe


def test_without_a_budget_only_what_is_new_goes_at_full_speed() -> None:
    now = 0.0
    one = Breaker(CONCURRENCY, INTERVAL_S, lambda: now, lambda: 0.0)
    for _ in range(14):
        one.note(failed=True)
        one.note(failed=False)
    while one.take(4) == Leave(number=4):
        one.note(failed=True)
        one.note(failed=False)
    assert one.take(4) == Leave(number=4, fresh=True)
    one.note(failed=False)
    now += INTERVAL_S
    assert one.take(4).probe, "a retry in each interval"
    for _ in range(WELL):
        one.note(failed=False)
    assert one.take(4) == Leave(number=4), "well again"
