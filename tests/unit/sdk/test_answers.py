"""What an answer means: the table of verdicts, seen through real answers."""

import asyncio
import gzip
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from gateway.sdk import (
    Ambiguous,
    AppError,
    ContractBroken,
    Document,
    Rejected,
    Retryable,
    Unauthorized,
)
from gateway.sdk.exchange import Call, calling
from tests.unit.sdk.rawapp import FixedClock, client, response, running, says

PAGE = b"<!DOCTYPE html><html>Sedang perbaikan</html>"
PROXY = b"\n <html>502 Bad Gateway</html>"


class Thing(msgspec.Struct):
    id: int


@pytest.mark.parametrize(
    ("answer", "write", "error"),
    [
        (response(500), True, Ambiguous),
        (response(500), False, Retryable),
        (response(502, PROXY), True, Ambiguous),
        (response(502, PROXY), False, Retryable),
        (response(503), True, Ambiguous),
        (response(503, b"{}", "Retry-After: 7"), True, Retryable),
        (response(429), True, Retryable),
        (response(429, PAGE), True, Retryable),
        (response(401), True, Unauthorized),
        (response(403), False, Unauthorized),
        (response(400), True, Rejected),
        (response(404), True, Rejected),
        (response(422), True, Rejected),
        (response(413, PAGE), True, Rejected),
        (response(404, PAGE), True, Ambiguous),
        (response(408), True, Ambiguous),
        (response(422), False, Retryable),
        (response(404, PAGE), False, ContractBroken),
        (response(202), True, Ambiguous),
        (response(202), False, ContractBroken),
        (response(302, b"", "Location: /login"), True, Ambiguous),
        (response(200, PAGE), True, Ambiguous),
        (response(200, PAGE), False, ContractBroken),
        (response(200, PAGE, kind="application/json"), True, Ambiguous),
        (response(200, b'{"id": '), True, Ambiguous),
        (response(200, b'{"id": '), False, ContractBroken),
        (response(200, b'{"id": "1"}'), True, Ambiguous),
        (response(200, b'{"id": "1"}'), False, ContractBroken),
        (response(200, b""), True, Ambiguous),
        (response(200, b"[" * 90_000), False, ContractBroken),
    ],
)
async def test_table(answer: bytes, write: bool, error: type[AppError]) -> None:
    async with running(says(answer)) as app, client(app.url) as http:
        with pytest.raises(error) as raised:
            await http.call("POST", "/", write=write, json={"a": 1}, decode=Thing)
        assert type(raised.value) is error
        assert len(app.got) == 1


async def test_success_and_absence() -> None:
    async with (
        running(says(response(200, b'\xef\xbb\xbf{"id": 3}', kind="text/html"), response(404))) as app,
        client(app.url) as http,
    ):
        found = await http.call("GET", "/", write=False, decode=Thing)
        assert (found.json(Thing), found.absent) == (Thing(3), False)
        assert (await http.call("GET", "/", write=False, decode=Thing)).absent


async def test_overrides_of_the_manifest_come_before_the_table() -> None:
    verdicts = {"write 409": "ambiguous", "read 404": "retryable", "write 500": "rejected"}
    async with (
        running(says(response(409), response(409), response(404), response(500))) as app,
        client(app.url, verdicts=verdicts) as http,
    ):
        with pytest.raises(Ambiguous):
            await http.call("POST", "/", write=True)
        with pytest.raises(Retryable):
            await http.call("GET", "/", write=False)
        with pytest.raises(Retryable):
            await http.call("GET", "/", write=False)
        with pytest.raises(Rejected):
            await http.call("POST", "/", write=True)


def envelope(body: dict[str, Any]) -> None:
    if body.get("success") is False:
        raise Rejected(body["message"], field="place.village")


@pytest.mark.parametrize("status", [200, 422, 400])
async def test_a_body_verdict_speaks_for_successes_and_refusals(status: int) -> None:
    body = b'{"success": false, "message": "Desa tidak terdaftar"}'
    async with running(says(response(status, body))) as app, client(app.url) as http:
        with pytest.raises(Rejected, match="Desa tidak terdaftar") as raised:
            await http.call("POST", "/", write=True, body_verdict=envelope)
        assert raised.value.field == "place.village"


@pytest.mark.parametrize("status", [200, 400])
async def test_a_body_that_is_not_decoded_is_judged_as_it_came(status: int) -> None:
    """With half an emoji in one row the whole would not decode; its neighbours count."""
    body = b'{"status": "0", "data": ["\\ud83d"]}'

    def envelope(raw: bytes) -> None:
        assert raw == body
        raise Unauthorized("it says so")

    async with running(says(response(status, body))) as app, client(app.url) as http:
        with pytest.raises(Unauthorized):
            await http.call("POST", "/", write=False, decode=bytes, body_verdict=envelope)


async def test_a_body_verdict_is_not_asked_about_absence_or_what_it_cannot_read() -> None:
    def never(body: Any) -> None:
        raise AssertionError(f"asked about {body!r}")

    async with (
        running(says(response(404, b'{"success": false}'), response(500), response(422, b"no"))) as app,
        client(app.url) as http,
    ):
        assert (await http.call("GET", "/", write=False, body_verdict=never)).absent
        with pytest.raises(Ambiguous):
            await http.call("POST", "/", write=True, body_verdict=never)
        with pytest.raises(Rejected):
            await http.call("POST", "/", write=True, body_verdict=never)


NOW = datetime(2026, 1, 28, 4, 0, 0, tzinfo=UTC)
WRONG = NOW - timedelta(hours=3)


def http_date(at: datetime) -> str:
    return at.strftime("%a, %d %b %Y %H:%M:%S GMT")


@pytest.mark.parametrize(
    ("lines", "after"),
    [
        (["Retry-After: 30"], 30.0),
        (["Retry-After: 0"], 0.0),
        ([f"Retry-After: {http_date(NOW + timedelta(seconds=90))}"], 90.0),
        ([f"Retry-After: {http_date(WRONG + timedelta(seconds=20))}", f"Date: {http_date(WRONG)}"], 20.0),
        ([f"Retry-After: {http_date(NOW - timedelta(seconds=90))}"], 0.0),
        (["Retry-After: 99999999999999999999"], 86400.0),
        (["Retry-After: soon"], None),
        (["Retry-After: -5"], None),
        ([], None),
    ],
)
async def test_slow_down_in_both_forms(lines: list[str], after: float | None) -> None:
    async with running(says(response(429, b"{}", *lines))) as app, client(app.url) as http:
        with pytest.raises(Retryable) as raised:
            await http.call("POST", "/", write=True)
        assert raised.value.after == after


async def test_after_slow_down_nothing_is_sent_until_then() -> None:
    async with (
        running(says(response(429, b"{}", "Retry-After: 1"), response(200))) as app,
        client(app.url) as http,
    ):
        with pytest.raises(Retryable):
            await http.call("GET", "/", write=False)
        deadline = asyncio.get_running_loop().time() + 0.5
        with calling(Call(deadline)), pytest.raises(Retryable) as raised:
            await http.call("GET", "/", write=False)
        assert raised.value.after is not None
        assert 0.5 < raised.value.after <= 1.0
        assert len(app.got) == 1
        await http.call("GET", "/", write=False)
        assert app.got[1].at - app.got[0].at >= 1.0


async def test_redirects_stay_within_the_app_and_are_for_reads() -> None:
    moved = response(302, b"", "Location: /v2/things?a=1")
    async with (
        running(says(moved, response(200, b'{"id": 1}'), response(301, b"", "Location: //else.where/"))) as app,
        client(app.url) as http,
    ):
        assert (await http.call("GET", "/v1", write=False)).json(Thing) == Thing(1)
        assert [got.target for got in app.got] == ["/v1", "/v2/things?a=1"]
        with pytest.raises(ContractBroken, match="another host"):
            await http.call("GET", "/v1", write=False)
    async with running(says(response(302, b"", "Location: /again"))) as app, client(app.url) as http:
        with pytest.raises(ContractBroken):
            await http.call("GET", "/", write=False)
        assert len(app.got) == 3


async def test_links_lead_to_the_app_itself_or_nowhere() -> None:
    async with running(says(response(200, b"\x89PNG", kind="image/png"))) as app, client(app.url + "/api") as http:
        answer = await http.call("GET", f"{app.url}/files/1?sig=x", write=False, decode=bytes)
        assert (answer.body, app.got[0].target) == (b"\x89PNG", "/files/1?sig=x")
        for link in ("http://127.0.0.1:1/x", f"https://127.0.0.1:{app.port}/x", f"http://localhost:{app.port}/"):
            with pytest.raises(ContractBroken):
                await http.call("GET", link, write=False)
        assert len(app.got) == 1


async def test_a_bomb_costs_no_memory() -> None:
    bomb = gzip.compress(b"0" * 80_000_000, 9)
    assert len(bomb) < 100_000
    async with running(says(response(200, bomb, "Content-Encoding: gzip"))) as app, client(app.url) as http:
        tracemalloc.start()
        try:
            with pytest.raises(ContractBroken):
                await http.call("GET", "/", write=False)
            assert tracemalloc.get_traced_memory()[1] < 5_000_000
        finally:
            tracemalloc.stop()


async def test_compressed_answers_are_unpacked() -> None:
    packed = gzip.compress(b'{"id": 9}')
    async with running(says(response(200, packed, "Content-Encoding: gzip"))) as app, client(app.url) as http:
        assert (await http.call("GET", "/", write=False)).json(Thing) == Thing(9)
        assert app.got[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("skew", "followed"),
    [(timedelta(minutes=12), True), (timedelta(minutes=-25), True), (timedelta(days=10), False), (timedelta(0), True)],
)
async def test_the_apps_clock_is_followed_within_reason(skew: timedelta, followed: bool) -> None:
    async with (
        running(says(response(200, b"{}", f"Date: {http_date(NOW + skew)}"))) as app,
        client(app.url, clock=FixedClock(NOW)) as http,
    ):
        assert http.app_now() == NOW
        await http.call("GET", "/", write=False)
        assert abs(http.app_now() - (NOW + skew if followed else NOW)) < timedelta(seconds=2)
        assert http.skew is not None


async def test_bodies_arrive_as_they_were_given_and_equal_attempts_are_equal_bytes() -> None:
    photo = Document(name='a"b.jpg', media_type="image/jpeg", content=b"\xff\xd8" * 400_000)
    async with running(says(response(200))) as app, client(app.url) as http:
        for _ in range(2):
            await http.call("POST", "/j", write=True, json={"nama": "ᨔᨘ 🙂"}, query={"a": "x y&z", "b": None, "n": 3})
            await http.call("POST", "/f", write=True, form=[("a", "1"), ("a", "ü +"), ("b", None)])
            await http.call("POST", "/m", write=True, multipart=[("judul", "banjir"), ("foto", photo)])
        json, form, multi, *again = app.got
        assert [got.body for got in again] == [json.body, form.body, multi.body]
        assert json.target == "/j?a=x%20y%26z&n=3"
        assert msgspec.json.decode(json.body) == {"nama": "ᨔᨘ 🙂"}
        assert (form.body, form.headers["content-type"]) == (
            b"a=1&a=%C3%BC+%2B",
            "application/x-www-form-urlencoded",
        )
        assert photo.content is not None
        assert photo.content in multi.body
        assert b'filename="a%22b.jpg"\r\nContent-Type: image/jpeg' in multi.body
        assert multi.headers["content-type"].startswith("multipart/form-data; boundary=part-")


async def test_a_path_stays_within_its_segment_and_its_app() -> None:
    async with running(says(response(200))) as app, client(app.url + "/base/") as http:
        with calling(Call()) as call:
            await http.call("GET", "/v1/{ref}/x", values={"ref": "a/../b?c=d#e%2F"}, write=False)
        assert app.got[0].target == "/base/v1/a%2F..%2Fb%3Fc%3Dd%23e%252F/x"
        assert call.exchanges[0].path == "/v1/{ref}/x"
        for path, values in (("/v1/../x", {}), ("/{a}", {"a": ".."}), ("//else", {}), ("x", {}), ("/{b}", {})):
            with pytest.raises(Rejected):
                await http.call("GET", path, values=values, write=False)
        with pytest.raises(Rejected, match="line break"):
            await http.call("GET", "/", write=False, headers={"X-A": "a\r\nX-B: b"})
        assert len(app.got) == 1


async def test_in_shadow_nothing_is_written() -> None:
    async with running(says(response(200))) as app, client(app.url, writes=False) as http:
        await http.call("POST", "/search", write=False, json={})
        with pytest.raises(Retryable, match="shadow"):
            await http.call("POST", "/", write=True, json={})
        assert len(app.got) == 1


async def test_no_secret_in_a_message() -> None:
    def tell(_: Any) -> None:
        raise Rejected("Token abcdef1234 tidak valid")

    redact: Callable[[str], str] = lambda text: text.replace("abcdef1234", "***")  # noqa: E731
    async with running(says(response(200))) as app, client(app.url, redact=redact) as http:
        with pytest.raises(Rejected) as raised:
            await http.call("GET", "/", write=False, body_verdict=tell)
        assert raised.value.message == str(raised.value) == "Token *** tidak valid"
