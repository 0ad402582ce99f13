"""The evidence that is kept: its page is made from its transcript, and one of its seeds is played again."""

import json
from pathlib import Path

import msgspec
import pytest

from gateway.sdk.clock import SystemClock
from tests.faults.chaos import Plan, campaign
from tests.soak.__main__ import EVIDENCE, following, transcript_of, write
from tests.soak.campaigns import CAMPAIGNS
from tests.soak.page import Transcript, missing, page
from tests.soak.parts import Part, keep, read_parts, run

CHAOS = CAMPAIGNS[0]


def kept() -> Transcript:
    return msgspec.json.decode((EVIDENCE / "soak.json").read_bytes(), type=Transcript)


def part(**more: object) -> Part:
    fields: dict[str, object] = {
        "campaign": CHAOS.name,
        "seed": 1,
        "commit": "c",
        "size": 100,
        "counts": {"deliveries": 100, "ambiguous": 3},
        "injected": {"kill": 1},
        "findings": [],
        "bugs_caught": [],
        "seconds": 1.0,
    }
    return Part(**(fields | more))  # type: ignore[arg-type]


def test_the_page_is_made_from_the_transcript() -> None:
    assert (EVIDENCE / "README.md").read_text(encoding="utf-8") == page(kept())


def test_what_was_found_wrong_or_left_out_is_told(tmp_path: Path) -> None:
    bad, idle = part(findings=["lost: BRU-1"]), part(injected={})
    told = missing(Transcript(commit="c", absent=["simulator"], parts=[part(), bad, idle]))
    assert f"{CHAOS.name}: 100 of 50,000 deliveries" in told, "parts that found something count for nothing"
    assert f"{CHAOS.name}, seed 1: lost: BRU-1" in told
    assert f"{CHAOS.name}, seed 1: nothing was injected" in told
    assert "simulator: its module is not there on this commit" in told
    assert any(one.startswith("planted bugs that no part has met: P1") for one in told)
    for campaign_ in CAMPAIGNS:
        assert any(one.startswith(f"{campaign_.name}:") for one in told), "none is left out silently"


def test_a_soak_goes_on_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "parts.jsonl"
    for one in (part(), part(counts={"deliveries": 60_000}), part(commit="another")):
        keep(file, one)
    with file.open("ab") as out:
        out.write(b'{"campaign": "torn')
    parts = read_parts(file)
    assert len(parts) == 3
    assert following(parts, "c", [CHAOS], 1.0) is None
    assert following(parts, "another", [CHAOS], 1.0) is CHAOS
    assert following([part(findings=["x"])] * 3, "c", [CHAOS], 1.0) is None, "what keeps failing is left to people"
    write(transcript_of(parts, "c"), tmp_path)
    assert len(json.loads((tmp_path / "soak.json").read_text())["parts"]) == 2


@pytest.mark.timeout(600)
async def test_a_seed_of_the_transcript_is_played_again(tmp_path: Path) -> None:
    transcript = kept()
    digested = [one for one in transcript.parts if one.digest is not None and one.good]
    if digested:
        one = min(digested, key=lambda found: found.size)
        (how,) = [found for found in CAMPAIGNS if found.name == one.campaign]
        again = run(how, one.size, one.seed, one.commit, 600, SystemClock(), first=False)
        # The same commit has the same history; a later one may differ, and must be as good.
        assert again.good, again.findings
        return
    one = min((found for found in transcript.parts if found.good), key=lambda found: found.size)
    outcome = await campaign(tmp_path, Plan(reports=15, seed=one.seed, blows=("kill",), every_s=1.0))
    assert outcome.findings == []
    assert outcome.faulted
