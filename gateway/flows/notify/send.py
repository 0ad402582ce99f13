"""Sends what stands in the outbox: at least once, each message under one id over all tries.

A try is committed before a byte leaves, so that two workers do not send the same message in the same moment. A lost
answer is tried again: whoever takes the messages knows them by their id.
"""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from gateway.flows.notify import queries
from gateway.flows.notify.provider import TIMEOUTS, Provider
from gateway.kernel.coordination import Wake
from gateway.kernel.ledger import Act, Erased, Ledger, Stale, TextMessage
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.reading import Row
from gateway.model.delivery import backoff
from gateway.model.entry import Hop
from gateway.model.principal import GATEWAY
from gateway.sdk import AppError, Exchange, Rejected, Retryable, Unauthorized
from gateway.sdk.exchange import Call, calling

CHANNEL: Final = "sms"
MAX_TRIES: Final = 20
MAX_AGE: Final = timedelta(hours=24)
"""News that is older helps nobody any more; what was told stands in the report's timeline."""
LEASE: Final = timedelta(seconds=2 * (TIMEOUTS.connect + TIMEOUTS.total))
"""How long a try is left alone by other workers."""
_PAUSE_S: Final = 1.0
_BATCH: Final = 10
_REFUSED_S: Final = 60.0
_log = structlog.get_logger()


class Sender:
    """Empties the outbox."""

    def __init__(self, ledger: Ledger, wake: Wake, provider: Provider) -> None:
        self._ledger, self._wake, self._provider = ledger, wake, provider

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            if not await self.round():
                await self._wake.wait({CHANNEL}, _PAUSE_S)

    async def round(self) -> int:
        """Send what is due; return how many messages that were. One that falls over does not hide its neighbours."""
        rows = await self._ledger.read(queries.due, self._ledger.clock.real(), _BATCH)
        ended = await asyncio.gather(*(self._one(row) for row in rows), return_exceptions=True)
        for fault in ended:
            if fault is not None:
                raise fault
        return len(rows)

    async def _one(self, row: Row) -> None:
        claim = self._act(row)
        tried = row | {"tries": row["tries"] + 1}
        self._change(claim, row, tries=tried["tries"], due_at=claim.real + LEASE)
        if not await self._done(claim):
            return
        call, error = Call(), None
        try:
            key = self._ledger.vault.unwrap(row["kek"], row["wrapped"], row["report_id"].hex)
            message = key.open("sms", row["sealed"], TextMessage)
        except Erased:
            await self._done(self._failed(tried, "erased", None))
            return
        with calling(call):
            try:
                await self._provider.send(row["id"].hex, message)
            except AppError as raised:
                error = raised
        last = call.exchanges[-1] if call.exchanges else None
        await self._done(self._ended(tried, error, last))

    def _ended(self, row: Row, error: AppError | None, last: Exchange | None) -> Act:
        """Return the act that says what became of a try."""
        if error is None:
            act = self._act(row)
            self._change(act, row, state="sent", cause=None)
            self._record(act, row, "sms.sent", "accepted", last, None)
            return act
        cause = _cause(error, last)
        _log.info("sms.refused", report=row["code"], attempt=row["tries"], cause=cause)
        too_old = self._ledger.clock.real() - row["made_at"] >= MAX_AGE or row["tries"] >= MAX_TRIES
        if isinstance(error, Rejected) or too_old:
            return self._failed(row, cause, last)
        act = self._act(row)
        wait = backoff(row["tries"], self._ledger.entropy.fraction())
        if isinstance(error, Retryable) and error.after is not None:
            wait = max(wait, error.after)
        if isinstance(error, Unauthorized):
            wait = max(wait, _REFUSED_S)
            act.alarm("sms_unauthorized", "sms", cause)
        self._change(act, row, due_at=act.real + timedelta(seconds=wait), cause=cause)
        self._record(act, row, "sms.retry", "retryable", last, cause)
        return act

    def _failed(self, row: Row, cause: str, last: Exchange | None) -> Act:
        act = self._act(row)
        self._change(act, row, state="failed", cause=cause)
        self._record(act, row, "sms.failed", "rejected", last, cause)
        act.alarm("sms_failed", row["code"], cause, report_id=row["report_id"])
        return act

    def _act(self, row: Row) -> Act:
        return self._ledger.act(GATEWAY, f"sms:{row['notice']}")

    def _change(self, act: Act, row: Row, **values: object) -> None:
        """Change a message, fenced by the try it was read with."""
        act.change(t.sms, {"id": row["id"], "state": "queued", "tries": row["tries"]}, **values)

    def _record(self, act: Act, row: Row, kind: str, outcome: str, last: Exchange | None, cause: str | None) -> None:
        # No digest of what was sent: a short text to a number could be guessed from it when all else is erased.
        hop = Hop(
            direction="out",
            app="sms",
            operation="notify",
            attempt=row["tries"],
            outcome=outcome,
            http=last.status if last else None,
            latency_ms=last.latency_ms if last else None,
        )
        facts: dict[str, str] = {"notice": row["notice"]} | ({"cause": cause} if cause else {})
        act.record(row["code"], kind, hop=hop, facts=facts)

    async def _done(self, act: Act) -> bool:
        """Commit; False if another worker has the message meanwhile, or it was declined."""
        try:
            await self._ledger.commit(act)
        except Stale:
            return False
        return True


def _cause(error: AppError, last: Exchange | None) -> str:
    """Return why a try failed, as a code: never the other side's words."""
    if last is None:
        return "later" if isinstance(error, Retryable) else "not_sent"
    return f"http_{last.status}" if last.status is not None else last.cause or "cut"
