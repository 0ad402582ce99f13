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
    """A report as the caller may see it. What he may not see, or what was erased, is null."""

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
