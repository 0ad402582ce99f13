"""Every mistake is caught by the rule that is there for it, and by no accident: without the mistake all rules hold."""

from pathlib import Path

import pytest

from gateway.kit.check import check
from gateway.kit.report import Report, Verdict
from gateway.kit.rules import RULES
from tests.kit.mistakes import HOSTILE, MODEL, Mistake, make
from tests.kit.planted import PLANTED


def failed(report: Report) -> dict[str, str]:
    return {result.rule: result.detail for result in report.results if result.verdict is Verdict.FAILED}


def test_the_model_has_no_mistake() -> None:
    report = check(MODEL, write=False)
    assert failed(report) == {}
    assert [result.rule for result in report.results if result.verdict is not Verdict.PASSED] == []


@pytest.mark.parametrize("wrong", HOSTILE, ids=[one.name for one in HOSTILE])
def test_a_hostile_specimen_is_caught_by_its_rule_alone(wrong: Mistake, tmp_path: Path) -> None:
    found = failed(check(make(wrong, tmp_path), write=False))
    assert set(found) == {wrong.rule}, found


@pytest.mark.parametrize("wrong", PLANTED, ids=[one.name for one in PLANTED])
def test_a_planted_mistake_is_caught(wrong: Mistake, tmp_path: Path) -> None:
    (rule,) = (rule for rule in RULES if rule.id == wrong.rule)
    assert set(failed(check(make(wrong, tmp_path), rules=[rule]))) == {wrong.rule}


def test_every_rule_has_a_mistake() -> None:
    caught = {wrong.rule for wrong in (*HOSTILE, *PLANTED)}
    assert {rule.id for rule in RULES} - caught == set()
