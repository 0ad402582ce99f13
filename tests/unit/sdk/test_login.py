"""Logging in: once for all who were refused with the same credential, and never twice for one request."""

import asyncio

import pytest

from gateway.sdk import Ambiguous, ContractBroken, Rejected, Retryable, Unauthorized
from gateway.sdk.errors import AppError
from gateway.sdk.http import Http
from tests.unit.sdk.rawapp import Behaviour, Got, RawApp, client, response, running


def guarded(valid: set[str], granted: str = "t2") -> Behaviour:
    """An app that knows some tokens and grants one to whoever logs in."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, app: RawApp) -> None:
        while (got := await app.take(reader)) is not None:
            if got.target == "/login":
                valid.add(granted)
                writer.write(response(200, b'{"token": "%s"}' % granted.encode()))
            else:
                known = got.headers.get("authorization", "").removeprefix("Bearer ") in valid
                writer.write(response(200) if known else response(401))
            await writer.drain()

    return behave


class Account:
    """What a connector with a login keeps: its token."""

    def __init__(self, http: Http, token: str | None = "t1") -> None:
        self.http, self.token, self.logins = http, token, 0
        http.login = self.login

    def headers(self) -> dict[str, str]:
        if self.token is None:
            raise Unauthorized("no token yet")
        return {"Authorization": f"Bearer {self.token}"}

    async def login(self) -> None:
        self.logins += 1
        answer = await self.http.call("POST", "/login", write=False, json={})
        self.token = answer.json(dict[str, str])["token"]


def targets(app: RawApp) -> list[str]:
    return [got.target for got in app.got]


def bodies(got: list[Got]) -> set[bytes]:
    return {one.body for one in got if one.target != "/login"}


async def test_an_expired_token_costs_one_login_and_the_write_is_made_again_as_it_was() -> None:
    async with running(guarded(set())) as app, client(app.url) as http:
        account = Account(http)
        await http.call("POST", "/x", write=True, json={"a": 1}, headers=account.headers)
        assert targets(app) == ["/x", "/login", "/x"]
        assert bodies(app.got) == {b'{"a":1}'}


async def test_without_a_token_the_login_comes_first() -> None:
    async with running(guarded(set())) as app, client(app.url) as http:
        account = Account(http, token=None)
        await http.call("POST", "/x", write=True, headers=account.headers)
        assert targets(app) == ["/login", "/x"]


async def test_many_refused_at_once_log_in_once() -> None:
    async with running(guarded(set())) as app, client(app.url) as http:
        account = Account(http)
        await asyncio.gather(*(http.call("POST", "/x", write=True, headers=account.headers) for _ in range(8)))
        assert account.logins == 1


async def test_a_login_that_does_not_help_is_the_end() -> None:
    async with running(guarded(set(), granted="t1")) as app, client(app.url) as http:
        account = Account(http)

        async def useless() -> None:
            account.logins += 1

        http.login = useless
        with pytest.raises(Unauthorized):
            await http.call("POST", "/x", write=True, headers=account.headers)
        assert account.logins == 1
        assert targets(app) == ["/x", "/x"]


async def test_without_login_a_refusal_is_unauthorized_at_once() -> None:
    async with running(guarded(set())) as app, client(app.url) as http:
        with pytest.raises(Unauthorized):
            await http.call("GET", "/x", write=False)
        assert len(app.got) == 1


@pytest.mark.parametrize(
    ("failure", "becomes"),
    [
        (Ambiguous("x"), Retryable),
        (ContractBroken("x"), Retryable),
        (Retryable("x", 5.0), Retryable),
        (Rejected("x"), Unauthorized),
        (Unauthorized("x"), Unauthorized),
    ],
)
async def test_what_goes_wrong_in_a_login_leaves_no_doubt_about_the_write(
    failure: AppError, becomes: type[AppError]
) -> None:
    async with running(guarded(set())) as app, client(app.url) as http:

        async def fails() -> None:
            raise failure

        http.login = fails
        with pytest.raises(becomes) as raised:
            await http.call("POST", "/x", write=True)
        assert type(raised.value) is becomes
        assert targets(app) == ["/x"]


async def test_a_body_that_says_the_token_is_bad_logs_in_too() -> None:
    said: list[bytes] = [b'{"status": "0", "pesan": "Token tidak valid"}', b"{}", b'{"status": "1"}']

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, app: RawApp) -> None:
        while await app.take(reader):
            writer.write(response(200, said.pop(0)))

    def verdict(body: dict[str, str]) -> None:
        if body.get("status") == "0":
            raise Unauthorized("refused")

    async with running(behave) as app, client(app.url) as http:

        async def login() -> None:
            await http.call("POST", "/login", write=False)

        http.login = login
        answer = await http.call("POST", "/x", write=True, body_verdict=verdict)
        assert answer.json(dict[str, str]) == {"status": "1"}
        assert targets(app) == ["/x", "/login", "/x"]


async def test_a_token_among_the_fields_of_a_form_is_asked_for_again_after_a_login() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, app: RawApp) -> None:
        while (got := await app.take(reader)) is not None:
            writer.write(response(200) if got.body == b"TOKEN=t2&isi=a+b" else response(401))

    tokens = ["t1"]

    async def login() -> None:
        tokens.append("t2")

    async with running(behave) as app, client(app.url) as http:
        http.login = login
        await http.call("POST", "/x", write=True, form=lambda: {"TOKEN": tokens[-1], "isi": "a b"})
        assert [got.body for got in app.got] == [b"TOKEN=t1&isi=a+b", b"TOKEN=t2&isi=a+b"]
        assert {got.headers["content-type"] for got in app.got} == {"application/x-www-form-urlencoded"}
