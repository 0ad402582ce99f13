"""docs/connectors/writing.md is followed word by word: every command is run, every change made, every line seen."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

from gateway.kernel.policy.shapes import AppEntry
from gateway.kit.hints import Hints
from gateway.kit.rules import RULES
from gateway.sdk.tier import Tier, proven_tier
from tests.architecture.source import ROOT

PAGE: Final = ROOT / "docs" / "connectors" / "writing.md"
_BLOCK: Final = re.compile(r"^```(?P<kind>\w+)(?P<fails> fails)?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    """The page's blocks in their order: kind (`sh fails` for a command that must not succeed) and text."""
    found = _BLOCK.finditer(PAGE.read_text(encoding="utf-8"))
    return [(one["kind"] + (one["fails"] or ""), one["text"]) for one in found]


def environ() -> dict[str, str]:
    """A team's environment: the commands of this interpreter, and no setting of a gateway."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "PYTEST_"))}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"}


def run(folder: Path, commands: str, fails: bool) -> str:
    """Run a block of commands; returns what it printed."""
    told = subprocess.run(
        ["/bin/sh", "-eu", "-c", commands],
        cwd=folder,
        env=environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert (told.returncode != 0) is fails, commands + told.stdout + told.stderr
    return told.stdout + told.stderr


def change(folder: Path, difference: str) -> None:
    """Make a change as the page shows it: each file's lines, taken away and put in at the one place that fits."""
    for part in difference.split("+++ ")[1:]:
        name, _, lines = part.partition("\n")
        file = folder / name
        text = file.read_text(encoding="utf-8")
        for old, new in hunks(lines.splitlines()):
            assert text.count(old) == 1, f"{name}: {old!r} stands there {text.count(old)} times"
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")


def hunks(lines: list[str]) -> Iterator[tuple[str, str]]:
    """What stood there and what stands there afterwards; a change ends with the lines that are put in."""
    old, new = "", ""
    for line, following in zip(lines, [*lines[1:], " "], strict=True):
        old += f"{line[1:]}\n" if line[0] in " -" else ""
        new += f"{line[1:]}\n" if line[0] in " +" else ""
        if line[0] == "+" and following[0] != "+":
            yield old, new
            old, new = "", ""


def plain(text: str) -> str:
    """Text with its columns drawn together."""
    return re.sub(r"\s+", " ", text)


@pytest.mark.timeout(240)
def test_a_stranger_comes_from_nothing_to_silver(tmp_path: Path) -> None:
    told, ran = "", 0
    for kind, text in blocks():
        match kind:
            case "sh" | "sh fails":
                told, ran = run(tmp_path, text, kind == "sh fails"), ran + 1
            case "diff":
                change(tmp_path, text)
            case "text":
                for line in text.splitlines():
                    assert plain(line).strip() in plain(told), f"{line!r} is not in:\n{told}"
    assert ran >= 8
    assert proven_tier(tmp_path / "laut") >= Tier.SILVER
    assert 'claimed = "silver"' in (tmp_path / "laut" / "kit.toml").read_text(encoding="utf-8")


def test_the_data_on_the_page_is_data_that_is_read() -> None:
    exempt, apps = (tomllib.loads(text) for kind, text in blocks() if kind == "toml")
    assert {one.rule for one in msgspec.convert(exempt, Hints).exempt} <= {rule.id for rule in RULES}
    assert set(msgspec.convert(apps["apps"], dict[str, AppEntry])) == {"laut"}
    assert {kind for kind, _ in blocks()} == {"sh", "sh fails", "diff", "text", "toml"}


def test_every_page_that_is_linked_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / target).is_file(), target


def test_a_change_that_does_not_fit_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("one = 1\ntwo = 2\nthree = 3\n")
    change(tmp_path, "+++ a.toml\n-one = 1\n+one = 11\n three = 3\n+four = 4\n")
    assert (tmp_path / "a.toml").read_text() == "one = 11\ntwo = 2\nthree = 3\nfour = 4\n"
    with pytest.raises(AssertionError, match="stands there 0 times"):
        change(tmp_path, "+++ a.toml\n-one = 1\n+one = 2\n")
