"""A tier is computed, never claimed: from verdicts, bound to the very files, and only as long as exemptions last."""

from datetime import date, timedelta
from pathlib import Path
from shutil import copytree

import msgspec
import pytest

from gateway.kit.check import check
from gateway.kit.hints import HintsError, read_hints
from gateway.kit.report import Result, Verdict, earned, report_of
from gateway.kit.rules import RULES
from gateway.sdk.tier import KIT, Tier, TierRecord, folder_digest, proven_tier, read_tier, write_tier
from tests.kit.mistakes import MODEL
from tests.sandboxes import MORNING, StillClock

TODAY = date(2026, 2, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copied = tmp_path / MODEL.name
    copytree(MODEL, copied)
    return copied


def results(**verdicts: Verdict) -> list[Result]:
    return [
        Result(rule=one.id, title=one.title, tier=one.tier.word, verdict=verdicts.get(one.id, Verdict.PASSED))
        for one in RULES
    ]


def with_hints(folder: Path, more: str, claimed: str = "gold") -> None:
    file = folder / "kit.toml"
    text = file.read_text(encoding="utf-8").replace('claimed = "gold"', f'claimed = "{claimed}"')
    file.write_text(f"{text}\n{more}", encoding="utf-8")


@pytest.mark.parametrize(
    ("verdicts", "tier"),
    [
        ({}, Tier.GOLD),
        ({"K17": Verdict.NOT_APPLICABLE, "K33": Verdict.NOT_APPLICABLE}, Tier.GOLD),
        ({"K33": Verdict.EXEMPT}, Tier.GOLD),
        ({"K38": Verdict.FAILED}, Tier.SILVER),
        ({"K22": Verdict.FAILED}, Tier.BRONZE),
        ({"K22": Verdict.FAILED, "K01": Verdict.FAILED}, Tier.UNPROVEN),
        ({"K01": Verdict.FAILED}, Tier.UNPROVEN),
    ],
)
def test_a_tier_needs_every_rule_up_to_it(verdicts: dict[str, Verdict], tier: Tier) -> None:
    assert earned(results(**verdicts), RULES) is tier


def test_a_rule_that_was_not_tried_proves_nothing() -> None:
    assert earned([one for one in results() if one.rule != "K05"], RULES) is Tier.UNPROVEN


def test_every_rule_says_what_it_is_for() -> None:
    ids = [rule.id for rule in RULES]
    assert ids == sorted(set(ids))
    assert {f"K{number:02}" for number in (*range(1, 9), *range(10, 23), *range(30, 39))} <= set(ids)
    for rule in RULES:
        assert all(text.strip() for text in (rule.title, rule.why, rule.tested, rule.passing, rule.exempt)), rule.id


def test_a_claim_above_what_is_earned_is_a_fault(folder: Path) -> None:
    report = report_of(folder, read_hints(folder), results(K31=Verdict.FAILED), RULES, TODAY)
    assert (report.tier, report.claimed, report.ok) == ("silver", "gold", False)
    assert report.faults == ("claimed gold, earned silver",)


def test_a_claim_below_is_modesty(folder: Path) -> None:
    with_hints(folder, "", claimed="bronze")
    assert report_of(folder, read_hints(folder), results(), RULES, TODAY).ok


def test_what_was_proven_is_of_these_files_alone(folder: Path) -> None:
    record = TierRecord(kit=KIT, tier="gold", claimed="gold", digest=folder_digest(folder), rules={})
    write_tier(folder, record)
    assert proven_tier(folder) is Tier.GOLD
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "wire.pyc").write_bytes(b"x")
    assert proven_tier(folder) is Tier.GOLD, "a cache is none of its files"
    (folder / "wire.py").write_text("# changed\n", encoding="utf-8")
    assert proven_tier(folder) is Tier.UNPROVEN


@pytest.mark.parametrize(
    "change", [{"kit": KIT + 1}, {"tier": "diamond"}, {"digest": "0" * 64}, {"until": "2026-01-31"}]
)
def test_what_is_stale_or_odd_proves_nothing(folder: Path, change: dict[str, object]) -> None:
    record = TierRecord(kit=KIT, tier="gold", claimed="gold", digest=folder_digest(folder), rules={})
    text = msgspec.json.encode(msgspec.to_builtins(record) | change)
    (folder / "tier.json").write_bytes(text)
    assert proven_tier(folder, TODAY) is Tier.UNPROVEN


@pytest.mark.parametrize("text", ["", "[]", '{"tier": "gold"}', "\x00"])
def test_a_record_that_cannot_be_read_proves_nothing(folder: Path, text: str) -> None:
    (folder / "tier.json").write_text(text, encoding="utf-8")
    assert read_tier(folder) is None
    assert proven_tier(folder) is Tier.UNPROVEN


def test_an_exemption_holds_until_its_day(folder: Path) -> None:
    (folder / "README.md").unlink()
    exempt = '[[exempt]]\nrule = "K38"\nreason = "its team writes it"\nuntil = 2026-01-28\n'
    with_hints(folder, exempt)
    told = [rule for rule in RULES if rule.id == "K38"]
    on_the_day = check(folder, rules=told, clock=StillClock())
    assert [(one.verdict, one.detail) for one in on_the_day.results] == [
        (Verdict.EXEMPT, "until 2026-01-28: its team writes it")
    ]
    after = check(folder, rules=told, clock=StillClock(MORNING + timedelta(days=2)))
    assert [one.verdict for one in after.results] == [Verdict.FAILED]
    assert "exemption from K38 ran out on 2026-01-28" in after.faults


def test_an_exemption_from_no_rule_is_a_fault(folder: Path) -> None:
    with_hints(folder, '[[exempt]]\nrule = "K99"\nreason = "odd"\nuntil = 2030-01-01\n')
    assert report_of(folder, read_hints(folder), results(), RULES, TODAY).faults == (
        "exemption from K99: there is no such rule",
    )


def test_an_exemption_needs_a_reason(folder: Path) -> None:
    with_hints(folder, '[[exempt]]\nrule = "K38"\nreason = " "\nuntil = 2030-01-01\n')
    with pytest.raises(HintsError, match="names no reason"):
        read_hints(folder)
