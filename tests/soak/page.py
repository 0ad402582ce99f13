"""The readable page of a soak, made from its transcript and from nothing else."""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from tests.soak.campaigns import AMBIGUOUS, BUGS, CAMPAIGNS, Campaign
from tests.soak.parts import Part


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """A soak on one commit; `absent` names campaigns that were not there to be run."""

    commit: str
    absent: list[str]
    parts: list[Part]

    def of(self, campaign: Campaign) -> list[Part]:
        """Return the parts of a campaign."""
        return [part for part in self.parts if part.campaign == campaign.name]

    def count(self, unit: str, beginning: str = "") -> int:
        """Return a count of all parts that found nothing, of the campaigns whose name begins so."""
        good = [part for part in self.parts if part.good and part.campaign.startswith(beginning)]
        return int(sum(part.counts.get(unit, 0) for part in good))


def page(transcript: Transcript) -> str:
    """Return the page as Markdown."""
    return "\n".join(_lines(transcript)) + "\n"


def _lines(transcript: Transcript) -> Iterator[str]:
    yield "# Evidence"
    yield ""
    yield "Made by `make soak` from [soak.json](soak.json); written by a program, read by people. Each part there names"
    yield "its campaign, its seed and its commit, and can be run again. Every landing plays one of them again."
    yield ""
    yield f"Commit `{transcript.commit}`. {len(transcript.parts)} parts, {_hours(transcript)}."
    yield ""
    yield "## What was promised, and what came of it"
    yield ""
    yield "| campaign | promises | run | to reach | found wrong |"
    yield "|---|---|---|---|---|"
    for campaign in CAMPAIGNS:
        yield _row(transcript, campaign)
    yield ""
    for campaign in CAMPAIGNS:
        yield f"- **{campaign.name}**: {campaign.what}."
    yield ""
    yield from _chaos(transcript)
    yield from _bugs(transcript)
    yield from _injected(transcript)
    yield from _missing(transcript)


def _row(transcript: Transcript, campaign: Campaign) -> str:
    parts = transcript.of(campaign)
    reached = transcript.count(campaign.unit, campaign.name)
    wrong = sum(not part.good for part in parts)
    told = "not run" if not parts else "nothing" if not wrong else f"something in {wrong} of {len(parts)} parts"
    promises = campaign.promises.replace(" ", ", ")
    return f"| {campaign.name} | {promises} | {reached:,} {campaign.unit} | {campaign.target:,} | {told} |"


def _hours(transcript: Transcript) -> str:
    seconds = sum(part.seconds for part in transcript.parts)
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"


def _chaos(transcript: Transcript) -> Iterator[str]:
    deliveries = transcript.count("deliveries", "chaos")
    if not deliveries:
        return
    faulted, ambiguous = transcript.count("faulted", "chaos"), transcript.count("ambiguous", "chaos")
    yield "## Real processes"
    yield ""
    parked = transcript.count("parked", "chaos")
    yield f"Of {deliveries:,} deliveries {faulted:,} ({faulted / deliveries:.0%}) met a fault on the line, and"
    yield f"{ambiguous:,} answers left the gateway in doubt. {parked:,} deliveries were left to a person, each with its"
    yield "cause, all of them at an app that can only be searched. What clients were promised, what the apps have and"
    yield "what the entries tell was held against each other."
    yield ""
    wrong = [part for part in transcript.parts if part.campaign.startswith("chaos") and not part.good]
    if wrong:
        yield f"**{len(wrong)} parts found something wrong** and are counted nowhere above; they are listed at the end."
    else:
        yield "None was lost, none doubled, none in limbo."
    yield ""


def _bugs(transcript: Transcript) -> Iterator[str]:
    caught: Counter[str] = Counter()
    for part in transcript.parts:
        caught.update(f"{bug} ({part.campaign})" for bug in part.bugs_caught)
    yield "## Planted bugs that were caught"
    yield ""
    yield ", ".join(sorted(caught)) + "." if caught else "None yet."
    yield ""


def _injected(transcript: Transcript) -> Iterator[str]:
    yield "## What was injected"
    yield ""
    for campaign in CAMPAIGNS:
        counts: Counter[str] = Counter()
        for part in transcript.of(campaign):
            counts.update(part.injected)
        if counts:
            told = ", ".join(f"{kind} {times:,}" for kind, times in sorted(counts.items()))
            yield f"- **{campaign.name}**: {told}"
    yield ""


def missing(transcript: Transcript) -> list[str]:
    """Return what of the release's figures has not been reached, in words."""
    found = []
    for campaign in CAMPAIGNS:
        reached = transcript.count(campaign.unit, campaign.name)
        if campaign.name in transcript.absent:
            found.append(f"{campaign.name}: its module is not there on this commit")
        elif reached < campaign.target:
            found.append(f"{campaign.name}: {reached:,} of {campaign.target:,} {campaign.unit}")
    if (ambiguous := transcript.count("ambiguous", "chaos")) < AMBIGUOUS:
        found.append(f"chaos: {ambiguous:,} of {AMBIGUOUS:,} ambiguous answers")
    caught = {bug for part in transcript.parts for bug in part.bugs_caught}
    if left := [bug for bug in BUGS if bug not in caught]:
        found.append(f"planted bugs that no part has met: {', '.join(left)}")
    found += [f"{part.campaign}, seed {part.seed}: {_first(part)}" for part in transcript.parts if not part.good]
    return found


def _first(part: Part) -> str:
    return part.findings[0] if part.findings else "nothing was injected"


def _missing(transcript: Transcript) -> Iterator[str]:
    found: Sequence[str] = missing(transcript)
    yield "## What has not been reached"
    yield ""
    yield from (f"- {one}" for one in found) if found else ("Nothing: every figure of a release is reached.",)
