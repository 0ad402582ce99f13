"""Reading days again and again: whatever moves meanwhile, no change is missed and none is told twice."""

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.singgah_di_barru.days import BEGINNING, OVERLAP, Reading, Stand, met, resumed
from connectors.singgah_di_barru.wire import DAY, PAGE, TIME
from gateway.sdk.entropy import Entropy, SeededEntropy

NOON = datetime.fromisoformat("2026-01-28 12:00:00")
LATE = datetime.fromisoformat("2026-01-28 23:58:00")
"""Two minutes before the day ends."""

Thing = TypeVar("Thing")
Version = tuple[str, int]
Row = dict[str, Any]


def version(row: Row) -> Version:
    """Name what a row says, without asking the code that is tested."""
    return row["id"], row.get("status", 0)


def changed(row: Row) -> datetime:
    return datetime.strptime(row["tgl_update"], TIME)  # noqa: DTZ007 - it has no zone


ORDERS: dict[str, Callable[[Row], Any]] = {
    "newest first": lambda row: (-changed(row).timestamp(), -int(row["id"])),
    "oldest first": lambda row: (changed(row), int(row["id"])),
    "by number": lambda row: int(row["id"]),
}


class Office:
    """An app with rows that change; a page is what its day holds at that moment, in the app's order."""

    def __init__(self, at: datetime, order: str = "newest first") -> None:
        self.at, self.order = at, order
        self.rows: dict[int, Row] = {}
        self.versions: set[Version] = set()
        self.broken: list[Row] = []

    def touch(self, number: int, lag_s: int = 0) -> None:
        """Change a row, or begin one, as of `lag_s` seconds ago."""
        status = self.rows.get(number, {}).get("status", 0) + 1
        at = (self.at - timedelta(seconds=lag_s)).strftime(TIME)
        self.rows[number] = {"id": str(number), "status": status, "tgl_update": at}
        self.versions.add(version(self.rows[number]))

    def page(self, day: date, start: int) -> list[Row]:
        rows = [row for row in self.rows.values() if row["tgl_update"].startswith(day.strftime(DAY))]
        rows.sort(key=ORDERS[self.order])
        return [*self.broken, *rows[start : start + PAGE]]


class Reader:
    """What polls: keeps its stand as a cursor's text, and all that was told."""

    def __init__(self, office: Office) -> None:
        self.office, self.cursor = office, ""
        self.told: Counter[Version] = Counter()
        self.asked: list[date] = []

    def stand(self) -> tuple[Stand, Reading]:
        known = msgspec.json.decode(self.cursor, type=Stand) if self.cursor else None
        return resumed(known, self.office.at)

    def once(self, page: list[Row] | None = None) -> Stand:
        """Ask for one page; `page` is what a lying line answers instead."""
        stand, reading = self.stand()
        given = self.office.page(reading.day, reading.start) if page is None else page
        stand, fresh = met(stand, given, self.office.at)
        self.told.update(version(row) for row in fresh)
        self.cursor = msgspec.json.encode(stand).decode()
        self.asked.append(reading.day)
        return stand

    def through(self) -> Stand:
        """Ask until a round is over."""
        stand = self.once()
        while stand.reading is not None:
            stand = self.once()
        return stand


def chosen(chance: Entropy, *things: Thing) -> Thing:
    return things[chance.below(len(things))]


Step = st.one_of(
    st.tuples(st.just("touch"), st.integers(0, 140), st.sampled_from([0, 0, 0, 1, 30, 100])),
    st.tuples(st.just("wait"), st.integers(0, 150), st.just(0)),
    st.tuples(st.just("ask"), st.integers(1, 4), st.just(0)),
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(Step, max_size=120), st.integers(0, 140), st.sampled_from([NOON, LATE]), st.sampled_from(sorted(ORDERS))
)
def test_every_change_is_told_once_whatever_moves(
    steps: list[tuple[str, int, int]], first: int, at: datetime, order: str
) -> None:
    office = Office(at, order)
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
    office.at += timedelta(hours=2)
    reader.through()
    assert reader.told.total() == before


@pytest.mark.parametrize("seed", range(24))
def test_a_busy_office_is_told_whole(seed: int) -> None:
    """Hundreds of changes, some committed late, between any two pages; at times an hour's pause, or days."""
    chance = SeededEntropy(seed)
    office = Office(chosen(chance, NOON, LATE), chosen(chance, *sorted(ORDERS)))
    reader = Reader(office)
    crowd = chosen(chance, 60, 120, 240)
    for _ in range(600):
        for _ in range(chosen(chance, 0, 0, 1, 2, 5)):
            office.touch(chance.below(crowd), chosen(chance, 0, 0, 0, 0, 40, 110))
        office.at += timedelta(seconds=chosen(chance, 0, 0, 1, 2, 7, 30))
        reader.once()
        if chance.below(100) == 0:
            office.at += timedelta(seconds=chosen(chance, 600, 3600, 200_000))
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
    last: list[Row] = []
    reader = Reader(office)
    for _ in range(200):
        for _ in range(3):
            office.touch(chance.below(120))
        office.at += timedelta(seconds=chosen(chance, 1, 5, 60))
        reading = reader.stand()[1]
        true = office.page(reading.day, reading.start)
        reader.once(chosen(chance, true, true, last, [], true[:7]))
        last = true
    office.at += timedelta(seconds=5)
    for _ in range(3):
        reader.through()
    assert {version(row) for row in office.rows.values()} <= set(reader.told)


def test_a_page_that_is_always_the_same_ends_a_round() -> None:
    office = Office(NOON)
    for number in range(PAGE):
        office.touch(number)
    office.at += timedelta(seconds=5)
    reader = Reader(office)
    same = office.page(NOON.date(), 0)
    for _ in range(50):
        if reader.once(same).reading is None:
            break
    assert len(reader.asked) < 40
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


def test_the_first_round_reaches_a_week_back() -> None:
    office = Office(NOON)
    reader = Reader(office)
    reader.through()
    assert min(reader.asked) == (NOON - BEGINNING).date()
    assert max(reader.asked) == NOON.date()
    reader.asked.clear()
    reader.through()
    assert reader.asked == [NOON.date()]


def test_a_long_absence_does_not_hold_up_what_happens_today() -> None:
    """Weeks of days to catch up with; between each two of them today is read."""
    office = Office(NOON)
    reader = Reader(office)
    reader.through()
    office.at += timedelta(days=80)
    reader.asked.clear()
    reader.once()
    office.touch(1)
    office.at += timedelta(seconds=3)
    for _ in range(3):
        reader.once()
    assert set(reader.told) == office.versions
    reader.through()
    assert set(reader.asked) == {NOON.date() + timedelta(days=count) for count in range(81)}
    assert len(reader.asked) <= 2 * 81
    reader.asked.clear()
    assert reader.through().open.keys() == {office.at.date()}
    assert len(reader.asked) == 1


def test_yesterday_stays_open_for_the_overlap() -> None:
    """Around midnight both days are read: what is written into yesterday late is met."""
    office = Office(LATE)
    office.touch(1)
    reader = Reader(office)
    for minutes in range(0, 55, 5):
        office.at = LATE + timedelta(minutes=minutes)
        office.touch(minutes + 10, lag_s=60 * minutes)  # stamped before midnight, committed now
        office.at += timedelta(seconds=5)
        reader.through()
    assert set(reader.told) == office.versions
    office.at = LATE + OVERLAP + timedelta(minutes=3)
    assert reader.through().open.keys() == {office.at.date()}


def test_a_clock_put_back_hides_no_change() -> None:
    for back in (timedelta(minutes=15), timedelta(hours=13), timedelta(days=2)):
        office = Office(NOON)
        for number in range(60):
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


def test_a_row_that_leaves_a_past_day_hides_none_of_it() -> None:
    """Of a past day on two pages, a row of the first leaves before the second is read, and one moves up unseen."""
    office = Office(NOON, "by number")
    for number in range(PAGE + 5):
        office.touch(number)
    office.at += timedelta(days=1)
    reader = Reader(office)
    while (reader.stand()[1].day, reader.stand()[1].start) != (NOON.date(), PAGE):
        reader.once()
    office.touch(0)
    office.at += timedelta(seconds=5)
    reader.through()
    assert version(office.rows[PAGE]) not in reader.told
    for _ in range(2):
        reader.through()
    assert {version(row) for row in office.rows.values()} <= set(reader.told)


def test_a_page_of_another_day_is_not_taken_for_the_day() -> None:
    office = Office(NOON)
    office.touch(1)
    office.at += timedelta(days=1)
    office.touch(2)
    office.at += timedelta(seconds=5)
    reader = Reader(office)
    today = office.page(office.at.date(), 0)
    while reader.once(today).reading is not None:
        pass
    assert NOON.date() in reader.stand()[0].open
    reader.through()
    assert set(reader.told) == office.versions


@pytest.mark.parametrize("at", [None, "2026-01-28", "", "30-02-2026 10:00:00", 10**30, True, "31-12-2999 23:59:59"])
def test_a_row_without_a_sound_time_leads_nobody_astray(at: Any) -> None:
    office = Office(NOON)
    office.broken = [{"id": "rusak \ud83d", "tgl_update": at}]
    reader = Reader(office)
    for number in range(50):
        office.touch(number)
        office.at += timedelta(minutes=5)
        reader.through()
    reader.through()
    assert set(reader.told) >= office.versions
    assert {count for (name, _), count in reader.told.items() if name.isdecimal()} == {1}


@pytest.mark.parametrize("row", [None, 7, "baris", [], {}, {"id": None}, {"id": 1, "tgl_update": ["x"]}])
def test_what_is_no_row_at_all_is_told_like_one(row: Any) -> None:
    office = Office(NOON)
    stand, _ = resumed(None, office.at)
    stand, fresh = met(stand, [row], office.at)
    assert fresh == [row]
    assert met(resumed(stand, office.at)[0], [row], office.at)[1] == []
