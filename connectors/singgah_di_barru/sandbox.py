"""Singgah Di Barru, simulated: reports of visitors, comments, destinations and daily pages, as its contract says."""

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, quote

import msgspec

from gateway.sdk.sandbox import Call, Kept, Malformed, Record, Refused, Reply, Route, Sandbox, Setting
from gateway.sdk.sandbox_checks import Check, Form, described, one_of, text, unpacked, wrong

WITA = timezone(timedelta(hours=8))
API = "/api/services/s01/"
KIND = "laporan"
TIME, DAY = "%d-%m-%Y %H:%M:%S", "%d-%m-%Y"
PAGE_MOST = 50
FILES_MOST = 5 * 1024 * 1024
TEXT_MOST = 10_000
WORDS = ["baru", "diverifikasi", "diteruskan", "ditindaklanjuti", "selesai", "ditolak"]
CATEGORIES = {"1": "Fasilitas", "2": "Kebersihan", "3": "Keamanan", "4": "Tarif", "5": "Informasi"}
DESTINATIONS = [
    ("1", "Pantai Ujung Batu", "7311031003", "-4.40712", "119.60524"),
    ("2", "Celebes Canyon", "7311012005", "-4.51340", "119.73105"),
    ("3", "Lappa Laona", "7311012002", "-4.55120", "119.78640"),
    ("4", "Pantai Kupa", "7311052007", "-4.11902", "119.62010"),
    ("5", "Pantai Lumpue Bojo", "7311051003", "-4.08810", "119.62150"),
    ("6", "Pulau Dutungan", "7311051001", "-4.18210", "119.61905"),
    ("7", "Pulau Pannikiang", "7311072005", "-4.35010", "119.59120"),
    ("8", "Pulau Puteangin", "", "-4.47110", "119.53610"),
    ("9", "Saoraja La Pinceng", "7311072002", "-4.29920", "119.68120"),
    ("10", "Permandian Air Panas Kalompie", "7311032009", "-4.39610", "119.73310"),
    ("11", "Masjid Apung Sumpang Binangae", "7311031003", "-4.40250", "119.60850"),
    ("12", "Makam We Tenri Olle", "7311022003", "-4.53610", "119.59910"),
    ("13", "Pos Singgah Takkalasi", "7311071001", "", ""),
]
"""Number, name, village, latitude and longitude. An island has no village; the rest stop was never measured."""

PAGE = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
LINKS = re.compile(r"KEYTOKEN=[^&]*")


def decimal(least: float, most: float) -> Check:
    """A decimal in a string, or nothing."""

    def check(value: Any) -> str | None:
        fits = value == "" or (re.fullmatch(r"-?\d{1,3}(\.\d{1,20})?", value) and least <= float(value) <= most)
        return None if fits else f"harus desimal {least:g} sampai {most:g}"

    return check


def attached(value: Any) -> str | None:
    """Files as JSON in a string, or nothing."""
    if len(value) > FILES_MOST:
        return f"maksimal {FILES_MOST} byte"
    try:
        files = json.loads(value or "[]")
        fits = isinstance(files, list) and all(
            isinstance(one["nama"], str) and isinstance(one["tipe"], str) and unpacked(one["isi"]) is not None
            for one in files
        )
    except (KeyError, TypeError, ValueError, RecursionError):
        fits = False
    return None if fits else "harus JSON [{nama, tipe, isi}]"


def no(told: str, status: int = 200) -> Reply:
    """Return the envelope of a refusal."""
    return Reply(status=status, body={"status": "0", "pesan": told})


def ok(data: Sequence[Mapping[str, str]]) -> Reply:
    """Return the envelope of a success."""
    return Reply(body={"status": "1", "pesan": "OK", "data": data})


class VisitorDesk(Sandbox):
    """Singgah Di Barru. Its officer's words are the status words; a note is the answer that the report shows."""

    app = "singgah_di_barru"
    settle_s = 20.0
    limit = (2, 1.0)
    own_quirks = {  # noqa: RUF012 - declared as a ClassVar by the base
        "html_502": 0,
        "repeat_page": 0,
        "malformed_row": False,
        "commit_lag_s": 0,
        "category_added": False,
        "category_renamed": False,
        "category_removed": False,
        "destination_added": False,
        "word_added": False,
    }

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        villages = setting.villages()
        assert all(village in villages for _, _, village, _, _ in DESTINATIONS if village)
        self._last: Reply | None = None

    def routes(self) -> Sequence[Route]:
        """The interface, as in contracts."""
        methods = {
            "kirimlaporan": self._open,
            "carilaporan": self._by_ref,
            "getlaporan": self._changes,
            "getkategori": self._list_categories,
            "getdestinasi": self._list_destinations,
            "kirimkomentar": self._comment,
        }
        routes: list[Route] = [("POST", API + name, handler) for name, handler in methods.items()]
        return [*routes, ("GET", "/berkas/{digest}/{name}", self._file)]

    def word(self, record: Record) -> str:
        """The status word."""
        return str(record.row["status"])

    def messages(self, record: Record) -> list[dict[str, Any]]:
        """Comments carry our key as their `ref_luar`."""
        return [{"key": one["ref_luar"] or None, "text": one["isi"]} for one in _listed(record.row["komentar"])]

    def too_many(self) -> Reply:
        """Beyond 2 requests a second: said by the server in front of the app, in the app's words."""
        return no("Terlalu banyak permintaan", 429)

    def malformed(self) -> Reply:
        """A body that is no form."""
        return no("Permintaan tidak dapat dibaca")

    def not_found(self) -> Reply:
        """An unknown method."""
        return no("Metode tidak dikenal")

    def _told(self, call: Call, reply: Reply) -> dict[str, Any]:
        """Note a request in the journal, without its token."""
        entry = super()._told(call, reply)
        told = entry["body"]
        return entry | {"body": told if told is None else LINKS.sub("KEYTOKEN=***", told)}

    # Who is asking, and what.

    def _admit(self, call: Call) -> dict[str, str]:
        """Return the fields of a form whose token is right; missing ones are empty."""
        if self.happens("html_502"):
            raise Refused(Reply(status=502, body=PAGE, media_type="text/html; charset=utf-8"))
        if not call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            raise Malformed
        try:
            given = dict(parse_qsl(call.body.decode("ascii"), True, strict_parsing=True, errors="strict"))
        except ValueError:
            raise Malformed from None
        token = given.pop("KEYTOKEN", "").encode()
        # Several count while one is being replaced.
        known = self.setting.secret("KEYTOKEN").split()
        if not any(hmac.compare_digest(token, one.encode()) for one in known):
            raise Refused(no("Token tidak valid"))
        return given

    def _form(self) -> Form:
        places = {number for number, *_ in self._destinations()}
        return {
            "id_kategori": one_of(*self._categories()),
            "id_destinasi": lambda value: None if value in places | {""} else "tidak dikenal",
            "judul": text(120),
            "isi": text(TEXT_MOST),
            "nama": text(100),
            "telp": text(20, least=0),
            "email": text(100, least=0),
            "bahasa": one_of("id", "en"),
            "lat": decimal(-90, 90),
            "lon": decimal(-180, 180),
            "rahasia": one_of("0", "1"),
        }

    # The interface.

    def _open(self, call: Call) -> Reply:
        given = self._admit(call)
        key, files = given.get("ref_luar", ""), given.get("lampiran", "")
        row = {name: given.get(name, "") for name in self._form()}
        found = wrong({"ref_luar": text(64), **self._form(), "lampiran": attached}, row | given | {"lampiran": files})
        if found:
            return _field(found).about(key=key)
        record = self._new(key, row, [described(one["isi"]) for one in _listed(files)])
        return ok([_part(record.row, "id", "ref_luar", "tgl_kirim")]).about(record.reference, key)

    def _by_ref(self, call: Call) -> Reply:
        key = self._admit(call).get("ref_luar", "")
        if told := text(64)(key):
            return no(f"Kolom ref_luar: {told}")
        found = [record for record in self.store.of_kind(KIND) if record.key == key]
        return ok([self._shown(record, call) for record in found]).about(found[0].reference if found else None, key)

    def _changes(self, call: Call) -> Reply:
        given = self._admit(call)
        day, start, limit = given.get("tgl_update", ""), given.get("start", ""), given.get("limit", "")
        if not _is_day(day):
            return no("Kolom tgl_update: harus d-m-Y")
        if not start.isdecimal():
            return no("Kolom start: harus angka")
        if not (limit.isdecimal() and 1 <= int(limit) <= PAGE_MOST):
            return no(f"Kolom limit: 1 sampai {PAGE_MOST}")
        if self._last is not None and self.happens("repeat_page"):
            return self._last
        committed = (self.now() - timedelta(seconds=float(self.quirk("commit_lag_s")))).isoformat()
        records = [
            record
            for record in self.store.of_kind(KIND)
            if record.row["tgl_update"].startswith(day)
            # What an officer writes may be stamped long before it is committed; an interface request is both at once.
            and not (record.memo["by_officer"] and record.memo["at"] > committed)
        ]
        records.sort(key=lambda record: (record.memo["at"], int(record.reference)), reverse=True)
        shown = [self._shown(record, call) for record in records[int(start) : int(start) + int(limit)]]
        if self.quirk("malformed_row"):
            # A half emoji, no status, a number for a text, a day far ahead: what a broken import leaves behind.
            shown.insert(0, {"id": "rusak", "isi": "\ud83d", "rahasia": 1, "tgl_update": "31-12-2999 23:59:59"})
        self._last = ok(shown)
        return self._last

    def _comment(self, call: Call) -> Reply:
        given = self._admit(call)
        if found := wrong({"ref_luar": text(64), "isi": text(TEXT_MOST)}, given):
            return _field(found)
        record = self.store.records.get(given.get("id", ""))
        if record is None:
            return no("Laporan tidak ditemukan").about(key=given["ref_luar"])
        record, comment = self._say(record, given["ref_luar"], given["isi"])
        return ok([_part(comment, "id", "ref_luar", "tgl_kirim")]).about(record.reference, given["ref_luar"])

    def _list_categories(self, call: Call) -> Reply:
        self._admit(call)
        return ok([{"id": number, "nama": name} for number, name in self._categories().items()])

    def _list_destinations(self, call: Call) -> Reply:
        self._admit(call)
        return ok([dict(zip(("id", "nama", "desa", "lat", "lon"), one, strict=True)) for one in self._destinations()])

    def _file(self, call: Call) -> Reply:
        if self.store.file(call.params["digest"]) is None:
            return Reply(status=404, body=PAGE, media_type="text/html; charset=utf-8")
        return self.file(call)

    def _categories(self) -> dict[str, str]:
        known = dict(CATEGORIES)
        if self.quirk("category_added"):
            known["6"] = "Penginapan"
        if self.quirk("category_renamed"):
            known["2"] = "Sampah"
        if self.quirk("category_removed"):
            del known["5"]
        return known

    def _destinations(self) -> list[tuple[str, str, str, str, str]]:
        added = [("99", "Pantai Baru Siddo", "7311042006", "-4.23110", "119.62210")]
        return DESTINATIONS + (added if self.quirk("destination_added") else [])

    def _shown(self, record: Record, call: Call) -> dict[str, Any]:
        files = _listed(record.row["lampiran_tanggapan"])
        links = [one | {"url": call.base + one["url"]} for one in files]
        return record.row | {"lampiran_tanggapan": json.dumps(links) if links else ""}

    # What happens at the visitors' desk.

    def _new(self, key: str | None, row: Mapping[str, str], images: list[Any]) -> Record:
        number, stamp = str(self.store.serial(KIND)), _naive(self.now())
        row = {
            "id": number,
            "ref_luar": key or "",
            **row,
            "status": WORDS[0],
            "tanggapan": "",
            "tgl_kirim": stamp,
            "tgl_update": stamp,
            "lampiran_tanggapan": "",
            "komentar": "",
        }
        memo = {"images": images, "by_officer": key is None, "at": self.now().isoformat()}
        return self.store.put(Record(reference=number, kind=KIND, key=key, row=row, memo=memo))

    def _write(self, record: Record, changes: Mapping[str, str], *, by_officer: bool) -> Record:
        row = {**record.row, **changes, "tgl_update": _naive(self.now())}
        memo = {**record.memo, "by_officer": by_officer, "at": self.now().isoformat()}
        return self.store.put(msgspec.structs.replace(record, row=row, memo=memo))

    def _say(self, record: Record, key: str, words: str) -> tuple[Record, dict[str, str]]:
        comment = {
            "id": str(self.store.serial("komentar")),
            "ref_luar": key,
            "isi": words,
            "tgl_kirim": _naive(self.now()),
        }
        changes = {"komentar": json.dumps([*_listed(record.row["komentar"]), comment])}
        return self._write(record, changes, by_officer=False), comment

    def born(self, fields: Mapping[str, Any]) -> Record:
        """A visitor writes in the app itself. `fields` are a report's."""
        told = "Laporan wisatawan"
        row = dict.fromkeys(self._form(), "") | {"id_kategori": "1", "judul": told, "isi": told}
        row |= {"nama": "Wisatawan", "bahasa": "id", "rahasia": "0"}
        return self._new(None, self._mended(row, fields), [])

    def _mended(self, row: Mapping[str, str], fields: Mapping[str, Any]) -> dict[str, str]:
        """Return a report's fields as somebody in the app changes them. Raises Refused."""
        told = {name: ["tidak dikenal"] for name in fields if name not in self._form()}
        told |= {name: ["harus teks"] for name, value in fields.items() if not isinstance(value, str)}
        mended = {name: row[name] for name in self._form()} | dict(fields)
        if found := told or wrong(self._form(), mended):
            raise Refused(msgspec.structs.replace(_field(found), status=422))
        return mended

    def advance(
        self, record: Record, word: str, note: str | None, document: Kept | None, fields: Mapping[str, Any]
    ) -> Record:
        """The officer sets a status; `note` is his answer, `document` a file with it; `fields` mend the report."""
        words = WORDS + (["diarsipkan"] if self.quirk("word_added") else [])
        if word not in words:
            raise Refused(no(f"Kolom word: harus salah satu dari: {', '.join(words)}", 422))
        changes = {**self._mended(record.row, fields), "status": word}
        if note is not None:
            changes["tanggapan"] = note
        if document is not None:
            file = {"nama": document.name, "tipe": document.media_type}
            file["url"] = f"/berkas/{document.digest}/{quote(document.name)}"
            changes["lampiran_tanggapan"] = json.dumps([*_listed(record.row["lampiran_tanggapan"]), file])
        return self._write(record, changes, by_officer=True)


def _field(found: Mapping[str, list[str]]) -> Reply:
    """Return the refusal; it names the first field."""
    name, told = next(iter(found.items()))
    return no(f"Kolom {name}: {told[0]}")


def _part(row: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: row[name] for name in names}


def _listed(text: str) -> list[dict[str, str]]:
    """Return the list that stands as JSON in a string."""
    found: list[dict[str, str]] = json.loads(text) if text else []
    return found


def _naive(at: datetime) -> str:
    return at.astimezone(WITA).strftime(TIME)


def _is_day(text: str) -> bool:
    try:
        return datetime.strptime(text, DAY).strftime(DAY) == text  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return False
