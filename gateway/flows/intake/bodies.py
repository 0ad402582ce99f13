"""The report as it arrives over HTTP. Unknown fields are refused, so that a typing mistake is not silently lost."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.model.report import Identity

Line = Annotated[str, Meta(max_length=200)]


class PlaceBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where: WGS 84 point, village (Kemendagri code), address, landmark; any of them helps."""

    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    accuracy_m: Annotated[float, Meta(ge=0, le=100_000)] | None = None
    village: Annotated[str, Meta(max_length=20)] | None = None
    address: Annotated[str, Meta(max_length=300)] | None = None
    landmark: Line | None = None


class ReporterBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who reports. Phone in any Indonesian or international form; NIK of 16 digits, as text."""

    name: Line | None = None
    phone: Annotated[str, Meta(max_length=40)] | None = None
    email: Annotated[str, Meta(max_length=254)] | None = None
    national_id: Annotated[str, Meta(max_length=40)] | None = None


class ReportBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A report: what, where, by whom. `occurred_at` is RFC 3339; without a zone it is WITA (UTC+8)."""

    service: Annotated[str, Meta(max_length=40)]
    description: Annotated[str, Meta(min_length=1, max_length=10_000)]
    place: PlaceBody = PlaceBody()
    attributes: dict[str, object] = {}
    reporter: ReporterBody = ReporterBody()
    identity: Identity = Identity.OPEN
    attachments: Annotated[list[str], Meta(max_length=10)] = []
    occurred_at: datetime | None = None
    client_ref: Annotated[str, Meta(min_length=1, max_length=120)] | None = None
    channel: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}\Z")] | None = None
    follow_up_to: Annotated[str, Meta(max_length=120)] | None = None


class CaseAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Where the report is worked: `app` is `gateway` where its own desk has it."""

    app: str
    agency: str
    status: str
    reason: str


class DueAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """By when something must have happened; `by` is RFC 3339 UTC."""

    clock: str
    by: datetime
    state: str


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """Words in the text that sound like an emergency: which service, and what to do (call 112)."""

    service: str
    words: list[str]
    text: str


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to an accepted report. Keep `code` and `secret`: together they open the report again."""

    code: str
    secret: str
    status: str
    service: str
    cases: list[CaseAnswer]
    due: list[DueAnswer]
    created_at: datetime
    suggestions: list[Suggestion]


class Uploaded(msgspec.Struct, frozen=True, kw_only=True):
    """An uploaded file: name its `id` in a report's `attachments`, or as the answer that a form wants as a file, within
    24 hours. `latitude` and `longitude` are where a photo says it was taken; `sha256` is of the file as it is kept."""

    id: str
    media_type: str
    size: int
    sha256: str
    latitude: float | None = None
    longitude: float | None = None
