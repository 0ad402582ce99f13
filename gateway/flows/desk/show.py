"""From rows to what a desk sees."""

from datetime import datetime
from typing import Final

from gateway.flows.desk import queries
from gateway.flows.desk.bodies import AppHealth, DeliveryView, ExchangeView, Health, QueueItem, StuckView
from gateway.flows.desk.possible import possible
from gateway.kernel.host import Host, carries
from gateway.kernel.ledger import Erased, Ledger
from gateway.kernel.ledger.reading import Row
from gateway.model.delivery import DeliveryState

_ACROSS: Final = ("ask", "refer", "split", "link", "assign")
"""What an officer may do with any open case of his."""
_WAITING: Final = frozenset({DeliveryState.QUEUED, DeliveryState.UNSURE})


def queue_item(row: Row, stuck: list[Row], host: Host, now: datetime) -> QueueItem:
    """Return a case that waits, with what can be done now: there is always something."""
    if row["app"] == queries.DESK:
        steps = ["reply", "note", "close", *_ACROSS]
    elif stuck:
        moves = dict.fromkeys(move for one in stuck for move in possible(one["state"], one["attempt"]))
        steps = [*moves, "note", *_ACROSS]
    elif carries(host, row["app"], row["profile"]):
        steps = ["reply", "note", *_ACROSS]
    else:
        steps = ["note", *_ACROSS]
    return QueueItem(
        report=row["code"],
        service=row["asked"],
        priority=row["priority"],
        emergency=row["emergency"],
        case=row["number"],
        app=row["app"],
        agency=row["agency"],
        status=row["status"],
        why=row["why"],
        reason=row["reason"],
        owner=row["assignee"],
        since=row["since"],
        age_s=int((now - row["received_at"]).total_seconds()),
        due_by=row["due_by"],
        late=row["due_by"] is not None and row["due_by"] < now,
        next=steps,
        deliveries=[
            StuckView(
                id=str(one["id"]),
                key=one["key"],
                state=one["state"],
                cause=one["cause"],
                moves=possible(one["state"], one["attempt"]),
            )
            for one in stuck
        ],
    )


def delivery_view(row: Row, ledger: Ledger, real: datetime) -> DeliveryView:
    """Return a delivery as the desk sees it, with its last exchange and the app's last words opened from the vault."""
    return DeliveryView(
        id=str(row["id"]),
        key=row["key"],
        report=row["code"],
        case=row["case_number"],
        app=row["app"],
        agency=row["agency"],
        owner=row["assignee"],
        command=row["command"],
        emergency=row["emergency"],
        state=row["state"],
        cause=row["cause"],
        field=row["field"],
        http=row["http"],
        answer=_answer(row, ledger),
        last_exchange=_exchange(row["exchanged"]),
        attempts=row["attempt"],
        made_at=row["made_at"],
        updated_at=row["updated_at"],
        age_s=int((real - row["made_at"]).total_seconds()),
        next_at=row["due_at"] if row["state"] in _WAITING else None,
        moves=possible(row["state"], row["attempt"]),
    )


def _exchange(found: queries.Exchanged | None) -> ExchangeView | None:
    if found is None:
        return None
    hop = found.hop
    return ExchangeView(
        at=found.at,
        operation=hop.operation,
        attempt=hop.attempt,
        outcome=hop.outcome,
        http=hop.http,
        latency_ms=hop.latency_ms,
        request=hop.request,
        response=hop.response,
    )


def _answer(row: Row, ledger: Ledger) -> str | None:
    if row["sealed_answer"] is None:
        return None
    try:
        key = ledger.vault.unwrap(row["kek"], row["wrapped"], row["report_id"].hex)
        return str(key.open("answer", row["sealed_answer"], object))
    except Erased:
        return None


def health(facts: dict[str, Row], host: Host) -> Health:
    """Return how the apps are, worst first: with the most that is stuck, then paused, then with alerts."""
    apps = [_app(app, state.mode, state.reason, facts.get(app, {}), host) for app, state in host.states().items()]
    apps.sort(key=lambda one: (-(one.held + one.dead + one.unsure), not one.paused, -one.alerts, one.app))
    return Health(apps=apps)


def _app(app: str, mode: str, reason: str, facts: Row, host: Host) -> AppHealth:
    watched = host.get(app).health if app in host.apps() else None
    return AppHealth(
        app=app,
        title=title(host, app),
        mode=mode,
        reason=reason or facts.get("fault"),
        paused=watched is not None and watched.paused > 0,
        away=watched is not None and watched.away,
        last_poll=facts.get("polled"),
        last_answer=facts.get("answered"),
        undelivered=facts.get("undelivered", 0),
        oldest_undelivered=facts.get("oldest"),
        held=facts.get(DeliveryState.HELD, 0),
        dead=facts.get(DeliveryState.DEAD, 0),
        unsure=facts.get(DeliveryState.UNSURE, 0),
        alerts=facts.get("alerts", 0),
        parked=facts.get("parked", 0),
        quarantined=facts.get("quarantined", 0),
    )


def title(host: Host, app: str) -> str:
    """Return an app's name for people; the desk's own cases, and apps that are gone, keep their plain name."""
    try:
        return host.title(app)
    except KeyError:
        return app
