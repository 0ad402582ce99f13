"""What is looked for after the kills: in the database, at the apps, in the journals of the citizens."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final, TypeVar

from sqlalchemy import Connection, func, select, text, update

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.engine import open_store
from gateway.model.delivery import DeliveryState
from gateway.sdk.clock import SystemClock
from tests.faults.crash_citizens import Citizen
from tests.faults.power_evidence import Books, faults_of
from tests.faults.town import Town

T = TypeVar("T")
WORDS: Final = frozenset({"DISPATCHED", "kerusakan/2", "surat/3"})
"""Where the officers leave a record: each app's own words."""
_DEAD: Final = timedelta(seconds=3)
"""No gateway of these is at anything for so long that is not dead."""


async def looked(url: str, work: Callable[[Connection], T]) -> T:
    """Do something in the database from outside, holding it no longer than that: a kill must leave nobody there."""
    store = open_store(url)
    try:
        return await store.write(work)
    finally:
        await store.close()


def open_ends(connection: Connection) -> dict[str, int]:
    """Count what is still under way."""
    ended = (DeliveryState.ACCEPTED, DeliveryState.DEAD, DeliveryState.CANCELLED, DeliveryState.HELD)
    found = [f"delivery {one}" for one in connection.execute(select(t.delivery.c.state)).scalars() if one not in ended]
    found += [f"inbox {one}" for one in connection.execute(select(t.inbox.c.state)).scalars() if one != "applied"]
    found += [f"document {one}" for one in connection.execute(select(t.document.c.state)).scalars() if one != "kept"]
    found += [f"case {one}" for one in connection.execute(select(t.cases.c.word)).scalars() if one not in WORDS]
    return dict(Counter(found))


def hurry(connection: Connection, dead: timedelta = _DEAD) -> None:
    """Let leases end that gateways held who are `dead` so long, and what waits for another try be due: nobody need wait
    for that."""
    now = SystemClock().real()
    sent, named = t.delivery.c, t.document.c
    for table, late, values in (
        (t.delivery, (sent.state == DeliveryState.SENDING, sent.updated_at <= now - dead), {"lease_until": now}),
        (t.delivery, (sent.state == DeliveryState.QUEUED, sent.due_at > now), {"due_at": now}),
        (t.document, (named.state == "waiting", named.due_at > now + dead), {"due_at": now}),
    ):
        # A row that somebody holds is left alone: waiting for several at once could end in a deadlock.
        free = connection.execute(select(table.c.id).where(*late).with_for_update(skip_locked=True)).scalars().all()
        connection.execute(update(table).where(table.c.id.in_(free)).values(**values))


def answered(connection: Connection) -> dict[str, str]:
    """Return the codes of reports by the keys under which they were filed."""
    found = select(t.idempotency.c.key, t.report.c.code).join(t.report, t.report.c.id == t.idempotency.c.report_id)
    return {row.key: row.code for row in connection.execute(found)}


def files(connection: Connection) -> tuple[int, int]:
    """Count the documents that apps named, and the files that are kept."""
    counted = [select(func.count()).select_from(table) for table in (t.document, t.attachment)]
    named, kept = (int(connection.execute(one).scalar_one()) for one in counted)
    return named, kept


def without_unique(connection: Connection) -> None:
    """Take away what makes a key name one report only: a planted mistake."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("ALTER TABLE idempotency DROP CONSTRAINT pk_idempotency"))
        return
    made = str(connection.execute(text("SELECT sql FROM sqlite_master WHERE name = 'idempotency'")).scalar_one())
    without, count = re.subn(r",\s*CONSTRAINT pk_idempotency PRIMARY KEY \([^)]*\)", "", made)
    assert count == 1, made
    connection.execute(text("DROP TABLE idempotency"))
    connection.execute(text(without))


def judged(
    books: Books, here: Town, citizens: Sequence[Citizen], kept: Mapping[str, str], files: tuple[int, int]
) -> list[str]:
    """Hold promises, apps and database against each other; `kept` is what stood there after each kill."""
    told = [ack for citizen in citizens for ack in citizen.told]
    faults = [fault for citizen in citizens for fault in citizen.wrong] + faults_of(books, told)
    if not told:
        faults.append("nothing was ever promised")
    codes = Counter(ack["code"] for ack in told)
    faults += [f"{code} was promised {count} times" for code, count in codes.items() if count > 1]
    faults += [f"{code} is there and nobody was told of it: doubled" for code in books.reports.keys() - codes.keys()]
    faults += [
        f"{ack['key']} stood there as {kept[ack['key']]} and was answered with {ack['code']}"
        for ack in told
        if kept.get(ack["key"], ack["code"]) != ack["code"]
    ]
    for app in here.apps:
        records = Counter(record["key"] for record in here.records(app))
        sent = {key for key, row in books.deliveries.items() if row["app"] == app and row["command"] == "open"}
        faults += [f"{app} has {key} {count} times" for key, count in records.items() if count > 1]
        faults += [f"{app} has {key}, which was never sent" for key in records.keys() - sent]
        faults += [f"{app} does not have {key}" for key in sent - records.keys()]
    faults += [f"{key} is {row['state']}" for key, row in books.deliveries.items() if row["state"] != "accepted"]
    letters = sum(record["reference"].startswith("surat:") for record in here.records("sigapdes"))
    if files != (letters, letters):
        faults.append(f"{letters} letters were given out, {files[0]} are known, {files[1]} are kept")
    return faults
