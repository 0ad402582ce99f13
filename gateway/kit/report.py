"""What came of a check: verdicts of rules, the tier they make, and what to do next."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path

import msgspec

from gateway.kit.hints import Hints
from gateway.kit.rule import Rule
from gateway.sdk.tier import KIT, Tier, TierRecord, folder_digest, write_tier


class Verdict(StrEnum):
    """How a rule ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not_applicable"
    EXEMPT = "exempt"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One rule on one connector.

    `detail` says what was seen, why the rule does not apply, or why and until when there is an exemption; `step` what
    to do next (empty unless it failed); `seconds` is real time.
    """

    rule: str
    title: str
    tier: str
    verdict: Verdict
    detail: str = ""
    step: str = ""
    page: str = ""
    seconds: float = 0.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All rules on one connector.

    `tier` is what is earned, `claimed` what `kit.toml` claims; `digest` names the very files that were tried; `faults`
    are mistakes that are no rule's (a claim above what is earned, an exemption that has run out).
    """

    app: str
    folder: str
    tier: str
    claimed: str
    digest: str
    results: tuple[Result, ...]
    faults: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Tell whether the claim holds."""
        return not self.faults


def earned(results: Sequence[Result], rules: Sequence[Rule]) -> Tier:
    """Return the highest tier of which every rule, and every rule below, was tried and holds."""
    verdicts = {result.rule: result.verdict for result in results}
    tier = Tier.UNPROVEN
    for following in sorted(set(Tier) - {Tier.UNPROVEN}):
        needed = [rule.id for rule in rules if rule.tier is following]
        if not needed or any(verdicts.get(name, Verdict.FAILED) is Verdict.FAILED for name in needed):
            return tier
        tier = following
    return tier


def report_of(folder: Path, hints: Hints, results: Sequence[Result], rules: Sequence[Rule], today: date) -> Report:
    """Put the results of all rules together."""
    tier = earned(results, rules)
    faults = []
    if hints.tier > tier:
        faults.append(f"claimed {hints.claimed}, earned {tier.word}")
    known = {rule.id for rule in rules}
    for exemption in hints.exempt:
        if exemption.rule not in known:
            faults.append(f"exemption from {exemption.rule}: there is no such rule")
        elif exemption.until < today:
            faults.append(f"exemption from {exemption.rule} ran out on {exemption.until}")
    return Report(
        app=folder.name,
        folder=str(folder),
        tier=tier.word,
        claimed=hints.claimed,
        digest=folder_digest(folder),
        results=tuple(results),
        faults=tuple(faults),
    )


def record_of(report: Report, hints: Hints) -> TierRecord:
    """Return what `tier.json` is to hold after a check of all rules."""
    exempt = {result.rule for result in report.results if result.verdict is Verdict.EXEMPT}
    return TierRecord(
        kit=KIT,
        tier=report.tier,
        claimed=report.claimed,
        digest=report.digest,
        rules={result.rule: str(result.verdict) for result in report.results},
        until=min((one.until for one in hints.exempt if one.rule in exempt), default=None),
    )


def keep(report: Report, hints: Hints) -> None:
    """Write `tier.json` into the connector's folder."""
    write_tier(Path(report.folder), record_of(report, hints))
