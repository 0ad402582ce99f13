"""Calls into connectors: whatever foreign code does, there is an outcome, and a lost write is never called undone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.kernel.host import Host
from gateway.model.delivery import Verdict
from gateway.sdk import Amendment, Hook, Look, Person, Submission, Unreadable
from tests.unit.host.apps import CONNECTOR, MANIFEST, environ, host, logged, write
from tests.unit.sdk.rawapp import Behaviour, RawApp, cuts, hangs, response, running, says

AT = datetime(2026, 1, 28, tzinfo=UTC)
KEY = "BRU-0000-0000-1"
SUBMISSION = Submission(
    key=KEY, code="BRU-0000-0000", service="IN-ROAD", category="jalan", profile=None, priority="P2",
    title="Jalan", text="Jalan rusak", occurred_at=AT, received_at=AT, reporter=Person(phone="+62811"),
)  # fmt: skip
NOTE = Amendment(key="BRU-0000-0000-2", code="BRU-0000-0000", command="message", text="halo", at=AT)
CREATED = response(201, b'{"id": 7}')


@asynccontextmanager
async def hosted(
    folder: Path, *plan: Behaviour, connector: str = CONNECTOR, manifest: str = MANIFEST
) -> AsyncIterator[tuple[Host, RawApp]]:
    write(folder, connector=connector, manifest=manifest)
    async with running(*plan) as app:
        made = host(folder, environ(url=app.url))
        assert made.apps() == ["ppid"]
        try:
            yield made, app
        finally:
            await made.close()


def submits(body: str) -> str:
    """The connector with another submit."""
    before, _, after = CONNECTOR.partition("    async def submit(self, submission):\n")
    rest = after[after.index("    async def amend") :]
    return f"{before}    async def submit(self, submission):\n        {body}\n\n{rest}"


async def test_a_receipt_is_accepted_and_the_exchange_kept(tmp_path: Path) -> None:
    async with hosted(tmp_path, says(CREATED)) as (made, app):
        outcome = await made.submit("ppid", SUBMISSION)
        assert (outcome.verdict, outcome.http, outcome.sent, outcome.cause) == (Verdict.ACCEPTED, 201, True, "")
        assert outcome.receipt is not None
        assert outcome.receipt.references[0].value == "7"
        assert app.got[0].headers["authorization"] == "Bearer k-secret-1"
        assert b"+62811" not in app.got[0].body


async def test_reading(tmp_path: Path) -> None:
    async with hosted(tmp_path, says(response(404), response(200, b'{"id": 7}'), response(200))) as (made, _):
        absent = await made.find("ppid", KEY)
        assert (absent.verdict, absent.absent, absent.receipt) == (Verdict.ABSENT, True, None)
        assert (await made.find("ppid", KEY)).verdict is Verdict.ACCEPTED
        page = await made.poll("ppid", None)
        assert page.batch is not None
        assert (page.verdict, page.batch.cursor, page.sent) == (Verdict.ACCEPTED, "2", False)
        record = await made.read("ppid", "7", None)
        assert record.batch is not None
        assert [item.id for item in record.batch.news] == ["e7"]


@pytest.mark.parametrize(
    ("way", "verdict", "cause"),
    [
        (cuts(), Verdict.AMBIGUOUS, "cut"),
        (hangs(), Verdict.AMBIGUOUS, "timeout"),
        (says(response(500)), Verdict.AMBIGUOUS, "http_500"),
        (says(response(200, b"<html>")), Verdict.AMBIGUOUS, "unreadable"),
        (says(response(201, b'{"idd": 7}')), Verdict.AMBIGUOUS, "connector_error"),
        (says(response(201, b"[]")), Verdict.AMBIGUOUS, "unreadable"),
        (says(response(422)), Verdict.REJECTED, "refused"),
        (says(response(429, b"{}", "Retry-After: 9")), Verdict.RETRY, "http_429"),
        (says(response(401)), Verdict.UNAUTHORIZED, "unauthorized"),
    ],
)
async def test_writes(tmp_path: Path, way: Behaviour, verdict: Verdict, cause: str) -> None:
    async with hosted(tmp_path, way) as (made, app):
        outcome = await made.submit("ppid", SUBMISSION)
        assert (outcome.verdict, outcome.cause) == (verdict, cause)
        assert outcome.after == (9.0 if cause == "http_429" else None)
        assert len(app.got) == len(outcome.exchanges) == 1


@pytest.mark.parametrize(
    ("way", "verdict", "cause"),
    [
        (cuts(), Verdict.RETRY, "cut"),
        (hangs(), Verdict.RETRY, "timeout"),
        (says(response(500)), Verdict.RETRY, "http_500"),
        (says(response(200, b"<html>")), Verdict.BROKEN, "unreadable"),
        (says(response(200, b'{"idd": 7}')), Verdict.BROKEN, "connector_error"),
    ],
)
async def test_looks(tmp_path: Path, way: Behaviour, verdict: Verdict, cause: str) -> None:
    async with hosted(tmp_path, way) as (made, _):
        outcome = await made.find("ppid", KEY)
        assert (outcome.verdict, outcome.cause, outcome.absent) == (verdict, cause, False)


@pytest.mark.parametrize(
    "body",
    [
        "raise KeyError('x')",
        "raise StopAsyncIteration",
        "raise BaseException('even this')",
        "return None",
        "return 'fine'",
        "import asyncio; asyncio.current_task().cancel(); await asyncio.sleep(0)",
        "raise Ambiguous('I think')",
        "return Receipt(references=())",
        "return Receipt(references=(Reference('id', 'x' * 121),))",
        "return Receipt(references=(Reference('id', 'a\\x00b'),))",
        "return Receipt(references='nonsense')",
        "return Receipt(references=(Reference('id', '1'),), at=datetime(2026, 1, 1))",
        "return Receipt(references=(Reference('id', '1'),), key='BRU-1111-1111-1')",
    ],
)
async def test_foreign_code_leaves_a_write_in_doubt_and_the_gateway_standing(tmp_path: Path, body: str) -> None:
    async with hosted(tmp_path, says(CREATED), connector=submits(body)) as (made, _):
        outcome = await made.submit("ppid", SUBMISSION)
        assert (outcome.verdict, outcome.receipt) == (Verdict.AMBIGUOUS, None)
        if "BRU-1111" in body:
            assert outcome.cause == "foreign_receipt"


POST = "answer = await self.http.call('POST', '/reports', write=True, json={})"
LATER = "await self.http.call('GET', '/later', write=False)"
CAUGHT = f"""try:
            {POST}
        except Ambiguous:
            raise Retryable('surely nothing happened') from None"""


@pytest.mark.parametrize(
    ("body", "plan", "verdict"),
    [
        (f"{POST}; {LATER}", says(CREATED, response(500)), Verdict.AMBIGUOUS),
        (f"{POST}; {LATER}", says(CREATED, response(429)), Verdict.AMBIGUOUS),
        (f"{POST}; {LATER}", says(CREATED, response(401)), Verdict.AMBIGUOUS),
        (f"{POST}; {POST}", says(CREATED, response(422)), Verdict.AMBIGUOUS),
        (f"{POST}; raise Rejected('the body says no')", says(CREATED), Verdict.REJECTED),
        (CAUGHT, cuts(), Verdict.AMBIGUOUS),
        (f"{LATER}; {POST}", says(response(200), response(422)), Verdict.REJECTED),
        (f"{LATER}; {POST}", says(response(500)), Verdict.RETRY),
    ],
)
async def test_what_follows_a_write_cannot_undo_it(
    tmp_path: Path, body: str, plan: Behaviour, verdict: Verdict
) -> None:
    """A connector that asks something after its write and fails there must not have the write sent again."""
    async with hosted(tmp_path, plan, connector=submits(body)) as (made, _):
        assert (await made.submit("ppid", SUBMISSION)).verdict is verdict


async def test_a_connector_that_hangs_is_ended_and_one_that_will_not_end_is_left(tmp_path: Path) -> None:
    stubborn = """import asyncio
        while True:
            try:
                await asyncio.sleep(3)
                return None
            except asyncio.CancelledError:
                self.cancelled = True"""
    async with hosted(tmp_path, says(CREATED), connector=submits(stubborn)) as (made, _):
        start = asyncio.get_running_loop().time()
        outcome = await made.submit("ppid", SUBMISSION, deadline_s=0.1)
        assert asyncio.get_running_loop().time() - start < 2
        assert (outcome.verdict, outcome.cause) == (Verdict.AMBIGUOUS, "timeout")
        slow = CONNECTOR.replace("async def find(self, key):", "async def find(self, key):\n        " + SLEEP)
    async with hosted(tmp_path / "b", says(CREATED), connector=slow) as (made, _):
        outcome = await made.find("ppid", KEY, deadline_s=0.1)
        assert (outcome.verdict, outcome.cause) == (Verdict.RETRY, "timeout")


SLEEP = "import asyncio; await asyncio.sleep(9)"


async def test_who_stops_the_gateway_stops_the_call(tmp_path: Path) -> None:
    async with hosted(tmp_path, hangs()) as (made, app):
        task = asyncio.create_task(made.submit("ppid", SUBMISSION))
        await asyncio.wait_for(app.asked.wait(), 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(app.gone.wait(), 1)


async def test_messages_without_secrets_and_causes_without_the_apps_words(tmp_path: Path) -> None:
    body = "raise Rejected('Token k-secret-1 dari Hasan tidak valid', field='reporter.name')"
    async with hosted(tmp_path, says(CREATED), connector=submits(body)) as (made, _):
        outcome = await made.submit("ppid", SUBMISSION)
        assert (outcome.message, outcome.field) == ("Token *** dari Hasan tidak valid", "reporter.name")
        assert (outcome.verdict, outcome.cause) == (Verdict.REJECTED, "refused")


async def test_amendments(tmp_path: Path) -> None:
    async with hosted(tmp_path, says(response(200), response(500))) as (made, app):
        assert (await made.amend("ppid", "7/8", NOTE)).verdict is Verdict.ACCEPTED
        assert app.got[0].target == "/reports/7%2F8/notes"
        withdrawal = Amendment(key=KEY, code="BRU-0000-0000", command="withdraw", text="", at=AT)
        refused = await made.amend("ppid", "7", withdrawal)
        assert (refused.verdict, refused.cause) == (Verdict.REJECTED, "cannot")
        assert len(app.got) == 1


async def test_a_service_without_a_word_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    async with hosted(tmp_path, says(CREATED)) as (made, app):
        prepared, shared = made.prepare("ppid", None, SUBMISSION)
        assert (prepared.category, prepared.reporter, shared) == ("jalan", Person(), ("description",))
        unknown = Submission(
            **{name: getattr(SUBMISSION, name) for name in SUBMISSION.__struct_fields__} | {"service": "XX"}
        )
        prepared, _ = made.prepare("ppid", None, unknown)
        outcome = await made.submit("ppid", prepared)
        assert (outcome.verdict, outcome.cause) == (Verdict.REJECTED, "no_category")
        assert app.got == []


async def test_in_shadow_reads_go_on_and_writes_wait(tmp_path: Path) -> None:
    async with hosted(tmp_path, says(response(200)), manifest='mode = "shadow"\n' + MANIFEST) as (made, app):
        for outcome in (await made.submit("ppid", SUBMISSION), await made.amend("ppid", "7", NOTE)):
            assert (outcome.verdict, outcome.cause) == (Verdict.RETRY, "shadow")
        assert (await made.poll("ppid", None)).verdict is Verdict.ACCEPTED
        assert len(app.got) == 1


async def test_an_app_that_is_off_takes_nothing(tmp_path: Path) -> None:
    write(tmp_path)
    made = host(tmp_path, {})
    outcome = await made.submit("ppid", SUBMISSION)
    assert (outcome.verdict, outcome.cause) == (Verdict.RETRY, "off")
    assert not made.ready("ppid")
    assert not made.has_webhook("ppid")


@pytest.mark.parametrize(
    "body",
    [
        "raise KeyError(hook.body)",
        "raise ContractBroken('no')",
        "return None",
        "return [1]",
        "return 7",
        "[][1]",
        "def again(): again()\n        again()",
    ],
)
async def test_a_body_nobody_understands_is_an_outcome(tmp_path: Path, body: str) -> None:
    connector = CONNECTOR.replace("return [wire.event(hook.body.decode())]", body)
    async with hosted(tmp_path, says(CREATED), connector=connector) as (made, _):
        outcome = made.receive("ppid", Hook(headers={}, body=b"\xff{", received_at=AT))
        assert outcome.verdict is Verdict.BROKEN
        assert outcome.batch is None


async def test_webhooks_from_proof_to_news(tmp_path: Path) -> None:
    async with hosted(tmp_path, says(CREATED)) as (made, _):
        assert made.has_webhook("ppid")
        hook = made.verify("ppid", {"Authorization": "Bearer h-secret-1"}, b"5")
        outcome = made.receive("ppid", hook)
        assert outcome.batch is not None
        assert [item.id for item in outcome.batch.news] == ["e5"]


async def test_a_static_token_carries_hints_only(tmp_path: Path) -> None:
    manifest = MANIFEST.replace('"bearer"', '"static-token"\nsignature_header = "x-token"')
    news = (
        "[wire.event('5'), Look(id='l', reference=Reference('id', '6')), Tally(id='t', kind='k', at=datetime.now(UTC))]"
    )
    connector = CONNECTOR.replace("[wire.event(hook.body.decode())]", news)
    async with hosted(tmp_path, says(CREATED), manifest=manifest, connector=connector) as (made, _):
        outcome = made.receive("ppid", made.verify("ppid", {"x-token": "h-secret-1"}, b"5"))
        assert outcome.batch is not None
        assert [(type(item), item.id) for item in outcome.batch.news] == [(Look, "e5"), (Look, "l")]


async def test_unsound_news_is_quarantined_and_its_neighbours_go_on(tmp_path: Path) -> None:
    bad = (
        "from msgspec.structs import replace as r; e = wire.event; n = datetime(2026, 1, 1)\n        "
        "return Batch(news=[e('1'), r(e('2'), at=n), r(e('3'), word='w' * 81), r(e('4'), id='x' * 201), "
        "r(e('5'), word='a\\x00'), r(e('6'), seq=-1), r(e('7'), references=None), r(e('8'), id='\\ud800'), e('9')])"
    )
    connector = CONNECTOR.replace("return Batch(news=[wire.event(reference)])", bad)
    async with hosted(tmp_path, says(CREATED), connector=connector) as (made, _):
        outcome = await made.read("ppid", "1", None)
        assert outcome.batch is not None
        news = outcome.batch.news
        assert [item.id for item in news if not isinstance(item, Unreadable)] == ["e1", "e9"]
        assert [item.reason for item in news if isinstance(item, Unreadable)] == [
            "time without a zone", "word is too long", "id is too long", "word is no text",
            "sequence out of range", "not of its type", "id is no text",
        ]  # fmt: skip
        for item in news:
            item.id.encode()


async def test_an_app_that_goes_away_is_told_once_and_once_when_it_is_back(tmp_path: Path) -> None:
    plan = [cuts(), cuts(), cuts(), says(CREATED)]
    async with hosted(tmp_path, *plan) as (made, _):
        with logged() as lines:
            for _ in range(5):
                await made.submit("ppid", SUBMISSION)
        assert [(line["event"], line["connector"]) for line in lines] == [
            ("connector.away", "ppid"),
            ("connector.back", "ppid"),
        ]
        assert all(line["cause"] for line in lines)


async def test_a_refused_credential_pauses_the_app_until_there_is_another(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    write(tmp_path)
    async with running(says(response(401)), says(response(401)), says(CREATED)) as app:
        made = host(tmp_path, environ(url=app.url, KEY="", KEY_FILE=str(file)))
        with logged() as lines:
            assert made.ready("ppid")
            assert (await made.submit("ppid", SUBMISSION)).verdict is Verdict.UNAUTHORIZED
            assert not made.ready("ppid")
            paused = await made.find("ppid", KEY)
            assert (paused.verdict, paused.cause) == (Verdict.RETRY, "paused")
            assert paused.after is not None
            assert 0 < paused.after <= 60
            assert len(app.got) == 1
            file.write_text("newer")
            assert made.ready("ppid")
            assert (await made.submit("ppid", SUBMISSION)).verdict is Verdict.UNAUTHORIZED
            file.write_text("newest")
            assert (await made.submit("ppid", SUBMISSION)).verdict is Verdict.ACCEPTED
            assert made.ready("ppid")
        assert [got.headers["authorization"] for got in app.got] == ["Bearer old", "Bearer newer", "Bearer newest"]
        assert [line["event"] for line in lines] == ["connector.paused", "connector.resumed"]
        await made.close()


async def test_an_app_that_wants_rest_is_not_ready_until_then(tmp_path: Path) -> None:
    async with hosted(tmp_path, says(response(429, b"{}", "Retry-After: 1"))) as (made, _):
        assert (await made.submit("ppid", SUBMISSION)).after == 1.0
        assert not made.ready("ppid")
        await asyncio.sleep(1.05)
        assert made.ready("ppid")
