"""The 112 platform's JSON in its own words, and the way between it and the unified types. Nothing here calls."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any

import msgspec

from gateway import sdk

WITA = timezone(timedelta(hours=8))
HIDDEN = "Dirahasiakan"
NARRATIVE_MOST, PHOTOS_MOST = 4000, 3
ACTIVE = {"ASSIGNED": "DISPATCHED", "ON_THE_WAY": "ON_THE_WAY", "ON_SCENE": "ON_SCENE"}
"""Units at work, from the least far to the furthest, and the incident's word for being as far."""

FIELDS = {"narrative": "description", "location.kode_wilayah": "place.village", "photos": "attachments"}
"""What the app may refuse, in the words of whoever can mend it."""

Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Caller(msgspec.Struct):
    """Who rings; `withheld` means: not to be known."""

    withheld: bool
    name: str | None = None
    msisdn: str | None = None


class Location(msgspec.Struct):
    """Where; `text` is never empty."""

    text: str
    lat: float | None = None
    lon: float | None = None
    kode_wilayah: str | None = None


class Accepted(msgspec.Struct):
    """The answer to a new incident (`status`, `created_at`) or to a note (`at`)."""

    ticket_no: str
    status: str | None = None
    created_at: Time | None = None
    at: Time | None = None


class PhoneCall(msgspec.Struct):
    """How it began: `type` normal, informasi, prank or ghost; `service` what an informasi call is about."""

    type: str
    service: str | None = None


class Dispatch(msgspec.Struct):
    """One unit sent out."""

    unit: str
    opd: str
    status: str


class Happening(msgspec.Struct):
    """The body of a webhook, and one of an incident's events."""

    event_id: str
    type: str
    at: Time
    call: PhoneCall
    ticket_no: str | None = None
    external_ref: str | None = None
    seq: int | None = None
    status: str | None = None
    dispatches: list[Dispatch] = []
    closing: dict[str, str] | None = None


class Incident(msgspec.Struct):
    """A row: what was submitted, and how far it is."""

    ticket_no: str
    caller: Caller
    location: Location
    narrative: str
    occurred_at: Time
    status: str
    created_at: Time
    updated_at: Time
    category: str | None = None
    external_ref: str | None = None


class Incidents(msgspec.Struct):
    """A list of rows."""

    incidents: list[Incident]


def refusal(envelope: Any) -> None:
    """Raise Rejected, with the field a person can mend, for the app's error form."""
    code = envelope.get("error_code") if isinstance(envelope, dict) else None
    if isinstance(code, str) and code != "KEY_REUSED":
        field = str(envelope.get("message", "")).partition(":")[0]
        raise sdk.Rejected(f"{code[:40]} {field if field in FIELDS else ''}".strip(), FIELDS.get(field))


def new_incident(submission: sdk.Submission) -> dict[str, object]:
    """Translate a report. Raises Rejected where it does not fit the app."""
    pictures = [one for one in submission.documents if one.content and one.media_type.startswith("image/")][
        :PHOTOS_MOST
    ]
    narrative = _told(submission, len(submission.documents) - len(pictures))
    if len(narrative) > NARRATIVE_MOST:
        raise sdk.Rejected(f"the platform takes at most {NARRATIVE_MOST} characters", "description")
    who = submission.reporter
    caller = {"name": HIDDEN} if who.hidden else {"name": who.name, "msisdn": who.phone}
    return {
        "external_ref": submission.key,
        "category": submission.category,
        "priority": 1 if submission.priority == "P1" else 2,
        "caller": {"withheld": who.hidden, **_given(caller)},
        "location": _location(submission.site),
        "narrative": narrative,
        "occurred_at": _stamp(submission.occurred_at),
        "photos": [{"name": one.name, "media_type": one.media_type, "data": one.content} for one in pictures],
    }


def new_note(amendment: sdk.Amendment) -> dict[str, object]:
    """Translate a message. Files stay with the gateway; the note says so."""
    text = _told(amendment, len(amendment.documents))
    return {"note_id": amendment.key, "text": text, "at": _stamp(amendment.at)}


def _told(said: sdk.Submission | sdk.Amendment, left: int) -> str:
    """Return the text with what the app has no fields for: a form's answers, linked records, files left behind."""
    plain = {True: "ya", False: "tidak"}
    answers = {name: plain[one] if isinstance(one, bool) else one for name, one in said.attributes.items()}
    lines = [said.text, *(f"{name.replace('_', ' ')}: {answer}" for name, answer in answers.items())]
    if isinstance(said, sdk.Submission):
        lines += [f"Terkait ({one.kind}): {one.app} {one.value}" for one in said.linked]
    return "\n".join([*lines, *([f"({left} lampiran lain ada di laporan {said.code})"] if left else [])])


def _given(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _location(site: sdk.Site) -> dict[str, object]:
    codes = site.codes
    village = f"{codes.village}, Kec. {codes.district}" if codes else ""
    parts = [part.strip() for part in (site.landmark, site.address, village) if part and part.strip()]
    point = {"lat": site.latitude, "lon": site.longitude, "accuracy_m": site.accuracy_m}
    coded = {"kode_wilayah": codes.kemendagri} if codes else {}
    return {"text": ", ".join(parts) or "tidak diketahui", **_given(point), **coded}


def _stamp(at: datetime) -> str:
    return at.astimezone(WITA).isoformat(timespec="seconds")


def receipt(ticket_no: str, at: datetime | None, word: str | None, key: str) -> sdk.Receipt:
    """Return the proof that the app has what we sent under `key`."""
    return sdk.Receipt(references=(ticket(ticket_no),), at=at and at.astimezone(UTC), word=word, key=key)


def ticket(ticket_no: str) -> sdk.Reference:
    """Name an incident."""
    return sdk.Reference("ticket_no", ticket_no)


def is_born_here(row: Any) -> bool:
    """Tell whether an undecoded event began an incident that did not come from us."""
    return isinstance(row, dict) and row.get("type") == "incident.created" and _ours(row.get("external_ref")) is None


def _ours(external_ref: str | None) -> str | None:
    """Return a row's `external_ref` if it is a key of ours: other systems may open incidents too."""
    return sdk.mark(f"[{external_ref}]")


def news(happening: Happening, incident: Incident | None = None) -> sdk.News:
    """Translate one event. `incident` is its row, needed to open a report for what began in the app."""
    at, kind, call = happening.at.astimezone(UTC), happening.type, happening.call
    key, number = _ours(happening.external_ref), happening.ticket_no
    born = kind in {"call.logged", "incident.created"} and key is None
    if number is None or (born and call.type in {"prank", "ghost"}):
        return sdk.Tally(id=happening.event_id, kind=call.type, at=at)
    if born and incident is None:
        # The webhook does not carry what the caller said; the row does.
        return sdk.Look(id=f"look:{happening.event_id}", reference=ticket(number))
    return sdk.Event(
        id=happening.event_id,
        references=(ticket(number),),
        at=at,
        kind=kind,
        word=_word(happening),
        seq=happening.seq,
        key=key,
        text=(happening.closing or {}).get("text") or None,
        opening=_opening(call, incident) if born and incident else None,
        facts=_facts(happening),
    )


def _furthest(units: Sequence[Dispatch]) -> Dispatch | None:
    active = [one for one in units if one.status in ACTIVE]
    return max(active, key=lambda one: [*ACTIVE].index(one.status), default=None)


def _word(happening: Happening) -> str | None:
    """Return how far the incident is: as far as its furthest unit at work, unless it is over."""
    if happening.status == "CLOSED":
        return "/".join(filter(None, ("CLOSED", (happening.closing or {}).get("outcome"))))
    strange = [f"unit {one.status}" for one in happening.dispatches if one.status not in {*ACTIVE, "DONE", "WITHDRAWN"}]
    first = _furthest(happening.dispatches)
    if happening.status == "CANCELLED" or not (strange or first):
        return happening.status
    return strange[0] if strange or first is None else ACTIVE[first.status]


def _facts(happening: Happening) -> dict[str, str | int | bool]:
    facts: dict[str, str | int | bool] = {"call": happening.call.type}
    if first := _furthest(happening.dispatches):
        facts |= {"unit": first.unit, "opd": first.opd}
    if happening.dispatches:
        facts["units"] = "; ".join(f"{one.unit} ({one.opd}) {one.status}" for one in happening.dispatches)
    return facts | {name: text for name, text in (happening.closing or {}).items() if name == "outcome"}


def _opening(call: PhoneCall, incident: Incident) -> sdk.Opening:
    caller, where = incident.caller, incident.location
    name = None if caller.name == HIDDEN else caller.name
    return sdk.Opening(
        category=incident.category or call.type,
        service=(call.service or "XX-OTHER") if call.type == "informasi" else None,
        text=incident.narrative.strip() or f"Panggilan 112 tanpa catatan ({incident.category or call.type})",
        occurred_at=incident.occurred_at.astimezone(UTC),
        site_village=where.kode_wilayah,
        latitude=where.lat,
        longitude=where.lon,
        address=where.text,
        reporter=sdk.Person(name=name, phone=caller.msisdn, hidden=caller.withheld),
    )
