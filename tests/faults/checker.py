"""The two-sided checker: holds what clients were promised against what the apps have, and both against the entries.

It reads outside evidence only: the clients' journal of acknowledgements, the apps' records and journals, what crossed
the lines between, and the entries as an auditor exports them. It never looks into the gateway's database.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from gateway.model.codes import parse_key

EXACT = frozenset({"L2", "L3"})
"""Levels that promise exactly once; the others never twice, and visibly parked."""
ENDS = frozenset({"accepted", "held", "dead", "cancelled"})
PARKED = frozenset({"held", "dead"})
_STATES: Mapping[str, str] = {
    "delivery.queued": "queued",
    "delivery.retry": "queued",
    "delivery.attempt": "sending",
    **{f"delivery.{state}": state for state in ("unsure", *sorted(ENDS))},
}
"""Where a delivery stands after an entry of a kind; other kinds move nothing."""


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """One 2xx that reached a client: what was sent under `key` is promised as report `code`, bound for `app`.

    `text` is what the client wrote, found again in the app; `what` is `report` or `message`.
    """

    what: str
    key: str
    code: str
    app: str
    text: str


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A record as the app has it: under our `key`, with its messages (their key, their text)."""

    app: str
    reference: str
    key: str | None
    word: str
    messages: tuple[tuple[str | None, str], ...] = ()


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A write with our key, as the app's own journal has it, in the order in which it came."""

    app: str
    key: str
    status: int | None

    @property
    def taken(self) -> bool:
        """Whether the app took it."""
        return self.status is not None and 200 <= self.status < 300


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """A write with our key on the line, in order. `fault` befell it; `doubt`: the gateway cannot know."""

    app: str
    key: str
    fault: str | None = None
    doubt: bool = False


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """An entry, as far as the checker reads it."""

    seq: int
    kind: str
    app: str | None = None
    delivery: str | None = None
    attempt: int | None = None
    operation: str | None = None
    http: int | None = None
    facts: dict[str, str | int | bool] = {}


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A case as the gateway shows it."""

    app: str
    status: str
    references: tuple[str, ...] = ()


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What an auditor is told of a report; `gaps` are the holes that the gateway itself admits."""

    cases: tuple[Case, ...]
    hops: tuple[Hop, ...]
    gaps: int = 0


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found outside.

    `told` is None for a code that nobody knows; `parked` are the deliveries on the desk's list with their cause;
    `meaning` translates an app's word to our status; `faults` counts what was injected, by kind.
    """

    acks: Sequence[Ack]
    records: Sequence[Held]
    sends: Sequence[Sent]
    crossings: Sequence[Crossing]
    told: Mapping[str, Told | None]
    parked: Mapping[str, str | None]
    levels: Mapping[str, str]
    meaning: Mapping[str, Mapping[str, str]]
    faults: Mapping[str, int]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it was promised: its kind, whom it concerns, and what was seen."""

    kind: str
    subject: str
    detail: str


def states_of(told: Told) -> dict[str, str]:
    """Return where each delivery of a report stands by its entries."""
    found: dict[str, str] = {}
    for hop in told.hops:
        if hop.delivery is not None and hop.kind in _STATES:
            found[hop.delivery] = _STATES[hop.kind]
    return found


def check(evidence: Evidence) -> list[Finding]:
    """Return everything that is not as it was promised; a run without a single fault is a finding itself."""
    checks: Sequence[Callable[[_Books], Iterator[Finding]]] = (
        *(_promises, _arrivals, _ends, _messages, _sayings, _strangers, _lanes, _sends, _doubts, _entries, _folds),
    )
    books = _Books(evidence)
    found = [finding for one in checks for finding in one(books)]
    if not sum(evidence.faults.values()):
        found.append(Finding(kind="vacuous", subject="the run", detail="no fault was injected"))
    return found


class _Books:
    """Evidence, indexed once."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.reports = {ack.code: ack for ack in evidence.acks if ack.what == "report"}
        self.there: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for record in evidence.records:
            if record.key is not None:
                self.there[record.app, record.key].append(record.reference)
        self.said: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for record in evidence.records:
            for key, text in record.messages:
                if key is not None:
                    self.said[record.app, key].append(text)
        self.known = {code: told for code, told in evidence.told.items() if told is not None}
        self.states = {key: state for told in self.known.values() for key, state in states_of(told).items()}
        self.begun: dict[str, Hop] = {}
        self.attempts: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        for told in self.known.values():
            for hop in told.hops:
                if hop.delivery is None:
                    continue
                if hop.kind == "delivery.queued":
                    self.begun[hop.delivery] = hop
                self.attempts[hop.delivery] += hop.kind == "delivery.attempt"
                # Before it writes a connector may read, and what it then puts off has never been written.
                written = hop.kind in {"delivery.accepted", "delivery.unsure"} and hop.operation != "find"
                self.answered[hop.delivery] += written and hop.http is not None

    def opens(self) -> Iterator[tuple[str, str]]:
        """Yield app and key of every delivery that opens a record."""
        for key, hop in self.begun.items():
            if hop.operation == "open" and hop.app is not None:
                yield hop.app, key


def _promises(books: _Books) -> Iterator[Finding]:
    """What was acknowledged is there, once under each key."""
    codes: defaultdict[str, set[str]] = defaultdict(set)
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for ack in books.evidence.acks:
        if ack.what == "report":
            codes[ack.key].add(ack.code)
            keys[ack.code].add(ack.key)
        if books.evidence.told.get(ack.code) is None:
            yield Finding(kind="lost_report", subject=ack.code, detail=f"{ack.what} {ack.key} was acknowledged")
    for key, given in codes.items():
        if len(given) > 1:
            yield Finding(kind="split", subject=key, detail=f"answered with {', '.join(sorted(given))}")
    for code, under in keys.items():
        if len(under) > 1:
            yield Finding(kind="shared", subject=code, detail=f"promised under {len(under)} keys")
    for code, ack in books.reports.items():
        routed = {app for app, key in books.opens() if key.rpartition("-")[0] == code} if code in books.known else None
        if routed is not None and ack.app not in routed:
            yield Finding(kind="unrouted", subject=code, detail=f"no delivery to {ack.app}")


def _arrivals(books: _Books) -> Iterator[Finding]:
    """Every delivery is in its app exactly once, or parked where the app cannot be asked."""
    for app, key in books.opens():
        state, level = books.states[key], books.evidence.levels[app]
        there = books.there[app, key]
        if len(there) > 1:
            yield Finding(kind="doubled", subject=key, detail=f"{app} has {', '.join(there)}")
        if state == "accepted" and not there:
            yield Finding(kind="lost", subject=key, detail=f"accepted, and {app} has no record of it")
        if state in PARKED | {"cancelled"} and level in EXACT:
            yield Finding(kind="undelivered", subject=key, detail=f"{state} at {app}, which is {level}")


def _ends(books: _Books) -> Iterator[Finding]:
    """Nothing is in limbo, and what is parked is on the desk's list with its cause."""
    for key, state in books.states.items():
        if state not in ENDS:
            yield Finding(kind="limbo", subject=key, detail=f"{state} when everything had come to rest")
        if state in PARKED:
            if key not in books.evidence.parked:
                yield Finding(kind="silent", subject=key, detail=f"{state}, and not on the desk's list")
            elif not books.evidence.parked[key]:
                yield Finding(kind="silent", subject=key, detail=f"{state} without a cause")


def _messages(books: _Books) -> Iterator[Finding]:
    """Every acknowledged message was received, and stands at most once in the app's record."""
    texts: Counter[tuple[str, str]] = Counter()
    for record in books.evidence.records:
        if record.key is not None:
            code = record.key.rpartition("-")[0]
            texts.update((code, mark) for _, text in record.messages for mark in _marks(text))
    acked: defaultdict[str, set[str]] = defaultdict(set)
    for ack in books.evidence.acks:
        if ack.what == "message":
            acked[ack.code].add(ack.text)
    for code, marks in acked.items():
        received = sum(hop.kind == "message.received" for hop in books.known[code].hops) if code in books.known else 0
        if received < len(marks):
            detail = f"{len(marks)} messages acknowledged, {received} received"
            yield Finding(kind="lost_message", subject=code, detail=detail)
        for mark in sorted(marks):
            if texts[code, mark] > 1:
                yield Finding(kind="doubled", subject=code, detail=f"{mark} stands there {texts[code, mark]} times")


def _sayings(books: _Books) -> Iterator[Finding]:
    """A message that was carried is said once."""
    for key, hop in books.begun.items():
        if hop.operation != "message" or hop.app is None:
            continue
        times = len(books.said[hop.app, key])
        if times > 1:
            yield Finding(kind="doubled", subject=key, detail=f"said {times} times in {hop.app}")
        if not times and books.states[key] == "accepted":
            yield Finding(kind="lost", subject=key, detail=f"accepted, and {hop.app} does not say it")


def _marks(text: str) -> Iterator[str]:
    """Yield the clients' own marks in a text: words that begin with `#`."""
    for word in text.split():
        if word.startswith("#"):
            yield word


def _strangers(books: _Books) -> Iterator[Finding]:
    """Nothing is in the apps that nobody filed."""
    for record in books.evidence.records:
        if record.key is None:
            yield Finding(kind="unknown", subject=f"{record.app} {record.reference}", detail="bears no key of ours")
            continue
        code = record.key.rpartition("-")[0]
        if code not in books.reports:
            yield Finding(kind="unknown", subject=record.key, detail=f"in {record.app}, and nobody filed it")


def _lanes(books: _Books) -> Iterator[Finding]:
    """What goes to one app about one report arrives in its order."""
    furthest: dict[tuple[str, str], int] = {}
    seen: set[tuple[str, str]] = set()
    for sent in books.evidence.sends:
        name = parse_key(sent.key)
        if name is None or not sent.taken or (sent.app, sent.key) in seen:
            continue
        seen.add((sent.app, sent.key))
        lane = (sent.app, name[0])
        if name[1] < furthest.get(lane, 0):
            yield Finding(kind="disorder", subject=sent.key, detail=f"came to {sent.app} after number {furthest[lane]}")
        furthest[lane] = max(furthest.get(lane, 0), name[1])


def _sends(books: _Books) -> Iterator[Finding]:
    """Every write that an app noted has its entry, and every answer that an entry tells of has its write."""
    noted = Counter(sent.key for sent in books.evidence.sends if sent.status != 401)
    crossed = Counter(crossing.key for crossing in books.evidence.crossings)
    # Where a login had run out, the same attempt writes once more after it.
    crossed.subtract(sent.key for sent in books.evidence.sends if sent.status == 401)
    for key in noted.keys() | crossed.keys():
        times = max(noted[key], crossed[key])
        if times > books.attempts[key]:
            detail = f"sent {times} times, {books.attempts[key]} attempts entered"
            yield Finding(kind="unentered", subject=key, detail=detail)
    for key, times in books.answered.items():
        if times > crossed[key]:
            detail = f"{times} answers entered, {crossed[key]} writes on the line"
            yield Finding(kind="unsent", subject=key, detail=detail)
    for key, state in books.states.items():
        hop = books.begun.get(key)
        if state == "accepted" and hop is not None and not noted[key]:
            yield Finding(kind="unsent", subject=key, detail=f"accepted, and {hop.app} noted no write of it")


def _doubts(books: _Books) -> Iterator[Finding]:
    """An app that can neither be asked exactly nor honours our key is never written to again after a doubt."""
    doubtful: set[str] = set()
    for crossing in books.evidence.crossings:
        if books.evidence.levels[crossing.app] in EXACT:
            continue
        if crossing.key in doubtful:
            yield Finding(kind="resent", subject=crossing.key, detail=f"to {crossing.app}, although it was unsure")
        if crossing.doubt:
            doubtful.add(crossing.key)


def _entries(books: _Books) -> Iterator[Finding]:
    """The entries of a report are numbered without a hole, and an accepted delivery was accepted once."""
    for code, told in books.known.items():
        numbers = [hop.seq for hop in told.hops]
        if told.gaps or numbers != list(range(1, len(numbers) + 1)):
            yield Finding(kind="gap", subject=code, detail=f"entries {numbers}, {told.gaps} holes admitted")
        accepted = Counter(hop.delivery for hop in told.hops if hop.kind == "delivery.accepted")
        for key, times in accepted.items():
            if times > 1:
                yield Finding(kind="reaccepted", subject=str(key), detail=f"accepted {times} times")


def _folds(books: _Books) -> Iterator[Finding]:
    """A case stands where the app's record stands, in whatever order the news came."""
    words = {(record.app, str(record.key)): record.word for record in books.evidence.records}
    for app, key in books.opens():
        word, code = words.get((app, key)), key.rpartition("-")[0]
        if word is None or books.states[key] != "accepted" or len(books.there[app, key]) > 1:
            continue
        status = books.evidence.meaning[app][word]
        for case in books.known[code].cases:
            if case.app == app and case.status != status:
                detail = f"{app} says {word} ({status}), the case is {case.status}"
                yield Finding(kind="astray", subject=code, detail=detail)
