"""What goes along with a report of Singgah Di Barru: files, and the destination that its place means."""

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from connectors.singgah_di_barru.connector import Connector
from connectors.singgah_di_barru.sandbox import DESTINATIONS
from connectors.singgah_di_barru.test_singgah_di_barru import (
    APP,
    CODE,
    LEVY,
    LIBURENG,
    MORE,
    RAILING,
    SUMPANG,
    TAKKALASI,
    changed,
    row,
    village,
)
from connectors.singgah_di_barru.wire import FILES_MOST
from gateway.sdk import Document, Retryable, Site
from tests.sandboxes import Bench, bench


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench(APP, tmp_path, Connector) as made:
        yield made


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
