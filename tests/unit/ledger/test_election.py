"""Of several processes on one database one has each seat: always one, never two, and soon another when it is gone."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from gateway.kernel.ledger import Unavailable
from gateway.kernel.ledger.election import (
    BEAT_S,
    LAPSE_S,
    THROWN_OUT_S,
    Election,
    LocalElection,
    PostgresElection,
    Seat,
    open_election,
    ranking,
)
from tests.servers import Postgres

GROUPS = {"house": 1, "cc112": 4, "ppid": 1}
ALL = frozenset({("house", 0), ("ppid", 0), *(("cc112", index) for index in range(4))})


@pytest.fixture
async def candidates(postgres_url: str) -> AsyncIterator[Callable[[int], list[PostgresElection]]]:
    async with AsyncExitStack() as stack:

        def made(count: int) -> list[PostgresElection]:
            found = [PostgresElection(postgres_url, f"candidate {number}") for number in range(count)]
            for one in found:
                stack.push_async_callback(one.close)
            return found

        yield made


Make = Callable[[int], list[PostgresElection]]


async def rounds(elections: list[PostgresElection], count: int) -> list[frozenset[Seat]]:
    """Let all beat so many times and give up what others are to have; return what each has."""
    held: list[frozenset[Seat]] = [frozenset() for _ in elections]
    for _ in range(count):
        for index, election in enumerate(elections):
            standing = await election.beat(GROUPS)
            await election.release(standing.wanted)
            held[index] = standing.held - standing.wanted
        assert Counter(seat for seats in held for seat in seats).most_common(1)[0][1] == 1, "two hold one seat"
    return held


async def test_the_only_process_of_sqlite_has_everything(sqlite_url: str) -> None:
    election: Election = open_election(sqlite_url, "alone")
    assert isinstance(election, LocalElection)
    standing = await election.beat(GROUPS)
    assert standing.held == ALL
    assert standing.until == float("inf")
    await election.release(ALL)
    await election.close()


async def test_one_alone_has_everything_and_nothing_of_it_was_anothers(candidates: Make) -> None:
    (only,) = candidates(1)
    standing = await only.beat(GROUPS)
    assert standing.held == ALL
    assert standing.taken == standing.wanted == frozenset()
    again = await only.beat(GROUPS)
    assert again.held == ALL
    assert again.until > standing.until


async def test_those_who_come_later_get_their_part(candidates: Make) -> None:
    first, second, third = candidates(3)
    assert (await rounds([first], 1))[0] == ALL
    held = await rounds([first, second, third], 3)
    assert frozenset.union(*held) == ALL
    shares = sorted(len({seat for seat in seats if seat[0] == "cc112"}) for seats in held)
    assert shares == [1, 1, 2], "the shares of an app are spread evenly"


async def test_what_another_had_is_told_apart(candidates: Make) -> None:
    first, second = candidates(2)
    await rounds([first], 1)
    await second.beat(GROUPS)
    given = (await first.beat(GROUPS)).wanted
    assert given, "nothing falls to the second"
    standing = await second.beat(GROUPS)
    assert standing.held == frozenset(), "a seat is another's until he gives it up"
    await first.release(given)
    standing = await second.beat(GROUPS)
    assert standing.held == standing.taken == given


async def test_a_holder_that_ends_is_replaced_at_once(candidates: Make) -> None:
    first, second = candidates(2)
    await rounds([first, second], 3)
    await first.close()
    assert (await rounds([second], 1))[0] == ALL


async def test_a_holder_that_is_thrown_out_knows_it(candidates: Make, postgres: Postgres) -> None:
    first, second = candidates(2)
    await rounds([first, second], 3)
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gateway:candidate 0'"
    )
    with pytest.raises(Unavailable):
        await first.beat(GROUPS)
    held = await rounds([first, second], 3)
    assert frozenset.union(*held) == ALL
    assert all(held), "it stands again"


async def test_a_frozen_holder_stops_by_itself_before_another_begins(candidates: Make) -> None:
    """It says nothing for longer than the server bears. Until then nobody gets its seats."""
    first, second = candidates(2)
    mine, _ = await rounds([first, second], 3)
    assert mine
    loop = asyncio.get_running_loop()
    last = await first.beat(GROUPS)
    assert last.until - loop.time() <= LAPSE_S < THROWN_OUT_S - BEAT_S
    while not (standing := await second.beat(GROUPS)).held >= mine:
        await asyncio.sleep(BEAT_S / 4)
        assert loop.time() < last.until + 60
    assert loop.time() >= last.until, "its seats went before its time was over"
    assert mine <= standing.held
    with pytest.raises(Unavailable):
        await first.beat(GROUPS)


async def test_another_databases_seats_are_others(candidates: Make, postgres: Postgres) -> None:
    (here,) = candidates(1)
    name = postgres.create()
    there = PostgresElection(postgres.url(name), "elsewhere")
    try:
        assert (await rounds([here], 1))[0] == (await rounds([there], 1))[0] == ALL
    finally:
        await there.close()
        postgres.drop(name)


async def test_who_only_knows_some_groups_keeps_nobody_from_the_others(candidates: Make) -> None:
    """While workers are replaced by newer ones, some know an app that others do not."""
    old, new = candidates(2)
    for _ in range(3):
        for election, groups in ((old, {"house": 1}), (new, GROUPS)):
            await election.release((await election.beat(groups)).wanted)
    assert (await new.beat(GROUPS)).held >= ALL - {("house", 0)}


def test_seats_fall_to_all_candidates_alike() -> None:
    firsts = Counter(ranking(f"group {number}", [101, 202, 303])[0] for number in range(3000))
    assert sum(firsts.values()) == 3000
    assert all(800 < count < 1200 for count in firsts.values())
    assert ranking("cc112", {1, 2, 3}) == ranking("cc112", [3, 2, 1])
