"""JSON bodies read strictly: every trick is refused with its place, nothing good is."""

import json
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from gateway.kernel.edge.body import JSON_LIMIT, MAX_DEPTH, check_json_type, decode_json, read_json
from gateway.model.problem import Problem


class Place(msgspec.Struct, forbid_unknown_fields=True):
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    village: Annotated[str, Meta(max_length=20)] | None = None


class Body(msgspec.Struct, forbid_unknown_fields=True):
    service: Annotated[str, Meta(min_length=1, max_length=40)]
    place: Place = msgspec.field(default_factory=Place)
    photos: Annotated[list[str], Meta(max_length=2)] = []
    count: int = 0
    attributes: dict[str, object] = {}
    kind: Annotated[str, Meta(pattern="^[a-z]+$")] = "a"


def refusal(raw: bytes, type_: Any = Body) -> tuple[str, str | None]:
    with pytest.raises(Problem) as refused:
        decode_json(raw, type_)
    problem = refused.value
    assert 400 <= problem.status < 500
    return problem.slug, problem.faults[0].pointer if problem.faults else None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", ("malformed-json", None)),
        (b"{", ("malformed-json", None)),
        (b'{"service":"a"} {}', ("malformed-json", None)),
        (b'\xef\xbb\xbf{"service":"a"}', ("malformed-json", None)),
        (b'{"service":"\xff"}', ("malformed-json", None)),
        (b'{"service":"\xed\xa0\x80"}', ("malformed-json", None)),
        (b"{'service':'a'}", ("malformed-json", None)),
        (b'{"service":"a\nb"}', ("malformed-json", None)),
        (b'{"service":"\x00"}', ("malformed-json", None)),
        (b'{"service":"a",}', ("malformed-json", None)),
        (b'{"service":"a","count":01}', ("malformed-json", None)),
        ('{"service":"a"}'.encode("utf-16"), ("malformed-json", None)),
        (b'{"service":"a","service":"b"}', ("duplicate-key", "/service")),
        (b'{"service":"a","serv\\u0069ce":"b"}', ("duplicate-key", "/service")),
        (b'{"service":"a","place":{"village":"1","village":"1"}}', ("duplicate-key", "/place/village")),
        (b'{"service":"a","attributes":{"l":[0,{"a/b":1,"a/b":2}]}}', ("duplicate-key", "/attributes/l/1/a~1b")),
        (b'{"service":"a","place":{"latitude":NaN}}', ("bad-number", None)),
        (b'{"service":"a","place":{"latitude":-Infinity}}', ("bad-number", None)),
        (b'{"service":"a","attributes":{"n":1e999}}', ("bad-number", None)),
        (b'{"service":"a","attributes":{"n":9223372036854775808}}', ("bad-number", None)),
        (b'{"service":"a","attributes":{"n":' + b"1" * 5000 + b"}}", ("bad-number", None)),
        (b'{"service":"a\\u0000"}', ("bad-text", "/service")),
        (b'{"service":"\\ud800"}', ("bad-text", "/service")),
        (b'{"service":"\\uDFFF x"}', ("bad-text", "/service")),
        (b'{"service":"a","photos":["x","\\u0000"]}', ("bad-text", "/photos/1")),
        (b'{"service":"a","attributes":{"\\u0000":1}}', ("bad-text", "/attributes")),
        (b'{"service":"a","color":1}', ("unknown-field", "/color")),
        (b'{"service":"a","place":{"x~y/z":1}}', ("unknown-field", "/place/x~0y~1z")),
        (b"{}", ("missing-field", "/service")),
        (b"[]", ("wrong-type", "")),
        (b'{"service":null}', ("wrong-type", "/service")),
        (b'{"service":"a","count":"1"}', ("wrong-type", "/count")),
        (b'{"service":"a","count":1.5}', ("wrong-type", "/count")),
        (b'{"service":"a","count":true}', ("wrong-type", "/count")),
        (b'{"service":"a","photos":["x",2]}', ("wrong-type", "/photos/1")),
        (b'{"service":"a","place":{"latitude":"4"}}', ("wrong-type", "/place/latitude")),
        (b'{"service":"a","place":{"latitude":91}}', ("out-of-range", "/place/latitude")),
        (b'{"service":""}', ("too-short", "/service")),
        (b'{"service":"' + b"a" * 41 + b'"}', ("too-long", "/service")),
        (b'{"service":"a","photos":["","",""]}', ("too-many", "/photos")),
        (b'{"service":"a","kind":"A"}', ("bad-format", "/kind")),
        (b'{"service":"a","attributes":' + b'{"a":' * 40 + b"1" + b"}" * 41, ("too-deep", None)),
        (b"[" * 100_000 + b"]" * 100_000, ("too-deep", None)),
        (b"]" * 100_000 + b"[" * 100_000, ("malformed-json", None)),
        (b'{"a":' * 40_000, ("too-deep", None)),
        (b'"' + b"\\" * 200_000, ("malformed-json", None)),
        (b" " * (JSON_LIMIT + 1), ("too-large", None)),
    ],
)
def test_a_body_that_is_wrong_is_refused_with_its_place(raw: bytes, expected: tuple[str, str | None]) -> None:
    assert refusal(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b'{"service":"a"}',
        b' \n{"service":"a"}\t',
        b'{"service":"\\\\u0000 \\\\ud800"}',
        b'{"service":"\\ud83d\\ude00","attributes":{"n":-9223372036854775808,"f":1e-9,"t":"[[[["}}',
        '{"service":"ᨒᨗᨓ 洪水"}'.encode(),
        b'{"service":"a","attributes":{"deep":' + b"[" * (MAX_DEPTH - 2) + b"]" * (MAX_DEPTH - 2) + b"}}",
        b'{"service":"a","attributes":{"wide":[' + b",".join([b"[{}]"] * 500) + b"]}}",
        b'{"service":"a","attributes":{"s":"' + b'\\"[{' * 500 + b'"}}',
        b'{"service":"a","place":{"village":"1"},"attributes":{"village":"1"}}',
    ],
)
def test_a_good_body_passes(raw: bytes) -> None:
    assert decode_json(raw, Body) == msgspec.json.decode(raw, type=Body)
    assert read_json(raw) == json.loads(raw)


_numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
_trees = st.recursive(
    st.none() | st.booleans() | _numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


@given(_trees, st.booleans())
def test_what_is_read_is_what_was_written(tree: object, escaped: bool) -> None:
    raw = json.dumps(tree, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    try:
        found = read_json(raw)
    except Problem as problem:
        assert problem.slug in {"bad-text", "malformed-json"}  # noqa: PT017 - both outcomes are checked
        text = json.dumps(tree, ensure_ascii=False)
        assert "\\u0000" in text or any("\ud800" <= char <= "\udfff" for char in text)
    else:
        assert found == tree


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    try:
        decode_json(raw, Body)
    except Problem as problem:
        assert problem.status < 500  # noqa: PT017


@pytest.mark.parametrize("good", ["", "application/json", "Application/JSON; charset=UTF-8", "application/geo+json"])
def test_json_types(good: str) -> None:
    check_json_type(good)


@pytest.mark.parametrize(
    "bad",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "json",
        "text/json+json",
    ],
)
def test_other_types(bad: str) -> None:
    with pytest.raises(Problem) as refused:
        check_json_type(bad)
    assert refused.value.status == 415
