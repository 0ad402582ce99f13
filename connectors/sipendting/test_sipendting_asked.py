"""Si-PeNDTING when it matters who asks: look-ups, additions, signatures, limits, a key that is replaced."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.sipendting.connector import Connector
from connectors.sipendting.test_sipendting import CHILD, CODE, LEVY, MORE, ROAD, changed, got
from connectors.sipendting.test_sipendting_lost import on_a_line, told
from gateway.sdk import (
    ContractBroken,
    Document,
    Rejected,
    Retryable,
    Unauthorized,
)
from gateway.sdk.sandbox import development_secret, read_sandbox, serving
from tests.sandboxes import CONNECTORS, Bench, StillClock, app_at, bench, connector_of, secrets_of, setting_of

Act = Callable[[Connector], Awaitable[Any]]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench("sipendting", tmp_path, Connector) as made:
        yield made


# Looking up.


async def test_a_repeated_key_makes_a_second_report_so_it_is_looked_up(office: Bench[Connector]) -> None:
    for _ in range(2):
        await office.connector.submit(ROAD)
    assert len(await office.records()) == 2
    assert await office.connector.find(ROAD.key) == got(1, ROAD.key, "pengaduan/1")


async def test_reports_of_both_profiles_are_found_and_nothing_else(office: Bench[Connector]) -> None:
    for number, (submission, word) in enumerate(((ROAD, "pengaduan/1"), (CHILD, "stunting/1")), start=1):
        assert await office.connector.find(submission.key) is None
        await office.connector.submit(submission)
        assert await office.connector.find(submission.key) == got(number, submission.key, word)
    assert await office.connector.find(f"{CODE}-31") is None


async def test_an_addition_is_found_in_our_reports_and_in_those_born_there(office: Bench[Connector]) -> None:
    await office.connector.submit(ROAD)
    await office.born({"isi": "Lampu mati"})
    await office.born({"profil": "stunting"})
    for number in (1, 2, 3):
        key = f"{CODE}-{number + 10}"
        assert await office.connector.find(key) is None
        await office.connector.amend(f"PDT-2026-{number:06d}", msgspec.structs.replace(MORE, key=key))
        assert await office.connector.find(key) == got(number, key)
    assert await office.connector.find(f"{CODE}-31") is None


async def test_an_addition_is_found_among_many_changes_of_days(office: Bench[Connector]) -> None:
    for number in range(70):
        await office.born({"isi": str(number)})
    await office.connector.amend("PDT-2026-000035", MORE)
    assert await office.connector.find(MORE.key) == got(35, MORE.key)
    office.clock.forward(days=3)
    assert await office.connector.find(MORE.key) == got(35, MORE.key)
    await office.advance("PDT-2026-000035", "4")
    assert await office.connector.find(MORE.key) == got(35, MORE.key)


async def test_an_addition_that_moves_up_while_we_look_is_found(office: Bench[Connector]) -> None:
    """Between two pages a report of the first changes again: the first of the second moves up, past us."""
    for number in range(30):
        await office.born({"isi": str(number)})
        office.clock.forward(seconds=1)
    await office.connector.amend("PDT-2026-000010", MORE)
    for number in range(12):
        await office.born({"isi": str(number)})
        office.clock.forward(seconds=1)
    for number in range(1, 10):
        await office.advance(f"PDT-2026-{number:06d}", "2")
        office.clock.forward(seconds=1)
    # Ours is now the 21st of the day: the first on its second page.
    sandbox = office.sandbox
    seen: list[str] = []

    def answer(call: Any, usual: Any = sandbox.answer) -> Any:
        reply = usual(call)
        if call.path.endswith("/2026-01-28/1") and not seen:
            seen.append(call.path)
            sandbox.advance(sandbox.store.records["PDT-2026-000011"], "2", None, None, {})
        return reply

    sandbox.answer = answer  # type: ignore[method-assign]
    assert await office.connector.find(MORE.key) == got(10, MORE.key)
    assert seen


async def test_the_report_of_another_key_is_not_accepted(office: Bench[Connector]) -> None:
    await office.connector.submit(ROAD)
    office.sandbox.store._keys[f"laporan {CODE}-31"] = "PDT-2026-000001"
    with pytest.raises(ContractBroken):
        await office.connector.find(f"{CODE}-31")


async def test_another_report_than_the_one_asked_for_is_not_accepted(tmp_path: Path) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        await connector.submit(LEVY)
        line.when(lambda seen: True, told("200", "Ok", {"no_laporan": "PDT-2026-000001", "profil": "pengaduan"}), 2)
        with pytest.raises(ContractBroken):
            await connector.read("PDT-2026-000002", None)
        with pytest.raises(ContractBroken):
            await connector.amend("PDT-2026-000002", MORE)


# Additions.


async def test_a_message_is_an_addition_and_files_are_mentioned(office: Bench[Connector]) -> None:
    await office.connector.submit(ROAD)
    kept = Document(name="a.png", media_type="image/png", content=b"x")
    more = msgspec.structs.replace(MORE, documents=(kept,), attributes={"depth_cm": 40})
    assert await office.connector.amend("PDT-2026-000001", more) == got(1, MORE.key)
    (record,) = await office.records()
    lines = "Sekarang longsor juga 🌧\ndepth cm: 40\n(1 lampiran lain ada di laporan BRU-7Q4M-2XKT)"
    assert record["messages"] == [{"key": MORE.key, "text": lines}]
    assert record["word"] == "1"


@pytest.mark.parametrize(("number", "command"), [(1, "withdraw"), (9, "message")])
async def test_what_cannot_be_carried_is_refused(office: Bench[Connector], number: int, command: str) -> None:
    await office.connector.submit(ROAD)
    with pytest.raises(Rejected):
        await office.connector.amend(f"PDT-2026-{number:06d}", msgspec.structs.replace(MORE, command=command))
    assert (await office.records())[0]["messages"] == []


async def test_a_message_that_is_too_long_is_refused_by_name(office: Bench[Connector]) -> None:
    await office.connector.submit(ROAD)
    with pytest.raises(Rejected) as refused:
        await office.connector.amend("PDT-2026-000001", msgspec.structs.replace(MORE, text="x" * 5_001))
    assert refused.value.field == "description"


async def test_a_report_that_goes_while_we_add_to_it_is_refused(tmp_path: Path) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        await connector.submit(ROAD)
        line.when(lambda seen: seen.method == "POST", told("201", "Data tidak ditemukan"))
        with pytest.raises(Rejected):
            await connector.amend("PDT-2026-000001", MORE)


# Who is asking, and how often.


@pytest.mark.parametrize("off_s", [-900, -301, 301, 900])
async def test_we_sign_in_the_time_of_the_app(office: Bench[Connector], off_s: int) -> None:
    await office.control("quirks", {"clock_offset_s": off_s})
    await office.connector.submit(ROAD)
    await office.connector.submit(LEVY)
    assert [request["status"] for request in await office.journal()] == [401, 200, 200]
    assert len(await office.records()) == 2


async def test_a_clock_that_is_moved_while_we_work_loses_nothing(office: Bench[Connector]) -> None:
    await office.connector.submit(ROAD)
    await office.control("quirks", {"clock_offset_s": 900})
    await office.connector.submit(LEVY)
    await office.control("quirks", {"clock_offset_s": 0})
    assert await office.connector.find(LEVY.key) == got(2, LEVY.key, "pengaduan/1")
    assert [request["status"] for request in await office.journal()] == [200, 401, 200, 401, 200]


async def test_a_clock_hours_off_is_not_followed(office: Bench[Connector]) -> None:
    await office.control("quirks", {"clock_offset_s": 7200})
    with pytest.raises(Unauthorized):
        await office.connector.submit(ROAD)
    assert await office.records() == []


async def test_a_wrong_key_is_told_apart(office: Bench[Connector]) -> None:
    wrong = {**secrets_of("sipendting"), "GATEWAY_SIPENDTING_SECRET_KEY": "not-the-key"}
    app = app_at("sipendting", office.address, office.clock, secrets=wrong)
    with pytest.raises(Unauthorized) as refused:
        await connector_of(app, Connector).submit(ROAD)
    await app.close()
    assert "not-the-key" not in str(refused.value)
    assert [request["status"] for request in await office.journal()] == [401, 401]
    assert await office.records() == []


async def test_secrets_leave_only_as_a_signature(tmp_path: Path) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        await connector.submit(ROAD)
        await connector.find(MORE.key)
        await connector.catalogue()
        assert line.seen
        for name in ("SECRET_KEY", "CALLBACK_TOKEN"):
            assert all(development_secret("sipendting", name).encode() not in seen.raw for seen in line.seen)


async def test_a_key_is_replaced_while_in_use(tmp_path: Path) -> None:
    """Either side may change first: while both keys stand in a file, both count."""
    files = {side: tmp_path / side for side in ("ours", "theirs")}
    for file in files.values():
        file.write_text("old-key-of-us\n")
    clock = StillClock()
    environ = {
        side: {**secrets_of("sipendting"), "GATEWAY_SIPENDTING_SECRET_KEY_FILE": str(file)}
        for side, file in files.items()
    }
    for one in environ.values():
        del one["GATEWAY_SIPENDTING_SECRET_KEY"]
    setting = msgspec.structs.replace(setting_of("sipendting", tmp_path, clock), environ=environ["theirs"])
    sandbox = read_sandbox("sipendting", [CONNECTORS])(setting)
    sandbox.store.set_quirk("unlimited", True)
    async with serving(sandbox) as address:
        app = app_at("sipendting", address, clock, secrets=environ["ours"])
        connector = connector_of(app, Connector)
        number = 0
        for side, keys in (
            ("ours", "old-key-of-us\nnew-key-of-us"),
            ("theirs", "new-key-of-us"),
            ("ours", "new-key-of-us"),
            ("ours", "new-key-of-us\nnewest-key-of-us"),
            ("theirs", "new-key-of-us\nnewest-key-of-us"),
            ("ours", "newest-key-of-us"),
            ("theirs", "newest-key-of-us"),
        ):
            files[side].write_text(keys)
            number += 1
            await connector.submit(changed(LEVY, key=f"{CODE}-{number}"))
            assert await connector.find(f"{CODE}-{number}") is not None
        await app.close()
    assert len(sandbox.store.records) == number


async def test_the_limit_of_the_app_is_obeyed(tmp_path: Path) -> None:
    async with bench("sipendting", tmp_path, Connector, unlimited=False) as made:
        await asyncio.gather(*(made.connector.submit(changed(LEVY, key=f"{CODE}-{n}")) for n in range(1, 22)))
        assert {request["status"] for request in await made.journal()} == {200}
        app = app_at("sipendting", made.address, made.clock)
        impatient = connector_of(app, Connector)
        ends = await asyncio.gather(*(impatient.catalogue() for _ in range(10)), return_exceptions=True)
        await app.close()
        refused = [end for end in ends if isinstance(end, Retryable)]
        assert refused
        assert {end.after for end in refused} == {1}


async def test_what_was_accepted_survives_the_end_of_the_app(tmp_path: Path) -> None:
    clock = StillClock()
    for _ in range(2):
        async with bench("sipendting", tmp_path, Connector, clock=clock) as made:
            if not await made.records():
                await made.connector.submit(ROAD)
                await made.connector.amend("PDT-2026-000001", MORE)
        clock.forward(minutes=1)
    async with bench("sipendting", tmp_path, Connector, clock=clock) as made:
        assert await made.connector.find(ROAD.key) == got(1, ROAD.key, "pengaduan/1")
        assert await made.connector.find(MORE.key) == got(1, MORE.key)
        assert await made.connector.submit(LEVY) == got(2, LEVY.key, "pengaduan/1")
