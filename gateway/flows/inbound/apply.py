"""T6: what an app said moves its case. Matched by our key or by the app's number; else a record born there is
opened here, or the news is parked until it can be matched. Order of arrival cannot matter: everything is kept
and the case is folded anew."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog

from gateway.flows.inbound import queries
from gateway.flows.inbound.adopt import Adopter
from gateway.flows.inbound.follow import Follower
from gateway.flows.inbound.inbox import Inbox, ended
from gateway.flows.inbound.opened import Opened, open_row
from gateway.flows.inbound.store import Kept, Store
from gateway.kernel.coordination import Wake
from gateway.kernel.host import Host
from gateway.kernel.ledger import Act, Ledger, Taken
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
from gateway.model.delivery import TRANSITIONS, Command, DeliveryState
from gateway.model.entry import Hop
from gateway.model.principal import EVERYTHING, app_actor
from gateway.sdk import Event, Look

PARKED_FOR: Final = timedelta(hours=24)
_BATCH: Final = 200
_log = structlog.get_logger()


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """An event on its way to the case that it is about."""

    opened: Opened
    event: Event
    case: Row

    def fits(self, first: "Heard") -> bool:
        """Tell whether this can be applied in one act with another: same case, come the same way. What gives a
        report's clocks more time goes alone: each changes them as the one before has left them."""
        alone = self.event.facts.get("extended") is True or first.event.facts.get("extended") is True
        same = self.case["id"] == first.case["id"]
        return same and not alone and self.opened.row["source"] == first.opened.row["source"]


class Applier:
    """Applies the inbox of one app. Records born there before `since` open no report here.

    What is to be read in the app (`follow`) waits for the app; news that is here already does not wait behind it.
    """

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
        self._inbox = Inbox(app, ledger)
        self._follower = Follower(app, ledger, host, store, self._inbox)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        loops = [asyncio.create_task(self._loop(stop, work)) for work in (self.applied, self._follower.round)]
        try:
            over, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_EXCEPTION)
            for task in over:
                task.result()
        finally:
            for task in loops:
                task.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    async def _loop(self, stop: asyncio.Event, work: Callable[[], Awaitable[int]]) -> None:
        while not stop.is_set():
            if not await work():
                await self._wake.wait({"inbox"}, 1.0)

    async def round(self) -> int:
        """Apply what is due, and follow the hints that are due; return how much that was."""
        return await self.applied() + await self._follower.round()

    async def applied(self) -> int:
        """Apply what is due; records of the app are independent of each other, rows of one record go in turn.

        A row that cannot be read, or not be applied for a reason that nobody has thought of, holds up no other: it is
        tried again a few times, then set aside.
        """
        rows = await self._ledger.read(queries.due, self.app, self._ledger.clock.real(), _BATCH, hints=False)
        lanes: defaultdict[str, list[Opened]] = defaultdict(list)
        for row, opened in zip(rows, await ended(self._open(row) for row in rows), strict=True):
            if isinstance(opened, Opened):
                lanes[opened.lane].append(opened)
            else:
                await self._inbox.failed(row, opened)
        faults = await ended(self._lane(lane) for lane in lanes.values())
        for lane, fault in zip(lanes.values(), faults, strict=True):
            if fault is None:
                continue
            alone = await ended(self._lane([opened]) for opened in lane)
            for opened, its_own in zip(lane, alone, strict=True):
                if its_own is not None:
                    await self._inbox.failed(opened.row, its_own)
        return len(rows)

    async def _open(self, row: Row) -> Opened:
        return open_row(self._ledger, row)

    async def _lane(self, lane: Sequence[Opened]) -> None:
        """Apply the rows of one record in turn: those that need nothing but their case together, in one act."""
        together: list[Heard] = []
        known: dict[tuple[str | None, ...], Row] = {}
        for opened in sorted(lane, key=lambda item: item.seq):
            if (event := opened.kept.event) is None:
                continue
            name = (event.key, *(reference.value for reference in event.references))
            case = known.get(name) or await self._match(event)
            if case is not None:
                known[name] = case
            if case is None:
                await self._together(together)
                together = []
                await self._unmatched(opened, event)
            elif event.word is not None and self._host.status_of(self.app, case["profile"], event.word) is None:
                await self._inbox.quarantine(opened, "unknown_word", case)
            else:
                heard = Heard(opened=opened, event=event, case=case)
                if together and not heard.fits(together[0]):
                    await self._together(together)
                    together = []
                together.append(heard)
        await self._together(together)

    # -- events ------------------------------------------------------------------------------------------------

    async def _together(self, heard: Sequence[Heard]) -> None:
        """Apply events of one case in one act; where that is refused, one by one, so that only the one at fault is."""
        if not heard:
            return
        moved: set[str] = set()
        try:
            await decided(self._ledger, lambda: self._apply(heard, moved))
        except Taken:
            if len(heard) == 1:
                await self._inbox.quarantine(heard[0].opened, "number_taken", heard[0].case)
                return
            for one in heard:
                await self._together([one])
            return
        for code in moved:
            self._wake.ring(f"report:{code}")
        self._wake.ring("delivery")

    async def _match(self, event: Event) -> Row | None:
        if event.key:
            for delivery in await self._ledger.read(delivery_by_key, [event.key]):
                if delivery["app"] == self.app:
                    return await self._case(delivery)
        values = [reference.value for reference in event.references]
        return await self._ledger.read(case_by_number, self.app, values) if values else None

    async def _case(self, delivery: Row) -> Row:
        found = await self._ledger.read(with_events, EVERYTHING, delivery["report_id"])
        assert found is not None, "a delivery without a report breaks a foreign key"
        return found[0].case(delivery["case_id"])

    async def _apply(self, heard: Sequence[Heard], moved: set[str]) -> Act | None:
        """Return the act that events of one case make; the report they move is noted in `moved`."""
        names, case = [one.opened.name for one in heard], heard[0].case
        rows, whole, events = await self._ledger.read(queries.standing, self.app, names, case["report_id"])
        left = [one for one in heard if rows[one.opened.name]["state"] in {"new", "parked"}]
        if not left:
            return None
        kinds = {one.event.kind for one in left}
        act = self._ledger.act(
            app_actor(self.app), f"{left[0].opened.row['source']}:{kinds.pop() if len(kinds) == 1 else 'several'}"
        )
        report, ref = whole.ref(self._ledger.vault), case_ref(whole.case(case["id"]))
        await self._resolve(act, whole, [one.event for one in left])
        have = {(number["kind"], number["value"]) for number in whole.references_of(ref.id)}
        taken = await self._typed_twice(act, whole, [one.event for one in left], have)
        named = dict.fromkeys((r.kind, r.value) for one in left for r in one.event.references)
        act.refer(report, ref, [number for number in named if number not in have | taken])
        for one in left:
            announce(act, report, ref, one.event.documents)
        happenings = [self._happening(one, taken) for one in left]
        progress(act, self._ledger.vault, whole, ref.id, happenings, events[ref.id])
        for one in left:
            self._adopter.extend(act, whole, one.event)
            self._inbox.done(act, one.opened, rows[one.opened.name], whole)
        await self._mend_gap(act, left, {event.seq for event in events[ref.id]})
        moved.add(whole.code)
        return act

    def _happening(self, heard: Heard, taken: set[tuple[str, str]]) -> Happening:
        event, source = heard.event, heard.opened.row["source"]
        status = self._host.status_of(self.app, heard.case["profile"], event.word) if event.word else None
        typed = ",".join(r.kind for r in event.references if (r.kind, r.value) in taken)
        return Happening(
            event=CaseEvent(id=event.id, at=event.at, seq=event.seq, status=status, word=event.word),
            kind="event",
            by=self.app,
            text=event.text,
            facts=dict(event.facts) | ({"number_taken": typed} if typed else {}),
            hop=Hop(direction="in", app=self.app, operation=source, outcome=event.kind),
        )

    async def _typed_twice(
        self, act: Act, whole: Whole, events: Sequence[Event], have: set[tuple[str, str]]
    ) -> set[tuple[str, str]]:
        """Return those further numbers of a record that another case has, and alert a person.

        The first number names the record; any other may have been typed by an officer of the app, for the wrong record.
        Such a mistake costs that number and nothing else: the record is known, and what it tells is heard.
        """
        first = {(one.kind, one.value) for event in events for one in event.references[:1]}
        further = {(one.kind, one.value) for event in events for one in event.references} - first - have
        held = await self._ledger.read(queries.held, self.app, [value for _, value in further]) if further else set()
        taken = further & held
        if taken:
            detail = ", ".join(sorted(kind for kind, _ in taken))
            act.alarm("number_taken", f"{self.app}:{whole.code}", detail, self.app, whole.id)
        return taken

    async def _resolve(self, act: Act, whole: Whole, events: Sequence[Event]) -> None:
        """Whoever speaks first resolves *unsure*: the app that shows our key has the command."""
        keys = list(dict.fromkeys(key for event in events for key in (event.key, *event.marks) if key))
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

    async def _mend_gap(self, act: Act, heard: Sequence[Heard], known: set[int | None]) -> None:
        """Ask for what is missing when the app's sequence for a record has a hole.

        Not at once: what was only overtaken on its way closes the hole by itself.
        """
        last = max(heard, key=lambda one: one.event.seq or 0).event
        if last.seq is None or not last.references or not self._host.can(self.app, "read"):
            return
        have = known | {one.event.seq for one in heard}
        missing = next((number for number in range(1, last.seq) if number not in have), None)
        if missing is None:
            return
        look = Look(id=f"gap:{last.references[0].value}:{missing - 1}:{last.seq}", reference=last.references[0])
        await self._inbox.ask(act, Kept(look=look, after=str(missing - 1), before=last.seq))

    # -- what cannot be matched (yet) ----------------------------------------------------------------------------

    async def _unmatched(self, opened: Opened, event: Event) -> None:
        manifest = self._host.manifest(self.app)
        ours = event.key is not None
        if not ours and self._since is not None and event.at < self._since:
            await self._inbox.finish(opened)  # the app's own history, from before it was connected: it stays there
            return
        may_open = not ours and event.opening is not None and event.kind in manifest.opening.kinds
        if may_open and not event.references:
            await self._inbox.quarantine(opened, "no_number", None)  # nobody could tell it from the next one
            return
        if may_open and not manifest.echoes_key:
            # The row may be ours, still unsure: without our mark nobody can tell before that is resolved.
            may_open = not await self._ledger.read(queries.unresolved, self.app)
        if may_open:
            refusal = await self._adopter.adopt(opened, event)
            if refusal is None:
                await self._lane([opened])
            else:
                await self._inbox.quarantine(opened, refusal, None)
            return
        real = self._ledger.clock.real()
        if opened.row["parked_at"] is not None and real - opened.row["parked_at"] >= PARKED_FOR:
            await self._inbox.quarantine(opened, "unmatched", None)
            return
        act = self._ledger.act(app_actor(self.app), "inbound")
        if not ours and event.references and manifest.echoes_key and self._host.can(self.app, "read"):
            # A record born there whose opening we have not seen: read it whole.
            look = Look(id=f"born:{event.references[0].value}", reference=event.references[0])
            await self._inbox.ask(act, Kept(look=look, born=True))
        self._inbox.put_off(act, opened.row, "parked", "unmatched")
        await self._inbox.settle(act)
