"""The table of moves is closed and total, and a report's status is the fold that the design states."""

from itertools import combinations

import pytest

from gateway.model.status import (
    ENDED,
    GATEWAY_ONLY,
    OPEN,
    RANK,
    TRANSITIONS,
    Status,
    may_follow,
    report_status,
)


def test_every_status_has_its_moves_and_leads_only_to_statuses() -> None:
    assert set(TRANSITIONS) == set(Status)
    for before, following in TRANSITIONS.items():
        assert following <= set(Status)
        assert before not in following, "staying is no move"
        assert following, "no status is a trap"


def test_every_status_has_a_rank_and_is_open_or_ended() -> None:
    assert set(RANK) == set(Status)
    assert set(Status) == OPEN | ENDED
    assert not OPEN & ENDED


def test_every_status_can_be_reached_and_left_again() -> None:
    reached, queue = {Status.RECEIVED}, [Status.RECEIVED]
    for status in queue:
        for following in TRANSITIONS[status] - reached:
            reached.add(following)
            queue.append(following)
    assert reached == set(Status)


def test_no_move_leads_back_to_received() -> None:
    assert all(Status.RECEIVED not in following for following in TRANSITIONS.values())


def test_only_what_has_ended_is_closed_or_reopened() -> None:
    for before, following in TRANSITIONS.items():
        if before in OPEN:
            assert not following & GATEWAY_ONLY
        else:
            assert Status.REOPENED in following
    assert {before for before in Status if may_follow(before, Status.CLOSED)} == ENDED - {Status.CLOSED}


def test_a_closed_case_is_only_reopened() -> None:
    assert TRANSITIONS[Status.CLOSED] == {Status.REOPENED}


def test_a_report_without_a_case_is_received() -> None:
    assert report_status([]) is Status.RECEIVED


def stated(seen: frozenset[Status]) -> Status:
    """Rule 5 of the design, first match wins, written down a second time."""
    for status in (
        Status.NEEDS_INFO,
        Status.ON_SCENE,
        Status.IN_PROGRESS,
        Status.REOPENED,
        Status.ROUTED,
        Status.VERIFIED,
        Status.RECEIVED,
        Status.RESOLVED,
        Status.CLOSED,
        Status.REJECTED,
    ):
        if status in seen:
            return status
    return Status.DUPLICATE if Status.CANCELLED not in seen else Status.CANCELLED


def test_a_report_folds_as_the_design_says_for_every_set_of_statuses() -> None:
    for size in range(1, len(Status) + 1):
        for chosen in combinations(Status, size):
            assert report_status(chosen) is stated(frozenset(chosen)), chosen


@pytest.mark.parametrize("ended", sorted(ENDED))
def test_one_open_case_keeps_the_report_open(ended: Status) -> None:
    for still in OPEN:
        assert report_status([ended, still, ended]) in OPEN
