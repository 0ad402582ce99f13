"""Going through a list: whatever moves meanwhile, no change is missed and none is told twice."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.ppid.heard import Page, stamp
from connectors.ppid.rounds import AT_ONCE, OVERLAP, Stand, met, resumed
from gateway.sdk.entropy import SeededEntropy

NOON = datetime(2026, 1, 28, 4, 0, tzinfo=UTC)
PAGE = 15
T = TypeVar("T")
Version = tuple[str, int]
Order = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


def version(row: dict[str, Any]) -> Version:
    """Name what a row says, without asking the code that is tested."""
    return row["tiket"], row.get("status", 0)


class Office:
    """An app with rows that change; a page is what its list holds at that moment, latest change first."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.rows: dict[int, dict[str, Any]] = {}
        self.versions: set[Version] = set()
        self.order: Order = list

    def touch(self, number: int, lag_s: int = 0) -> None:
        """Change a row, or begin one, as of `lag_s` seconds ago."""
        status = self.rows.get(number, {}).get("status", 0) + 1
        changed = stamp(self.at - timedelta(seconds=lag_s))
        self.rows[number] = {"tiket": f"T-{number:03d}", "status": status, "updated_at": changed}
        self.versions.add(version(self.rows[number]))

    def page(self, since: datetime, number: int) -> Page:
        rows = [row for row in self.rows.values() if row["updated_at"] >= stamp(since)]
        rows = self.order(sorted(rows, key=lambda row: (row["updated_at"], row["tiket"]), reverse=True))
        last = max(1, -(-len(rows) // PAGE))
        return Page(rows[(number - 1) * PAGE : number * PAGE], number, last, len(rows))


class Reader:
    """What polls: keeps its stand as a cursor's text, and all that was told."""

    def __init__(self, office: Office) -> None:
        self.office, self.cursor = office, ""
        self.told: Counter[Version] = Counter()
        self.asked = 0

    @property
    def stand(self) -> Stand | None:
        return msgspec.json.decode(self.cursor, type=Stand) if self.cursor else None

    def once(self) -> Stand:
        """Ask for one page."""
        stand = resumed(self.stand, self.office.at)
        stand, fresh = met(stand, self.office.page(stand.since, stand.page), self.office.at)
        self.told.update(version(row) for row in fresh)
        self.cursor = msgspec.json.encode(stand).decode()
        self.asked += 1
        return stand

    def through(self) -> Stand:
        """Ask until there is a pause."""
        stand = self.once()
        while stand.under_way:
            stand = self.once()
        return stand


def chosen(chance: SeededEntropy, *things: T) -> T:
    """Return one of the things."""
    return things[chance.below(len(things))]


Step = st.one_of(
    st.tuples(st.just("touch"), st.integers(0, 60), st.sampled_from([0, 0, 0, 1, 30, 100])),
    st.tuples(st.just("wait"), st.integers(0, 150), st.just(0)),
    st.tuples(st.just("ask"), st.integers(1, 4), st.just(0)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(Step, max_size=120), st.integers(0, 60))
def test_every_change_is_told_once_whatever_moves(steps: list[tuple[str, int, int]], first: int) -> None:
    office = Office(NOON)
    for number in range(first):
        office.touch(number)
    reader = Reader(office)
    for what, count, lag in steps:
        if what == "touch":
            office.touch(count, lag)
        elif what == "wait":
            office.at += timedelta(seconds=count)
        else:
            for _ in range(count):
                reader.once()
    office.at += timedelta(seconds=5)
    for _ in range(3):
        reader.through()
    assert {version(row) for row in office.rows.values()} <= set(reader.told) <= office.versions
    assert set(reader.told.values()) <= {1}
    before = reader.told.total()
    reader.through()
    assert reader.told.total() == before


@pytest.mark.parametrize("seed", range(40))
def test_a_busy_office_with_shifting_pages_is_told_whole(seed: int) -> None:
    """Changes between any two pages, some committed late, in another order each time; now and then a pause."""
    chance = SeededEntropy(seed)
    office = Office(NOON)
    if seed % 2:
        office.order = lambda rows: sorted(rows, key=lambda _: chance.fraction())
    reader = Reader(office)
    crowd = chosen(chance, 10, 40, 80)
    for _ in range(500):
        for _ in range(chosen(chance, 0, 0, 1, 2, 5)):
            office.touch(chance.below(crowd), chosen(chance, 0, 0, 0, 0, 40, 110))
        office.at += timedelta(seconds=chosen(chance, 0, 0, 1, 2, 7))
        reader.once()
        if chance.below(100) == 0:
            office.at += timedelta(seconds=chosen(chance, 600, 3600))
    office.at += timedelta(seconds=5)
    for _ in range(8):
        reader.through()
    assert {version(row) for row in office.rows.values()} <= set(reader.told) <= office.versions
    assert set(reader.told.values()) <= {1}


def test_the_second_that_is_running_is_left_for_later() -> None:
    office = Office(NOON + timedelta(milliseconds=900))
    office.touch(1)
    reader = Reader(office)
    reader.through()
    assert not reader.told
    office.touch(1)  # once more, under the same time
    office.at += timedelta(milliseconds=100)
    reader.through()
    assert reader.told == {version(office.rows[1]): 1}


def test_two_versions_under_one_time_are_both_told_if_both_were_seen() -> None:
    """Our idea of the app's clock may be a little ahead: a version told too early does not hide the next."""
    office = Office(NOON)
    office.touch(1)
    office.at += timedelta(seconds=1)
    reader = Reader(office)
    reader.through()
    office.touch(1, lag_s=1)
    reader.through()
    assert set(reader.told) == office.versions


def test_a_round_that_has_not_met_all_is_gone_through_again() -> None:
    """The second page shows again what the first showed, and half of the list stays unseen."""
    office = Office(NOON)
    for number in range(2 * PAGE):
        office.touch(number)
    office.at += timedelta(seconds=5)
    reader = Reader(office)
    office.order = lambda rows: rows[:PAGE] * 2
    reader.through()
    assert reader.told.total() == PAGE
    assert reader.asked == 3 * AT_ONCE, "then there is a pause"
    since = reader.stand.since if reader.stand else NOON
    assert since < NOON - OVERLAP
    office.order = list
    reader.through()
    assert set(reader.told) == office.versions
    assert set(reader.told.values()) == {1}


def test_rows_that_go_away_meanwhile_hide_none() -> None:
    """A row of a page that was read goes away, and the first of the next page slips onto that page."""
    office = Office(NOON)
    for number in range(2 * PAGE):
        office.touch(number)
    office.at += timedelta(seconds=5)
    reader = Reader(office)
    reader.once()
    del office.rows[2 * PAGE - 1]
    reader.through()
    assert {version(row) for row in office.rows.values()} <= set(reader.told)


def test_in_a_quiet_hour_little_is_read_and_remembered() -> None:
    office = Office(NOON)
    for number in range(300):
        office.touch(number)
        office.at += timedelta(seconds=10)
    reader = Reader(office)
    reader.through()
    assert reader.told.total() == 300
    before = reader.asked
    office.at += timedelta(minutes=10)
    stand = reader.through()
    assert reader.asked - before == 1
    assert len(stand.told) <= OVERLAP / timedelta(seconds=10) + 1


@pytest.mark.parametrize("back", [timedelta(minutes=15), timedelta(hours=13)])
def test_a_clock_put_back_hides_no_change(back: timedelta) -> None:
    office = Office(NOON)
    for number in range(50):
        office.touch(number)
        office.at += timedelta(seconds=1)
    office.at += timedelta(minutes=10)
    reader = Reader(office)
    for _ in range(3):
        reader.through()
    office.at -= back
    office.touch(7)
    office.at += timedelta(seconds=2)
    reader.through()
    assert version(office.rows[7]) in reader.told


@pytest.mark.parametrize("wrong", [None, "kemarin", 5, "2999-12-31T00:00:00.000000Z"])
def test_a_row_without_a_sound_time_leads_nobody_astray(wrong: Any) -> None:
    office = Office(NOON)
    broken = {"tiket": "T-rusak", "updated_at": wrong}
    office.order = lambda rows: [broken, *rows]
    reader = Reader(office)
    for number in range(50):
        office.touch(number)
        office.at += timedelta(minutes=5)
        reader.through()
    reader.through()
    assert set(reader.told) >= office.versions
    assert set(reader.told.values()) == {1}
    assert (reader.stand or resumed(None, NOON)).since >= office.at - timedelta(minutes=10)
