"""The app's JSON in its own words, and the way between it and the unified types. Nothing here calls anybody."""

import json
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

import msgspec

from gateway import sdk

WITA = timezone(timedelta(hours=8))

FIELDS = {"uraian": "description", "desa": "place.village", "nama": "reporter.name", "telepon": "reporter.phone"}
"""What the app may refuse, in the words of whoever can mend it."""

Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Report(msgspec.Struct):
    """A record of the app, as it answers for it."""

    nomor: str
    ref: str | None
    status: str
    dibuat: Time


class Reports(msgspec.Struct):
    """What a look-up finds."""

    laporan: list[Report]


class Content(msgspec.Struct):
    """What somebody told the app itself; `rahasia` means: not to be known."""

    kategori: str
    uraian: str
    nama: str | None = None
    telepon: str | None = None
    rahasia: bool = False
    desa: str | None = None


class Happening(msgspec.Struct):
    """One thing that happened to a record: `id` counts within the app, `urut` within the record."""

    id: int
    urut: int
    jenis: str
    laporan: str
    status: str
    waktu: Time
    ref: str | None = None
    catatan: str | None = None
    isi: Content | None = None


def new_report(submission: sdk.Submission) -> dict[str, object]:
    """Translate a report into the app's own form."""
    who, site = submission.reporter, submission.site
    answers = [f"{name.replace('_', ' ')}: {answer}" for name, answer in submission.attributes.items()]
    form = {
        "ref": submission.key,
        "kategori": submission.category,
        "uraian": "\n".join([submission.text, *answers]),
        "waktu": submission.occurred_at.astimezone(WITA).isoformat(timespec="seconds"),
        # Hidden, not unknown: the app has a word for it, and neither name nor number leaves the gateway.
        "rahasia": who.hidden,
        "nama": who.name,
        "telepon": who.phone,
        "desa": site.codes.kemendagri if site.codes else None,
        "alamat": site.address,
        "lintang": site.latitude,
        "bujur": site.longitude,
    }
    return {name: value for name, value in form.items() if value is not None}


def receipt(report: Report) -> sdk.Receipt:
    """Translate the app's proof that it has a report: its own number, its time, its word, and our key."""
    return sdk.Receipt(references=(number(report.nomor),), at=report.dibuat, word=report.status, key=report.ref)


def number(value: str) -> sdk.Reference:
    """Return the number by which the app knows a record. Whoever holds it finds the report by it."""
    return sdk.Reference("nomor", value)


def refusal(envelope: Any) -> None:
    """Raise Rejected, with the field that a person can mend, for the app's form of a refusal."""
    wrong = envelope.get("galat") if isinstance(envelope, dict) else None
    if isinstance(wrong, dict) and wrong:
        field, told = next(iter(wrong.items()))
        raise sdk.Rejected(f"{str(field)[:40]}: {str(told)[:80]}", FIELDS.get(field))


def news(row: Any) -> sdk.Event:
    """Translate one thing that happened. Raises what `sdk.rows` quarantines where the row is not as agreed."""
    msgspec.json.encode(row)  # half an emoji is no text; found here, it spoils no other row
    found = msgspec.convert(row, Happening)
    return sdk.Event(
        id=f"kejadian-{found.id}",
        references=(number(found.laporan),),
        at=found.waktu,
        kind=found.jenis,
        word=found.status,
        seq=found.urut,
        key=found.ref,
        text=found.catatan,
        opening=None if found.isi is None else _opening(found.isi, found.waktu),
    )


def _opening(content: Content, at: datetime) -> sdk.Opening:
    """Translate what was told to the app itself; whoever wishes to stay hidden there stays hidden here."""
    who = sdk.Person(hidden=True) if content.rahasia else sdk.Person(name=content.nama, phone=content.telepon)
    return sdk.Opening(
        category=content.kategori, text=content.uraian, occurred_at=at, site_village=content.desa, reporter=who
    )


def happenings(body: bytes) -> list[Any]:
    """Return the rows of a page, not yet decoded, so that a bad one cannot hide its neighbours."""
    try:
        page = json.loads(body)
    except (ValueError, RecursionError):
        page = None
    found = page.get("kejadian") if isinstance(page, dict) else None
    if not isinstance(found, list):
        raise sdk.ContractBroken("the page is not in the agreed form")
    return found


def name_of(row: Any) -> str:
    """Return the name under which a row that cannot be read is put aside: its report's number, and its own."""
    return f"{row['laporan']}/{row['id']}"
