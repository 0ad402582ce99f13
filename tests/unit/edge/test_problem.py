"""The catalogue of problems: whole, in both languages, and every flow names kinds that exist with their words."""

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gateway
from gateway.model.problem import CATALOGUE, Fault, Kind, Problem, pointer_to, refused

SOURCES = Path(gateway.__file__).parent
GIVEN = {"field", "retry_after", "possible"}
"""Words that are filled in without being given."""


def words(kind: Kind) -> set[str]:
    texts = (kind.detail.id, kind.detail.en)
    return {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def constants(node: ast.expr) -> list[str]:
    """The texts that an expression may be: a constant, or either side of a condition."""
    if isinstance(node, ast.IfExp):
        return constants(node.body) + constants(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def raised(tree: ast.AST) -> Iterator[tuple[str, set[str]]]:
    """Every kind that is named in a call of Problem or Fault, with the words it is given."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        named = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        if node.func.id == "Problem" and node.args:
            inner = [word for fault in ast.walk(node) for word in fault_words(fault)]
            for slug in constants(node.args[0]):
                yield slug, {*named, *inner}
        elif node.func.id == "Fault" and "code" in named:
            for slug in constants(named["code"]):
                yield slug, set(fault_words(node))


def fault_words(node: ast.AST) -> list[str]:
    found = []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Fault":
        for keyword in node.keywords:
            if keyword.arg == "params" and isinstance(keyword.value, ast.Dict):
                found += [key.value for key in keyword.value.keys if isinstance(key, ast.Constant)]
    return [str(word) for word in found]


def test_every_kind_that_the_sources_name_exists_and_gets_its_words() -> None:
    found = [
        (path, slug, given)
        for path in SOURCES.rglob("*.py")
        for slug, given in raised(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert len(found) > 40
    unknown = [(path.name, slug) for path, slug, _ in found if slug not in CATALOGUE]
    assert unknown == []
    lacking = [
        (path.name, slug, missing) for path, slug, given in found if (missing := words(CATALOGUE[slug]) - given - GIVEN)
    ]
    assert lacking == []


def test_a_planted_unknown_kind_and_a_missing_word_are_seen() -> None:
    planted = "Problem('no-such'); Fault(code='unknown-service', pointer='/service'); Problem('stale' if x else 'gone')"
    found = dict(raised(ast.parse(planted)))
    assert "no-such" not in CATALOGUE
    assert found.keys() == {"no-such", "unknown-service", "stale", "gone"}
    assert words(CATALOGUE["unknown-service"]) - found["unknown-service"] - GIVEN == {"service"}


@pytest.mark.parametrize("slug", sorted(CATALOGUE))
def test_every_kind_is_told_in_both_languages(slug: str) -> None:
    kind = CATALOGUE[slug]
    assert 400 <= kind.status <= 599
    assert kind.title.id != kind.title.en
    assert kind.detail.id != kind.detail.en
    both = [{name for _, name, _, _ in string.Formatter().parse(text)} for text in (kind.detail.id, kind.detail.en)]
    assert both[0] == both[1]
    if kind.status in {429, 503}:
        assert kind.retry_after


def test_one_fault_is_its_own_kind_and_several_are_invalid() -> None:
    phone = Fault(code="bad-phone", pointer="/reporter/phone")
    long = Fault(code="too-long", pointer="/description", params={"limit": 10_000})
    one, two = refused([phone]), refused([phone, long])
    assert (one.slug, one.status) == ("bad-phone", 422)
    assert two.slug == "invalid"
    told = two.document("en", "/v1/reports", "r1")
    assert told["type"] == "/problems/invalid"
    assert told["instance"] == "/v1/reports"
    assert told["request"] == "r1"
    errors = told["errors"]
    assert isinstance(errors, list)
    assert [error["pointer"] for error in errors] == ["#/reporter/phone", "#/description"]
    assert errors[1]["detail"] == "description may have 10000 characters at the most."


def test_a_kind_that_does_not_exist_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        Problem("no-such-kind")


def test_what_is_possible_is_said() -> None:
    problem = Problem("case-conflict", status="closed", possible="note")
    assert str(problem.document("id")["detail"]).endswith("Yang mungkin: note.")
    assert str(problem.document("en")["detail"]).endswith("Possible: note.")


def test_a_problem_does_not_repeat_what_was_sent_when_it_is_printed() -> None:
    assert str(Problem("unknown-service", service="081234567890")) == "unknown-service"
    assert "0812" not in repr(Problem("unknown-service", service="081234567890"))


@pytest.mark.parametrize(("wait", "seconds"), [(0.0, 1), (0.2, 1), (1.0, 1), (1.01, 2), (59.9, 60)])
def test_retry_after_is_whole_seconds_and_never_too_short(wait: float, seconds: int) -> None:
    assert Problem("rate-limited", retry_after=wait).retry_after == seconds


@given(st.text(), st.lists(st.text(), max_size=4))
def test_whatever_was_sent_the_answer_can_be_written(text: str, parts: list[str]) -> None:
    fault = Fault(code="unknown-service", pointer=pointer_to(*parts), params={"service": text})
    for language in ("id", "en", "xx"):
        raw = msgspec.json.encode(refused([fault, fault]).document(language))
        assert b"\\u0000" not in raw
        raw = msgspec.json.encode(Problem("not-one-of", pointer="/a", possible=text, field=text).document(language))
        assert len(raw) < 4_000
