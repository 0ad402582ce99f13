"""What someone asks for: the draft as it arrives, and the content that goes into the vault."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Identity(StrEnum):
    """How far the reporter is known. Hidden is not unknown.

    `anonymous` is hidden from the public and the handling agency's printouts, `confidential` also from the
    handling agency's staff.
    """

    OPEN = "open"
    ANONYMOUS = "anonymous"
    CONFIDENTIAL = "confidential"


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where. `village` is a dotted Kemendagri code; latitude and longitude are WGS 84 degrees."""

    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    village: str | None = None
    address: str | None = None
    landmark: str | None = None


class Reporter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who reports. `phone` is E.164, `national_id` a NIK of 16 digits."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None
    national_id: str | None = None


class Content(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything about a report that is personal or free text. It lives in the vault only."""

    description: str
    place: Place = Place()
    attributes: dict[str, object] = {}
    reporter: Reporter = Reporter()


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A report before it is one: checked, normalised, not yet planned.

    `occurred_at` is when it happened (device or caller), `client_ref` the client's own name for the report,
    unique per principal for ever; `follow_up_to` a report code; `channel` where it came in.
    """

    service: str
    content: Content
    identity: Identity = Identity.OPEN
    attachments: tuple[str, ...] = ()
    occurred_at: datetime | None = None
    client_ref: str | None = None
    channel: str = "api"
    follow_up_to: str | None = None
