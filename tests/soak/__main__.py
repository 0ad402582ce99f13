"""`make soak`: every fault campaign at full length, in parts. Stopped, it goes on where it was on the same commit.

After each part the transcript (docs/evidence/soak.json) and its page are written anew. Exit status 1 if any part found
something wrong.
"""

import argparse
import random
import sys
from pathlib import Path

import msgspec

from gateway.sdk.clock import SystemClock
from tests.architecture.source import ROOT
from tests.soak.campaigns import CAMPAIGNS, Campaign
from tests.soak.page import Transcript, missing, page
from tests.soak.parts import Part, commit_of, done, keep, read_parts, run

EVIDENCE = ROOT / "docs" / "evidence"
_LONGEST_S = 7200.0


def transcript_of(parts: list[Part], commit: str) -> Transcript:
    """Return the transcript of a soak on a commit."""
    absent = [campaign.name for campaign in CAMPAIGNS if not campaign.there]
    return Transcript(commit=commit, absent=absent, parts=[part for part in parts if part.commit == commit])


def write(transcript: Transcript, folder: Path) -> None:
    """Write transcript and page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "soak.json").write_bytes(msgspec.json.format(msgspec.json.encode(transcript), indent=1) + b"\n")
    (folder / "README.md").write_text(page(transcript), encoding="utf-8")


def following(parts: list[Part], commit: str, wanted: list[Campaign], scale: float) -> Campaign | None:
    """Return the campaign that is furthest behind, None where every target is reached."""
    shares = [(done(parts, one, commit) / (one.target * scale), at) for at, one in enumerate(wanted) if one.there]
    # A campaign that finds something is not run for ever: its parts are there to be looked at.
    open_ones = [(share, at) for share, at in shares if share < 1 and not _hopeless(parts, wanted[at], commit)]
    return wanted[min(open_ones)[1]] if open_ones else None


def _hopeless(parts: list[Part], campaign: Campaign, commit: str) -> bool:
    mine = [part for part in parts if part.campaign == campaign.name and part.commit == commit]
    return len(mine) >= 3 and not any(part.good for part in mine[-3:])


def main() -> None:
    """Run until all targets are reached or the time is over."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no part after so many minutes")
    parser.add_argument("--only", default="", help="beginnings of campaigns' names, with commas between")
    parser.add_argument("--scale", type=float, default=1.0, help="share of every target, e.g. 0.01")
    parser.add_argument("--state", type=Path, default=ROOT / "var" / "soak" / "parts.jsonl", help="file of the parts")
    parser.add_argument("--evidence", type=Path, default=EVIDENCE, help="folder of transcript and page")
    given = parser.parse_args()
    clock, chance, commit = SystemClock(), random.SystemRandom(), commit_of()
    beginnings = tuple(given.only.split(","))
    wanted = [campaign for campaign in CAMPAIGNS if campaign.name.startswith(beginnings)]
    ends = clock.monotonic() + given.minutes * 60
    parts = read_parts(given.state)
    while clock.monotonic() < ends and (campaign := following(parts, commit, wanted, given.scale)) is not None:
        first = not any(part.campaign == campaign.name and part.commit == commit for part in parts)
        size, seed = campaign.first if first else campaign.part, chance.randrange(2**31)
        sys.stdout.write(f"{campaign.name}: {size} from seed {seed} ... ")
        sys.stdout.flush()
        part = run(campaign, size, seed, commit, _LONGEST_S, clock, first=first)
        keep(given.state, part)
        parts.append(part)
        write(transcript_of(parts, commit), given.evidence)
        sys.stdout.write(f"{'good' if part.good else part.findings or 'nothing injected'} ({part.seconds:.0f} s)\n")
    transcript = transcript_of(parts, commit)
    write(transcript, given.evidence)
    for one in missing(transcript):
        sys.stdout.write(f"not reached: {one}\n")
    sys.exit(0 if all(part.good for part in transcript.parts) else 1)


if __name__ == "__main__":
    main()
