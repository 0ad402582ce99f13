"""Answers of PPID that are lost, cut or none at all; who is asking, and how often."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from connectors.ppid.connector import Connector
from connectors.ppid.test_ppid import ASKED, CODE, GONE, OBJECTS, TICKET, changed
from gateway.sdk import Ambiguous, App, ContractBroken, Rejected, Retryable, Submission, Unauthorized
from gateway.sdk.manifest import read_manifest
from gateway.sdk.sandbox import read_sandbox, serving
from tests.faults.proxy import LOST, Fault, Proxy, answer_of, hangs_up_unread, says
from tests.sandboxes import CONNECTORS, Bench, StillClock, app_at, bench, connector_of, setting_of

WAYS = {**LOST, "hangs_up_unread": hangs_up_unread}
TOKEN = "GATEWAY_PPID_TOKEN"


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench("ppid", tmp_path, Connector) as made:
        yield made


@asynccontextmanager
async def on_a_line(folder: Path) -> AsyncIterator[tuple[Connector, Proxy]]:
    """A connector whose requests go over a line that can be told to lose them; it has no patience."""
    clock = StillClock()
    sandbox = read_sandbox("ppid", [CONNECTORS])(setting_of("ppid", folder, clock))
    sandbox.store.set_quirk("unlimited", True)
    async with serving(sandbox) as address:
        line = Proxy(target=address)
        await line.start()
        app = app_at("ppid", line.url, clock)
        hasty = msgspec.structs.replace(app.manifest.timeouts, total=1.5)
        app.manifest = msgspec.structs.replace(app.manifest, timeouts=hasty)
        try:
            yield connector_of(app, Connector), line
        finally:
            await app.close()
            await line.stop()


def told(body: Any, status: int = 200) -> Fault:
    """Answer in the app's place."""
    return says(answer_of(status, body if isinstance(body, bytes) else json.dumps(body).encode()))


# Lost answers.


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("submission", [ASKED, OBJECTS], ids=["request", "objection"])
async def test_a_lost_answer_is_unsure_and_the_search_knows(tmp_path: Path, way: str, submission: Submission) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        await connector.submit(changed(ASKED, key=f"{CODE}-9"))  # what the objection is to
        line.when(lambda seen: seen.method == "POST", WAYS[way], name=way)
        with pytest.raises(Ambiguous):
            await connector.submit(submission)
        if way == "arrives_late":
            await asyncio.sleep(1.5)
        found = await connector.find(submission.key)
        assert line.injected == {way: 1}
        assert len(line.requests("POST")) == 2, "a connector sends once"
    assert (None if found is None else found.references[0].value) == (
        None if way == "hangs_up_unread" else "PPID-2026-000002"
    )


@pytest.mark.parametrize("way", WAYS)
async def test_a_lost_answer_to_a_cancelling_is_unsure_and_to_cancel_again_is_harmless(
    tmp_path: Path, way: str
) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        await connector.submit(ASKED)
        line.when(lambda seen: seen.method == "POST", WAYS[way], name=way)
        with pytest.raises(Ambiguous):
            await connector.amend(TICKET, GONE)
        if way == "arrives_late":
            await asyncio.sleep(1.5)
        again = await connector.amend(TICKET, GONE)
        assert (again.word, again.key) == ("permohonan/4", GONE.key)
        assert line.injected == {way: 1}
        assert len(line.requests("POST", "/permohonan-informasi/1")) == (2 if way == "hangs_up_unread" else 1)


async def test_a_request_that_was_never_sent_is_no_doubt(tmp_path: Path) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        async with line.down():
            with pytest.raises(Retryable):
                await connector.submit(ASKED)
        assert await connector.find(ASKED.key) is None


@pytest.mark.parametrize("way", ["hangs", "cuts_in_body", "says_500", "says_html", "truncates_json"])
async def test_a_lost_search_is_never_absence(tmp_path: Path, way: str) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        await connector.submit(ASKED)
        for path in ("/api/admin/permohonan-informasi", "/api/admin/pengajuan-keberatan"):
            line.when(lambda seen, path=path: path in seen.path, LOST[way], name=path)  # type: ignore[misc]
            with pytest.raises((Retryable, ContractBroken)):
                await connector.find(OBJECTS.key)
        assert sum(line.injected.values()) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (told({"message": "The given data was invalid.", "errors": {"rincian": ["wajib"]}}, 422), Rejected),
        (told({"message": "The given data was invalid.", "errors": ["rincian"]}, 422), Rejected),
        (told({"message": "Unauthenticated."}, 401), Unauthorized),
        (told({"message": "Forbidden"}, 403), Unauthorized),
        (told({"message": "Not Found"}, 404), Rejected),
        (told({"message": "Too Many Attempts."}, 429), Retryable),
        (told({"message": "Server Error"}, 500), Ambiguous),
        (told({"message": "Server Error"}, 503), Ambiguous),
        (told(b"", 302), Ambiguous),
        (told({"success": False, "data": {"id": 1, "tiket": TICKET}}), Ambiguous),
        (told({"success": True}, 201), Ambiguous),
        (told({"success": True, "data": {"id": 1}}, 201), Ambiguous),
        (told([], 201), Ambiguous),
    ],
)
async def test_an_answer_to_a_request_is_a_receipt_or_says_what_is_next(
    tmp_path: Path, answer: Fault, error: type[Exception]
) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        line.when(lambda seen: seen.method == "POST", answer, times=2)
        with pytest.raises(error):
            await connector.submit(ASKED)
        assert sum(line.injected.values()) == (2 if error is Unauthorized else 1)


EMPTY: dict[str, Any] = {"current_page": 1, "data": [], "last_page": 1, "total": 0}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (told({"message": "Unauthenticated."}, 401), Unauthorized),
        (told({"message": "Not Found"}, 404), Retryable),
        (told({"success": False, "data": EMPTY}), ContractBroken),
        (told({"success": True}), ContractBroken),
        (told({"success": True, "data": []}), ContractBroken),
        (told({"success": True, "data": EMPTY | {"current_page": 2}}), ContractBroken),
        (told({"success": True, "data": EMPTY | {"last_page": "1"}}), ContractBroken),
        (told({"success": True, "data": EMPTY | {"total": 1}}), ContractBroken),
        (told({"success": True, "data": EMPTY | {"data": None}}), ContractBroken),
        (told(b"[]"), ContractBroken),
        (told(b'{"data":' * 5000), ContractBroken),
    ],
)
async def test_what_is_no_whole_list_is_never_absence(tmp_path: Path, answer: Fault, error: type[Exception]) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        line.when(lambda seen: "pengajuan-keberatan" in seen.path, answer, times=4)
        with pytest.raises(error):
            await connector.find(ASKED.key)


async def test_an_empty_list_is_absence(tmp_path: Path) -> None:
    async with on_a_line(tmp_path) as (connector, line):
        line.when(lambda seen: True, told({"success": True, "data": EMPTY}), times=2)
        assert await connector.find(ASKED.key) is None


# Who is asking, and how often.


async def test_whoever_does_not_ask_for_json_gets_the_login_page(office: Bench[Connector]) -> None:
    headers = {"Authorization": "Bearer sandbox-ppid-TOKEN"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for method, path in (("GET", "/api/admin/permohonan-informasi"), ("POST", "/api/public/permohonan-informasi")):
            async with session.request(method, office.address + path, allow_redirects=False) as answer:
                assert (answer.status, answer.headers["Location"]) == (302, f"{office.address}/login")
    await office.connector.submit(ASKED)
    assert len(await office.records()) == 1


def with_token(office: Bench[Connector], **environ: str) -> App:
    """Return what a connector is given that has another token."""
    return app_at("ppid", office.address, office.clock, secrets=environ)


async def test_a_token_is_replaced_while_in_use(tmp_path: Path) -> None:
    """The gateway's file names the old and the new one; the app changes over in between."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.write_text("1|old\n")
    theirs.write_text("1|old\n")
    clock = StillClock()
    setting = msgspec.structs.replace(setting_of("ppid", tmp_path, clock), environ={f"{TOKEN}_FILE": str(theirs)})
    sandbox = read_sandbox("ppid", [CONNECTORS])(setting)
    sandbox.store.set_quirk("unlimited", True)
    async with serving(sandbox) as address:
        app = app_at("ppid", address, clock, secrets={f"{TOKEN}_FILE": str(ours)})
        connector = connector_of(app, Connector)
        await connector.submit(ASKED)
        ours.write_text("1|old\n2|brand-new\n")
        await connector.submit(changed(ASKED, key=f"{CODE}-2"))
        theirs.write_text("2|brand-new\n")
        await connector.submit(changed(ASKED, key=f"{CODE}-3"))
        assert await connector.find(f"{CODE}-3") is not None
        ours.write_text("2|brand-new\n")
        await connector.submit(changed(ASKED, key=f"{CODE}-4"))
        await app.close()
    assert [record.key for record in sandbox.store.records.values()] == [f"{CODE}-{n}" for n in (1, 2, 3, 4)]


async def test_a_token_that_is_refused_is_told_apart(office: Bench[Connector]) -> None:
    app = with_token(office, **{TOKEN: "7|not-the-token"})
    with pytest.raises(Unauthorized) as refused:
        await connector_of(app, Connector).find(ASKED.key)
    await app.close()
    assert "not-the-token" not in str(refused.value)
    assert [request["status"] for request in await office.journal()] == [401, 401]


async def test_the_limit_of_the_app_is_obeyed(tmp_path: Path) -> None:
    async with bench("ppid", tmp_path, Connector, unlimited=False) as made:
        assert made.app.manifest.limits.rate_per_s * 60 <= made.sandbox.limit[0]
        start = asyncio.get_running_loop().time()
        assert await made.connector.find(ASKED.key) is None
        assert asyncio.get_running_loop().time() - start >= 1.0, "two requests, a second apart"
        assert [request["status"] for request in await made.journal()] == [200, 200]
        hurried = app_at("ppid", made.address, made.clock)
        connector = connector_of(hurried, Connector)
        with pytest.raises(Retryable) as later:
            await asyncio.gather(*(connector.find(f"{CODE}-{n}") for n in range(1, 40)))
        await hurried.close()
        assert later.value.after == 1
        assert {request["status"] for request in await made.journal()} == {200, 429}


def test_what_the_app_promises() -> None:
    manifest = read_manifest(CONNECTORS / "ppid")
    assert (manifest.settle_s, manifest.echoes_key) == (60, False)
    assert {command.value: level for command, level in manifest.levels.items()} == {"open": "L1", "withdraw": "L3"}
    assert "place.point" not in manifest.shares
