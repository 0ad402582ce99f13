"""What must be true of a database after any fault, read past everything that could hide it.

Promised is what somebody was told: `{"what": "report", "key", "code"}`, `{"what": "attempt", "key", "attempt"}`,
`{"what": "accepted", "key"}`. All of it is there, and nothing is there by half.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, select

from gateway.kernel.ledger import tables as t
from gateway.model.entry import Entry, leaf_hash

Row = dict[str, Any]
Told = Mapping[str, Any]


class Books(msgspec.Struct, frozen=True):
    """Everything in a database that promises are about."""

    reports: dict[str, Row]
    heads: dict[str, int]
    entries: dict[str, list[Entry]]
    deliveries: dict[str, Row]
    cases: Counter[str]
    told: Counter[str]
    answers: dict[tuple[str, str], list[str]]
    spoiled: list[str]


def read_books(connection: Connection) -> Books:
    """Read a database. Reports come last: what was read of one is of one that is there."""
    deliveries, cases = _rows(connection, t.delivery), _rows(connection, t.cases)
    told = _rows(connection, t.timeline)
    reports = {row["id"]: row for row in _rows(connection, t.report)}
    codes = {number: row["code"] for number, row in reports.items()}
    entries: defaultdict[str, list[Entry]] = defaultdict(list)
    spoiled = []
    for row in sorted(_rows(connection, t.entry), key=lambda row: (row["stream"], row["seq"])):
        entry = msgspec.json.decode(row["body"], type=Entry)
        entries[row["stream"]].append(entry)
        if (entry.stream, entry.seq, entry.kind) != (row["stream"], row["seq"], row["kind"]):
            spoiled.append(f"entry {row['seq']} of {row['stream']} stands in the wrong place")
        if leaf_hash(row["body"]) != row["leaf"]:
            spoiled.append(f"entry {row['seq']} of {row['stream']} does not have its leaf")
    answers: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for row in _rows(connection, t.idempotency):
        answers[row["scope"], row["key"]].append(codes.get(row["report_id"], "nothing"))
    return Books(
        reports={row["code"]: row for row in reports.values()},
        heads={row["name"]: row["head"] for row in _rows(connection, t.stream)},
        entries=dict(entries),
        deliveries={row["key"]: row | {"code": codes[row["report_id"]]} for row in deliveries},
        cases=Counter(codes[row["report_id"]] for row in cases),
        told=Counter(codes[row["report_id"]] for row in told),
        answers=dict(answers),
        spoiled=spoiled,
    )


def _rows(connection: Connection, table: Table) -> Iterable[Row]:
    return [dict(row) for row in connection.execute(select(table)).mappings()]


def faults_of(books: Books, promised: Sequence[Told]) -> list[str]:
    """Say what is missing, half, or twice."""
    return [*books.spoiled, *_streams(books), *_halves(books), *_broken(books, promised)]


def _streams(books: Books) -> Iterator[str]:
    for stream in books.heads.keys() | books.entries.keys():
        found = [entry.seq for entry in books.entries.get(stream, [])]
        if found != list(range(1, books.heads.get(stream, 0) + 1)):
            yield f"{stream} stands at {books.heads.get(stream)} and has the entries {found}"


def _halves(books: Books) -> Iterator[str]:
    queued = Counter(delivery["code"] for delivery in books.deliveries.values())
    for code, row in books.reports.items():
        kinds = Counter(entry.kind for entry in books.entries.get(code, []))
        if not (kinds["report.opened"] == 1 and books.cases[code] and books.told[code]):
            yield f"{code} is half there: {dict(kinds)}, {books.cases[code]} cases, {books.told[code]} lines told"
        if not row["deliveries"] == queued[code] == kinds["delivery.queued"]:
            yield f"{code} says {row['deliveries']} deliveries, has {queued[code]} of {kinds['delivery.queued']}"
    hops: Counter[tuple[str, str]] = Counter()
    for entries in books.entries.values():
        hops.update((entry.hop.delivery, entry.kind) for entry in entries if entry.hop and entry.hop.delivery)
    for key, row in books.deliveries.items():
        if hops[key, "delivery.attempt"] != row["attempt"]:
            yield f"{key} was tried {row['attempt']} times and has {hops[key, 'delivery.attempt']} entries of it"
        if hops[key, "delivery.accepted"] != (row["state"] == "accepted"):
            yield f"{key} is {row['state']} and was accepted {hops[key, 'delivery.accepted']} times"


def _broken(books: Books, promised: Sequence[Told]) -> Iterator[str]:
    answered: defaultdict[str, set[str]] = defaultdict(set)
    for (_, key), codes in books.answers.items():
        answered[key].update(codes)
        if len(codes) != 1:
            yield f"{key} was answered {len(codes)} times: {codes}"
    by_key: defaultdict[str, set[str]] = defaultdict(set)
    for told in promised:
        delivery = books.deliveries.get(told["key"])
        match told["what"]:
            case "report":
                by_key[told["key"]].add(told["code"])
                if told["code"] not in books.reports:
                    yield f"{told['code']} was promised and is not there"
                elif told["code"] not in answered[told["key"]]:
                    yield f"{told['code']} was promised under a key that is answered with {answered[told['key']]}"
            case "attempt" if delivery is None or delivery["attempt"] < told["attempt"]:
                yield f"attempt {told['attempt']} of {told['key']} was claimed and is not there"
            case "accepted" if delivery is None or delivery["state"] != "accepted":
                yield f"{told['key']} was accepted and is not any more"
    for key, given in by_key.items():
        if len(given) > 1:
            yield f"{key} was answered with {sorted(given)}"
