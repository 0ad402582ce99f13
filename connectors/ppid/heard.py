"""What PPID tells: its records, as news in the unified types. Nothing here calls."""

import json
from datetime import UTC, datetime
from hashlib import blake2b
from mimetypes import guess_type
from typing import Any, Final, TypeVar

import msgspec

from gateway import sdk

from .places import CODES, plain
from .wire import CHOICES, KINDS, OBJECTION, REGISTERED, REQUEST, TEXTS, TICKET, Names

Form = TypeVar("Form")
TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
"""UTC with microseconds. Written so, times sort as texts."""

HIDDEN: Final = "Dirahasiakan"
ANSWER, EXTENSION = "jawaban", "perpanjangan"
"""The kinds of events that tell what an officer answered, and that he needs more time."""


class Paper(msgspec.Struct):
    """A document that goes with an answer."""

    url: str
    nama: str = ""
    mime: str = ""


class Row(msgspec.Struct):
    """A record of either kind; the fields of the other are absent. `diperpanjang`: more time is taken."""

    id: int
    tiket: str
    status: int | str
    created_at: str
    updated_at: str
    no_registrasi: str | None = None
    jawaban: str | None = None
    dokumen_jawaban: tuple[Paper, ...] | None = None
    diperpanjang: bool | int | None = None
    alasan_perpanjangan: str | None = None
    nama: str | None = None
    nik: str | None = None
    email: str | None = None
    no_hp: str | None = None
    alamat: str | None = None
    pekerjaan_id: int | None = None
    domisili_id: int | None = None
    id_bentuk_informasi: int | None = None
    rincian: str | None = None
    tujuan: str | None = None
    no_pendaftaran: str | None = None
    alasan: tuple[str, ...] | None = None
    kasus: str | None = None


class Page(msgspec.Struct, frozen=True):
    """A page of a list: its undecoded rows, which page it says to be of how many, and how many rows there are."""

    rows: list[Any]
    number: int
    last: int
    total: int


class Counts(msgspec.Struct):
    """What a page says of itself."""

    current_page: int
    last_page: int
    total: int


class Entry(msgspec.Struct):
    """An entry of one of the app's lists."""

    id: int
    nama: str


def data_of(answer: sdk.Answer) -> Any:
    """Return what the envelope of a read holds, not decoded yet.

    The standard library reads it: for one half emoji msgspec would refuse a row's neighbours too.
    """
    try:
        envelope = json.loads(answer.body)
    except (ValueError, RecursionError):
        envelope = None
    if not isinstance(envelope, dict) or envelope.get("success") is not True:
        raise sdk.ContractBroken("the answer is not the envelope of a success")
    return envelope.get("data")


def page_of(answer: sdk.Answer) -> Page:
    """Return the page that came, be it the one that was asked for or not. Raises ContractBroken for anything else."""
    data = data_of(answer)
    rows = data.get("data") if isinstance(data, dict) else None
    if not isinstance(rows, list):
        raise sdk.ContractBroken("a page without rows")
    counts = read_as(data, Counts)
    return Page(rows, counts.current_page, counts.last_page, counts.total)


def read_as(value: Any, form: type[Form]) -> Form:
    """Decode a part of an answer. Raises ContractBroken."""
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        raise sdk.ContractBroken("the answer is not in the agreed form") from error


def stamp(at: datetime) -> str:
    """Return a time as the app writes it."""
    return at.astimezone(UTC).strftime(TIME)


def time_of(text: str) -> datetime:
    """Read a time of the app. Raises ValueError."""
    return sdk.local_time(text, TIME, "UTC")


def changed_at(row: Any) -> datetime | None:
    """Return when an undecoded row changed; None where it does not say so."""
    try:
        return time_of(row["updated_at"])
    except (LookupError, TypeError, ValueError):
        return None


def name_of(row: Any) -> str:
    """Name the record of an undecoded row: its ticket, else a digest."""
    ticket = row.get("tiket") if isinstance(row, dict) else None
    return ticket[:60] if isinstance(ticket, str) and ticket else _digest(row)


def version_of(row: Any) -> str:
    """Name an undecoded row as it is now: its record, when it changed, and a digest of all it says."""
    changed = changed_at(row)
    return f"{name_of(row)}@{'-' if changed is None else stamp(changed)}:{_digest(row)}"


def time_in(version: str) -> str:
    """Return the time in a version's name, as the app writes it; `-` where the row told none."""
    return version.rpartition(":")[0].rpartition("@")[2]


def key_of(kind: str, row: Any) -> str | None:
    """Return our key from the very end of an undecoded row's text; elsewhere in it anybody may have written one."""
    text = row.get(TEXTS[kind]) if isinstance(row, dict) else None
    key = sdk.mark(text) if isinstance(text, str) else None
    return key if key is not None and isinstance(text, str) and text.rstrip().endswith(f"[{key}]") else None


def references(row: Row, key: str | None) -> tuple[sdk.Reference, ...]:
    """Return a record's numbers. The one that an officer types comes only with our key.

    He may type it for another record by mistake: nothing may be taken for ours by it.
    """
    own = sdk.Reference(TICKET, row.tiket)
    return (own, sdk.Reference(REGISTERED, row.no_registrasi)) if key and row.no_registrasi else (own,)


def receipt(kind: str, raw: Any, key: str) -> sdk.Receipt:
    """Return the proof that a record came from us under `key`. Raises ContractBroken."""
    row = read_as(raw, Row)
    at = changed_at({"updated_at": row.created_at})
    return sdk.Receipt(references=references(row, key), at=at, word=_word(kind, row), key=key)


def news_of(kind: str, raw: Any, names: Names) -> list[sdk.News]:
    """Translate an undecoded row: how far it is, what was answered, and whether more time is taken.

    Raises ValueError where it is not as agreed.
    """
    msgspec.json.encode(raw)  # half an emoji is no text: such a row is refused by itself
    row = msgspec.convert(raw, Row)
    key, at = key_of(kind, raw), time_of(row.updated_at)
    about = references(row, key)
    moved = sdk.Event(
        id=version_of(raw),
        references=about,
        at=at,
        kind=KINDS[kind],
        word=_word(kind, row),
        key=key,
        opening=None if key else _opening(kind, row, names),
        facts={"no_registrasi": row.no_registrasi} if row.no_registrasi else {},
    )
    told: list[sdk.News] = [moved]
    if row.diperpanjang:
        told.append(
            sdk.Event(
                id=f"{row.tiket}:{EXTENSION}:{_digest(row.alasan_perpanjangan)}",
                references=about,
                at=at,
                kind=EXTENSION,
                key=key,
                text=row.alasan_perpanjangan or None,
                facts={"extended": True},
            )
        )
    papers = tuple(_document(one) for one in row.dokumen_jawaban or ())
    if row.jawaban or papers:
        told.append(
            sdk.Event(
                id=f"{row.tiket}:{ANSWER}:{_digest([row.jawaban, *(one.url for one in papers)])}",
                references=about,
                at=at,
                kind=ANSWER,
                key=key,
                text=row.jawaban or None,
                documents=papers,
            )
        )
    return told


def _word(kind: str, row: Row) -> str:
    return f"{KINDS[kind]}/{row.status}"


def _document(paper: Paper) -> sdk.Document:
    name = paper.nama or paper.url.rpartition("/")[2]
    return sdk.Document(
        name=name, media_type=paper.mime or guess_type(name)[0] or "application/octet-stream", url=paper.url
    )


def _opening(kind: str, row: Row, names: Names) -> sdk.Opening:
    """Return the content of a record that may have been born in the app."""
    home = names["domisili"].get(str(row.domisili_id), "")
    answers: dict[str, object] = {
        "occupation": _ours("pekerjaan", row.pekerjaan_id, names),
        "form_of_information": _ours("bentuk_informasi", row.id_bentuk_informasi, names),
        "purpose": row.tujuan or None,
    }
    if kind == OBJECTION:
        answers = {"ticket": row.no_pendaftaran or None, "grounds": list(row.alasan or ()) or None}
    return sdk.Opening(
        category=kind,
        text=(row.rincian if kind == REQUEST else row.kasus) or KINDS[kind],
        occurred_at=time_of(row.created_at),
        site_village=CODES.get(home),
        address=row.alamat or None,
        reporter=sdk.Person(
            name=None if row.nama in {"", HIDDEN} else row.nama,
            phone=row.no_hp or None,
            email=row.email or None,
            national_id=row.nik or None,
            hidden=row.nama == HIDDEN,
        ),
        attributes={name: answer for name, answer in answers.items() if answer is not None},
    )


def _ours(listed: str, number: int | None, names: Names) -> str | None:
    """Return our answer for an entry of one of the app's lists."""
    name = names[listed].get(str(number))
    return next((ours for ours, told in CHOICES[listed].items() if plain(told) == name), None)


def _digest(value: Any) -> str:
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=6).hexdigest()
