"""T6: what an app said moves its case. Matched by our key or by the app's number; else a record born there is
opened here, or the news is parked until it can be matched. Order of arrival cannot matter: everything is kept
and the case is folded anew."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from gateway.flows.inbound import queries
from gateway.flows.inbound.adopt import Adopter
from gateway.flows.inbound.opened import Opened, open_row
from gateway.flows.inbound.store import Kept, Store, add_row, row_name
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host
from gateway.kernel.ledger import Act, Ledger, Stale, Taken
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.files import announce
from gateway.kernel.ledger.outcome import accepted, decided, settle_delivery
from gateway.kernel.ledger.progress import Happening, progress
from gateway.kernel.ledger.reading import (
    Row,
    Whole,
    case_by_number,
    case_ref,
    delivery_by_key,
    with_events,
)
from gateway.model.case import CaseEvent
from gateway.model.delivery import TRANSITIONS, Command, DeliveryState, Verdict
from gateway.model.entry import Hop
from gateway.model.principal import EVERYTHING, app_actor
from gateway.sdk import Event, Look

PARKED_FOR: Final = timedelta(hours=24)
_BATCH: Final = 200
_LOOKS: Final = 20
_log = structlog.get_logger()


class Applier:
    """Applies the inbox of one app. Records born there before `since` open no report here."""

    def __init__(
        self,
        app: str,
        ledger: Ledger,
        host: Host,
        store: Store,
        adopter: Adopter,
        wake: Wake,
        since: datetime | None = None,
    ) -> None:
        self.app, self._since = app, since
        self._ledger, self._host, self._store, self._adopter, self._wake = ledger, host, store, adopter, wake

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            if not await self.round():
                await self._wake.wait({"inbox"}, 1.0)

    async def round(self) -> int:
        """Apply what is due; records of the app are independent of each other, rows of one record go in turn.

        A row that cannot be applied at all is raised after the others were.
        """
        rows = await self._ledger.read(queries.due, self.app, self._ledger.clock.real(), _BATCH)
        lanes: defaultdict[str, list[Opened]] = defaultdict(list)
        for row in rows:
            opened = open_row(self._ledger, row)
            lanes[opened.lane].append(opened)
        ended = await asyncio.gather(*(self._lane(lane) for lane in lanes.values()), return_exceptions=True)
        for fault in ended:
            if fault is not None:
                raise fault
        return len(rows)

    async def _lane(self, lane: list[Opened]) -> None:
        for opened in sorted(lane, key=lambda item: item.seq):
            if opened.kept.look is not None:
                await self._follow(opened, opened.kept.look)
            elif opened.kept.event is not None:
                await self._event(opened, opened.kept.event)

    # -- hints -------------------------------------------------------------------------------------------------

    async def _follow(self, opened: Opened, look: Look) -> None:
        """Read a record that a hint, a gap or an unknown number pointed to."""
        if not self._host.can(self.app, "read"):
            await self._quarantine(opened, "cannot_read", None)
            return
        if not self._host.ready(self.app):
            await self._later(opened, "waiting")
            return
        outcome = await self._host.read(self.app, look.reference.value, opened.kept.after)
        if outcome.verdict is Verdict.ACCEPTED and outcome.batch is not None:
            await self._store.keep(self.app, "read", outcome.batch.news)
            await self._finish(opened)
            return
        # Whoever cannot be reached is asked until he can; what he says again and again in no form we know is parted.
        cause = outcome.cause or str(outcome.verdict)
        spent = outcome.verdict is Verdict.BROKEN and self._tries(opened, cause) > _LOOKS
        if spent or outcome.verdict is Verdict.REJECTED:
            await self._quarantine(opened, cause, None)
        else:
            await self._later(opened, cause)

    # -- events ------------------------------------------------------------------------------------------------

    async def _event(self, opened: Opened, event: Event) -> None:
        case = await self._match(event)
        if case is None:
            await self._unmatched(opened, event)
            return
        profile, word = case["profile"], event.word
        if word is not None and self._host.status_of(self.app, profile, word) is None:
            await self._quarantine(opened, "unknown_word", case)
            return
        moved: set[str] = set()
        try:
            await decided(self._ledger, lambda: self._apply(opened, event, case, moved))
        except Taken:
            await self._quarantine(opened, "number_taken", case)
            return
        for code in moved:
            self._wake.ring(f"report:{code}")
        self._wake.ring("delivery")

    async def _match(self, event: Event) -> Row | None:
        if event.key:
            for delivery in await self._ledger.read(delivery_by_key, [event.key]):
                if delivery["app"] == self.app:
                    return {"id": delivery["case_id"], "report_id": delivery["report_id"], "profile": None} | (
                        await self._case(delivery)
                    )
        values = [reference.value for reference in event.references]
        return await self._ledger.read(case_by_number, self.app, values) if values else None

    async def _case(self, delivery: Row) -> Row:
        found = await self._ledger.read(with_events, EVERYTHING, delivery["report_id"])
        assert found is not None, "a delivery without a report breaks a foreign key"
        return found[0].case(delivery["case_id"])

    async def _apply(self, opened: Opened, event: Event, case: Row, moved: set[str]) -> Act | None:
        """Return the act that an event makes; the report it moves is noted in `moved`."""
        row = await self._ledger.read(queries.row, self.app, opened.name)
        if row["state"] not in {"new", "parked"}:
            return None
        found = await self._ledger.read(with_events, EVERYTHING, case["report_id"])
        assert found is not None, "a case without a report breaks a foreign key"
        whole, events = found
        act = self._ledger.act(app_actor(self.app), f"{row['source']}:{event.kind}")
        report, ref = whole.ref(self._ledger.vault), case_ref(whole.case(case["id"]))
        await self._resolve(act, whole, event)
        have = {(number["kind"], number["value"]) for number in whole.references_of(ref.id)}
        fresh = [(r.kind, r.value) for r in event.references if (r.kind, r.value) not in have]
        taken = await self._typed_twice(act, whole, event, fresh)
        act.refer(report, ref, [number for number in fresh if number not in taken])
        announce(act, report, ref, event.documents)
        status = self._host.status_of(self.app, case["profile"], event.word) if event.word else None
        happening = Happening(
            event=CaseEvent(id=event.id, at=event.at, seq=event.seq, status=status, word=event.word),
            kind="event",
            by=self.app,
            text=event.text,
            facts=dict(event.facts) | ({"number_taken": ",".join(kind for kind, _ in taken)} if taken else {}),
            hop=Hop(direction="in", app=self.app, operation=row["source"], outcome=event.kind),
        )
        progress(act, self._ledger.vault, whole, ref.id, [happening], events[ref.id])
        self._adopter.extend(act, whole, event)
        await self._mend_gap(act, event, ref.id)
        self._done(act, opened, row, whole)
        moved.add(whole.code)
        return act

    async def _typed_twice(
        self, act: Act, whole: Whole, event: Event, fresh: Sequence[tuple[str, str]]
    ) -> list[tuple[str, str]]:
        """Return those further numbers of a record that another case has, and alert a person.

        The first number names the record; any other may have been typed by an officer of the app, for the wrong record.
        Such a mistake costs that number and nothing else: the record is known, and what it tells is heard.
        """
        first = {(one.kind, one.value) for one in event.references[:1]}
        further = [number for number in fresh if number not in first]
        held = await self._ledger.read(queries.held, self.app, [value for _, value in further]) if further else set()
        taken = [number for number in further if number in held]
        if taken:
            detail = ", ".join(kind for kind, _ in taken)
            act.alarm("number_taken", f"{self.app}:{whole.code}", detail, self.app, whole.id)
        return taken

    async def _resolve(self, act: Act, whole: Whole, event: Event) -> None:
        """Whoever speaks first resolves *unsure*: the app that shows our key has the command."""
        keys = [key for key in (event.key, *event.marks) if key]
        for delivery in await self._ledger.read(delivery_by_key, keys) if keys else []:
            state = DeliveryState(delivery["state"])
            if delivery["app"] != self.app or delivery["report_id"] != whole.id:
                continue
            if DeliveryState.ACCEPTED not in TRANSITIONS[state] or not delivery["attempt"]:
                continue
            hop = Hop(
                direction="in",
                app=self.app,
                operation=delivery["command"],
                delivery=delivery["key"],
                attempt=delivery["attempt"],
                outcome="accepted",
            )
            number = whole.case(delivery["case_id"])["number"]
            report = whole.ref(self._ledger.vault)
            settle_delivery(act, report, number, delivery, accepted(), hop, how="event")
            if delivery["command"] == Command.OPEN:
                title = self._host.manifest(self.app).title
                act.say(
                    report, "delivery.forwarded", self.app, case=case_ref(whole.case(delivery["case_id"])), app=title
                )

    async def _mend_gap(self, act: Act, event: Event, case_id: UUID) -> None:
        """Ask for what is missing when the app's sequence for a record has a hole."""
        if event.seq is None or not event.references or not self._host.can(self.app, "read"):
            return
        have = await self._ledger.read(queries.sequence, case_id)
        contiguous = next(number for number in range(1, event.seq + 1) if number not in have or number == event.seq)
        if contiguous == event.seq:
            return
        look = Look(id=f"gap:{event.references[0].value}:{contiguous - 1}:{event.seq}", reference=event.references[0])
        await self._ask(act, look, after=str(contiguous - 1))

    async def _ask(self, act: Act, look: Look, after: str | None = None) -> bool:
        name = row_name(look)
        if await self._ledger.read(queries.known_ids, self.app, [name]):
            return False
        add_row(self._ledger, act, self.app, "gateway", name, Kept(look=look, after=after))
        return True

    # -- what cannot be matched (yet) ----------------------------------------------------------------------------

    async def _unmatched(self, opened: Opened, event: Event) -> None:
        manifest = self._host.manifest(self.app)
        ours = event.key is not None
        if not ours and self._since is not None and event.at < self._since:
            await self._finish(opened)  # the app's own history, from before it was connected: it stays there
            return
        may_open = not ours and event.opening is not None and event.kind in manifest.opening.kinds
        if may_open and not event.references:
            await self._quarantine(opened, "no_number", None)  # nobody could tell it from the next one
            return
        if may_open and not manifest.echoes_key:
            # The row may be ours, still unsure: without our mark nobody can tell before that is resolved.
            may_open = not await self._ledger.read(queries.unresolved, self.app)
        if may_open:
            refusal = await self._adopter.adopt(opened, event)
            if refusal is None:
                await self._event(opened, event)
            else:
                await self._quarantine(opened, refusal, None)
            return
        real = self._ledger.clock.real()
        if opened.row["parked_at"] is not None and real - opened.row["parked_at"] >= PARKED_FOR:
            await self._quarantine(opened, "unmatched", None)
            return
        act = self._ledger.act(app_actor(self.app), "inbound")
        if not ours and event.references and manifest.echoes_key and self._host.can(self.app, "read"):
            # A record born there whose opening we have not seen: read it whole.
            await self._ask(act, Look(id=f"born:{event.references[0].value}", reference=event.references[0]))
        self._put_off(act, opened, "parked", "unmatched")
        await self._commit(act)

    async def _later(self, opened: Opened, reason: str) -> None:
        act = self._ledger.act(app_actor(self.app), "inbound")
        self._put_off(act, opened, opened.row["state"], reason)
        await self._commit(act)

    def _put_off(self, act: Act, opened: Opened, state: str, reason: str) -> None:
        tries = self._tries(opened, reason)
        wait = timedelta(seconds=min(60.0, 0.5 * 2.0 ** min(tries, 8)))
        act.change(
            t.inbox,
            {"app": self.app, "event_id": opened.name, "state": opened.row["state"]},
            state=state,
            reason=reason[:200],
            tries=tries,
            due_at=act.real + wait,
            parked_at=opened.row["parked_at"] or (act.real if state == "parked" else None),
        )

    @staticmethod
    def _tries(opened: Opened, reason: str) -> int:
        """Return how often in a row, this time included, the same thing has put a row off."""
        again = opened.row["reason"] == reason[:200]
        return int(opened.row["tries"]) + 1 if again else 1

    async def _quarantine(self, opened: Opened, reason: str, case: Row | None) -> None:
        act = self._ledger.act(app_actor(self.app), "inbound")
        event = opened.kept.event
        code = None
        if case is not None:
            found = await self._ledger.read(with_events, EVERYTHING, case["report_id"])
            code = found[0].code if found else None
        act.change(
            t.inbox,
            {"app": self.app, "event_id": opened.name, "state": opened.row["state"]},
            state="quarantined",
            reason=reason[:200],
        )
        act.record(
            code or f"app:{self.app}",
            "inbound.quarantined",
            event=opened.name,
            hop=Hop(direction="in", app=self.app, operation=opened.row["source"], outcome="quarantined"),
            facts={"reason": reason, "kind": event.kind if event else "hint"},
        )
        detail = f"{reason}: {event.word}" if event and reason == "unknown_word" else reason
        subject = f"{self.app}:{event.word if event and reason == 'unknown_word' else opened.name}"
        act.alarm(reason[:40], subject[:240], detail[:300], self.app, case["report_id"] if case else None)
        await self._commit(act)
        _log.warning("inbound.quarantined", connector=self.app, reason=reason)

    async def _finish(self, opened: Opened) -> None:
        act = self._ledger.act(app_actor(self.app), "inbound")
        act.change(t.inbox, {"app": self.app, "event_id": opened.name, "state": opened.row["state"]}, state="applied")
        await self._commit(act)

    def _done(self, act: Act, opened: Opened, row: Row, whole: Whole) -> None:
        wrapped = self._ledger.vault.rewrap_under(
            opened.key, whole.key(self._ledger.vault), f"{self.app}:{opened.name}"
        )
        act.change(
            t.inbox,
            {"app": self.app, "event_id": opened.name, "state": row["state"]},
            state="applied",
            reason=None,
            report_id=whole.id,
            wrapped=wrapped,
        )

    async def _commit(self, act: Act) -> None:
        """Commit; if another process has dealt with the row meanwhile there is nothing left to do."""
        try:
            await self._ledger.commit(act)
        except (Stale, Taken):
            return
