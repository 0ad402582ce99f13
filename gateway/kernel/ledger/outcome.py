"""How a delivery moves after something became of it: the row, its fence and its entry together."""

from datetime import timedelta
from typing import Any

from gateway.kernel.ledger.act import Act, ReportRef
from gateway.model.delivery import DeliveryState, Next
from gateway.model.entry import Hop

ALERTS = {
    DeliveryState.HELD: "delivery_held",
    DeliveryState.DEAD: "delivery_dead",
    DeliveryState.QUEUED: "connector_paused",
    DeliveryState.UNSURE: "connector_paused",
}


def settle_delivery(
    act: Act,
    report: ReportRef,
    case_number: int,
    row: dict[str, Any],
    following: Next,
    hop: Hop,
    *,
    settle_s: float = 0.0,
    how: str | None = None,
    cause: str | None = None,
    field: str | None = None,
    http: int | None = None,
    answer: object = None,
    **values: Any,
) -> None:
    """Move a delivery to `following`, fenced by the state and attempt it was read with.

    `how` tells what resolved it (`receipt`, `find`, `event`, `person`, `lease`); `cause` is a code for the desk,
    `answer` what the app said, sealed with the report's key. Alerts are raised where a person must look.
    """
    act.settle(
        row,
        following,
        settle_at=act.now + timedelta(seconds=settle_s) if following.settle else None,
        due_at=act.real + timedelta(seconds=following.wait),
        cause=cause,
        field=field,
        http=http,
        sealed_answer=None if answer is None else report.key.seal("answer", answer),
        **values,
    )
    kind = "retry" if following.state is DeliveryState.QUEUED else str(following.state)
    facts = {name: value for name, value in (("how", how), ("cause", cause), ("field", field)) if value}
    act.record(report.code, f"delivery.{kind}", case=case_number, hop=hop, facts=facts or None)
    if following.alert:
        act.alarm(ALERTS[following.state], row["key"], cause or str(following.state), row["app"], report.id)


def accepted() -> Next:
    """Return the move to `accepted`, for those who know without an attempt of their own."""
    return Next(state=DeliveryState.ACCEPTED)
