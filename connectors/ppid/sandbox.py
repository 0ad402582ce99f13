"""PPID, simulated: requests for information, objections, their lists, pages and documents, as its contract says."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, quote

import msgspec

from gateway.sdk import mark
from gateway.sdk.sandbox import Call, Kept, Malformed, Record, Refused, Reply, Route, Sandbox, Setting
from gateway.sdk.sandbox_checks import Form, digits, one_of, text, wrong

WITA = timezone(timedelta(hours=8))
TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
PAGE = 15
REQUEST, OBJECTION = "permohonan-informasi", "pengajuan-keberatan"
STATES = ("Menunggu Verifikasi", "Sedang Diproses", "Dijawab", "Ditolak", "Dibatalkan", "Disposisi")
OBJECTED = ("Baru", "Sedang Diproses", "Disposisi", "Dikabulkan", "Ditolak", "Selesai")
LABELS = {
    REQUEST: dict(zip("012345", STATES, strict=True)),
    OBJECTION: dict(zip("npdaty", OBJECTED, strict=True)),
}
CHOSEN = {"pekerjaan_id": "pekerjaan", "domisili_id": "domisili", "id_bentuk_informasi": "bentuk_informasi"}
GROUNDS = "abcdefg"
JOBS = {1: "Aparatur Negara", 2: "Pegawai Swasta", 3: "Wiraswasta", 4: "Petani atau Nelayan"}
JOBS |= {5: "Pelajar atau Mahasiswa", 8: "Mengurus Rumah Tangga", 99: "Lainnya"}
FORMS = {1: "Salinan elektronik", 2: "Salinan cetak", 4: "Melihat di tempat"}
CARD_BYTES, SUPPORT_BYTES = 2 * 1024 * 1024, 5 * 1024 * 1024
PERSON: Form = {
    "nama": text(100),
    "nik": digits(16),
    "email": lambda value: None if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", str(value)) else "harus alamat email",
    "no_hp": text(20),
}
WRITTEN: dict[str, Form] = {
    REQUEST: {**PERSON, "alamat": text(500), "rincian": text(5000), "tujuan": text(1000)},
    OBJECTION: {**PERSON, "kasus": text(5000)},
}
EDITED = {"no_registrasi", "jawaban", "dokumen_jawaban", "diperpanjang", "alasan_perpanjangan"}
"""Besides what was submitted, what an officer may type into a record."""

GAMBLING = b"<!DOCTYPE html><html><head><title>SLOT GACOR</title></head><body><h1>SLOT GACOR 777</h1></body></html>"
LOGIN = b"<!DOCTYPE html><html><head><title>Login PPID</title></head><body><form></form></body></html>"


class File(msgspec.Struct, frozen=True):
    """A file of a multipart form."""

    name: str
    media_type: str
    content: bytes


def ok(data: Any, status: int = 200) -> Reply:
    """Return the envelope of a success."""
    return Reply(status=status, body={"success": True, "data": data})


def invalid(errors: Mapping[str, list[str]]) -> Reply:
    """Return Laravel's refusal of a form."""
    return Reply(status=422, body={"message": "The given data was invalid.", "errors": dict(errors)})


class InformationOffice(Sandbox):
    """PPID. Its officer's words are the status numbers and letters; a note is the answer, a document goes with it."""

    app = "ppid"
    settle_s = 60.0
    limit = (60, 60.0)
    own_quirks = {  # noqa: RUF012 - declared as a ClassVar by the base
        "index_lag_s": 0,
        "replica_lag_s": 0,
        "shift_pages": False,
        "repeat_page": 0,
        "malformed_row": False,
        "deface": False,
        "renumber_lists": False,
        "entry_added": False,
        "entry_renamed": False,
        "entry_removed": False,
    }

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        districts = {}
        with setting.territory.open(encoding="utf-8") as file:
            for line in file:
                code, _, _, name, *_ = [*line.split(","), "", "", "", ""]
                if re.fullmatch(r"\d{2}\.\d{2}\.\d{2}", code):
                    districts[code] = name
        villages = setting.villages().values()
        named = [f"{one.name}, Kec. {districts[one.dotted[:8]]}" for one in villages]
        self._homes = dict(enumerate(named, start=11)) | {99: "Lainnya"}
        self._asked = 0
        self._pages: dict[str, Reply] = {}

    def routes(self) -> Sequence[Route]:
        """The interface, as in contracts."""
        routes: list[Route] = [
            ("POST", f"/api/public/{REQUEST}", self._request),
            ("POST", f"/api/public/{OBJECTION}", self._object),
            ("POST", f"/api/admin/{REQUEST}/{{id}}", self._cancel),
            ("GET", "/storage/jawaban/{digest}/{name}", self._download),
        ]
        routes += [("GET", f"/api/admin/{kind}", partial(self._list, kind)) for kind in LABELS]
        routes += [("GET", f"/api/public/referensi/{name}", partial(self._listed, name)) for name in CHOSEN.values()]
        return routes

    def word(self, record: Record) -> str:
        """The status number or letter."""
        return str(record.row["status"])

    def messages(self, record: Record) -> list[dict[str, Any]]:
        """It takes no messages."""
        return []

    def too_many(self) -> Reply:
        """Beyond 60 requests a minute."""
        return Reply(status=429, body={"message": "Too Many Attempts."})

    def malformed(self) -> Reply:
        """A body that is no form."""
        return invalid({"body": ["tidak dapat dibaca"]})

    def not_found(self) -> Reply:
        """An unknown path or record."""
        return Reply(status=404, body={"message": "Not Found"})

    def answer(self, call: Call) -> Reply:
        """As every app, unless somebody has put his own page before it."""
        if self.quirk("deface"):
            return Reply(body=GAMBLING, media_type="text/html; charset=utf-8")
        return super().answer(call)

    # Who is asking.

    def _admit(self, call: Call) -> None:
        if "application/json" not in call.headers.get("accept", ""):
            headers = {"Location": f"{call.base}/login"}
            raise Refused(Reply(status=302, body=LOGIN, media_type="text/html; charset=utf-8", headers=headers))
        self._identify(call)

    def _identify(self, call: Call) -> None:
        given = call.headers.get("authorization", "").encode()
        # Several tokens count while one is being replaced.
        tokens = self.setting.secret("TOKEN").split()
        if not any(hmac.compare_digest(given, f"Bearer {token}".encode()) for token in tokens):
            raise Refused(Reply(status=401, body={"message": "Unauthenticated."}))

    # The interface.

    def _request(self, call: Call) -> Reply:
        self._admit(call)
        given, files = _form(call)
        errors = wrong(WRITTEN[REQUEST], given)
        for field, name in CHOSEN.items():
            if given.get(field) not in {str(number) for number in self._entries(name)}:
                errors[field] = ["yang dipilih tidak valid"]
        card, support = files.get("foto_ktp"), files.get("dokumen_pendukung")
        if card is None or not card.content:
            errors["foto_ktp"] = ["wajib diisi"]
        elif not card.media_type.startswith("image/") or len(card.content) > CARD_BYTES:
            errors["foto_ktp"] = ["harus gambar, maksimal 2 MB"]
        if support is not None and len(support.content) > SUPPORT_BYTES:
            errors["dokumen_pendukung"] = ["maksimal 5 MB"]
        if given.get("website") != "":
            errors["website"] = ["harus kosong"]
        if errors:
            return invalid(errors).about(key=mark(given.get("rincian", "")))
        row = {name: given[name] for name in WRITTEN[REQUEST]} | {name: int(given[name]) for name in CHOSEN}
        return self._opened(self._new(REQUEST, row, [_described(one) for one in (card, support) if one]))

    def _object(self, call: Call) -> Reply:
        self._admit(call)
        given = call.json()
        if errors := self._objection_errors(given):
            return invalid(errors).about(key=mark(str(given.get("kasus", ""))))
        names = ("no_pendaftaran", "alasan", *WRITTEN[OBJECTION])
        return self._opened(self._new(OBJECTION, {name: given[name] for name in names}, []))

    def _objection_errors(self, given: Mapping[str, Any]) -> dict[str, list[str]]:
        errors = wrong(WRITTEN[OBJECTION], given)
        ticket = given.get("no_pendaftaran")
        known = self.store.records.get(ticket) if isinstance(ticket, str) else None
        # A request of an earlier year stands in the register that was kept before this app.
        earlier = re.fullmatch(r"PPID-(20[0-9]{2})-[0-9]{6}", str(ticket))
        year = self.now().astimezone(WITA).year
        if not (known is not None and known.kind == REQUEST) and not (earlier and int(earlier[1]) < year):
            errors["no_pendaftaran"] = ["tidak ditemukan"]
        grounds = given.get("alasan")
        if not isinstance(grounds, list) or not grounds or any(one_of(*GROUNDS)(one) for one in grounds):
            errors["alasan"] = ["wajib, huruf a sampai g"]
        return errors

    def _opened(self, record: Record) -> Reply:
        data = {name: record.row[name] for name in ("id", "tiket")}
        if record.kind == REQUEST:
            data["status"] = record.row["status"]
        return ok(data, 201).about(record.reference, record.key)

    def _cancel(self, call: Call) -> Reply:
        self._admit(call)
        given, _ = _form(call)
        if given.get("_method") != "PUT":
            return Reply(status=405, body={"message": "Method Not Allowed"})
        found = [one for one in self.store.of_kind(REQUEST) if str(one.row["id"]) == call.params["id"]]
        if not found:
            return self.not_found()
        record = found[0]
        if given.get("status") != "4" or self.word(record) in {"2", "3"}:
            return invalid({"status": ["permohonan hanya dapat dibatalkan sebelum dijawab"]}).about(record.reference)
        if self.word(record) != "4":
            record = self._write(record, self._status(REQUEST, "4"))
        return ok(self._shown(record.row, call)).about(record.reference)

    def _list(self, kind: str, call: Call) -> Reply:
        self._admit(call)
        page, since = call.query.get("page") or "1", call.query.get("updated_since", "")
        if not re.fullmatch(r"[1-9][0-9]{0,8}", page):
            return invalid({"page": ["harus angka"]})
        if since and not _is_time(since):
            return invalid({"updated_since": ["harus waktu UTC"]})
        if kind in self._pages and self.happens("repeat_page"):
            return self._pages[kind]
        rows = self._found(kind, since, call.query.get("search", ""))
        if self.quirk("malformed_row"):
            # A word for a number, half an emoji, a day far ahead: what a broken import leaves behind.
            broken = {"id": "rusak", "rincian": "\ud83d", "status": None, "updated_at": "2999-12-31T00:00:00.000000Z"}
            rows.insert(0, broken)
        if self.quirk("shift_pages") and rows:
            self._asked += 1
            at = 4 * self._asked % len(rows)
            rows = rows[at:] + rows[:at]
        first, last = (int(page) - 1) * PAGE, max(1, -(-len(rows) // PAGE))
        self._pages[kind] = ok(
            {
                "current_page": int(page),
                "data": [self._shown(row, call) for row in rows[first : first + PAGE]],
                "last_page": last,
                "per_page": PAGE,
                "total": len(rows),
                "next_page_url": f"{call.base}{call.path}?page={int(page) + 1}" if int(page) < last else None,
            }
        )
        return self._pages[kind]

    def _found(self, kind: str, since: str, searched: str) -> list[dict[str, Any]]:
        """Return the rows of a list, latest change first, as the replica that is read and the index know them."""
        late, unindexed = float(self.quirk("replica_lag_s")), float(self.quirk("index_lag_s"))
        seen, indexed = (_stamp(self.now() - timedelta(seconds=lag)) for lag in (late, unindexed))
        found = []
        for record in self.store.of_kind(kind):
            versions = [row for row in record.history if not late or row["updated_at"] <= seen]
            if not versions or versions[-1]["updated_at"] < since:
                continue
            row = versions[-1]
            if searched and unindexed and row["created_at"] > indexed:
                continue
            texts = (row.get(name) or "" for name in ("tiket", "no_registrasi", "nama", "rincian", "kasus"))
            if any(searched.casefold() in one.casefold() for one in texts):
                found.append(row)
        return sorted(found, key=lambda row: (row["updated_at"], row["id"]), reverse=True)

    def _shown(self, row: Mapping[str, Any], call: Call) -> dict[str, Any]:
        papers = row.get("dokumen_jawaban") or []
        own = [one | {"url": call.base + one["url"]} if one["url"].startswith("/") else one for one in papers]
        return {**row, "dokumen_jawaban": own}

    def _download(self, call: Call) -> Reply:
        self._identify(call)
        return self.file(call)

    def _entries(self, name: str) -> dict[int, str]:
        found = dict({"pekerjaan": JOBS, "domisili": self._homes, "bentuk_informasi": FORMS}[name])
        if name == "pekerjaan":
            found |= {9: "Pensiunan"} if self.quirk("entry_added") else {}
            found |= {3: "Wirausaha"} if self.quirk("entry_renamed") else {}
            found = {number: told for number, told in found.items() if number != 4 or not self.quirk("entry_removed")}
        return {number + 500: told for number, told in found.items()} if self.quirk("renumber_lists") else found

    def _listed(self, name: str, call: Call) -> Reply:
        self._admit(call)
        return ok([{"id": number, "nama": told} for number, told in self._entries(name).items()])

    # What happens in the office.

    def _status(self, kind: str, word: str) -> dict[str, Any]:
        return {"status": int(word) if word.isdecimal() else word, "status_label": LABELS[kind][word]}

    def _new(self, kind: str, given: Mapping[str, Any], images: list[Any]) -> Record:
        stamp, year = _stamp(self.now()), self.now().astimezone(WITA).year
        ticket = f"PPID-{year}-{self.store.serial(str(year)):06d}"
        row: dict[str, Any] = {
            "id": self.store.serial(kind),
            "tiket": ticket,
            "no_registrasi": None,
            **given,
            **self._status(kind, next(iter(LABELS[kind]))),
            "jawaban": None,
            "dokumen_jawaban": [],
            "diperpanjang": False,
            "alasan_perpanjangan": None,
            "created_at": stamp,
            "updated_at": stamp,
        }
        key = mark(given["rincian" if kind == REQUEST else "kasus"])
        memo = {"images": images}
        return self.store.put(Record(reference=ticket, kind=kind, key=key, row=row, history=(row,), memo=memo))

    def _write(self, record: Record, changes: Mapping[str, Any]) -> Record:
        row = {**record.row, **changes, "updated_at": _stamp(self.now())}
        return self.store.put(msgspec.structs.replace(record, row=row, history=(*record.history, row)))

    def born(self, fields: Mapping[str, Any]) -> Record:
        """Somebody asks in the app itself. `fields` are a row's; `kind` says which: permohonan or keberatan."""
        kind = {"permohonan": REQUEST, "keberatan": OBJECTION}.get(fields.get("kind", "permohonan"))
        if kind is None:
            raise Refused(invalid({"kind": ["permohonan atau keberatan"]}))
        person = {"nama": "Warga", "nik": "7311010101900001", "email": "warga@contoh.id", "no_hp": "081200000001"}
        year = self.now().astimezone(WITA).year
        more: dict[str, Any] = {"no_pendaftaran": f"PPID-{year - 1}-000001", "alasan": ["c"], "kasus": "Tidak dijawab"}
        if kind == REQUEST:
            more = {"alamat": "Barru", "rincian": "Permohonan informasi", "tujuan": "Ingin tahu"}
            more |= {"pekerjaan_id": 99, "domisili_id": 99, "id_bentuk_informasi": 1}
        given = {**person, **more, **{name: value for name, value in fields.items() if name != "kind"}}
        errors = wrong(WRITTEN[REQUEST], given) if kind == REQUEST else self._objection_errors(given)
        errors |= {name: ["tidak dikenal"] for name in set(given) - set(person) - set(more)}
        if errors:
            raise Refused(invalid(errors))
        return self._new(kind, given, [])

    def advance(
        self, record: Record, word: str, note: str | None, document: Kept | None, fields: Mapping[str, Any]
    ) -> Record:
        """The officer sets a status; `note` is his answer, `document` goes with it; `fields` mend the row."""
        errors: dict[str, list[str]] = {}
        if word not in LABELS[record.kind]:
            errors["word"] = [f"salah satu dari: {', '.join(LABELS[record.kind])}"]
        errors |= {
            name: ["tidak dikenal"] for name in fields if name not in EDITED and name not in WRITTEN[record.kind]
        }
        if errors:
            raise Refused(invalid(errors))
        changes = {**fields, **self._status(record.kind, word)}
        if note:
            changes["jawaban"] = note
        if document is not None:
            url = f"/storage/jawaban/{document.digest}/{quote(document.name)}"
            size = len(self.store.file(document.digest) or b"")
            paper = {"nama": document.name, "url": url, "mime": document.media_type, "size": size}
            changes["dokumen_jawaban"] = [*record.row["dokumen_jawaban"], paper]
        return self._write(record, changes)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime(TIME)


def _is_time(given: str) -> bool:
    try:
        datetime.strptime(given, TIME)  # noqa: DTZ007 - the form ends in Z
    except ValueError:
        return False
    return True


def _described(file: File) -> dict[str, Any]:
    return {"bytes": len(file.content), "sha256": hashlib.sha256(file.content).hexdigest()}


def _form(call: Call) -> tuple[dict[str, str], dict[str, File]]:
    """Return the texts and files of a form, urlencoded or multipart. Raises Malformed."""
    kind = call.headers.get("content-type", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(call.body.decode(), keep_blank_values=True)), {}
    found = re.fullmatch(r'multipart/form-data;.*boundary="?([^";]{1,70})"?', kind)
    if found is None:
        raise Malformed
    texts: dict[str, str] = {}
    files: dict[str, File] = {}
    parts = (b"\r\n" + call.body).split(b"\r\n--" + found[1].encode())
    if len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise Malformed
    for part in parts[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        told = head.decode("utf-8", "replace")
        name, filename = re.search(r'[ ;]name="([^"]*)"', told), re.search(r'filename="([^"]*)"', told)
        media_type = re.search(r"(?im)^content-type: *(\S+)", told)
        if name is None:
            raise Malformed
        if filename is None:
            texts[name[1]] = content.decode("utf-8", "replace")
        else:
            files[name[1]] = File(filename[1], media_type[1] if media_type else "", content)
    return texts, files
