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


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The number under which the app has it: `kind` as that app's numbers are called, `value` the number."""

    kind: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}\Z")]
    value: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9:/._-]{0,119}\Z")]


class ResolveBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What shows that the app has the delivery, and why a person says so."""

    reference: Evidence
    reason: Reason


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery as the desk sees it.

    `cause` is a code for why it stands where it stands, `field` what the app refuses, `http` its last status,
    `answer` its last words; `agency` owns the case; `next_at` is when it is taken up again (null: not by itself);
    `moves` are what a person may do with it.
    """

    id: str
    key: str
    report: str
    case: int
    app: str
    agency: str
    command: str
    emergency: bool
    state: str
    cause: str | None
    field: str | None
    http: int | None
    answer: str | None
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
