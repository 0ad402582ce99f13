"""Si-PeNDTING: connector and simulated app against the contract, and against each other on real sockets."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.sipendting.connector import Connector
from connectors.sipendting.sandbox import CATEGORIES
from gateway.sdk import (
    Amendment,
    Document,
    Linked,
    Person,
    PlaceCodes,
    Receipt,
    Reference,
    Rejected,
    Site,
    Submission,
)
from gateway.sdk.manifest import read_manifest
from tests.samples import differences, play, recorded, samples
from tests.sandboxes import CONNECTORS, MORNING, Bench, StillClock, app_at, bench, connector_of

CODE = "BRU-7Q4M-2XKT"
PNG = b"\x89PNG\r\n\x1a\n"
PHONE = "+6281342000205"


def village(dotted: str, bps: str | None, name: str, district: str, of: str) -> PlaceCodes:
    compact = dotted.replace(".", "")
    return PlaceCodes(kemendagri=dotted, compact=compact, bps=bps, bps_district=of, village=name, district=district)


TAKKALASI = village("73.11.07.1001", "7310041003", "Takkalasi", "Balusu", "7310041")
SEPEE = village("73.11.03.1004", None, "Sepee", "Barru", "7310030")
JANGAN_JANGAN = village("73.11.06.2004", "7310011004", "Jangan Jangan", "Pujananting", "7310011")
ROAD = Submission(
    key=f"{CODE}-1",
    code=CODE,
    service="IN-ROAD",
    category="in-road",
    profile="pengaduan",
    priority="P3",
    title="Jalan putus ᨅᨑᨘ",
    text="Jalan putus ᨅᨑᨘ, mobil tidak bisa lewat 🚧",
    occurred_at=MORNING,
    received_at=MORNING,
    site=Site(codes=TAKKALASI, latitude=-4.32249, longitude=119.65035, address="dekat jembatan", landmark="Masjid"),
    reporter=Person(name="Hj. Rosmini", phone=PHONE),
    attributes={"damage": "cut", "isolated": True},
    documents=(
        Document(name="jalan.png", media_type="image/png", content=PNG),
        Document(name="peta.pdf", media_type="application/pdf", content=b"%PDF-"),
    ),
    linked=(Linked(kind="follow_up_to", app="sigapdes", value="pengaduan:12", code="BRU-0000-0000"),),
)
LEVY = Submission(
    key=f"{CODE}-2",
    code=CODE,
    service="GV-INTEGRITY",
    category="gv-integrity",
    profile="pengaduan",
    priority="P2",
    title="Pungutan di loket",
    text="Pungutan di loket",
    occurred_at=MORNING,
    received_at=MORNING,
    site=Site(codes=SEPEE),
    reporter=Person(hidden=True),
)
CHILD = Submission(
    key=f"{CODE}-3",
    code=CODE,
    service="CH-STUNT",
    category="ch-stunt",
    profile="stunting",
    priority="P2",
    title="",
    text="",
    occurred_at=MORNING,
    received_at=MORNING,
    site=Site(codes=JANGAN_JANGAN),
    reporter=Person(name="Nur Afiah", phone="+6282193000207"),
    attributes={"relation": "cadre", "case_number": "STG-2026-0042"},
)
MORE = Amendment(key=f"{CODE}-4", code=CODE, command="message", text="Sekarang longsor juga 🌧", at=MORNING)


def changed(submission: Submission, **changes: Any) -> Submission:
    return msgspec.structs.replace(submission, **changes)


def got(number: int, key: str, word: str | None = None) -> Receipt:
    return Receipt(references=(Reference("no_laporan", f"PDT-2026-{number:06d}"),), key=key, word=word)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench("sipendting", tmp_path, Connector) as made:
        yield made


async def row(office: Bench[Connector], number: int = 1) -> dict[str, Any]:
    """Return a report as the app has it."""
    fields: dict[str, Any] = (await office.records())[number - 1]["fields"]
    return fields


# Contract samples, against both sides.


async def test_the_simulated_app_keeps_the_contract(tmp_path: Path) -> None:
    async with bench("sipendting", tmp_path, Connector) as made:
        for sample in samples("sipendting"):
            for step in sample.given:
                assert (await play(step, made.address)).status < 300, sample.name
            if sample.sender == "app":
                continue
            found = await play(sample.request, made.address)
            assert differences(sample.response, found, made.address) == {}, sample.name


Act = Callable[[Connector], Awaitable[Any]]
TODAY = date(2026, 1, 28)
PLAYED: list[tuple[set[str], Act, Any]] = [
    ({"open-pengaduan"}, lambda c: c.submit(ROAD), got(1, ROAD.key, "pengaduan/1")),
    ({"open-hidden-without-code"}, lambda c: c.submit(LEVY), got(2, LEVY.key, "pengaduan/1")),
    ({"open-stunting"}, lambda c: c.submit(CHILD), got(3, CHILD.key, "stunting/1")),
    (
        {"open-stunting-again"},
        lambda c: c.submit(changed(CHILD, key=f"{CODE}-5")),
        "attributes.case_number",
    ),
    ({"open-too-long"}, lambda c: c.submit(changed(LEVY, key=f"{CODE}-6", text="x" * 5001)), "description"),
    ({"find"}, lambda c: c.find(ROAD.key), got(1, ROAD.key, "pengaduan/1")),
    ({"read", "add"}, lambda c: c.amend("PDT-2026-000001", MORE), got(1, MORE.key)),
    (
        {"read-stunting", "add-stunting"},
        lambda c: c.amend("PDT-2026-000003", msgspec.structs.replace(MORE, key=f"{CODE}-7")),
        got(3, f"{CODE}-7"),
    ),
    ({"read-absent"}, lambda c: c.read("PDT-2026-000099", None), []),
    ({"read-worked-on"}, lambda c: c.read("PDT-2026-000002", None), ["pengaduan/5", None]),
    ({"read-not-as-it-should"}, lambda c: c.read("PDT-2026-000004", None), ["stunting/2"]),
    ({"changes"}, lambda c: c.sweep(TODAY), ["pengaduan/1", "pengaduan/5", "stunting/1", "stunting/2", "pengaduan/1"]),
    ({"changes-none"}, lambda c: c.sweep(date(2026, 1, 27)), []),
    (
        {"kinds", "words", "places"},
        lambda c: c.catalogue(),
        {"category": 16, "status": 14, "village": 53},
    ),
]


@pytest.mark.parametrize(("names", "act", "expected"), PLAYED, ids=[min(names) for names, _, _ in PLAYED])
async def test_the_connector_keeps_the_contract(tmp_path: Path, names: set[str], act: Act, expected: Any) -> None:
    clock = StillClock()
    async with recorded("sipendting", tmp_path, clock, names) as (fake, address):
        app = app_at("sipendting", address, clock)
        try:
            found = await act(connector_of(app, Connector))
        except Rejected as refused:
            found = refused.field
        finally:
            await app.close()
        assert set(fake.played) == names
    if isinstance(expected, dict):
        found = {kind: len([one for one in found if one.kind == kind]) for kind in expected}
    elif isinstance(expected, list):
        found = [event.word for event in found.news]
    assert found == expected


def test_every_sample_is_played_to_the_connector() -> None:
    refused = {"find-absent", "unauthorized", "stale", "add-absent", "changes-malformed", "callback"}
    assert {sample.name for sample in samples("sipendting")} == refused | {
        name for names, _, _ in PLAYED for name in names
    }


# Opening.


async def test_a_complaint_arrives_whole(office: Bench[Connector]) -> None:
    assert await office.connector.submit(ROAD) == got(1, ROAD.key, "pengaduan/1")
    (record,) = await office.records()
    assert (record["key"], record["word"]) == (ROAD.key, "1")
    assert record["images"] == [{"bytes": len(PNG), "sha256": hashlib.sha256(PNG).hexdigest()}]
    fields = record["fields"]
    assert fields["isi"] == (
        "Jalan putus ᨅᨑᨘ, mobil tidak bisa lewat 🚧\ndamage: cut\nisolated: ya\nLokasi: Masjid, dekat jembatan\n"
        f"Terkait (follow_up_to): sigapdes pengaduan:12\n(1 lampiran lain ada di laporan {CODE})"
    )
    assert {name: fields[name] for name in ("profil", "kategori", "judul", "tanggal")} == {
        "profil": "pengaduan",
        "kategori": "in-road",
        "judul": "Jalan putus ᨅᨑᨘ",
        "tanggal": "2026-01-28",
    }
    assert fields["pelapor"] == {"nama": "Hj. Rosmini", "no_hp": PHONE, "rahasia": "T"}
    assert fields["wilayah"] == {"kode_bps": "7310041003"}
    assert fields["lokasi"] == {"lat": "-4.32249", "lon": "119.65035"}


@pytest.mark.parametrize(
    ("degrees", "told"), [(-4.1, "-4.1"), (0.00001, "0.00001"), (119.0, "119.0"), (1e-7, "0.0000001")]
)
async def test_degrees_are_decimals_in_full(office: Bench[Connector], degrees: float, told: str) -> None:
    await office.connector.submit(changed(ROAD, site=Site(latitude=degrees, longitude=degrees)))
    assert (await row(office))["lokasi"] == {"lat": told, "lon": told}


@pytest.mark.parametrize(("name", "code"), [("Sepee", "73.11.03.1004"), ("Tuwung", "73.11.03.1005")])
async def test_a_village_without_a_code_is_named(office: Bench[Connector], name: str, code: str) -> None:
    place = village(code, None, name, "Barru", "7310030")
    await office.connector.submit(changed(LEVY, site=Site(codes=place)))
    await office.connector.submit(changed(CHILD, site=Site(codes=place)))
    for number in (1, 2):
        fields = await row(office, number)
        assert fields["wilayah"] == {"kode_bps": "7310030"}
        assert f"Desa/kelurahan: {name}, Kec. Barru" in fields["isi"].splitlines()


async def test_a_complaint_needs_no_place(office: Bench[Connector]) -> None:
    await office.connector.submit(changed(LEVY, site=Site()))
    fields = await row(office)
    assert (fields["wilayah"], fields["lokasi"]) == (None, None)


@pytest.mark.parametrize(("hour", "day"), [(15, "2028-02-29"), (16, "2028-03-01")])
async def test_a_day_is_a_day_in_barru(office: Bench[Connector], hour: int, day: str) -> None:
    at = datetime(2028, 2, 29, hour, 30, tzinfo=UTC)
    office.clock.at = at + timedelta(hours=1)
    await office.connector.submit(changed(LEVY, occurred_at=at))
    assert (await row(office))["tanggal"] == day


def test_each_category_belongs_to_one_profile_and_is_ours_in_lower_case() -> None:
    manifest = read_manifest(CONNECTORS / "sipendting")
    assert set(manifest.profiles) == set(CATEGORIES)
    told: dict[str, str] = {}
    for profile, kinds in CATEGORIES.items():
        maps = manifest.categories_of(profile)
        assert set(maps.out.values()) == set(kinds) == set(maps.inward)
        assert {service: word.upper() for service, word in maps.out.items()} == {one: one for one in maps.out}
        assert {service: word for word, service in maps.inward.items()} == maps.out
        assert not told.keys() & maps.out.keys()
        told |= maps.out
    assert manifest.categories.out == told


async def test_every_category_is_accepted_in_its_profile(office: Bench[Connector]) -> None:
    for profile, kinds in CATEGORIES.items():
        for number, word in enumerate(kinds, start=1):
            base = CHILD if profile == "stunting" else LEVY
            attributes = {"case_number": f"STG-2026-{number:04d}"} if profile == "stunting" else {}
            await office.connector.submit(changed(base, category=word, profile=None, attributes=attributes))
    found = [(record["fields"]["profil"], record["fields"]["kategori"]) for record in await office.records()]
    assert found == [(profile, word) for profile, kinds in CATEGORIES.items() for word in kinds]
    with pytest.raises(Rejected) as refused:
        await office.connector.submit(changed(LEVY, category="em-fire"))
    assert refused.value.field == "service"


async def test_a_hidden_reporter_stays_hidden(office: Bench[Connector]) -> None:
    await office.connector.submit(changed(LEVY, reporter=Person(name="Andi", phone=PHONE, hidden=True)))
    await office.connector.submit(changed(CHILD, reporter=Person(name="Andi", phone=PHONE, hidden=True)))
    for number in (1, 2):
        assert (await row(office, number))["pelapor"] == {"nama": "Dirahasiakan", "no_hp": "", "rahasia": "Y"}
    journal = json.dumps(await office.journal())
    assert "Andi" not in journal
    assert PHONE not in journal


async def test_a_reporter_without_a_name_is_no_secret(office: Bench[Connector]) -> None:
    await office.connector.submit(changed(LEVY, reporter=Person(phone=PHONE)))
    assert (await row(office))["pelapor"] == {"nama": "Tanpa nama", "no_hp": PHONE, "rahasia": "T"}


@pytest.mark.parametrize("text", ["ᨅᨑᨘ " * 1000, "مطر\u202eغزير", "👩‍🚒" * 900, "a\x00b", "x" * 4000])
async def test_text_of_every_script_is_carried(office: Bench[Connector], text: str) -> None:
    await office.connector.submit(changed(ROAD, text=text[:4000], attributes={}))
    assert (await row(office))["isi"].startswith(text[:4000] + "\nLokasi: ")


async def test_half_an_emoji_never_leaves(office: Bench[Connector]) -> None:
    """The gateway takes no such text in; were it there, nothing would be sent of it, and nothing cut."""
    with pytest.raises(UnicodeEncodeError):
        await office.connector.submit(changed(LEVY, text="a\ud83d"))
    assert await office.journal() == []


REFUSALS: list[tuple[Submission, str]] = [
    (changed(LEVY, text="x" * 5_001), "description"),
    (changed(LEVY, title="x" * 101), "description"),
    (changed(LEVY, title=""), "description"),
    (changed(LEVY, reporter=Person(name="x" * 101)), "reporter.name"),
    (changed(LEVY, reporter=Person(name="A", phone="0" * 21)), "reporter.phone"),
    (changed(LEVY, site=Site(codes=village("73.10.03.2005", "7309030005", "X", "Y", "7309030"))), "place.village"),
    (changed(CHILD, site=Site()), "place.village"),
    (changed(ROAD, site=Site(latitude=-4000.5, longitude=1.0)), "place.point"),
]


@pytest.mark.parametrize(("submission", "field"), REFUSALS)
async def test_a_refusal_names_what_can_be_mended(office: Bench[Connector], submission: Submission, field: str) -> None:
    with pytest.raises(Rejected) as refused:
        await office.connector.submit(submission)
    assert refused.value.field == field
    assert await office.records() == []


async def test_files_that_do_not_fit_are_mentioned(office: Bench[Connector]) -> None:
    huge = Document(name="besar.jpg", media_type="image/jpeg", content=b"x" * (2 * 1024 * 1024 + 1))
    files = [Document(name=f"{n}.jpg", media_type="image/jpeg", content=b"%d" % n) for n in range(1, 5)]
    await office.connector.submit(changed(ROAD, documents=(huge, *files)))
    (record,) = await office.records()
    assert [image["bytes"] for image in record["images"]] == [1, 1, 1]
    assert record["fields"]["isi"].endswith(f"\n(2 lampiran lain ada di laporan {CODE})")


async def test_an_open_report_about_the_case_is_named(office: Bench[Connector]) -> None:
    first = await office.born({"profil": "stunting", "judul": "Pemantauan, kasus STG-2026-0042"})
    with pytest.raises(Rejected) as refused:
        await office.connector.submit(CHILD)
    assert refused.value.field == "attributes.case_number"
    assert str(refused.value) == f"a report about this case is still open: {first}"
    await office.advance(first, "6")
    assert await office.connector.submit(CHILD) == got(2, CHILD.key, "stunting/1")


async def test_without_a_case_number_no_report_stands_in_the_way(office: Bench[Connector]) -> None:
    for number in (1, 2):
        await office.connector.submit(changed(CHILD, key=f"{CODE}-{number}", attributes={}))
    assert len(await office.records()) == 2
