"""What an answer means: one table from HTTP to the five errors, stricter for writes than for reads.

The table is pure. A manifest overrides single lines of it; an app that says everything with 200 is judged by its
connector's body verdict.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from gateway.sdk.errors import Ambiguous, AppError, ContractBroken, Rejected, Retryable, Unauthorized
from gateway.sdk.exchange import Answer
from gateway.sdk.manifest import ErrorName

BodyVerdict = Callable[[Any], None]
"""Gets the decoded envelope of an answer (its bytes, where they are not to be decoded); raises one of the five errors,
or returns if all is well."""

LONGEST_WAIT: Final = 86_400.0
"""Seconds: an app that asks to be left alone for longer is asked again after a day."""

_ERRORS: Final[Mapping[ErrorName, type[AppError]]] = {
    "retryable": Retryable,
    "ambiguous": Ambiguous,
    "rejected": Rejected,
    "unauthorized": Unauthorized,
    "contract_broken": ContractBroken,
}
_TOO_LARGE: Final = frozenset({413, 414, 431})
"""Refusals of size come from the server in front of an app, usually as a page: the app never saw the request."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What a request counts as success, and how its answers are read.

    `statuses` are success; `missing` make a read's answer *absent*; `decode` is the form of the body (None: any
    JSON, `bytes`: not JSON at all); `overrides` are the manifest's `[verdicts]`.
    """

    statuses: Collection[int]
    missing: Collection[int]
    decode: type[Any] | None
    body_verdict: BodyVerdict | None
    overrides: Mapping[str, ErrorName]


def judge(answer: Answer, expected: Expected, now: datetime) -> Answer:
    """Return the answer if it is success or absence, else raise what the gateway is to do.

    `now` is the app's time, against which a Retry-After date is read where the answer carries no Date.
    """
    if answer.status in expected.statuses:
        _read(answer, expected)
        return answer
    override = expected.overrides.get(f"{'write' if answer.write else 'read'} {answer.status}")
    if override is None and not answer.write and answer.status in expected.missing:
        if answer.is_page:
            # A proxy's "not found" says nothing about the record: absence is believed from the app alone.
            raise ContractBroken(f"a web page instead of data (HTTP {answer.status})")
        return msgspec.structs.replace(answer, absent=True)
    if expected.body_verdict is not None and answer.status not in {401, 403, 429} and answer.status < 500:
        _ask_body(answer, expected, expected.body_verdict)
    if override is not None:
        raise _named(override, answer, now)
    raise _refusal(answer, now)


def _read(answer: Answer, expected: Expected) -> None:
    if expected.decode is bytes:
        if expected.body_verdict is not None:
            expected.body_verdict(answer.body)
        return
    if answer.is_page:
        raise _unreadable(answer, "a web page instead of data")
    if expected.decode is None and expected.body_verdict is None:
        return
    envelope = answer.json(Any if expected.decode is None else expected.decode)
    if expected.body_verdict is not None:
        expected.body_verdict(envelope)


def _ask_body(answer: Answer, expected: Expected, verdict: BodyVerdict) -> None:
    if answer.is_page:
        return
    if expected.decode is bytes:
        verdict(answer.body)
        return
    try:
        envelope = answer.json(Any if expected.decode is None else expected.decode)
    except (ContractBroken, Ambiguous):
        return  # not the app's own refusal: the status alone decides
    verdict(envelope)


def _named(name: ErrorName, answer: Answer, now: datetime) -> AppError:
    message = f"HTTP {answer.status}"
    if name == "retryable":
        return Retryable(message, retry_after(answer.headers, now))
    return _ERRORS[name](message)


def _refusal(answer: Answer, now: datetime) -> AppError:
    status, message = answer.status, f"HTTP {answer.status}"
    after = retry_after(answer.headers, now)
    if status in {401, 403}:
        return Unauthorized(message)
    if status in {425, 429} or (status == 503 and after is not None):
        return Retryable(message, after)
    if status >= 500:
        return Ambiguous(message) if answer.write else Retryable(message, after)
    if status < 400:
        return _unreadable(answer, f"{message} is not in the contract")
    if not answer.write:
        return ContractBroken(f"a web page ({message})") if answer.is_page else Retryable(message, after)
    if status == 408 or (answer.is_page and status not in _TOO_LARGE):
        return Ambiguous(message)
    return Rejected(message)


def lost(cause: str, sent: bool, write: bool) -> AppError:
    """Return what the loss of an answer means: only a write of which bytes may have left is ambiguous.

    `cause` is one of Exchange's; an answer outside its limits or outside HTTP breaks the contract of a read.
    """
    if not sent:
        return Retryable(f"never sent: {cause}")
    if write:
        return Ambiguous(f"no answer: {cause}")
    if cause in {"too_large", "unreadable", "not_http"}:
        return ContractBroken(f"no answer: {cause}")
    return Retryable(f"no answer: {cause}")


def _unreadable(answer: Answer, what: str) -> AppError:
    return Ambiguous(what) if answer.write else ContractBroken(what)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return for how many seconds an app asks to be left alone; None if it does not say, or says nonsense.

    Both forms of RFC 9110 section 10.2.3 are read; a date counts from the answer's own Date, else from `now`.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_WAIT)
    until = http_date(text)
    if until is None:
        return None
    since = http_date(headers.get("date", "")) or now
    return min(max((until - since).total_seconds(), 0.0), LONGEST_WAIT)


def http_date(text: str) -> datetime | None:
    """Read an HTTP date (RFC 9110 section 5.6.7); None if it is none."""
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None else None
