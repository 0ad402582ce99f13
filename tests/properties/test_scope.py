"""No scope ever returns a report that is not in it, whichever read is asked, on both databases."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger import visible
from gateway.kernel.ledger.reading import (
    report_by_code,
    report_by_id,
    report_by_number,
    report_named,
    with_events,
)
from gateway.model.principal import EVERYTHING, NOTHING, Scope
from tests.journeys.filed import Books, opened

OWNERS = ("issuer|andi", "issuer|budi", "issuer|andi ", "ISSUER|ANDI", "client|phone", "")
AGENCIES = ("BPBD", "PUPR", "DINKES", "bpbd")
PRIVACY = ("normal", "restricted")


class Filed(NamedTuple):
    """What the test itself knows about a report."""

    code: str
    owner: str | None
    agencies: frozenset[str]
    privacy: str
    number: str


class Population(NamedTuple):
    """A ledger and everything in it; grows with every example."""

    books: Books
    filed: list[Filed]


@pytest.fixture
async def population(database_url: str, tmp_path: Path) -> AsyncIterator[Population]:
    async with opened(database_url, tmp_path) as books:
        yield Population(books, [])


Draft = tuple[str | None, list[str], str | None, str]
"""Owner, agencies of the cases, agency of the report, privacy."""
drafts: st.SearchStrategy[Draft] = st.tuples(
    st.none() | st.sampled_from(OWNERS),
    st.lists(st.sampled_from(AGENCIES), min_size=1, max_size=3),
    st.none() | st.sampled_from(AGENCIES),
    st.sampled_from(PRIVACY),
)


def belongs(scope: Scope, report: Filed) -> bool:
    """Whose reports a scope stands for, as its own words say it."""
    open_to_it = scope.restricted or report.privacy != "restricted"
    if scope.everything:
        return open_to_it
    return (
        (scope.owner is not None and report.owner == scope.owner)
        or (scope.code is not None and report.code == scope.code)
        or (scope.agency is not None and scope.agency in report.agencies and open_to_it)
    )


async def file(population: Population, draft: Draft) -> None:
    owner, agencies, lead, privacy = draft
    number = f"112-{len(population.filed)}"
    row: dict[str, Any] = {"agency": lead} if lead else {}
    code = await population.books.file(
        cases=[("cc112", agency) for agency in agencies], owner=owner, privacy=privacy, **row
    )
    await population.books.refer(code, 1, "ticket_no", number)
    everyone = frozenset([*agencies, lead or agencies[0]])
    population.filed.append(Filed(code, owner, everyone, privacy, number))


scopes = st.builds(
    Scope,
    everything=st.booleans(),
    owner=st.none() | st.sampled_from([*OWNERS, "issuer|%", "' OR 1=1 --"]),
    agency=st.none() | st.sampled_from([*AGENCIES, "%", "B"]),
    restricted=st.booleans(),
)
places = st.integers(0, 10**6)
"""Which of the reports, counted round and round."""


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    new=st.lists(drafts, min_size=1, max_size=2),
    scope=scopes,
    coded=st.none() | st.just(-1) | places,
    looked_at=st.lists(places, max_size=4),
)
async def test_a_scope_returns_its_own_reports_and_no_other(
    population: Population, new: list[Draft], scope: Scope, coded: int | None, looked_at: list[int]
) -> None:
    for draft in new:
        await file(population, draft)
    filed = population.filed
    if coded is not None:
        code = "BRU-0000-0000" if coded < 0 else filed[coded % len(filed)].code
        scope = msgspec.structs.replace(scope, code=code)
    expected = {report.code for report in filed if belongs(scope, report)}
    read = population.books.ledger.read

    def listed(connection: Connection) -> set[str]:
        return set(connection.execute(select(t.report.c.code).where(visible(scope))).scalars())

    assert await read(listed) == expected
    for report in (filed[place % len(filed)] for place in looked_at):
        inside = report.code in expected
        whole = await read(report_by_code, EVERYTHING, report.code)
        assert whole is not None
        assert (await read(report_by_code, scope, report.code) is not None) == inside
        assert (await read(report_by_id, scope, whole.id) is not None) == inside
        assert (await read(report_named, scope, report.code) is not None) == inside
        assert (await read(report_named, scope, report.number) is not None) == inside
        assert bool(await read(report_by_number, scope, report.number)) == inside
        assert (await read(with_events, scope, whole.id) is not None) == inside


async def test_the_empty_scope_returns_nothing(population: Population) -> None:
    await file(population, (None, ["BPBD"], None, "normal"))
    await file(population, ("", ["BPBD"], None, "restricted"))
    read = population.books.ledger.read
    for report in population.filed:
        assert await read(report_by_code, NOTHING, report.code) is None
        assert await read(report_by_code, Scope(restricted=True), report.code) is None
