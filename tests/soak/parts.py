"""The parts of a soak: each one campaign with one seed on one commit, kept as one JSON line, so that a soak that was
stopped goes on where it was.
"""

import json
import os
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.sdk.clock import Clock
from tests.architecture.source import ROOT
from tests.soak.campaigns import Campaign

CODE = ("gateway", "connectors", "config", "tests", "pyproject.toml", "requirements.txt", "requirements-dev.txt")
"""What a soak is about: the newest commit that touched any of it names the soak."""
_SEEDS = 10
"""A planted bug must be seen in one of so many small runs: not every one brings it to light."""
_TOLD = 30
"""Lines of a campaign's complaints that a part keeps."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one part. `injected` are the faults by kind, `findings` what was not as it must be."""

    campaign: str
    seed: int
    commit: str
    size: int
    counts: dict[str, float]
    injected: dict[str, int]
    findings: list[str]
    bugs_caught: list[str]
    seconds: float
    digest: str | None = None

    @property
    def good(self) -> bool:
        """Whether all was as it must be, and anything was injected at all."""
        return not self.findings and sum(self.injected.values()) > 0


def commit_of(root: Path = ROOT) -> str:
    """Return the newest commit that touched the code; with `+` behind it if the code has changed since."""
    name = _git(root, "log", "-1", "--format=%H", "--", *CODE).strip()
    return name + ("+" if _git(root, "status", "--porcelain", "--", *CODE).strip() else "")


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout


def read_parts(file: Path) -> list[Part]:
    """Return the parts of a file; a torn last line is a part that was not finished."""
    if not file.is_file():
        return []
    lines = file.read_bytes().splitlines(keepends=True)
    return [msgspec.json.decode(line, type=Part) for line in lines if line.endswith(b"\n")]


def keep(file: Path, part: Part) -> None:
    """Add a part to a file, durably."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as out:
        out.write(msgspec.json.encode(part) + b"\n")
        out.flush()
        os.fsync(out.fileno())


def done(parts: Iterable[Part], campaign: Campaign, commit: str) -> float:
    """Return how much of a campaign's target is reached on a commit; parts that found something count for nothing."""
    return sum(
        part.counts.get(campaign.unit, 0.0)
        for part in parts
        if part.campaign == campaign.name and part.commit == commit and part.good
    )


def run(campaign: Campaign, size: int, seed: int, commit: str, longest_s: float, clock: Clock, *, first: bool) -> Part:
    """Run one part, for so many seconds at most, and return what came of it."""
    began = clock.monotonic()
    status, said, complained = _ran(campaign, campaign.command(size, seed, first=first), size, longest_s)
    told: dict[str, Any] = {campaign.unit: size} if campaign.module == "pytest" else _json(said)
    findings = _findings(told)
    if status != 0 and not findings:
        findings = [f"ended with {status}", *(said + complained).splitlines()[-_TOLD:]]
    caught = [str(bug) for bug in told.get("bugs_caught", [])]
    for bug in campaign.bugs if first else ():
        commands = (campaign.command(size, seed + turn, bug=bug) for turn in range(_SEEDS))
        if any(_findings(_json(_ran(campaign, command, size, longest_s)[1])) for command in commands):
            caught.append(bug)
        else:
            findings.append(f"the planted bug {bug!r} went unnoticed")
    return Part(
        campaign=campaign.name,
        seed=seed,
        commit=commit,
        size=size,
        counts=_counts(told),
        injected=_injected(told, campaign),
        findings=findings,
        bugs_caught=caught,
        seconds=round(clock.monotonic() - began, 1),
        digest=told.get("digest"),
    )


def _ran(campaign: Campaign, command: list[str], size: int, longest_s: float) -> tuple[int | str, str, str]:
    """Run a command; return how it ended, what it said and what it complained of."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **campaign.settings(size)}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as complaints:
        try:
            done_with = subprocess.run(
                command, cwd=ROOT, env=environ, stdout=out, stderr=complaints, timeout=longest_s, check=False
            )
            status: int | str = done_with.returncode
        except subprocess.TimeoutExpired:
            status = f"no end after {longest_s:.0f} s"
        out.seek(0)
        complaints.seek(0)
        return status, out.read(), complaints.read()


def _json(said: str) -> dict[str, Any]:
    """Return the object that a campaign printed; empty if it printed none."""
    try:
        found = json.loads(said)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _findings(told: Mapping[str, Any]) -> list[str]:
    """Return what a campaign found wrong."""
    lists = [told[name] for name in ("findings", "wrong", "faults") if isinstance(told.get(name), list)]
    return [one if isinstance(one, str) else json.dumps(one) for one in lists[0][:_TOLD]] if lists else []


def _counts(told: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers that a campaign tells, those of its runs added up."""
    counts: defaultdict[str, float] = defaultdict(float)
    rows = [told, *(told["counts"] for _ in [0] if isinstance(told.get("counts"), dict))]
    rows += [run for run in told.get("runs", []) if isinstance(run, dict)]
    for row in rows:
        for name, value in row.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and name not in {"seed", "seconds"}:
                counts[name] += value
    return dict(counts)


def _injected(told: Mapping[str, Any], campaign: Campaign) -> dict[str, int]:
    """Return the faults by kind; a campaign of one kind alone tells their number only."""
    found = told.get("injected", told.get("faults"))
    if isinstance(found, dict):
        return {str(kind): int(times) for kind, times in sorted(found.items())}
    times = int(_counts(told).get(campaign.unit, 0))
    return {campaign.unit: times} if times else {}
