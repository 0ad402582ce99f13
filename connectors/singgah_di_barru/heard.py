"""What Singgah Di Barru tells: its rows, as news in the unified types. Nothing here calls."""

import json
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from gateway import sdk

from .places import Destinations, point_of
from .wire import HIDDEN, LANGUAGES, NAMELESS, TIME, Number, reference

MOVED: Final = "laporan"
"""The kind of events that tell how far a report is."""

ANSWERED: Final = "tanggapan"
"""The kind of events that tell what an officer wrote."""

SAFETY: Final = "3"
"""The category of reports about safety: somebody may be in danger there."""


class Row(msgspec.Struct):
    """A report; every value is a string, and empty where there is nothing.

    Times are the app's, without a zone; `rahasia` "1": the reporter is not to be known; `komentar` and
    `lampiran_tanggapan` are JSON in a string.
    """

    id: Number
    id_kategori: str
    status: str
    tgl_kirim: str
    tgl_update: str
    ref_luar: str = ""
    id_destinasi: str = ""
    judul: str = ""
    isi: str = ""
    nama: str = ""
    telp: str = ""
    email: str = ""
    bahasa: str = ""
    lat: str = ""
    lon: str = ""
    rahasia: str = "1"
    tanggapan: str = ""
    lampiran_tanggapan: str = ""
    komentar: str = ""


class Comment(msgspec.Struct):
    """A comment in a report."""

    id: str
    isi: str
    ref_luar: str = ""


class File(msgspec.Struct):
    """A file that an officer added."""

    nama: str
    tipe: str
    url: str


def version_of(row: Any) -> str:
    """Name an undecoded row as it is now: its number, when it changed, and a digest of all it says."""
    number, changed = (row.get("id"), row.get("tgl_update")) if isinstance(row, dict) else (None, None)
    # In ASCII: a broken row's half an emoji must not break what names it.
    return f"{ascii(number)[:60]}@{ascii(changed)[:30]}:{_digest(json.dumps(row, sort_keys=True))}".replace("'", "")


def changed_at(row: Any) -> datetime | None:
    """Return when an undecoded row changed, in the app's time without a zone; None where it does not say so."""
    try:
        return datetime.strptime(row["tgl_update"], TIME)  # noqa: DTZ007 - it has no zone
    except (LookupError, TypeError, ValueError):
        return None


def keys_in(row: Any) -> list[Any]:
    """Return the keys of the comments in an undecoded row; none where they cannot be read.

    The standard library reads them: somebody else's half an emoji must not hide what we sent.
    """
    try:
        found = json.loads(row["komentar"])
    except (LookupError, TypeError, ValueError, RecursionError):
        found = None
    return [one.get("ref_luar") for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def places_in(row: Any) -> set[str]:
    """Return the destination that must be known to tell of an undecoded row: of a report that may open one here."""
    given = row if isinstance(row, dict) else {}
    name = given.get("id_destinasi")
    ours = sdk.mark(f"[{given.get('ref_luar')}]") is not None
    return {name} if isinstance(name, str) and name and not ours else set()


def news_of(raw: Any, zone: ZoneInfo, places: Destinations) -> list[sdk.News]:
    """Translate a row: how far the report is, and what its officer wrote. Raises ValueError where it is unsound."""
    msgspec.json.encode(raw)  # half an emoji is no text: such a row is refused by itself
    row = msgspec.convert(raw, Row)
    about = reference(row.id)
    at = sdk.local_time(row.tgl_update, TIME, zone)
    key = sdk.mark(f"[{row.ref_luar}]")
    moved = sdk.Event(
        id=version_of(raw),
        references=(about,),
        at=at,
        kind=MOVED,
        word=row.status,
        key=key,
        marks=tuple(mark for one in _comments(row.komentar) if (mark := sdk.mark(f"[{one.ref_luar}]"))),
        documents=tuple(
            sdk.Document(name=one.nama, media_type=one.tipe, url=one.url) for one in _files(row.lampiran_tanggapan)
        ),
        opening=None if key else _opening(row, zone, places),
        facts={"safety": True} if row.id_kategori == SAFETY else {},
    )
    if not row.tanggapan.strip():
        return [moved]
    # The row shows its officer's latest words for as long as it lives: by their digest they are told once.
    name = f"{row.id}:tanggapan:{_digest(row.tanggapan)}"
    said = sdk.Event(id=name, references=(about,), at=at, kind=ANSWERED, key=key, text=row.tanggapan)
    return [moved, said]


def _opening(row: Row, zone: ZoneInfo, places: Destinations) -> sdk.Opening:
    """Return the content of a report that may have been born in the app, with its reporter's wish to be hidden."""
    place = places.get(row.id_destinasi)
    point = point_of(row.lat, row.lon) or (place.point if place is not None else None)
    named = place.nama if place is not None else row.id_destinasi
    return sdk.Opening(
        category=row.id_kategori,
        text="\n".join(part for part in (row.judul, row.isi) if part.strip()),
        occurred_at=sdk.local_time(row.tgl_kirim, TIME, zone),
        site_village=place.village if place is not None else None,
        latitude=point[0] if point else None,
        longitude=point[1] if point else None,
        address=place.nama if place is not None else None,
        reporter=sdk.Person(
            name=None if row.nama in {"", HIDDEN, NAMELESS} else row.nama,
            phone=row.telp or None,
            email=row.email or None,
            hidden=row.rahasia != "0",
        ),
        attributes={"destination": named} if named else {},
        language=row.bahasa if row.bahasa in LANGUAGES else None,
    )


def _comments(text: str) -> list[Comment]:
    return msgspec.json.decode(text, type=list[Comment]) if text else []


def _files(text: str) -> list[File]:
    return msgspec.json.decode(text, type=list[File]) if text else []


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=6).hexdigest()
