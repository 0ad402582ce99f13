"""Any run of the delivery machine stays inside its table, waits within bounds, and comes to an end."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.delivery import (
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
    after_settle,
    backoff,
    when_unsure,
)

S = DeliveryState
MADE = datetime(2026, 1, 28, tzinfo=UTC)
fractions = st.floats(0, 1, exclude_max=True)
writes = st.sampled_from([verdict for verdict in Verdict if verdict is not Verdict.ABSENT])


@given(st.integers(1, 10_000), fractions)
def test_the_backoff_stays_within_its_bounds(attempt: int, fraction: float) -> None:
    assert 0 <= backoff(attempt, fraction) < 900
    assert backoff(attempt, fraction) <= 2.0**attempt if attempt < 900 else True


@given(st.integers(1, 40), fractions, st.none() | st.floats(0, 10_000), st.sampled_from(Level))
def test_no_retry_comes_before_the_app_allows_it(
    attempt: int, fraction: float, after: float | None, level: Level
) -> None:
    row = Standing(state=S.SENDING, attempt=attempt, absences=0, made_at=MADE)
    following = after_attempt(row, Verdict.RETRY, level, MADE, fraction, after)
    if following.state is S.QUEUED:
        assert following.wait >= (after or 0.0)
        assert following.wait < max(900.0, (after or 0.0) + 1)


@settings(max_examples=300)
@given(st.sampled_from(Level), st.data())
def test_a_run_stays_inside_the_table_and_ends(level: Level, data: st.DataObject) -> None:
    """The gateway alone (no person, no event): whatever the app says, the delivery comes to rest."""
    row = Standing(state=S.QUEUED, attempt=0, absences=0, made_at=MADE)
    now, moves = MADE, 0
    while row.state in {S.QUEUED, S.SENDING, S.UNSURE}:
        now += timedelta(seconds=data.draw(st.integers(0, 40_000)))
        following = move(row, level, now, data)
        assert following.state in TRANSITIONS[row.state] or following.state is row.state is S.UNSURE
        assert not following.settle or following.state is S.UNSURE
        row = Standing(
            state=following.state,
            attempt=row.attempt + (following.state is S.SENDING),
            absences=following.absences,
            made_at=MADE,
        )
        moves += 1
        assert row.attempt <= MAX_ATTEMPTS
        assert moves <= 4 * MAX_ATTEMPTS + 2 * MAX_AGE / timedelta(seconds=1)
        if moves > 200:  # looks that keep failing: only time ends them
            now += MAX_AGE
    assert row.state in {S.ACCEPTED, S.HELD, S.DEAD}


def move(row: Standing, level: Level, now: datetime, data: st.DataObject) -> Next:
    if row.state is S.QUEUED:
        return Next(state=S.SENDING)
    if row.state is S.SENDING:
        if data.draw(st.integers(0, 9)) == 0:
            return after_lease(level)
        return after_attempt(row, data.draw(writes), level, now, data.draw(fractions))
    if when_unsure(level) is Resolve.LOOK:
        verdict = data.draw(st.sampled_from([Verdict.ABSENT, Verdict.ABSENT, *Verdict]))
        return after_look(row, verdict, level, now, data.draw(fractions))
    return after_settle(row, level, now)
