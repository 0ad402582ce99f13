"""Contoh: connector and simulated app, against each other on real sockets.

The kit tests what holds for every app; here is what holds for this one.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from gateway.sdk import (
    Event,
    Opening,
    Person,
    PlaceCodes,
    Receipt,
    Reference,
    Rejected,
    Site,
    Submission,
    Unauthorized,
    Unreadable,
)
from gateway.sdk.bench import MORNING, Bench, bench
from gateway.sdk.manifest import read_manifest

pytestmark = pytest.mark.asyncio

HERE = Path(__file__).parent
TAKKALASI = PlaceCodes(
    kemendagri="73.11.07.1001",
    compact="7311071001",
    bps="7310041003",
    bps_district="7310041",
    village="Takkalasi",
    district="Balusu",
)
WASTE = Submission(
    key="BRU-7Q4M-2XKT-1",
    code="BRU-7Q4M-2XKT",
    service="EN-WASTE",
    category="sampah",
    profile=None,
    priority="P3",
    title="Sampah menumpuk",
    text="Sampah menumpuk di belakang pasar ᨅᨑᨘ 🚮",
    occurred_at=datetime(2026, 1, 28, 0, 15, 30, tzinfo=UTC),
    received_at=MORNING,
    site=Site(codes=TAKKALASI, latitude=-4.32249, longitude=119.65035, address="Belakang Pasar Takkalasi"),
    reporter=Person(name="Andi Ramlah", phone="+6281242000112"),
)
PROOF = Receipt(references=(Reference("nomor", "C-0001"),), at=MORNING, word="baru", key=WASTE.key)


def changed(**changes: Any) -> Submission:
    return msgspec.structs.replace(WASTE, **changes)


@pytest_asyncio.fixture
async def room(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(HERE, tmp_path) as made:
        yield made


async def heard(room: Bench) -> list[Any]:
#? webhook
    """What the app's webhooks bring."""
    return [news for hook in room.hooks() for news in room.connector.receive(hook)]
#? poll
    """What the app tells when it is asked."""
    return list((await room.connector.poll(None)).news)
#?


# Opening.


async def test_a_report_arrives_whole(room: Bench) -> None:
    assert await room.connector.submit(changed(attributes={"pole_number": "T-17"})) == PROOF
    (record,) = room.records()
    assert record["key"] == WASTE.key
    sent = {name: value for name, value in record["fields"].items() if name not in {"nomor", "status", "dibuat"}}
    assert sent == {
        "ref": WASTE.key,
        "kategori": "sampah",
        "uraian": f"{WASTE.text}\npole number: T-17",
        "waktu": "2026-01-28T08:15:30+08:00",
        "rahasia": False,
        "nama": "Andi Ramlah",
        "telepon": "+6281242000112",
        "desa": "73.11.07.1001",
        "alamat": "Belakang Pasar Takkalasi",
        "lintang": -4.32249,
        "bujur": 119.65035,
    }


async def test_every_service_has_a_category_there_and_back(room: Bench) -> None:
    maps = read_manifest(HERE).categories
    for number, (service, category) in enumerate(maps.out.items(), start=1):
        assert maps.inward[category] == service
        await room.connector.submit(changed(key=f"BRU-7Q4M-2XKT-{number}", service=service, category=category))
    assert {record["fields"]["kategori"] for record in room.records()} == set(maps.inward)


async def test_a_hidden_reporter_stays_hidden(room: Bench) -> None:
    await room.connector.submit(changed(reporter=Person(hidden=True)))
    fields = room.records()[0]["fields"]
    assert fields["rahasia"] is True
    assert not {"nama", "telepon"} & set(fields)


async def test_what_does_not_fit_is_refused_by_name_and_never_cut(room: Bench) -> None:
    with pytest.raises(Rejected) as refused:
        await room.connector.submit(changed(text="x" * 2001))
    assert refused.value.field == "description"
    assert room.records() == []


async def test_find_knows_its_own_and_nobody_elses(room: Bench) -> None:
    await room.connector.submit(WASTE)
    assert await room.connector.find(WASTE.key) == PROOF
    assert await room.connector.find("BRU-7Q4M-2XKT-9") is None


async def test_a_wrong_credential_is_told_apart_and_kept_to_ourselves(tmp_path: Path) -> None:
    wrong = dict.fromkeys(read_manifest(HERE).secrets, "wrong-secret")
    async with bench(HERE, tmp_path, secrets=wrong) as made:
        with pytest.raises(Unauthorized) as refused:
            await made.connector.submit(WASTE)
        assert "wrong-secret" not in str(refused.value)
        assert made.records() == []
#? login


async def test_one_login_serves_many_requests(room: Bench) -> None:
    await room.connector.submit(WASTE)
    await room.connector.find(WASTE.key)
    assert [one["path"] for one in room.journal()].count("/api/masuk") == 1


async def test_an_ended_session_is_renewed(room: Bench) -> None:
    await room.connector.submit(WASTE)
    room.sandbox.store.records.pop("sesi-1")
    assert await room.connector.find(WASTE.key) == PROOF
#? hmac


async def test_the_signature_is_made_in_the_apps_own_time(room: Bench) -> None:
    room.quirk(clock_offset_s=900.0)
    await room.connector.submit(WASTE)  # refused once: its clock was not known yet
    await room.connector.find(WASTE.key)
    assert [one["status"] for one in room.journal()] == [401, 201, 200]
#?


# News.


async def test_every_word_reaches_the_citizen(room: Bench) -> None:
    await room.connector.submit(WASTE)
    words = read_manifest(HERE).statuses
    for word in list(words)[1:]:
        room.advance("C-0001", word, note=f"catatan {word}")
    news = await heard(room)
    assert [event.word for event in news] == list(words)
    assert [event.seq for event in news] == list(range(1, len(words) + 1))
    assert {event.key for event in news} == {WASTE.key}
    assert news[1] == Event(
        id="kejadian-2",
        references=(Reference("nomor", "C-0001"),),
        at=MORNING,
        kind="laporan.berubah",
        word="diproses",
        seq=2,
        key=WASTE.key,
        text="catatan diproses",
    )


@pytest.mark.parametrize("hidden", [False, True])
async def test_what_is_born_there_comes_with_its_reporters_wish(room: Bench, hidden: bool) -> None:
    room.born(kategori="lampu", uraian="Lampu jalan padam", nama="Rosmini", telepon="+6281342000311", rahasia=hidden)
    (event,) = await heard(room)
    who = Person(hidden=True) if hidden else Person(name="Rosmini", phone="+6281342000311")
    assert event.kind in read_manifest(HERE).opening.kinds
    assert event.key is None
    assert event.opening == Opening(category="lampu", text="Lampu jalan padam", occurred_at=MORNING, reporter=who)
#? webhook


async def test_a_broken_webhook_is_put_aside_by_its_name(room: Bench) -> None:
    room.born(uraian="Sampah")
    hook = room.hooks()[0]
    broken = msgspec.structs.replace(hook, body=hook.body.replace(b'"waktu": "2026', b'"waktu": "yesterday'))
    (news,) = room.connector.receive(broken)
    assert isinstance(news, Unreadable)
    assert news.id == "C-0001/1"


async def test_a_gap_is_read(room: Bench) -> None:
    await room.connector.submit(WASTE)
    for word in ("diproses", "selesai"):
        room.advance("C-0001", word)
    batch = await room.connector.read("C-0001", "1")
    assert [event.word for event in batch.news] == ["diproses", "selesai"]
    assert batch.cursor == "3"
    assert list((await room.connector.read("C-9999", None)).news) == []
#? poll


async def test_news_is_told_once_from_wherever_it_was_left(room: Bench) -> None:
    first = await room.connector.poll(None)
    assert (list(first.news), first.more) == ([], False)
    for number in range(1, 61):
        room.born(uraian=f"Laporan {number}")
    told: list[Any] = []
    cursor, more = first.cursor, True
    while more:
        batch = await room.connector.poll(cursor)
        told, cursor, more = [*told, *batch.news], batch.cursor, batch.more
    assert [event.id for event in told] == [f"kejadian-{number}" for number in range(1, 61)]


async def test_a_broken_row_does_not_hide_its_neighbours(room: Bench) -> None:
    for text in ("satu", "dua", "tiga"):
        room.born(uraian=text)
    room.sandbox.store.records["C-0002"].history[0]["waktu"] = "kemarin"
    batch = await room.connector.poll(None)
    assert [type(news) for news in batch.news] == [Event, Unreadable, Event]
    assert batch.news[1].id == "C-0002/2"
    assert batch.cursor == "3"
#?
