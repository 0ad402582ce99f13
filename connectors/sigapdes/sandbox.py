"""Si-GAPDes, simulated: complaints, damage records and letters of villages, as its contract says."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec

from gateway.sdk.sandbox import Call, Kept, Record, Refused, Reply, Route, Sandbox, Setting
from gateway.sdk.sandbox_checks import Form, day, described, digits, files, number, one_of, optional, text, wrong

WITA = timezone(timedelta(hours=8))
TOKEN_S = 604800
CHANGES_PAGE, ROWS_PAGE, ROWS_MOST = 50, 20, 100
LABELS = {
    "pengaduan": {1: "Menunggu Diproses", 2: "Sedang Diproses", 3: "Selesai Diproses"},
    "kerusakan": {1: "Menunggu Diproses", 2: "Sedang Diproses", 3: "Selesai Diproses"},
    "surat": {
        0: "Belum Lengkap",
        1: "Sedang Diperiksa",
        2: "Menunggu Tandatangan",
        3: "Siap Diambil",
        4: "Sudah Diambil",
        5: "Dibatalkan",
    },
}

FILES = files(3, 2 * 1024 * 1024)
TEXT_MOST = 10_000
FORMS: dict[str, Form] = {
    "pengaduan": {
        "nik": optional(digits(16)),
        "nama": text(100),
        "no_hp": text(20, least=0),
        "judul": text(100),
        "isi": text(TEXT_MOST),
        "kategori": one_of("infrastruktur", "pendidikan", "kesehatan", "dana_desa", "bansos", "aparat", "lainnya"),
    },
    "kerusakan": {
        "nama_kk": text(100),
        "nik_kk": optional(digits(16)),
        "jumlah_jiwa": number(0, 99, whole=True),
        "jenis_bencana": one_of("banjir", "longsor", "angin", "kebakaran", "gempa", "abrasi"),
        "tingkat": one_of("ringan", "sedang", "berat"),
        "keterangan": text(TEXT_MOST, least=0),
        "tanggal_kejadian": day,
        "lat": optional(number(-180, 180)),
        "lon": optional(number(-180, 180)),
    },
    "surat": {
        "nik": digits(16),
        "nama": text(100),
        "no_hp": text(20),
        "jenis_surat": one_of("domisili", "usaha", "tidak_mampu", "kelahiran", "kematian", "kehilangan"),
        "keperluan": text(TEXT_MOST),
    },
}
REPLY: Form = {"ref_luar": text(64), "isi": text(TEXT_MOST), "lampiran": FILES}
BORN: dict[str, dict[str, Any]] = {
    "pengaduan": {"nik": None, "nama": "Warga", "no_hp": "", "judul": "Pengaduan warga", "kategori": "lainnya"},
    "kerusakan": {"nama_kk": "Kepala keluarga", "nik_kk": None, "jumlah_jiwa": 1, "tingkat": "sedang"},
    "surat": {"nama": "Warga", "no_hp": "", "jenis_surat": "domisili", "keperluan": "Keperluan warga"},
}


def failure(status: int, message: str, code: int, errors: Mapping[str, list[str]] | None = None) -> Reply:
    """Return the error envelope."""
    told = {} if errors is None else {"errors": errors}
    return Reply(status=status, body={"success": False, "message": message, **told, "code": code})


def success(data: Any, message: str = "OK", status: int = 200, meta: Mapping[str, Any] | None = None) -> Reply:
    """Return the envelope of a success."""
    told = {} if meta is None else {"meta": meta}
    return Reply(status=status, body={"success": True, "message": message, "data": data, **told})


class VillageOffice(Sandbox):
    """Si-GAPDes. Its officer's words are the status numbers; a note is the officer's reply."""

    app = "sigapdes"
    settle_s = 5.0
    limit = (5, 1.0)
    own_quirks = {  # noqa: RUF012 - declared as a ClassVar by the base
        "leak_villages": False,
        "repeat_page": 0,
        "malformed_row": False,
        "commit_lag_s": 0,
        "expire_tokens": 0,
    }

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._villages = frozenset(setting.villages())
        self._pages: dict[str, Reply] = {}

    def routes(self) -> Sequence[Route]:
        """The interface of three kinds alike."""
        routes: list[Route] = [
            ("POST", "/api/v1/auth/login", self._login),
            ("GET", "/berkas/{digest}/{name}", self.file),
        ]
        for kind in FORMS:
            path = f"/api/v1/{kind}"
            routes += [
                ("POST", path, partial(self._open, kind)),
                ("GET", path, partial(self._list, kind)),
                ("GET", f"{path}/perubahan", partial(self._changes, kind)),
                ("GET", f"{path}/ref/{{ref_luar}}", partial(self._by_ref, kind)),
                ("GET", f"{path}/{{id}}", partial(self._get, kind)),
                ("POST", f"{path}/{{id}}/tanggapan", partial(self._reply, kind)),
            ]
        return routes

    def word(self, record: Record) -> str:
        """The status number."""
        return str(record.row["status"])

    def messages(self, record: Record) -> list[dict[str, Any]]:
        """Replies carry our key as their `ref_luar`."""
        return [{"key": one["ref_luar"], "text": one["isi"]} for one in record.row["tanggapan"]]

    def too_many(self) -> Reply:
        """Beyond 5 requests a second."""
        return failure(429, "Terlalu banyak permintaan", 429)

    def malformed(self) -> Reply:
        """A body that is no JSON object."""
        return failure(400, "JSON tidak dapat dibaca", 400)

    def not_found(self) -> Reply:
        """An unknown path or record."""
        return failure(404, "Data tidak ditemukan", 404)

    # Who is asking.

    def _token(self, issued: int) -> str:
        def part(value: Any) -> str:
            return _b64(json.dumps(value, separators=(",", ":")).encode())

        claims = {"sub": self.setting.secret("USERNAME"), "iat": issued, "exp": issued + TOKEN_S}
        head = part({"alg": "HS256", "typ": "JWT"}) + "." + part(claims)
        key = f"{self.setting.secret('PASSWORD')} {self.store.quirks.get('generation', 0)}".encode()
        return head + "." + _b64(hmac.new(key, head.encode(), hashlib.sha256).digest())

    def _login(self, call: Call) -> Reply:
        given = call.json()
        wanted = {"username": self.setting.secret("USERNAME"), "password": self.setting.secret("PASSWORD")}
        if given != wanted:
            return msgspec.structs.replace(failure(401, "Nama pengguna atau kata sandi salah", 401), private=True)
        data = {"token": self._token(int(self.now().timestamp())), "expires_in": TOKEN_S}
        return msgspec.structs.replace(success(data, "Login berhasil"), private=True)

    def _admit(self, call: Call) -> None:
        if self.happens("expire_tokens"):
            self.store.set_quirk("generation", self.store.quirks.get("generation", 0) + 1)
        token = call.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            claims = json.loads(_unb64(token.split(".")[1]))
            issued, valid = int(claims["iat"]), float(claims["exp"]) > self.now().timestamp()
        except (IndexError, KeyError, TypeError, ValueError):
            issued, valid = 0, False
        if not valid or not hmac.compare_digest(token.encode(), self._token(issued).encode()):
            raise Refused(failure(401, "Token tidak valid atau kedaluwarsa", 401))

    # The interface.

    def _open(self, kind: str, call: Call) -> Reply:
        self._admit(call)
        given = call.json()
        key = given.get("ref_luar")
        errors = {} if text(64)(key) is None else {"ref_luar": ["wajib diisi, maksimal 64 karakter"]}
        errors |= wrong(FORMS[kind], given)
        if kind != "surat" and (told := FILES(given.get("foto"))):
            errors["foto"] = [told]
        if errors:
            refused = failure(422, "Data tidak valid", 422, errors)
            return refused.about(key=key if isinstance(key, str) else None)
        if given.get("kode_desa") not in self._villages:
            return failure(200, "Desa tidak terdaftar", 404).about(key=key)
        row = {name: given.get(name) for name in ("kode_desa", *FORMS[kind])}
        record = self._new(kind, key, row, [described(photo) for photo in given.get("foto", [])])
        data = {"id": record.row["id"], "status": record.row["status"]}
        return success(data, "Data tersimpan", 201).about(record.reference, key)

    def _ours(self, record: Record) -> bool:
        """Whether the account may see a record: those of its regency, as long as tenancy does not leak."""
        return bool(self.quirk("leak_villages")) or record.row["kode_desa"] in self._villages

    def _record(self, kind: str, call: Call) -> Record:
        self._admit(call)
        record = self.store.records.get(f"{kind}:{call.params['id']}")
        if record is None or not self._ours(record):
            raise Refused(self.not_found())
        return record

    def _shown(self, record: Record, call: Call) -> dict[str, Any]:
        url = record.row.get("file_url")
        return {**record.row, "file_url": call.base + url} if url else record.row

    def _by_ref(self, kind: str, call: Call) -> Reply:
        self._admit(call)
        key = call.params["ref_luar"]
        record = self.store.by_key(kind, key)
        if record is None:
            return self.not_found().about(key=key)
        return success(self._shown(record, call)).about(record.reference, key)

    def _get(self, kind: str, call: Call) -> Reply:
        record = self._record(kind, call)
        return success(self._shown(record, call)).about(record.reference)

    def _list(self, kind: str, call: Call) -> Reply:
        self._admit(call)
        village = call.query.get("kode_desa", "")
        after = _number(call.query.get("sejak_id", ""), 0)
        size = min(_number(call.query.get("per_page", ""), ROWS_PAGE), ROWS_MOST)
        fits = [
            record
            for record in self._visible(kind)
            if record.row["id"] > after
            and (not village or record.row["kode_desa"] == village or self.quirk("leak_villages"))
        ]
        return self._page(call, sorted(fits, key=lambda record: int(record.row["id"])), max(size, 1))

    def _changes(self, kind: str, call: Call) -> Reply:
        self._admit(call)
        since = call.query.get("sejak", "")
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", since):
            wrong = {"sejak": ["harus waktu Y-m-d H:i:s"]}
            return failure(422, "Data tidak valid", 422, wrong)
        fits = [record for record in self._visible(kind) if record.row["updated_at"] >= since]
        fits.sort(key=lambda record: (record.row["updated_at"], record.row["id"]))
        return self._page(call, fits, CHANGES_PAGE)

    def _visible(self, kind: str) -> list[Record]:
        """The records that a list shows: of the account's villages, and committed.

        What an officer writes may be stamped long before it is committed; an interface request is both at once.
        """
        committed = _naive(self.now() - timedelta(seconds=float(self.quirk("commit_lag_s"))))
        return [
            record
            for record in self.store.of_kind(kind)
            if self._ours(record) and not (record.memo["by_officer"] and record.row["updated_at"] > committed)
        ]

    def _page(self, call: Call, records: Sequence[Record], size: int) -> Reply:
        if call.path in self._pages and self.happens("repeat_page"):
            return self._pages[call.path]
        page = max(_number(call.query.get("page", ""), 1), 1)
        rows = [self._shown(record, call) for record in records[(page - 1) * size : page * size]]
        if self.quirk("malformed_row"):
            # A half emoji, a word for a number, no village, a day far ahead: what a broken import leaves behind.
            rows.insert(0, {"id": "rusak", "isi": "\ud83d", "status": None, "updated_at": "2999-12-31 23:59:59"})
        pages = -(-len(records) // size)
        meta = {
            "current_page": page,
            "per_page": size,
            "total_items": len(records),
            "total_pages": pages,
            "has_next": page < pages,
            "has_prev": page > 1,
        }
        self._pages[call.path] = success(rows, meta=meta)
        return self._pages[call.path]

    def _reply(self, kind: str, call: Call) -> Reply:
        record, given = self._record(kind, call), call.json()
        key = given.get("ref_luar")
        if errors := wrong(REPLY, given):
            return failure(422, "Data tidak valid", 422, errors)
        changes: dict[str, Any] = {}
        if record.kind == "surat" and record.row["status"] == 0:
            changes = self._status(record, 1)
        images = [described(one) for one in given.get("lampiran", [])]
        record = self._say(record, key, given["isi"], changes, images)
        data = {"id": record.row["tanggapan"][-1]["id"]}
        return success(data, "Tanggapan tersimpan", 201).about(record.reference, key)

    # What happens in the village office.

    def _new(self, kind: str, key: str | None, row: Mapping[str, Any], images: list[Any]) -> Record:
        serial, stamp = self.store.serial(kind), _naive(self.now())
        files = {"file_url": None} if kind == "surat" else {}
        row = {
            "id": serial,
            "ref_luar": key,
            **row,
            **files,
            "status": 1,
            "status_label": LABELS[kind][1],
            "tanggapan": [],
            "created_at": stamp,
            "updated_at": stamp,
        }
        reference, memo = f"{kind}:{serial}", {"images": images, "by_officer": key is None}
        return self.store.put(Record(reference=reference, kind=kind, key=key, row=row, memo=memo))

    def _status(self, record: Record, status: int) -> dict[str, Any]:
        return {"status": status, "status_label": LABELS[record.kind][status]}

    def _write(
        self, record: Record, changes: Mapping[str, Any], images: Sequence[Any] = (), *, by_officer: bool
    ) -> Record:
        row = {**record.row, **changes, "updated_at": _naive(self.now())}
        memo = {"images": [*record.memo["images"], *images], "by_officer": by_officer}
        return self.store.put(msgspec.structs.replace(record, row=row, memo=memo))

    def _say(
        self,
        record: Record,
        key: str | None,
        said: str,
        changes: Mapping[str, Any],
        images: Sequence[Any] = (),
    ) -> Record:
        reply = {
            "id": self.store.serial("tanggapan"),
            "ref_luar": key,
            "dari": "petugas" if key is None else "pelapor",
            "isi": said,
            "created_at": _naive(self.now()),
        }
        return self._write(
            record, {**changes, "tanggapan": [*record.row["tanggapan"], reply]}, images, by_officer=key is None
        )

    def born(self, fields: Mapping[str, Any]) -> Record:
        """A resident or officer types a record. `fields` are its row's; `kind` says which, else they tell."""
        kind = fields.get("kind")
        if kind is None:
            kind = "kerusakan" if "jenis_bencana" in fields else "surat" if "jenis_surat" in fields else "pengaduan"
        if kind not in FORMS:
            raise Refused(failure(422, "Data tidak valid", 422, {"kind": [f"salah satu dari: {', '.join(FORMS)}"]}))
        given = {"tanggal_kejadian": _naive(self.now())[:10], "keterangan": "", **BORN[kind], **fields}
        row = {name: given.get(name) for name in ("kode_desa", *FORMS[kind])}
        errors = wrong(FORMS[kind], row)
        if not re.fullmatch(r"\d{10}", str(row["kode_desa"])):
            errors["kode_desa"] = ["harus 10 digit"]
        if errors:
            raise Refused(failure(422, "Data tidak valid", 422, errors))
        return self._new(kind, None, row, [])

    def advance(
        self, record: Record, word: str, note: str | None, document: Kept | None, fields: Mapping[str, Any]
    ) -> Record:
        """The officer sets a status; `note` is a reply; `document` is the finished letter."""
        labels = LABELS[record.kind]
        errors: dict[str, list[str]] = {}
        if not word.isdecimal() or int(word) not in labels:
            errors["word"] = [f"salah satu dari: {', '.join(map(str, labels))}"]
        if document is not None and record.kind != "surat":
            errors["document"] = ["hanya surat yang punya berkas"]
        if unknown := set(fields) - set(FORMS[record.kind]):
            errors |= {name: ["tidak dikenal"] for name in unknown}
        if errors:
            raise Refused(failure(422, "Data tidak valid", 422, errors))
        changes = {**fields, **self._status(record, int(word))}
        if document is not None:
            changes["file_url"] = f"/berkas/{document.digest}/{quote(document.name)}"
        return self._say(record, None, note, changes) if note else self._write(record, changes, by_officer=True)


def _naive(at: datetime) -> str:
    return at.astimezone(WITA).strftime("%Y-%m-%d %H:%M:%S")


def _number(given: str, default: int) -> int:
    return int(given) if given.isdecimal() else default


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unb64(encoded: str) -> bytes:
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
