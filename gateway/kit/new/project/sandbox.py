"""Contoh, simulated: it speaks the interface that README.md describes, over real HTTP.

Replace this by your own app's behaviour, refusals and limits included: whatever it does wrong here is found here.
"""

#? webhook hmac
import hashlib
#?
import hmac
#? webhook
import json
#?
from collections.abc import Mapping, Sequence
#? webhook
from datetime import datetime, timedelta, timezone
#? -webhook
from datetime import timedelta, timezone
#?
from typing import Any

import msgspec

from gateway.sdk.sandbox import Call, Kept, Record, Refused, Reply, Route, Sandbox
from gateway.sdk.sandbox_checks import one_of, optional, text, wrong

WITA = timezone(timedelta(hours=8))
CATEGORIES = ("sampah", "lampu", "lainnya")
WORDS = ("baru", "diproses", "selesai", "ditolak")
PAGE = 50
FORM = {
    "kategori": one_of(*CATEGORIES),
    "uraian": text(2000),
    "nama": optional(text(100)),
    "telepon": optional(text(20)),
    "desa": optional(text(20)),
    "alamat": optional(text(300)),
}


class Office(Sandbox):
    """The app. Its officer moves a report from `baru` to `diproses` to `selesai` or `ditolak`."""

    app = "contoh"
    settle_s = 2.0
    limit = (10, 1.0)
#? webhook
    hook = "/hooks/contoh"
#?

    def routes(self) -> Sequence[Route]:
        """The interface, as README.md has it."""
        return (
#? login
            ("POST", "/api/masuk", self._log_in),
#?
            ("POST", "/api/laporan", self._open),
            ("GET", "/api/laporan", self._find),
#? webhook
            ("GET", "/api/laporan/{nomor}/kejadian", self._of_one),
#? poll
            ("GET", "/api/kejadian", self._of_all),
#?
        )

    def word(self, record: Record) -> str:
        """The report's own status word."""
        return str(record.row["status"])

    def messages(self, record: Record) -> list[dict[str, Any]]:
        """It takes no messages."""
        return []

    def too_many(self) -> Reply:
        """Beyond ten requests a second."""
        return Reply(status=429, body={"pesan": "terlalu banyak permintaan"})

    def malformed(self) -> Reply:
        """A body that is no JSON object."""
        return Reply(status=400, body={"pesan": "bukan JSON"})

    def not_found(self) -> Reply:
        """An unknown path or number."""
        return Reply(status=404, body={"pesan": "tidak ditemukan"})

    # Who asks.

    def _admit(self, call: Call) -> None:
        if not self._known(call):
            raise Refused(Reply(status=401, body={"pesan": "tidak dikenal"}))

#? apikey
    def _known(self, call: Call) -> bool:
        return _same(call.headers.get("x-api-key", ""), self.setting.secret("API_KEY"))
#? bearer
    def _known(self, call: Call) -> bool:
        return _same(call.headers.get("authorization", ""), f"Bearer {self.setting.secret('API_TOKEN')}")
#? login
    def _known(self, call: Call) -> bool:
        token = call.headers.get("authorization", "").removeprefix("Bearer ")
        session = self.store.records.get(token)
        return session is not None and session.kind == "sesi"

    def _log_in(self, call: Call) -> Reply:
        given = call.json()
        right = (("akun", "USERNAME"), ("sandi", "PASSWORD"))
        if not all(_same(str(given.get(field, "")), self.setting.secret(name)) for field, name in right):
            return Reply(status=401, body={"pesan": "akun atau sandi salah"}, private=True)
        token = f"sesi-{self.store.serial('sesi')}"
        self.store.put(Record(reference=token, kind="sesi", key=None, row={"status": "-"}, listed=False))
        return Reply(body={"token": token}, private=True)
#? hmac
    def _known(self, call: Call) -> bool:
        client, stamp = self.setting.secret("CLIENT_ID"), call.headers.get("x-waktu", "")
        if not stamp.isdecimal() or abs(self.now().timestamp() - int(stamp)) > 300:
            return False
        proof = hmac.new(self.setting.secret("CLIENT_SECRET").encode(), f"{client}&{stamp}".encode(), hashlib.sha256)
        return _same(call.headers.get("x-tanda", ""), proof.hexdigest())
#?

    # The interface.

    def _open(self, call: Call) -> Reply:
        self._admit(call)
        given = call.json()
        key = given.get("ref")
        if not isinstance(key, str) or not key:
            raise Refused(_wrong({"ref": ["wajib diisi"]}))
        if told := wrong(FORM, given):
            raise Refused(_wrong(told, key))
        record = self._new(key, given)
        return Reply(status=201, body=_shown(record), reference=record.reference, key=key)

    def _find(self, call: Call) -> Reply:
        self._admit(call)
        record = self.store.by_key("laporan", call.query.get("ref", ""))
        return Reply(body={"laporan": [] if record is None else [_shown(record)]})

#? webhook
    def _of_one(self, call: Call) -> Reply:
        self._admit(call)
        record = self.store.records.get(call.params["nomor"])
        if record is None or record.kind != "laporan":
            return self.not_found()
        after = self._after(call)
        return Reply(body={"kejadian": [one for one in record.history if one["urut"] > after]})
#? poll
    def _of_all(self, call: Call) -> Reply:
        self._admit(call)
        after = self._after(call)
        every = [one for record in self.store.of_kind("laporan") for one in record.history if one["id"] > after]
        return Reply(body={"kejadian": sorted(every, key=lambda one: int(one["id"]))[:PAGE]})
#?

    def _after(self, call: Call) -> int:
        after = call.query.get("setelah", "0")
        if not after.isdecimal():
            raise Refused(_wrong({"setelah": ["harus angka"]}))
        return int(after)

    # What happens in the office.

    def born(self, fields: Mapping[str, Any]) -> Record:
        """Somebody comes to the office. `fields` are those of a report, without `ref`."""
        given = {"kategori": "lainnya", **fields}
        if told := wrong(FORM, given):
            raise Refused(_wrong(told))
        return self._new(None, given)

    def advance(
        self, record: Record, word: str, note: str | None, document: Kept | None, fields: Mapping[str, Any]
    ) -> Record:
        """The officer gives a report another word, with a note."""
        if record.kind != "laporan" or word not in WORDS or document is not None:
            raise Refused(_wrong({"status": [f"harus salah satu dari: {', '.join(WORDS)}"]}))
        changed = msgspec.structs.replace(record, row={**record.row, **fields, "status": word})
        return self._happened(changed, "laporan.berubah", note)

    def _new(self, key: str | None, given: Mapping[str, Any]) -> Record:
        reference = f"C-{self.store.serial('laporan'):04d}"
        row = {**given, "nomor": reference, "ref": key, "status": "baru", "dibuat": self._stamp()}
        return self._happened(Record(reference=reference, kind="laporan", key=key, row=row), "laporan.baru", None)

    def _happened(self, record: Record, kind: str, note: str | None) -> Record:
        """Keep a changed report, and what happened to it."""
        event = {
            "id": self.store.serial("kejadian"),
            "urut": len(record.history) + 1,
            "jenis": kind,
            "laporan": record.reference,
            "ref": record.key,
            "status": record.row["status"],
            "catatan": note,
            "waktu": self._stamp(),
        }
        if record.key is None and kind == "laporan.baru":
            shown = ("kategori", "uraian", "nama", "telepon", "rahasia", "desa")
            event["isi"] = {name: record.row[name] for name in shown if name in record.row}
#? webhook
        self.call_back(f"kejadian-{event['id']}", json.dumps(event))
#?
        return self.store.put(msgspec.structs.replace(record, history=(*record.history, event)))
#? webhook

    def signed(self, body: bytes, at: datetime) -> dict[str, str]:
        """HMAC-SHA256 over the time, a dot and the raw body."""
        stamp = str(int(at.timestamp()))
        proof = hmac.new(self.setting.secret("WEBHOOK_SECRET").encode(), stamp.encode() + b"." + body, hashlib.sha256)
        return {"X-Waktu": stamp, "X-Tanda": f"sha256={proof.hexdigest()}"}
#?

    def _stamp(self) -> str:
        return self.now().astimezone(WITA).isoformat(timespec="seconds")


def _shown(record: Record) -> dict[str, Any]:
    return {name: record.row[name] for name in ("nomor", "ref", "status", "dibuat")}


def _wrong(told: Mapping[str, list[str]], key: str | None = None) -> Reply:
    return Reply(status=422, body={"galat": {field: ", ".join(what) for field, what in told.items()}}, key=key)


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())
