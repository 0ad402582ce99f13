"""Gold: what a person must know about an app stands beside its connector, and is true."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.kit.facts import BEGIN, END, with_facts
from gateway.kit.rule import expect, rule
from gateway.kit.trial import Trial
from gateway.sdk.tier import Tier

FILE: Final = "README.md"
_TEST: Final = re.compile(r"`(test_\w+)`")
_DEFINED: Final = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
_RULE_OF_A_TABLE: Final = re.compile(r"\|[-: |]+\|")


@rule(
    "K38",
    Tier.GOLD,
    "Its README says what is so, and which test shows it",
    why="The person who is called at night when an app misbehaves has never read the connector. What he needs is how "
    "often it may be asked, how long a request may still take effect, and what is odd about it; and it must be true.",
    tested="README.md has the facts of the manifest (level, settle, limits, words), written by the gateway and up to "
    "date, and a section on quirks, each with the name of the test in this folder that shows it. Every test that is "
    "named is there.",
    passing="Put the two comment lines of the facts into README.md and run `gateway connector docs`; it fills them in. "
    "Write the quirks by hand under '## Quirks', one a line, each with its `test_…`.",
)
async def k38(trial: Trial) -> None:
    """Read the README."""
    file = trial.subject.folder / FILE
    expect(file.is_file(), f"there is no {FILE}")
    text = file.read_text(encoding="utf-8")
    expect(
        BEGIN in text and END in text.partition(BEGIN)[2],
        f"{FILE} has no place for the facts of the manifest",
        f"Add the lines '{BEGIN}' and '{END}', then run `gateway connector docs`.",
    )
    fresh = with_facts(text, trial.subject.manifest) == text
    expect(fresh, f"the facts in {FILE} are not those of connector.toml", "Run `gateway connector docs`.")
    quirks = list(_quirks(text))
    expect(quirks, f"{FILE} has no section '## Quirks' with a line for each", "Write down what is odd about the app.")
    untested = [line for line in quirks if not _TEST.search(line)]
    expect(not untested, f"{len(untested)} quirks name no test that shows them, the first: {_short(untested)}")
    there = _tests(trial.subject.folder)
    named = set(_TEST.findall(text))
    missing = sorted(named - there)
    expect(not missing, f"{FILE} names tests that are not in this folder: {', '.join(missing[:5])}")


def _quirks(text: str) -> Iterator[str]:
    """Yield the lines of the section on quirks: the rows of its tables, and the points of its lists."""
    inside, rows = False, 0
    for line in text.splitlines():
        if line.startswith("## "):
            inside, rows = line.lower().startswith("## quirks"), 0
        elif inside and line.startswith("|"):
            rows += 1
            if rows > 1 and not _RULE_OF_A_TABLE.fullmatch(line.strip()):
                yield line
        elif inside and line.startswith(("* ", "- ")):
            yield line


def _tests(folder: Path) -> set[str]:
    files = folder.rglob("test_*.py")
    return {name for file in files for name in _DEFINED.findall(file.read_text(encoding="utf-8"))}


def _short(lines: list[str]) -> str:
    return lines[0].strip("|*- ")[:60] if lines else ""
