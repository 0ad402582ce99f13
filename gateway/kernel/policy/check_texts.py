"""Mistakes in clocks, notices and danger words."""

from collections.abc import Iterator

from gateway.kernel.policy import files
from gateway.kernel.policy.check_catalogue import NAME, twice
from gateway.kernel.policy.clocks import REOPENING
from gateway.kernel.policy.danger import tokens_of
from gateway.kernel.policy.findings import Finding
from gateway.kernel.policy.notices import PLACEHOLDER, REQUIRED, VALUES
from gateway.kernel.policy.shapes import ClockEntry, Config, NoticeEntry


def clock_faults(config: Config) -> Iterator[Finding]:
    """Yield the mistakes in clocks and in the classes that start them."""
    if REOPENING not in config.declared.clocks:
        yield Finding(files.SLA, f"clocks.{REOPENING}", "is missing; programs name it")
    for name, clock in config.clocks.items():
        if not NAME.fullmatch(name):
            yield Finding(files.SLA, f"clocks.{name}", "must be small letters, digits and _")
        for path, message in _clock(clock):
            yield Finding(files.SLA, f"clocks.{name}.{path}", message)
    for name, entry in config.classes.items():
        at = f"classes.{name}.clocks"
        if not entry.clocks:
            yield Finding(files.SLA, at, "a class starts at least one clock")
        for clock_name in entry.clocks:
            if clock_name not in config.declared.clocks:
                yield Finding(files.SLA, at, f"{clock_name!r} is not among [clocks]")
        for clock_name in twice(entry.clocks):
            yield Finding(files.SLA, at, f"{clock_name} is named twice")


def _clock(clock: ClockEntry) -> Iterator[tuple[str, str]]:
    limits = clock.limits()
    if len(limits) != 1:
        named = ", ".join(limits) or "none"
        yield (
            "working_days",
            f"exactly one of working_days, calendar_days, hours, minutes is needed; there are: {named}",
        )
    for unit, amount in limits.items():
        if amount < 1:
            yield unit, "must be 1 or more"
    if clock.extension < 0:
        yield "extension", "must not be negative"
    if not clock.basis.strip():
        yield "basis", "is empty: name the law, standard or decision"
    if clock.week == "agency" and clock.working_days is None:
        yield "week", "only working days follow the week of an agency"


def notice_faults(config: Config) -> Iterator[Finding]:
    """Yield the notices that are missing, empty in a language, or name a value that nobody fills in."""
    for key in sorted(REQUIRED - config.declared.notices):
        yield Finding(files.NOTICES, key, "is missing; programs name it")
    for key, entry in config.notices.items():
        for path, message in _notice(entry):
            yield Finding(files.NOTICES, f"{key}.{path}" if path else key, message)


def _notice(entry: NoticeEntry) -> Iterator[tuple[str, str]]:
    texts = {"id": entry.id, "en": entry.en, "quiet_id": entry.quiet_id, "quiet_en": entry.quiet_en}
    for name, text in texts.items():
        if text is None:
            continue
        if not text.strip():
            yield name, "the text is empty"
        for value in sorted(set(PLACEHOLDER.findall(text)) - VALUES):
            yield name, f"{{{value}}} is not known; use {', '.join(sorted(VALUES))}"
        rest = PLACEHOLDER.sub("", text)
        if "{" in rest or "}" in rest:
            yield name, "a brace is left open or holds more than a name"
    if (entry.quiet_id is None) != (entry.quiet_en is None):
        yield "quiet_id" if entry.quiet_id is None else "quiet_en", "the quiet text is missing in this language"
    for first, second in (("id", "en"), ("quiet_id", "quiet_en")):
        one, other = texts[first], texts[second]
        if one is not None and other is not None and set(PLACEHOLDER.findall(one)) != set(PLACEHOLDER.findall(other)):
            yield second, f"does not use the same names in braces as {first}"


def danger_faults(config: Config) -> Iterator[Finding]:
    """Yield danger words of services that are none, without letters, or given twice."""
    emergencies = {service.code for service in config.services if service.emergency}
    said: dict[tuple[str, ...], str] = {}
    for service, entry in config.danger.items():
        if service not in config.declared.services:
            yield Finding(files.DANGER, service, f"is not in {files.SERVICES}")
        elif service not in emergencies and any(one.code == service for one in config.services):
            yield Finding(files.DANGER, service, "is not an emergency service")
        if not entry.words():
            yield Finding(files.DANGER, service, "has no words")
        for word in entry.words():
            tokens = tuple(tokens_of(word))
            if not tokens:
                yield Finding(files.DANGER, service, f"{word!r} has no letters")
            elif (other := said.setdefault(tokens, service)) != service:
                yield Finding(files.DANGER, service, f"{word!r} stands under {other} already")
