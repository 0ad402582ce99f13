"""What connectors and gateway exchange. All values are frozen; all times are aware and UTC."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec


class Reference(msgspec.Struct, frozen=True):
    """A number an app gave to a record: `kind` names which of its numbers (`ticket_no`, `id`), `value` is it."""

    kind: str
    value: str


class PlaceCodes(msgspec.Struct, frozen=True, kw_only=True):
    """One village or district in every code system, with its names.

    `kemendagri` is dotted (`73.11.07.1001`), `compact` the same without dots, `bps` the BPS 2018 code of the
    village or None where it has none; `bps_district` always exists.
    """

    kemendagri: str
    compact: str
    bps: str | None
    bps_district: str
    village: str
    district: str


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is. Latitude and longitude are WGS 84 degrees; `accuracy_m` metres."""

    codes: PlaceCodes | None = None
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    address: str | None = None
    landmark: str | None = None


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """The reporter as this app may know them. `hidden` asks the app to be sent its form of "withheld"."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None
    national_id: str | None = None
    hidden: bool = False


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A file: outbound with its bytes, inbound usually with the `url` the host fetches it from.

    `digest` is the SHA-256 of the bytes in hex, `media_type` an IANA media type. `role` names the question of the
    service's form that the file answers (`identity_card`), None for a file that only goes with the report.
    """

    name: str
    media_type: str
    digest: str | None = None
    content: bytes | None = None
    url: str | None = None
    role: str | None = None


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """A record of a linked report: `kind` is the link (`follow_up_to`), `app` and `value` name the record."""

    kind: str
    app: str
    value: str
    code: str


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A report on its way to one app, already reduced to what the manifest's `shares` allow.

    `key` names the delivery over all attempts; `category` is the app's own word from the manifest's category
    map; `title` is at most 100 characters; `attributes` are the service's form answers.
    """

    key: str
    code: str
    service: str
    category: str
    profile: str | None
    priority: str
    title: str
    text: str
    occurred_at: datetime
    received_at: datetime
    language: str = "id"
    site: Site = Site()
    reporter: Person = Person()
    attributes: Mapping[str, object] = {}
    documents: tuple[Document, ...] = ()
    linked: tuple[Linked, ...] = ()


class Amendment(msgspec.Struct, frozen=True, kw_only=True):
    """A later word about a record: `command` is `message` or `withdraw`."""

    key: str
    code: str
    command: str
    text: str
    at: datetime
    attributes: Mapping[str, object] = {}
    documents: tuple[Document, ...] = ()


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Proof that the app has it: its numbers, its time and its word; `key` is our key where the app echoes it."""

    references: tuple[Reference, ...]
    at: datetime | None = None
    word: str | None = None
    key: str | None = None
    documents: tuple[Document, ...] = ()


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """A record born in the app, in the unified vocabulary: enough to open a report here.

    `category` is the app's own word (translated by the manifest); `village` a dotted Kemendagri code; `language` what
    the reporter wrote in (`id` or `en`), None where the app does not say.
    """

    category: str
    text: str
    occurred_at: datetime | None = None
    site_village: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    address: str | None = None
    reporter: Person = Person()
    attributes: Mapping[str, object] = {}
    service: str | None = None
    language: str | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing an app said about one of its records.

    `id` is unique within the app and the same however the news came (webhook, poll, read); `word` is looked up
    in the manifest's status map (None: nothing moves); `seq` the app's running number for the record;
    `key` our key where the app echoes it; `mark` our key for a message of ours found in the record;
    `opening` carries the record's content when it may have been born there; `facts` are small non-personal
    facts for the trace (`unit`, `opd`, `outcome`); `text` is what the app's officer wrote.
    """

    id: str
    references: tuple[Reference, ...]
    at: datetime
    kind: str
    word: str | None = None
    seq: int | None = None
    key: str | None = None
    marks: tuple[str, ...] = ()
    text: str | None = None
    documents: tuple[Document, ...] = ()
    opening: Opening | None = None
    facts: Mapping[str, str | int | bool] = {}


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """A hint without proof: "go and read this record". The host calls `read`. `id` is the hint's own id."""

    id: str
    reference: Reference


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Something to count by hour and day and nothing else (a prank call): no number, no content."""

    id: str
    kind: str
    at: datetime


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A row that could not be decoded: quarantined by `id` (or a digest of the row), its neighbours go on."""

    id: str
    reason: str
    raw: bytes


News = Event | Look | Tally | Unreadable
"""Everything an app may bring."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A page of news and the cursor that follows it. `more` asks to be polled again at once."""

    news: Sequence[News]
    cursor: str | None = None
    more: bool = False


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook whose signature the host has verified: header names in lower case, the raw body."""

    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of an app's own catalogue or list of words, for the detection of drift."""

    kind: str
    value: str
    label: str
