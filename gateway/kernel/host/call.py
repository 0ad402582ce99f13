"""Calling a connector: code that others wrote, under a time limit, with every way it can fail caught here.

This is the one place where anything at all that a connector raises is turned into an outcome. It needs no
`except Exception` for that: the call runs as a task of its own, and a task keeps what it raised. (`receive`
only translates; the kinds of failure of such code are listed in `load.FOREIGN_FAULTS`.)
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from gateway.kernel.host.news import entry_sound, receipt_fault, sound
from gateway.kernel.host.outcome import Outcome, outcome_of
from gateway.model.delivery import Verdict
from gateway.sdk import Answer, AppError, Batch, Exchange, Receipt, Upstream
from gateway.sdk.exchange import Call, calling

if TYPE_CHECKING:
    from gateway.kernel.host.loaded import LoadedConnector

_GRACE: Final = 0.25
"""Seconds by which the host outwaits the deadline: until then `Http` ends the call itself and knows better."""
_PATIENCE: Final = 1.0
"""Seconds that a cancelled connector gets to clean up before it is left behind."""
_FAILED: Final = frozenset({Verdict.RETRY, Verdict.AMBIGUOUS, Verdict.BROKEN})
_log = structlog.get_logger()

Method = Callable[[], Coroutine[Any, Any, object]]


class TimeUp(Exception):
    """The connector had not returned when its time was up."""


class Ended(msgspec.Struct, frozen=True):
    """How a connector's method ended: with a value, or with what it raised."""

    value: object = None
    error: BaseException | None = None


async def run(method: Method, call: Call, deadline_s: float) -> Ended:
    """Run a connector's method for at most `deadline_s` seconds; what it exchanges is recorded in `call`.

    `call.deadline` is set here: after it `Http` writes no byte. Only cancellation of the caller is raised, after
    the method was cancelled too.
    """
    call.deadline = asyncio.get_running_loop().time() + deadline_s

    async def inside() -> object:
        with calling(call):
            return await method()

    task = asyncio.create_task(inside())
    try:
        await asyncio.wait({task}, timeout=deadline_s + _GRACE)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=_PATIENCE)
    if not task.done() or task.cancelled():
        return Ended(error=TimeUp())
    error = task.exception()
    return Ended(error=error) if error is not None else Ended(value=task.result())


async def write(
    loaded: "LoadedConnector", method: Method, deadline_s: float | None, *, key: str, numbered: bool, urgent: bool
) -> Outcome:
    """Run a method that writes; what is not proof of delivery `key` leaves the delivery in doubt.

    A receipt of another delivery, one that could not be kept, and (where `numbered`) one without any number of
    the app prove nothing.
    """
    times = loaded.manifest.timeouts
    call = Call(urgent=urgent)
    ended = await run(method, call, deadline_s or times.connect + times.total)
    made = tuple(call.exchanges)
    if ended.error is not None:
        outcome = _failed(loaded, ended.error, made, writing=True)
    elif isinstance(ended.value, Receipt):
        outcome = _proof(ended.value, key, numbered, made, Verdict.AMBIGUOUS)
    else:
        outcome = _foreign_value(loaded, ended.value, made, Verdict.AMBIGUOUS)
    _learn(loaded, outcome)
    return outcome


async def find(loaded: "LoadedConnector", method: Method, deadline_s: float | None, *, key: str) -> Outcome:
    """Run a look-up of `key`: accepted with the receipt, or absent."""
    made, ended = await _read(loaded, method, deadline_s)
    if ended.error is not None:
        outcome = _failed(loaded, ended.error, made, writing=False)
    elif ended.value is None:
        outcome = Outcome(verdict=Verdict.ABSENT, exchanges=made)
    elif isinstance(ended.value, Receipt):
        outcome = _proof(ended.value, key, True, made, Verdict.BROKEN)
    else:
        outcome = _foreign_value(loaded, ended.value, made, Verdict.BROKEN)
    _learn(loaded, outcome)
    return outcome


async def gather(loaded: "LoadedConnector", method: Method, deadline_s: float | None) -> Outcome:
    """Run a method that brings news; pieces that could not be stored are `Unreadable` in the outcome."""
    made, ended = await _read(loaded, method, deadline_s)
    if ended.error is not None:
        outcome = _failed(loaded, ended.error, made, writing=False)
    elif (batch := _page(ended.value)) is not None:
        outcome = Outcome(verdict=Verdict.ACCEPTED, batch=batch, exchanges=made)
    else:
        outcome = _foreign_value(loaded, ended.value, made, Verdict.BROKEN)
    loaded.health.note(outcome)
    return outcome


async def entries(loaded: "LoadedConnector", method: Method, deadline_s: float | None) -> Outcome:
    """Run a method that lists the app's own catalogue; a list with anything else in it is no list."""
    made, ended = await _read(loaded, method, deadline_s)
    listed = ended.value
    if ended.error is not None:
        outcome = _failed(loaded, ended.error, made, writing=False)
    elif isinstance(listed, Sequence) and all(isinstance(one, Upstream) and entry_sound(one) for one in listed):
        outcome = Outcome(verdict=Verdict.ACCEPTED, listed=tuple(listed), exchanges=made)
    else:
        outcome = _foreign_value(loaded, listed, made, Verdict.BROKEN)
    loaded.health.note(outcome)
    return outcome


async def fetch(loaded: "LoadedConnector", method: Method, deadline_s: float | None) -> Outcome:
    """Run a request for a document: accepted with its bytes, or absent.

    It says nothing of how the app is doing: that one file is forbidden or gone must not keep reports from it.
    """
    made, ended = await _read(loaded, method, deadline_s)
    if ended.error is not None:
        return _failed(loaded, ended.error, made, writing=False)
    if not isinstance(ended.value, Answer):
        return _foreign_value(loaded, ended.value, made, Verdict.BROKEN)
    if ended.value.absent:
        return Outcome(verdict=Verdict.ABSENT, cause="absent", exchanges=made)
    return Outcome(verdict=Verdict.ACCEPTED, content=ended.value.body, exchanges=made)


async def _read(
    loaded: "LoadedConnector", method: Method, deadline_s: float | None
) -> tuple[tuple[Exchange, ...], Ended]:
    times = loaded.manifest.timeouts
    call = Call()
    # A look or a poll may take several requests, a login among them; each has its own limit in the manifest.
    ended = await run(method, call, deadline_s or 2 * (times.connect + times.total))
    return tuple(call.exchanges), ended


def _learn(loaded: "LoadedConnector", outcome: Outcome) -> None:
    """Let what became of a delivery, or of the look for one, decide how soon the app gets the next ones."""
    loaded.health.note(outcome)
    failed = outcome.verdict in _FAILED
    if outcome.exchanges or (failed and loaded.breaker.open):
        loaded.breaker.note(failed=failed)


def _page(value: object) -> Batch | None:
    """Return a batch with every piece of news sound or quarantined; None for anything else."""
    if not isinstance(value, Batch) or not isinstance(value.news, Sequence):
        return None
    if value.cursor is not None and not isinstance(value.cursor, str):
        return None
    news = sound(value.news)
    return None if news is None else msgspec.structs.replace(value, news=news)


def _proof(receipt: Receipt, key: str, numbered: bool, made: tuple[Exchange, ...], otherwise: Verdict) -> Outcome:
    if receipt.key is not None and receipt.key != key:
        return Outcome(verdict=Verdict.AMBIGUOUS, cause="foreign_receipt", exchanges=made)
    if numbered and not receipt.references:
        return Outcome(verdict=otherwise, cause="no_reference", exchanges=made)
    if fault := receipt_fault(receipt):
        return Outcome(verdict=otherwise, cause="unusable_receipt", message=fault, exchanges=made)
    return Outcome(verdict=Verdict.ACCEPTED, receipt=receipt, exchanges=made)


def _failed(loaded: "LoadedConnector", error: BaseException, made: tuple[Exchange, ...], *, writing: bool) -> Outcome:
    if isinstance(error, AppError):
        outcome = outcome_of(error, writing, made, loaded.app.secrets.redact(error.message))
        undone = outcome.verdict in {Verdict.RETRY, Verdict.REJECTED, Verdict.UNAUTHORIZED}
        if writing and undone and _may_be_done(made):
            return msgspec.structs.replace(outcome, verdict=Verdict.AMBIGUOUS, field=None, after=None)
        return outcome
    if isinstance(error, TimeUp):
        verdict = Verdict.AMBIGUOUS if writing else Verdict.RETRY
        return Outcome(verdict=verdict, cause="timeout", exchanges=made)
    _log.error("connector.error", connector=loaded.name, cause=type(error).__name__, at=place_of(error))
    verdict = Verdict.AMBIGUOUS if writing else Verdict.BROKEN
    return Outcome(verdict=verdict, cause="connector_error", exchanges=made)


def _may_be_done(made: tuple[Exchange, ...]) -> bool:
    """Tell whether a write may have taken effect, whatever a connector concluded from what it did afterwards.

    A write without an answer may have; one that was answered well, or by a failing server, may have unless the
    conclusion was drawn from that very answer, as when the body of a 200 refuses.
    """
    return any(
        exchange.write
        and exchange.sent
        and (
            exchange.status is None or (exchange is not made[-1] and (exchange.status < 300 or exchange.status >= 500))
        )
        for exchange in made
    )


def _foreign_value(loaded: "LoadedConnector", value: object, made: tuple[Exchange, ...], verdict: Verdict) -> Outcome:
    _log.error("connector.error", connector=loaded.name, cause=f"returned {type(value).__name__}")
    return Outcome(verdict=verdict, cause="connector_error", exchanges=made)


def place_of(error: BaseException) -> str:
    """Return where an error was raised, `file:line`: enough to find it, and never anything of a report."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
