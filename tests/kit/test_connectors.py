"""Every connector found has proven what `kit.toml` claims, and its `tier.json` is what the kit computes now."""

from pathlib import Path

import pytest

from gateway.kit.check import check
from gateway.kit.hints import read_hints
from gateway.kit.report import Verdict, record_of
from gateway.sdk.manifest import FILE
from gateway.sdk.tier import Tier, proven_tier, read_tier

FOUND = sorted(file.parent for file in Path("connectors").glob(f"*/{FILE}"))


@pytest.mark.parametrize("folder", FOUND, ids=[folder.name for folder in FOUND])
def test_a_connector_has_proven_its_claim(folder: Path) -> None:
    report = check(folder, write=False)
    failed = [f"{one.rule}: {one.detail}" for one in report.results if one.verdict is Verdict.FAILED]
    assert failed == []
    assert report.faults == ()
    assert read_tier(folder) == record_of(report, read_hints(folder)), f"run `gateway connector check {folder.name}`"
    assert proven_tier(folder) >= Tier.GOLD


def test_all_five_apps_are_connected() -> None:
    assert [folder.name for folder in FOUND] == ["cc112", "ppid", "sigapdes", "singgah_di_barru", "sipendting"]
