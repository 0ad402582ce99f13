"""What the loss of an answer means, on real sockets: never sent is safe to send again, anything later is not."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.sdk import Ambiguous, ContractBroken, Retryable
from gateway.sdk.exchange import Call, calling
from gateway.sdk.http import _cause, _PrivateAddress
from gateway.sdk.trip import Trip
from tests.unit.sdk.rawapp import Behaviour, client, cuts, drips, hangs, response, running, says

ANSWER = response(201, b'{"id": 1}')
LOST: dict[str, Behaviour] = {
    "hung up before the request": cuts(after_request=False),
    "hung up after the request": cuts(),
    "reset after the request": cuts(reset=True),
    "hangs before the request": hangs(after_request=False),
    "hangs after the request": hangs(),
    "cut in the status line": cuts(ANSWER[:7]),
    "cut in the headers": cuts(ANSWER[:40]),
    "cut before the body": cuts(ANSWER[: ANSWER.index(b"{")]),
    "cut in the body": cuts(ANSWER[:-3]),
    "hangs in the body": hangs(ANSWER[:-3]),
    "drips": drips(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b"x", 0.01),
    "drips headers": drips(b"HTTP/1.1 200 OK\r\nX-A: ", b"x", 0.01),
    "cut between chunks": cuts(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("way", LOST)
async def test_a_write_whose_answer_is_lost_is_ambiguous_and_was_made_once(way: str, method: str) -> None:
    async with running(LOST[way]) as app, client(app.url, total=0.3) as http:
        with calling(Call()) as call, pytest.raises(Ambiguous):
            await http.call(method, "/v1/things", write=True, json={"a": 1})
        assert app.connections == 1
        assert len(call.exchanges) == 1
        exchange = call.exchanges[0]
        assert (exchange.status, exchange.sent, exchange.write) == (None, True, True)
        assert exchange.cause in {"cut", "timeout"}


@pytest.mark.parametrize("way", LOST)
async def test_a_read_whose_answer_is_lost_is_made_again_by_the_gateway_not_by_the_client(way: str) -> None:
    async with running(LOST[way]) as app, client(app.url, total=1.0) as http:
        with pytest.raises(Retryable):
            await http.call("GET", "/v1/things", write=False)
        assert app.connections == 1


async def test_a_stale_connection_loses_no_write() -> None:
    """The app drops every connection after one answer without saying so; each write gets a fresh one."""
    async with running(cuts(ANSWER)) as app, client(app.url) as http:
        for number in range(3):
            answer = await http.call("POST", "/v1/things", write=True, json={"n": number})
            assert answer.json(dict[str, int]) == {"id": 1}
        assert app.connections == 3


@contextlib.asynccontextmanager
async def refusing() -> AsyncIterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


async def test_refused_was_never_sent() -> None:
    async with refusing() as url, client(url) as http:
        for write in (True, False):
            with calling(Call()) as call, pytest.raises(Retryable):
                await http.call("POST", "/", write=write, json={})
            assert [(e.sent, e.cause) for e in call.exchanges] == [(False, "connect_failed")]


async def test_tls_that_fails_was_never_sent() -> None:
    async with (
        running(cuts(b"HTTP/1.1 400 Bad Request\r\n\r\n", after_request=False)) as app,
        client(app.url.replace("http://", "https://")) as http,
    ):
        with calling(Call()) as call, pytest.raises(Retryable):
            await http.call("POST", "/", write=True, json={})
    assert not call.exchanges[0].sent
    assert call.exchanges[0].cause in {"tls", "connect_failed"}
    assert app.got == []


async def test_a_handshake_that_hangs_was_never_sent() -> None:
    async with (
        running(hangs(after_request=False)) as app,
        client(app.url.replace("http://", "https://"), total=0.3) as http,
    ):
        with calling(Call()) as call, pytest.raises(Retryable):
            await http.call("POST", "/", write=True, json={})
    assert (call.exchanges[0].sent, call.exchanges[0].cause) == (False, "connect_timeout")


def test_a_name_that_leads_nowhere_or_inside_has_its_own_cause() -> None:
    key = aiohttp.client_reqrep.ConnectionKey("nowhere", 80, False, True, None, None, None)
    error = aiohttp.ClientConnectorDNSError(key, OSError("no such name"))
    assert _cause(error, sent=False) == "dns"
    error.__cause__ = _PrivateAddress("inside")
    assert _cause(error, sent=False) == "private_address"


async def test_an_address_from_somebody_else_may_not_lead_inside() -> None:
    async with running(says(response(200))) as app:
        with pytest.raises(ValueError, match="leads inside"):
            async with client(app.url, trusted=False):
                pass
        async with client(f"http://localhost:{app.port}", trusted=False) as http:
            with calling(Call()) as call, pytest.raises(Retryable):
                await http.call("GET", "/", write=False)
            assert call.exchanges[0].cause == "private_address"
        async with client(f"http://localhost:{app.port}") as http:
            assert (await http.call("GET", "/", write=False)).status == 200
    assert len(app.got) == 1


@pytest.mark.parametrize("left", [-1.0, 0.0])
async def test_after_its_deadline_a_write_is_not_begun(left: float) -> None:
    async with running(says(ANSWER)) as app, client(app.url) as http:
        deadline = asyncio.get_running_loop().time() + left
        with calling(Call(deadline)) as call, pytest.raises(Retryable):
            await http.call("POST", "/", write=True, json={})
        assert app.connections == 0
        assert not any(exchange.sent for exchange in call.exchanges)


@pytest.mark.parametrize("size", [400_000, 3_000_000])
async def test_no_byte_leaves_after_the_deadline(size: int) -> None:
    """The app reads nothing, so most of a body waits in buffers; once time is up it must never arrive."""
    received = 0
    go_on, ended = asyncio.Event(), asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        await go_on.wait()
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(65536):
                received += len(part)
        ended.set()
        writer.close()

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listening.bind(("127.0.0.1", 0))
        server = await asyncio.start_server(late, sock=listening, limit=1024)
        async with client(f"http://127.0.0.1:{listening.getsockname()[1]}", total=0.3) as http:
            with pytest.raises(Ambiguous):
                await http.call("POST", "/", write=True, json="x" * size)
            go_on.set()
            await asyncio.wait_for(ended.wait(), 5)
        server.close()
    assert received < 150_000, "what was buffered when time was up was sent afterwards"


async def test_the_last_gate_before_the_first_byte() -> None:
    """A loop that was held up between connecting and writing must not write late."""
    trip = Trip(-0.001, None, lambda: 0.0)
    with pytest.raises(TimeoutError):
        trip.leaving()
    assert not trip.sent


async def test_a_cancelled_write_leaves_its_evidence() -> None:
    async with running(hangs()) as app, client(app.url) as http:
        with calling(Call()) as call:
            task = asyncio.create_task(http.call("POST", "/", write=True, json={}))
            await asyncio.wait_for(app.asked.wait(), 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert [(e.sent, e.cause) for e in call.exchanges] == [(True, "cancelled")]
        await asyncio.wait_for(app.gone.wait(), 1)


@pytest.mark.parametrize(
    ("way", "cause"),
    [
        (cuts(b"NOT HTTP AT ALL\r\n\r\n"), "not_http"),
        (says(response(200, b"x" * 100_001)), "too_large"),
        (cuts(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 200_000), "too_large"),
        (says(response(200, b"{}", "Content-Encoding: br")), "unreadable"),
        (says(response(200, b"{}", "Content-Encoding: gzip")), "unreadable"),
    ],
)
async def test_an_answer_outside_http_or_its_limits(way: Behaviour, cause: str) -> None:
    async with running(way) as app, client(app.url) as http:
        for write, error in ((True, Ambiguous), (False, ContractBroken)):
            with calling(Call()) as call, pytest.raises(error):
                await http.call("POST", "/", write=write, json={})
            assert call.exchanges[0].cause == cause
