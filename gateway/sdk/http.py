"""The one way out: an HTTP client that knows what a lost answer means.

Every request is paced, bounded in time and size, judged by one table and recorded. It is made once: nothing here
sends a write again but after a refusal by which the app said that it did nothing. Writes use a fresh connection
each, so that no stale one loses them and everything unsent can be thrown away when their time is up.
"""

import asyncio
import io
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextvars import ContextVar
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway.sdk.address import base_fault, is_public, literal_host
from gateway.sdk.bodies import Parts, Query, TooLarge, Unpackable, encode, unpack
from gateway.sdk.clock import Clock
from gateway.sdk.errors import Ambiguous, AppError, ContractBroken, Rejected, Retryable, Unauthorized
from gateway.sdk.exchange import LEFT_ALONE, Answer, Call, Exchange, current_call, digest
from gateway.sdk.manifest import ErrorName, Limits, Timeouts
from gateway.sdk.pace import Pace
from gateway.sdk.request import Headers, Request, headers_of, redirected, shown_path, url_of
from gateway.sdk.trip import Trip, open_socket
from gateway.sdk.verdicts import BodyVerdict, Expected, http_date, judge, lost, retry_after

TRUSTED_SKEW: Final = timedelta(minutes=30)
"""By how much an app's clock may be off and still be followed; beyond, the gateway's own time holds."""
_NOISE: Final = timedelta(seconds=2)
"""A Date has whole seconds and travelled a while: what is this small is no skew."""
_REDIRECTS: Final = 3
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_LEAVE_ALONE: Final = frozenset({429, 503})
"""Statuses whose Retry-After holds for every request to the app."""
_KEEP_S: Final = 4.0
"""Idle connections for reads are dropped before the shortest usual server does (5 s)."""
_LARGE: Final = 1 << 19
"""Bodies from this size are written piece by piece."""
_LOGGING_IN: ContextVar[bool] = ContextVar("gateway_sdk_logging_in", default=False)


class Http:
    """The client of one app.

    `base_url` is what the operator configured and may therefore lie inside; with `trusted=False` (an address
    that somebody else gave) only public addresses are connected to. `writes=False` refuses every write: the app
    is in shadow. `login` is called once when the app answers that it does not know us.
    """

    def __init__(
        self,
        base_url: str,
        *,
        clock: Clock,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        verdicts: Mapping[str, ErrorName] | None = None,
        redact: Callable[[str], str] = str,
        login: Callable[[], Awaitable[None]] | None = None,
        writes: bool = True,
        trusted: bool = True,
    ) -> None:
        if fault := base_fault(base_url):
            raise ValueError(f"the base URL cannot be used: {fault}")
        host = literal_host(base_url)
        if host is not None and not trusted and not is_public(host):
            raise ValueError("the base URL cannot be used: it leads inside")
        self.login = login
        self.skew: timedelta | None = None
        self._base = base_url.rstrip("/")
        self._clock = clock
        self._limits = limits or Limits()
        self._timeouts = timeouts or Timeouts()
        self._verdicts = dict(verdicts or {})
        self._redact = redact
        self._writes = writes
        self._trusted = trusted
        self.pace = Pace(self._limits.rate_per_s, self._limits.concurrency)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._logins = 0
        self._login_lock = asyncio.Lock()

    @property
    def exchanges(self) -> list[Exchange]:
        """What the current call has exchanged so far."""
        call = current_call()
        return [] if call is None else call.exchanges

    def app_now(self) -> datetime:
        """Return the app's time, as far as its clock can be followed (see TRUSTED_SKEW).

        `skew` is by how much that clock was last seen ahead of ours, None before the first answer.
        """
        now = self._clock.now()
        return now + self.skew if self.skew is not None and abs(self.skew) <= TRUSTED_SKEW else now

    async def call(
        self,
        method: str,
        path: str,
        *,
        write: bool,
        values: Mapping[str, object] | None = None,
        query: Query | None = None,
        json: object = None,
        form: Query | Callable[[], Query] | None = None,
        multipart: Parts | None = None,
        headers: Headers | None = None,
        expect: Collection[int] = (200, 201),
        missing: Collection[int] = (404,),
        body_verdict: BodyVerdict | None = None,
        decode: type[Any] | None = None,
        max_bytes: int | None = None,
    ) -> Answer:
        """Make one request and return its answer, or raise one of the five errors.

        `path` follows the base URL, unquoted; `{names}` in it are filled from `values`, each quoted so that it
        stays one segment. An absolute URL must lead to the app's own origin. `write` tells whether the app may
        change something by it, whatever the method. `decode` is the form of every success (`bytes`: not JSON);
        `body_verdict` gets each envelope so decoded, of success and refusal alike. A `headers` provider that
        raises Unauthorized asks for a login first; a `form` provider is asked again after one, for apps that want
        their token among the fields. `max_bytes` is what the answer may have, where that is not as the manifest says.
        """
        if write and not self._writes:
            raise Retryable("the app is in shadow: nothing is written to it")
        body, content_type = encode(json, form() if callable(form) else form, multipart)
        request = Request(
            method=method,
            url=url_of(self._base, path, values or {}, query, write),
            shown=shown_path(path),
            write=write,
            body=body,
            content_type=content_type,
            headers=headers or {},
            max_bytes=max_bytes,
        )
        expected = Expected(
            statuses=expect,
            missing=missing,
            decode=decode,
            body_verdict=body_verdict,
            overrides=self._verdicts,
        )
        seen = self._logins
        try:
            return await self._judged(request, expected)
        except Unauthorized:
            if self.login is None or _LOGGING_IN.get():
                raise
        await self._log_in(self.login, seen)
        if callable(form):
            request = msgspec.structs.replace(request, body=encode(None, form(), None)[0])
        return await self._judged(request, expected)

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def _judged(self, request: Request, expected: Expected) -> Answer:
        try:
            return judge(await self._followed(request), expected, self.app_now())
        except AppError as error:
            error.message = self._redact(error.message)
            error.args = (error.message,)
            raise

    async def _followed(self, request: Request) -> Answer:
        """Make a request; a plain read follows redirects within the app's own origin."""
        for _ in range(_REDIRECTS):
            answer = await self._once(request)
            if answer.status not in _MOVED or request.write or request.method not in {"GET", "HEAD"}:
                return answer
            target = redirected(self._base, request.url, answer.headers.get("location", ""))
            request = msgspec.structs.replace(request, url=target)
        raise ContractBroken("redirects without an end")

    async def _once(self, request: Request) -> Answer:
        call = current_call() or Call()
        async with self.pace.turn(call.deadline, urgent=call.urgent):
            headers = headers_of(request)
            trip = Trip(self._timeouts.total, call.deadline, self.pace.resting)
            sent_at, start = self._clock.now(), self._clock.monotonic()
            answer: Answer | None = None
            cause = "cancelled"
            try:
                async with trip.bounded():
                    answer = await self._exchange(request, headers, trip)
            except (OSError, aiohttp.ClientError, Unpackable) as error:
                cause = LEFT_ALONE if trip.held else _cause(error, trip.sent)
            finally:
                latency = self._clock.monotonic() - start
                call.exchanges.append(
                    Exchange(
                        method=request.method,
                        path=request.shown,
                        write=request.write,
                        status=answer.status if answer else None,
                        latency_ms=round(latency * 1000),
                        request_digest=digest(request.body),
                        response_digest=digest(answer.body) if answer else None,
                        sent_at=sent_at,
                        got_at=self._clock.now(),
                        sent=trip.sent,
                        cause=None if answer else cause,
                    )
                )
            # Before the turn is given on: whoever waits for it must not go earlier than the app allows.
            if answer is not None and answer.status in _LEAVE_ALONE:
                self.pace.rest(retry_after(answer.headers, self.app_now()) or 0.0)
        if trip.held:
            raise Retryable("the app asked to be left alone", self.pace.resting())
        if answer is None:
            raise lost(cause, trip.sent, request.write)
        self._measure(answer, sent_at + timedelta(seconds=latency / 2))
        return answer

    async def _exchange(self, request: Request, headers: Mapping[str, str], trip: Trip) -> Answer:
        body = io.BytesIO(request.body) if len(request.body) >= _LARGE else request.body or None
        response = await self._session(request.write).request(
            request.method,
            URL(request.url, encoded=True),
            data=body,
            headers=headers,
            allow_redirects=False,
            trace_request_ctx=trip,
        )
        try:
            content = await _read(response, request.max_bytes or self._limits.max_response_bytes)
        finally:
            response.close() if request.write else response.release()
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=content,
            write=request.write,
        )

    def _measure(self, answer: Answer, midway: datetime) -> None:
        said = http_date(answer.headers.get("date", ""))
        if said is not None:
            skew = said + timedelta(seconds=0.5) - midway
            self.skew = timedelta(0) if abs(skew) <= _NOISE else skew

    async def _log_in(self, login: Callable[[], Awaitable[None]], seen: int) -> None:
        """Log in once for all who were refused with the same credential.

        Whatever goes wrong here, the request itself was refused and has changed nothing.
        """
        async with self._login_lock:
            if self._logins != seen:
                return
            token = _LOGGING_IN.set(True)
            try:
                await login()
            except (Ambiguous, ContractBroken) as error:
                raise Retryable(f"login: {error.message}") from error
            except Rejected as error:
                raise Unauthorized(f"login: {error.message}") from error
            finally:
                _LOGGING_IN.reset(token)
            self._logins += 1

    def _session(self, write: bool) -> aiohttp.ClientSession:
        if write not in self._sessions:
            self._sessions[write] = _open_session(write, self._timeouts.connect, self._trusted)
        return self._sessions[write]


def _open_session(fresh: bool, connect_s: float, trusted: bool) -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_leaving)
    resolver = None if trusted else _PublicOnly()
    if fresh:
        connector = aiohttp.TCPConnector(limit=0, force_close=True, socket_factory=open_socket, resolver=resolver)
    else:
        connector = aiohttp.TCPConnector(
            limit=0, keepalive_timeout=_KEEP_S, socket_factory=open_socket, resolver=resolver
        )
    return aiohttp.ClientSession(
        connector=connector,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(_never_again,),
        skip_auto_headers=("Content-Type",),
        timeout=aiohttp.ClientTimeout(total=None, connect=connect_s, sock_connect=connect_s),
        trace_configs=[trace],
        trust_env=False,
    )


async def _leaving(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    """Called by aiohttp after the connection stands and before the first byte is written."""
    context.trace_request_ctx.leaving()


class _Severed(aiohttp.ClientConnectionError):
    """The connection was lost after bytes may have left."""


async def _never_again(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating PUT, DELETE and GET by itself when their connection is lost."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Severed(str(error)) from error


class _PrivateAddress(OSError):
    pass


class _PublicOnly(AbstractResolver):
    """Resolves names to public addresses only; what is checked here is what is connected to."""

    def __init__(self) -> None:
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not all(is_public(result["host"]) for result in found):
            raise _PrivateAddress("the name leads to an address inside")
        return found

    async def close(self) -> None:
        await self._inner.close()


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    if (response.content_length or 0) > limit:
        raise TooLarge("the answer is too large")
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > limit:
            raise TooLarge("the answer is too large")
        parts.append(part)
    return unpack(b"".join(parts), response.headers.get("Content-Encoding", ""), limit)


def _cause(error: Exception, sent: bool) -> str:
    """Return a code for how an answer was lost."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "private_address" if isinstance(error.__cause__, _PrivateAddress) else "dns"
    for kind, code in (
        (TooLarge, "too_large"),
        (Unpackable, "unreadable"),
        (aiohttp.ClientSSLError, "tls"),
        (aiohttp.ConnectionTimeoutError, "connect_timeout"),
        (aiohttp.ClientConnectorError, "connect_failed"),
        (TimeoutError, "timeout" if sent else "connect_timeout"),
        (aiohttp.ClientResponseError, "not_http"),
    ):
        if isinstance(error, kind):
            return code
    return "cut"
