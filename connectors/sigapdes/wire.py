"""Si-GAPDes' JSON in its own words, and the way between it and the unified types. Nothing here calls."""

from collections.abc import Sequence
from mimetypes import guess_type
from typing import Any, Generic, TypeVar
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import msgspec

from gateway import sdk
from gateway.sdk import territory

KINDS = ("pengaduan", "kerusakan", "surat")
TIME = "%Y-%m-%d %H:%M:%S"
HIDDEN, NAMELESS = "Dirahasiakan", "Tanpa nama"
FILES_MOST, FILE_BYTES = 3, 2 * 1024 * 1024
ANSWERS = {
    "head_of_family": "nama_kk",
    "head_of_family_nik": "nik_kk",
    "people": "jumlah_jiwa",
    "disaster": "jenis_bencana",
    "severity": "tingkat",
    "letter_type": "jenis_surat",
}
"""The answers of a service's form that the app has a field for."""

FIELDS = {field: f"attributes.{name}" for name, field in ANSWERS.items()} | {
    "kode_desa": "place.village",
    "nik": "reporter.national_id",
    "nama": "reporter.name",
    "no_hp": "reporter.phone",
    "tanggal_kejadian": "occurred_at",
    **dict.fromkeys(("judul", "isi", "keterangan", "keperluan"), "description"),
    **dict.fromkeys(("foto", "lampiran"), "attachments"),
}
"""The app's fields in the words of whoever can mend them."""

Data = TypeVar("Data")


class Envelope(msgspec.Struct):
    """How every answer begins."""

    success: bool
    message: str = ""
    errors: dict[str, Any] = {}


class One(msgspec.Struct, Generic[Data]):
    """The envelope around one thing."""

    data: Data


class Token(msgspec.Struct):
    """The answer to a login."""

    token: str


class Saved(msgspec.Struct):
    """The answer to a new record."""

    id: int
    status: int


class Reply(msgspec.Struct):
    """A message in a record; `dari` is `petugas` (officer) or `pelapor` (reporter)."""

    id: int
    isi: str
    created_at: str
    dari: str = ""
    ref_luar: str | None = None


class Row(msgspec.Struct):
    """A record of any kind; the fields of the other kinds are absent."""

    id: int
    kode_desa: str
    status: int
    created_at: str
    updated_at: str
    ref_luar: str | None = None
    tanggapan: list[Reply] = []
    nik: str | None = None
    nama: str | None = None
    no_hp: str | None = None
    judul: str | None = None
    isi: str | None = None
    kategori: str | None = None
    nama_kk: str | None = None
    nik_kk: str | None = None
    jumlah_jiwa: int | None = None
    jenis_bencana: str | None = None
    tingkat: str | None = None
    keterangan: str | None = None
    tanggal_kejadian: str | None = None
    lat: float | None = None
    lon: float | None = None
    jenis_surat: str | None = None
    keperluan: str | None = None
    file_url: str | None = None


def refusal(envelope: Envelope) -> None:
    """Raise Rejected, with the field a person can mend, unless the envelope tells of success."""
    if envelope.success:
        return
    if "tidak terdaftar" in envelope.message:
        raise sdk.Rejected("the village is not registered in Si-GAPDes", "place.village")
    names = [name.partition(".")[0] for name in envelope.errors]
    mended = [FIELDS[name] for name in names if name in FIELDS]
    raise sdk.Rejected(f"Si-GAPDes refuses: {', '.join(mended) or 'no field named'}", mended[0] if mended else None)


def new_record(kind: str, submission: sdk.Submission, zone: ZoneInfo) -> dict[str, object]:
    """Translate a report. Raises Rejected where it names no village."""
    site, who = submission.site, submission.reporter
    if site.codes is None:
        raise sdk.Rejected("Si-GAPDes needs the village", "place.village")
    images = [one for one in submission.documents if one.media_type.startswith("image/") and kind != "surat"]
    files = _files(images)
    told = _told(submission, len(submission.documents) - len(files))
    record: dict[str, object] = {"ref_luar": submission.key, "kode_desa": site.codes.compact}
    answers = {field: submission.attributes[name] for name, field in ANSWERS.items() if name in submission.attributes}
    name = HIDDEN if who.hidden else who.name
    person = {"nik": who.national_id, "nama": name or NAMELESS, "no_hp": who.phone or ""}
    if kind == "pengaduan":
        kategori = submission.category.partition("/")[2]
        return record | person | {"judul": submission.title, "isi": told, "kategori": kategori, "foto": files}
    if kind == "surat":
        # A letter names a person: without name, telephone and NIK the app refuses it, and rightly.
        return record | person | {"nama": name or "", "keperluan": told} | answers
    family = {"nama_kk": name or NAMELESS, "nik_kk": who.national_id if "nama_kk" not in answers else None}
    day = submission.occurred_at.astimezone(zone).strftime("%Y-%m-%d")
    place = {"lat": site.latitude, "lon": site.longitude, "tanggal_kejadian": day}
    return record | family | answers | place | {"keterangan": told, "foto": files}


def new_reply(amendment: sdk.Amendment) -> dict[str, object]:
    """Translate a message."""
    files = _files(amendment.documents)
    told = _told(amendment, len(amendment.documents) - len(files))
    return {"ref_luar": amendment.key, "isi": told, "lampiran": files}


def _files(documents: Sequence[sdk.Document]) -> list[bytes]:
    """Return the contents that fit; they travel as base64."""
    return [one.content for one in documents if one.content and len(one.content) <= FILE_BYTES][:FILES_MOST]


def _told(said: sdk.Submission | sdk.Amendment, left: int) -> str:
    """Return the text with what the app has no fields for: answers, place, linked records, files left behind."""
    lines = [said.text, *(f"{name}: {value}" for name, value in said.attributes.items() if name not in ANSWERS)]
    if isinstance(said, sdk.Submission):
        where = ", ".join(filter(None, (said.site.landmark, said.site.address)))
        lines += [f"Lokasi: {where}"] if where else []
        lines += [f"Terkait ({one.kind}): {one.app} {one.value}" for one in said.linked]
    return "\n".join([*lines, *([f"({left} lampiran lain ada di laporan {said.code})"] if left else [])])


def reference(kind: str, number: int) -> sdk.Reference:
    """Name a record across the kinds."""
    return sdk.Reference("id", f"{kind}:{number}")


def receipt(kind: str, number: int, key: str, status: int | None = None) -> sdk.Receipt:
    """Return the proof that the app has what we sent under `key`."""
    word = None if status is None else f"{kind}/{status}"
    return sdk.Receipt(references=(reference(kind, number),), word=word, key=key)


def news(kind: str, raw: Any, zone: ZoneInfo) -> list[sdk.News]:
    """Translate an undecoded row: how far the record is, and what its officer wrote. Raises ValueError."""
    msgspec.json.encode(raw)  # half an emoji is no text: such a row is refused by itself
    row = msgspec.convert(raw, Row)
    about = reference(kind, row.id)
    if len(row.kode_desa) != 10 or territory.system_of(row.kode_desa) is not territory.CodeSystem.COMPACT:
        # Of another regency's citizen nothing but the number is kept.
        reason = f"a row of another regency: kode_desa {row.kode_desa[:10]!r}"
        return [sdk.Unreadable(id=f"{about.value}:{row.updated_at}", reason=reason, raw=about.value.encode())]
    key = sdk.mark(f"[{row.ref_luar}]")
    said = [one for one in row.tanggapan if one.dari == "petugas"]
    word, facts = _word(kind, row, said)
    moved = sdk.Event(
        id=f"{about.value}:{row.status}:{row.updated_at}",
        references=(about,),
        at=sdk.local_time(row.updated_at, TIME, zone),
        kind=kind,
        word=word,
        key=key,
        marks=tuple(mark for one in row.tanggapan if (mark := sdk.mark(f"[{one.ref_luar}]"))),
        documents=(_document(row.file_url),) if row.file_url else (),
        opening=None if key else _opening(kind, row, zone),
        facts=facts,
    )
    replies = [
        sdk.Event(
            id=f"{about.value}:tanggapan:{one.id}",
            references=(about,),
            at=sdk.local_time(one.created_at, TIME, zone),
            kind="tanggapan",
            key=key,
            text=one.isi,
        )
        for one in said
    ]
    return [moved, *replies]


def _word(kind: str, row: Row, said: Sequence[Reply]) -> tuple[str, dict[str, str | int | bool]]:
    """Return the composed word, `kind/status`; the app has no "refused" but a done whose reply says so."""
    word = f"{kind}/{row.status}"
    if kind == "surat":
        return word, {"ready": True} if row.status == 3 else {}
    if row.status == 3 and said and said[-1].isi.lstrip().casefold().startswith("ditolak"):
        return f"{word}/ditolak", {"flagged": True}
    return word, {}


def _document(url: str) -> sdk.Document:
    name = unquote(url.rpartition("/")[2])
    return sdk.Document(name=name, media_type=guess_type(name)[0] or "application/octet-stream", url=url)


def _opening(kind: str, row: Row, zone: ZoneInfo) -> sdk.Opening:
    """Return the content of a record that may have been born in the app, with its reporter's wish to be hidden."""
    name = row.nama_kk if kind == "kerusakan" else row.nama
    day = sdk.local_time(f"{row.tanggal_kejadian} 00:00:00", TIME, zone) if row.tanggal_kejadian else None
    text = "\n".join(part for part in (row.judul, row.isi, row.keterangan, row.keperluan) if part and part.strip())
    return sdk.Opening(
        category=f"pengaduan/{row.kategori}" if kind == "pengaduan" else kind,
        text=text or " ".join(filter(None, (kind, row.jenis_bencana, row.jenis_surat, row.tingkat))),
        occurred_at=day or sdk.local_time(row.created_at, TIME, zone),
        site_village=territory.to_dotted(row.kode_desa),
        latitude=row.lat,
        longitude=row.lon,
        reporter=sdk.Person(
            name=None if name in {HIDDEN, NAMELESS} else name,
            phone=row.no_hp or None,
            national_id=row.nik_kk if kind == "kerusakan" else row.nik,
            hidden=name == HIDDEN,
        ),
        attributes={ours: value for ours, field in ANSWERS.items() if (value := getattr(row, field)) is not None},
    )
