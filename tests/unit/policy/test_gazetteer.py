"""Codes mean one place in their own system and none in another; names and points give candidates, never an answer."""

import csv
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kernel.policy import Policy
from gateway.model.gazetteer import Gazetteer
from gateway.model.territory import (
    CodeFault,
    CodeRefused,
    CodeSystem,
    Level,
    MatchReason,
    Territory,
    metres,
    system_of,
    to_compact,
    to_dotted,
)
from tests.unit.policy.conftest import CONFIG

KEMENDAGRI, COMPACT, BPS = CodeSystem.KEMENDAGRI, CodeSystem.COMPACT, CodeSystem.BPS
GAZETTEER = Policy.load(CONFIG).gazetteer
VILLAGES = GAZETTEER.villages
villages = st.sampled_from(VILLAGES)


def test_the_regency_is_whole() -> None:
    by_level = {level: [one for one in GAZETTEER if one.level is level] for level in Level}
    assert {level: len(found) for level, found in by_level.items()} == {
        Level.REGENCY: 1,
        Level.DISTRICT: 7,
        Level.KELURAHAN: 15,
        Level.DESA: 40,
    }
    assert len(VILLAGES) == 55
    assert sorted(one.name for one in VILLAGES if one.bps is None) == ["Sepee", "Tuwung"]
    assert sum(len(GAZETTEER.children(district.code)) for district in GAZETTEER.districts) == 55
    with (CONFIG / "territory.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if not row["code"].startswith("#")]
    assert [row["code"] for row in rows] == [one.code for one in GAZETTEER]


@pytest.mark.parametrize("village", VILLAGES, ids=lambda one: one.code)
def test_every_village_by_every_code(village: Territory) -> None:
    for system in CodeSystem:
        code = village.in_system(system)
        if code is not None:
            assert GAZETTEER.by_code(code, system) is village
            assert GAZETTEER.identify(code) == (system, village)
    assert to_dotted(village.compact) == village.code
    assert to_compact(village.code) == village.compact
    district = GAZETTEER.district_of(village)
    assert district is not None
    assert district.code == village.parent


@pytest.mark.parametrize("village", VILLAGES, ids=lambda one: one.code)
def test_a_code_of_another_system_is_refused_and_says_so(village: Territory) -> None:
    for written in CodeSystem:
        code = village.in_system(written)
        for read in CodeSystem:
            if code is None or read is written:
                continue
            with pytest.raises(CodeRefused) as refused:
                GAZETTEER.by_code(code, read)
            assert refused.value.reason is CodeFault.OTHER_SYSTEM
            assert str(written) in str(refused.value)
    if village.bps is not None:
        with pytest.raises(CodeRefused, match="bps2018"):
            to_dotted(village.bps)


@pytest.mark.parametrize(
    ("code", "system", "reason"),
    [
        ("7310", COMPACT, CodeFault.OTHER_SYSTEM),  # Kemendagri's Pangkep, the statistics office's Barru
        ("7311", BPS, CodeFault.OTHER_SYSTEM),  # the statistics office's Bone, Kemendagri's Barru
        ("73.10.01.1001", KEMENDAGRI, CodeFault.OUTSIDE),
        ("7312011001", COMPACT, CodeFault.OUTSIDE),
        ("7309010001", BPS, CodeFault.OUTSIDE),
        ("73.110", KEMENDAGRI, CodeFault.MALFORMED),
        ("73.11.07.100", KEMENDAGRI, CodeFault.MALFORMED),
        ("73.11.07.1001\n", KEMENDAGRI, CodeFault.MALFORMED),
        ("٧٣.١١", KEMENDAGRI, CodeFault.MALFORMED),
        ("", KEMENDAGRI, CodeFault.MALFORMED),
        ("73110710011", COMPACT, CodeFault.MALFORMED),
        ("7310041", COMPACT, CodeFault.OTHER_SYSTEM),
        ("73.11.07.9999", KEMENDAGRI, CodeFault.UNKNOWN),
        ("7311079999", COMPACT, CodeFault.UNKNOWN),
        ("7310049999", BPS, CodeFault.UNKNOWN),
        ("7311999999", BPS, CodeFault.OTHER_SYSTEM),
    ],
)
def test_refused(code: str, system: CodeSystem, reason: CodeFault) -> None:
    with pytest.raises(CodeRefused) as refused:
        GAZETTEER.by_code(code, system)
    assert refused.value.reason is reason
    assert GAZETTEER.find(code, system) is None


@given(st.text(alphabet="0123456789.", max_size=14), st.sampled_from(CodeSystem))
def test_any_code_is_found_or_refused_with_a_reason(code: str, system: CodeSystem) -> None:
    found = GAZETTEER.find(code, system)
    if found is not None:
        assert found.in_system(system) == code
        assert GAZETTEER.by_code(code, system) is found
        return
    with pytest.raises(CodeRefused) as refused:
        GAZETTEER.by_code(code, system)
    own = system_of(code)
    assert refused.value.code == code
    assert (refused.value.reason is CodeFault.OTHER_SYSTEM) == (own is not None and own is not system)


def test_two_territories_of_one_code_are_refused() -> None:
    with pytest.raises(ValueError, match="two territories"):
        Gazetteer([VILLAGES[0], msgspec.structs.replace(VILLAGES[1], bps=VILLAGES[0].bps)])


@pytest.mark.parametrize("village", VILLAGES, ids=lambda one: one.code)
def test_every_village_by_name(village: Territory) -> None:
    for typed in (village.name, village.name.upper(), village.name.replace(" ", "-"), village.name.replace(" ", "")):
        assert village in [one.territory for one in GAZETTEER.by_name(typed) if one.score == 1.0]
    district = GAZETTEER.by_code(village.parent)
    best = GAZETTEER.by_name(f"{village.level} {village.name}, {district.name}")[0]
    assert (best.territory, best.reason) == (village, MatchReason.SAME_NAME)


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("Cilelang", ["Cilellang"]),
        ("Pao2", ["Pao Pao"]),
        ("Jangan-Jangan", ["Jangan Jangan"]),
        ("jangan2", ["Jangan Jangan"]),
        ("Kelurahan Takalasi", ["Takkalasi"]),
        ("Paccekkè", ["Paccekke"]),
        ("Patappa", ["Pattappa"]),
        ("Tjoppo", ["Coppo"]),
        ("kab. Barru", ["Kabupaten Barru"]),
        ("kecamatan Soppeng Riaja", ["Soppeng Riaja"]),
        ("Mattirowali", ["Mattirowalie"]),
        ("Takkal", ["Takkalasi"]),
    ],
)
def test_what_people_type(typed: str, names: list[str]) -> None:
    assert [one.territory.name for one in GAZETTEER.by_name(typed, limit=len(names))] == names


def test_names_that_collide_stay_open() -> None:
    balusu = GAZETTEER.by_name("Balusu")
    assert [one.territory.level for one in balusu[:2]] == [Level.DISTRICT, Level.DESA]
    assert balusu[0].score == balusu[1].score == 1.0
    assert GAZETTEER.by_name("Desa Balusu")[0].territory.level is Level.DESA
    assert GAZETTEER.by_name("Kec. Balusu")[0].territory.level is Level.DISTRICT
    bojo = GAZETTEER.by_name("Bojo")
    assert [one.territory.name for one in bojo[:2]] == ["Bojo", "Bojo Baru"]
    assert bojo[0].score > bojo[1].score
    barru = GAZETTEER.by_name("Barru")
    assert {one.territory.level for one in barru[:2]} == {Level.REGENCY, Level.DISTRICT}


@pytest.mark.parametrize("typed", ["", " ", ",", "Makassar", "Parepare", "🙂", "desa", "ᨅᨑᨘ", "'; drop table", "12"])
def test_what_is_no_place_gives_nothing(typed: str) -> None:
    assert GAZETTEER.by_name(typed) == []


@given(st.text(max_size=40), st.integers(1, 8))
def test_candidates_are_ranked_whatever_is_typed(typed: str, limit: int) -> None:
    found = GAZETTEER.by_name(typed, limit)
    assert len(found) <= limit
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(0 < one.score <= 1 for one in found)


@given(villages, st.floats(0, 1), st.floats(0, 1))
def test_a_point_in_a_village_has_it_among_its_candidates(village: Territory, north: float, east: float) -> None:
    latitude = village.min_latitude + north * (village.max_latitude - village.min_latitude)
    longitude = village.min_longitude + east * (village.max_longitude - village.min_longitude)
    found = GAZETTEER.by_point(latitude, longitude, limit=55)
    mine = next(one for one in found if one.territory is village)
    inside = village.bounds(latitude, longitude)  # the last bit of a float may fall outside the edge
    assert (mine.reason is MatchReason.INSIDE_BOX) == inside
    assert mine.score >= 0.49
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert mine.distance_m is not None
    assert mine.distance_m <= 11_000  # Lasitae's box is the longest: 10.7 km from its centre to a corner


def test_a_centre_is_its_own_best_candidate() -> None:
    for village in VILLAGES:
        best = GAZETTEER.by_point(village.latitude, village.longitude)[0]
        assert best.territory is village
        assert best.score == 1.0


def test_several_villages_for_one_point_is_the_rule() -> None:
    several = [one for one in VILLAGES if len(GAZETTEER.by_point(one.latitude, one.longitude)) > 1]
    assert len(several) > 45


@pytest.mark.parametrize(
    ("latitude", "longitude", "inside"),
    [
        (-4.3225, 119.6503, True),
        (-4.44, 119.69485, True),
        (-5.1477, 119.4327, False),  # Makassar
        (-4.0135, 119.6255, False),  # Parepare
        (119.65, -4.32, False),  # exchanged
        (0.0, 0.0, False),
        (math.nan, 119.65, False),
        (-4.32, math.inf, False),
        (1e308, 1e308, False),
    ],
)
def test_inside_the_regency(latitude: float, longitude: float, inside: bool) -> None:
    assert GAZETTEER.covers(latitude, longitude) is inside
    assert bool(GAZETTEER.by_point(latitude, longitude)) is inside


def test_a_margin_lets_the_neighbourhood_in() -> None:
    parepare = (-4.0135, 119.6255)
    assert not GAZETTEER.covers(*parepare, margin_m=5_000)
    assert GAZETTEER.covers(*parepare, margin_m=10_000)
    assert not GAZETTEER.covers(math.nan, 119.6, margin_m=1e9)


def test_metres() -> None:
    assert metres(-4.0, 119.6, -5.0, 119.6) == pytest.approx(111_195, abs=5)
    assert metres(-4.4, 119.6, -4.4, 119.7) == pytest.approx(11_086, abs=20)
