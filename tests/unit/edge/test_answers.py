"""Every error as problem details over a real socket: right status, both languages, nothing of our insides."""

import asyncio
import uuid
from typing import Annotated, Any

import msgspec
import pytest
import structlog
from litestar import Litestar, Request, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.types import ASGIApp
from msgspec import Meta

from gateway.kernel.edge.answers import HANDLERS, last_resort
from gateway.kernel.edge.body import StrictRequest, decode_json
from gateway.kernel.edge.context import RequestContext, trace_of
from gateway.kernel.edge.language import language_of
from gateway.kernel.ledger import Overloaded, Unavailable
from gateway.model.problem import Fault, Problem, refused
from gateway.sdk.entropy import SeededEntropy
from tests.unit.edge.served import HandClock, served

CANARY = "081234567890"


class Note(msgspec.Struct, forbid_unknown_fields=True):
    text: Annotated[str, Meta(max_length=20)]
    case: int | None = None


@get("/things/{code:str}")
async def thing(code: FromPath[str], language: NamedDependency[str]) -> dict[str, str]:
    if code == "none":
        raise Problem("not-found")
    return {"code": code, "language": language}


@get("/numbers/{id:uuid}")
async def numbered(id: FromPath[uuid.UUID]) -> str:  # noqa: A002
    return str(id)


@get("/pages")
async def pages(q: FromQuery[str], limit: Annotated[int, QueryParameter(ge=1, le=100)] = 1) -> str:
    return q * limit


@post("/notes")
async def note(data: JSONBody[Note]) -> dict[str, Any]:
    return msgspec.to_builtins(data)  # type: ignore[no-any-return]


@post("/raw", request_max_body_size=200)
async def raw(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return msgspec.to_builtins(decode_json(await request.body(), Note))  # type: ignore[no-any-return]


@get("/falls/{how:str}")
async def falls(how: FromPath[str]) -> str:
    match how:
        case "key":
            raise KeyError(CANARY)
        case "convert":
            msgspec.convert({"text": 5}, Note)
        case "away":
            raise Unavailable(CANARY)
        case "busy":
            raise Overloaded
        case "many":
            raise refused([Fault(code="bad-phone", pointer="/a"), Fault(code="bad-nik", pointer="/b")])
        case "slow":
            raise Problem("rate-limited", retry_after=7.2)
        case "hook":
            raise Problem("webhook-refused", reason="stale")
    return how


def application() -> ASGIApp:
    app = Litestar(
        [thing, numbered, pages, note, raw, falls],
        exception_handlers={**HANDLERS, Exception: last_resort},
        dependencies={"language": Provide(language_of, sync_to_thread=False)},
        request_class=StrictRequest,
        logging_config=None,
        openapi_config=None,
    )
    return RequestContext(app, HandClock(), SeededEntropy(1))


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "slug"),
    [
        ("GET", "/things/none", {}, 404, "not-found"),
        ("GET", "/nowhere", {}, 404, "not-found"),
        ("GET", "/numbers/12", {}, 404, "not-found"),
        ("PUT", "/pages", {}, 405, "method-not-allowed"),
        ("GET", "/pages", {}, 400, "invalid-parameter"),
        ("GET", "/pages?q=a&limit=0", {}, 400, "invalid-parameter"),
        ("GET", "/pages?q=a&limit=x", {}, 400, "invalid-parameter"),
        ("POST", "/notes", {"data": b""}, 422, "missing-field"),
        ("POST", "/notes", {"data": b"{"}, 400, "malformed-json"),
        ("POST", "/notes", {"data": b'{"text":"a","text":"b"}'}, 400, "duplicate-key"),
        ("POST", "/notes", {"data": b'{"text":"\\u0000"}'}, 422, "bad-text"),
        ("POST", "/notes", {"data": b'{"text":"a","case":"1"}'}, 422, "wrong-type"),
        ("POST", "/notes", {"data": b'{"text":"a","more":1}'}, 422, "unknown-field"),
        ("POST", "/notes", {"data": b'{"text":"' + b"a" * 21 + b'"}'}, 422, "too-long"),
        ("POST", "/notes", {"data": b'{"text":"' + b"a" * 300_000 + b'"}'}, 413, "too-large"),
        ("POST", "/notes", {"data": b"text=a", "headers": {"Content-Type": "text/plain"}}, 415, "media-type"),
        ("POST", "/raw", {"data": b'{"text":"' + b"a" * 300 + b'"}'}, 413, "too-large"),
        ("POST", "/raw", {"data": b'{"text":1}'}, 422, "wrong-type"),
        ("GET", "/falls/key", {}, 500, "internal"),
        ("GET", "/falls/convert", {}, 422, "wrong-type"),
        ("GET", "/falls/away", {}, 503, "unavailable"),
        ("GET", "/falls/busy", {}, 503, "overloaded"),
        ("GET", "/falls/many", {}, 422, "invalid"),
        ("GET", "/falls/slow", {}, 429, "rate-limited"),
        ("GET", "/falls/hook", {}, 401, "webhook-refused"),
    ],
)
async def test_an_error_is_a_problem(method: str, path: str, options: Any, status: int, slug: str) -> None:
    options = {"headers": {"Content-Type": "application/json"}, **options}
    async with served(application()) as call:
        reply = await call(method, path, **options)
        assert reply.status == status
        assert reply.headers["Content-Type"] == "application/problem+json"
        told = reply.json()
        assert told["type"] == f"/problems/{slug}"
        assert told["status"] == status
        assert told["instance"] == path.partition("?")[0]
        assert told["request"] == reply.headers["X-Request-Id"]
        assert reply.headers["Content-Language"] == "id"
        assert "Accept-Language" in reply.headers["Vary"]
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert ("Retry-After" in reply.headers) == (status in {429, 503})
        assert ("WWW-Authenticate" in reply.headers) == (status == 401)
        for inside in (CANARY, "Traceback", "Error", "msgspec", "litestar", "gateway/"):
            assert inside not in reply.body.decode().replace(f'"{path}', "")
        options["headers"] = {**options["headers"], "Accept-Language": "en-GB,id;q=0.5"}
        english = (await call(method, path, **options)).json()
        assert english["type"] == told["type"]
        assert english["title"] != told["title"]


async def test_faults_say_where() -> None:
    async with served(application()) as call:
        told = (await call("GET", "/pages?q=a&limit=200", headers={"Accept-Language": "en"})).json()
        assert told["errors"] == [
            {"parameter": "limit", "code": "out-of-range", "detail": "limit must be <= 100."},
        ]
        told = (await call("GET", "/pages", headers={"Accept-Language": "en"})).json()
        assert told["errors"] == [{"parameter": "q", "code": "missing-field", "detail": "q is required."}]
        told = (await call("POST", "/notes", json={"text": "a", "case": []})).json()
        assert told["errors"][0]["pointer"] == "#/case"
        assert (await call("PUT", "/pages")).headers["Allow"]
        assert (await call("GET", "/falls/slow")).headers["Retry-After"] == "8"


async def test_what_is_good_passes() -> None:
    async with served(application()) as call:
        reply = await call("GET", "/things/x", headers={"Accept-Language": "en"})
        assert reply.json() == {"code": "x", "language": "en"}
        assert (await call("POST", "/notes", json={"text": "a", "case": 1})).json() == {"text": "a", "case": 1}
        assert (await call("POST", "/raw", json={"text": "a"})).status == 201
        for name, value in (("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
                            ("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer")):  # fmt: skip
            assert reply.headers[name] == value


async def test_a_request_has_one_number_that_cannot_smuggle_anything() -> None:
    good = "0123456789abcdef0123456789abcdef"
    dashed = "0189d1c4-8f4e-7000-8000-0123456789ab"
    async with served(application()) as call:
        for number in (good, dashed):
            assert (await call("GET", "/things/x", headers={"X-Request-Id": number})).headers["X-Request-Id"] == number
        drawn = set()
        for number in ("", "081234567890", "7311014107850001", good + "0", "<script>", "a" * 5000):
            made = (await call("GET", "/things/x", headers={"X-Request-Id": number})).headers["X-Request-Id"]
            assert len(made) == 32
            assert made != number
            drawn.add(made)
        assert len(drawn) == 6


async def test_the_log_line_names_the_pattern_and_not_the_path() -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "Authorization": f"Bearer {CANARY}"}
    async with served(application()) as call:
        with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
            reply = await call("GET", f"/things/{CANARY}?q={CANARY}", headers=headers)
            await call("GET", f"/nowhere/{CANARY}")
            await call("GET", "/falls/key")
            await asyncio.sleep(0.01)
    answered = [line for line in lines if line["event"] == "request.answered"]
    first, second, third = answered
    assert first["route"] == "/things/{code}"
    assert first["status"] == 200
    assert first["link"] == trace
    assert first["request"] == reply.headers["X-Request-Id"]
    assert (second["route"], second["status"]) == ("-", 404)
    assert (third["status"], third["log_level"]) == (500, "warning")
    (fell,) = [line for line in lines if line["event"] == "request.fell"]
    assert fell["fault"] == "KeyError"
    assert fell["request"] == third["request"]
    assert CANARY not in str([{key: value for key, value in line.items() if key != "exc_info"} for line in lines])
    assert structlog.contextvars.get_contextvars() == {}


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", None),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", None),
        ("garbage", None),
        ("", None),
    ],
)
def test_traces_are_read_leniently(header: str, trace: str | None) -> None:
    assert trace_of(header) == trace


async def test_raw_rubbish_does_not_fell_it() -> None:
    async with served(application()) as call:
        for request in (
            b"GET /things/%ff%fe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"GET /things/%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"GET /%ed%a0%80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"GET /things/none HTTP/1.1\r\nHost: b@d host\r\nConnection: close\r\n\r\n",
            b"GET /pages?q=%ff&limit=%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"POST /notes HTTP/1.1\r\nHost: x\r\nContent-Length:2\r\nContent-Type: \xff\r\nConnection: close\r\n\r\n{}",
            b"GET /things/none HTTP/1.1\r\nHost: x\r\nAccept-Language: \xff,en\r\nConnection: close\r\n\r\n",
        ):  # fmt: skip
            answer = await call.raw(request)
            assert answer.startswith(b"HTTP/1.1 ")
            assert answer.split(b" ")[1][:1] in (b"2", b"4"), answer
