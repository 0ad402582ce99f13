"""What is asked, what is missing, whether answers fit; and what apps may be told of linked records."""

from pathlib import Path
from typing import Any

import pytest

from gateway.kernel.policy import Policy
from gateway.kernel.policy.asking import (
    answer_faults,
    askable,
    completed,
    fitting,
    missing,
    question,
    remaining,
    told,
)
from gateway.kernel.policy.matter import linked_to, protects
from gateway.model.report import Content, Place, Reporter

POLICY = Policy.load(Path(__file__).parents[3] / "config")
LETTER = POLICY.services["VI-LETTER"]
NIK = "7311014107850001"
BARE = Content(description="Surat")


def faults(answers: dict[str, Any], *names: str, service: str = "VI-LETTER") -> list[tuple[str, str]]:
    found = answer_faults(POLICY.services[service], names or tuple(answers), answers, POLICY.gazetteer)
    return [(fault.code, fault.pointer) for fault in found]


def test_what_a_service_demands_and_is_not_there() -> None:
    assert missing(LETTER, BARE) == (
        "reporter.name",
        "reporter.phone",
        "reporter.national_id",
        "place.village",
        "letter_type",
        "purpose",
    )
    given = Content(
        description="Surat",
        place=Place(village="73.11.07.1001"),
        attributes={"letter_type": "domisili", "purpose": "bank"},
        reporter=Reporter(name="Siti", phone="+6281", national_id=NIK),
    )
    assert missing(LETTER, given) == ()
    assert missing(POLICY.services["IN-ROAD"], BARE) == ("place.any",)
    assert missing(POLICY.services["IN-ROAD"], Content(description="x", place=Place(landmark="masjid"))) == ()
    # Nobody at home is an answer too.
    empty = Content(description="x", place=Place(village="73.11.07.1001"), attributes={"people": 0})
    assert "people" not in missing(POLICY.services["VI-DAMAGE"], empty)


@pytest.mark.parametrize(
    ("answers", "names", "expected"),
    [
        ({"purpose": "bank"}, ("purpose",), []),
        ({"purpose": "bank"}, ("letter_type",), [("unknown-field", "/answers/purpose")]),
        ({"letter_type": "palsu"}, (), [("not-one-of", "/answers/letter_type")]),
        ({"purpose": "  "}, (), [("missing-field", "/answers/purpose")]),
        ({"reporter.phone": "0812-3456-7890"}, (), []),
        ({"reporter.phone": "halo"}, (), [("bad-phone", "/answers/reporter.phone")]),
        ({"reporter.email": "a@b.id"}, (), []),
        ({"reporter.email": "a b@c"}, (), [("bad-email", "/answers/reporter.email")]),
        ({"reporter.national_id": "7311 0141 0785 0001"}, (), []),
        ({"reporter.national_id": "7311014199850001"}, (), [("bad-nik", "/answers/reporter.national_id")]),
        ({"reporter.name": ""}, (), [("missing-field", "/answers/reporter.name")]),
        ({"reporter.name": ["x"]}, (), [("wrong-type", "/answers/reporter.name")]),
        ({"reporter.name": "x" * 301}, (), [("too-long", "/answers/reporter.name")]),
        ({"place.village": "73.11.07.1001"}, (), []),
        ({"place.village": "73.11.07"}, (), [("unknown-village", "/answers/place.village")]),
        ({"place.village": "nowhere"}, (), [("unknown-village", "/answers/place.village")]),
        ({"place.landmark": "masjid"}, ("place.any",), []),
        ({"reporter.name": "x"}, ("place.any",), [("unknown-field", "/answers/reporter.name")]),
    ],
)
def test_answers_that_fit_and_those_that_do_not(
    answers: dict[str, Any], names: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    assert faults(answers, *names) == expected


def test_answers_in_their_places() -> None:
    answers = {
        "reporter.phone": "0812-3456-7890",
        "reporter.national_id": "7311 0141 0785 0001",
        "place.village": "73.11.07.1001",
        "purpose": "bank",
    }
    before = Content(description="Surat", attributes={"letter_type": "usaha"}, reporter=Reporter(name="Siti"))
    after = completed(before, answers, POLICY.gazetteer)
    assert after.reporter == Reporter(name="Siti", phone="+6281234567890", national_id=NIK)
    assert after.place.village == "73.11.07.1001"
    assert after.attributes == {"letter_type": "usaha", "purpose": "bank"}
    assert remaining(("purpose", "place.any", "reporter.name"), ["place.landmark", "purpose"]) == ("reporter.name",)


def test_what_is_personal_is_only_said_to_be_there() -> None:
    damage = POLICY.services["VI-DAMAGE"]
    answers = {"head_of_family": "Baso", "people": 5, "reporter.national_id": NIK, "place.address": "Jl. Poros"}
    assert told(damage, answers, POLICY.needs("id")).split("\n") == [
        "Nama kepala keluarga: ***",
        "Jumlah jiwa: 5",
        "NIK: ***",
        "Alamat: Jl. Poros",
    ]
    asked = question(damage, ["people", "reporter.phone"], POLICY.needs("id"))
    assert asked == "- Jumlah jiwa\n- Nomor telepon"
    assert {"people", "reporter.email", "place.any"} <= set(askable(damage))


def test_answers_travel_to_another_form_only_where_it_asks_for_the_same() -> None:
    attributes = {"case_number": "K-1", "relation": "self", "letter_type": "usaha"}
    assert fitting(POLICY.services["CH-PREG"], attributes) == {"case_number": "K-1", "relation": "self"}
    assert fitting(POLICY.services["CH-STUNT"], attributes) == {"case_number": "K-1"}  # `self` is no answer there


@pytest.mark.parametrize(
    ("identity", "privacy", "expected"),
    [
        ("open", "normal", False),
        ("open", "personal", False),
        ("anonymous", "normal", True),
        ("confidential", "personal", True),
        ("open", "sensitive_reporter", True),
    ],
)
def test_a_number_tells_nobody_who_a_hidden_reporter_is(identity: str, privacy: str, expected: bool) -> None:
    assert protects(identity, privacy) is expected
    row = {"kind": "related_to", "code": "BRU-1", "app": "sigapdes", "value": "pengaduan:1"}
    rows = [row | {"identity": identity, "privacy": privacy}]
    assert bool(linked_to(rows, hidden=expected))
    assert not linked_to(rows, hidden=not expected)


@pytest.mark.parametrize("privacy", ["health", "child_health", "restricted"])
def test_that_somebody_was_ill_or_hurt_is_told_nowhere_by_a_number(privacy: str) -> None:
    row = {"kind": "split_from", "code": "BRU-1", "app": "cc112", "value": "112-1"}
    rows = [row | {"identity": "open", "privacy": privacy}]
    assert linked_to(rows, hidden=False) == linked_to(rows, hidden=True) == ()
