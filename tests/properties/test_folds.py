"""The folds of a case and of a report do not depend on the order in which events arrive, nor on how often."""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.case import CaseEvent, fold, in_order
from gateway.model.status import GATEWAY_ONLY, OPEN, Status, report_status

START = datetime(2026, 1, 28, tzinfo=UTC)
# Few different instants and numbers, so that ties and crossed clocks are common.
instants = st.integers(0, 5).map(lambda hour: START + timedelta(hours=hour))


def events(ids: st.SearchStrategy[str]) -> st.SearchStrategy[CaseEvent]:
    return st.builds(
        CaseEvent,
        id=ids,
        at=instants,
        status=st.none() | st.sampled_from(Status),
        seq=st.none() | st.integers(0, 4),
        word=st.none() | st.sampled_from(["", "Diproses", "Selesai"]),
        by_gateway=st.booleans(),
    )


histories = st.lists(events(st.text("abcdefgh", min_size=1, max_size=3)), max_size=8, unique_by=lambda e: e.id)
claims = st.lists(events(st.sampled_from("abc")), max_size=8)
"""Events of which several claim the same id and say different things."""


@settings(max_examples=500)
@given(histories, st.data())
def test_a_case_folds_the_same_in_every_order_and_with_every_repetition(
    history: list[CaseEvent], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(history), max_size=6) if history else st.just([]))
    shuffled = data.draw(st.permutations([*history, *again]))
    assert fold(shuffled) == fold(history)
    assert in_order(shuffled) == in_order(history)


@settings(max_examples=500)
@given(claims, st.randoms(use_true_random=False))
def test_not_even_events_that_claim_the_same_id_make_the_order_matter(history: list[CaseEvent], random: Random) -> None:
    shuffled = list(history)
    random.shuffle(shuffled)
    assert fold(shuffled) == fold(history)


@settings(max_examples=300)
@given(histories, events(st.just("late")))
def test_one_by_one_or_all_at_once_is_the_same(history: list[CaseEvent], late: CaseEvent) -> None:
    """Folding after each arrival ends where one fold of everything ends."""
    kept: list[CaseEvent] = []
    result = fold(kept)
    for event in [*history, late]:
        kept.append(event)
        result = fold(kept)
    assert result == fold([late, *reversed(history)])


@given(histories)
def test_what_is_superseded_changes_nothing(history: list[CaseEvent]) -> None:
    folded = fold(history)
    effective = [event for event in history if event.id not in folded.superseded]
    # Sequence numbers of what is left out still bind the times of the others, so only the statuses are compared.
    if all(event.seq is None for event in history):
        again = fold(effective)
        assert (again.status, again.word, again.since) == (folded.status, folded.word, folded.since)
        assert not again.superseded
    assert folded.superseded <= {event.id for event in history if event.status is not None}


@given(histories)
def test_only_the_gateway_closes_and_reopens(history: list[CaseEvent]) -> None:
    apps = [event for event in history if not event.by_gateway]
    assert fold(apps).status not in GATEWAY_ONLY


@given(st.lists(st.sampled_from(Status), max_size=6), st.data())
def test_a_report_folds_the_same_in_every_order(statuses: list[Status], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(statuses), max_size=4) if statuses else st.just([]))
    folded = report_status(statuses)
    assert report_status(data.draw(st.permutations([*statuses, *again]))) is folded
    assert (folded in OPEN) == (not statuses or any(status in OPEN for status in statuses))
