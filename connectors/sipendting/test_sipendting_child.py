"""Of a child nothing crosses, in either direction: canaries in every field of the profile `stunting`."""

import json
import string
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sipendting import heard, wire
from connectors.sipendting.connector import Connector
from connectors.sipendting.test_sipendting import CHILD, CODE, JANGAN_JANGAN, MORE, PNG, changed
from connectors.sipendting.test_sipendting_news import events, gathered
from gateway.sdk import Document, Event, Linked, News, Opening, Person, Site, Submission, Unreadable
from gateway.sdk.manifest import read_manifest
from tests.sandboxes import CONNECTORS, Bench, bench

NIK = "7311015408230001"
CANARY = "Kenari"
"""Stands, with the name of its field, wherever somebody may write of a child."""

WHOLE = changed(
    CHILD,
    title=f"{CANARY} title",
    text=f"{CANARY} text: anak Budi, NIK {NIK}, berat 8,1 kg, tinggi 76 cm",
    site=Site(
        codes=JANGAN_JANGAN,
        latitude=-4.4711,
        longitude=119.7302,
        accuracy_m=5.0,
        address=f"{CANARY} address",
        landmark=f"{CANARY} landmark",
    ),
    reporter=Person(name="Nur Afiah", phone="+6282193000207", email=f"{CANARY}@example.id", national_id=NIK),
    attributes={
        "relation": "parent",
        "case_number": "STG-2026-0042",
        "child_name": f"{CANARY} child_name",
        "child_nik": NIK,
        "weight_kg": 8.123,
        "height_cm": 76.54,
    },
    documents=(Document(name=f"{CANARY}.png", media_type="image/png", content=PNG),),
    linked=(Linked(kind="follow_up_to", app="cc112", value=f"{CANARY}-linked", code="BRU-0000-0000"),),
)
TELLING = ("Kenari", "Budi", NIK, "8,1", "8.123", "76 cm", "76.54", "-4.4711", "119.7302", "iVBORw0KGgo")
"""What gives a child away."""

BORN: dict[str, Any] = {
    "profil": "stunting",
    "kategori": "ch-stunt",
    "judul": f"{CANARY} judul, kasus STG-2026-0051",
    "isi": f"{CANARY} isi: anak Budi, NIK {NIK}, berat 8,1 kg, tinggi 76 cm",
    "pelapor": {"nama": "Kader Mawar", "no_hp": "081355501234", "rahasia": "T"},
    "wilayah": {"kode_bps": "7310011004"},
    "lokasi": {"lat": "-4.4711", "lon": "119.7302"},
    "tanggal": "2026-01-27",
}


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench("sipendting", tmp_path, Connector) as made:
        yield made


def told(text: str) -> list[str]:
    """Return what in a text gives a child away."""
    return [telling for telling in TELLING if telling in text]


# Outward.


@pytest.mark.parametrize("profile", ["stunting", "pengaduan", None])
async def test_nothing_of_a_child_leaves(office: Bench[Connector], profile: str | None) -> None:
    """Even where the host had left everything in, and whatever profile the routing named."""
    await office.connector.submit(changed(WHOLE, profile=profile))
    (request,) = await office.journal()
    assert told(request["body"]) == []
    assert json.loads(request["body"]) == {
        "ref_cons": CHILD.key,
        "profil": "stunting",
        "kategori": "ch-stunt",
        "judul": "Mohon periksa balita, kasus STG-2026-0042",
        "isi": f"Mohon periksa balita.\nHubungan pelapor: orang tua.\nRincian hanya ada di gateway, laporan {CODE}.",
        "pelapor": {"nama": "Nur Afiah", "no_hp": "+6282193000207", "rahasia": "T"},
        "wilayah": {"kode_bps": "7310011004"},
        "lokasi": None,
        "tanggal": "2026-01-28",
        "foto": [],
    }


def test_the_host_takes_out_what_the_profile_does_not_share() -> None:
    manifest = read_manifest(CONNECTORS / "sipendting")
    assert set(manifest.shares_of("stunting")) == {
        "reporter.name",
        "reporter.phone",
        "place.village",
        "attributes.relation",
        "attributes.case_number",
    }
    assert {"description", "documents", "place.point", "linked"} <= set(manifest.shares_of("pengaduan"))


@pytest.mark.parametrize("category", ["ch-stunt", "ch-preg"])
async def test_a_message_says_only_that_there_is_one(office: Bench[Connector], category: str) -> None:
    await office.connector.submit(changed(CHILD, category=category))
    said = msgspec.structs.replace(
        MORE,
        text=WHOLE.text,
        attributes=WHOLE.attributes,
        documents=WHOLE.documents,
    )
    await office.connector.amend("PDT-2026-000001", said)
    journal = await office.journal()
    assert told(json.dumps(journal)) == []
    assert json.loads(journal[-1]["body"]) == {
        "ref_cons": MORE.key,
        "isi": f"Pelapor menambahkan keterangan. Rincian hanya ada di gateway, laporan {CODE}.",
    }


CASES = ["STG-2026-0042", "PKM/031/2026", "KMS-12345", "AB-12-34-5"]
NOT_CASES: list[object] = [
    *("Budi", "BUDI", "ANI-2024", "TB-67", "BB-8.1", "8,1", "76", NIK, "731101-540823-0001", "NIK-731101-540823-0001"),
    *("12-03-2024", "STG-2026-0042 Budi", "stg-2026-0042", "STG-2026-0042\nBudi", "STG-٢٠٢٦-٠٠٤٢", "STG-", 12345, True),
    *(["STG-2026-0042"], {"Budi": 1}),
]


@pytest.mark.parametrize("number", CASES)
async def test_a_case_number_is_opaque_and_carried(office: Bench[Connector], number: str) -> None:
    await office.connector.submit(changed(CHILD, attributes={"case_number": number}))
    fields = (await office.records())[0]["fields"]
    assert fields["judul"] == f"Mohon periksa balita, kasus {number}"
    assert "ditahan" not in fields["isi"]


@pytest.mark.parametrize("number", NOT_CASES, ids=repr)
async def test_what_is_no_case_number_is_held_back_and_that_is_said(office: Bench[Connector], number: object) -> None:
    await office.connector.submit(changed(CHILD, attributes={"case_number": number, "relation": number}))
    fields = (await office.records())[0]["fields"]
    assert fields["judul"] == "Mohon periksa balita"
    assert fields["isi"] == (
        "Mohon periksa balita.\nNomor kasus dari pelapor tidak berbentuk nomor kasus dan ditahan di gateway.\n"
        f"Rincian hanya ada di gateway, laporan {CODE}."
    )


Written = st.text(string.ascii_letters + string.digits + " -/.,:\n", max_size=60)


@given(Written, Written, st.dictionaries(st.sampled_from(["case_number", "relation", "note", "name"]), Written))
def test_whatever_is_written_the_request_says_one_of_few_things(title: str, text: str, answers: dict[str, str]) -> None:
    submission: Submission = changed(WHOLE, title=title, text=text, attributes=answers)
    body = wire.new_report("stunting", submission, ZoneInfo("Asia/Makassar"))
    case = answers.get("case_number", "")
    opaque = case if wire.CASE.fullmatch(case) else None
    assert body["judul"] == "Mohon periksa balita" + (f", kasus {opaque}" if opaque else "")
    lines = str(body["isi"]).splitlines()
    known = {
        "Mohon periksa balita.",
        "Nomor kasus dari pelapor tidak berbentuk nomor kasus dan ditahan di gateway.",
        f"Rincian hanya ada di gateway, laporan {CODE}.",
        *(f"Hubungan pelapor: {relation}." for relation in wire.RELATIONS.values()),
    }
    assert set(lines) <= known
    assert (body["lokasi"], body["foto"]) == (None, [])


# Inward.


def test_of_a_row_nothing_is_known_that_tells_of_a_child() -> None:
    additions = [
        {"id": 1, "ref_cons": None, "dari": "petugas", "isi": f"{CANARY}: Budi 8,1 kg", "waktu": 1, "anak": CANARY},
        {"id": 2, "ref_cons": f"{CODE}-4", "dari": "pelapor", "isi": CANARY, "waktu": 2},
        f"{CANARY} no object",
    ]
    extra = {name: f"{CANARY} {name}" * 9 for name in ("status_label", "catatan", "anak", "nik")}
    row = {
        "no_laporan": "PDT-2026-000004",
        "ref_cons": None,
        **BORN,
        **extra,
        "wilayah": {"kode_bps": "7310011004", "alamat": f"{CANARY} alamat"},
        "pelapor": {**BORN["pelapor"], "anak": f"{CANARY} anak"},
        "status": {"anak": CANARY},
        "foto": [CANARY],
        "tambahan": additions,
        "dibuat": 1,
        "diubah": 2,
    }
    known = heard.known_of(row)
    assert told(json.dumps(known)) == []
    assert known == {
        "no_laporan": "PDT-2026-000004",
        "ref_cons": None,
        "profil": "stunting",
        "kategori": "ch-stunt",
        "judul": "kasus STG-2026-0051",
        "pelapor": {"nama": "Kader Mawar", "no_hp": "081355501234", "rahasia": "T"},
        "wilayah": {"kode_bps": "7310011004"},
        "tanggal": "2026-01-27",
        "dibuat": 1,
        "diubah": 2,
        "tambahan": [
            {"id": 1, "ref_cons": None, "dari": "petugas", "waktu": 1},
            {"id": 2, "ref_cons": f"{CODE}-4", "dari": "pelapor", "waktu": 2},
            {},
        ],
    }


@pytest.mark.parametrize("row", [f"{CANARY}", [CANARY], {CANARY: CANARY}, {"profil": "gizi", "isi": CANARY}, None, 7])
def test_of_what_is_no_report_nothing_is_known(row: Any) -> None:
    assert told(json.dumps(heard.known_of(row))) == []


async def test_nothing_of_a_child_comes_in(office: Bench[Connector]) -> None:
    number = await office.born(BORN)
    await office.advance(number, "2", note=f"{CANARY} note: Budi 8,1 kg, 76 cm")
    read = list((await office.connector.read(number, None)).news)
    polled, cursor = await gathered(office)
    swept = list((await office.connector.sweep(office.clock.now().date())).news)
    assert read == polled
    assert swept == [event for event in events(polled) if event.kind == "stunting"]
    for news in (read, polled, swept):
        assert told(msgspec.json.encode(news).decode()) == []
    assert told(cursor or "") == []
    moved, note = events(polled)
    assert (moved.word, moved.facts) == ("stunting/2", {"flagged": True})
    assert moved.opening == Opening(
        category="ch-stunt",
        text="Mohon periksa balita",
        occurred_at=moved.opening.occurred_at if moved.opening else None,
        site_village="73.11.06.2004",
        reporter=Person(name="Kader Mawar", phone="081355501234"),
        attributes={"case_number": "STG-2026-0051"},
    )
    assert note.text == heard.UNTOLD


async def test_a_broken_row_about_a_child_is_set_aside_without_the_child(office: Bench[Connector]) -> None:
    number = await office.born(BORN)
    record = office.sandbox.store.records[number]
    broken = {**record.row, "status": {"anak": "Budi"}, "pelapor": {"nama": "Kader \ud83d"}}
    office.sandbox._shown = lambda one: broken  # type: ignore[attr-defined]
    news, _ = await gathered(office)
    news += (await office.connector.read(number, None)).news
    assert len(news) == 2
    for one in news:
        assert isinstance(one, Unreadable)
        assert told(one.raw.decode() + one.reason + one.id) == []


async def test_of_another_regencys_child_only_the_number_is_kept(office: Bench[Connector]) -> None:
    number = await office.born({**BORN, "wilayah": {"kode_bps": "7311030005"}})
    (news,) = (await gathered(office))[0]
    assert isinstance(news, Unreadable)
    assert news.raw == number.encode()


@pytest.mark.parametrize("title", ["Budi", "kasus Budi", f"kasus {NIK}", "kasus STG-2026-0051 Budi", "STG-2026-0051"])
async def test_a_title_gives_its_case_number_and_nothing_else(office: Bench[Connector], title: str) -> None:
    await office.born({**BORN, "judul": title})
    (event,) = events((await gathered(office))[0])
    assert isinstance(event, Event)
    assert event.opening is not None
    assert event.opening.attributes == {}
    assert told(msgspec.json.encode(event).decode()) == []


async def test_an_officers_words_about_a_complaint_are_told(office: Bench[Connector]) -> None:
    """The other profile is not silenced by the care for this one."""
    number = await office.born({"isi": f"{CANARY} isi"})
    await office.advance(number, "4", note=f"{CANARY} note")
    news: list[News] = (await gathered(office))[0]
    assert [event.text for event in events(news)] == [None, f"{CANARY} note"]
