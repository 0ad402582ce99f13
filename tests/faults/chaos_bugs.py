"""Bugs that are planted in a gateway's own process, each a promise broken; the campaign must report every one.

`python -m tests.faults.chaos_bugs P1,P4 -- up --port 8112` patches, then runs the command line. The product knows
nothing of it.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Connection, select

from gateway.cli import main as command_line
from gateway.flows.delivery import deliver
from gateway.flows.intake import accept
from gateway.flows.intake.accept import Intake
from gateway.kernel.ledger import Act, ledger, progress, queue
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.writer import Overloaded, Unavailable, Writer
from gateway.model.case import CaseEvent, Folded
from gateway.model.delivery import DeliveryState, Next, Verdict
from gateway.model.status import Status

_ACCEPT: Any = accept
_DELIVER: Any = deliver
_LEDGER: Any = ledger
_PROGRESS: Any = progress
_QUEUE: Any = queue
"""The modules that are patched, which is nothing that a type could say."""


class Bug(msgspec.Struct, frozen=True):
    """What is planted, in words, and the kinds of finding of which the checker must report one at least."""

    what: str
    plant: Callable[[], None]
    told_by: frozenset[str]


def acknowledge_before_commit() -> None:
    """The door answers while the report is still on its way to the disk."""
    submit, later, turns = Writer.submit, set[asyncio.Task[None]](), count()

    async def commit(self: Writer, act: Act) -> None:
        await asyncio.sleep(0.4)
        with contextlib.suppress(Overloaded, Unavailable):  # too late: it was acknowledged
            await submit(self, act)

    async def answered_early(self: Writer, act: Act) -> None:
        # Every third report only, so that enough is left for what else is to be seen.
        if act.cause != "POST /v1/reports" or next(turns) % 3:
            await submit(self, act)
            return
        task = asyncio.create_task(commit(self, act))
        later.add(task)
        task.add_done_callback(later.discard)

    Writer.submit = answered_early  # type: ignore[method-assign]


def _after_doubt(following: Next) -> None:
    """Decide what follows an answer that was lost as `following` says."""
    decide = _DELIVER.after_attempt

    def decided(standing: Any, verdict: Verdict, *more: Any) -> Next:
        lost = verdict in {Verdict.AMBIGUOUS, Verdict.BROKEN}
        return following if lost else decide(standing, verdict, *more)

    _DELIVER.after_attempt = decided


def believe_every_answer() -> None:
    """A lost answer counts as success: nobody looks whether the app has it."""
    _after_doubt(Next(state=DeliveryState.ACCEPTED))


def resend_on_timeout() -> None:
    """A lost answer counts as failure: the same is sent again, unseen."""
    _after_doubt(Next(state=DeliveryState.QUEUED))


def page_by_id() -> None:
    """The queue is read like a book: what has a smaller number than what was read already is never looked at."""
    read: dict[tuple[str, bool], UUID] = {}
    claim, whole = _QUEUE.claim, {name: getattr(_QUEUE, name) for name in ("_DUE", "_FRESH")}

    def claimed(connection: Connection, act: Act, apps: Sequence[str], emergency: bool, *more: Any) -> list[Any]:
        place = read.get((apps[0], emergency))
        for name, statement in whole.items():
            setattr(_QUEUE, name, statement if place is None else statement.where(t.delivery.c.id > place))
        found: list[Any] = claim(connection, act, apps, emergency, *more)
        ids = [one.row["id"] for one in found] + ([] if place is None else [place])
        if ids:
            read[apps[0], emergency] = max(ids)
        return found

    _LEDGER.claim = claimed


def no_unique_index() -> None:
    """A repeat is looked for, and nothing else keeps two of the same moment apart."""
    remember = Intake._remember

    def remembered(self: Intake, act: Act, opened: Any, scope: str, key: str, digest: bytes, body: bytes) -> None:
        remember(self, act, opened, scope, f"{key}~{uuid4().hex}", digest, body)

    def first_answer(connection: Connection, scope: str, key: str) -> dict[str, Any] | None:
        found = connection.execute(
            select(t.idempotency, t.report.c.wrapped, t.report.c.kek, t.report.c.code)
            .join(t.report, t.report.c.id == t.idempotency.c.report_id)
            .where(t.idempotency.c.scope == scope, t.idempotency.c.key.like(f"{key}~%"))
            .order_by(t.idempotency.c.created_at)
            .limit(1)
        )
        row = found.mappings().first()
        return None if row is None else dict(row)

    Intake._remember = remembered  # type: ignore[method-assign]
    _ACCEPT.queries.first_answer = first_answer


def last_write_wins() -> None:
    """A case stands where the news that came last says, whenever it happened."""

    def folded(events: Sequence[CaseEvent], start: Status = Status.RECEIVED) -> Folded:
        last = next((event for event in reversed(list(events)) if event.status is not None), None)
        if last is None or last.status is None:
            return Folded(start, None, None, frozenset())
        return Folded(last.status, last.word, last.at, frozenset())

    _PROGRESS.fold = folded


BUGS: Mapping[str, Bug] = {
    "P1": Bug("acknowledge before commit", acknowledge_before_commit, frozenset({"lost_report"})),
    "P3": Bug("believe every answer", believe_every_answer, frozenset({"lost"})),
    "P4": Bug("resend on timeout", resend_on_timeout, frozenset({"doubled"})),
    "P7": Bug("page by id", page_by_id, frozenset({"limbo"})),
    "P13": Bug("no unique index", no_unique_index, frozenset({"split"})),
    "P18": Bug("last write wins", last_write_wins, frozenset({"astray"})),
}
"""By the promise that each breaks."""


def main() -> None:
    """Plant the named bugs and run the command line that follows `--`."""
    names, _, *arguments = sys.argv[1:]
    for name in names.split(","):
        BUGS[name].plant()
    command_line(arguments, prog_name="gateway")


if __name__ == "__main__":
    main()
