"""Reports to try a connector with: plausible answers to every question, each with a canary of its own.

A canary is a value that stands nowhere else, so that a field can be found again in whatever form the app takes it.
"""

import hashlib
import struct
import zlib
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from gateway.kernel.policy import Policy
from gateway.kit.subject import Subject
from gateway.model.answers import Datatype
from gateway.model.catalogue import Field, Service
from gateway.model.report import Content, Draft, Identity, Place, Reporter
from gateway.model.territory import Level
from gateway.sdk import Document, Linked, Person, PlaceCodes, Site, Submission

NAME: Final = "Andi Kenari"
PHONE: Final = "+6281342070117"
EMAIL: Final = "kenari.barru@contoh.id"
NATIONAL_ID: Final = "7311014107850317"
ADDRESS: Final = "Lorong Kenari 77"
LANDMARK: Final = "seberang surau Kenari"
LATITUDE: Final = -4.41342
LONGITUDE: Final = 119.62353
TEXT: Final = "Laporan kenari: mohon ditindaklanjuti"
OTHERS_NIK: Final = "7311015203900218"
LINKED_VALUE: Final = "KENARI-2026-0099"
LINKED_CODE: Final = "BRU-7Q4M-2XKT"


def village_of(policy: Policy) -> str:
    """Return a village that every code system knows."""
    for territory in policy.gazetteer:
        if territory.bps is not None and territory.level is Level.KELURAHAN:
            return territory.code
    raise LookupError("the territory has no village that every code system knows")


def answer_to(field: Field, today: datetime) -> object:
    """Return a plausible answer to a question of a form."""
    at_least = field.minimum if field.minimum is not None else 1
    number = max(at_least, min(7, field.maximum if field.maximum is not None else 7))
    simple: dict[str, object] = {
        Datatype.NUMBER: number,
        Datatype.INTEGER: number,
        Datatype.DATE: (today - timedelta(days=2)).date().isoformat(),
        Datatype.DATETIME: (today - timedelta(days=2)).isoformat(),
        Datatype.BOOLEAN: True,
        Datatype.NIK: OTHERS_NIK,
        Datatype.PHONE: "+6281342070225",
    }
    if field.datatype in simple:
        return simple[field.datatype]
    if field.datatype is Datatype.CHOICE:
        return field.choices[0].key
    if field.datatype is Datatype.MULTICHOICE:
        return [field.choices[0].key]
    return f"Kenari {field.code}"[: field.max_length]


def is_file(field: Field) -> bool:
    """Tell whether a question asks for a file."""
    return str(field.datatype) == "file"


def answers_of(subject: Subject, service: Service, today: datetime) -> dict[str, object]:
    """Return answers to every question of a service's form, as far as they are words."""
    given = {field.code: answer_to(field, today) for field in service.fields if not is_file(field)}
    return given | subject.hints.answers.get(service.code, {})


def picture(number: int) -> bytes:
    """Return a small PNG, another for each number."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    colour = hashlib.sha256(str(number).encode()).digest()[:3]
    rows = b"".join(b"\x00" + colour * 8 for _ in range(8))
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def document(number: int, role: str | None = None) -> Document:
    """Return a picture as connectors get it."""
    content = picture(number)
    return Document(
        name=f"kenari-{number}.png",
        media_type="image/png",
        digest=hashlib.sha256(content).hexdigest(),
        content=content,
        role=role,
    )


def roles_of(subject: Subject, service: Service) -> tuple[str, ...]:
    """Return the roles of the files that a report of a service must carry."""
    asked = tuple(field.code for field in service.fields if is_file(field) and field.required)
    return tuple(dict.fromkeys((*asked, *subject.hints.documents.get(service.code, ()))))


def draft_of(subject: Subject, service: Service, now: datetime, text: str = TEXT, *, hidden: bool = False) -> Draft:
    """Return a report of a service, complete, as a citizen files it."""
    reporter = Reporter(name=NAME, phone=PHONE, email=EMAIL, national_id=NATIONAL_ID)
    place = Place(
        latitude=LATITUDE,
        longitude=LONGITUDE,
        village=village_of(subject.policy),
        address=ADDRESS,
        landmark=LANDMARK,
    )
    return Draft(
        service=service.code,
        content=Content(description=text, place=place, attributes=answers_of(subject, service, now), reporter=reporter),
        identity=Identity.CONFIDENTIAL if hidden else Identity.OPEN,
        channel="kit",
    )


def submission_for(
    subject: Subject, service: Service, key: str, now: datetime, text: str = TEXT, **changes: Any
) -> Submission:
    """Return a report as its connector gets it before anything is left out, under a key."""
    content = draft_of(subject, service, now, text).content
    village = subject.policy.gazetteer.by_code(str(content.place.village))
    district = subject.policy.gazetteer.by_code(str(village.parent))
    made = Submission(
        key=key,
        code=key.rpartition("-")[0],
        service=service.code,
        category=subject.outward[service.code],
        profile=subject.profile(service),
        priority=str(service.priority),
        title=text[:100],
        text=text,
        occurred_at=now - timedelta(minutes=7),
        received_at=now,
        site=Site(
            codes=PlaceCodes(
                kemendagri=village.code,
                compact=village.compact,
                bps=village.bps,
                bps_district=district.bps or "",
                village=village.name,
                district=district.name,
            ),
            latitude=LATITUDE,
            longitude=LONGITUDE,
            accuracy_m=25.0,
            address=ADDRESS,
            landmark=LANDMARK,
        ),
        reporter=Person(name=NAME, phone=PHONE, email=EMAIL, national_id=NATIONAL_ID),
        attributes=content.attributes,
        documents=tuple(document(n, role) for n, role in enumerate(roles_of(subject, service), start=1)),
        linked=(Linked(kind="follow_up_to", app="sebelah", value=LINKED_VALUE, code=LINKED_CODE),),
    )
    return msgspec.structs.replace(made, **changes)
