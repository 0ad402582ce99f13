"""The worker of one app: claims what is due, carries it, and commits what became of it.

The database is let go before the app is called, and every outcome is fenced by the attempt it belongs to: a
worker that slept through its lease changes nothing.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog

from gateway.flows.delivery import queries
from gateway.flows.delivery.evidence import NUMBER_TAKEN, hop_of, received, standing_of
from gateway.flows.delivery.files import Loader, Missing, ask_again
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host, Outcome
from gateway.kernel.ledger import Act, Claimed, Erased, Ledger, Taken
from gateway.kernel.ledger.blobs import Blobs
from gateway.kernel.ledger.outcome import decided, settle_delivery
from gateway.model.delivery import FILE_NEEDED, TRANSITIONS, Command, DeliveryState, Level, Verdict, after_attempt
from gateway.model.principal import GATEWAY
from gateway.sdk import Amendment, Submission
from gateway.sdk.manifest import Mode

_IDLE: Final = 0.5
_SLACK_S: Final = 5.0
"""By how much a lease outlasts its attempt: time to commit what became of it, for clocks that do not quite agree."""
_SLEPT: Final = Outcome(verdict=Verdict.RETRY, cause="slept")
_log = structlog.get_logger()


class Deliverer:
    """Carries the deliveries of one app in one lane class (emergencies have their own, never behind bulk)."""

    def __init__(
        self, app: str, emergency: bool, ledger: Ledger, host: Host, wake: Wake, blobs: Blobs, worker: str
    ) -> None:
        self.app, self.emergency = app, emergency
        self._ledger, self._host, self._wake, self._worker = ledger, host, wake, worker
        self._files = Loader(ledger, blobs)
        manifest = host.manifest(app)
        self._total = manifest.timeouts.connect + manifest.timeouts.total
        self._live = manifest.mode is Mode.LIVE
        self._settle_s = float(manifest.settle_s)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish what is in hand; also where an outcome could not be committed."""
        under_way: set[asyncio.Task[None]] = set()
        try:
            await self._work(stop, under_way)
        finally:
            await asyncio.gather(*under_way, return_exceptions=True)
            self._host.unused(self.app)

    async def _work(self, stop: asyncio.Event, under_way: set[asyncio.Task[None]]) -> None:
        while not stop.is_set():
            began = self._moment()
            batch = await self._claim(self._host.places(self.app) - len(under_way))
            for claimed in batch:
                task = asyncio.create_task(self.carry(claimed, began))
                under_way.add(task)
            if not batch:
                ring = asyncio.create_task(self._wake.wait({"delivery"}, _IDLE, self))
                await asyncio.wait({ring, *under_way}, return_when=asyncio.FIRST_COMPLETED)
                await ring if ring.done() else ring.cancel()
            for task in [task for task in under_way if task.done()]:
                under_way.remove(task)  # one by one: of several that fell, the others are still gathered
                task.result()
        await asyncio.gather(*under_way)

    async def _claim(self, free: int) -> Sequence[Claimed]:
        """Claim what may be carried now: nothing for an app in shadow, whose deliveries wait for a person."""
        leave = self._host.leave(self.app, free if self._live else 0, urgent=self.emergency)
        if not leave.number:
            return ()
        lease = timedelta(seconds=self._total + _SLACK_S)
        batch: Sequence[Claimed] = ()
        try:
            batch = await self._ledger.claim(
                [self.app], self.emergency, leave.number, lease, self._worker, fresh=leave.fresh
            )
        finally:
            if leave.probe and not batch:
                self._host.unused(self.app)
        return batch

    def _moment(self) -> tuple[float, datetime]:
        return self._ledger.clock.monotonic(), self._ledger.clock.real()

    def _left(self, began: tuple[float, datetime]) -> float:
        """Return for how many more seconds a claim may be carried, by whichever clock has gone further."""
        monotonic, real = self._moment()
        return self._total - max(monotonic - began[0], (real - began[1]).total_seconds())

    async def carry(self, claimed: Claimed, began: tuple[float, datetime]) -> None:
        """Carry one claimed delivery and commit what became of it.

        Its time runs from `began`, before it was claimed: whoever slept since then (a paused process, a machine
        that was suspended) sends nothing, because somebody else may have resolved it meanwhile.
        """
        row = claimed.row
        try:
            key = self._ledger.vault.unwrap(claimed.kek, claimed.wrapped, row["report_id"].hex)
            if row["command"] == Command.OPEN:
                submission = key.open("payload", row["sealed"], Submission)
                documents = await self._files.loaded(claimed, key, submission.documents)
                submission = msgspec.structs.replace(submission, documents=documents)
                left = self._left(began)
                outcome = _SLEPT if left <= 0 else await self._host.submit(self.app, submission, left)
            else:
                amendment = key.open("payload", row["sealed"], Amendment)
                documents = await self._files.loaded(claimed, key, amendment.documents)
                amendment = msgspec.structs.replace(amendment, documents=documents)
                outcome = await self._amend(claimed, amendment, began)
        except Missing as missing:
            outcome = Outcome(verdict=Verdict.REJECTED, cause=FILE_NEEDED, field=missing.role)
        except Erased:
            outcome = Outcome(verdict=Verdict.REJECTED, cause="erased")
        if not outcome.exchanges:
            self._host.unused(self.app)
        await self._commit(claimed, outcome)

    async def _amend(self, claimed: Claimed, amendment: Amendment, began: tuple[float, datetime]) -> Outcome:
        _, whole, _ = await self._ledger.read_together(queries.standing, claimed.row["id"])
        numbers = whole.references_of(claimed.row["case_id"])
        if not numbers:
            return Outcome(verdict=Verdict.REJECTED, cause="no_record")
        if (left := self._left(began)) <= 0:
            return _SLEPT
        profile = whole.case(claimed.row["case_id"])["profile"]
        return await self._host.amend(self.app, numbers[0]["value"], amendment, left, profile=profile)

    async def _commit(self, claimed: Claimed, outcome: Outcome) -> None:
        sent = claimed.row

        async def think() -> Act | None:
            row, whole, known = await self._ledger.read_together(queries.standing, sent["id"])
            act = self._ledger.act(GATEWAY, f"delivery:{sent['key']}#{sent['attempt']}")
            report, number = whole.ref(self._ledger.vault), claimed.case_number
            hop = hop_of(self.app, sent, outcome)
            state, same = DeliveryState(row["state"]), row["attempt"] == sent["attempt"]
            # A receipt proves arrival, however late: also where the lease ran out and a resend is queued already.
            proof = outcome.verdict is Verdict.ACCEPTED and DeliveryState.ACCEPTED in TRANSITIONS[state]
            if not same or not (state is DeliveryState.SENDING or proof):
                # Somebody else has spoken first, or this worker slept through its lease: evidence, nothing more.
                act.record(whole.code, "delivery.late", case=number, hop=hop)
                return act
            following = after_attempt(
                standing_of(row),
                outcome.verdict,
                Level(self._host.level(self.app, row["command"])),
                act.real,
                self._ledger.entropy.fraction(),
                outcome.after,
            )
            settle_delivery(
                act,
                report,
                number,
                row,
                following,
                hop,
                settle_s=self._settle_s,
                cause=outcome.cause,
                field=outcome.field,
                http=outcome.http,
                answer=outcome.message,
                how="receipt" if following.state is DeliveryState.ACCEPTED else None,
            )
            if following.state is DeliveryState.ACCEPTED and outcome.receipt is not None:
                received(act, self._ledger, self._host, whole, row, known, outcome.receipt)
            elif outcome.cause == FILE_NEEDED and outcome.field is not None:
                title = self._host.title(self.app)
                ask_again(act, self._ledger, whole, row, known, outcome.field, title)
            elif following.state in {DeliveryState.HELD, DeliveryState.DEAD} and row["command"] != Command.OPEN:
                act.say(report, "message.not_carried", "gateway", app=self.app)
            return act

        try:
            await decided(self._ledger, think)
        except Taken:
            # The receipt names a record of another case: neither to be believed nor to be sent again.
            outcome = msgspec.structs.replace(outcome, verdict=Verdict.REJECTED, receipt=None, cause=NUMBER_TAKEN)
            await decided(self._ledger, think)
        log = _log.bind(delivery=sent["key"], connector=self.app, attempt=sent["attempt"])
        log.info("delivery.outcome", outcome=str(outcome.verdict), cause=outcome.cause)
        self._wake.ring(f"report:{claimed.code}")
        if outcome.verdict is Verdict.ACCEPTED:
            self._wake.ring("inbox")  # events that overtook this receipt can be matched now
            self._wake.ring("delivery")  # the lane is free
