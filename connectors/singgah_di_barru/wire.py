"""Singgah Di Barru's forms and answers in its own words, and the way from the unified types. Nothing here calls.

What its rows tell is read in `heard.py`, what its destinations are in `places.py`.
"""

import base64
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from gateway import sdk

Value = TypeVar("Value")
TIME: Final = "%d-%m-%Y %H:%M:%S"
DAY: Final = "%d-%m-%Y"
PAGE: Final = 50
"""Rows that a page of `getlaporan` has at the most."""

HIDDEN, NAMELESS = "Dirahasiakan", "Tanpa nama"
LANGUAGES: Final = ("id", "en")
FILES_MOST: Final = 5 * 1024 * 1024
"""Characters of `lampiran` at the most, base64 and all."""

LABELS: Final = {"destination": "Tempat wisata", "amount": "Jumlah yang diminta (rupiah)"}
"""What the answers of a service's form are called in the text."""

FIELDS: Final = {
    "id_kategori": "service",
    "id_destinasi": "attributes.destination",
    "nama": "reporter.name",
    "telp": "reporter.phone",
    "email": "reporter.email",
    "lampiran": "attachments",
    **dict.fromkeys(("judul", "isi"), "description"),
    **dict.fromkeys(("lat", "lon"), "place.point"),
}
"""The app's fields in the words of whoever can mend them."""

Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,18}$")]
"""The number of a report."""

Moment = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{2}-[0-9]{2}-[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}$")]
"""A time of the app, without a zone."""

_TROUBLE: Final = re.compile(r"galat|gangguan|gagal|kesalahan|sibuk|coba lagi|error", re.IGNORECASE)


class Envelope(msgspec.Struct):
    """How every answer begins; `status` "1" is a success."""

    status: str
    pesan: str = ""
    data: list[Any] = []


class Saved(msgspec.Struct):
    """The answer to a new report, and to a comment."""

    id: Number
    ref_luar: str
    tgl_kirim: Moment


class Sent(msgspec.Struct):
    """The envelope around it."""

    data: Annotated[list[Saved], msgspec.Meta(min_length=1)]


class Found(msgspec.Struct):
    """A report as far as a look-up needs it."""

    id: Number
    ref_luar: str
    status: str
    tgl_kirim: Moment


class Category(msgspec.Struct):
    """An entry of `getkategori`."""

    id: str
    nama: str


def refusal(envelope: Envelope) -> None:
    """Raise what the answer to a write means, unless it tells of success. Nothing of what it says is repeated."""
    if envelope.status == "1":
        return
    _refuse_credential(envelope.pesan)
    if envelope.status != "0" or (_TROUBLE.search(envelope.pesan) and not _named(envelope.pesan)):
        raise sdk.Ambiguous("Singgah Di Barru says neither yes nor no")
    field = _named(envelope.pesan)
    raise sdk.Rejected(f"Singgah Di Barru refuses: {field or 'no field named'}", field)


def rows_in(body: bytes) -> list[Any]:
    """Return what the envelope of a read holds, not decoded yet; raise what it means where it tells of no success.

    The standard library reads it: for one half emoji msgspec would refuse a row's neighbours too.
    """
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        envelope = None
    told = envelope if isinstance(envelope, dict) else {}
    if told.get("status") == "0":
        _refuse_credential(str(told.get("pesan")))
    found = told.get("data")
    if told.get("status") != "1" or not isinstance(found, list):
        raise sdk.ContractBroken("the answer is not the envelope of a success")
    return found


def judged(body: bytes) -> None:
    """Raise what the answer to a read means, unless it tells of success."""
    rows_in(body)


def _refuse_credential(told: str) -> None:
    """Raise where a refusal is not about what was sent."""
    if "token" in told.casefold():
        raise sdk.Unauthorized("the KEYTOKEN is not valid")
    if "terlalu banyak" in told.casefold():
        raise sdk.Retryable("too many requests")


def _named(told: str) -> str | None:
    """Return the field that a refusal names first, in the words of whoever can mend it."""
    return next((FIELDS[word] for word in re.findall(r"[a-z_]+", told.casefold()) if word in FIELDS), None)


def read_as(value: Any, form: type[Value]) -> Value:
    """Decode a part of an answer to a read. Raises ContractBroken."""
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        raise sdk.ContractBroken("the answer is not in the agreed form") from error


def new_report(submission: sdk.Submission, destination: str) -> dict[str, str]:
    """Translate a report about a destination (its id, empty for none). Raises Rejected for what is no text."""
    site, who = submission.site, submission.reporter
    files, left = _packed(submission.documents)
    point = site.latitude is not None and site.longitude is not None
    return _texts(
        {
            "ref_luar": submission.key,
            "id_kategori": submission.category,
            "id_destinasi": destination,
            "judul": submission.title,
            "isi": _told(submission, left),
            "nama": HIDDEN if who.hidden else who.name or NAMELESS,
            "telp": "" if who.hidden else who.phone or "",
            "email": "" if who.hidden else who.email or "",
            "bahasa": submission.language if submission.language in LANGUAGES else LANGUAGES[0],
            "lat": _decimal(site.latitude) if point else "",
            "lon": _decimal(site.longitude) if point else "",
            "rahasia": "1" if who.hidden else "0",
            "lampiran": files,
        }
    )


def new_comment(number: str, amendment: sdk.Amendment) -> dict[str, str]:
    """Translate a message about report `number`; a comment carries no files."""
    told = _told(amendment, len(amendment.documents))
    return _texts({"id": number, "ref_luar": amendment.key, "isi": told})


def _texts(fields: dict[str, str]) -> dict[str, str]:
    """Return fields that are all text. Half an emoji is none, and nothing is cut to make it one."""
    for name, value in fields.items():
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise sdk.Rejected("half a character is no text", FIELDS.get(name))
    return fields


def _packed(documents: Sequence[sdk.Document]) -> tuple[str, int]:
    """Return the files as JSON in a string, and how many do not fit into it."""
    packed: list[str] = []
    room, left = FILES_MOST - 2, 0
    for one in documents:
        held = None if one.content is None else base64.b64encode(one.content).decode()
        file = json.dumps({"nama": one.name, "tipe": one.media_type, "isi": held}, separators=(",", ":"))
        if held is None or len(file) + 1 > room:
            left += 1
            continue
        packed.append(file)
        room -= len(file) + 1
    return (f"[{','.join(packed)}]" if packed else ""), left


def _told(said: sdk.Submission | sdk.Amendment, left: int) -> str:
    """Return the text with what the app has no fields for: answers, place, linked records, files left behind."""
    lines = [said.text, *(f"{LABELS.get(name, name)}: {_plain(one)}" for name, one in said.attributes.items())]
    if isinstance(said, sdk.Submission):
        where = ", ".join(filter(None, (said.site.landmark, said.site.address)))
        lines += [f"Lokasi: {where}"] if where else []
        if codes := said.site.codes:
            lines.append(f"Desa/kelurahan: {codes.village}, Kec. {codes.district}")
        lines += [f"Terkait ({one.kind}): {one.app} {one.value}" for one in said.linked]
    return "\n".join([*lines, *([f"({left} lampiran lain ada di laporan {said.code})"] if left else [])])


def _plain(answer: object) -> object:
    return {True: "ya", False: "tidak"}[answer] if isinstance(answer, bool) else answer


def _decimal(degrees: float | None) -> str:
    return format(Decimal(repr(degrees)), "f")


def receipt(number: str, key: str, sent: str, zone: ZoneInfo, word: str | None = None) -> sdk.Receipt:
    """Return the proof that the app has what we sent under `key` and when, `sent` being its own time."""
    return sdk.Receipt(references=(reference(number),), at=sdk.local_time(sent, TIME, zone), word=word, key=key)


def reference(number: str) -> sdk.Reference:
    """Name a report."""
    return sdk.Reference("id", number)
