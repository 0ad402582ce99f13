"""The facts of a connector as its manifest tells them, as Markdown: for its page, and for the README beside it.

In a README the facts stand between two comment lines and are written by `gateway connector docs`; everything else in it
is written by hand.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from gateway.model.delivery import Command
from gateway.sdk.manifest import Manifest, Profile, Scheme, Webhook

BEGIN: Final = "<!-- facts: written by `gateway connector docs` from connector.toml -->"
END: Final = "<!-- end of the facts -->"
_COMMANDS: Final[Mapping[Command, str]] = {
    Command.OPEN: "opening a record",
    Command.MESSAGE: "messages",
    Command.WITHDRAW: "withdrawals",
}
_PROMISES: Final[Mapping[str, str]] = {
    "L3": "honours our key: exactly once",
    "L2": "our key can be looked up exactly: exactly once",
    "L1": "can only be listed: never twice, an unsure one waits for a person",
    "L0": "cannot be asked: never twice, an unsure one waits for a person",
}
_PROOFS: Final[Mapping[Scheme, str]] = {
    Scheme.HMAC: "HMAC over time and body",
    Scheme.STANDARD: "Standard Webhooks",
    Scheme.BEARER: "bearer token",
    Scheme.STATIC: "static token, which proves no content: hints only",
}


def facts_of(manifest: Manifest) -> str:
    """Return the facts of a manifest as Markdown tables, the same for the same manifest."""
    return "\n".join(_facts(manifest)) + "\n"


def with_facts(readme: str, manifest: Manifest) -> str:
    """Return a README with its facts up to date; one that has no place for them stays as it is."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        return readme
    return f"{before}{BEGIN}\n{facts_of(manifest)}{END}{after}"


def _facts(manifest: Manifest) -> Iterator[str]:
    times, limits = manifest.timeouts, manifest.limits
    yield "| | |"
    yield "|---|---|"
    yield f"| run by | {manifest.owner} |"
    for command, what in _COMMANDS.items():
        level = manifest.levels.get(command)
        told = "the app cannot take them; the citizen is told" if level is None else f"{level}, {_PROMISES[level]}"
        yield f"| {what} | {told} |"
    yield f"| settles within | {manifest.settle_s:g} s |"
    yield f"| limit | {limits.rate_per_s:g} requests a second, {limits.concurrency} at once |"
    yield f"| largest answer | {limits.max_response_bytes:,} bytes |"
    yield f"| time limits | {times.connect:g} s to connect, {times.total:g} s in all |"
    yield f"| times without a zone | {manifest.naive_timezone or 'none: all carry theirs'} |"
    yield f"| news | {'; '.join(_news(manifest)) or 'none'} |"
    yield f"| repeats our key | {'yes' if manifest.echoes_key else 'no'} |"
    yield f"| opens reports here | {', '.join(f'`{kind}`' for kind in manifest.opening.kinds) or 'never'} |"
    if manifest.mode.value != "live":
        yield f"| mode | {manifest.mode.value} |"
    yield from _table("Secrets", ("name", "what it is"), manifest.secrets)
    yield from _table("May know", ("field", "legal basis"), manifest.shares)
    yield from _maps("", manifest.statuses, manifest.categories.out, manifest.categories.inward)
    for name, profile in manifest.profiles.items():
        yield from _profile(name, profile)
    yield from _table("Verdicts that differ from the table", ("answer", "means"), manifest.verdicts)


def _news(manifest: Manifest) -> Iterator[str]:
    if manifest.webhook is not None:
        yield f"webhooks ({_webhook(manifest.webhook)})"
    if manifest.poll is not None:
        yield f"asked every {manifest.poll.interval_s:g} s"


def _webhook(webhook: Webhook) -> str:
    return (
        f"{_PROOFS[webhook.scheme]}, within {webhook.window_s:g} s"
        if webhook.timestamp_header
        else _PROOFS[webhook.scheme]
    )


def _profile(name: str, profile: Profile) -> Iterator[str]:
    categories = profile.categories
    yield from _maps(
        f" of profile `{name}`",
        profile.statuses or {},
        categories.out if categories else {},
        categories.inward if categories else {},
    )
    yield from _table(f"May know in profile `{name}`", ("field", "legal basis"), profile.shares or {})


def _maps(suffix: str, statuses: Mapping[str, str], out: Mapping[str, str], inward: Mapping[str, str]) -> Iterator[str]:
    yield from _table(
        f"Words{suffix}", ("the app's word", "status"), {word: str(one) for word, one in statuses.items()}
    )
    yield from _table(f"Services{suffix}", ("service", "the app's category"), out)
    yield from _table(f"Categories{suffix}", ("the app's category", "service it opens"), inward)


def _table(title: str, heads: tuple[str, str], rows: Mapping[str, str]) -> Iterator[str]:
    if rows:
        yield from ("", f"**{title}**", "", f"| {heads[0]} | {heads[1]} |", "|---|---|")
        yield from (f"| `{name}` | {cell(value)} |" for name, value in rows.items())


def cell(text: str) -> str:
    """Return text as it may stand in a cell of a table."""
    return " ".join(text.replace("|", "\\|").split())
