"""What PPID is asked: its lists of occupations, places and forms, what it refuses, and texts of every script."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.ppid.connector import Connector
from connectors.ppid.places import NAMES
from connectors.ppid.test_ppid import ASKED, CARD, CODE, GIF, MADELLO, OBJECTS, WHO, answering, changed, row
from connectors.ppid.wire import FORMS, OCCUPATIONS
from gateway.sdk import Document, Person, Rejected, Site, Submission
from gateway.sdk.manifest import read_manifest
from tests.sandboxes import CONNECTORS, Bench, bench


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Bench[Connector]]:
    async with bench("ppid", tmp_path, Connector) as made:
        yield made


# Its lists.


@pytest.mark.parametrize("occupation", OCCUPATIONS)
async def test_every_occupation_is_in_the_list(office: Bench[Connector], occupation: str) -> None:
    await office.connector.submit(answering(ASKED, occupation=occupation))
    jobs = {one["id"]: one["nama"].casefold() for one in await listed(office, "pekerjaan")}
    assert jobs[(await row(office))["pekerjaan_id"]] == OCCUPATIONS[occupation].casefold()


@pytest.mark.parametrize("form", FORMS)
async def test_every_form_is_in_the_list(office: Bench[Connector], form: str) -> None:
    await office.connector.submit(answering(ASKED, form_of_information=form))
    forms = {one["id"]: one["nama"] for one in await listed(office, "bentuk_informasi")}
    assert forms[(await row(office))["id_bentuk_informasi"]] == FORMS[form]


async def test_every_village_is_in_the_list_and_everybody_else(office: Bench[Connector]) -> None:
    homes = {one["id"]: one["nama"] for one in await listed(office, "domisili")}
    assert sorted(homes.values()) == sorted([*NAMES.values(), "Lainnya"])
    for number, (code, name) in enumerate(NAMES.items(), start=1):
        codes = msgspec.structs.replace(MADELLO, kemendagri=code, village="?", district="?")
        await office.connector.submit(changed(ASKED, site=Site(codes=codes, address="Dusun")))
        assert homes[(await row(office, number))["domisili_id"]] == name
    await office.connector.submit(changed(ASKED, site=Site(address="Jl. Andi Mappe 3, Parepare")))
    fields = await row(office, 56)
    assert (homes[fields["domisili_id"]], fields["alamat"]) == ("Lainnya", "Jl. Andi Mappe 3, Parepare")


async def listed(office: Bench[Connector], name: str) -> list[dict[str, Any]]:
    """Return a list as the app has it."""
    answer = await office.app.http.call(
        "GET", f"/api/public/referensi/{name}", write=False, headers=office.connector._headers
    )
    found: list[dict[str, Any]] = json.loads(answer.body)["data"]
    return found


async def test_lists_are_read_once(office: Bench[Connector]) -> None:
    for number in (1, 2, 3):
        await office.connector.submit(changed(ASKED, key=f"{CODE}-{number}"))
    assert len([one for one in await office.journal() if "/referensi/" in one["path"]]) == 3


async def test_a_list_that_was_numbered_anew_is_read_anew(office: Bench[Connector]) -> None:
    await office.connector.submit(ASKED)
    await office.control("quirks", {"renumber_lists": True})
    with pytest.raises(Rejected) as refused:
        await office.connector.submit(changed(ASKED, key=f"{CODE}-2"))
    assert refused.value.field == "attributes.occupation"
    await office.connector.submit(changed(ASKED, key=f"{CODE}-2"))
    assert (await row(office, 2))["pekerjaan_id"] == 505


@pytest.mark.parametrize(
    ("quirk", "more", "less"),
    [
        ("entry_added", {"Pensiunan"}, set()),
        ("entry_renamed", {"Wirausaha"}, {"business"}),
        ("entry_removed", set(), {"farmer"}),
    ],
)
async def test_a_list_that_drifts_shows_it(
    office: Bench[Connector], quirk: str, more: set[str], less: set[str]
) -> None:
    before = {one.value for one in await office.connector.catalogue()}
    assert before == {*OCCUPATIONS, *FORMS, *NAMES, "Lainnya"}
    await office.control("quirks", {quirk: True})
    after = {one.value for one in await office.connector.catalogue()}
    assert (after - before, before - after) == (more, less)
    for answer in less:
        with pytest.raises(Rejected) as refused:
            await office.connector.submit(answering(ASKED, occupation=answer))
        assert refused.value.field == "attributes.occupation"
    assert await office.records() == []


# What is refused.


REFUSALS: list[tuple[Submission, str]] = [
    (changed(ASKED, text="x" * 5000), "description"),
    (changed(ASKED, site=Site(codes=MADELLO)), "place.address"),
    (changed(ASKED, reporter=msgspec.structs.replace(WHO, name=None)), "reporter.name"),
    (changed(ASKED, reporter=msgspec.structs.replace(WHO, national_id="73")), "reporter.national_id"),
    (changed(ASKED, reporter=msgspec.structs.replace(WHO, email="nur.afiah")), "reporter.email"),
    (changed(ASKED, reporter=msgspec.structs.replace(WHO, phone=None)), "reporter.phone"),
    (answering(ASKED, purpose=""), "attributes.purpose"),
    (answering(ASKED, occupation="astronaut"), "attributes.occupation"),
    (answering(ASKED, occupation=None), "attributes.occupation"),
    (answering(ASKED, form_of_information="vinyl"), "attributes.form_of_information"),
    (
        changed(ASKED, site=Site(codes=msgspec.structs.replace(MADELLO, kemendagri="73.10.01.2001"), address="X")),
        "place.village",
    ),
    (changed(ASKED, documents=()), "identity_card"),
    (changed(ASKED, documents=(msgspec.structs.replace(CARD, role=None),)), "identity_card"),
    (changed(ASKED, documents=(msgspec.structs.replace(CARD, content=None),)), "identity_card"),
    (changed(ASKED, documents=(msgspec.structs.replace(CARD, content=b"x" * 2_097_153),)), "identity_card"),
    (changed(ASKED, documents=(msgspec.structs.replace(CARD, media_type="application/pdf"),)), "identity_card"),
    (changed(ASKED, reporter=Person(hidden=True)), "identity"),
    (changed(OBJECTS, reporter=Person(hidden=True)), "identity"),
    (answering(OBJECTS, grounds=[]), "attributes.grounds"),
    (answering(OBJECTS, grounds=["h"]), "attributes.grounds"),
    (answering(OBJECTS, grounds="c"), "attributes.grounds"),
    (changed(OBJECTS, text="x" * 5000), "description"),
    (changed(OBJECTS, reporter=msgspec.structs.replace(WHO, national_id=None)), "reporter.national_id"),
]


@pytest.mark.parametrize(("submission", "field"), REFUSALS)
async def test_a_refusal_names_what_can_be_mended(office: Bench[Connector], submission: Submission, field: str) -> None:
    await office.born({})  # the request that is objected to
    with pytest.raises(Rejected) as refused:
        await office.connector.submit(submission)
    assert refused.value.field == field
    assert "Nur Afiah" not in str(refused.value)
    assert len(await office.records()) == 1


@pytest.mark.parametrize("without", [changed(ASKED, documents=()), changed(ASKED, reporter=Person(hidden=True))])
async def test_without_card_or_name_nothing_leaves(office: Bench[Connector], without: Submission) -> None:
    with pytest.raises(Rejected):
        await office.connector.submit(without)
    assert await office.journal() == []


async def test_files_that_do_not_fit_are_mentioned(office: Bench[Connector]) -> None:
    huge = Document(name="besar.pdf", media_type="application/pdf", content=b"x" * (5 * 1024 * 1024 + 1))
    files = [Document(name=f"{n}.pdf", media_type="application/pdf", content=b"%d" % n) for n in (1, 2)]
    await office.connector.submit(changed(ASKED, documents=(huge, files[0], CARD, files[1]), linked=()))
    (record,) = await office.records()
    assert [image["bytes"] for image in record["images"]] == [len(GIF), 1]
    assert record["fields"]["rincian"].endswith(f"\n(2 lampiran lain ada di laporan {CODE})\n[{ASKED.key}]")
    await office.connector.submit(changed(OBJECTS, documents=(CARD, files[0])))
    assert (await row(office, 2))["kasus"].endswith(f"\n(1 lampiran lain ada di laporan {CODE})\n[{OBJECTS.key}]")


@pytest.mark.parametrize(
    "text", ["ᨅᨑᨘ " * 1000, "مطر\u202eغزير", "👩‍🚒" * 900, "a\x00b", "a\r\nb\r\n--part-", "x" * 4000]
)
async def test_text_of_every_script_is_carried(office: Bench[Connector], text: str) -> None:
    await office.born({})
    await office.connector.submit(changed(ASKED, text=text[:4000], linked=()))
    await office.connector.submit(changed(OBJECTS, text=text[:4000]))
    assert (await row(office, 2))["rincian"] == f"{text[:4000]}\n[{ASKED.key}]"
    assert (await row(office, 3))["kasus"] == f"{text[:4000]}\n[{OBJECTS.key}]"


@pytest.mark.parametrize("submission", [ASKED, OBJECTS])
async def test_half_an_emoji_never_leaves(office: Bench[Connector], submission: Submission) -> None:
    """The gateway takes no such text in; were it there, nothing would be sent of it, and nothing cut."""
    with pytest.raises(UnicodeEncodeError):
        await office.connector.submit(changed(submission, text="a\ud83d"))
    assert [one for one in await office.journal() if one["method"] == "POST"] == []


# What it may not know.


async def test_nothing_leaves_that_is_not_shared(office: Bench[Connector]) -> None:
    """The host takes out what the manifest does not share; the connector does not rely on it."""
    shares = read_manifest(CONNECTORS / "ppid").shares
    assert {"place.point", "place.landmark"}.isdisjoint(shares)
    assert set(shares) >= {"reporter.national_id", "place.address", "documents", "linked"}
    site = Site(
        codes=MADELLO, latitude=-4.41371, longitude=119.62353, address="Jl. Poros Madello 4", landmark="KENARI-PATOKAN"
    )
    await office.born({})
    await office.connector.submit(changed(ASKED, site=site, title="KENARI-JUDUL"))
    await office.connector.submit(changed(OBJECTS, site=site, title="KENARI-JUDUL", documents=(CARD,)))
    sent = json.dumps(await office.journal(), ensure_ascii=False)
    assert [canary for canary in ("KENARI", "4.41371", "119.62353") if canary in sent] == []
    assert (sent.count("Madello 4"), sent.count("GIF89a")) == (1, 1), "an objection carries neither address nor card"
