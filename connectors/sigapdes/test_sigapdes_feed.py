"""Where the reading of changes stands: the pure rules."""

from connectors.sigapdes import feed


def test_of_a_row_that_is_read_twice_the_later_reading_counts() -> None:
    early, late = {"id": 7, "status": "1"}, {"id": 7, "status": "0"}
    other, broken = {"id": 8, "status": "1"}, {"status": "1"}
    assert feed.last_of_each([early, broken, other, "?", late, broken]) == [broken, other, "?", late, broken]
    assert feed.last_of_each([]) == []


def test_the_greatest_number_is_kept_whatever_stands_beside_it() -> None:
    assert feed.last_id([{"id": 3}, {"id": "9"}, {}, "?", {"id": 12}], 5) == 12
    assert feed.last_id([], 5) == 5
