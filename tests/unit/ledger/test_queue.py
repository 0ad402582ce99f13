"""The outbox as a queue: lanes in order, emergencies apart, nothing taken twice, nothing forgotten."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.kernel.ledger import Claimed, Stale
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.queue import next_due, unsettled
from gateway.model.delivery import Command, DeliveryState, Next
from gateway.model.principal import GATEWAY
from tests.journeys.filed import Books
from tests.unit.ledger.conftest import Outside

LEASE = timedelta(seconds=30)
S = DeliveryState


async def claim(
    books: Books, *, emergency: bool = True, limit: int = 50, apps: Sequence[str] = ("cc112",)
) -> list[str]:
    """Claim and return the keys."""
    taken = await books.ledger.claim(apps, emergency, limit, LEASE, "worker-1")
    return [claimed.row["key"] for claimed in taken]


async def add(books: Books, code: str, number: int, command: Command = Command.MESSAGE) -> str:
    """Queue another delivery behind a report's first case."""
    report, case = await books.refs(code, 1)
    act = books.ledger.act(GATEWAY, "test")
    key = act.send(report, case, number, command, {"text": "frozen"}, emergency=True)
    await books.ledger.commit(act)
    return key


async def put(books: Books, key: str, following: Next, **values: Any) -> None:
    """Set a delivery to a state."""
    row = await books.delivery(key)
    act = books.ledger.act(GATEWAY, "test")
    settle_at = act.now + timedelta(seconds=60) if following.settle else None
    act.settle(row, following, settle_at, act.real + timedelta(seconds=following.wait), **values)
    await books.ledger.commit(act)


async def test_a_claim_is_committed_with_its_attempt_its_lease_and_its_entry(books: Books, outside: Outside) -> None:
    code = await books.file()
    (taken,) = await books.ledger.claim(["cc112"], True, 10, LEASE, "worker-1")
    assert isinstance(taken, Claimed)
    assert (taken.code, taken.case_number, taken.row["attempt"], taken.row["state"]) == (code, 1, 1, S.SENDING)
    row = await books.delivery(f"{code}-1")
    assert (row["state"], row["attempt"], row["worker"]) == (S.SENDING, 1, "worker-1")
    assert row["lease_until"] == books.clock.real() + LEASE
    kinds = await outside.rows(f"SELECT kind FROM entry WHERE stream = '{code}' ORDER BY seq DESC LIMIT 1")
    assert kinds == [("delivery.attempt",)]
    key = books.ledger.vault.unwrap(taken.kek, taken.wrapped, row["report_id"].hex)
    assert key.open("payload", taken.row["sealed"], dict) == {"text": "frozen"}, "attempts are byte-equal"


async def test_what_is_not_due_not_ours_or_not_in_this_lane_class_is_left(books: Books) -> None:
    code = await books.file()
    assert await claim(books, emergency=False) == []
    assert await claim(books, apps=("sigapdes",)) == []
    assert await claim(books, apps=()) == []
    await claim(books)
    await put(books, f"{code}-1", Next(state=S.QUEUED, wait=10.0))
    assert await claim(books) == []
    books.clock.on(seconds=10)
    assert await claim(books) == [f"{code}-1"]
    assert (await books.delivery(f"{code}-1"))["attempt"] == 2


async def test_emergencies_are_never_behind_bulk(books: Books) -> None:
    bulk = []
    for _ in range(5):
        bulk.append(await books.file(emergency=False))
        books.clock.on(milliseconds=1)
    urgent = await books.file(emergency=True)
    assert await claim(books, emergency=True, limit=1) == [f"{urgent}-1"]
    assert await claim(books, emergency=False, limit=2) == [f"{code}-1" for code in bulk[:2]], "oldest first"
    assert await claim(books, emergency=False) == [f"{code}-1" for code in bulk[2:]]


@pytest.mark.parametrize("before", [S.QUEUED, S.SENDING, S.UNSURE, S.HELD])
async def test_a_lane_is_ordered_and_a_blocked_lane_blocks_itself_alone(books: Books, before: S) -> None:
    code, other = await books.file(), await books.file()
    await add(books, code, 2)
    assert sorted(await claim(books)) == sorted([f"{code}-1", f"{other}-1"])
    await add(books, other, 2)
    await put(books, f"{other}-1", Next(state=S.ACCEPTED))
    if before is not S.SENDING:
        wait = 3600.0 if before is S.QUEUED else 0.0
        await put(books, f"{code}-1", Next(state=before, wait=wait, settle=before is S.UNSURE))
    assert await claim(books) == [f"{other}-2"]


@pytest.mark.parametrize(("command", "state", "free"), [
    (Command.OPEN, S.ACCEPTED, True),
    (Command.OPEN, S.CANCELLED, True),
    (Command.OPEN, S.DEAD, False),  # without a record there is nothing to add to
    (Command.MESSAGE, S.DEAD, True),
])  # fmt: skip
async def test_what_ended_frees_its_lane(books: Books, command: Command, state: S, free: bool) -> None:
    code = await books.file()
    await claim(books)
    first = f"{code}-1"
    if command is Command.MESSAGE:
        await put(books, first, Next(state=S.ACCEPTED))
        first = await add(books, code, 2)
        assert await claim(books) == [first]
    last = await add(books, code, 3)
    if state is S.CANCELLED:
        await put(books, first, Next(state=S.HELD))
    await put(books, first, Next(state=state))
    assert await claim(books) == ([last] if free else [])


async def test_many_claimers_never_take_the_same_delivery(books: Books, outside: Outside) -> None:
    codes = [await books.file() for _ in range(40)]
    for code in codes[:10]:
        await add(books, code, 2)
    found = await asyncio.gather(*(claim(books, limit=3) for _ in range(30)))
    taken = [key for keys in found for key in keys]
    assert len(taken) == len(set(taken))
    taken += await claim(books, limit=100)
    assert sorted(taken) == sorted(f"{code}-1" for code in codes), "each once, and nothing behind in its lane"
    assert await outside.rows("SELECT DISTINCT attempt FROM delivery WHERE state = 'sending'") == [(1,)]
    attempts = await outside.rows("SELECT count(*) FROM entry WHERE kind = 'delivery.attempt'")
    assert attempts == [(40,)]


async def test_claims_and_acts_on_the_same_reports_do_not_stand_in_each_others_way(books: Books) -> None:
    codes = [await books.file() for _ in range(20)]

    async def noise(code: str) -> None:
        act = books.ledger.act(GATEWAY, "test")
        act.record(code, "report.noted")
        await books.ledger.commit(act)

    found = await asyncio.gather(*(claim(books, limit=4) for _ in range(10)), *(noise(code) for code in codes * 3))
    taken = [key for keys in found if keys for key in keys]
    taken += await claim(books)
    assert sorted(taken) == sorted(f"{code}-1" for code in codes)


async def test_a_worker_that_slept_through_its_lease_changes_nothing(books: Books) -> None:
    code = await books.file()
    key = f"{code}-1"
    await claim(books)
    asleep = await books.delivery(key)
    await put(books, key, Next(state=S.QUEUED))
    await claim(books)
    act = books.ledger.act(GATEWAY, "zombie")
    act.settle(asleep, Next(state=S.ACCEPTED), None, act.real)

    with pytest.raises(Stale):
        await books.ledger.commit(act)
    assert (await books.delivery(key))["attempt"] == 2


async def test_a_lease_that_ran_out_and_an_unsure_one_that_settled_are_listed(books: Books) -> None:
    lost, unsure, fine = await books.file(), await books.file(), await books.file()
    await claim(books)
    await put(books, f"{fine}-1", Next(state=S.ACCEPTED))
    await put(books, f"{unsure}-1", Next(state=S.UNSURE, settle=True))

    async def listed() -> dict[str, bool]:
        now, real = books.clock.now(), books.clock.real()
        found = await books.ledger.read(unsettled, ["cc112"], now, real, 10)
        return {claimed.row["key"]: claimed.expired_lease for claimed in found}

    assert await listed() == {}
    books.clock.on(seconds=30)
    assert await listed() == {f"{lost}-1": True}
    books.clock.on(seconds=30)
    assert await listed() == {f"{lost}-1": True, f"{unsure}-1": False}
    now, real = books.clock.now(), books.clock.real()
    assert await books.ledger.read(unsettled, ["sigapdes"], now, real, 10) == []
    assert len(await books.ledger.read(unsettled, ["cc112"], now, real, 1)) == 1


async def test_a_look_that_failed_waits_for_its_backoff_in_real_time(books: Books) -> None:
    code = await books.file()
    await claim(books)
    await put(books, f"{code}-1", Next(state=S.UNSURE, settle=True))
    await put(books, f"{code}-1", Next(state=S.UNSURE, wait=20.0))
    far = books.clock.now() + timedelta(days=10)  # the travelling clock does not shorten it
    assert await books.ledger.read(unsettled, ["cc112"], far, books.clock.real(), 10) == []
    books.clock.on(seconds=20)
    assert len(await books.ledger.read(unsettled, ["cc112"], books.clock.now(), books.clock.real(), 10)) == 1


async def test_when_the_next_delivery_is_due(books: Books) -> None:
    assert await books.ledger.read(next_due, books.clock.real()) is None
    code = await books.file()
    assert await books.ledger.read(next_due, books.clock.real()) == books.clock.real()
    await claim(books)
    assert await books.ledger.read(next_due, books.clock.real()) is None
    await put(books, f"{code}-1", Next(state=S.QUEUED, wait=90.0))
    assert await books.ledger.read(next_due, books.clock.real()) == books.clock.real() + timedelta(seconds=90)


async def test_what_is_sent_is_frozen_when_the_delivery_is_made(books: Books) -> None:
    code = await books.file()
    before = (await books.delivery(f"{code}-1"))["sealed"]
    await claim(books)
    await put(books, f"{code}-1", Next(state=S.QUEUED))
    await claim(books)
    assert (await books.delivery(f"{code}-1"))["sealed"] == before
    rows = await books.ledger.read(lambda connection: connection.execute(select(t.delivery.c.attempt)).all())
    assert rows == [(2,)]
