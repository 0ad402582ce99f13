"""Every error as problem details (RFC 9457), in the caller's language, without a word about our insides."""

import re
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ImproperlyConfiguredException, ValidationException
from litestar.types import ExceptionHandlersMap

from gateway.kernel.edge.faults import fault_of
from gateway.kernel.edge.language import language_of
from gateway.kernel.ledger import Overloaded, Stale, Unavailable
from gateway.model.problem import Fault, Problem, refused

PROBLEM_JSON: Final = "application/problem+json"

_BY_STATUS: Final = {
    400: "bad-request",
    401: "unauthorised",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "media-type",
    429: "rate-limited",
    503: "unavailable",
}
_MISSING: Final = re.compile(r"Missing required \w+(?: parameter)? '([^']{1,80})'")
_GONE: Final = "client disconnected prematurely"

_log = structlog.get_logger()


def answer(request: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    """Return a problem as the answer to a request."""
    language = language_of(request)
    number = request.scope.get("state", {}).get("request")
    path = str(request.scope["path"])
    document = problem.document(language, path if path.isprintable() else None, number)
    headers = {"Content-Language": language, "Vary": "Accept-Language", "Cache-Control": "no-store"}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="gateway"'
    return Response(
        msgspec.json.encode(document),
        status_code=problem.status,
        media_type=PROBLEM_JSON,
        headers=headers | dict(problem.headers),
    )


def told(request: Request[Any, Any, Any], problem: Exception) -> Response[bytes]:
    """Answer with a problem that a flow raised."""
    assert isinstance(problem, Problem)
    return answer(request, problem)


def framework(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer for what Litestar refuses: no such route, wrong method, parameters that do not fit, too large."""
    assert isinstance(error, HTTPException)
    if isinstance(error, ImproperlyConfiguredException):
        return last_resort(request, error)
    if isinstance(error, ValidationException):
        return answer(request, _invalid(error))
    slug = _BY_STATUS.get(error.status_code)
    if slug is None and error.detail == _GONE:
        slug = "bad-request"  # nobody is there to read it; it is no fault of ours
    if slug is None:
        return last_resort(request, error)
    allow = next((value for name, value in (error.headers or {}).items() if name.lower() == "allow"), None)
    return answer(request, Problem(slug, headers={} if allow is None else {"Allow": allow}))


def not_converted(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer for a value that msgspec refused outside of Litestar's own reading."""
    return answer(request, refused([fault_of(str(error))]))


def out_of_reach(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer for a database that is away: whether the change was kept is not known, come again under the same key."""
    return answer(request, Problem("unavailable", retry_after=Unavailable.after))


def too_much(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer for a database that has too much to do: nothing was accepted, come again."""
    return answer(request, Problem("overloaded", retry_after=Overloaded.after))


def overtaken(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer for a change that somebody else was faster with."""
    return answer(request, Problem("stale"))


def last_resort(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer for what nobody expected: 500 with the request's number, under which the log tells what fell.

    The log gets the kind of error and where it was raised, never its message, which may hold what a caller sent.
    """
    _log.error("request.fell", fault=type(error).__name__, exc_info=error)
    return answer(request, Problem("internal"))


HANDLERS: Final[ExceptionHandlersMap] = {
    Problem: told,
    HTTPException: framework,
    msgspec.ValidationError: not_converted,
    Unavailable: out_of_reach,
    Overloaded: too_much,
    Stale: overtaken,
}
"""For `exception_handlers` of the application, which adds `last_resort` for `Exception` itself."""


def _invalid(error: ValidationException) -> Problem:
    """Return the problem for parameters, or a body, that Litestar's own reading refused."""
    faults: list[Fault] = []
    where = ""
    for item in error.extra if isinstance(error.extra, list) else []:
        message, key, source = (str(item.get(name, "")) for name in ("message", "key", "source"))
        if message == "'data'":  # how Litestar says that there is no body
            faults.append(Fault(code="missing-field"))
        elif source == "body":
            faults.append(fault_of(message))
        else:
            faults.append(fault_of(message, parameter=key or "-"))
            where = "parameter"
    if missing := _MISSING.search(error.detail):
        faults.append(Fault(code="missing-field", parameter=missing[1]))
        where = "parameter"
    if where:
        return Problem("invalid-parameter", faults=faults)
    return refused(faults) if faults else Problem("bad-request")
