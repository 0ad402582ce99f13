"""Acts: all or nothing, dropped alone, in groups that change nothing for a caller."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from sqlalchemy import Connection, Engine, Table, event, select

from gateway.kernel.ledger import Act, Ledger, Overloaded, Stale, Taken, Unavailable, Unfit, writer
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.apply import ORDER
from gateway.model.entry import leaf_hash
from gateway.model.principal import GATEWAY
from tests.journeys.filed import Books, opened
from tests.unit.ledger.conftest import Outside, breathe

TABLES = sorted(t.metadata.tables)


@contextmanager
def transactions() -> Iterator[list[str]]:
    """Count commits of all engines meanwhile."""
    seen: list[str] = []

    def committed(connection: Connection) -> None:
        seen.append(connection.dialect.name)

    event.listen(Engine, "commit", committed)
    try:
        yield seen
    finally:
        event.remove(Engine, "commit", committed)


def note(ledger: Ledger, stream: str = "access", kind: str = "access.read") -> Act:
    act = ledger.act(GATEWAY, "test")
    act.record(stream, kind)
    return act


def cursor(ledger: Ledger, app: str, **values: Any) -> Act:
    act = note(ledger, f"app:{app}", "app.polled")
    row: dict[str, Any] = {"app": app, "cursor": None, "version": 1, "polled_at": None, "answered_at": None}
    act.insert(t.cursor, **(row | {"fault": None} | values))
    return act


async def sizes(outside: Outside) -> dict[str, int]:
    return {table: await outside.count(table) for table in TABLES}


async def results(*acts: Act, ledger: Ledger, outside: Outside) -> list[BaseException | None]:
    """Commit acts so that they wait for each other and share one group."""
    async with outside.writers_wait():
        # One act keeps each flusher busy, so that the next ones gather behind it.
        first = [asyncio.create_task(ledger.commit(note(ledger, "config", "config.loaded"))) for _ in range(2)]
        await breathe()
        rest = [asyncio.create_task(ledger.commit(act)) for act in acts]
        await breathe()
    await asyncio.gather(*first)
    return await asyncio.gather(*rest, return_exceptions=True)


def broken_stale(ledger: Ledger) -> Act:
    act = cursor(ledger, "broken")
    act.change(t.cursor, {"app": "nobody", "version": 7}, version=8)
    return act


def broken_twice(ledger: Ledger) -> Act:
    act = cursor(ledger, "broken")
    act.insert(t.cursor, **cursor(ledger, "broken").inserts[0][1])
    return act


def broken_orphan(ledger: Ledger) -> Act:
    act = cursor(ledger, "broken")
    act.insert(t.link, report_id=act.new_id(), other_id=act.new_id(), kind="related_to", at=act.now)
    return act


def broken_null(ledger: Ledger) -> Act:
    return cursor(ledger, "broken", version=None)


def broken_check(ledger: Ledger) -> Act:
    act = cursor(ledger, "broken")
    act.insert(
        t.inbox,
        app="cc112",
        event_id="e-1",
        source="poll",
        state="lost",
        received_at=act.now,
        due_at=act.now,
        tries=0,
        kek=1,
        sealed=b"",
    )
    return act


def broken_number(ledger: Ledger) -> Act:
    return cursor(ledger, "broken", version=2**70)


def broken_surrogate(ledger: Ledger) -> Act:
    return cursor(ledger, "broken", cursor="\ud800")


def broken_word(ledger: Ledger) -> Act:
    act = cursor(ledger, "broken")
    act.record("app:broken", "app.said", word="\ud800")
    return act


def broken_nul(ledger: Ledger) -> Act:
    return cursor(ledger, "broken", cursor="a\x00b")


def broken_length(ledger: Ledger) -> Act:
    return cursor(ledger, "broken", fault="x" * 201)


def broken_type(ledger: Ledger) -> Act:
    return cursor(ledger, "broken", version="seven")


def broken_zone(ledger: Ledger) -> Act:
    return cursor(ledger, "broken", polled_at=ledger.clock.now().replace(tzinfo=None))


BROKEN: list[tuple[Callable[[Ledger], Act], type[BaseException] | None]] = [
    (broken_stale, Stale),
    (broken_twice, Taken),
    (broken_orphan, Unfit),
    (broken_null, Unfit),
    (broken_check, Unfit),
    (broken_number, None),
    (broken_surrogate, None),
    (broken_word, None),
    (broken_zone, None),
]
ON_POSTGRES = [broken_nul, broken_length, broken_type]
"""SQLite stores these as they are."""


@pytest.mark.parametrize(("broken", "expected"), BROKEN)
async def test_an_act_that_fails_leaves_nothing_and_harms_nobody(
    books: Books, outside: Outside, broken: Callable[[Ledger], Act], expected: type[BaseException] | None
) -> None:
    await check_alone(books, outside, broken, expected)


@pytest.mark.parametrize("broken", ON_POSTGRES)
async def test_a_row_that_postgresql_refuses_leaves_nothing_and_harms_nobody(
    postgres_url: str, tmp_path: Path, broken: Callable[[Ledger], Act]
) -> None:
    async with opened(postgres_url, tmp_path) as books:
        await check_alone(books, Outside(postgres_url), broken, None)


async def check_alone(
    books: Books, outside: Outside, broken: Callable[[Ledger], Act], expected: type[BaseException] | None
) -> None:
    ledger = books.ledger
    good = [cursor(ledger, f"app{number:02}") for number in range(10)]
    for place in (0, 5, 10):
        acts = [*good[:place], broken(ledger), *good[place:]]
        before = await sizes(outside)
        with transactions() as seen:
            found = await results(*acts, ledger=ledger, outside=outside)
        assert len(seen) < 20, "they shared transactions as far as they could"
        fault = found.pop(place)
        assert isinstance(fault, expected or Exception)
        assert not isinstance(fault, Unavailable | Overloaded), "the fault is the row's, not the database's"
        assert found == [None] * 10
        after = await sizes(outside)
        assert await outside.count("cursor") == before["cursor"] + 10
        assert after["entry"] == before["entry"] + 12
        assert not await outside.rows("SELECT 1 FROM entry WHERE stream = 'app:broken'")
        good = [cursor(ledger, f"app{place}{number:02}") for number in range(20, 30)]


async def test_a_report_is_opened_whole_or_not_at_all(books: Books, outside: Outside) -> None:
    empty = await sizes(outside)
    code = await books.file(cases=[("cc112", "BPBD"), ("sigapdes", "BPBD")])
    full = await sizes(outside)
    changed = {table for table in TABLES if full[table] != empty[table]}
    assert changed >= {"report", "cases", "delivery", "timeline", "deadline", "entry", "stream"}
    whole = await books.whole(code)
    act = books.ledger.act(GATEWAY, "test")
    act.touch(whole.ref(books.ledger.vault), status="routed")
    act.say(whole.ref(books.ledger.vault), "status.routed", "gateway")
    act.record(code, "report.moved")
    act.count("cc112", "prank", act.now)
    act.alarm("test", "test", "test")
    act.change(t.cases, {"id": whole.cases[0]["id"], "version": 99}, word="x")
    with pytest.raises(Stale):
        await books.ledger.commit(act)
    assert await sizes(outside) == full
    assert await outside.rows("SELECT head FROM stream ORDER BY head DESC LIMIT 1") == [(5,)]
    assert (await books.whole(code)).report["status"] == "received"


async def test_a_name_that_is_taken_tells_where(books: Books) -> None:
    code = await books.file()
    whole = await books.whole(code)
    row = {name: value for name, value in whole.report.items() if name not in {"code", "version"}}
    act = books.ledger.act(GATEWAY, "test")
    act.open("BRU-0000-0000", whole.key(books.ledger.vault), row)
    with pytest.raises(Taken) as clash:
        await books.ledger.commit(act)
    assert clash.value.table == "report"
    act = books.ledger.act(GATEWAY, "test")
    act.open(code, whole.key(books.ledger.vault), row | {"id": act.new_id()})
    with pytest.raises(Taken) as clash:
        await books.ledger.commit(act)
    assert clash.value.table in {"report", "stream"}
    await books.refer(code, 1, "ticket_no", "112-1")
    with pytest.raises(Taken) as clash:
        await books.refer(code, 1, "ticket_no", "112-1")
    assert clash.value.table == "reference"


def test_every_table_an_act_may_write_to_has_its_place_in_the_order() -> None:
    """A row of a table without a place would be lost in silence."""
    assert {table.name for table in ORDER} == set(TABLES) - {"instance", "stream", "tally", "alert", "document"}
    assert all(table in ORDER[: ORDER.index(child)] for child in ORDER for table in parents(child))


def parents(child: Table) -> list[Table]:
    return [key.column.table for key in child.foreign_keys if key.column.table is not child]


async def test_acts_of_one_group_keep_all_their_columns(books: Books, outside: Outside) -> None:
    """Rows of one table may name different columns; what is named is stored, whoever came first."""
    more: list[dict[str, Any]] = [{}, {"cursor": "page-7"}, {"fault": "http_503"}, {"cursor": "page-8", "fault": "x"}]
    for first, second in product(range(4), repeat=2):
        acts = []
        for place, values in enumerate((more[first], more[second])):
            app = f"app{first}{second}{place}"
            act = note(books.ledger, f"app:{app}", "app.polled")
            act.insert(t.cursor, app=app, version=1, **values)
            acts.append(act)
        assert await results(*acts, ledger=books.ledger, outside=outside) == [None] * 2
        for place, values in enumerate((more[first], more[second])):
            rows = await outside.rows(f"SELECT cursor, fault FROM cursor WHERE app = 'app{first}{second}{place}'")
            assert rows == [(values.get("cursor"), values.get("fault"))]


async def test_acts_that_arrive_together_share_a_transaction(books: Books, outside: Outside) -> None:
    acts = [cursor(books.ledger, f"app{number}") for number in range(200)]
    with transactions() as seen:
        found = await results(*acts, ledger=books.ledger, outside=outside)
    assert found == [None] * 200
    assert len(seen) <= 5, "two were under way, the rest fits into one or two"


async def test_nothing_is_seen_and_nobody_is_answered_before_the_commit(books: Books, outside: Outside) -> None:
    async with outside.writers_wait():
        waiting = asyncio.create_task(books.ledger.commit(cursor(books.ledger, "cc112")))
        await breathe()
        assert not waiting.done()
        assert await books.ledger.read(lambda connection: connection.execute(select(t.cursor)).all()) == []
        assert await outside.count("cursor") == 0
    await waiting
    assert await outside.count("cursor") == 1


async def test_a_caller_that_goes_away_does_not_take_its_act_along(books: Books, outside: Outside) -> None:
    async with outside.writers_wait():
        taken = asyncio.create_task(books.ledger.commit(cursor(books.ledger, "taken-up")))
        await breathe()
        queued = [asyncio.create_task(books.ledger.commit(cursor(books.ledger, f"queued{n}"))) for n in range(3)]
        await breathe()
        for task in (taken, *queued):
            task.cancel()
        await asyncio.gather(taken, *queued, return_exceptions=True)
        assert all(task.cancelled() for task in (taken, *queued))
    await books.ledger.commit(cursor(books.ledger, "later"))
    names = [row[0] for row in await outside.rows("SELECT app FROM cursor ORDER BY app")]
    assert names == ["later", "queued0", "queued1", "queued2", "taken-up"]


async def test_close_commits_what_is_queued_and_then_takes_no_more(
    database_url: str, tmp_path: Path, outside: Outside
) -> None:
    async with opened(database_url, tmp_path) as books:
        acts = [cursor(books.ledger, f"app{number}") for number in range(600)]
        tasks = [asyncio.create_task(books.ledger.commit(act)) for act in acts]
        await asyncio.sleep(0)
    assert await asyncio.gather(*tasks) == [None] * 600
    assert await outside.count("cursor") == 600
    with pytest.raises(Overloaded):
        await books.ledger.commit(cursor(books.ledger, "late"))


async def test_a_full_queue_refuses_before_memory_grows(
    books: Books, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "QUEUE", 8)
    async with outside.writers_wait():
        tasks = []
        for number in range(30):
            tasks.append(asyncio.create_task(books.ledger.commit(cursor(books.ledger, f"app{number}"))))
            await breathe(1)
    found = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [result for result in found if isinstance(result, Overloaded)]
    assert len(refused) in {20, 21}, "one or two are under way, eight wait"
    assert Overloaded.after > 0
    assert await outside.count("cursor") == 30 - len(refused), "refused means: nothing was accepted"


async def test_streams_are_gapless_under_sixty_four_acts_at_once(books: Books, outside: Outside) -> None:
    code = await books.file()
    before = (await outside.rows(f"SELECT head FROM stream WHERE name = '{code}'"))[0][0]
    acts = []
    for number in range(64):
        act = note(books.ledger, code, "report.noted")
        if number % 2:
            act.record("access", "access.read")
        if number % 3 == 0:
            act.record(code, "report.noted")
        if number % 16 == 5:
            act.change(t.cursor, {"app": "nobody"}, version=1)  # this one is dropped
        acts.append(act)
    found = await asyncio.gather(*(books.ledger.commit(act) for act in acts), return_exceptions=True)
    dropped = [index for index, result in enumerate(found) if result is not None]
    assert dropped == [5, 21, 37, 53]
    expected = sum(len([e for e in act.entries if e.stream == code]) for n, act in enumerate(acts) if n not in dropped)
    for stream in (code, "access"):
        rows = await outside.rows(f"SELECT seq FROM entry WHERE stream = '{stream}' ORDER BY seq")
        head = (await outside.rows(f"SELECT head FROM stream WHERE name = '{stream}'"))[0][0]
        assert [row[0] for row in rows] == list(range(1, head + 1))
        if stream == code:
            assert head == before + expected


async def test_an_entry_is_what_it_says(books: Books) -> None:
    code = await books.file()
    await books.claim()
    rows = await books.ledger.read(lambda connection: connection.execute(select(t.entry)).mappings().all())
    assert len(rows) >= 4
    for row in rows:
        body = json.loads(row["body"])
        assert row["body"] == rfc8785.dumps(body)
        assert row["leaf"] == leaf_hash(row["body"])
        assert (body["stream"], body["seq"], body["kind"]) == (code, row["seq"], row["kind"])
        assert body["id"] == row["id"].hex
        assert body["at"].startswith(row["at"].strftime("%Y-%m-%dT%H:%M:%S"))
        assert body["actor"]["kind"] in {"citizen", "gateway"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET kind = 'x'",
        "UPDATE entry SET body = leaf WHERE seq = 1",
        "DELETE FROM entry",
        "DELETE FROM entry WHERE seq = 1",
    ],
)
async def test_entries_are_never_changed_nor_deleted(books: Books, outside: Outside, statement: str) -> None:
    await books.file()
    before = await outside.rows("SELECT stream, seq, body FROM entry ORDER BY stream, seq")
    with pytest.raises(Exception, match="never"):
        await outside.rows(statement)
    assert await outside.rows("SELECT stream, seq, body FROM entry ORDER BY stream, seq") == before


async def test_replacing_an_entry_is_changing_it(sqlite_url: str, tmp_path: Path) -> None:
    async with opened(sqlite_url, tmp_path) as books:
        await books.file()
        with pytest.raises(Exception, match="never"):
            await books.ledger._store.write(
                lambda connection: connection.exec_driver_sql("REPLACE INTO entry SELECT * FROM entry WHERE seq = 1")
            )


async def test_postgresql_does_not_even_truncate_entries(postgres_url: str, tmp_path: Path) -> None:
    async with opened(postgres_url, tmp_path) as books:
        await books.file()
        with pytest.raises(Exception, match="never"):
            await Outside(postgres_url).rows("TRUNCATE entry")


async def test_who_decides_on_what_has_changed_thinks_again(books: Books) -> None:
    code = await books.file()
    thoughts = 0

    async def think() -> Act:
        nonlocal thoughts
        thoughts += 1
        whole = await books.whole(code)
        if thoughts == 1:
            rival = books.ledger.act(GATEWAY, "rival")
            rival.touch(whole.ref(books.ledger.vault), deliveries=7)
            await books.ledger.commit(rival)
        act = books.ledger.act(GATEWAY, "test")
        act.touch(whole.ref(books.ledger.vault), deliveries=whole.report["deliveries"] + 1)
        return act

    assert await books.ledger.decide(think)
    assert thoughts == 2
    assert (await books.whole(code)).report["deliveries"] == 8


async def test_ten_who_change_one_report_at_once_all_get_through(books: Books) -> None:
    code = await books.file()

    async def think() -> Act:
        whole = await books.whole(code)
        act = books.ledger.act(GATEWAY, "test")
        act.touch(whole.ref(books.ledger.vault), deliveries=whole.report["deliveries"] + 1)
        act.record(code, "report.touched")
        return act

    assert await asyncio.gather(*(books.ledger.decide(think) for _ in range(10))) == [True] * 10
    assert (await books.whole(code)).report["deliveries"] == 11


async def test_nothing_to_decide(books: Books) -> None:
    async def think() -> None:
        return None

    assert not await books.ledger.decide(think)


async def test_counts_add_up_and_alerts_repeat(books: Books, outside: Outside) -> None:
    at = books.clock.now()
    acts = []
    for _ in range(10):
        act = books.ledger.act(GATEWAY, "test")
        act.count("cc112", "prank", at)
        act.count("cc112", "prank", at + timedelta(minutes=20))
        act.alarm("unmapped", "cc112:XYZ", "word XYZ", "cc112")
        acts.append(act)
    assert await results(*acts, ledger=books.ledger, outside=outside) == [None] * 10
    assert await outside.rows("SELECT app, kind, total FROM tally") == [("cc112", "prank", 20)]
    assert await outside.rows("SELECT kind, subject, times FROM alert") == [("unmapped", "cc112:XYZ", 10)]
