"""Looking up in Singgah Di Barru, comments, and who is asking, how often."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.singgah_di_barru.connector import Connector
from connectors.singgah_di_barru.test_singgah_di_barru import (
    APP,
    CODE,
    LEVY,
    MORE,
    RAILING,
    TOKEN,
    changed,
    got,
)
from gateway.sdk import ContractBroken, Rejected, Retryable, Unauthorized
from gateway.sdk.exchange import Call, calling
from tests.sandboxes import MORNING, Bench, app_at, bench, connector_of, secrets_of


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench(APP, tmp_path, Connector) as made:
        yield made


# Looking up.


async def test_a_repeated_key_makes_a_second_report_so_it_is_looked_up(desk: Bench[Connector]) -> None:
    for _ in range(2):
        await desk.connector.submit(RAILING)
    assert len(await desk.records()) == 2
    assert await desk.connector.find(RAILING.key) == got(1, RAILING.key, "baru")


async def test_a_report_is_found_and_nothing_else(desk: Bench[Connector]) -> None:
    assert await desk.connector.find(RAILING.key) is None
    await desk.connector.submit(changed(RAILING, key=f"{CODE}-11"))
    assert await desk.connector.find(RAILING.key) is None
    await desk.connector.submit(RAILING)
    await desk.advance("2", "selesai")
    desk.clock.forward(days=40)
    assert await desk.connector.find(RAILING.key) == got(2, RAILING.key, "selesai")


async def test_a_comment_is_found_in_our_reports_and_in_those_born_there(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    born = await desk.born({"isi": "Tangga licin"})
    for reference, key in (("1", MORE.key), (born, f"{CODE}-11")):
        assert await desk.connector.find(key) is None
        await desk.connector.amend(reference, msgspec.structs.replace(MORE, key=key))
        assert await desk.connector.find(key) == got(int(reference), key, at=None)
    assert await desk.connector.find(f"{CODE}-8") is None


async def test_a_comment_is_found_behind_many_changes_and_for_days(desk: Bench[Connector]) -> None:
    born = [await desk.born({"isi": str(number)}) for number in range(120)]
    await desk.connector.amend(born[60], MORE)
    for _ in range(2):
        assert await desk.connector.find(MORE.key) == got(61, MORE.key, at=None)
        desk.clock.forward(days=4)


async def test_somebody_elses_half_an_emoji_does_not_hide_our_comment(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    await desk.connector.amend("1", MORE)
    record = desk.sandbox.store.records["1"]
    talk = json.dumps([{"id": "9", "isi": "\ud83d"}, *json.loads(record.row["komentar"])])
    desk.sandbox.store.put(msgspec.structs.replace(record, row={**record.row, "komentar": talk}))
    assert await desk.connector.find(MORE.key) == got(1, MORE.key, at=None)


async def test_the_report_of_another_key_is_not_accepted(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    record = desk.sandbox.store.records["1"]
    desk.sandbox.store.put(msgspec.structs.replace(record, key=f"{CODE}-11"))
    with pytest.raises(ContractBroken):
        await desk.connector.find(f"{CODE}-11")


# Comments.


async def test_a_comment_arrives(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    desk.clock.forward(minutes=5)
    receipt = await desk.connector.amend("1", MORE)
    assert receipt == got(1, MORE.key, at=MORNING + timedelta(minutes=5))
    (record,) = await desk.records()
    assert record["messages"] == [{"key": MORE.key, "text": MORE.text}]
    assert record["fields"]["tgl_update"] == "28-01-2026 10:20:30"


@pytest.mark.parametrize(("reference", "command"), [("1", "withdraw"), ("99", "message"), ("x", "message")])
async def test_what_cannot_be_carried_is_refused(desk: Bench[Connector], reference: str, command: str) -> None:
    await desk.connector.submit(RAILING)
    with pytest.raises(Rejected):
        await desk.connector.amend(reference, msgspec.structs.replace(MORE, command=command))
    assert (await desk.records())[0]["messages"] == []


# Who is asking, and how often.


async def test_a_wrong_token_is_unauthorized_whatever_was_asked(desk: Bench[Connector]) -> None:
    wrong = {"GATEWAY_SINGGAH_DI_BARRU_KEYTOKEN": "not-the-token"}
    app = app_at(APP, desk.address, desk.clock, secrets=wrong)
    connector = connector_of(app, Connector)
    acts: list[Awaitable[Any]] = [
        connector.submit(RAILING),
        connector.amend("1", MORE),
        connector.find(RAILING.key),
        connector.poll(None),
        connector.catalogue(),
    ]
    call = Call()
    with calling(call):
        for act in acts:
            with pytest.raises(Unauthorized) as refused:
                await act
            assert "not-the-token" not in str(refused.value)
    await app.close()
    assert len(call.exchanges) == 2 * len(acts)  # the token is read once more: it may just have been replaced
    assert "not-the-token" not in repr(call.exchanges)
    journal = await desk.journal()
    assert len(journal) == 2 * len(acts)
    assert "not-the-token" not in json.dumps(journal)


async def test_a_token_is_replaced_while_it_is_in_use(tmp_path: Path) -> None:
    """Old and new stand in one file; whichever the app knows is found at once, and nothing is lost."""
    name, file = "GATEWAY_SINGGAH_DI_BARRU_KEYTOKEN", tmp_path / "token"
    file.write_text("the-old-token\nthe-new-token\n")
    async with bench(APP, tmp_path, Connector) as made:
        app = app_at(APP, made.address, made.clock, secrets={f"{name}_FILE": str(file)})
        connector = connector_of(app, Connector)
        for number, known in enumerate(("the-old-token", "the-new-token", "the-old-token the-new-token"), start=1):
            made.sandbox.setting = msgspec.structs.replace(made.sandbox.setting, environ={name: known})
            await connector.submit(changed(RAILING, key=f"{CODE}-{number}"))
            await connector.poll(None)
        file.write_text("the-newest-token")
        made.sandbox.setting = msgspec.structs.replace(made.sandbox.setting, environ={name: "the-newest-token"})
        await connector.submit(changed(RAILING, key=f"{CODE}-4"))
        await app.close()
        assert len(await made.records()) == 4


async def test_the_journal_of_the_simulated_app_keeps_no_token(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    journal = json.dumps(await desk.journal())
    assert "KEYTOKEN=***" in journal
    assert TOKEN not in journal
    assert secrets_of(APP) == {"GATEWAY_SINGGAH_DI_BARRU_KEYTOKEN": TOKEN}


async def test_the_limit_of_the_app_is_obeyed(tmp_path: Path) -> None:
    async with bench(APP, tmp_path, Connector, unlimited=False) as made:
        await asyncio.gather(*(made.connector.submit(changed(LEVY, key=f"{CODE}-{n}")) for n in range(1, 5)))
        assert {request["status"] for request in await made.journal()} == {200}
        app = app_at(APP, made.address, made.clock)
        impatient = connector_of(app, Connector)
        with pytest.raises(Retryable) as later:
            await asyncio.gather(*(impatient.catalogue() for _ in range(4)))
        await app.close()
        assert later.value.after == 1
