"""Answers to forms are taken at their word: nothing unknown, no text for numbers, no half a time."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kernel.policy import Policy
from gateway.model.answers import CODES, Datatype, fault_of, is_nik
from gateway.model.catalogue import Choice, Field, Kind, Need, Priority, Privacy, Service, Words, check_attributes
from gateway.model.catalogue import json_schema as schema
from tests.unit.policy.conftest import CONFIG

DAMAGE = {"head_of_family": "Andi", "people": 4, "disaster": "banjir", "severity": "berat"}
POLICY = Policy.load(CONFIG)


def faults(service: str, attributes: dict[str, Any]) -> list[tuple[str, str]]:
    return [(found.path, found.code) for found in check_attributes(POLICY.services[service], attributes)]


def with_field(datatype: Datatype, **more: Any) -> Service:
    words = Words("x", "x")
    return Service(
        code="XX-TEST",
        kind=Kind.COMPLAINT,
        group="other",
        name=words,
        description=words,
        priority=Priority.P3,
        app="gateway",
        fallback="gateway",
        agency="SETDA",
        sla="triage_3",
        privacy=Privacy.NORMAL,
        fields=(Field(code="it", label=words, datatype=datatype, **more),),
    )


def codes(datatype: Datatype, value: Any, **more: Any) -> list[str]:
    return [found.code for found in check_attributes(with_field(datatype, **more), {"it": value})]


def test_a_good_form() -> None:
    assert faults("VI-DAMAGE", DAMAGE) == []
    assert faults("VI-DAMAGE", DAMAGE | {"head_of_family_nik": "7311074101900001"}) == []
    assert faults("VI-LETTER", {"letter_type": "kehilangan", "purpose": "KTP hilang\nsaat banjir"}) == []
    assert faults("EM-FLOOD", {}) == []


@pytest.mark.parametrize(
    ("given", "path", "code"),
    [
        ({"people": "4"}, "attributes.people", "not_integer"),
        ({"people": True}, "attributes.people", "not_integer"),
        ({"people": 4.0}, "attributes.people", "not_integer"),
        ({"people": -1}, "attributes.people", "too_small"),
        ({"people": 100}, "attributes.people", "too_big"),
        ({"people": 10**400}, "attributes.people", "not_integer"),
        ({"people": None}, "attributes.people", "required"),
        ({"people": [4]}, "attributes.people", "not_integer"),
        ({"disaster": "tsunami"}, "attributes.disaster", "not_choice"),
        ({"disaster": ["banjir"]}, "attributes.disaster", "not_choice"),
        ({"disaster": {"banjir": 1}}, "attributes.disaster", "not_choice"),
        ({"head_of_family": "  "}, "attributes.head_of_family", "required"),
        ({"head_of_family": "a" * 101}, "attributes.head_of_family", "too_long"),
        ({"head_of_family": "a\nb"}, "attributes.head_of_family", "many_lines"),
        ({"head_of_family": 7}, "attributes.head_of_family", "not_text"),
        ({"head_of_family_nik": 7311074101900001}, "attributes.head_of_family_nik", "not_nik"),
        ({"head_of_family_nik": "7311074101900000"}, "attributes.head_of_family_nik", "not_nik"),
        ({"colour": "red"}, "attributes.colour", "unknown"),
        ({"": 1}, "attributes.", "unknown"),
    ],
)
def test_one_mistake_is_named_by_its_place(given: dict[str, Any], path: str, code: str) -> None:
    assert faults("VI-DAMAGE", DAMAGE | given) == [(path, code)]


def test_all_mistakes_are_told_at_once() -> None:
    assert faults("VI-DAMAGE", {"people": "x", "extra": 1}) == [
        ("attributes.extra", "unknown"),
        ("attributes.head_of_family", "required"),
        ("attributes.people", "not_integer"),
        ("attributes.disaster", "required"),
        ("attributes.severity", "required"),
    ]


@pytest.mark.parametrize(
    ("datatype", "value", "expected"),
    [
        (Datatype.NUMBER, 1.5, []),
        (Datatype.NUMBER, 2, []),
        (Datatype.NUMBER, math.nan, ["not_number"]),
        (Datatype.NUMBER, math.inf, ["not_number"]),
        (Datatype.NUMBER, "1.5", ["not_number"]),
        (Datatype.NUMBER, False, ["not_number"]),
        (Datatype.DATE, "2028-02-29", []),
        (Datatype.DATE, "2027-02-29", ["not_date"]),
        (Datatype.DATE, "2026-W05-3", ["not_date"]),
        (Datatype.DATE, "28-01-2026", ["not_date"]),
        (Datatype.DATE, "20260128", ["not_date"]),
        (Datatype.DATETIME, "2026-01-28T09:30:00+08:00", []),
        (Datatype.DATETIME, "2026-01-28T01:30:00Z", []),
        (Datatype.DATETIME, "2026-01-28T09:30:00", ["without_zone"]),
        (Datatype.DATETIME, "2026-01-28", ["not_datetime"]),
        (Datatype.DATETIME, 1769563800, ["not_datetime"]),
        (Datatype.BOOLEAN, True, []),
        (Datatype.BOOLEAN, "true", ["not_boolean"]),
        (Datatype.BOOLEAN, 1, ["not_boolean"]),
        (Datatype.PHONE, "0812-3456-7890", []),
        (Datatype.PHONE, "+62 812 3456 7890", []),
        (Datatype.PHONE, "112", ["not_phone"]),
        (Datatype.PHONE, "nol delapan", ["not_phone"]),
        (Datatype.PHONE, "+" + "1" * 20, ["not_phone"]),
        (Datatype.TEXT, "ᨕᨁ\nسلام 🙂", []),
    ],
)
def test_datatypes(datatype: Datatype, value: Any, expected: list[str]) -> None:
    assert codes(datatype, value) == expected


def test_several_choices() -> None:
    grounds = POLICY.services["IF-OBJECT"].fields[1]
    assert grounds.datatype is Datatype.MULTICHOICE
    base = {"ticket": "PPID-2026-000123"}
    assert faults("IF-OBJECT", base | {"grounds": ["a", "g"]}) == []
    for wrong, code in (([], "required"), (["a", "a"], "twice"), (["h"], "not_choice"), ("a", "not_choice")):
        assert faults("IF-OBJECT", base | {"grounds": wrong}) == [("attributes.grounds", code)]
    choices = (Choice("a", "a", "a"), Choice("b", "b", "b"))
    assert codes(Datatype.MULTICHOICE, ["a", "b"], choices=choices, max_length=1) == ["too_many"]


@given(
    st.dictionaries(st.sampled_from([*DAMAGE, "head_of_family_nik", "x"]), st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner), max_leaves=4
    ))
)  # fmt: skip
def test_whatever_comes_is_judged(attributes: dict[str, Any]) -> None:
    for path, code in faults("VI-DAMAGE", attributes):
        assert path.startswith("attributes.")
        assert code in CODES


@pytest.mark.parametrize(
    ("nik", "good"),
    [
        ("7311070101900001", True),
        ("7311074101900001", True),  # a woman: day + 40
        ("7311072902000001", True),
        ("7311072902010001", False),
        ("7311073002000001", False),
        ("7311070101900000", False),
        ("0911070101900001", False),
        ("731107010190001", False),
        ("731107010190000１", False),
    ],
)
def test_nik(nik: str, good: bool) -> None:
    assert is_nik(nik) is good
    assert (fault_of(Datatype.NIK, nik, ()) is None) is good


def test_every_service_has_a_form_for_clients() -> None:
    for service in POLICY.services.values():
        for language in ("id", "en"):
            form = schema(service, language)
            assert form["additionalProperties"] is False
            assert form["title"] == service.name.get(language)
            assert form["x-order"] == [field.code for field in service.fields]
            assert list(form["properties"]) == form["x-order"]
            assert set(form["required"]) <= set(form["properties"])


def test_a_form_says_what_is_checked() -> None:
    form = schema(POLICY.services["VI-DAMAGE"], "en")
    assert form["required"] == ["head_of_family", "people", "disaster", "severity"]
    assert form["properties"]["people"] == {
        "title": "Number of people",
        "type": "integer",
        "minimum": 0,
        "maximum": 99,
        "x-datatype": "integer",
        "x-sensitive": False,
    }
    assert {"const": "longsor", "title": "Landslide"} in form["properties"]["disaster"]["oneOf"]
    assert form["properties"]["head_of_family"]["x-sensitive"] is True
    grounds = schema(POLICY.services["IF-OBJECT"], "id")["properties"]["grounds"]
    assert (grounds["type"], grounds["uniqueItems"], grounds["minItems"], grounds["maxItems"]) == ("array", True, 1, 7)


def test_who_must_be_known() -> None:
    letter = POLICY.services["VI-LETTER"]
    assert letter.lacking(["reporter.name", "place.village"]) == [Need.PHONE, Need.NATIONAL_ID]
    assert not letter.hides_allowed
    flood = POLICY.services["EM-FLOOD"]
    assert flood.lacking([]) == [Need.PLACE]
    for place in ("place.point", "place.village", "place.address", "place.landmark"):
        assert flood.lacking([place]) == []
    assert flood.hides_allowed
    assert all(service.hides_allowed for service in POLICY.services.values() if service.emergency)
    assert POLICY.services["VI-FUND"].hides_allowed
    assert not POLICY.services["IF-REQUEST"].hides_allowed


def test_the_catalogue_is_whole() -> None:
    assert len(POLICY.services) == 37
    assert len(POLICY.agencies) == 42
    assert sum(service.emergency for service in POLICY.services.values()) == 11
    assert {service.kind for service in POLICY.services.values()} == set(Kind)
    letters = POLICY.services["VI-LETTER"].fields[0]
    assert [choice.key for choice in letters.choices] == [
        "domisili", "usaha", "tidak_mampu", "kelahiran", "kematian", "kehilangan",
    ]  # fmt: skip
