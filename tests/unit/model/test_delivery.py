"""The delivery machine: what follows what, for every state, verdict and level."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from gateway.model.delivery import (
    ABSENCES_NEEDED,
    MAX_AGE,
    MAX_ATTEMPTS,
    TRANSITIONS,
    DeliveryState,
    Level,
    Next,
    Resolve,
    Standing,
    Verdict,
    after_attempt,
    after_lease,
    after_look,
    after_replay,
    after_settle,
    backoff,
    when_unsure,
)

S = DeliveryState
MADE = datetime(2026, 1, 28, 6, tzinfo=UTC)
WRITES = [verdict for verdict in Verdict if verdict is not Verdict.ABSENT]
ATTEMPTS = (1, 2, MAX_ATTEMPTS - 1, MAX_ATTEMPTS, MAX_ATTEMPTS + 5)
AGES = (timedelta(0), MAX_AGE - timedelta(seconds=1), MAX_AGE, MAX_AGE * 2)


def standing(state: S, attempt: int = 1, absences: int = 0, replayed_at: datetime | None = None) -> Standing:
    return Standing(state=state, attempt=attempt, absences=absences, made_at=MADE, replayed_at=replayed_at)


def legal(before: S, following: Next) -> bool:
    staying = before is following.state is S.UNSURE  # looked, and knows no more
    return staying or following.state in TRANSITIONS[before]


def test_the_machine_is_closed_and_has_two_ends() -> None:
    assert set(TRANSITIONS) == set(S)
    for before, following in TRANSITIONS.items():
        assert following <= set(S)
        assert before not in following
    assert {state for state, following in TRANSITIONS.items() if not following} == {S.ACCEPTED, S.CANCELLED}


def test_nothing_is_cancelled_once_bytes_may_have_left() -> None:
    for state in (S.SENDING, S.UNSURE):
        assert S.CANCELLED not in TRANSITIONS[state]


@pytest.mark.parametrize(("level", "verdict"), list(product(Level, WRITES)))
def test_after_an_attempt_every_move_is_legal(level: Level, verdict: Verdict) -> None:
    for attempt, age in product(ATTEMPTS, AGES):
        following = after_attempt(standing(S.SENDING, attempt), verdict, level, MADE + age, 0.5)
        assert legal(S.SENDING, following)
        assert following.absences == 0, "a new attempt may have arrived: what was seen before counts no more"
        assert following.settle == (following.state is S.UNSURE)
        assert following.alert == (following.state in {S.HELD, S.DEAD} or verdict is Verdict.UNAUTHORIZED)


@pytest.mark.parametrize(("level", "verdict"), list(product((Level.L1, Level.L2), Verdict)))
def test_after_a_look_every_move_is_legal(level: Level, verdict: Verdict) -> None:
    for attempt, age, absences in product(ATTEMPTS, AGES, (0, 1)):
        following = after_look(standing(S.UNSURE, attempt, absences), verdict, level, MADE + age, 0.5)
        assert legal(S.UNSURE, following)
        if following.state is S.QUEUED:
            assert level is Level.L2
            assert verdict is Verdict.ABSENT
            assert absences == ABSENCES_NEEDED - 1


@pytest.mark.parametrize(("verdict", "state"), [
    (Verdict.ACCEPTED, S.ACCEPTED), (Verdict.RETRY, S.QUEUED), (Verdict.UNAUTHORIZED, S.QUEUED),
    (Verdict.REJECTED, S.HELD),
])  # fmt: skip
def test_what_follows_a_clear_answer_does_not_depend_on_the_level(verdict: Verdict, state: S) -> None:
    for level in Level:
        assert after_attempt(standing(S.SENDING), verdict, level, MADE, 0.5).state is state


@pytest.mark.parametrize("verdict", [Verdict.AMBIGUOUS, Verdict.BROKEN])
def test_an_unclear_answer_is_unsure_and_waits_except_where_nobody_can_look(verdict: Verdict) -> None:
    for level in (Level.L1, Level.L2, Level.L3):
        assert after_attempt(standing(S.SENDING), verdict, level, MADE, 0.5) == Next(state=S.UNSURE, settle=True)
    assert after_attempt(standing(S.SENDING), verdict, Level.L0, MADE, 0.5) == Next(state=S.HELD, alert=True)


def test_an_attempt_cannot_be_absent() -> None:
    with pytest.raises(ValueError, match="absent"):
        after_attempt(standing(S.SENDING), Verdict.ABSENT, Level.L2, MADE, 0.5)


def test_a_lease_that_ran_out_counts_as_an_unclear_answer() -> None:
    for level in Level:
        assert after_lease(level) == after_attempt(standing(S.SENDING), Verdict.AMBIGUOUS, level, MADE, 0.5)


def test_twenty_attempts_or_three_days_end_it_visibly() -> None:
    for attempt, age in product(ATTEMPTS, AGES):
        following = after_attempt(standing(S.SENDING, attempt), Verdict.RETRY, Level.L2, MADE + age, 0.5)
        spent = attempt >= MAX_ATTEMPTS or age >= MAX_AGE
        assert following.state is (S.DEAD if spent else S.QUEUED)


def test_a_replay_gives_another_three_days_whatever_the_count() -> None:
    replayed = MADE + 5 * MAX_AGE
    spent = standing(S.SENDING, MAX_ATTEMPTS + 1, replayed_at=replayed)
    for age, state in ((timedelta(0), S.QUEUED), (MAX_AGE - timedelta(seconds=1), S.QUEUED), (MAX_AGE, S.DEAD)):
        assert after_attempt(spent, Verdict.RETRY, Level.L2, replayed + age, 0.5).state is state


def test_absence_is_believed_the_second_time_and_only_where_the_look_up_is_exact() -> None:
    first = after_look(standing(S.UNSURE), Verdict.ABSENT, Level.L2, MADE, 0.5)
    assert first == Next(state=S.UNSURE, absences=1, settle=True)
    second = standing(S.UNSURE, absences=first.absences)
    assert after_look(second, Verdict.ABSENT, Level.L2, MADE, 0.5).state is S.QUEUED
    assert after_look(second, Verdict.ABSENT, Level.L1, MADE, 0.5).state is S.HELD


def test_a_look_that_fails_is_tried_again_for_three_days() -> None:
    for verdict in (Verdict.RETRY, Verdict.AMBIGUOUS, Verdict.BROKEN, Verdict.UNAUTHORIZED):
        row = standing(S.UNSURE, MAX_ATTEMPTS + 3, absences=1)
        again = after_look(row, verdict, Level.L2, MADE, 0.5)
        assert again.state is S.UNSURE
        assert again.absences == 1, "what was seen before still counts: nothing was sent meanwhile"
        assert 0 < again.wait <= 16
        assert again.alert == (verdict is Verdict.UNAUTHORIZED)
        assert after_look(row, verdict, Level.L2, MADE + MAX_AGE, 0.5).state is S.HELD


def test_two_records_are_for_a_person() -> None:
    assert after_look(standing(S.UNSURE), Verdict.REJECTED, Level.L2, MADE, 0.5).state is S.HELD


def test_a_resend_without_a_look_has_an_end_too() -> None:
    for attempt, age in product(ATTEMPTS, AGES):
        following = after_settle(standing(S.UNSURE, attempt), Level.L3, MADE + age)
        spent = attempt >= MAX_ATTEMPTS or age >= MAX_AGE
        assert following.state is (S.HELD if spent else S.QUEUED)
        assert following.alert == spent
    assert after_settle(standing(S.UNSURE), Level.L0, MADE).state is S.HELD


@pytest.mark.parametrize("level", [Level.L1, Level.L2])
def test_who_can_be_asked_is_not_simply_sent_to(level: Level) -> None:
    with pytest.raises(ValueError, match="looked up"):
        after_settle(standing(S.UNSURE), level, MADE)


@pytest.mark.parametrize(("state", "level"), list(product((S.HELD, S.DEAD), Level)))
def test_a_replay_asks_first_where_the_app_can_be_asked_exactly(state: S, level: Level) -> None:
    for attempt in (0, *ATTEMPTS):
        following = after_replay(standing(state, attempt), level)
        assert legal(state, following)
        asks = level is Level.L2 and attempt > 0
        assert following == (Next(state=S.UNSURE, settle=True) if asks else Next(state=S.QUEUED))


def test_each_level_resolves_in_its_way() -> None:
    assert [when_unsure(level) for level in Level] == [Resolve.HOLD, Resolve.LOOK, Resolve.LOOK, Resolve.RESEND]


def test_what_the_app_asks_for_is_a_floor_under_the_wait() -> None:
    asked = after_attempt(standing(S.SENDING), Verdict.RETRY, Level.L2, MADE, 0.0, after=120.0)
    assert asked.wait == 120.0
    long = after_attempt(standing(S.SENDING, 15), Verdict.RETRY, Level.L2, MADE, 0.999, after=1.0)
    assert long.wait > 800
    assert after_attempt(standing(S.SENDING), Verdict.UNAUTHORIZED, Level.L2, MADE, 0.0).wait >= 30


def test_the_backoff_doubles_up_to_a_quarter_of_an_hour() -> None:
    almost = 1 - 2**-53
    assert [round(backoff(attempt, almost)) for attempt in range(1, 12)] == [
        2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900,
    ]  # fmt: skip
    assert all(backoff(attempt, 0.0) == 0.0 for attempt in range(1, 30))
