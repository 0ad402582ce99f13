"""Teladan's JSON in its own words, and the way between it and the unified types."""

from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

import msgspec

from gateway.sdk import Amendment, Document, Event, Opening, Person, Receipt, Reference, Rejected, Submission, territory

WITA = timezone(timedelta(hours=8))
MOST = 5000
LARGEST = 2_000_000
HIDDEN = "Dirahasiakan"
FIELDS = {"desa": "place.village", "isi": "description", "jenis": "service"}

Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Opened(msgspec.Struct):
    """The answer to a new complaint."""

    nomor: str
    status: str
    dibuat: Time


class Paper(msgspec.Struct):
    """A document that an officer added; `url` is on the app's own host."""

    nama: str
    jenis: str
    url: str


class Row(msgspec.Struct):
    """A complaint as the app shows it."""

    nomor: str
    jenis: str
    isi: str
    status: str
    urut: int
    dibuat: Time
    diubah: Time
    ref: str | None
    nama: str
    telp: str
    rahasia: bool
    desa: str | None = None
    pesan: list[dict[str, Any]] = []
    berkas: list[Paper] = []


def refusal(envelope: Any) -> None:
    """Raise Rejected for the app's error form, with the field a person can mend."""
    field = envelope.get("salah") if isinstance(envelope, dict) else None
    if isinstance(field, str):
        raise Rejected(f"Teladan refuses {field}", FIELDS.get(field))


def new_complaint(submission: Submission) -> dict[str, object]:
    """Translate a report. Raises Rejected where it does not fit."""
    photos = [one for one in submission.documents if one.content and len(one.content) <= LARGEST]
    lines = [
        submission.text,
        *(f"{name}: {answer}" for name, answer in submission.attributes.items()),
        *left(submission.code, len(submission.documents) - len(photos)),
    ]
    text = "\n".join(lines)
    if len(text) > MOST:
        raise Rejected(f"Teladan takes at most {MOST} characters", "description")
    who = submission.reporter
    return {
        "ref": submission.key,
        "jenis": submission.category,
        "isi": text,
        "nama": HIDDEN if who.hidden else who.name or "-",
        "telp": "" if who.hidden else who.phone or "",
        "rahasia": who.hidden,
        "desa": submission.site.codes.compact if submission.site.codes else None,
        "foto": [one.content for one in photos],
    }


def new_message(amendment: Amendment) -> dict[str, object]:
    """Translate a message."""
    return {"ref": amendment.key, "isi": "\n".join([amendment.text, *left(amendment.code, len(amendment.documents))])}


def left(code: str, count: int) -> list[str]:
    """Return a line about files that stay in the report, for whoever looks for them."""
    return [f"({count} lampiran lain ada di laporan {code})"] if count else []


def number(nomor: str) -> Reference:
    """Return the app's number as a reference."""
    return Reference("nomor", nomor)


def receipt(nomor: str, at: datetime | None, word: str | None, key: str) -> Receipt:
    """Return the receipt of a complaint."""
    return Receipt(references=(number(nomor),), at=at, word=word, key=key)


def keys(row: Row) -> set[str | None]:
    """Return our keys in a complaint: its own, and those of its messages."""
    return {row.ref, *(one.get("ref") for one in row.pesan)}


def version(row: Row) -> str:
    """Name a complaint as it is now; the same however the news came."""
    return f"{row.nomor}#{row.urut}"


def news(row: Row) -> Event:
    """Return what a row says."""
    return Event(
        id=version(row),
        references=(number(row.nomor),),
        at=row.diubah,
        kind="aduan",
        word=row.status,
        key=row.ref,
        marks=tuple(one["ref"] for one in row.pesan if one.get("ref")),
        opening=None if row.ref else _opening(row),
        documents=tuple(Document(name=one.nama, media_type=one.jenis, url=one.url) for one in row.berkas),
    )


def _opening(row: Row) -> Opening:
    known = not row.rahasia
    return Opening(
        category=row.jenis,
        text=row.isi,
        occurred_at=row.dibuat,
        site_village=territory.to_dotted(row.desa) if row.desa else None,
        reporter=Person(name=row.nama, phone=row.telp or None) if known else Person(hidden=True),
    )
