"""The pages of docs/connectors: one per app, one per rule, the matrix of all apps, and the SDK.

Everything is read from manifests, READMEs, `tier.json`, the rules of the kit and the sources of the SDK; the same
sources give the same bytes, so that a check can tell a page that is out of date. Pages written by hand
(`writing.md`) are left alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from os.path import relpath
from pathlib import Path, PurePosixPath
from typing import Final

from gateway.commands.sdk_names import Public, public_names
from gateway.kit.facts import cell, facts_of, with_facts
from gateway.kit.hints import HintsError, read_hints
from gateway.kit.rule import Rule
from gateway.kit.rules import RULES
from gateway.sdk.manifest import FILE, Manifest, read_manifest
from gateway.sdk.tier import TierRecord, proven_tier, read_tier
from gateway.settings import Settings

_NOTE: Final = "<!-- Written by `gateway connector docs`; changes here are lost. -->"
_SIGNS: Final[Mapping[str, str]] = {"passed": "yes", "failed": "**no**", "not_applicable": "–", "exempt": "exempt"}
_BY_HAND: Final = frozenset({"writing.md"})


def pages_of(settings: Settings, into: Path) -> dict[str, str]:
    """Return every generated page by its path inside `into` (docs/connectors). Raises ManifestError."""
    found = [
        (read_manifest(file.parent), file.parent)
        for place in settings.connectors
        for file in sorted(place.glob(f"*/{FILE}"))
    ]
    pages = {"README.md": _matrix(found), "sdk.md": _sdk(public_names())}
    pages |= {f"{manifest.name}.md": _app(manifest, folder, into) for manifest, folder in found}
    return pages | {f"rules/{rule.id}.md": _rule(rule) for rule in RULES}


def readmes_of(settings: Settings) -> dict[Path, str]:
    """Return the README of every connector as it should be, with its facts up to date."""
    files = (file.parent for place in settings.connectors for file in sorted(place.glob(f"*/{FILE}")))
    return {
        folder / "README.md": with_facts((folder / "README.md").read_text(encoding="utf-8"), read_manifest(folder))
        for folder in files
        if (folder / "README.md").is_file()
    }


def stale(pages: Mapping[str, str], into: Path) -> dict[str, str]:
    """Return the pages that are not as they should be, each with what is wrong; also pages of apps that are gone."""
    wrong = {}
    for name, text in pages.items():
        file = into / name
        if not file.is_file():
            wrong[name] = "missing"
        elif file.read_text(encoding="utf-8") != text:
            wrong[name] = "out of date"
    there = {file.relative_to(into).as_posix() for file in into.rglob("*.md")} if into.is_dir() else set()
    wrong |= dict.fromkeys(sorted(there - pages.keys() - _BY_HAND), "of nothing that is there")
    return wrong


def write(pages: Mapping[str, str], into: Path) -> None:
    """Write the pages, and remove those of apps and rules that are gone."""
    for name, why in stale(pages, into).items():
        file = into / name
        if name not in pages:
            file.unlink()
            continue
        assert why
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(pages[name], encoding="utf-8")


def _page(title: str, *parts: str) -> str:
    return "\n".join([f"# {title}", "", _NOTE, "", *parts]).rstrip("\n") + "\n"


def _matrix(found: Sequence[tuple[Manifest, Path]]) -> str:
    return _page(
        "The connected apps",
        "What each app can do, and what the conformance kit has proven of its connector as it stands. Bronze may be",
        "merged, silver may carry citizens' reports, gold may be a service's only channel, platinum is proven live.",
        "[How to write a connector](writing.md) · [the SDK](sdk.md)",
        "",
        *_apps(found),
        "",
        "## Rules",
        "",
        *_rules(found),
    )


def _apps(found: Sequence[tuple[Manifest, Path]]) -> Iterator[str]:
    yield "| app | run by | opens | messages | withdrawals | news | proven | claimed |"
    yield "|---|---|---|---|---|---|---|---|"
    for manifest, folder in found:
        levels = [manifest.levels.get(command, "–") for command in ("open", "message", "withdraw")]  # type: ignore[call-overload]
        ways = [way for way, there in (("webhook", manifest.webhook), ("poll", manifest.poll)) if there is not None]
        yield (
            f"| [{manifest.title}]({manifest.name}.md) | {manifest.owner} | {' | '.join(levels)} | "
            f"{', '.join(ways) or '–'} | {proven_tier(folder).word} | {claimed(folder) or '–'} |"
        )


def _rules(found: Sequence[tuple[Manifest, Path]]) -> Iterator[str]:
    yield f"| rule | tier | {' | '.join(manifest.title for manifest, _ in found)} |"
    yield f"|---|---|{'---|' * len(found)}"
    records = [_record(folder) for _, folder in found]
    for rule in RULES:
        signs = (_SIGNS.get(record.rules.get(rule.id, ""), "?") if record else "?" for record in records)
        yield f"| [{rule.id}](rules/{rule.id}.md) {cell(rule.title)} | {rule.tier.word} | {' | '.join(signs)} |"


def claimed(folder: Path) -> str | None:
    """Return the tier that a connector's `kit.toml` claims; None where it cannot be read."""
    try:
        return read_hints(folder).claimed
    except HintsError:
        return None


def _record(folder: Path) -> TierRecord | None:
    """Return what was proven of the very files that are there; None where nothing was."""
    record = read_tier(folder)
    return record if record is not None and proven_tier(folder).word == record.tier else None


def _app(manifest: Manifest, folder: Path, into: Path) -> str:
    way = PurePosixPath(relpath(folder.resolve(), into.resolve()))
    quirks = _quirks(folder / "README.md")
    return _page(
        manifest.title,
        f"Connector `{manifest.name}`, {proven_tier(folder).word}. The rest, the simulated app included, is in",
        f"[its README]({way / 'README.md'}).",
        "",
        "## Facts",
        "",
        facts_of(manifest),
        *(["## Quirks", "", quirks] if quirks else []),
    )


def _quirks(readme: Path) -> str:
    """Return what the README's section about quirks says."""
    if not readme.is_file():
        return ""
    kept: list[str] = []
    inside = False
    for line in readme.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            inside = line.lower().startswith("## quirks")
        elif inside:
            kept.append(line)
    return "\n".join(kept).strip()


def _rule(rule: Rule) -> str:
    return _page(
        f"{rule.id}: {rule.title}",
        f"Tier: {rule.tier.word}. [All rules and apps](../README.md)",
        *("", "## Why", "", rule.why),
        *("", "## What is tested", "", rule.tested),
        *("", "## How to pass", "", rule.passing),
        *("", "## Exemptions", "", rule.exempt),
    )


def _sdk(names: Sequence[Public]) -> str:
    return _page(
        "The SDK",
        "`gateway.sdk` is all that a connector imports. [How to write a connector](writing.md)",
        *(line for name in names for line in _name(name)),
    )


def _name(public: Public) -> Iterator[str]:
    where = PurePosixPath(*public.module.split(".")).with_suffix(".py")
    yield from ("", f"## {public.name}", "", public.text, "", "```python", public.signature, "```", "", f"`{where}`")
