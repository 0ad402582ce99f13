"""Si-PeNDTING's JSON in its own words, and the way between it and the unified types. Nothing here calls.

Of a child nothing leaves: a report of the profile `stunting` is a request to look, whatever was written. What comes in
is read in `heard.py`.
"""

import re
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from gateway import sdk

PENGADUAN, STUNTING = "pengaduan", "stunting"
HIDDEN, NAMELESS = "Dirahasiakan", "Tanpa nama"
FILES_MOST, FILE_BYTES = 3, 2 * 1024 * 1024
REQUESTS: Final = {"ch-stunt": "Mohon periksa balita", "ch-preg": "Mohon kunjungi ibu hamil"}
"""What a report of the profile `stunting` says, by its category."""

RELATIONS: Final = {
    "parent": "orang tua",
    "family": "keluarga",
    "neighbour": "tetangga",
    "cadre": "kader posyandu atau pendamping keluarga",
    "officer": "petugas",
    "self": "yang bersangkutan",
}
CASE: Final = re.compile(r"(?=(?:\D*\d){5,12}\D*\Z)[A-Z]{2,4}[-/]\d{1,6}(?:[-/]\d{1,6}){0,2}", re.ASCII)
"""A case number: two to four capitals, then up to three numbers, five to twelve digits in all (`STG-2026-0042`). A
name, a NIK, a date of birth or a measurement has another form."""

FIELDS: Final = {
    "kategori": "service",
    "tanggal": "occurred_at",
    "foto": "attachments",
    **dict.fromkeys(("judul", "isi"), "description"),
    **dict.fromkeys(("pelapor.nama", "nama"), "reporter.name"),
    **dict.fromkeys(("pelapor.no_hp", "no_hp"), "reporter.phone"),
    **dict.fromkeys(("wilayah.kode_bps", "wilayah", "kode_bps"), "place.village"),
    **dict.fromkeys(("lokasi.lat", "lokasi.lon", "lokasi", "lat", "lon"), "place.point"),
}
"""The app's fields in the words of whoever can mend them."""

_NUMBER: Final = re.compile(r"[A-Z]{2,5}-[0-9]{4}-[0-9]{1,12}")


class Meta(msgspec.Struct):
    """What became of a request: `code` 200 ok, 201 not found, 400 invalid, 409 an open report exists."""

    code: str
    message: str = ""


class Envelope(msgspec.Struct, rename={"meta": "metaData"}):
    """How every answer begins."""

    meta: Meta
    response: Any = None


class Saved(msgspec.Struct):
    """The answer to a new report."""

    no_laporan: str
    status: str


class Opened(msgspec.Struct):
    """The envelope around it."""

    response: Saved


class Found(Saved):
    """A report as far as a look-up needs it."""

    profil: str
    ref_cons: str | None = None


def refusal(envelope: Envelope) -> None:
    """Raise what an answer means for a write, unless it tells of success."""
    code, message = envelope.meta.code, envelope.meta.message
    if code == "400":
        named = [FIELDS[word] for word in re.findall(r"[a-z_.]+[a-z]", message.lower()) if word in FIELDS]
        raise sdk.Rejected(f"Si-PeNDTING refuses: {named[0] if named else 'no field named'}", next(iter(named), None))
    if code == "409":
        known = envelope.response.get("no_laporan") if isinstance(envelope.response, dict) else None
        number = f": {known}" if isinstance(known, str) and _NUMBER.fullmatch(known) else ""
        raise sdk.Rejected(f"a report about this case is still open{number}", "attributes.case_number")
    if code in {"401", "403"}:
        raise sdk.Unauthorized(f"metaData.code {code}")
    if code == "429":
        raise sdk.Retryable(f"metaData.code {code}")
    if code != "200":
        raise sdk.Ambiguous(f"metaData.code {code[:10]!r} is not in the contract of a write")


def refusal_of_addition(envelope: Envelope) -> None:
    """As `refusal`, for a write about a report that may not be there."""
    if envelope.meta.code == "201":
        raise sdk.Rejected("Si-PeNDTING has no such report")
    refusal(envelope)


def new_report(profile: str, submission: sdk.Submission, zone: ZoneInfo) -> dict[str, object]:
    """Translate a report; in the profile `stunting` into a request to look, whatever was written."""
    site, who = submission.site, submission.reporter
    name = HIDDEN if who.hidden else who.name
    # A village without a code of its own is sent with its district's, and named in the text.
    codes = site.codes
    area = None if codes is None else codes.bps or codes.bps_district
    report: dict[str, object] = {
        "ref_cons": submission.key,
        "profil": profile,
        "kategori": submission.category,
        "pelapor": {
            "nama": name or NAMELESS,
            "no_hp": "" if who.hidden else who.phone or "",
            "rahasia": "Y" if who.hidden else "T",
        },
        "wilayah": None if area is None else {"kode_bps": area},
        "tanggal": submission.occurred_at.astimezone(zone).strftime("%Y-%m-%d"),
    }
    if profile != PENGADUAN:
        return report | {"judul": _request(submission), "isi": _look(submission), "lokasi": None, "foto": []}
    images = [one for one in submission.documents if one.content and one.media_type.startswith("image/")]
    files = [one.content for one in images if one.content and len(one.content) <= FILE_BYTES][:FILES_MOST]
    told = _told(submission, len(submission.documents) - len(files))
    point = None
    if site.latitude is not None and site.longitude is not None:
        point = {"lat": _decimal(site.latitude), "lon": _decimal(site.longitude)}
    return report | {"judul": submission.title, "isi": told, "lokasi": point, "foto": files}


def new_addition(profile: object, amendment: sdk.Amendment) -> dict[str, object]:
    """Translate a message; to a report of any other profile than `pengaduan` only that there is one."""
    if profile != PENGADUAN:
        text = f"Pelapor menambahkan keterangan. Rincian hanya ada di gateway, laporan {amendment.code}."
        return {"ref_cons": amendment.key, "isi": text}
    return {"ref_cons": amendment.key, "isi": _told(amendment, len(amendment.documents))}


def _told(said: sdk.Submission | sdk.Amendment, left: int) -> str:
    """Return the text with what the app has no fields for: answers, place, linked records, files left behind."""
    plain = {True: "ya", False: "tidak"}
    answers = {name: plain[one] if isinstance(one, bool) else one for name, one in said.attributes.items()}
    lines = [said.text, *(f"{name.replace('_', ' ')}: {answer}" for name, answer in answers.items())]
    if isinstance(said, sdk.Submission):
        where = ", ".join(filter(None, (said.site.landmark, said.site.address)))
        lines += [f"Lokasi: {where}"] if where else []
        lines += _uncoded(said.site)
        lines += [f"Terkait ({one.kind}): {one.app} {one.value}" for one in said.linked]
    return "\n".join([*lines, *([f"({left} lampiran lain ada di laporan {said.code})"] if left else [])])


def _uncoded(site: sdk.Site) -> list[str]:
    codes = site.codes
    return [f"Desa/kelurahan: {codes.village}, Kec. {codes.district}"] if codes and codes.bps is None else []


def _case(submission: sdk.Submission) -> str | None:
    number = submission.attributes.get("case_number")
    return number if isinstance(number, str) and CASE.fullmatch(number) else None


def _request(submission: sdk.Submission) -> str:
    case = _case(submission)
    return REQUESTS.get(submission.category, "Mohon dilihat") + (f", kasus {case}" if case else "")


def _look(submission: sdk.Submission) -> str:
    lines = [f"{REQUESTS.get(submission.category, 'Mohon dilihat')}.", *_uncoded(submission.site)]
    relation = submission.attributes.get("relation")
    if isinstance(relation, str) and relation in RELATIONS:
        lines.append(f"Hubungan pelapor: {RELATIONS[relation]}.")
    if submission.attributes.get("case_number") and _case(submission) is None:
        lines.append("Nomor kasus dari pelapor tidak berbentuk nomor kasus dan ditahan di gateway.")
    return "\n".join([*lines, f"Rincian hanya ada di gateway, laporan {submission.code}."])


def _decimal(degrees: float) -> str:
    return format(Decimal(repr(degrees)), "f")


def receipt(found: Saved, profile: str, key: str) -> sdk.Receipt:
    """Return the proof that the app has what we sent under `key`."""
    return sdk.Receipt(references=(reference(found.no_laporan),), word=f"{profile}/{found.status}", key=key)


def reference(number: str) -> sdk.Reference:
    """Name a report."""
    return sdk.Reference("no_laporan", number)
