"""Rows are judged one by one; times without a zone; our mark in other people's texts."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.codes import delivery_key, new_code
from gateway.sdk import ContractBroken, Event, News, Reference, Retryable, Unreadable, local_time, mark, rows

AT = datetime(2026, 1, 28, tzinfo=UTC)
BAD = object()


def event(number: int) -> Event:
    return Event(id=str(number), references=(Reference("id", str(number)),), at=AT, kind="row")


def decode(row: object) -> News:
    if not isinstance(row, int):
        raise TypeError("a value of the row")
    return event(row)


@given(st.lists(st.integers() | st.text() | st.none() | st.lists(st.integers())))
def test_a_bad_row_never_hides_its_neighbours(items: list[object]) -> None:
    news = rows(items, decode, lambda row: f"row:{row}"[:50])
    assert len(news) == len(items)
    for row, item in zip(items, news, strict=True):
        if isinstance(row, int):
            assert item == event(row)
        else:
            assert isinstance(item, Unreadable)
            assert item.id == f"row:{row}"[:50]
            assert item.reason == "TypeError"


def test_a_row_may_mean_nothing_or_several_things() -> None:
    several = {1: None, 2: [event(2), event(20)], 3: []}
    assert [item.id for item in rows(several, lambda row: several[row], str)] == ["2", "20"]


class Row(msgspec.Struct):
    status: int


def test_the_reason_tells_the_place_and_not_the_value() -> None:
    def strict(row: dict[str, object]) -> News:
        return event(msgspec.convert(row, type=Row).status)

    row: dict[str, object] = {"status": "Hasan Basri 0812"}
    (bad,) = rows([row], strict, lambda row: str(row["id"]))
    assert isinstance(bad, Unreadable)
    assert bad.id.startswith("sha256:")
    assert bad.reason == "ValidationError: Expected `int`, got `str` - at `$.status`"
    assert bad.raw == b'{"status":"Hasan Basri 0812"}'


@pytest.mark.parametrize("row", ["\ud800", b"\xff\x00", BAD])
def test_rows_that_are_no_json_are_kept_too(row: object) -> None:
    (bad,) = rows([row], decode, lambda _: "")
    assert isinstance(bad, Unreadable)
    assert bad.raw


def test_only_misreadings_are_caught() -> None:
    def broken(_: object) -> News:
        raise ContractBroken("no such form")

    def away(_: object) -> News:
        raise Retryable("the app is away")

    assert isinstance(rows([1], broken, str)[0], Unreadable)
    with pytest.raises(Retryable):
        rows([1], away, str)


@pytest.mark.parametrize(
    ("text", "fmt", "utc"),
    [
        ("2026-01-28 00:00:00", "%Y-%m-%d %H:%M:%S", datetime(2026, 1, 27, 16, tzinfo=UTC)),
        ("29-02-2028 07:59:59", "%d-%m-%Y %H:%M:%S", datetime(2028, 2, 28, 23, 59, 59, tzinfo=UTC)),
        ("2026-01-01", "%Y-%m-%d", datetime(2025, 12, 31, 16, tzinfo=UTC)),
    ],
)
def test_times_of_the_regency_are_eight_hours_ahead(text: str, fmt: str, utc: datetime) -> None:
    assert local_time(text, fmt, "Asia/Makassar") == utc
    assert local_time(text, fmt, ZoneInfo("Asia/Makassar")).tzinfo is UTC


@pytest.mark.parametrize(("text", "fmt"), [("29-02-2026", "%d-%m-%Y"), ("", "%Y"), ("2026-01-28+08:00", "%Y-%m-%d%z")])
def test_no_time_is_guessed(text: str, fmt: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        local_time(text, fmt, "Asia/Makassar")


@given(st.text(), st.integers(0, 32**7 - 1), st.integers(1, 999_999), st.text())
def test_our_mark_is_found_wherever_it_stands(before: str, number: int, command: int, after: str) -> None:
    key = delivery_key(new_code(lambda _: number), command)
    assert mark(f"{before}[{key}]{after.replace('[', '')}") == key
    assert mark(f"{before.replace('[', '')}({key})") is None


def test_a_mark_with_a_typing_error_is_none_and_the_last_one_counts() -> None:
    one, two = delivery_key(new_code(lambda _: 5), 1), delivery_key(new_code(lambda _: 6), 1)
    assert mark(f"a [{one}] b [{two}]") == two
    assert mark(f"a [{one}] [BRU-0000-0001-1]") == one
