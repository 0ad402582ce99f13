"""What PPID is sent, in its own words. Nothing here calls; what it tells is read in `heard.py`.

It keeps no reference of ours, so our key ends the one text that a record has, and there it is found again.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from gateway import sdk
from gateway.sdk.bodies import Parts

from .places import ELSEWHERE, NAMES, listed_as, plain

APP: Final = "ppid"
REQUEST, OBJECTION = "permohonan-informasi", "pengajuan-keberatan"
"""The two kinds of records, as they stand in the app's addresses."""

KINDS: Final[Mapping[str, str]] = {REQUEST: "permohonan", OBJECTION: "keberatan"}
"""What a word of each kind begins with."""

TEXTS: Final[Mapping[str, str]] = {REQUEST: "rincian", OBJECTION: "kasus"}
"""The field of each kind that our key ends."""

TICKET: Final = "tiket"
REGISTERED: Final = "tiket_no_registrasi"
"""The two numbers of a record. The first is the app's own and stays; the second an officer types, and may change."""

CANCELLED: Final = "4"
CARD: Final = "identity_card"
CARD_BYTES, SUPPORT_BYTES = 2 * 1024 * 1024, 5 * 1024 * 1024

OCCUPATIONS: Final[Mapping[str, str]] = {
    "civil_servant": "Aparatur negara",
    "private": "Pegawai swasta",
    "business": "Wiraswasta",
    "farmer": "Petani atau nelayan",
    "student": "Pelajar atau mahasiswa",
    "household": "Mengurus rumah tangga",
    "other": "Lainnya",
}
FORMS: Final[Mapping[str, str]] = {
    "soft_copy": "Salinan elektronik",
    "hard_copy": "Salinan cetak",
    "view": "Melihat di tempat",
}
CHOICES: Final[Mapping[str, Mapping[str, str]]] = {
    "pekerjaan": OCCUPATIONS,
    "domisili": {**NAMES, "": ELSEWHERE},
    "bentuk_informasi": FORMS,
}
"""The app's lists, and by what name each of our answers stands in them."""

ASKED: Final[Mapping[str, tuple[str, str]]] = {
    "pekerjaan": ("pekerjaan_id", "attributes.occupation"),
    "domisili": ("domisili_id", "place.village"),
    "bentuk_informasi": ("id_bentuk_informasi", "attributes.form_of_information"),
}
"""Where an entry of each list goes, and who can mend it."""

FIELDS: Final[Mapping[str, str]] = dict(ASKED.values()) | {
    "nama": "reporter.name",
    "nik": "reporter.national_id",
    "email": "reporter.email",
    "no_hp": "reporter.phone",
    "alamat": "place.address",
    "tujuan": "attributes.purpose",
    "foto_ktp": CARD,
    "dokumen_pendukung": "attachments",
    "no_pendaftaran": "attributes.ticket",
    "alasan": "attributes.grounds",
    "status": "status",
    **dict.fromkeys(TEXTS.values(), "description"),
}
"""The app's fields in the words of whoever can mend them."""

TAKEN: Final = frozenset({"occupation", "form_of_information", "purpose", "ticket", "grounds", CARD})
"""The answers of a service's form that the app has a field for."""

Names = dict[str, dict[str, str]]
"""Of each of the app's lists the plain names, by id."""


class Envelope(msgspec.Struct):
    """How answers begin; a refusal has `errors`, a list of messages for each field."""

    success: bool = False
    message: str = ""
    errors: dict[str, Any] = {}


class Saved(msgspec.Struct):
    """What the app says of a record that it has just made or changed."""

    id: int
    tiket: str
    status: int | str | None = None


class Opened(msgspec.Struct):
    """The envelope around it."""

    success: Literal[True]
    data: Saved


def refusal(envelope: Envelope) -> None:
    """Raise Rejected, with the field a person can mend, if the envelope names errors."""
    if not envelope.errors:
        return
    names = [name.partition(".")[0] for name in envelope.errors]
    mended = [FIELDS[name] for name in names if name in FIELDS]
    raise sdk.Rejected(f"PPID refuses: {', '.join(mended) or 'no field named'}", mended[0] if mended else None)


def check(submission: sdk.Submission) -> None:
    """Raise Rejected for what the app would refuse in any case: who asks must be known, a request shows a card."""
    if submission.reporter.hidden:
        raise sdk.Rejected("PPID takes nothing from a person it does not know", "identity")
    if submission.category == REQUEST:
        _card(submission)


def new_request(submission: sdk.Submission, names: Names) -> Parts:
    """Translate a request for information. Raises Rejected where an answer is in none of the app's lists."""
    codes, answers = submission.site.codes, submission.attributes
    card = _card(submission)
    others = [one for one in submission.documents if one.role != CARD]
    fitting = [one for one in others if one.content and len(one.content) <= SUPPORT_BYTES][:1]
    chosen = {
        "pekerjaan": answers.get("occupation"),
        "domisili": "" if codes is None else codes.kemendagri,
        "bentuk_informasi": answers.get("form_of_information"),
    }
    fields: list[tuple[str, str | sdk.Document]] = [
        *_person(submission),
        ("alamat", _address(submission.site)),
        *((ASKED[listed][0], _entry(names, listed, answer)) for listed, answer in chosen.items()),
        ("rincian", _told(submission, len(others) - len(fitting))),
        ("tujuan", str(answers.get("purpose") or "")),
        ("foto_ktp", card),
        *(("dokumen_pendukung", one) for one in fitting),
        ("website", ""),  # a trap for robots: people do not see it
    ]
    return fields


def new_objection(submission: sdk.Submission) -> dict[str, object]:
    """Translate an objection. Raises Rejected where nobody says to what."""
    grounds = submission.attributes.get("grounds")
    return {
        "no_pendaftaran": _objected(submission),
        "alasan": list(grounds) if isinstance(grounds, list | tuple) else [],
        "kasus": _told(submission, len([one for one in submission.documents if one.role != CARD])),
        **dict(_person(submission)),
    }


def _person(submission: sdk.Submission) -> list[tuple[str, str]]:
    who = submission.reporter
    return [
        ("nama", who.name or ""),
        ("nik", who.national_id or ""),
        ("email", who.email or ""),
        ("no_hp", who.phone or ""),
    ]


def _address(site: sdk.Site) -> str:
    """Return the address with the village; a village alone is no address, as the app's refusal will say."""
    if site.address is None or site.codes is None:
        return site.address or ""
    return f"{site.address}, {listed_as(site.codes.village, site.codes.district)}"


def _card(submission: sdk.Submission) -> sdk.Document:
    card = next((one for one in submission.documents if one.role == CARD and one.content), None)
    if card is None:
        raise sdk.Rejected("PPID needs a picture of the identity card", CARD)
    return card


def _entry(names: Names, listed: str, answer: object) -> str:
    """Return the id of an answer in one of the app's lists."""
    told = CHOICES[listed].get(answer) if isinstance(answer, str) else None
    found = [number for number, name in names[listed].items() if told is not None and name == plain(told)]
    if not found:
        raise sdk.Rejected(f"PPID's list {listed} has no such entry", ASKED[listed][1])
    return found[0]


def _requests(submission: sdk.Submission) -> list[str]:
    """Return the numbers of the request that is objected to, as far as the gateway knows them."""
    return [one.value for one in submission.linked if one.kind == "objection_to" and one.app == APP]


def _objected(submission: sdk.Submission) -> str:
    """Return the ticket of the request: of its numbers the one that was typed too, else its first."""
    known, typed = _requests(submission), submission.attributes.get("ticket")
    if isinstance(typed, str) and typed.strip() and (not known or typed.strip() in known):
        return typed.strip()
    if not known:
        raise sdk.Rejected("PPID needs the ticket of the request that is objected to", "attributes.ticket")
    return known[0]


def _told(submission: sdk.Submission, left: int) -> str:
    """Return the text with what the app has no fields for, files left behind, and at its end our key."""
    objection = submission.category == OBJECTION
    objected, known = (_objected(submission), _requests(submission)) if objection else (None, [])
    answers = {name: one for name, one in submission.attributes.items() if name not in TAKEN}
    typed = submission.attributes.get("ticket")
    if objection and isinstance(typed, str) and typed.strip() not in {"", objected}:
        answers["ticket"] = typed  # the link goes before it, but it was said
    lines = [
        submission.text,
        *(f"{name.replace('_', ' ')}: {one}" for name, one in answers.items()),
        *(f"Terkait ({one.kind}): {one.app} {one.value}" for one in submission.linked if one.value not in known),
        *([f"({left} lampiran lain ada di laporan {submission.code})"] if left else []),
        f"[{submission.key}]",
    ]
    return "\n".join(lines)
