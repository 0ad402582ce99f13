"""Si-PeNDTING, simulated: two profiles of reports, additions, callbacks and daily pages, as its contract says."""

import base64
import csv
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import Any

import msgspec

from gateway.sdk.sandbox import Call, Kept, Record, Refused, Reply, Route, Sandbox, Setting
from gateway.sdk.sandbox_checks import Form, day, described, files, one_of, optional, text, wrong

WITA = timezone(timedelta(hours=8))
WINDOW_S = 300
PAGE = 20
KIND = "laporan"
WORDS = {
    "pengaduan": {
        "1": "Diterima",
        "2": "Diverifikasi",
        "3": "Diteruskan",
        "4": "Dikerjakan",
        "5": "Menunggu verifikasi",
        "6": "Selesai",
        "7": "Ditolak",
        "8": "Duplikat",
    },
    "stunting": {
        "1": "Belum diproses",
        "2": "Diproses, data tidak sesuai",
        "3": "Diproses, data sesuai",
        "4": "Belum ditindaklanjuti",
        "5": "Sudah ditindaklanjuti",
        "6": "Sudah perbaikan gizi",
    },
}
CATEGORIES = {
    "pengaduan": {
        "in-road": "Jalan dan jembatan",
        "in-water": "Air bersih, drainase, irigasi",
        "in-light": "Penerangan jalan dan lalu lintas",
        "en-waste": "Sampah dan pencemaran",
        "po-order": "Ketertiban umum",
        "he-service": "Layanan kesehatan",
        "gv-integrity": "Pungli dan penyalahgunaan wewenang",
        "gv-service": "Pelayanan publik",
        "gv-digital": "Layanan digital",
        "ed-school": "Pendidikan",
        "ag-food": "Pertanian, perikanan, pupuk",
        "tr-market": "Pasar, LPG, harga",
        "as-idea": "Aspirasi dan usulan",
        "xx-other": "Lainnya",
    },
    "stunting": {"ch-stunt": "Balita berisiko stunting", "ch-preg": "Ibu hamil berisiko"},
}
CASE = re.compile(r"kasus (\S+)$")
TITLE_MOST, TEXT_MOST = 100, 5_000
FILES = files(3, 2 * 1024 * 1024)
REPORTER: Form = {"nama": text(100), "no_hp": text(20, least=0), "rahasia": one_of("Y", "T")}
ADDITION: Form = {"ref_cons": text(64), "isi": text(TEXT_MOST)}


def said(code: str, message: str, response: Any = None, status: int = 200) -> Reply:
    """Return the envelope."""
    return Reply(status=status, body={"metaData": {"code": code, "message": message}, "response": response})


def ok(response: Any) -> Reply:
    """Return the envelope of a success."""
    return said("200", "Ok", response)


def absent() -> Reply:
    """Return the answer about what is not there."""
    return said("201", "Data tidak ditemukan")


def decimal(value: Any) -> str | None:
    """A decimal in a string, with a dot or a comma."""
    fits = isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,3}([.,][0-9]{1,20})?", value)
    return None if fits else "harus desimal dalam teks"


class Complaints(Sandbox):
    """Si-PeNDTING. Its officer's words are the status numbers of the report's profile; a note is his addition."""

    app = "sipendting"
    settle_s = 10.0
    limit = (10, 1.0)
    hook = "/hooks/sipendting"
    own_quirks = {  # noqa: RUF012 - declared as a ClassVar by the base
        "comma_decimals": False,
        "repeat_page": 0,
        "malformed_row": False,
        "commit_lag_s": 0,
        "category_added": False,
        "category_renamed": False,
        "category_removed": False,
        "status_added": False,
    }

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        with setting.territory.open(encoding="utf-8", newline="") as file:
            found = csv.DictReader(line for line in file if not line.startswith("#"))
            self._places = {row["bps2018"]: row["name"] for row in found if row["bps2018"]}
        self._last: Reply | None = None

    def routes(self) -> Sequence[Route]:
        """The interface, as in contracts."""
        return (
            ("POST", "/laporan", self._open),
            ("GET", "/laporan/ref/{ref_cons}", self._by_ref),
            ("GET", "/laporan/perubahan/{hari}/{halaman}", self._changes),
            ("GET", "/laporan/{no}", self._get),
            ("POST", "/laporan/{no}/tambahan", self._add),
            *(("GET", f"/referensi/{name}", partial(self._list, name)) for name in ("kategori", "status", "wilayah")),
        )

    def word(self, record: Record) -> str:
        """The status number."""
        return str(record.row["status"])

    def messages(self, record: Record) -> list[dict[str, Any]]:
        """Additions carry our key as their `ref_cons`."""
        return [{"key": one["ref_cons"], "text": one["isi"]} for one in record.row["tambahan"]]

    def too_many(self) -> Reply:
        """Beyond 10 requests a second."""
        return said("429", "Terlalu banyak permintaan", status=429)

    def malformed(self) -> Reply:
        """A body that is no JSON object."""
        return said("400", "JSON tidak dapat dibaca")

    def not_found(self) -> Reply:
        """An unknown path."""
        return said("404", "Alamat tidak dikenal", status=404)

    def signed(self, body: bytes, at: datetime) -> dict[str, str]:
        """The fixed token; it says nothing about the body."""
        return {"X-Callback-Token": self._secret("CALLBACK_TOKEN")[-1]}

    # Who is asking.

    def _secret(self, name: str) -> list[str]:
        """Return the values of a secret; several count while it is being replaced, the last is the newest."""
        return self.setting.secret(name).split()

    def _admit(self, call: Call) -> None:
        cons_id, stamp = call.headers.get("x-cons-id", ""), call.headers.get("x-timestamp", "")
        given = call.headers.get("x-signature", "").encode()
        known = hmac.compare_digest(cons_id.encode(), self.setting.secret("CONS_ID").encode())
        proofs = [
            base64.b64encode(hmac.new(key.encode(), f"{cons_id}&{stamp}".encode(), hashlib.sha256).digest())
            for key in self._secret("SECRET_KEY")
        ]
        if not known or not any(hmac.compare_digest(given, proof) for proof in proofs):
            raise Refused(said("401", "Signature tidak valid", status=401))
        if not stamp.isdecimal() or abs(int(stamp) - self.now().timestamp()) > WINDOW_S:
            raise Refused(said("401", "Timestamp di luar batas", status=401))

    # The interface.

    def _open(self, call: Call) -> Reply:
        self._admit(call)
        given = call.json()
        key = given.get("ref_cons")
        told = "wajib diisi, maksimal 64 karakter" if text(64)(key) else None
        if refused := self._wrong(given, {"ref_cons": told} if told else {}):
            return refused.about(key=key if isinstance(key, str) else None)
        if known := self._still_open(given):
            number = known.reference
            return said("409", f"Laporan {number} tentang kasus ini masih terbuka", {"no_laporan": number}).about(
                key=key
            )
        record = self._new(key, given, [described(photo) for photo in given.get("foto") or []])
        response = {"no_laporan": record.reference, "status": record.row["status"]}
        return ok(response).about(record.reference, key)

    def _wrong(self, given: Mapping[str, Any], found: dict[str, str]) -> Reply | None:
        """Return the refusal of a report that the app does not accept; it names the first field."""
        profile = given.get("profil")
        kinds = self._categories().get(profile, {}) if isinstance(profile, str) else {}
        form: Form = {
            "profil": one_of(*WORDS),
            "kategori": one_of(*kinds),
            "judul": text(TITLE_MOST),
            "isi": text(TEXT_MOST),
            "tanggal": day,
        }
        found |= {name: told[0] for name, told in wrong(form, given).items()}
        reporter = given.get("pelapor") if isinstance(given.get("pelapor"), dict) else {}
        found |= {f"pelapor.{name}": told[0] for name, told in wrong(REPORTER, reporter or {}).items()}
        area = given.get("wilayah")
        code = area.get("kode_bps") if isinstance(area, dict) else area
        if (code is not None or profile == "stunting") and code not in self._places:
            found["wilayah.kode_bps"] = "tidak dikenal"
        point = given.get("lokasi")
        if point is not None:
            form = {"lat": optional(decimal), "lon": optional(decimal)}
            fits = isinstance(point, dict)
            found |= {f"lokasi.{name}": told[0] for name, told in wrong(form, point if fits else {"lat": 0}).items()}
        if told := "tidak diterima" if profile == "stunting" and given.get("foto") else FILES(given.get("foto")):
            found["foto"] = told
        return said("400", next(f"{name}: {told}" for name, told in found.items())) if found else None

    def _still_open(self, given: Mapping[str, Any]) -> Record | None:
        """Return the open report about the same case. A case is named by the end of the title."""
        named = CASE.search(given["judul"])
        if given["profil"] != "stunting" or named is None:
            return None
        return next(
            (
                record
                for record in self.store.of_kind(KIND)
                if record.row["profil"] == "stunting"
                and record.row["status"] != "6"
                and (other := CASE.search(record.row["judul"]))
                and other[1] == named[1]
            ),
            None,
        )

    def _by_ref(self, call: Call) -> Reply:
        self._admit(call)
        key = call.params["ref_cons"]
        record = self.store.by_key(KIND, key)
        return absent().about(key=key) if record is None else ok(self._shown(record)).about(record.reference, key)

    def _get(self, call: Call) -> Reply:
        self._admit(call)
        record = self.store.records.get(call.params["no"])
        return absent() if record is None else ok(self._shown(record)).about(record.reference)

    def _add(self, call: Call) -> Reply:
        self._admit(call)
        given, record = call.json(), self.store.records.get(call.params["no"])
        if record is None:
            return absent()
        key = given.get("ref_cons")
        if found := wrong(ADDITION, given):
            return said("400", next(f"{name}: {told[0]}" for name, told in found.items()))
        record = self._say(record, key, given["isi"], {})
        return ok({"id": record.row["tambahan"][-1]["id"]}).about(record.reference, key)

    def _changes(self, call: Call) -> Reply:
        self._admit(call)
        wanted, page = call.params["hari"], call.params["halaman"]
        if day(wanted) or not page.isdecimal() or int(page) < 1:
            return said("400", "hari: harus tanggal Y-m-d, halaman mulai dari 1")
        if self._last is not None and self.happens("repeat_page"):
            return self._last
        start = datetime.combine(date.fromisoformat(wanted), datetime.min.time(), WITA).timestamp()
        committed = self.now().timestamp() - float(self.quirk("commit_lag_s"))
        records = [
            record
            for record in self.store.of_kind(KIND)
            if start <= record.row["diubah"] < start + 86_400
            # What an officer writes may be stamped long before it is committed; an interface request is both at once.
            and not (record.memo["by_officer"] and record.row["diubah"] > committed)
        ]
        records.sort(key=lambda record: (record.row["diubah"], record.reference))
        rows = [self._shown(record) for record in records[(int(page) - 1) * PAGE : int(page) * PAGE]]
        if self.quirk("malformed_row"):
            # A half emoji, no status, a number for a text, a day far ahead: what a broken import leaves behind.
            rows.insert(0, {"no_laporan": "rusak", "profil": "pengaduan", "isi": "\ud83d", "diubah": 32_503_651_199})
        self._last = ok({"halaman": int(page), "laporan": rows})
        return self._last

    def _categories(self) -> dict[str, dict[str, str]]:
        kinds = {profile: dict(known) for profile, known in CATEGORIES.items()}
        complaints = kinds["pengaduan"]
        if self.quirk("category_added"):
            complaints["in-port"] = "Pelabuhan"
        if self.quirk("category_renamed"):
            complaints["in-roads"] = complaints.pop("in-road")
        if self.quirk("category_removed"):
            del complaints["tr-market"]
        return kinds

    def _words(self) -> dict[str, dict[str, str]]:
        added = {"9": "Diarsipkan"} if self.quirk("status_added") else {}
        return {**WORDS, "pengaduan": WORDS["pengaduan"] | added}

    def _list(self, name: str, call: Call) -> Reply:
        self._admit(call)
        if name == "wilayah":
            return ok({"daftar": [{"kode_bps": code, "nama": named} for code, named in self._places.items()]})
        listed = self._categories() if name == "kategori" else self._words()
        return ok(
            {
                "daftar": [
                    {"kode": code, "nama": label, "profil": profile}
                    for profile, labels in listed.items()
                    for code, label in labels.items()
                ]
            }
        )

    def _shown(self, record: Record) -> dict[str, Any]:
        row = record.row
        if not self.quirk("comma_decimals") or row["lokasi"] is None:
            return row
        return {**row, "lokasi": {name: value.replace(".", ",") for name, value in row["lokasi"].items()}}

    # What happens in the office.

    def _new(self, key: str | None, given: Mapping[str, Any], images: list[Any]) -> Record:
        stamp = int(self.now().timestamp())
        year = self.now().astimezone(WITA).year
        number = f"PDT-{year}-{self.store.serial(str(year)):06d}"
        shown = ("profil", "kategori", "judul", "isi", "pelapor", "wilayah", "lokasi", "tanggal")
        row: dict[str, Any] = {
            "no_laporan": number,
            "ref_cons": key,
            **{name: given.get(name) for name in shown},
            "status": "1",
            "tambahan": [],
            "dibuat": stamp,
            "diubah": stamp,
        }
        memo = {"images": images, "by_officer": key is None}
        return self._tell(self.store.put(Record(reference=number, kind=KIND, key=key, row=row, memo=memo)))

    def _tell(self, record: Record) -> Record:
        """Owe a callback about a change."""
        row = record.row
        body = {"no_laporan": row["no_laporan"], "ref_cons": row["ref_cons"], "waktu": row["diubah"]}
        self.call_back(f"{record.reference}-{self.store.serial('callback')}", json.dumps(body))
        return record

    def _write(self, record: Record, changes: Mapping[str, Any], *, by_officer: bool) -> Record:
        row = {**record.row, **changes, "diubah": int(self.now().timestamp())}
        memo = {**record.memo, "by_officer": by_officer}
        return self._tell(self.store.put(msgspec.structs.replace(record, row=row, memo=memo)))

    def _say(self, record: Record, key: str | None, words: str, changes: Mapping[str, Any]) -> Record:
        addition = {
            "id": self.store.serial("tambahan"),
            "ref_cons": key,
            "dari": "petugas" if key is None else "pelapor",
            "isi": words,
            "waktu": int(self.now().timestamp()),
        }
        changes = {**changes, "tambahan": [*record.row["tambahan"], addition]}
        return self._write(record, changes, by_officer=key is None)

    def born(self, fields: Mapping[str, Any]) -> Record:
        """A resident or health worker reports in the app. `fields` are a report's; `profil` tells which."""
        profile = fields.get("profil", "pengaduan")
        given: dict[str, Any] = {
            "profil": profile,
            "kategori": "ch-stunt" if profile == "stunting" else "xx-other",
            "judul": "Laporan warga",
            "isi": "Laporan warga",
            "wilayah": {"kode_bps": "7310"},
            "lokasi": None,
            "tanggal": self.now().astimezone(WITA).date().isoformat(),
            **fields,
            "pelapor": {"nama": "Warga", "no_hp": "", "rahasia": "T", **(fields.get("pelapor") or {})},
        }
        elsewhere = re.fullmatch(r"73(?!10)[0-9]{8}", str((given["wilayah"] or {}).get("kode_bps")))
        if refused := self._wrong({**given, "wilayah": {"kode_bps": "7310"}} if elsewhere else given, {}):
            raise Refused(msgspec.structs.replace(refused, status=422))
        return self._new(None, given, [])

    def advance(
        self, record: Record, word: str, note: str | None, document: Kept | None, fields: Mapping[str, Any]
    ) -> Record:
        """The officer sets a status; `note` is his addition; `fields` mend the report."""
        labels = self._words()[record.row["profil"]]
        told = ""
        if word not in labels:
            told = f"word: salah satu dari {', '.join(labels)}"
        elif document is not None:
            told = "document: laporan tidak membawa berkas"
        elif unknown := set(fields) - {"kategori", "judul", "isi", "pelapor", "wilayah", "lokasi", "tanggal"}:
            told = f"{min(unknown)}: tidak dikenal"
        if told:
            raise Refused(said("400", told, status=422))
        changes = {**fields, "status": word}
        return self._say(record, None, note, changes) if note else self._write(record, changes, by_officer=True)
