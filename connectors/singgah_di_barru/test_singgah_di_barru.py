"""Singgah Di Barru: connector and simulated app against the contract, and against each other on real sockets."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.singgah_di_barru.connector import Connector
from connectors.singgah_di_barru.sandbox import CATEGORIES, DESTINATIONS
from connectors.singgah_di_barru.wire import FILES_MOST
from gateway.sdk import (
    Amendment,
    Batch,
    ContractBroken,
    Document,
    Event,
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
    Upstream,
)
from gateway.sdk.exchange import Call, calling
from gateway.sdk.manifest import read_manifest
from tests.samples import differences, play, recorded, samples
from tests.sandboxes import CONNECTORS, MORNING, Bench, StillClock, app_at, bench, connector_of, secrets_of

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


# Documents.


async def test_files_of_every_kind_go_out(desk: Bench[Connector]) -> None:
    files = [
        Document(name=f"karcis {n} «ᨅ».pdf", media_type="application/pdf", content=b"%%PDF-%d" % n) for n in (1, 2)
    ]
    await desk.connector.submit(changed(RAILING, documents=tuple(files)))
    (record,) = await desk.records()
    assert [one["sha256"] for one in record["images"]] == [
        hashlib.sha256(one.content or b"").hexdigest() for one in files
    ]
    assert "lampiran lain" not in record["fields"]["isi"]


async def test_files_that_do_not_fit_are_mentioned(desk: Bench[Connector]) -> None:
    """5 MB hold for the string that carries them, so for about 3.7 MB of pictures."""
    files = [
        Document(name="besar.jpg", media_type="image/jpeg", content=b"x" * (FILES_MOST * 3 // 4)),
        Document(name="kecil.jpg", media_type="image/jpeg", content=b"1"),
        Document(name="tanpa isi.jpg", media_type="image/jpeg"),
    ]
    await desk.connector.submit(changed(RAILING, documents=tuple(files)))
    (record,) = await desk.records()
    assert [one["bytes"] for one in record["images"]] == [1]
    assert record["fields"]["isi"].endswith(f"\n(2 lampiran lain ada di laporan {CODE})")


async def test_files_fill_the_limit_to_the_last_byte(desk: Bench[Connector]) -> None:
    overhead = len('[{"nama":"a.jpg","tipe":"image/jpeg","isi":""}]')
    room = (FILES_MOST - overhead) // 4 * 3
    for size, fits in ((room, True), (room + 3, False)):
        one = Document(name="a.jpg", media_type="image/jpeg", content=b"x" * size)
        await desk.connector.submit(changed(LEVY, documents=(one,)))
        assert ("lampiran lain" not in (await desk.records())[-1]["fields"]["isi"]) is fits
    assert len(base64.b64encode(b"x" * room)) + overhead <= FILES_MOST


async def test_files_with_a_comment_are_mentioned(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    await desk.connector.amend("1", msgspec.structs.replace(MORE, documents=RAILING.documents))
    (message,) = (await desk.records())[0]["messages"]
    assert message["text"] == f"{MORE.text}\n(1 lampiran lain ada di laporan {CODE})"


# Which destination is meant.

NEAR, FAR = (-4.51335, 119.7311), (-4.30, 119.76)
MEANT: list[tuple[Site, object, str]] = [
    (Site(), None, ""),
    (Site(), "4", "4"),
    (Site(), 4, "4"),
    (Site(), "  pantai KUPA ", "4"),
    (Site(), "Pantai", ""),
    (Site(), "77", ""),
    (Site(latitude=NEAR[0], longitude=NEAR[1]), None, "2"),
    (Site(latitude=NEAR[0], longitude=NEAR[1], codes=TAKKALASI), None, "2"),
    (Site(latitude=NEAR[0], longitude=NEAR[1]), "Pantai Kupa", "4"),
    (Site(latitude=FAR[0], longitude=FAR[1]), None, ""),
    (Site(latitude=FAR[0], longitude=FAR[1], codes=TAKKALASI), None, "13"),
    (Site(codes=LIBURENG), None, "2"),
    (Site(codes=TAKKALASI), None, "13"),
    (Site(codes=SUMPANG), None, ""),  # two destinations there: a person must say which
    (Site(codes=village("73.11.06.2004", "Jangan Jangan", "Pujananting")), None, ""),
]


@pytest.mark.parametrize(("site", "answer", "destination"), MEANT)
async def test_the_destination_that_a_place_means(
    desk: Bench[Connector], site: Site, answer: object, destination: str
) -> None:
    attributes = {} if answer is None else {"destination": answer}
    await desk.connector.submit(changed(RAILING, site=site, attributes=attributes))
    assert (await row(desk))["id_destinasi"] == destination


async def test_a_village_is_named_whatever_the_destination(desk: Bench[Connector]) -> None:
    await desk.connector.submit(changed(RAILING, site=Site(codes=SUMPANG), attributes={}))
    assert "Desa/kelurahan: Sumpang Binangae, Kec. Barru" in (await row(desk))["isi"].splitlines()


async def test_destinations_are_asked_for_now_and_then(desk: Bench[Connector]) -> None:
    for number in (1, 2, 3):
        await desk.connector.submit(changed(RAILING, key=f"{CODE}-{number}"))
    asked = [one["path"].rpartition("/")[2] for one in await desk.journal()]
    assert asked == ["getdestinasi", *["kirimlaporan"] * 3]


async def test_without_destinations_nothing_is_sent(desk: Bench[Connector]) -> None:
    for quirk in ("html", "html_502"):
        await desk.control("quirks", {quirk: 1})
        with pytest.raises(Retryable):
            await desk.connector.submit(RAILING)
    assert await desk.records() == []
    assert len(await desk.journal()) == 2


def test_destinations_lie_in_villages_of_barru() -> None:
    assert len({number for number, *_ in DESTINATIONS}) == len(DESTINATIONS)
    assert "" in {desa for _, _, desa, _, _ in DESTINATIONS}


# Looking up.


async def test_a_repeated_key_makes_a_second_report_so_it_is_looked_up(desk: Bench[Connector]) -> None:
    for _ in range(2):
        await desk.connector.submit(RAILING)
    assert len(await desk.records()) == 2
    assert await desk.connector.find(RAILING.key) == got(1, RAILING.key, "baru")


async def test_a_report_is_found_and_nothing_else(desk: Bench[Connector]) -> None:
    assert await desk.connector.find(RAILING.key) is None
    await desk.connector.submit(changed(RAILING, key=f"{CODE}-11"))
    assert await desk.connector.find(RAILING.key) is None
    await desk.connector.submit(RAILING)
    await desk.advance("2", "selesai")
    desk.clock.forward(days=40)
    assert await desk.connector.find(RAILING.key) == got(2, RAILING.key, "selesai")


async def test_a_comment_is_found_in_our_reports_and_in_those_born_there(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    born = await desk.born({"isi": "Tangga licin"})
    for reference, key in (("1", MORE.key), (born, f"{CODE}-11")):
        assert await desk.connector.find(key) is None
        await desk.connector.amend(reference, msgspec.structs.replace(MORE, key=key))
        assert await desk.connector.find(key) == got(int(reference), key, at=None)
    assert await desk.connector.find(f"{CODE}-8") is None


async def test_a_comment_is_found_behind_many_changes_and_for_days(desk: Bench[Connector]) -> None:
    born = [await desk.born({"isi": str(number)}) for number in range(120)]
    await desk.connector.amend(born[60], MORE)
    for _ in range(2):
        assert await desk.connector.find(MORE.key) == got(61, MORE.key, at=None)
        desk.clock.forward(days=4)


async def test_somebody_elses_half_an_emoji_does_not_hide_our_comment(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    await desk.connector.amend("1", MORE)
    record = desk.sandbox.store.records["1"]
    talk = json.dumps([{"id": "9", "isi": "\ud83d"}, *json.loads(record.row["komentar"])])
    desk.sandbox.store.put(msgspec.structs.replace(record, row={**record.row, "komentar": talk}))
    assert await desk.connector.find(MORE.key) == got(1, MORE.key, at=None)


async def test_the_report_of_another_key_is_not_accepted(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    record = desk.sandbox.store.records["1"]
    desk.sandbox.store.put(msgspec.structs.replace(record, key=f"{CODE}-11"))
    with pytest.raises(ContractBroken):
        await desk.connector.find(f"{CODE}-11")


# Comments.


async def test_a_comment_arrives(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    desk.clock.forward(minutes=5)
    receipt = await desk.connector.amend("1", MORE)
    assert receipt == got(1, MORE.key, at=MORNING + timedelta(minutes=5))
    (record,) = await desk.records()
    assert record["messages"] == [{"key": MORE.key, "text": MORE.text}]
    assert record["fields"]["tgl_update"] == "28-01-2026 10:20:30"


@pytest.mark.parametrize(("reference", "command"), [("1", "withdraw"), ("99", "message"), ("x", "message")])
async def test_what_cannot_be_carried_is_refused(desk: Bench[Connector], reference: str, command: str) -> None:
    await desk.connector.submit(RAILING)
    with pytest.raises(Rejected):
        await desk.connector.amend(reference, msgspec.structs.replace(MORE, command=command))
    assert (await desk.records())[0]["messages"] == []


# Who is asking, and how often.


async def test_a_wrong_token_is_unauthorized_whatever_was_asked(desk: Bench[Connector]) -> None:
    wrong = {"GATEWAY_SINGGAH_DI_BARRU_KEYTOKEN": "not-the-token"}
    app = app_at(APP, desk.address, desk.clock, secrets=wrong)
    connector = connector_of(app, Connector)
    acts: list[Awaitable[Any]] = [
        connector.submit(RAILING),
        connector.amend("1", MORE),
        connector.find(RAILING.key),
        connector.poll(None),
        connector.catalogue(),
    ]
    call = Call()
    with calling(call):
        for act in acts:
            with pytest.raises(Unauthorized) as refused:
                await act
            assert "not-the-token" not in str(refused.value)
    await app.close()
    assert len(call.exchanges) == len(acts)
    assert "not-the-token" not in repr(call.exchanges)
    journal = await desk.journal()
    assert len(journal) == len(acts)
    assert "not-the-token" not in json.dumps(journal)


async def test_a_token_is_replaced_while_it_is_in_use(tmp_path: Path) -> None:
    """Old and new stand in one file; whichever the app knows is found at once, and nothing is lost."""
    name, file = "GATEWAY_SINGGAH_DI_BARRU_KEYTOKEN", tmp_path / "token"
    file.write_text("the-old-token\nthe-new-token\n")
    async with bench(APP, tmp_path, Connector) as made:
        app = app_at(APP, made.address, made.clock, secrets={f"{name}_FILE": str(file)})
        connector = connector_of(app, Connector)
        for number, known in enumerate(("the-old-token", "the-new-token", "the-old-token the-new-token"), start=1):
            made.sandbox.setting = msgspec.structs.replace(made.sandbox.setting, environ={name: known})
            await connector.submit(changed(RAILING, key=f"{CODE}-{number}"))
            await connector.poll(None)
        file.write_text("the-newest-token")
        made.sandbox.setting = msgspec.structs.replace(made.sandbox.setting, environ={name: "the-newest-token"})
        await connector.submit(changed(RAILING, key=f"{CODE}-4"))
        await app.close()
        assert len(await made.records()) == 4


async def test_the_journal_of_the_simulated_app_keeps_no_token(desk: Bench[Connector]) -> None:
    await desk.connector.submit(RAILING)
    journal = json.dumps(await desk.journal())
    assert "KEYTOKEN=***" in journal
    assert TOKEN not in journal
    assert secrets_of(APP) == {"GATEWAY_SINGGAH_DI_BARRU_KEYTOKEN": TOKEN}


async def test_the_limit_of_the_app_is_obeyed(tmp_path: Path) -> None:
    async with bench(APP, tmp_path, Connector, unlimited=False) as made:
        await asyncio.gather(*(made.connector.submit(changed(LEVY, key=f"{CODE}-{n}")) for n in range(1, 5)))
        assert {request["status"] for request in await made.journal()} == {200}
        app = app_at(APP, made.address, made.clock)
        impatient = connector_of(app, Connector)
        with pytest.raises(Retryable) as later:
            await asyncio.gather(*(impatient.catalogue() for _ in range(4)))
        await app.close()
        assert later.value.after == 1
