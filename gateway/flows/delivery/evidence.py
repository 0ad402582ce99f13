"""What an exchange with an app leaves behind: the hop of its entry, the receipt's numbers and first word."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.kernel.host import Host, Outcome
from gateway.kernel.ledger import Act, Ledger
from gateway.kernel.ledger.files import announce
from gateway.kernel.ledger.progress import Happening, progress
from gateway.kernel.ledger.reading import Whole, case_ref
from gateway.model.case import CaseEvent
from gateway.model.delivery import Command, DeliveryState, Standing
from gateway.model.entry import Hop
from gateway.model.principal import app_actor
from gateway.sdk import Receipt

NUMBER_TAKEN: Final = "number_taken"
"""Cause of a delivery that is held because the app named a record that belongs to another case."""


def standing_of(row: dict[str, Any]) -> Standing:
    """Return the part of a delivery's row that decides."""
    return Standing(
        state=DeliveryState(row["state"]),
        attempt=row["attempt"],
        absences=row["absences"],
        made_at=row["made_at"],
        replayed_at=row["replayed_at"],
    )


def hop_of(app: str, row: dict[str, Any], outcome: Outcome, operation: str | None = None) -> Hop:
    """Return the hop of an exchange with an app, for the entry."""
    last = outcome.exchanges[-1] if outcome.exchanges else None
    return Hop(
        direction="out",
        app=app,
        operation=operation or row["command"],
        delivery=row["key"],
        attempt=row["attempt"],
        outcome=str(outcome.verdict),
        http=last.status if last else None,
        latency_ms=sum(exchange.latency_ms for exchange in outcome.exchanges) if last else None,
        request=last.request_digest if last else None,
        response=last.response_digest if last else None,
    )


def received(
    act: Act,
    ledger: Ledger,
    host: Host,
    whole: Whole,
    row: dict[str, Any],
    known: Sequence[CaseEvent],
    receipt: Receipt,
) -> None:
    """Keep what a receipt says: the app's numbers and its first word; tell the reporter that the app has it."""
    report, case_row = whole.ref(ledger.vault), whole.case(row["case_id"])
    case = case_ref(case_row)
    have = {(number["kind"], number["value"]) for number in whole.references_of(case.id)}
    act.refer(report, case, [(r.kind, r.value) for r in receipt.references if (r.kind, r.value) not in have])
    announce(act, report, case, receipt.documents)
    if row["command"] != Command.OPEN:
        return
    status = host.status_of(case.app, case_row["profile"], receipt.word) if receipt.word else None
    if receipt.word and status is None:
        act.alarm("unknown_word", f"{case.app}:{receipt.word}", f"unknown_word: {receipt.word}", case.app, report.id)
    event = CaseEvent(id=f"receipt:{row['key']}", at=receipt.at or _beginning(whole), status=status, word=receipt.word)
    happening = Happening(
        event=event,
        kind="receipt",
        by=case.app,
        silent=True,
        actor=app_actor(case.app),
        facts={reference.kind: reference.value for reference in receipt.references},
    )
    if progress(act, ledger.vault, whole, case.id, [happening], known) is not None:
        act.say(report, "delivery.forwarded", case.app, case=case, app=host.manifest(case.app).title)


def _beginning(whole: Whole) -> datetime:
    """Return the time of a receipt that tells none: before everything its app will say of the record.

    The record began after the report came here, and the app may write its times in whole seconds: a change in the
    second of its beginning would otherwise be folded before the receipt, and be undone by it.
    """
    received_at: datetime = whole.report["received_at"]
    return received_at.replace(microsecond=0) - timedelta(seconds=1)
