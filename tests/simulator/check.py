"""The checker: two-sided, from outside evidence.

It is given what reporters were acknowledged, what apps testify, what a tap on the lines saw, the exported entries and
what the gateway answers when it is asked. It believes none of them alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from gateway.model.delivery import TRANSITIONS, DeliveryState, Level
from gateway.model.entry import Entry, leaf_hash
from gateway.model.status import Status, report_status
from tests.simulator.apps import WORDS, Effect, Said
from tests.simulator.line import Written

S = DeliveryState
_STATES: Final = {
    "queued": S.QUEUED,
    "attempt": S.SENDING,
    "accepted": S.ACCEPTED,
    "retry": S.QUEUED,
    "unsure": S.UNSURE,
    "held": S.HELD,
    "dead": S.DEAD,
    "cancelled": S.CANCELLED,
}
_AT_REST: Final = frozenset({S.ACCEPTED, S.HELD, S.DEAD, S.CANCELLED})
_REFUSED: Final = frozenset({401, 422, 429, 503})
"""Answers by which the app says that it did nothing."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A case as the gateway tells it when it is asked. `events` are the names of what it has heard."""

    code: str
    app: str
    number: int
    status: str
    word: str | None
    references: list[str]
    events: list[str]


class Testimony(msgspec.Struct, frozen=True, kw_only=True):
    """What one app testifies: its level, its journal, and what its officers said in each record."""

    level: Level
    journal: list[Effect]
    records: dict[str, list[Said]]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the checker is given. `persons_from` is when people began to deal with what was parked, `entries` are
    bodies with their leaves in the order of streams, `deliveries` the states the desk shows by key."""

    acked: list[str]
    apps: dict[str, Testimony]
    written: list[Written]
    persons_from: float
    entries: list[tuple[bytes, bytes]]
    heads: dict[str, int]
    cases: list[Told]
    reports: dict[str, str]
    deliveries: dict[str, tuple[str, str, int]]
    faults: dict[str, int]
    hit: int


class Way(msgspec.Struct, kw_only=True):
    """What the entries tell of one delivery."""

    state: DeliveryState
    attempts: int = 0


def check(evidence: Evidence) -> list[str]:
    """Return everything that is wrong, in words; nothing if all promises were kept."""
    entries = [msgspec.json.decode(body, type=Entry) for body, _ in evidence.entries]
    ways: dict[str, Way] = {}
    return [
        *_injected(evidence),
        *_gapless(evidence, entries),
        *_ways(entries, ways),
        *_desk(evidence, ways),
        *_acknowledged(evidence, ways),
        *_effects(evidence, ways),
        *_resent(evidence, ways),
        *_lanes(evidence),
        *_statuses(evidence, entries, ways),
    ]


def _injected(evidence: Evidence) -> Iterator[str]:
    if not sum(evidence.faults.values()) or not evidence.hit:
        yield "nothing was injected: this run proves nothing"


def _gapless(evidence: Evidence, entries: Sequence[Entry]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for entry, (body, leaf) in zip(entries, evidence.entries, strict=True):
        seen[entry.stream] += 1
        if entry.seq != seen[entry.stream]:
            yield f"gap: {entry.stream} has {entry.seq} where {seen[entry.stream]} belongs"
        if leaf != leaf_hash(body):
            yield f"gap: the leaf of {entry.stream} {entry.seq} is not its own"
    for stream, head in evidence.heads.items():
        if seen[stream] != head:
            yield f"gap: {stream} ends at {seen[stream]}, its head says {head}"


def _ways(entries: Iterable[Entry], ways: dict[str, Way]) -> Iterator[str]:
    """Follow each delivery through its entries: every move must be one of the machine."""
    for entry in entries:
        what = entry.kind.removeprefix("delivery.")
        if what == entry.kind or entry.hop is None or entry.hop.delivery is None or what == "late":
            continue
        key = entry.hop.delivery
        if what == "queued":
            ways[key] = Way(state=S.QUEUED)
            continue
        way = ways.get(key)
        if way is None:
            yield f"entry: {key} moves before it is made"
            continue
        after = _STATES.get(what) or (S.UNSURE if entry.hop.attempt else S.QUEUED)
        if what == "replayed":
            after = S.UNSURE if way.attempts and S.UNSURE in TRANSITIONS[way.state] else S.QUEUED
            way.state = after
            continue
        if what == "attempt":
            way.attempts += 1
            if entry.hop.attempt != way.attempts:
                yield f"entry: {key} has attempt {entry.hop.attempt} where {way.attempts} belongs"
            if way.state is S.UNSURE:
                way.state = S.QUEUED  # a replay at L2 that was looked up, or one that was not: the entry is the same
        if after is not way.state and after not in TRANSITIONS[way.state]:
            yield f"entry: {key} may not go from {way.state} to {after}"
        way.state = after


def _desk(evidence: Evidence, ways: Mapping[str, Way]) -> Iterator[str]:
    for key, (_, state, attempts) in evidence.deliveries.items():
        way = ways.get(key)
        if way is None or way.state != state or way.attempts != attempts:
            yield f"entry: {key} is {state} after {attempts} attempts, its entries say {way}"
    for key in ways.keys() - evidence.deliveries.keys():
        yield f"entry: {key} has entries and is nowhere"


def _acknowledged(evidence: Evidence, ways: Mapping[str, Way]) -> Iterator[str]:
    for key in evidence.acked:
        if key not in ways:
            yield f"lost: {key} was acknowledged and is nowhere"
    for key, way in ways.items():
        if way.state not in _AT_REST and not _waits_for_a_person(evidence, ways, key):
            yield f"limbo: {key} is {way.state}"


def _waits_for_a_person(evidence: Evidence, ways: Mapping[str, Way], key: str) -> bool:
    """Tell whether an earlier command of the same lane is parked, visibly."""
    code, _, number = key.rpartition("-")
    app = evidence.deliveries[key][0]
    return any(
        way.state in {S.HELD, S.DEAD} and evidence.deliveries[other][0] == app
        for other, way in ways.items()
        if other.startswith(f"{code}-") and int(other.rpartition("-")[2]) < int(number)
    )


def _effects(evidence: Evidence, ways: Mapping[str, Way]) -> Iterator[str]:
    refused = {written.key for written in evidence.written if written.told == 422}
    for name, app in evidence.apps.items():
        times = Counter(effect.key for effect in app.journal)
        for key, count in times.items():
            if count > 1:
                yield f"doubled: {key} took effect {count} times in {name} (L{app.level})"
            if key not in ways or not ways[key].attempts:
                yield f"entry: {key} took effect in {name} without an entry of its attempt"
            elif app.level >= Level.L2 and ways[key].state is not S.ACCEPTED and key not in refused:
                yield f"lost: {key} took effect in {name} (L{app.level}) and is {ways[key].state}"
        for key, (owner, _, _) in evidence.deliveries.items():
            if owner == name and ways[key].state is S.ACCEPTED and not times[key]:
                yield f"lost: {key} is accepted, but {name} has never seen it"
    tries = Counter(written.key for written in evidence.written)
    for key, count in tries.items():
        if key not in ways or count > ways[key].attempts:
            yield f"entry: {key} was sent {count} times, more often than its entries tell"


def _resent(evidence: Evidence, ways: Mapping[str, Way]) -> Iterator[str]:
    """Below L2 nothing is sent again by itself after an answer that left in doubt whether it took effect."""
    lines: defaultdict[str, list[Written]] = defaultdict(list)
    for written in evidence.written:
        if written.moment < evidence.persons_from and evidence.apps[written.app].level < Level.L2:
            lines[written.key].append(written)
    for key, tries in lines.items():
        if any(written.told not in _REFUSED for written in tries[:-1]):
            yield f"resent: {key} was sent again though it might have arrived"


def _lanes(evidence: Evidence) -> Iterator[str]:
    for name, app in evidence.apps.items():
        last: dict[str, int] = {}
        for effect in app.journal:
            number = int(effect.key.rpartition("-")[2])
            if effect.command == "open":
                last[effect.reference] = number
            elif number < last[effect.reference]:
                yield f"order: {effect.key} reached {name} after number {last[effect.reference]} of its lane"
            last[effect.reference] = max(number, last[effect.reference])


def _statuses(evidence: Evidence, entries: Iterable[Entry], ways: Mapping[str, Way]) -> Iterator[str]:
    moved: dict[str, str] = {}
    heard: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for entry in entries:
        if entry.kind == "report.opened":
            moved[entry.stream] = str(entry.status)
        elif entry.kind == "report.moved":
            if entry.facts["from"] != moved[entry.stream]:
                yield f"status: {entry.stream} moved from {entry.facts['from']}, but stood at {moved[entry.stream]}"
            moved[entry.stream] = str(entry.status)
        elif entry.kind.startswith("case.") and entry.event is not None and entry.case is not None:
            heard[entry.stream, entry.case].add(entry.event)
    of_report: defaultdict[str, list[Status]] = defaultdict(list)
    for case in evidence.cases:
        of_report[case.code].append(Status(case.status))
        yield from _case(evidence, case, heard[case.code, case.number], ways)
    for code, status in evidence.reports.items():
        if moved.get(code) != status:
            yield f"status: {code} is {status}, its entries end at {moved.get(code)}"
        if report_status(of_report[code]) != status:
            yield f"status: {code} is {status}, its cases say {report_status(of_report[code])}"


def _case(evidence: Evidence, case: Told, heard: set[str], ways: Mapping[str, Way]) -> Iterator[str]:
    name = f"{case.code} case {case.number}"
    if heard != set(case.events):
        yield f"entry: of {name} entries tell {sorted(heard ^ set(case.events))} differently from what is kept"
    app = evidence.apps.get(case.app)
    if app is None:
        return
    for reference in case.references:
        said = app.records[reference]
        for one in said:
            if f"{reference}:{one.number}" not in case.events:
                yield f"status: {name} has not heard {one.word} of {reference}"
        if case.word != said[-1].word or case.status != WORDS[said[-1].word]:
            yield f"status: {name} is {case.status} ({case.word}), {case.app} says {said[-1].word}"
