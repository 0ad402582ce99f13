"""Folding the events of a case: order, legality, and what is superseded."""

from datetime import UTC, datetime, timedelta
from itertools import permutations, product

import pytest

from gateway.model.case import CaseEvent, fold, in_order
from gateway.model.status import GATEWAY_ONLY, RANK, Status

START = datetime(2026, 1, 28, 6, 0, tzinfo=UTC)
APP_STATUSES = [status for status in Status if status not in GATEWAY_ONLY]


def event(
    name: str,
    hour: float,
    status: Status | None,
    *,
    seq: int | None = None,
    word: str | None = None,
    by_gateway: bool = False,
) -> CaseEvent:
    at = START + timedelta(hours=hour)
    return CaseEvent(id=name, at=at, status=status, seq=seq, word=word, by_gateway=by_gateway)


def test_nothing_happened() -> None:
    folded = fold([])
    assert (folded.status, folded.word, folded.since, folded.superseded) == (Status.RECEIVED, None, None, frozenset())


def test_an_older_event_that_comes_late_is_superseded() -> None:
    done = event("b", 5, Status.RESOLVED, word="Selesai")
    folded = fold([done, event("a", 1, Status.VERIFIED), event("c", 6, Status.VERIFIED)])
    assert folded.status is Status.RESOLVED
    assert folded.word == "Selesai"
    assert folded.since == done.at
    assert folded.superseded == {"c"}


def test_an_apps_done_is_resolved_never_closed() -> None:
    folded = fold([event("a", 1, Status.CLOSED), event("b", 2, Status.REOPENED)])
    assert folded.status is Status.RECEIVED
    assert folded.superseded == {"a", "b"}


def test_the_gateway_closes_and_reopens() -> None:
    events = [
        event("a", 1, Status.RESOLVED),
        event("b", 2, Status.CLOSED, by_gateway=True),
        event("c", 3, Status.REOPENED, by_gateway=True),
        event("d", 4, Status.IN_PROGRESS),
    ]
    assert [fold(events[:count]).status for count in range(1, 5)] == [
        Status.RESOLVED,
        Status.CLOSED,
        Status.REOPENED,
        Status.IN_PROGRESS,
    ]


@pytest.mark.parametrize("late", APP_STATUSES)
@pytest.mark.parametrize("decided", sorted(GATEWAY_ONLY))
def test_what_the_gateway_decided_is_not_undone_by_what_comes_late(late: Status, decided: Status) -> None:
    events = [
        event("a", 1, Status.RESOLVED),
        event("b", 5, decided, by_gateway=True),
        event("late", 3, late),
    ]
    assert fold(events).status is decided


def test_after_the_close_an_app_moves_nothing() -> None:
    events = [event("a", 1, Status.RESOLVED), event("b", 2, Status.CLOSED, by_gateway=True)]
    for status in APP_STATUSES:
        assert fold([*events, event("c", 3, status)]).superseded == {"c"}


def test_a_note_moves_nothing_and_is_never_superseded() -> None:
    folded = fold([event("a", 1, Status.IN_PROGRESS), event("note", 2, None, word="Mohon tunggu")])
    assert folded.status is Status.IN_PROGRESS
    assert folded.word is None
    assert not folded.superseded


def test_another_word_for_the_same_status_is_news() -> None:
    first = event("a", 1, Status.IN_PROGRESS, word="Diproses")
    folded = fold([first, event("b", 2, Status.IN_PROGRESS, word="Survei"), event("c", 3, Status.IN_PROGRESS)])
    assert folded.word == "Survei"
    assert folded.since == first.at, "it has been worked on since then"
    assert folded.superseded == {"c"}


def test_the_apps_own_sequence_rules_over_its_times() -> None:
    """A clock of the app that was set back does not turn its history round."""
    first = event("a", 5, Status.IN_PROGRESS, seq=1)
    second = event("b", 1, Status.RESOLVED, seq=2)
    for order in permutations([first, second]):
        assert [e.id for e in in_order(order)] == ["a", "b"]
        assert fold(order).status is Status.RESOLVED


def test_at_the_same_instant_progress_wins_whatever_the_ids_say() -> None:
    events = [event("z", 1, Status.VERIFIED), event("a", 1, Status.RESOLVED)]
    assert fold(events).status is Status.RESOLVED
    assert not fold(events).superseded


def test_an_event_that_is_older_than_the_last_effective_one_never_moves_a_case_back() -> None:
    """Every run of up to three statuses, and every older event that could come late into it."""
    tried = 0
    for length in (1, 2, 3):
        for run in product(APP_STATUSES, repeat=length):
            events = [event(str(number), number, status) for number, status in enumerate(run)]
            before = fold(events)
            effective = [number for number in range(length) if str(number) not in before.superseded]
            for place, late in product(range(max(effective, default=-1) + 1), APP_STATUSES):
                after = fold([*events, event("late", place - 0.5, late)])
                assert RANK[after.status] >= RANK[before.status], (run, place, late)
                tried += 1
    assert tried > 20_000


def test_what_an_app_repeats_does_not_end_a_reopened_case() -> None:
    done = event("a", 1, Status.RESOLVED, word="3")
    closed = event("b", 2, Status.CLOSED, by_gateway=True)
    reopened = event("c", 3, Status.REOPENED, by_gateway=True)
    again = event("d", 4, Status.RESOLVED, word="3")
    for order in permutations([done, closed, reopened, again]):
        assert fold(order).status is Status.REOPENED
        assert fold(order).superseded == {"d"}
    # Another word is news, and after it so is the old one.
    assert fold([done, closed, reopened, again, event("e", 5, Status.RESOLVED, word="4")]).status is Status.RESOLVED
    worked, ended = event("e", 5, Status.IN_PROGRESS, word="2"), event("f", 6, Status.RESOLVED, word="3")
    assert fold([done, reopened, again, worked]).status is Status.IN_PROGRESS
    assert fold([done, reopened, again, worked, ended]).status is Status.RESOLVED
    # Where the gateway did not step in, an app may end a case by the word it once had.
    assert fold([done, worked, ended]).status is Status.RESOLVED
