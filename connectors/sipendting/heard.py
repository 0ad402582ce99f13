"""What Si-PeNDTING tells: its reports, as news in the unified types. Nothing here calls.

Of a child nothing comes in: `known_of` takes everything out of a row that may tell of one, before anything else sees
it, be it the inbox, the quarantine or a digest.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, Literal, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from gateway import sdk

from .places import DISTRICTS, REGENCY, VILLAGES
from .wire import CASE, HIDDEN, NAMELESS, PENGADUAN, REQUESTS, STUNTING, Saved, reference

Form = TypeVar("Form")
ADDED: Final = "tambahan"
"""The kind of events that tell what an officer wrote."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
UNTOLD: Final = "Petugas menulis keterangan di Si-PeNDTING; isinya tidak diteruskan karena menyangkut kesehatan."
"""What is told of an officer's words about a child."""

FACTS: Final[Mapping[str, Mapping[str, str | int | bool]]] = {
    "stunting/2": {"flagged": True},
    "pengaduan/5": {"awaiting_verification": True},
}
_SCALARS: Final = ("no_laporan", "ref_cons", "profil", "kategori", "status", "tanggal", "dibuat", "diubah")
_PARTS: Final = {"pelapor": ("nama", "no_hp", "rahasia"), "wilayah": ("kode_bps",)}
_ADDITION: Final = ("id", "ref_cons", "dari", "waktu")
_LONGEST: Final = 100
_NAMED: Final = re.compile(r"kasus (\S{1,40})\Z")
_DECIMAL: Final = re.compile(r"(-?[0-9]{1,3})(?:[.,]([0-9]{1,20}))?")


class Reporter(msgspec.Struct):
    """Who reports; `rahasia` Y or T: whether it is to be kept secret."""

    nama: str = ""
    no_hp: str = ""
    rahasia: str = "Y"


class Area(msgspec.Struct):
    """Where, as a BPS code of a village, a district or the regency."""

    kode_bps: str = ""


class Point(msgspec.Struct):
    """Where, as decimals in strings, at times with a comma."""

    lat: str = ""
    lon: str = ""


class Addition(msgspec.Struct):
    """Something added to a report; `dari` is `petugas` (officer) or `pelapor` (reporter)."""

    id: int
    waktu: int
    dari: str = ""
    isi: str = ""
    ref_cons: str | None = None


class Row(Saved):
    """A report; `dibuat` and `diubah` in Unix seconds."""

    profil: Literal["pengaduan", "stunting"]
    dibuat: int
    diubah: int
    kategori: str = ""
    ref_cons: str | None = None
    judul: str = ""
    isi: str = ""
    pelapor: Reporter | None = None
    wilayah: Area | None = None
    lokasi: Point | None = None
    tanggal: str | None = None
    tambahan: tuple[Addition, ...] = ()


class Callback(msgspec.Struct):
    """The body of a callback."""

    no_laporan: str
    waktu: int
    ref_cons: str | None = None


class Kind(msgspec.Struct):
    """An entry of `referensi/kategori`."""

    kode: str
    nama: str


class Word(msgspec.Struct):
    """An entry of `referensi/status`."""

    profil: str
    kode: str
    nama: str


class Place(msgspec.Struct):
    """An entry of `referensi/wilayah`."""

    kode_bps: str
    nama: str


def response_of(answer: sdk.Answer) -> Any:
    """Return what the envelope of a read holds, not decoded yet; None if the app says that there is nothing.

    The standard library reads it: for one half emoji msgspec would refuse a row's neighbours too.
    """
    try:
        envelope = json.loads(answer.body)
    except (ValueError, RecursionError):
        envelope = None
    meta = envelope.get("metaData") if isinstance(envelope, dict) else None
    code = meta.get("code") if isinstance(meta, dict) else None
    if code in {"401", "403"}:
        raise sdk.Unauthorized(f"metaData.code {code}")
    if code == "201":
        return None
    if code != "200" or envelope.get("response") is None:
        raise sdk.ContractBroken("the answer is not the envelope of a success")
    return envelope["response"]


def read_as(value: Any, form: type[Form]) -> Form:
    """Decode a part of an answer. Raises ContractBroken."""
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        raise sdk.ContractBroken("the answer is not in the agreed form") from error


def known_of(row: Any) -> Any:
    """Return what may be known here of an undecoded row: all of a complaint; of anything else no word, place or
    number but those of the report itself and of whoever reports."""
    if not isinstance(row, dict):
        return {}
    if row.get("profil") == PENGADUAN:
        return row
    known = _of(row, _SCALARS) | {part: _of(row.get(part), names) for part, names in _PARTS.items() if part in row}
    if isinstance(added := row.get("tambahan"), list):
        known["tambahan"] = [_of(one, _ADDITION) for one in added]
    if case := _case(row.get("judul")):
        known["judul"] = f"kasus {case}"
    return known


def _of(part: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the plain and short values of these names."""
    given = part if isinstance(part, dict) else {}
    return {
        name: given[name]
        for name in names
        if name in given and (isinstance(given[name], int | None) or (_is_short(given[name])))
    }


def _is_short(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST


def _case(title: Any) -> str | None:
    """Return the case number that a title ends with."""
    found = _NAMED.search(title) if isinstance(title, str) else None
    return found[1] if found and CASE.fullmatch(found[1]) else None


def version_of(row: Any) -> str:
    """Name an undecoded row as it is now: its number, when it changed, and a digest of all it says."""
    said = blake2b(json.dumps(row, sort_keys=True).encode(), digest_size=6).hexdigest()
    number, changed = (row.get("no_laporan"), row.get("diubah")) if isinstance(row, dict) else (None, None)
    return f"{str(number)[:60]}@{changed if type(changed) is int else '-'}:{said}"


def news_of(raw: Any, zone: ZoneInfo) -> list[sdk.News]:
    """Translate a row that `known_of` has passed: how far the report is, and what its officer wrote.

    Raises ValueError where it is not as agreed.
    """
    msgspec.json.encode(raw)  # half an emoji is no text: such a row is refused by itself
    row = msgspec.convert(raw, Row)
    about = reference(row.no_laporan)
    area = row.wilayah.kode_bps if row.wilayah is not None else ""
    if area and not (area in VILLAGES or area in DISTRICTS or area == REGENCY):
        # Of another regency's citizen nothing but the number is kept.
        reason = f"a report of another regency: kode_bps {area[:10]!r}"
        return [sdk.Unreadable(id=version_of(raw), reason=reason, raw=about.value.encode())]
    key = sdk.mark(f"[{row.ref_cons}]")
    word = f"{row.profil}/{row.status}"
    moved = sdk.Event(
        id=version_of(raw),
        references=(about,),
        at=_time(row.diubah),
        kind=row.profil,
        word=word,
        key=key,
        marks=tuple(mark for one in row.tambahan if (mark := sdk.mark(f"[{one.ref_cons}]"))),
        opening=None if key else _opening(row, area, zone),
        facts=FACTS.get(word, {}),
    )
    said = [one for one in row.tambahan if one.dari == "petugas"]
    return [moved, *(_reply(row, about, key, one) for one in said)]


def _reply(row: Row, about: sdk.Reference, key: str | None, said: Addition) -> sdk.Event:
    return sdk.Event(
        id=f"{about.value}:tambahan:{said.id}",
        references=(about,),
        at=_time(said.waktu),
        kind=ADDED,
        key=key,
        text=said.isi if row.profil == PENGADUAN else UNTOLD,
    )


def _opening(row: Row, area: str, zone: ZoneInfo) -> sdk.Opening:
    """Return the content of a report that may have been born in the app, with its reporter's wish to be hidden."""
    who = row.pelapor or Reporter()
    day = sdk.local_time(f"{row.tanggal} 00:00", "%Y-%m-%d %H:%M", zone) if row.tanggal else _time(row.dibuat)
    if row.profil == STUNTING:
        text, point, case = REQUESTS.get(row.kategori, "Mohon dilihat"), _point(None), _case(row.judul)
    else:
        text = "\n".join(part for part in (row.judul, row.isi) if part.strip())
        point, case = _point(row.lokasi), None
    return sdk.Opening(
        category=row.kategori,
        text=text,
        occurred_at=day,
        site_village=VILLAGES.get(area),
        latitude=point[0],
        longitude=point[1],
        address=f"Kec. {DISTRICTS[area]}" if area in DISTRICTS else None,
        reporter=sdk.Person(
            name=None if who.nama in {"", HIDDEN, NAMELESS} else who.nama,
            phone=who.no_hp or None,
            hidden=who.rahasia != "T",
        ),
        attributes={"case_number": case} if case else {},
    )


def _point(where: Point | None) -> tuple[float | None, float | None]:
    """Return latitude and longitude. Raises ValueError where they are no decimals."""
    if where is None or not (where.lat or where.lon):
        return None, None
    latitude, longitude = _decimal(where.lat), _decimal(where.lon)
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise ValueError("a point that is none on earth")
    return latitude, longitude


def _decimal(text: str) -> float:
    found = _DECIMAL.fullmatch(text.strip())
    if found is None:
        raise ValueError("a coordinate that is no decimal")
    return float(f"{found[1]}.{found[2] or 0}")


def _time(seconds: int) -> datetime:
    return EPOCH + timedelta(seconds=seconds)
