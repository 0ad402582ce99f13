"""Si-GAPDes: connector and simulated app against the contract, and against each other on real sockets."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.sigapdes.connector import Connector
from gateway.sdk import (
    Amendment,
    ContractBroken,
    Document,
    Linked,
    Person,
    PlaceCodes,
    Receipt,
    Reference,
    Rejected,
    Retryable,
    Site,
    Submission,
    Unauthorized,
)
from gateway.sdk.manifest import read_manifest
from tests.samples import differences, play, recorded, samples
from tests.sandboxes import CONNECTORS, MORNING, Bench, StillClock, app_at, bench, connector_of

CODE = "BRU-7Q4M-2XKT"
PNG = b"\x89PNG\r\n\x1a\n"


def village(dotted: str, name: str, district: str) -> PlaceCodes:
    compact = dotted.replace(".", "")
    return PlaceCodes(
        kemendagri=dotted, compact=compact, bps=None, bps_district="7310041", village=name, district=district
    )


TAKKALASI = village("73.11.07.1001", "Takkalasi", "Balusu")
FUND = Submission(
    key=f"{CODE}-1",
    code=CODE,
    service="VI-FUND",
    category="pengaduan/dana_desa",
    profile=None,
    priority="P3",
    title="Dana desa untuk jembatan ᨅᨑᨘ",
    text="Dana desa untuk jembatan ᨅᨑᨘ belum dipakai 🌉",
    occurred_at=MORNING,
    received_at=MORNING,
    site=Site(codes=TAKKALASI),
    reporter=Person(hidden=True),
    attributes={"budget_year": 2025},
)
DAMAGE = Submission(
    key=f"{CODE}-3",
    code=CODE,
    service="VI-DAMAGE",
    category="kerusakan",
    profile=None,
    priority="P2",
    title="Rumah terendam",
    text="Rumah terendam",
    occurred_at=MORNING,
    received_at=MORNING,
    site=Site(codes=TAKKALASI, latitude=-4.32249, longitude=119.65035, address="dekat jembatan"),
    reporter=Person(name="Operator Takkalasi", phone="+6281342000205", national_id="7311071203780002"),
    attributes={"head_of_family": "Hj. Rosmini", "people": 4, "disaster": "banjir", "severity": "berat"},
    documents=(Document(name="rumah.png", media_type="image/png", content=PNG),),
    linked=(Linked(kind="follow_up_to", app="cc112", value="112-BRU-20260128-0001", code="BRU-0000-0000"),),
)
LETTER = Submission(
    key=f"{CODE}-4",
    code=CODE,
    service="VI-LETTER",
    category="surat",
    profile=None,
    priority="P3",
    title="Melengkapi permohonan beasiswa",
    text="Melengkapi permohonan beasiswa",
    occurred_at=MORNING,
    received_at=MORNING,
    site=Site(codes=village("73.11.07.2005", "Madello", "Balusu")),
    reporter=Person(name="Nur Afiah", phone="+6282193000207", national_id="7311075408050003"),
    attributes={"letter_type": "tidak_mampu", "purpose": "Beasiswa"},
)
REPLY = Amendment(key=f"{CODE}-2", code=CODE, command="message", text="Papan proyeknya juga tidak ada", at=MORNING)


def changed(submission: Submission, **changes: Any) -> Submission:
    return msgspec.structs.replace(submission, **changes)


def got(reference: str, key: str, word: str | None = None) -> Receipt:
    return Receipt(references=(Reference("id", reference),), key=key, word=word)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench("sigapdes", tmp_path, Connector) as made:
        yield made


# Contract samples, against both sides (K02).


async def test_the_simulated_app_keeps_the_contract(tmp_path: Path) -> None:
    async with bench("sigapdes", tmp_path, Connector) as made:
        for sample in samples("sigapdes"):
            for step in sample.given:
                assert (await play(step, made.address)).status < 300, sample.name
            found = await play(sample.request, made.address)
            assert differences(sample.response, found, made.address) == {}, sample.name


Act = Callable[[Connector], Awaitable[Any]]
LISTS = {f"{feed}-{kind}" for feed in ("list", "changes") for kind in ("pengaduan", "kerusakan", "surat")}
CURSOR = (
    '{"pengaduan":{"id":0,"since":"2026-01-28 10:13:30"},'
    '"kerusakan":{"id":1,"since":"2026-01-28 10:13:30"},"surat":{"id":1,"since":"2026-01-28 10:13:30"}}'
)
PLAYED: list[tuple[set[str], Act, Any]] = [
    ({"open-pengaduan"}, lambda c: c.submit(FUND), got("pengaduan:1", FUND.key, "pengaduan/1")),
    ({"open-kerusakan"}, lambda c: c.submit(DAMAGE), got("kerusakan:1", DAMAGE.key, "kerusakan/1")),
    ({"open-surat"}, lambda c: c.submit(LETTER), got("surat:1", LETTER.key, "surat/1")),
    (
        {"open-unregistered-village"},
        lambda c: c.submit(changed(FUND, key=f"{CODE}-5", site=Site(codes=village("73.11.07.9999", "X", "Y")))),
        "place.village",
    ),
    (
        {"open-surat-without-nik"},
        lambda c: c.submit(changed(LETTER, key=f"{CODE}-6", reporter=Person(name="Nur Afiah", phone="+6282193000207"))),
        "reporter.national_id",
    ),
    ({"find-pengaduan"}, lambda c: c.find(FUND.key), got("pengaduan:1", FUND.key, "pengaduan/1")),
    ({"reply"}, lambda c: c.amend("pengaduan:1", REPLY), got("pengaduan:1", REPLY.key)),
    ({"refused-with-a-reply"}, lambda c: c.read("pengaduan:1", None), ["pengaduan/3/ditolak", None]),
    ({"finished-letter"}, lambda c: c.read("surat:1", None), ["surat/4", None]),
    (LISTS, lambda c: c.poll(CURSOR), ["pengaduan/3/ditolak", None, "kerusakan/1", "kerusakan/1", "surat/4", None]),
]


@pytest.mark.parametrize(("names", "act", "expected"), PLAYED, ids=[min(names) for names, _, _ in PLAYED])
async def test_the_connector_keeps_the_contract(tmp_path: Path, names: set[str], act: Act, expected: Any) -> None:
    clock = StillClock()
    clock.forward(seconds=5)  # what a list shows of the running second may change again, and is told later
    async with recorded("sigapdes", tmp_path, clock, {"login"} | names) as (fake, address):
        app = app_at("sigapdes", address, clock)
        try:
            found = await act(connector_of(app, Connector))
        except Rejected as refused:
            found = refused.field
        finally:
            await app.close()
        assert fake.played[0] == "login"
        assert set(fake.played[1:]) == names
    if isinstance(expected, list):
        found = [event.word for event in found.news]
    assert found == expected


def test_every_sample_is_played_to_the_connector() -> None:
    absent = {"find-absent", "find-absent-kerusakan", "find-absent-surat"}
    refused = {"login", "login-refused", "unauthorized", "changes-malformed"}
    assert {sample.name for sample in samples("sigapdes")} == absent | refused | {
        name for names, _, _ in PLAYED for name in names
    }


# Opening.


async def test_a_damage_record_arrives_whole(office: Bench[Connector]) -> None:
    assert await office.connector.submit(DAMAGE) == got("kerusakan:1", DAMAGE.key, "kerusakan/1")
    (record,) = await office.records()
    assert (record["key"], record["word"]) == (DAMAGE.key, "1")
    assert record["images"] == [{"bytes": len(PNG), "sha256": hashlib.sha256(PNG).hexdigest()}]
    row = record["fields"]
    assert (row["nama_kk"], row["nik_kk"], row["jumlah_jiwa"]) == ("Hj. Rosmini", None, 4)
    assert (row["jenis_bencana"], row["tingkat"], row["kode_desa"]) == ("banjir", "berat", "7311071001")
    assert row["keterangan"].endswith("Terkait (follow_up_to): cc112 112-BRU-20260128-0001")


async def test_a_family_that_reports_itself(office: Bench[Connector]) -> None:
    attributes = {"people": 4, "disaster": "banjir", "severity": "berat"}
    await office.connector.submit(changed(DAMAGE, attributes=attributes))
    row = (await office.records())[0]["fields"]
    assert (row["nama_kk"], row["nik_kk"]) == ("Operator Takkalasi", "7311071203780002")


@pytest.mark.parametrize(("hour", "day"), [(15, "2028-02-29"), (16, "2028-03-01")])
async def test_a_day_is_a_day_in_barru(office: Bench[Connector], hour: int, day: str) -> None:
    at = datetime(2028, 2, 29, hour, 30, tzinfo=UTC)
    office.clock.at = at + timedelta(hours=1)
    await office.connector.submit(changed(DAMAGE, occurred_at=at))
    assert (await office.records())[0]["fields"]["tanggal_kejadian"] == day


async def test_every_service_has_a_category_there_and_back(office: Bench[Connector]) -> None:
    maps = read_manifest(CONNECTORS / "sigapdes").categories
    known = {"surat": LETTER, "kerusakan": DAMAGE}
    for number, (service, word) in enumerate(maps.out.items(), start=1):
        assert service.startswith("CH-") or maps.inward[word] == service
        base = known.get(word, FUND)
        await office.connector.submit(changed(base, key=f"{CODE}-{number}", service=service, category=word))
    assert len(await office.records()) == len(maps.out)
    with pytest.raises(Rejected) as refused:
        await office.connector.submit(changed(FUND, category="kehilangan"))
    assert refused.value.field == "service"


async def test_a_hidden_reporter_stays_hidden(office: Bench[Connector]) -> None:
    await office.connector.submit(FUND)
    row = (await office.records())[0]["fields"]
    assert (row["nama"], row["no_hp"], row["nik"]) == ("Dirahasiakan", "", None)


@pytest.mark.parametrize("text", ["ᨅᨑᨘ " * 1000, "مطر\u202eغزير", "👩‍🚒" * 900, "a\x00b"])
async def test_text_of_every_script_is_carried(office: Bench[Connector], text: str) -> None:
    await office.connector.submit(changed(FUND, text=text[:4000], attributes={}))
    assert (await office.records())[0]["fields"]["isi"] == text[:4000]


REFUSALS: list[tuple[Submission, str]] = [
    (changed(FUND, text="x" * 10_001), "description"),
    (changed(FUND, title="x" * 101), "description"),
    (changed(FUND, site=Site()), "place.village"),
    (changed(FUND, reporter=Person(name="A", national_id="73")), "reporter.national_id"),
    (changed(LETTER, attributes={}), "attributes.letter_type"),
    (changed(LETTER, reporter=Person(name="A", national_id="7311075408050003")), "reporter.phone"),
    (changed(LETTER, reporter=Person(hidden=True)), "reporter.national_id"),
    (changed(DAMAGE, attributes={**DAMAGE.attributes, "people": "empat"}), "attributes.people"),
]


@pytest.mark.parametrize(("submission", "field"), REFUSALS, ids=[field for _, field in REFUSALS])
async def test_a_refusal_names_what_can_be_mended(office: Bench[Connector], submission: Submission, field: str) -> None:
    with pytest.raises(Rejected) as refused:
        await office.connector.submit(submission)
    assert refused.value.field == field
    assert await office.records() == []


async def test_files_that_do_not_fit_are_mentioned(office: Bench[Connector]) -> None:
    huge = Document(name="besar.jpg", media_type="image/jpeg", content=b"x" * (2 * 1024 * 1024 + 1))
    files = [Document(name=f"{n}.jpg", media_type="image/jpeg", content=b"%d" % n) for n in range(1, 5)]
    await office.connector.submit(changed(FUND, documents=(huge, *files)))
    (record,) = await office.records()
    assert [image["bytes"] for image in record["images"]] == [1, 1, 1]
    assert record["fields"]["isi"].endswith(f"\n(2 lampiran lain ada di laporan {CODE})")


# Looking up.


async def test_a_repeated_key_makes_a_second_record_so_it_is_looked_up(office: Bench[Connector]) -> None:
    for _ in range(2):
        await office.connector.submit(FUND)
    assert len(await office.records()) == 2
    assert await office.connector.find(FUND.key) == got("pengaduan:1", FUND.key, "pengaduan/1")


async def test_each_kind_is_found_and_nothing_else(office: Bench[Connector]) -> None:
    for submission, reference in ((FUND, "pengaduan:1"), (DAMAGE, "kerusakan:1"), (LETTER, "surat:1")):
        assert await office.connector.find(submission.key) is None
        await office.connector.submit(submission)
        found = await office.connector.find(submission.key)
        assert found is not None
        assert found.references[0].value == reference
    assert await office.connector.find(f"{CODE}-31") is None


async def test_a_reply_is_found_in_our_records_and_in_those_born_there(office: Bench[Connector]) -> None:
    await office.connector.submit(FUND)
    born = await office.born({"kode_desa": "7311071001", "isi": "Lampu balai desa mati"})
    for reference, key in (("pengaduan:1", f"{CODE}-2"), (born, f"{CODE}-7")):
        assert await office.connector.find(key) is None
        await office.connector.amend(reference, msgspec.structs.replace(REPLY, key=key))
        assert await office.connector.find(key) == got(reference, key)
    assert await office.connector.find(f"{CODE}-8") is None


async def test_a_reply_is_found_behind_many_changes(office: Bench[Connector]) -> None:
    """More than a page of changes, all within one second, with the one we look for in their middle."""
    born = [await office.born({"kode_desa": "7311071001", "isi": str(number)}) for number in range(120)]
    await office.connector.amend(born[60], REPLY)
    assert await office.connector.find(REPLY.key) == got(born[60], REPLY.key)
    office.clock.forward(days=3)
    assert await office.connector.find(REPLY.key) == got(born[60], REPLY.key)


async def test_the_record_of_another_key_is_not_accepted(office: Bench[Connector]) -> None:
    await office.connector.submit(FUND)
    office.sandbox.store._keys[f"pengaduan {CODE}-31"] = "pengaduan:1"
    with pytest.raises(ContractBroken):
        await office.connector.find(f"{CODE}-31")


async def test_a_page_instead_of_an_answer_is_never_absence(office: Bench[Connector]) -> None:
    await office.connector.find(FUND.key)
    await office.control("quirks", {"html": 1})
    with pytest.raises(ContractBroken):
        await office.connector.find(FUND.key)


# Replies.


async def test_a_reply_answers_an_incomplete_letter(office: Bench[Connector]) -> None:
    await office.connector.submit(LETTER)
    await office.advance("surat:1", "0", note="Mohon sebutkan nama orang tua")
    kept = Document(name="kk.pdf", media_type="application/pdf", content=b"%PDF-")
    await office.connector.amend("surat:1", msgspec.structs.replace(REPLY, documents=(kept,)))
    (record,) = await office.records()
    assert record["word"] == "1"
    assert record["messages"][-1] == {"key": REPLY.key, "text": REPLY.text}
    assert record["images"][-1]["sha256"] == hashlib.sha256(b"%PDF-").hexdigest()


@pytest.mark.parametrize(
    ("reference", "command"), [("pengaduan:1", "withdraw"), ("laporan:1", "message"), ("pengaduan:9", "message")]
)
async def test_what_cannot_be_carried_is_refused(office: Bench[Connector], reference: str, command: str) -> None:
    with pytest.raises(Rejected):
        await office.connector.amend(reference, msgspec.structs.replace(REPLY, command=command))


# Who is asking, and how often.


async def test_a_login_that_ends_in_the_middle_is_renewed_once(office: Bench[Connector]) -> None:
    await office.connector.submit(FUND)
    office.clock.forward(days=7, seconds=1)
    await office.connector.submit(DAMAGE)
    await office.control("quirks", {"expire_tokens": 1})
    await office.connector.submit(LETTER)
    logins = [request for request in await office.journal() if request["path"].endswith("/login")]
    assert len(logins) == 3
    assert [request["body"] for request in logins] == [None] * 3  # the journal keeps no password
    assert len(await office.records()) == 3


async def test_a_wrong_password_is_told_apart(office: Bench[Connector]) -> None:
    wrong = {"GATEWAY_SIGAPDES_USERNAME": "gateway", "GATEWAY_SIGAPDES_PASSWORD": "not-the-password"}
    app = app_at("sigapdes", office.address, office.clock, secrets=wrong)
    with pytest.raises(Unauthorized) as refused:
        await connector_of(app, Connector).submit(FUND)
    await app.close()
    assert "not-the-password" not in str(refused.value)
    assert len(await office.journal()) == 1


async def test_the_limit_of_the_app_is_obeyed(tmp_path: Path) -> None:
    async with bench("sigapdes", tmp_path, Connector, unlimited=False) as made:
        await asyncio.gather(*(made.connector.submit(changed(FUND, key=f"{CODE}-{n}")) for n in range(1, 12)))
        assert {request["status"] for request in await made.journal()} == {200, 201}
        app = app_at("sigapdes", made.address, made.clock)
        impatient = connector_of(app, Connector)
        with pytest.raises(Retryable) as later:
            await impatient.poll(None)
        await app.close()
        assert later.value.after == 1
