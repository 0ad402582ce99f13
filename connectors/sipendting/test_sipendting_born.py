"""Reports born in Si-PeNDTING: what opens a report here, with whose wishes, and which rows to be wary of."""

import csv
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.sipendting import places
from connectors.sipendting.connector import Connector
from connectors.sipendting.test_sipendting import CODE
from connectors.sipendting.test_sipendting_news import LAMP, events, gathered, numbers, opening
from gateway.sdk import ContractBroken, Opening, Person, Unreadable
from tests.sandboxes import TERRITORY, Bench, bench


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench("sipendting", tmp_path, Connector) as made:
        yield made


# Reports born there.


async def test_a_complaint_opens_a_report_with_its_reporters_wish(office: Bench[Connector]) -> None:
    number = await office.born(LAMP)
    news, _ = await gathered(office)
    (event,) = events(news)
    assert (event.references[0].value, event.key) == (number, None)
    assert event.opening == Opening(
        category="in-light",
        text="Lampu jalan mati\nLampu jalan di depan pasar mati",
        occurred_at=datetime(2026, 1, 26, 16, 0, tzinfo=UTC),  # the app tells the day, which begins in Barru
        site_village="73.11.07.1001",
        latitude=-4.32249,
        longitude=119.65035,
        reporter=Person(name="Andi", phone="081342000205"),
    )


@pytest.mark.parametrize(
    ("told", "person"),
    [
        ({"nama": "Dirahasiakan", "no_hp": "", "rahasia": "Y"}, Person(hidden=True)),
        ({"nama": "Andi", "no_hp": "0811", "rahasia": "Y"}, Person(name="Andi", phone="0811", hidden=True)),
        ({"nama": "Tanpa nama", "no_hp": "0811", "rahasia": "T"}, Person(phone="0811")),
    ],
)
async def test_the_wish_to_be_hidden_comes_along(
    office: Bench[Connector], told: dict[str, str], person: Person
) -> None:
    await office.born({**LAMP, "pelapor": told})
    assert opening((await gathered(office))[0]).reporter == person


@pytest.mark.parametrize("wish", ["", "ya", "t"])
async def test_a_wish_nobody_understands_hides(office: Bench[Connector], wish: str) -> None:
    number = await office.born(LAMP)
    await office.advance(number, "1", fields={"pelapor": {"nama": "Andi", "no_hp": "", "rahasia": wish}})
    assert opening((await gathered(office))[0]).reporter.hidden


@pytest.mark.parametrize("comma", [False, True])
@pytest.mark.parametrize(
    ("lat", "lon", "point"),
    [("-4.32249", "119.65035", (-4.32249, 119.65035)), ("-4", "119.6", (-4.0, 119.6)), ("", "", (None, None))],
)
async def test_decimals_come_with_a_dot_or_a_comma(
    office: Bench[Connector], comma: bool, lat: str, lon: str, point: tuple[Any, Any]
) -> None:
    await office.control("quirks", {"comma_decimals": comma})
    number = await office.born({**LAMP, "lokasi": None})
    await office.advance(number, "1", fields={"lokasi": {"lat": lat, "lon": lon}})
    found = opening((await gathered(office))[0])
    assert (found.latitude, found.longitude) == point
    shown = (await office.connector._report(number) or {})["lokasi"]
    assert ("," in shown["lat"]) == (comma and "." in lat)


@pytest.mark.parametrize("lat", ["nan", "inf", "1e2", "4.3.2", "91", "-4,3 S", "-4.32249, 119.65"])
async def test_a_point_that_is_none_is_not_guessed(office: Bench[Connector], lat: str) -> None:
    number = await office.born(LAMP)
    await office.advance(number, "1", fields={"lokasi": {"lat": lat, "lon": "119.6"}})
    (news,) = (await gathered(office))[0]
    assert isinstance(news, Unreadable)


@pytest.mark.parametrize(
    ("code", "village", "address"),
    [("7310041003", "73.11.07.1001", None), ("7310030", None, "Kec. Barru"), ("7310", None, None)],
)
async def test_a_place_is_a_village_a_district_or_the_regency(
    office: Bench[Connector], code: str, village: str | None, address: str | None
) -> None:
    await office.born({**LAMP, "wilayah": {"kode_bps": code}})
    found = opening((await gathered(office))[0])
    assert (found.site_village, found.address) == (village, address)


def test_the_places_are_those_of_the_territory() -> None:
    with TERRITORY.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    villages = [row for row in rows if row["level"] in {"kelurahan", "desa"}]
    assert {row["bps2018"]: row["code"] for row in villages if row["bps2018"]} == places.VILLAGES
    assert {row["name"] for row in villages if not row["bps2018"]} == {"Sepee", "Tuwung"}
    assert {row["bps2018"]: row["name"] for row in rows if row["level"] == "district"} == places.DISTRICTS
    assert [row["bps2018"] for row in rows if row["level"] == "regency"] == [places.REGENCY]


async def test_a_key_of_another_system_is_none_of_ours(office: Bench[Connector]) -> None:
    number = await office.born(LAMP)
    record = office.sandbox.store.records[number]
    office.sandbox.store.put(msgspec.structs.replace(record, row={**record.row, "ref_cons": "SIMPEG-7"}))
    (event,) = events((await gathered(office))[0])
    assert event.key is None
    assert event.opening is not None


# Rows to be wary of.


async def test_reports_of_other_regencies_are_refused_with_the_reason(office: Bench[Connector]) -> None:
    person = {"nama": "Warga Bone", "no_hp": "0811", "rahasia": "T"}
    foreign = await office.born({**LAMP, "wilayah": {"kode_bps": "7311030005"}, "pelapor": person})
    ours = await office.born(LAMP)
    news, cursor = await gathered(office)
    assert numbers(news) == [ours]
    (refused,) = [one for one in news if isinstance(one, Unreadable)]
    assert refused.id.startswith(f"{foreign}@")
    assert "7311030005" in refused.reason
    assert refused.raw == foreign.encode()
    assert (await gathered(office, cursor))[0] == []


async def test_a_broken_row_does_not_hide_its_neighbours(office: Bench[Connector]) -> None:
    ours = await office.born(LAMP)
    await office.control("quirks", {"malformed_row": True})
    news, cursor = await gathered(office)
    assert numbers(news) == [ours]
    assert {one.id.partition(":")[0] for one in news if isinstance(one, Unreadable)} == {"rusak@32503651199"}
    office.clock.forward(minutes=10)
    second = await office.born(LAMP)
    news, _ = await gathered(office, cursor)
    assert [one for one in numbers(news) if one != ours] == [second]


async def test_half_an_emoji_in_a_sound_row_is_no_text(office: Bench[Connector]) -> None:
    for isi in ("Lampu \ud83d", "Lampu"):
        await office.born({**LAMP, "isi": isi})
    news, _ = await gathered(office)
    assert numbers(news) == ["PDT-2026-000002"]
    assert [one.id.partition("@")[0] for one in news if isinstance(one, Unreadable)] == ["PDT-2026-000001"]


@pytest.mark.parametrize(
    "wrong", [{"profil": "gizi"}, {"status": None}, {"diubah": 10**30}, {"tambahan": "-"}, {"tanggal": "27-01-2026"}]
)
async def test_a_row_in_another_form_is_set_aside_by_its_number(
    office: Bench[Connector], wrong: dict[str, Any]
) -> None:
    number = await office.born(LAMP)
    record = office.sandbox.store.records[number]
    shown = {**record.row, **wrong}
    office.sandbox._shown = lambda one: shown if one.reference == number else one.row  # type: ignore[attr-defined]
    second = await office.born(LAMP)
    news, _ = await gathered(office)
    assert numbers(news) == [second]
    assert [one.id.partition("@")[0] for one in news if isinstance(one, Unreadable)] == [number]


async def test_a_defaced_page_is_no_news(office: Bench[Connector]) -> None:
    number = await office.born(LAMP)
    await office.control("quirks", {"html": 1})
    with pytest.raises(ContractBroken):
        await office.connector.poll(None)
    assert numbers((await gathered(office))[0]) == [number]


async def test_reading_what_is_not_there_brings_nothing(office: Bench[Connector]) -> None:
    assert (await office.connector.read(f"PDT-{CODE}", None)).news == ()
