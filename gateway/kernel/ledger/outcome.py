"""How a delivery moves after something became of it: the row, its fence and its entry together."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from gateway.kernel.ledger.act import Act
from gateway.kernel.ledger.apply import Taken
from gateway.kernel.ledger.ledger import Ledger
from gateway.kernel.ledger.parts import ReportRef
from gateway.model.delivery import DeliveryState, Next
from gateway.model.entry import Hop

_MOMENTS: Final = 5
ALERTS: Final = {
    DeliveryState.HELD: "delivery_held",
    DeliveryState.DEAD: "delivery_dead",
    DeliveryState.QUEUED: "connector_paused",
    DeliveryState.UNSURE: "connector_paused",
}
"""The kind of alert by where the delivery now stands."""


async def decided(ledger: Ledger, think: Callable[[], Awaitable[Act | None]]) -> bool:
    """Decide as the ledger does, and think again where somebody else wrote the same row in the same moment.

    Two processes may bring the same event, receipt or hint at once; whoever comes second reads it and finds that
    there is nothing left to do. Raises Taken where that does not help: then the name belongs to something else.
    """
    for _ in range(_MOMENTS - 1):
        try:
            return await ledger.decide(think)
        except Taken:
            continue
    return await ledger.decide(think)


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
