"""Who asks PPID: applicants with their identity cards, and the bodies of requests and objections."""

import struct
import zlib
from typing import Final

import msgspec

from gateway.demo.callers import Json
from gateway.demo.stage import Stage

PDF: Final = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
"""A paper that an officer hands over."""


class Applicant(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who asks for information; `occupation` is a key of the service's form."""

    name: str
    phone: str
    email: str
    national_id: str
    address: str
    occupation: str


def person(applicant: Applicant) -> Json:
    """Return who reports, as the API reads it."""
    return {
        "name": applicant.name,
        "phone": applicant.phone,
        "email": applicant.email,
        "national_id": applicant.national_id,
    }


async def request(stage: Stage, step: str, applicant: Applicant, wanted: str, purpose: str) -> Json:
    """Return a request for information, its identity card uploaded."""
    return {
        "service": "IF-REQUEST",
        "description": wanted,
        "place": {"address": applicant.address},
        "reporter": person(applicant),
        "attributes": {
            "purpose": purpose,
            "occupation": applicant.occupation,
            "form_of_information": "soft_copy",
            "identity_card": await _card(stage, step),
        },
    }


async def answers(stage: Stage, step: str, applicant: Applicant) -> Json:
    """Return what a request lacks that was split off a hidden reporter's complaint."""
    return {
        **{f"reporter.{name}": value for name, value in person(applicant).items()},
        "place.address": applicant.address,
        "occupation": applicant.occupation,
        "form_of_information": "soft_copy",
        "identity_card": await _card(stage, step),
    }


def typed(applicant: Applicant, wanted: str, purpose: str) -> Json:
    """Return a request as PPID's officer types it in."""
    return {
        **_typed(applicant),
        "kind": "permohonan",
        "alamat": applicant.address,
        "rincian": wanted,
        "tujuan": purpose,
    }


def objection(applicant: Applicant, ticket: str, case: str) -> Json:
    """Return an objection as PPID's officer types it in."""
    return {**_typed(applicant), "kind": "keberatan", "no_pendaftaran": ticket, "alasan": ["c", "g"], "kasus": case}


def _typed(applicant: Applicant) -> Json:
    return {
        "nama": applicant.name,
        "nik": applicant.national_id,
        "email": applicant.email,
        "no_hp": applicant.phone,
    }


async def _card(stage: Stage, step: str) -> str:
    return await stage.attach(f"{step}.card", stage.phone, _picture(), "image/png")


def _picture() -> bytes:
    """Return a small PNG, 8 by 5 pixels of grey: an identity card that shows nobody."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    width, height = 8, 5
    rows = (b"\0" + bytes([200] * width)) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
