"""What tracking answers, and what it takes in. Times are RFC 3339 UTC."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.model.report import Place, Reporter


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A service or agency by code, with its name in the caller's language."""

    code: str
    name: str


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """A number an app gave to a case: `kind` tells which of its numbers it is."""

    kind: str
    value: str


class CaseView(msgspec.Struct, frozen=True, kw_only=True):
    """The report inside one app, or at the gateway's own desk (`app` is `gateway`).

    `status_title` says it in words ("waiting for …" as long as the app has given no number); `since` when the
    status began, `seen_at` when the app was last heard (null: never).
    """

    app: str
    app_title: str
    agency: str
    status: str
    status_title: str
    references: tuple[Number, ...]
    since: datetime
    seen_at: datetime | None


class DueView(msgspec.Struct, frozen=True, kw_only=True):
    """By when something must have happened."""

    clock: str
    by: datetime
    state: str


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """A link to another report the caller may see; `direction` is `to` (this is a `kind` of that) or `from`."""

    kind: str
    direction: str
    code: str


class AskedField(msgspec.Struct, frozen=True, kw_only=True):
    """A field that the reporter is asked for: its name in `answers`, its label, and the kind of answer it takes."""

    name: str
    label: str
    datatype: str


class AskView(msgspec.Struct, frozen=True, kw_only=True):
    """What the reporter was asked and has not answered: for which case, by whom, which fields, the question in words.

    `opens` tells that the case is passed on only once everything is there.
    """

    case: int
    app: str
    by: str
    at: datetime
    fields: tuple[AskedField, ...]
    text: str | None
    opens: bool


class ReportView(msgspec.Struct, frozen=True, kw_only=True):
    """A report as the caller may see it. What he may not see, or what was erased, is null.

    `stars` are the reporter's last rating, `withdrawn_at` is when he took the report back.
    """

    code: str
    service: Named
    kind: str
    status: str
    status_title: str
    description: str | None
    place: Place | None
    attributes: dict[str, object] | None
    identity: str
    channel: str
    occurred_at: datetime | None
    created_at: datetime
    updated_at: datetime
    agency: Named
    cases: tuple[CaseView, ...]
    due: tuple[DueView, ...]
    links: tuple[LinkView, ...]
    reporter: Reporter | None
    asks: tuple[AskView, ...]
    withdrawn_at: datetime | None
    stars: int | None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of reports, newest first; `next` is the cursor of the following page, null on the last."""

    items: list[ReportView]
    next: str | None


class TimelineRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was told: `by` is who says it (an agency, an app, `gateway`, `reporter`)."""

    at: datetime
    title: str
    by: str
    status: str | None = None
    text: str | None = None
    internal: bool = False


class MessageBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A later word of the reporter. `answers` answer what an agency asked for, by field; `attachments` are ids of
    uploads. At least one of them is needed."""

    text: Annotated[str, Meta(max_length=10_000)] = ""
    attributes: dict[str, object] = {}
    attachments: Annotated[list[str], Meta(max_length=10)] = []
    answers: dict[str, object] = {}


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A service that words of the text suggest because they sound like an emergency, and what to do (call 112)."""

    service: str
    text: str


class MessageTaken(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is kept for good. `carried` are the apps it is on its way to, `kept` those that cannot take
    messages: it stays with the report, and their agencies read it there; `missing` is what is still asked for."""

    code: str
    at: datetime
    carried: list[str]
    kept: list[str]
    suggestions: list[Suggestion]
    missing: list[str] = []


class AttachmentsBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files that are added later: ids of uploads, and a word about them."""

    attachments: Annotated[list[Annotated[str, Meta(max_length=80)]], Meta(min_length=1, max_length=10)]
    text: Annotated[str, Meta(max_length=10_000)] = ""


class WithdrawalBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a report is taken back."""

    reason: Annotated[str, Meta(max_length=1_000)] = ""


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a withdrawal, by app (`gateway` is its own desk): `cancelled` where it ends here, `carried` where
    the app is told and decides, `refused` where it goes on. `at` is when the report was withdrawn."""

    code: str
    status: str
    at: datetime
    cancelled: list[str]
    carried: list[str]
    refused: list[str]


class RatingBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the reporter thinks of the end. `confirmed` says that it is one: then the report is closed (default: from
    three stars on)."""

    stars: Annotated[int, Meta(ge=1, le=5)]
    comment: Annotated[str, Meta(max_length=2_000)] = ""
    confirmed: bool | None = None


class Rated(msgspec.Struct, frozen=True, kw_only=True):
    """A rating that is kept, and the report's status now."""

    code: str
    status: str
    stars: int
    at: datetime


class ReopeningBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a report is taken up again."""

    reason: Annotated[str, Meta(min_length=1, max_length=1_000)]


class Reopened(msgspec.Struct, frozen=True, kw_only=True):
    """A report that is open again: `carried` are the apps that are told, `desk` the agencies whose desks have it."""

    code: str
    status: str
    carried: list[str]
    desk: list[str]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A report that was split off, with its secret."""

    code: str
    secret: str


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A report that is in the account now. The secret is new, the old one opens nothing any more; `parts` are what was
    split off and came along."""

    code: str
    secret: str
    parts: list[Part]


class SmsBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether news of the report is wanted by text message."""

    wanted: bool


class SmsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Whether news of the report goes out by text message now."""

    code: str
    wanted: bool
