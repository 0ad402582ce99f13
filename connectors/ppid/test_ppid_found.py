"""What PPID has of ours: searched for by our key, and cancelled."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from connectors.ppid.connector import Connector
from connectors.ppid.test_ppid import ASKED, CODE, GONE, OBJECTS, TICKET, changed, got
from gateway.sdk import Rejected, Retryable
from gateway.sdk.manifest import read_manifest
from tests.sandboxes import CONNECTORS, MORNING, Bench, bench


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench("ppid", tmp_path, Connector) as made:
        yield made


def levels() -> dict[str, str]:
    """Return what the manifest says that the app can do."""
    return {command.value: level for command, level in read_manifest(CONNECTORS / "ppid").levels.items()}


# Looking up.


async def test_what_was_sent_is_found_by_the_key_at_its_end(office: Bench[Connector]) -> None:
    assert await office.connector.find(ASKED.key) is None
    await office.connector.submit(ASKED)
    await office.connector.submit(OBJECTS)
    for submission, ticket, word in ((ASKED, TICKET, "permohonan/0"), (OBJECTS, "PPID-2026-000002", "keberatan/n")):
        found = await office.connector.find(submission.key)
        assert found == msgspec.structs.replace(got(ticket, submission.key, word), at=MORNING)


@pytest.mark.parametrize("key", [f"{CODE}-11", f"{CODE}-1", "BRU-7Q4M-2XKU-1"])
async def test_the_record_of_another_key_is_not_accepted(office: Bench[Connector], key: str) -> None:
    """The search finds texts; `-1` is part of `-12`, and anybody may write about somebody's key."""
    await office.connector.submit(changed(ASKED, key=f"{CODE}-12"))
    await office.born({"rincian": f"Bagaimana dengan [{CODE}-1] saya?"})
    await office.born({"kind": "keberatan", "kasus": f"Lihat {CODE}-11"})
    assert await office.connector.find(key) is None


async def test_a_repeated_key_makes_a_second_record_so_nothing_is_sent_again(office: Bench[Connector]) -> None:
    for _ in range(2):
        await office.connector.submit(ASKED)
    assert len(await office.records()) == 2
    assert levels() == {"open": "L1", "withdraw": "L3"}


async def test_the_search_is_a_minute_behind(office: Bench[Connector]) -> None:
    await office.control("quirks", {"index_lag_s": 60})
    await office.connector.submit(ASKED)
    assert await office.connector.find(ASKED.key) is None
    office.clock.forward(seconds=read_manifest(CONNECTORS / "ppid").settle_s)
    assert await office.connector.find(ASKED.key) is not None


async def test_it_is_found_behind_many_others(office: Bench[Connector]) -> None:
    await office.connector.submit(ASKED)
    for number in range(40):
        await office.born({"rincian": f"Tentang {ASKED.key} ({number})"})
    for quirk in (False, True):
        await office.control("quirks", {"shift_pages": quirk})
        found = await office.connector.find(ASKED.key)
        assert found is not None
        assert found.references[0].value == TICKET


# Cancelling.


async def test_a_request_is_cancelled_once(office: Bench[Connector]) -> None:
    await office.connector.submit(ASKED)
    for _ in range(2):
        assert await office.connector.amend(TICKET, GONE) == got(TICKET, GONE.key, "permohonan/4")
    assert (await office.records())[0]["word"] == "4"
    assert len([one for one in await office.journal() if one["path"].endswith("/permohonan-informasi/1")]) == 1


async def test_a_request_that_the_search_does_not_know_yet_is_cancelled(office: Bench[Connector]) -> None:
    await office.control("quirks", {"index_lag_s": 60})
    await office.connector.submit(ASKED)
    await office.connector.amend(TICKET, GONE)
    assert (await office.records())[0]["word"] == "4"


async def test_a_request_that_no_list_shows_yet_is_cancelled_later(office: Bench[Connector]) -> None:
    await office.control("quirks", {"replica_lag_s": 60})
    await office.connector.submit(ASKED)
    with pytest.raises(Retryable) as later:
        await office.connector.amend(TICKET, GONE)
    assert later.value.after == 60
    office.clock.forward(seconds=60)
    await office.connector.amend(TICKET, GONE)
    assert (await office.records())[0]["word"] == "4"


@pytest.mark.parametrize("word", ["2", "3"])
async def test_what_is_answered_is_not_cancelled(office: Bench[Connector], word: str) -> None:
    await office.connector.submit(ASKED)
    await office.advance(TICKET, word)
    with pytest.raises(Rejected):
        await office.connector.amend(TICKET, GONE)
    assert (await office.records())[0]["word"] == word


@pytest.mark.parametrize(("number", "command"), [(1, "message"), (2, "withdraw")])
async def test_messages_and_the_end_of_an_objection_cannot_be_carried(
    office: Bench[Connector], number: int, command: str
) -> None:
    await office.connector.submit(ASKED)
    await office.connector.submit(OBJECTS)
    with pytest.raises(Rejected):
        await office.connector.amend(f"PPID-2026-{number:06d}", msgspec.structs.replace(GONE, command=command))
    assert [record["word"] for record in await office.records()] == ["0", "n"]
