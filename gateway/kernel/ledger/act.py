"""An act: someone, for a cause, in one transaction. It is a value: row changes with their preconditions.

Verbs add rows, queue items and the audit entry together, so that none can be forgotten. Nothing touches the
database until the ledger commits the act.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Table

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.parts import CaseRef, Change, PendingEntry, ReportRef, Texter, Timekeeper
from gateway.kernel.ledger.vault import ReportKey
from gateway.model.case import CaseEvent
from gateway.model.delivery import Command, DeliveryState, Next
from gateway.model.entry import Hop, stamp
from gateway.model.link import LinkKind
from gateway.model.principal import Actor
from gateway.model.status import Status
from gateway.sdk.entropy import Entropy, uuid7


class Asked(msgspec.Struct, frozen=True):
    """What a reporter is asked for: names of fields (none: in words only). `opens`: the case is delivered once
    everything is there."""

    fields: tuple[str, ...]
    opens: bool = False


class Act:
    """Collects the changes of one act. Made by `Ledger.act`, committed by `Ledger.commit`."""

    def __init__(
        self,
        actor: Actor,
        cause: str,
        now: datetime,
        real: datetime,
        entropy: Entropy,
        texter: Texter | None = None,
        timekeeper: Timekeeper | None = None,
    ) -> None:
        self.actor, self.cause, self.now, self.real = actor, cause, now, real
        self.entropy = entropy
        self._texter, self.timekeeper = texter, timekeeper
        self._texted: set[tuple[UUID, str]] = set()
        self._last_id = 0
        self._stamp: str | None = None
        self.inserts: list[tuple[Table, dict[str, Any]]] = []
        self.changes: list[Change] = []
        self.entries: list[PendingEntry] = []
        self.new_streams: set[str] = set()
        self.announced: list[dict[str, Any]] = []
        self.tallies: list[dict[str, Any]] = []
        self.alerts: list[dict[str, Any]] = []

    def new_id(self) -> UUID:
        """Make a row id; ids grow with time, and within one act one by one."""
        self._last_id = self._last_id + 1 if self._last_id else uuid7(self.now, self.entropy).int
        return UUID(int=self._last_id)

    @property
    def stamp(self) -> str:
        """When this is done, as entries say it."""
        if self._stamp is None:
            self._stamp = stamp(self.now)
        return self._stamp

    def insert(self, table: Table, **values: Any) -> None:
        """Add a row (verbs of this class and of the ledger only)."""
        self.inserts.append((table, values))

    def change(self, table: Table, where: Mapping[str, Any], **values: Any) -> None:
        """Change exactly one row, or drop the act."""
        self.changes.append(Change(table, where, values))

    def record(self, stream: str, kind: str, **fields: Any) -> None:
        """Write an entry; `fields` are those of `gateway.model.entry.Entry` that tell more."""
        self.entries.append(PendingEntry(stream=stream, kind=kind, fields=fields))

    # -- opening -----------------------------------------------------------------------------------------------

    def open(self, code: str, key: ReportKey, row: Mapping[str, Any], **fields: Any) -> ReportRef:
        """Open a report: its row, its stream, its first entry (which fixes the commitment key)."""
        report_id: UUID = row["id"]
        self.insert(t.report, code=code, version=1, **row)
        self.new_streams.add(code)
        facts = {"service": row["service"], "channel": row["channel"], "key": key.fingerprint}
        self.record(code, "report.opened", status=str(row["status"]), facts=facts, **fields)
        return ReportRef(id=report_id, code=code, version=1, key=key, row=row)

    def open_case(self, report: ReportRef, number: int, row: Mapping[str, Any], config: str) -> CaseRef:
        """Open a case of a report in an app (or at the gateway's desk) with the rule that decided it."""
        case_id = self.new_id()
        self.insert(
            t.cases,
            id=case_id,
            report_id=report.id,
            number=number,
            version=1,
            seen_at=None,
            word=None,
            assignee=None,
            since=self.now,
            **row,
        )
        facts = {"app": row["app"], "agency": row["agency"], "reason": row["reason"]}
        self.record(
            report.code,
            "case.opened",
            case=number,
            rule=row["rule"],
            config=config,
            status=str(row["status"]),
            facts=facts,
        )
        return CaseRef(id=case_id, number=number, app=row["app"], version=1)

    def send(
        self,
        report: ReportRef,
        case: CaseRef,
        number: int,
        command: Command,
        payload: object,
        emergency: bool,
    ) -> str:
        """Queue a command for the case's app; what will be sent is frozen here. Returns the delivery's key."""
        key = f"{report.code}-{number}"
        sealed = report.key.seal("payload", payload)
        self.insert(
            t.delivery,
            id=self.new_id(),
            key=key,
            report_id=report.id,
            case_id=case.id,
            number=number,
            app=case.app,
            command=command,
            emergency=emergency,
            state=DeliveryState.QUEUED,
            attempt=0,
            absences=0,
            due_at=self.real,
            settle_at=None,
            lease_until=None,
            worker=None,
            made_at=self.real,
            replayed_at=None,
            cause=None,
            field=None,
            http=None,
            updated_at=self.real,
            sealed=sealed,
        )
        self.record(
            report.code,
            "delivery.queued",
            case=case.number,
            commits={"payload": report.key.commitment(payload)},
            hop=Hop(direction="out", app=case.app, operation=command, delivery=key),
        )
        return key

    # -- moving ------------------------------------------------------------------------------------------------

    def hear(self, report: ReportRef, case: CaseRef, event: CaseEvent, kind: str, **fields: Any) -> None:
        """Keep an event of a case, whatever it changes."""
        self.insert(
            t.event,
            case_id=case.id,
            event_id=event.id,
            report_id=report.id,
            kind=kind,
            at=event.at,
            seq=event.seq,
            status=event.status,
            word=event.word,
            by_gateway=event.by_gateway,
            received_at=self.now,
        )
        self.record(
            report.code,
            f"case.{kind}",
            case=case.number,
            event=event.id,
            word=event.word,
            status=event.status and str(event.status),
            **fields,
        )

    def refer(self, report: ReportRef, case: CaseRef, references: Iterable[tuple[str, str]]) -> None:
        """Keep numbers the app gave to the case (those not known yet)."""
        for kind, value in references:
            names = {"app": case.app, "kind": kind, "value": value}
            self.insert(t.reference, **names, case_id=case.id, report_id=report.id, at=self.now)

    def move(self, case: CaseRef, status: Status, word: str | None, since: datetime | None, heard: bool = True) -> None:
        """Set a case to where the fold of its events says it stands, and note that its app was `heard`."""
        values: dict[str, Any] = {"status": status, "word": word, "version": case.version + 1}
        if heard:
            values["seen_at"] = self.now
        if since is not None:
            values["since"] = since
        self.change(t.cases, {"id": case.id, "version": case.version}, **values)

    def touch(self, report: ReportRef, **values: Any) -> None:
        """Change the report's row under its version: whoever read an older one must think again."""
        self.change(
            t.report,
            {"id": report.id, "version": report.version},
            version=report.version + 1,
            updated_at=self.now,
            **values,
        )

    def say(
        self,
        report: ReportRef,
        notice: str,
        by: str,
        *,
        case: CaseRef | None = None,
        status: Status | None = None,
        text: str | None = None,
        at: datetime | None = None,
        internal: bool = False,
        **values: str,
    ) -> None:
        """Tell the report's readers: a notice with its values, and free text sealed. Who follows by text messages gets
        those that are told so, of an act the same text once."""
        if not internal:
            self._text(report, notice, values)
        self.insert(
            t.timeline,
            id=self.new_id(),
            report_id=report.id,
            case_id=case and case.id,
            at=at or self.now,
            status=status,
            notice=notice,
            params=values,
            by=by,
            internal=internal,
            sealed=None if text is None else report.key.seal("text", text),
        )

    def _text(self, report: ReportRef, notice: str, values: Mapping[str, str]) -> None:
        found = None if self._texter is None else self._texter.message(report, notice, values)
        if found is None or (report.id, found[0]) in self._texted:
            return
        name, message = found
        self._texted.add((report.id, name))
        self.insert(
            t.sms,
            id=self.new_id(),
            report_id=report.id,
            notice=notice,
            state="queued",
            tries=0,
            made_at=self.real,
            due_at=self.real,
            cause=None,
            sealed=report.key.seal("sms", message),
        )
        commits = {"text": report.key.commitment(message)}
        self.record(report.code, "sms.queued", facts={"notice": notice}, commits=commits)

    def link(
        self,
        report: ReportRef,
        other: UUID,
        other_code: str,
        kind: LinkKind,
        *,
        rule: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Point from this report to another; both streams tell it, with the rule.

        The reason in words belongs to this report: its stream holds the commitment, the other's does not.
        """
        self.insert(t.link, report_id=report.id, other_id=other, kind=kind, at=self.now)
        commits = None if reason is None else {"reason": report.key.commitment(reason)}
        self.record(report.code, "link.made", rule=rule, facts={"kind": str(kind), "to": other_code}, commits=commits)
        self.record(other_code, "link.received", rule=rule, facts={"kind": str(kind), "from": report.code})

    def ask(
        self, report: ReportRef, case: CaseRef, event: CaseEvent, by: str, asked: Asked, text: str | None, **fields: Any
    ) -> None:
        """Ask the reporter; `event` is the event by which the case waits for him, `text` the question in words."""
        self.insert(
            t.ask,
            id=self.new_id(),
            report_id=report.id,
            case_id=case.id,
            at=self.now,
            by=by,
            fields=list(asked.fields),
            opens=asked.opens,
            state="open",
            answered_at=None,
            sealed=None if text is None else report.key.seal("question", text),
        )
        if asked.fields:
            fields["facts"] = {"fields": ",".join(asked.fields)} | fields.get("facts", {})
        self.hear(report, case, event, "asked", **fields)

    def assign(self, case: CaseRef, **values: Any) -> None:
        """Give a case to an officer (`assignee`, a pseudonym) or another agency (`agency`)."""
        self.change(t.cases, {"id": case.id, "version": case.version}, version=case.version + 1, **values)

    def settle(
        self,
        row: Mapping[str, Any],
        following: Next,
        settle_at: datetime | None,
        due_at: datetime,
        **values: Any,
    ) -> None:
        """Move a delivery, fenced by the state and attempt it was read with: a stale worker changes nothing."""
        changed = {
            "state": following.state,
            "absences": following.absences,
            "due_at": due_at,
            "settle_at": settle_at,
            "lease_until": None,
            "worker": None,
            "updated_at": self.real,
        }
        self.change(
            t.delivery,
            {"id": row["id"], "state": row["state"], "attempt": row["attempt"]},
            **(changed | values),
        )

    def reach(self, report: ReportRef, clock: str, by: datetime, at: datetime) -> None:
        """Stop a clock: what it waited for was reached at `at`, in time or not."""
        state = "met" if at <= by else "missed"
        where = {"report_id": report.id, "clock": clock, "state": "running"}
        self.change(t.deadline, where, state=state, met_at=at)
        self.record(report.code, f"clock.{state}", facts={"clock": clock, "by": by.isoformat()})

    def extend(self, report: ReportRef, clock: Mapping[str, Any], by: datetime, rule: str) -> None:
        """Give a clock that is not over more time, once: its row as it was read, and by when it runs out now."""
        where = {"report_id": report.id, "clock": clock["clock"], "state": clock["state"], "by": clock["by"]}
        self.change(t.deadline, where, by=by, rule=rule)
        facts = {"clock": clock["clock"], "from": clock["by"].isoformat(), "by": by.isoformat()}
        self.record(report.code, "clock.extended", rule=rule, facts=facts)

    # -- what is not about one report --------------------------------------------------------------------------

    def count(self, app: str, kind: str, at: datetime) -> None:
        """Count a call that is nothing but counted."""
        hour = at.replace(minute=0, second=0, microsecond=0)
        self.tallies.append({"app": app, "kind": kind, "hour": hour, "total": 1})

    def alarm(
        self, kind: str, subject: str, detail: str, app: str | None = None, report_id: UUID | None = None
    ) -> None:
        """Raise an alert for a person; the same kind and subject again raises its count."""
        self.alerts.append(
            {
                "id": self.new_id(),
                "kind": kind,
                "subject": subject,
                "app": app,
                "report_id": report_id,
                "detail": detail,
                "at": self.now,
                "last_at": self.now,
                "times": 1,
                "cleared_at": None,
            }
        )
