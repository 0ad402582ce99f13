"""Going through the days' pages: whatever moves meanwhile, no change is missed and none is told twice."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sipendting.passes import OVERLAP, PAGE, Spot, Stand, met, resumed
from gateway.sdk.entropy import SeededEntropy

WITA = ZoneInfo("Asia/Makassar")
NOON = datetime(2026, 1, 28, 4, 0, tzinfo=UTC)
LATE = datetime(2026, 1, 28, 15, 58, tzinfo=UTC)
"""Two minutes before the day ends in Barru."""


Version = tuple[str, int]


def day_of(at: datetime) -> date:
    return at.astimezone(WITA).date()


def version(row: dict[str, Any]) -> Version:
    """Name what a row says, without asking the code that is tested."""
    return row["no_laporan"], row.get("status", 0)


class Office:
    """An app with rows that change; a page is what its day holds at that moment."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.rows: dict[int, dict[str, Any]] = {}
        self.versions: set[Version] = set()
        self.broken: list[dict[str, Any]] = []

    def touch(self, number: int, lag_s: int = 0) -> None:
        """Change a row, or begin one, as of `lag_s` seconds ago."""
        status = self.rows.get(number, {}).get("status", 0) + 1
        changed = int(self.at.timestamp()) - lag_s
        self.rows[number] = {"no_laporan": f"PDT-{number:03d}", "status": status, "diubah": changed}
        self.versions.add(version(self.rows[number]))

    def page(self, spot: Spot) -> list[dict[str, Any]]:
        rows = [row for row in self.rows.values() if day_of(datetime.fromtimestamp(row["diubah"], UTC)) == spot.day]
        rows.sort(key=lambda row: (row["diubah"], row["no_laporan"]))
        broken = [{**row, "no_laporan": f"PDT-{spot.day}"} for row in self.broken if spot.page == 1]
        return [*broken, *rows[(spot.page - 1) * PAGE : spot.page * PAGE]]


class Reader:
    """What polls: keeps its stand as a cursor's text, and all that was told."""

    def __init__(self, office: Office) -> None:
        self.office, self.cursor = office, ""
        self.told: Counter[Version] = Counter()
        self.asked = 0

    def once(self, page: list[dict[str, Any]] | None = None) -> Stand:
        """Ask for one page; `page` is what a lying line answers instead."""
        known = msgspec.json.decode(self.cursor, type=Stand) if self.cursor else None
        stand = resumed(known, self.office.at, day_of)
        spot = stand.next
        assert spot is not None
        given = self.office.page(spot) if page is None else page
        stand, fresh = met(stand, given, self.office.at, day_of)
        self.told.update(version(row) for row in fresh)
        self.cursor = msgspec.json.encode(stand).decode()
        self.asked += 1
        return stand

    def through(self) -> Stand:
        """Ask until a pass is over."""
        stand = self.once()
        while stand.next is not None:
            stand = self.once()
        return stand


T = TypeVar("T")


def chosen(chance: SeededEntropy, *things: T) -> T:
    """Return one of the things."""
    return things[chance.below(len(things))]


Step = st.one_of(
    st.tuples(st.just("touch"), st.integers(0, 70), st.sampled_from([0, 0, 0, 1, 30, 100])),
    st.tuples(st.just("wait"), st.integers(0, 150), st.just(0)),
    st.tuples(st.just("ask"), st.integers(1, 4), st.just(0)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(Step, max_size=120), st.integers(0, 70), st.sampled_from([NOON, LATE]))
def test_every_change_is_told_once_whatever_moves(steps: list[tuple[str, int, int]], first: int, at: datetime) -> None:
    office = Office(at)
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
    assert {version(row) for row in office.rows.values()} <= set(reader.told)
    assert set(reader.told) <= office.versions
    assert set(reader.told.values()) <= {1}
    before = reader.told.total()
    reader.through()
    assert reader.told.total() == before


@pytest.mark.parametrize("seed", range(60))
def test_a_busy_office_is_told_whole(seed: int) -> None:
    """Hundreds of changes, some committed late, between any two pages; then an hour's pause, then the next day."""
    chance = SeededEntropy(seed)
    office = Office(chosen(chance, NOON, LATE))
    reader = Reader(office)
    crowd = chosen(chance, 30, 60, 120)
    for _ in range(600):
        for _ in range(chosen(chance, 0, 0, 1, 2, 5)):
            office.touch(chance.below(crowd), chosen(chance, 0, 0, 0, 0, 40, 110))
        office.at += timedelta(seconds=chosen(chance, 0, 0, 1, 2, 7, 30))
        reader.once()
        if chance.below(100) == 0:
            office.at += timedelta(seconds=chosen(chance, 600, 3600))
    office.at += timedelta(seconds=5)
    for _ in range(3):
        reader.through()
    assert {version(row) for row in office.rows.values()} <= set(reader.told) <= office.versions
    assert set(reader.told.values()) <= {1}


@pytest.mark.parametrize("seed", range(20))
def test_pages_that_repeat_hide_nothing_for_long(seed: int) -> None:
    """The line now and then answers with the page before, with an empty one or with a cut one."""
    chance = SeededEntropy(seed)
    office = Office(NOON)
    last: list[dict[str, Any]] = []
    reader = Reader(office)
    for _ in range(200):
        for _ in range(3):
            office.touch(chance.below(60))
        office.at += timedelta(seconds=chosen(chance, 1, 5, 60))
        known = msgspec.json.decode(reader.cursor, type=Stand) if reader.cursor else None
        true = office.page(resumed(known, office.at, day_of).next or Spot(day_of(NOON), 1))
        reader.once(chosen(chance, true, true, last, [], true[:7]))
        last = true
    office.at += timedelta(seconds=5)
    for _ in range(3):
        reader.through()
    assert {version(row) for row in office.rows.values()} <= set(reader.told)


def test_a_page_that_is_always_the_same_ends_a_pass() -> None:
    office = Office(NOON)
    for number in range(PAGE):
        office.touch(number)
    office.at += timedelta(seconds=5)
    reader = Reader(office)
    same = office.page(Spot(day_of(NOON), 1))
    for _ in range(50):
        if reader.once(same).next is None:
            break
    assert reader.asked < 20
    assert set(reader.told.values()) == {1}


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


def test_nothing_is_read_twice_for_ever() -> None:
    """In a quiet hour of a busy day its last pages suffice, and little is remembered."""
    office = Office(NOON)
    for number in range(500):
        office.touch(number)
        office.at += timedelta(seconds=10)
    reader = Reader(office)
    for _ in range(3):
        reader.through()
    assert reader.told.total() == 500
    office.at += timedelta(minutes=10)
    reader.through()
    before = reader.asked
    reader.through()
    assert reader.asked - before <= 3
    assert len(msgspec.json.decode(reader.cursor, type=Stand).told) <= 2 * PAGE


def test_a_day_that_is_past_is_left_behind_at_once() -> None:
    office = Office(NOON)
    reader = Reader(office)
    for _ in range(20):
        office.touch(1)
        office.at += timedelta(days=1)
        assert reader.through().start.day >= day_of(office.at - OVERLAP)
    assert reader.asked <= 8 + 3 * 20


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


def test_what_moves_up_while_days_are_read_is_met_by_the_next_pass() -> None:
    """Of a day with two pages, the first row changes again after the first page was read."""
    office = Office(NOON)
    for number in range(PAGE + 5):
        office.touch(number)
    for number in (100, 200):
        office.at += timedelta(days=1)
        office.touch(number)
    office.at += timedelta(seconds=5)
    reader = Reader(office)
    stand = reader.once()
    while stand.next != Spot(day_of(NOON), 2):
        stand = reader.once()
    office.touch(0)
    office.at += timedelta(seconds=5)
    reader.through()
    assert version(office.rows[PAGE]) not in reader.told
    reader.through()
    assert set(reader.told) == office.versions


def test_a_page_of_another_day_is_not_taken_for_the_day() -> None:
    office = Office(NOON)
    office.touch(1)
    office.at += timedelta(days=1)
    office.touch(2)
    office.at += timedelta(seconds=5)
    reader = Reader(office)
    while reader.once([] if reader.asked < 6 else office.page(Spot(day_of(office.at), 1))).next is not None:
        pass
    assert version(office.rows[1]) not in reader.told
    reader.through()
    assert set(reader.told) == office.versions


@pytest.mark.parametrize("changed", [None, "2026-01-28", -1, 10**30, True, 32_503_651_199])
def test_a_row_without_a_sound_time_leads_nobody_astray(changed: Any) -> None:
    office = Office(NOON)
    office.broken = [{"diubah": changed}]
    reader = Reader(office)
    for number in range(50):
        office.touch(number)
        office.at += timedelta(minutes=5)
        reader.through()
    reader.through()
    assert set(reader.told) >= office.versions
    assert set(reader.told.values()) == {1}
    office.at += timedelta(days=3)
    assert reader.through().start.day == day_of(office.at) - timedelta(days=3)
    assert reader.through().start.day == day_of(office.at)
