"""Reports born in Singgah Di Barru: what opens here, with its reporter's wish, language and place."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.singgah_di_barru.connector import Connector
from connectors.singgah_di_barru.test_singgah_di_barru import APP, RAILING
from connectors.singgah_di_barru.test_singgah_di_barru_news import SLIPPERY, events, gathered
from gateway.sdk import Opening, Person
from tests.sandboxes import MORNING, Bench, bench


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench(APP, tmp_path, Connector) as made:
        yield made


def put(desk: Bench[Connector], number: str, **changes: Any) -> None:
    """Change a row as no interface would."""
    record = desk.sandbox.store.records[number]
    desk.sandbox.store.put(msgspec.structs.replace(record, row={**record.row, **changes}))


async def test_a_visitors_report_opens_one_here(desk: Bench[Connector]) -> None:
    await desk.born(SLIPPERY)
    (event,) = events((await gathered(desk))[0])
    assert (event.kind, event.word, event.key, event.facts) == ("laporan", "baru", None, {"safety": True})
    assert event.opening == Opening(
        category="3",
        text="Slippery rocks\nTwo people slipped near the waterfall ⚠️",
        occurred_at=MORNING,
        site_village="73.11.01.2005",
        latitude=-4.5134,
        longitude=119.73105,
        address="Celebes Canyon",
        reporter=Person(name="Anna Lindqvist", phone="+46701234567", email="anna@example.se"),
        attributes={"destination": "Celebes Canyon"},
        language="en",
    )


async def test_only_reports_about_safety_say_so(desk: Bench[Connector]) -> None:
    for category in ("1", "2", "4", "5"):
        await desk.born({**SLIPPERY, "id_kategori": category})
    found = events((await gathered(desk))[0])
    assert sorted(one.opening.category for one in found if one.opening) == ["1", "2", "4", "5"]
    assert [one.facts for one in found] == [{}] * 4


@pytest.mark.parametrize(
    ("fields", "person"),
    [
        ({"rahasia": "1", "nama": "Dirahasiakan", "telp": "", "email": ""}, Person(hidden=True)),
        ({"rahasia": "1", "nama": "Andi", "email": ""}, Person(name="Andi", phone="+46701234567", hidden=True)),
        ({"rahasia": "0", "nama": "Tanpa nama", "telp": "", "email": ""}, Person()),
    ],
)
async def test_a_reporters_wish_is_kept(desk: Bench[Connector], fields: dict[str, str], person: Person) -> None:
    await desk.born({**SLIPPERY, **fields})
    opening = events((await gathered(desk))[0])[0].opening
    assert opening is not None
    assert opening.reporter == person


async def test_a_row_that_does_not_say_is_secret(desk: Bench[Connector]) -> None:
    await desk.born(SLIPPERY)
    record = desk.sandbox.store.records["1"]
    row = {name: value for name, value in record.row.items() if name != "rahasia"}
    desk.sandbox.store.put(msgspec.structs.replace(record, row=row))
    opening = events((await gathered(desk))[0])[0].opening
    assert opening is not None
    assert opening.reporter.hidden


@pytest.mark.parametrize(
    ("fields", "site_village", "point", "address"),
    [
        ({"id_destinasi": "8"}, None, (-4.4711, 119.5361), "Pulau Puteangin"),  # an island without a village
        ({"id_destinasi": "13"}, "73.11.07.1001", (None, None), "Pos Singgah Takkalasi"),
        ({"id_destinasi": "2", "lat": "-4.5", "lon": "119.7"}, "73.11.01.2005", (-4.5, 119.7), "Celebes Canyon"),
        ({"id_destinasi": "", "lat": "-4.5", "lon": "119.7"}, None, (-4.5, 119.7), None),
        ({"id_destinasi": ""}, None, (None, None), None),
    ],
)
async def test_the_place_of_a_report_born_there(
    desk: Bench[Connector],
    fields: dict[str, str],
    site_village: str | None,
    point: tuple[float | None, float | None],
    address: str | None,
) -> None:
    await desk.born({**SLIPPERY, **fields})
    opening = events((await gathered(desk))[0])[0].opening
    assert opening is not None
    assert (opening.site_village, opening.address) == (site_village, address)
    assert (opening.latitude, opening.longitude) == point


async def test_a_new_destination_is_asked_for_once(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    await desk.control("quirks", {"destination_added": True})
    await desk.born({**SLIPPERY, "id_destinasi": "99"})
    desk.connector._listed_at = desk.clock.monotonic() - 61
    opening = events((await gathered(desk))[0])[0].opening
    assert opening is not None
    assert (opening.site_village, opening.address) == ("73.11.04.2006", "Pantai Baru Siddo")


async def test_a_destination_that_is_not_listed_hides_no_report(desk: Bench[Connector]) -> None:
    for _ in range(2):
        await desk.born(SLIPPERY)
    put(desk, "1", id_destinasi="77")
    found = {one.references[0].value: one.opening for one in events((await gathered(desk))[0])}
    assert found["1"] is not None
    assert (found["1"].site_village, found["1"].address, found["1"].attributes) == (None, None, {"destination": "77"})
    asked = [one["path"].rpartition("/")[2] for one in await desk.journal()]
    assert asked.count("getdestinasi") == 1
