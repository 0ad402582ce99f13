"""The 112 call centre, simulated: incidents, calls, units, notes and signed webhooks, as its contract says."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from gateway.sdk.sandbox import Call, Kept, Record, Refused, Reply, Route, Sandbox, Setting, object_in

WITA = timezone(timedelta(hours=8))
CATEGORIES = [
    "KEBAKARAN",
    "BANJIR",
    "LONGSOR",
    "MEDIS",
    "PERSALINAN",
    "LAKALANTAS",
    "SAR",
    "KRIMINAL",
    "KERUSUHAN",
    "KDRT",
    "BAHAYA_LAIN",
]
WORDS = ["NEW", "VERIFIED", "DISPATCHED", "ON_THE_WAY", "ON_SCENE", "CLOSED", "CANCELLED"]
ACTIVE = ("ASSIGNED", "ON_THE_WAY", "ON_SCENE")
UNIT_WORDS = (*ACTIVE, "DONE", "WITHDRAWN")
OUTCOMES = ("handled", "false_alarm", "transferred")
CALL_TYPES = ("normal", "informasi", "prank", "ghost")
NARRATIVE_MOST, PHOTOS_MOST, PAGE = 4000, 3, 50


def error(status: int, code: str, message: str, key: str | None = None) -> Reply:
    """Return the error form of this app."""
    return Reply(status=status, body={"error_code": code, "message": message}, key=key)


def refuse(field: str, what: str, key: str | None = None) -> Refused:
    """Refuse a submission, naming its field."""
    return Refused(error(422, "FIELD_INVALID", f"{field}: {what}", key))


class CallCentre(Sandbox):
    """Call Center 112. Its officer's words are the incident's status words; its units move by `fields`."""

    app = "cc112"
    settle_s = 2.0
    limit = (20, 1.0)
    hook = "/hooks/cc112"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._villages = {village.dotted for village in setting.villages().values()}

    def routes(self) -> Sequence[Route]:
        """The interface, as in contracts."""
        return (
            ("POST", "/v1/incidents", self._open),
            ("GET", "/v1/incidents", self._list),
            ("GET", "/v1/incidents/{ticket_no}", self._get),
            ("GET", "/v1/incidents/{ticket_no}/events", self._events),
            ("POST", "/v1/incidents/{ticket_no}/notes", self._note),
        )

    def word(self, record: Record) -> str:
        """The incident's own status word."""
        return str(record.row.get("status", "-"))

    def messages(self, record: Record) -> list[dict[str, Any]]:
        """Notes carry our key as their `note_id`."""
        return [{"key": note["note_id"], "text": note["text"]} for note in record.row.get("notes", [])]

    def too_many(self) -> Reply:
        """Beyond 20 requests a second."""
        return error(429, "RATE_LIMITED", "too many requests")

    def malformed(self) -> Reply:
        """A body that is no JSON object."""
        return error(400, "BAD_JSON", "the body is not a JSON object")

    def not_found(self) -> Reply:
        """An unknown path or ticket."""
        return error(404, "NOT_FOUND", "no such resource")

    def signed(self, body: bytes, at: datetime) -> dict[str, str]:
        """HMAC-SHA256 over the time, a dot and the raw body."""
        stamp = str(int(at.timestamp()))
        secret = self.setting.secret("WEBHOOK_SECRET").encode()
        signature = hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        return {"X-112-Timestamp": stamp, "X-112-Signature": f"sha256={signature}"}

    # The interface.

    def _admit(self, call: Call) -> None:
        given = call.headers.get("x-api-key", "")
        if not hmac.compare_digest(given.encode(), self.setting.secret("API_KEY").encode()):
            raise Refused(error(401, "UNAUTHORIZED", "X-Api-Key is missing or wrong"))

    def _incident(self, call: Call) -> Record:
        self._admit(call)
        record = self.store.records.get(call.params["ticket_no"])
        if record is None or record.kind != "incident":
            raise Refused(self.not_found())
        return record

    def _open(self, call: Call) -> Reply:
        self._admit(call)
        given = call.json()
        key = given.get("external_ref")
        if not isinstance(key, str) or not key or call.headers.get("idempotency-key") != key:
            raise refuse("external_ref", "must be there and equal to Idempotency-Key")
        digest = hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()
        if (known := self.store.by_key("incident", key)) is not None:
            if known.memo["digest"] != digest:
                return error(409, "KEY_REUSED", "this key came with another body before", key)
            return Reply(body=known.memo["answer"], reference=known.reference, key=key)
        images = self._checked(given, key)
        row = {name: value for name, value in given.items() if name != "photos"}
        caller = object_in(given, "caller")
        phone = {"msisdn": caller["msisdn"]} if caller.get("msisdn") else {}
        about = {"type": "normal", "service": None, **phone, "withheld": bool(caller.get("withheld"))}
        record = self._new(key, {**row, "call": about}, {"digest": digest, "images": images})
        return Reply(status=201, body=record.memo["answer"], reference=record.reference, key=key)

    def _checked(self, given: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        """Refuse what the contract does not allow; return what the photos are."""
        narrative, location = given.get("narrative"), object_in(given, "location")
        if given.get("category") not in CATEGORIES:
            raise refuse("category", "unknown", key)
        if given.get("priority") not in (1, 2):
            raise refuse("priority", "1 or 2", key)
        if not isinstance(narrative, str) or not 0 < len(narrative) <= NARRATIVE_MOST:
            raise refuse("narrative", f"1 to {NARRATIVE_MOST} characters", key)
        if not isinstance(location.get("text"), str) or not location["text"].strip():
            raise refuse("location.text", "must not be empty", key)
        if location.get("kode_wilayah") is not None and location["kode_wilayah"] not in self._villages:
            raise refuse("location.kode_wilayah", "unknown", key)
        if not isinstance(object_in(given, "caller").get("withheld"), bool):
            raise refuse("caller.withheld", "true or false", key)
        try:
            zone = datetime.fromisoformat(given.get("occurred_at", "")).tzinfo
        except (ValueError, TypeError):
            zone = None
        if zone is None:
            raise refuse("occurred_at", "a time with its zone", key)
        photos = given.get("photos", [])
        if not isinstance(photos, list) or len(photos) > PHOTOS_MOST:
            raise refuse("photos", f"at most {PHOTOS_MOST}", key)
        return [self._photo(photo, key) for photo in photos]

    def _photo(self, photo: object, key: str) -> dict[str, Any]:
        try:
            given = msgspec.convert(photo, dict[str, str])
            content = base64.b64decode(given["data"], validate=True)
            named = {"name": given["name"], "media_type": given["media_type"]}
        except (msgspec.ValidationError, KeyError, binascii.Error):
            raise refuse("photos", "{name, media_type, data (base64)}", key) from None
        return {**named, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    def _list(self, call: Call) -> Reply:
        self._admit(call)
        if key := call.query.get("external_ref"):
            found = self.store.by_key("incident", key)
            rows = [] if found is None else [found.row]
            return Reply(body={"incidents": rows, "next_cursor": None}, key=key)
        after, cursor = call.query.get("updated_after"), call.query.get("cursor")
        try:
            start = datetime.fromisoformat(after) if after else datetime.min.replace(tzinfo=WITA)
            last = base64.urlsafe_b64decode(cursor).decode() if cursor else ""
            waiting = [
                (record.row["updated_at"], ticket, record.row)
                for ticket, record in self.store.records.items()
                if record.kind == "incident" and datetime.fromisoformat(record.row["updated_at"]) >= start
            ]
        except (ValueError, TypeError):
            raise refuse("updated_after", "a time with its zone, or a cursor of ours") from None
        waiting = sorted(one for one in waiting if f"{one[0]} {one[1]}" > last)
        page = waiting[:PAGE]
        follows = base64.urlsafe_b64encode(f"{page[-1][0]} {page[-1][1]}".encode()).decode() if page else None
        rows = [row for _, _, row in page]
        return Reply(body={"incidents": rows, "next_cursor": follows if len(waiting) > PAGE else None})

    def _get(self, call: Call) -> Reply:
        record = self._incident(call)
        return Reply(body=record.row, reference=record.reference)

    def _events(self, call: Call) -> Reply:
        record = self._incident(call)
        after = call.query.get("after_seq", "0")
        if not after.isdecimal():
            raise refuse("after_seq", "a number")
        events = [event for event in record.history if event["seq"] > int(after)]
        return Reply(body={"events": events}, reference=record.reference)

    def _note(self, call: Call) -> Reply:
        record, given = self._incident(call), call.json()
        note_id, text = given.get("note_id"), given.get("text")
        if not isinstance(note_id, str) or not isinstance(text, str) or not text.strip():
            raise refuse("text", "note_id and text must not be empty")
        answer = {"note_id": note_id, "ticket_no": record.reference}
        known = [note for note in record.row["notes"] if note["note_id"] == note_id]
        if known:
            return Reply(body={**answer, "at": known[0]["at"]}).about(record.reference, note_id)
        note = {"note_id": note_id, "text": text, "at": given.get("at") or self._stamp()}
        self._write(record, {"notes": [*record.row["notes"], note]})
        return Reply(status=201, body={**answer, "at": note["at"]}).about(record.reference, note_id)

    # What happens in the room.

    def _stamp(self) -> str:
        return self.now().astimezone(WITA).isoformat(timespec="milliseconds")

    def _new(self, key: str | None, row: dict[str, Any], memo: dict[str, Any]) -> Record:
        stamp = self._stamp()
        day = self.now().astimezone(WITA).strftime("%Y%m%d")
        ticket = f"112-BRU-{day}-{self.store.serial(day):04d}"
        row = {
            "ticket_no": ticket,
            "external_ref": key,
            **row,
            "status": "NEW",
            "dispatches": [],
            "closing": None,
            "notes": [],
            "created_at": stamp,
        }
        answer = {"ticket_no": ticket, "status": "NEW", "created_at": stamp}
        record = Record(reference=ticket, kind="incident", key=key, row=row, memo={**memo, "answer": answer})
        return self._write(record, {}, "incident.created")

    def _write(self, record: Record, changes: Mapping[str, Any], event_type: str | None = None) -> Record:
        """Keep a changed incident and tell the gateway, if it is something to tell."""
        row = {**record.row, **changes, "updated_at": self._stamp()}
        history = record.history
        if event_type is not None:
            event = self._event(row, event_type, len(history) + 1)
            history = (*history, event)
            self.call_back(event["event_id"], json.dumps(event))
        return self.store.put(msgspec.structs.replace(record, row=row, history=history))

    def _event(self, row: Mapping[str, Any], event_type: str, seq: int) -> dict[str, Any]:
        shown = ("ticket_no", "call", "category", "status", "location", "dispatches")
        event = {name: row[name] for name in shown}
        event |= {"event_id": f"evt-{row['ticket_no']}-{seq}", "type": event_type, "seq": seq, "at": row["updated_at"]}
        if row["external_ref"] is not None:
            event["external_ref"] = row["external_ref"]
        if row["closing"] is not None:
            event["closing"] = row["closing"]
        return event

    def born(self, fields: Mapping[str, Any]) -> Record:
        """A caller rings 112. `fields` are an incident's; `call.type` decides whether there is a ticket.

        A prank or ghost call has none; a normal call has none when `"ticket": false` stands beside it.
        """
        about = {"type": "normal", "service": None, "withheld": False, **object_in(fields, "call")}
        if about["type"] not in CALL_TYPES:
            raise refuse("call.type", "unknown")
        if about["type"] in ("prank", "ghost") or fields.get("ticket") is False:
            return self._logged(about)
        category = fields.get("category", None if about["type"] == "informasi" else "BAHAYA_LAIN")
        if category not in CATEGORIES and not (category is None and about["type"] == "informasi"):
            raise refuse("category", "unknown")
        caller = {"withheld": about["withheld"], **object_in(fields, "caller")}
        if about.get("msisdn"):
            caller.setdefault("msisdn", about["msisdn"])
        row = {
            "category": category,
            "priority": fields.get("priority", 1),
            "caller": caller,
            "location": {"text": "tidak diketahui", **object_in(fields, "location")},
            "narrative": fields.get("narrative", ""),
            "occurred_at": fields.get("occurred_at") or self._stamp(),
            "call": about,
        }
        return self._new(None, row, {})

    def _logged(self, about: Mapping[str, Any]) -> Record:
        number = self.store.serial("calls")
        event: dict[str, Any] = {
            "event_id": f"evt-call-{number}",
            "type": "call.logged",
            "ticket_no": None,
            "seq": None,
            "at": self._stamp(),
            "call": about,
            "category": None,
            "status": None,
            "location": None,
            "dispatches": [],
        }
        self.call_back(event["event_id"], json.dumps(event))
        return self.store.put(Record(reference=f"call-{number}", kind="call", key=None, row=event, listed=False))

    def advance(
        self, record: Record, word: str, note: str | None, document: Kept | None, fields: Mapping[str, Any]
    ) -> Record:
        """The dispatcher moves an incident; `fields.dispatches` are merged by unit, `fields.closing` ends it."""
        if record.kind != "incident" or word not in WORDS:
            raise Refused(error(422, "STATUS_INVALID", f"one of {' '.join(WORDS)}"))
        if document is not None:
            raise refuse("document", "an incident carries no documents")
        known = {name: fields[name] for name in ("call", "category", "location") if name in fields}
        changes = {**known, "status": word, "dispatches": self._units(record, word, fields)}
        if word == "CLOSED":
            closing = {"outcome": "handled", "text": note or "", **object_in(fields, "closing")}
            if closing["outcome"] not in OUTCOMES:
                raise refuse("closing.outcome", f"one of {' '.join(OUTCOMES)}")
            changes["closing"] = closing
        elif note:
            said = {"note_id": None, "text": note, "at": self._stamp()}
            changes["notes"] = [*record.row["notes"], said]
        only_units = word == record.row["status"] and "dispatches" in fields
        kinds = {"CLOSED": "incident.closed"}
        return self._write(record, changes, "dispatch.updated" if only_units else kinds.get(word, "incident.updated"))

    def _units(self, record: Record, word: str, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
        units = {unit["unit"]: unit for unit in record.row["dispatches"]}
        for given in fields.get("dispatches", []):
            if given.get("status") not in UNIT_WORDS or not given.get("unit"):
                raise refuse("dispatches", f"{{unit, opd, status}}; status one of {' '.join(UNIT_WORDS)}")
            units[given["unit"]] = {"opd": "", **units.get(given["unit"], {}), "at": self._stamp(), **given}
        if "dispatches" not in fields and word in ACTIVE:
            # Moving the incident by its own word moves the units that were on their way to it.
            for name, unit in units.items():
                if unit["status"] in ACTIVE and ACTIVE.index(unit["status"]) < ACTIVE.index(word):
                    units[name] = {**unit, "status": word, "at": self._stamp()}
        return list(units.values())
