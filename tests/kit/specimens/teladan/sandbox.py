"""Teladan, simulated."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import msgspec

from gateway.sdk.sandbox import Call, Kept, Record, Refused, Reply, Route, Sandbox, Setting
from gateway.sdk.sandbox_checks import described

WITA = timezone(timedelta(hours=8))
PAGE = 10
KINDS = {"sampah": "Sampah", "lain": "Lainnya"}
WORDS = {
    "baru": "Baru",
    "diteruskan": "Diteruskan",
    "dikerjakan": "Dikerjakan",
    "selesai": "Selesai",
    "ditolak": "Ditolak",
}
MOST = 5000


def wrong(field: str, key: str | None = None) -> Refused:
    """Refuse a field."""
    return Refused(Reply(status=422, body={"salah": field}, key=key))


class Model(Sandbox):
    """Teladan. Its officer's words are its status words."""

    app = "teladan"
    settle_s = 4.0
    limit = (10, 1.0)
    hook = "/hooks/teladan"
    own_quirks = {"kind_added": False, "word_renamed": False}  # noqa: RUF012 - declared as a ClassVar by the base

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._villages = frozenset(setting.villages())

    def routes(self) -> Sequence[Route]:
        """The interface."""
        return (
            ("POST", "/aduan", self._open),
            ("GET", "/aduan", self._list),
            ("GET", "/aduan/{nomor}", self._get),
            ("POST", "/aduan/{nomor}/pesan", self._message),
            ("GET", "/kamus", self._words),
            ("GET", "/berkas/{digest}/{name}", self._file),
        )

    def word(self, record: Record) -> str:
        """The status word."""
        return str(record.row["status"])

    def messages(self, record: Record) -> list[dict[str, Any]]:
        """Messages carry our key as their `ref`."""
        return [{"key": one["ref"], "text": one["isi"]} for one in record.row["pesan"]]

    def too_many(self) -> Reply:
        """Beyond its limit."""
        return Reply(status=429, body={"pesan": "terlalu banyak"})

    def malformed(self) -> Reply:
        """A body that is no JSON object."""
        return Reply(status=400, body={"pesan": "bukan JSON"})

    def not_found(self) -> Reply:
        """An unknown path or number."""
        return Reply(status=404, body={"pesan": "tidak ada"})

    def signed(self, body: bytes, at: datetime) -> dict[str, str]:
        """HMAC-SHA256 over the time, a dot and the raw body; the status goes along unsigned."""
        stamp, secret = str(int(at.timestamp())), self.setting.secret("TANDA").encode()
        signature = hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        try:
            status = str(json.loads(body)["status"])
        except (ValueError, KeyError, TypeError):
            status = "-"
        return {"X-Teladan-Waktu": stamp, "X-Teladan-Tanda": signature, "X-Teladan-Status": status}

    def _admit(self, call: Call) -> None:
        if call.headers.get("x-kunci") != self.setting.secret("KUNCI"):
            raise Refused(Reply(status=401, body={"pesan": "kunci salah"}))

    def _open(self, call: Call) -> Reply:
        self._admit(call)
        given = call.json()
        key = given.get("ref")
        if given.get("jenis") not in KINDS:
            raise wrong("jenis", key)
        if not isinstance(given.get("isi"), str) or not 0 < len(given["isi"]) <= MOST:
            raise wrong("isi", key)
        if given.get("desa") is not None and given["desa"] not in self._villages:
            raise wrong("desa", key)
        record = self._new(key, given, [described(one) for one in given.get("foto", [])])
        shown = {name: record.row[name] for name in ("nomor", "status", "dibuat")}
        return Reply(status=201, body=shown).about(record.reference, key)

    def _list(self, call: Call) -> Reply:
        self._admit(call)
        if key := call.query.get("ref"):
            found = self.store.by_key("aduan", key) or self._holding(key)
            return Reply(body={"aduan": [] if found is None else [found.row], "lanjut": False}, key=key)
        try:
            since = datetime.fromisoformat(call.query.get("sejak", ""))
            page = int(call.query.get("halaman", "1"))
        except ValueError:
            raise wrong("sejak") from None
        records = [one for one in self.store.of_kind("aduan") if datetime.fromisoformat(one.row["diubah"]) >= since]
        records.sort(key=lambda one: (one.row["diubah"], one.reference))
        rows = [one.row for one in records[(page - 1) * PAGE : page * PAGE]]
        return Reply(body={"aduan": rows, "lanjut": len(records) > page * PAGE})

    def _holding(self, key: str) -> Record | None:
        """Return the complaint that has a message with our key."""
        return next(
            (one for one in self.store.of_kind("aduan") if any(said["ref"] == key for said in one.row["pesan"])), None
        )

    def _record(self, call: Call) -> Record:
        self._admit(call)
        record = self.store.records.get(call.params["nomor"])
        if record is None:
            raise Refused(self.not_found())
        return record

    def _get(self, call: Call) -> Reply:
        record = self._record(call)
        return Reply(body=record.row, reference=record.reference)

    def _message(self, call: Call) -> Reply:
        record, given = self._record(call), call.json()
        said = {"ref": given.get("ref"), "isi": given.get("isi")}
        self._write(record, {"pesan": [*record.row["pesan"], said]})
        return Reply(status=201, body={"nomor": record.reference}).about(record.reference, given.get("ref"))

    def _words(self, call: Call) -> Reply:
        self._admit(call)
        kinds = KINDS | ({"taman": "Taman"} if self.quirk("kind_added") else {})
        words = {
            ("tuntas" if word == "selesai" and self.quirk("word_renamed") else word): WORDS[word] for word in WORDS
        }
        return Reply(body={"jenis": kinds, "status": words})

    def _file(self, call: Call) -> Reply:
        self._admit(call)
        return self.file(call)

    def _stamp(self) -> str:
        return self.now().astimezone(WITA).isoformat(timespec="milliseconds")

    def _new(self, key: str | None, given: Mapping[str, Any], images: list[dict[str, Any]]) -> Record:
        number = f"T-{self.store.serial('aduan'):04d}"
        shown = ("jenis", "isi", "nama", "telp", "rahasia", "desa")
        row: dict[str, Any] = {
            "nomor": number,
            "ref": key,
            **{name: given.get(name) for name in shown},
            "status": "baru",
            "pesan": [],
            "urut": 0,
            "dibuat": self._stamp(),
        }
        return self._write(Record(reference=number, kind="aduan", key=key, row=row, memo={"images": images}), {})

    def _write(self, record: Record, changes: Mapping[str, Any]) -> Record:
        row = {**record.row, **changes, "urut": record.row["urut"] + 1, "diubah": self._stamp()}
        self.call_back(f"{row['nomor']}#{row['urut']}", json.dumps(row))
        return self.store.put(msgspec.structs.replace(record, row=row))

    def born(self, fields: Mapping[str, Any]) -> Record:
        """Somebody complains at the counter. `fields` are a row's."""
        given = {"jenis": "lain", "isi": "Aduan warga", "nama": "Warga", "telp": "", "rahasia": False, **fields}
        if given["jenis"] not in KINDS:
            raise wrong("jenis")
        return self._new(None, given, [])

    def advance(
        self, record: Record, word: str, note: str | None, document: Kept | None, fields: Mapping[str, Any]
    ) -> Record:
        """The officer sets a status, and may add a document."""
        if word not in WORDS:
            raise wrong("status")
        changes: dict[str, Any] = {"status": word}
        if document is not None:
            paper = {
                "nama": document.name,
                "jenis": document.media_type,
                "url": f"/berkas/{document.digest}/{quote(document.name)}",
            }
            changes["berkas"] = [*record.row.get("berkas", []), paper]
        return self._write(record, changes)
