"""Singgah Di Barru: connector and simulated app against the contract, and against each other on real sockets."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.singgah_di_barru.connector import Connector
from connectors.singgah_di_barru.sandbox import CATEGORIES
from gateway.sdk import (
    Amendment,
    Batch,
    Document,
    Event,
    Linked,
    Person,
    PlaceCodes,
    Receipt,
    Reference,
    Rejected,
    Site,
    Submission,
    Upstream,
)
from gateway.sdk.manifest import read_manifest
from tests.samples import differences, play, recorded, samples
from tests.sandboxes import CONNECTORS, MORNING, Bench, StillClock, app_at, bench, connector_of

APP = "singgah_di_barru"
CODE = "BRU-7Q4M-2XKT"
PNG = b"\x89PNG\r\n\x1a\n"
PHONE, MAIL = "+6281342000205", "rosmini@contoh.id"
TOKEN = "sandbox-singgah_di_barru-KEYTOKEN"


def village(dotted: str, name: str, district: str) -> PlaceCodes:
    compact = dotted.replace(".", "")
    return PlaceCodes(
        kemendagri=dotted, compact=compact, bps=None, bps_district="7310041", village=name, district=district
    )


LIBURENG = village("73.11.01.2005", "Libureng", "Tanete Riaja")
TAKKALASI = village("73.11.07.1001", "Takkalasi", "Balusu")
SUMPANG = village("73.11.03.1003", "Sumpang Binangae", "Barru")
RAILING = Submission(
    key=f"{CODE}-1",
    code=CODE,
    service="TO-FACILITY",
    category="1",
    profile=None,
    priority="P3",
    title="Pagar rusak ᨅᨑᨘ",
    text="Pagar pengaman di bibir tebing rusak ᨅᨑᨘ ⚠️",
    occurred_at=MORNING,
    received_at=MORNING,
    site=Site(codes=LIBURENG, latitude=-4.51335, longitude=119.7311, address="Jalur air terjun", landmark="loket"),
    reporter=Person(name="Hj. Rosmini", phone=PHONE, email=MAIL),
    attributes={"destination": "Celebes Canyon"},
    documents=(Document(name="pagar.png", media_type="image/png", content=PNG),),
    linked=(Linked(kind="follow_up_to", app="cc112", value="112-BRU-20260128-0001", code="BRU-0000-0000"),),
)
LEVY = Submission(
    key=f"{CODE}-2",
    code=CODE,
    service="TO-PRICE",
    category="4",
    profile=None,
    priority="P3",
    title="Illegal parking fee",
    text="They asked for 50,000 rupiah without a ticket",
    language="en",
    occurred_at=MORNING,
    received_at=MORNING,
    site=Site(codes=SUMPANG),
    reporter=Person(hidden=True),
    attributes={"destination": "1", "amount": 50000},
)
MORE = Amendment(key=f"{CODE}-4", code=CODE, command="message", text="Sekarang talinya juga putus 🪢", at=MORNING)


def changed(submission: Submission, **changes: Any) -> Submission:
    return msgspec.structs.replace(submission, **changes)


def got(number: int, key: str, word: str | None = None, at: datetime | None = MORNING) -> Receipt:
    return Receipt(references=(Reference("id", str(number)),), key=key, word=word, at=at)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench(APP, tmp_path, Connector) as made:
        yield made


async def row(desk: Bench[Connector], number: int = 1) -> dict[str, Any]:
    """Return a report as the app has it."""
    fields: dict[str, Any] = (await desk.records())[number - 1]["fields"]
    return fields


# Contract samples, against both sides.


async def test_the_simulated_app_keeps_the_contract(tmp_path: Path) -> None:
    async with bench(APP, tmp_path, Connector) as made:
        for sample in samples(APP):
            for step in sample.given:
                assert (await play(step, made.address)).status < 300, sample.name
            found = await play(sample.request, made.address)
            assert differences(sample.response, found, made.address) == {}, sample.name


Act = Callable[[Connector], Awaitable[Any]]
TODAY, YESTERDAY = date(2026, 1, 28), date(2026, 1, 27)
TWICE = f"{CODE}-31"
WALK = {f"changes-{day}-01" for day in range(24, 28)} | {"changes"}
PLAYED: list[tuple[set[str], Act, Any]] = [
    ({"destinations", "open"}, lambda c: c.submit(RAILING), got(1, RAILING.key)),
    ({"destinations", "open-hidden"}, lambda c: c.submit(LEVY), got(2, LEVY.key)),
    (
        {"destinations", "open-too-long"},
        lambda c: c.submit(changed(LEVY, key=f"{CODE}-6", title="x" * 121)),
        "description",
    ),
    (
        {"destinations", "open-unknown-category"},
        lambda c: c.submit(changed(LEVY, key=f"{CODE}-6", category="9")),
        "service",
    ),
    ({"find"}, lambda c: c.find(RAILING.key), got(1, RAILING.key, "baru")),
    ({"find-double"}, lambda c: c.find(TWICE), got(3, TWICE, "baru")),
    ({"comment"}, lambda c: c.amend("1", MORE), got(1, MORE.key)),
    ({"comment-absent"}, lambda c: c.amend("99", msgspec.structs.replace(MORE, key=f"{CODE}-7")), None),
    ({"find-absent"} | WALK, lambda c: c.find(MORE.key), got(1, MORE.key, at=None)),
    (
        {"changes", "destinations"},
        lambda c: c.sweep(TODAY),
        ["baru", "baru", "baru", "ditindaklanjuti", "baru"],
    ),
    ({"changes-27-01"}, lambda c: c.sweep(YESTERDAY), []),
    (
        {"categories"},
        lambda c: c.catalogue(),
        [Upstream(kind="category", value=number, label=name) for number, name in CATEGORIES.items()],
    ),
]


@pytest.mark.parametrize(("names", "act", "expected"), PLAYED, ids=[min(names) for names, _, _ in PLAYED])
async def test_the_connector_keeps_the_contract(tmp_path: Path, names: set[str], act: Act, expected: Any) -> None:
    clock = StillClock()
    async with recorded(APP, tmp_path, clock, names) as (fake, address):
        app = app_at(APP, address, clock)
        try:
            found = await act(connector_of(app, Connector))
        except Rejected as refused:
            found = refused.field
        finally:
            await app.close()
        assert set(fake.played) == names
    if isinstance(found, Batch):
        found = [event.word for event in found.news if isinstance(event, Event)]
    assert found == expected


def test_every_sample_is_played_to_the_connector() -> None:
    refused = {"unauthorized", "changes-malformed", "changes-too-many", "unknown-method"}
    others = {"open-twice-1", "open-twice-2"}
    assert {sample.name for sample in samples(APP)} == refused | others | {
        name for names, _, _ in PLAYED for name in names
    }


# Opening.


async def test_a_report_arrives_whole(desk: Bench[Connector]) -> None:
    assert await desk.connector.submit(RAILING) == got(1, RAILING.key)
    (record,) = await desk.records()
    assert (record["key"], record["word"]) == (RAILING.key, "baru")
    assert record["images"] == [{"bytes": len(PNG), "sha256": hashlib.sha256(PNG).hexdigest()}]
    fields = record["fields"]
    assert fields["isi"] == (
        "Pagar pengaman di bibir tebing rusak ᨅᨑᨘ ⚠️\nTempat wisata: Celebes Canyon\nLokasi: loket, Jalur air terjun\n"
        "Desa/kelurahan: Libureng, Kec. Tanete Riaja\nTerkait (follow_up_to): cc112 112-BRU-20260128-0001"
    )
    assert {name: fields[name] for name in ("judul", "id_kategori", "id_destinasi", "bahasa", "rahasia")} == {
        "judul": "Pagar rusak ᨅᨑᨘ",
        "id_kategori": "1",
        "id_destinasi": "2",
        "bahasa": "id",
        "rahasia": "0",
    }
    assert (fields["nama"], fields["telp"], fields["email"]) == ("Hj. Rosmini", PHONE, MAIL)
    assert (fields["lat"], fields["lon"]) == ("-4.51335", "119.7311")
    assert all(isinstance(value, str) for value in fields.values())


async def test_every_service_has_a_category_there_and_back(desk: Bench[Connector]) -> None:
    maps = read_manifest(CONNECTORS / APP).categories
    assert set(maps.inward) == set(CATEGORIES)
    for number, (service, word) in enumerate(maps.out.items(), start=1):
        assert maps.inward[word] == service
        await desk.connector.submit(changed(RAILING, key=f"{CODE}-{number}", service=service, category=word))
    assert [record["fields"]["id_kategori"] for record in await desk.records()] == ["1", "4", "5"]


async def test_a_hidden_reporter_stays_hidden(desk: Bench[Connector]) -> None:
    await desk.connector.submit(changed(LEVY, reporter=Person(name="Andi", phone=PHONE, email=MAIL, hidden=True)))
    fields = await row(desk)
    assert [fields[name] for name in ("nama", "telp", "email", "rahasia")] == ["Dirahasiakan", "", "", "1"]
    journal = json.dumps(await desk.journal())
    assert not [known for known in ("Andi", PHONE[1:], MAIL, "rosmini") if known in journal]


async def test_a_reporter_without_a_name_is_no_secret(desk: Bench[Connector]) -> None:
    await desk.connector.submit(changed(RAILING, reporter=Person(phone=PHONE)))
    fields = await row(desk)
    assert [fields[name] for name in ("nama", "telp", "rahasia")] == ["Tanpa nama", PHONE, "0"]


async def test_no_national_id_ever_leaves(desk: Bench[Connector]) -> None:
    await desk.connector.submit(changed(RAILING, reporter=Person(name="Andi", national_id="7311071203780002")))
    assert "7311071203780002" not in json.dumps([await desk.journal(), await desk.records()])


@pytest.mark.parametrize(("language", "told"), [("id", "id"), ("en", "en"), ("bug", "id")])
async def test_the_language_goes_along(desk: Bench[Connector], language: str, told: str) -> None:
    await desk.connector.submit(changed(RAILING, language=language))
    assert (await row(desk))["bahasa"] == told


@pytest.mark.parametrize(("degrees", "told"), [(-4.1, "-4.1"), (0.00001, "0.00001"), (9.0, "9.0"), (1e-7, "0.0000001")])
async def test_degrees_are_decimals_in_full(desk: Bench[Connector], degrees: float, told: str) -> None:
    await desk.connector.submit(changed(RAILING, site=Site(latitude=degrees, longitude=degrees)))
    fields = await row(desk)
    assert (fields["lat"], fields["lon"]) == (told, told)


@pytest.mark.parametrize("text", ["ᨅᨑᨘ " * 1000, "مطر\u202eغزير", "👩‍🚒" * 900, "a\x00b", "x" * 4000, "a&b=c+d%20;\r\n"])
async def test_text_of_every_script_is_carried(desk: Bench[Connector], text: str) -> None:
    await desk.connector.submit(changed(RAILING, text=text[:4000], attributes={}))
    assert (await row(desk))["isi"].startswith(text[:4000] + "\nLokasi: ")
    await desk.connector.amend("1", msgspec.structs.replace(MORE, text=text[:4000]))
    assert (await desk.records())[0]["messages"] == [{"key": MORE.key, "text": text[:4000]}]


async def test_half_an_emoji_is_refused_by_name_and_nothing_is_cut(desk: Bench[Connector]) -> None:
    for changes, field in (
        ({"text": "a\ud83d"}, "description"),
        ({"title": "a\ud83d"}, "description"),
        ({"reporter": Person(name="a\udc00")}, "reporter.name"),
        ({"attributes": {"destination": "\ud83d"}}, "description"),
    ):
        with pytest.raises(Rejected) as refused:
            await desk.connector.submit(changed(RAILING, **changes))
        assert refused.value.field == field
    with pytest.raises(Rejected):
        await desk.connector.amend("1", msgspec.structs.replace(MORE, text="\ud83d"))
    assert await desk.records() == []


REFUSALS: list[tuple[Submission, str]] = [
    (changed(LEVY, text="x" * 10_001), "description"),
    (changed(LEVY, title="x" * 121), "description"),
    (changed(LEVY, title=""), "description"),
    (changed(LEVY, category="9"), "service"),
    (changed(LEVY, reporter=Person(name="x" * 101)), "reporter.name"),
    (changed(LEVY, reporter=Person(name="A", phone="0" * 21)), "reporter.phone"),
    (changed(LEVY, reporter=Person(name="A", email="a" * 101)), "reporter.email"),
    (changed(LEVY, site=Site(latitude=-400.5, longitude=1.0)), "place.point"),
]


@pytest.mark.parametrize(("submission", "field"), REFUSALS)
async def test_a_refusal_names_what_can_be_mended(desk: Bench[Connector], submission: Submission, field: str) -> None:
    with pytest.raises(Rejected) as refused:
        await desk.connector.submit(submission)
    assert refused.value.field == field
    assert await desk.records() == []


async def test_a_destination_that_is_gone_is_refused_by_name(desk: Bench[Connector]) -> None:
    await desk.control("quirks", {"destination_added": True})
    there = changed(RAILING, attributes={"destination": "pantai baru siddo"})
    await desk.connector.submit(there)
    await desk.control("quirks", {"destination_added": False})
    with pytest.raises(Rejected) as refused:
        await desk.connector.submit(there)
    assert refused.value.field == "attributes.destination"
