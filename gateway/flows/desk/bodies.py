"""What the desk answers, and what it takes in. Times are RFC 3339 UTC, ages whole seconds."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

Words = Annotated[str, Meta(min_length=1, max_length=10_000)]
Reason = Annotated[str, Meta(min_length=1, max_length=1_000)]
Case = Annotated[int, Meta(ge=1)]


class ReplyBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An answer the reporter reads. `status` moves a case of the desk (default `in_progress`); `case` is the
    number of the case meant, needed only where several could be."""

    text: Words
    status: str | None = None
    case: Case | None = None


class NoteBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A note that only those who work on the report read."""

    text: Words
    case: Case | None = None


class CloseBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The end of a case of the desk: `outcome` is `resolved` or `rejected`, `text` what the reporter reads."""

    outcome: str
    text: Words
    case: Case | None = None


class ReasonBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a delivery is sent again, or given up."""

    reason: Reason


class ReferBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a report is referred to: an `app` (`gateway` is its own desk), an `agency`, or where the catalogue sends
    its `service` (default: the service of the case). An emergency service makes a report of its own.

    `description` is what is said there instead of the reporter's words, `attributes` answer the service's form.
    """

    reason: Reason
    app: Annotated[str, Meta(max_length=40)] | None = None
    agency: Annotated[str, Meta(max_length=40)] | None = None
    service: Annotated[str, Meta(max_length=40)] | None = None
    description: Words | None = None
    attributes: dict[str, object] = {}
    case: Case | None = None


class PartBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One part that becomes a report of its own, in an officer's words."""

    service: Annotated[str, Meta(max_length=40)]
    description: Words
    attributes: dict[str, object] = {}
    reason: Reason | None = None


class SplitBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is split off a report."""

    parts: Annotated[list[PartBody], Meta(min_length=1, max_length=10)]
    reason: Reason | None = None


class LinkBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """This report is a `kind` of the one that `code` names (its code, or a number that an app gave)."""

    kind: str
    code: Annotated[str, Meta(min_length=1, max_length=120)]
    reason: Reason


class AskBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the reporter is asked: `fields` of the service's form, or of persons and places, and a question in words."""

    fields: Annotated[list[Annotated[str, Meta(max_length=40)]], Meta(max_length=20)] = []
    text: Words | None = None
    case: Case | None = None


class AssignBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who works on a case: an `officer` (the subject of his account; `me`), or another `agency`; `note` why."""

    officer: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    agency: Annotated[str, Meta(max_length=40)] | None = None
    note: Reason | None = None
    case: Case | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The number under which the app has it: `kind` as that app's numbers are called, `value` the number."""

    kind: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}\Z")]
    value: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9:/._-]{0,119}\Z")]


class ResolveBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shows that the app has the delivery, and why a person says so."""

    reference: Evidence
    reason: Reason


class ExchangeView(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange with an app, without content: when it was entered, what was asked in which attempt, what came of it,
    the HTTP status (null: no answer) and milliseconds, the SHA-256 of what was sent and of what was answered."""

    at: datetime
    operation: str
    attempt: int | None
    outcome: str | None
    http: int | None
    latency_ms: int | None
    request: str | None
    response: str | None


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery as the desk sees it.

    `cause` is a code for why it stands where it stands, `field` what the app refuses, `http` its last status,
    `answer` its last words, `last_exchange` the last time that it, or a look for it, went to the app; `agency` owns
    the case and `owner` is who took it up there; `next_at` is when it is taken up again (null: not by itself); `moves`
    are what a person may do with it.
    """

    id: str
    key: str
    report: str
    case: int
    app: str
    agency: str
    owner: str | None
    command: str
    emergency: bool
    state: str
    cause: str | None
    field: str | None
    http: int | None
    answer: str | None
    last_exchange: ExchangeView | None
    attempts: int
    made_at: datetime
    updated_at: datetime
    age_s: int
    next_at: datetime | None
    moves: list[str]


class StuckView(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that keeps a case waiting."""

    id: str
    key: str
    state: str
    cause: str | None
    moves: list[str]


class QueueItem(msgspec.Struct, frozen=True, kw_only=True):
    """A case that waits for a person.

    `why` is `desk` (the gateway's own desk has it, for `reason`), `stuck` (it did not reach its app) or `late` (a
    deadline has gone by); `owner` who took it; `age_s` since the report came in; `next` what can be done now.
    """

    report: str
    service: str
    priority: str
    emergency: bool
    case: int
    app: str
    agency: str
    status: str
    why: str
    reason: str
    owner: str | None
    since: datetime
    age_s: int
    due_by: datetime | None
    late: bool
    next: list[str]
    deliveries: list[StuckView]


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """What waits at a desk, most pressing first; `more` tells that there is more than was asked for."""

    items: list[QueueItem]
    more: bool


class Deliveries(msgspec.Struct, frozen=True, kw_only=True):
    """Deliveries in the states asked for, emergencies first, then the oldest."""

    items: list[DeliveryView]
    more: bool


class AppHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How an app is from here.

    `reason` says why it is not live, or what was wrong the last time; `paused` that it refuses our credential and
    is left alone for a while, `away` that it did not answer the last call (both as this process knows it);
    `oldest_undelivered` when the oldest command that waits was made.
    """

    app: str
    title: str
    mode: str
    reason: str | None
    paused: bool
    away: bool
    last_poll: datetime | None
    last_answer: datetime | None
    undelivered: int
    oldest_undelivered: datetime | None
    held: int
    dead: int
    unsure: int
    alerts: int
    parked: int
    quarantined: int


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the apps are, worst first."""

    apps: list[AppHealth]


class Referred(msgspec.Struct, frozen=True, kw_only=True):
    """Where a report was referred to.

    `report` is it, or the emergency that was made of it; `case` its new case there, in `app` (`gateway`: the desk) at
    `agency`; `reason` why it stands there; `missing` what its reporter is asked for before it is delivered.
    """

    report: str
    case: int
    app: str
    agency: str
    status: str
    reason: str
    missing: list[str]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part as it was opened. `code` is null where it would tell who a hidden reporter is."""

    code: str | None
    service: str
    app: str
    agency: str
    status: str
    missing: list[str]


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What a report was split into."""

    report: str
    parts: list[Part]


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """A link that was made, and the report's status now."""

    report: str
    kind: str
    code: str
    status: str


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a reporter was asked for, and the status of the report now."""

    report: str
    case: int
    status: str
    fields: list[str]


class Assigned(msgspec.Struct, frozen=True, kw_only=True):
    """Who has a case now: an officer (by pseudonym) at an agency."""

    report: str
    case: int
    agency: str
    owner: str | None
