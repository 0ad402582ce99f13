"""Named points at which a gateway is killed, and the mistakes that are planted in it.

Nothing in the product knows of them: this is woven into a process of the tests before the gateway starts in it. A point
that is passed for the n-th time writes its name down and ends the process with `kill -9`.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, Final, Protocol

from gateway.flows.intake.accept import Intake
from gateway.kernel.host import Host, Outcome
from gateway.kernel.ledger import Act, Ledger
from gateway.kernel.ledger import apply as applying
from gateway.kernel.ledger import ledger as opened
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.blobs import Blobs
from gateway.model.delivery import Verdict

_AIR_S: Final = 0.008
"""Seconds after which an attempt is surely under way, and mostly not answered."""
ASKED: Final = "sigapdes"
"""An app that is asked for what is unsure (L2); 112 is sent it again."""
SOURCES: Final = ("webhook", "poll", "read")


class Passed(Protocol):
    """Called each time a point is passed."""

    def __call__(self) -> None: ...


Weave = Callable[[Passed], None]


def _replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put what `make` makes of it in the place of a function; an unknown name is an AttributeError."""
    setattr(owner, name, make(getattr(owner, name)))


def _opens(act: Act) -> bool:
    return any(table is t.report for table, _ in act.inserts)


def _caused(*beginnings: str) -> Callable[[Act], bool]:
    return lambda act: act.cause.startswith(beginnings)


def _news(source: str) -> Callable[[Act], bool]:
    return lambda act: act.cause == source and any(table is t.inbox for table, _ in act.inserts)


def _committing(fits: Callable[[Act], bool]) -> Weave:
    """Pass inside the transaction, everything written, before it is committed."""

    def weave(passed: Passed) -> None:
        def make(real: Callable[..., Any]) -> Callable[..., Any]:
            def written(connection: Any, acts: Sequence[Act]) -> Any:
                results = real(connection, acts)  # why each was dropped; none, if they stand or fall together
                if any(fits(act) for act, dropped in zip(acts, results or repeat(None), strict=False) if not dropped):
                    passed()
                return results

            return written

        for name in ("apply", "apply_each"):
            _replace(opened, name, make)

    return weave


def _committed(fits: Callable[[Act], bool]) -> Weave:
    """Pass when the transaction is durable and nobody has been told."""

    def weave(passed: Passed) -> None:
        def make(real: Callable[..., Any]) -> Callable[..., Any]:
            async def group(self: Ledger, acts: Sequence[Act]) -> Any:
                results = await real(self, acts)
                if any(fits(act) for act, dropped in zip(acts, results, strict=True) if not dropped):
                    passed()
                return results

            return group

        _replace(Ledger, "_group", make)

    return weave


def _half_applied(passed: Passed) -> None:
    """Pass between two statements of what an event changes."""

    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def change(connection: Any, table: Any, where: Any, values: Mapping[str, Any]) -> None:
            if table is t.inbox and values.get("state") == "applied":
                passed()
            real(connection, table, where, values)

        return change

    _replace(applying, "_change", make)


def _returned(owner: type, name: str, fits: Callable[[Any], bool] = bool) -> Weave:
    """Pass when an asynchronous function has returned something that fits, and its caller does not have it yet."""

    def weave(passed: Passed) -> None:
        def make(real: Callable[..., Any]) -> Callable[..., Any]:
            async def wrapped(*args: Any, **named: Any) -> Any:
                result = await real(*args, **named)
                if fits(result):
                    passed()
                return result

            return wrapped

        _replace(owner, name, make)

    return weave


def _claiming(passed: Passed) -> None:
    """Pass inside the transaction that claims."""

    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def claim(*args: Any) -> Any:
            claimed = real(*args)
            if claimed:
                passed()
            return claimed

        return claim

    _replace(opened, "claim", make)


def _in_the_air(passed: Passed) -> None:
    """Pass while an attempt is on its way."""

    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        async def submit(*args: Any, **named: Any) -> Any:
            sending = asyncio.ensure_future(real(*args, **named))
            await asyncio.wait({sending}, timeout=_AIR_S)
            passed()
            return await sending

        return submit

    _replace(Host, "submit", make)


_LOOKED: Final = frozenset({Verdict.ACCEPTED, Verdict.ABSENT})


def _accepted(outcome: Outcome) -> bool:
    return outcome.verdict is Verdict.ACCEPTED


POINTS: Final[Mapping[str, Weave]] = {
    "intake:before_commit": _committing(_opens),
    "intake:after_commit": _committed(_opens),
    "intake:before_answer": _returned(Intake, "accept", lambda answer: not answer.replayed),
    "delivery:claiming": _claiming,
    "delivery:claimed": _returned(Ledger, "claim", lambda claimed: any(one.row["app"] == ASKED for one in claimed)),
    "delivery:in_the_air": _in_the_air,
    "delivery:answered": _returned(Host, "submit", _accepted),
    "delivery:before_outcome": _committing(_caused("delivery:")),
    "delivery:after_outcome": _committed(_caused("delivery:")),
    "reconcile:before_commit": _committing(_caused("reconcile:")),
    "reconcile:looked": _returned(Host, "find", lambda outcome: outcome.verdict in _LOOKED),
    "webhook:before_commit": _committing(_news("webhook")),
    "webhook:after_commit": _committed(_news("webhook")),
    "poll:before_commit": _committing(_news("poll")),
    "poll:after_commit": _committed(_news("poll")),
    "inbound:half_applied": _half_applied,
    "inbound:before_commit": _committing(_caused(*(f"{source}:" for source in SOURCES))),
    "inbound:after_commit": _committed(_caused(*(f"{source}:" for source in SOURCES))),
    "document:claimed": _committed(_caused("document")),
    "document:stored": _returned(Blobs, "write", lambda _: True),
}
"""Where a gateway can be killed by name."""
AFTER: Final[Mapping[str, str]] = {
    "reconcile:before_commit": "delivery:in_the_air",
    "reconcile:looked": "delivery:claimed",
}
"""Points that are only passed when an earlier gateway was killed at another."""


def arm(point: str, times: int, told: Path) -> None:
    """Kill this process when it passes a point for the n-th time; the point's name is then in the file `told`.

    Raises KeyError for an unknown point, AttributeError if the product has no such place any more.
    """
    left = times

    def passed() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            told.write_text(point)
            os.kill(os.getpid(), signal.SIGKILL)

    POINTS[point](passed)
