"""A reporter's photos go along where an officer makes another report of his report, and only there."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.reading import Row
from tests.journeys.filed import CITIZEN
from tests.journeys.hall import VILLAGE, Hall, hall
from tests.pictures import photo

AID: dict[str, Any] = {
    "service": "VI-AID",
    "description": "Jalan ke dusun kami putus, bantuan tidak sampai.",
    "place": {"village": VILLAGE, "landmark": "dekat masjid"},
    "reporter": {"name": "Siti Rahma", "phone": "0812-3456-7890"},
}
PATH = "Jalan setapak licin"


async def filed(here: Hall, **more: Any) -> tuple[str, str]:
    """File a report with a photo; return its code and the photo's digest as it is kept."""
    upload = await here.stage.ask("POST", "/v1/attachments", here.siti, None, photo(), Content_Type="image/jpeg")
    sent = await here.stage.file(AID | more | {"attachments": [upload.body["id"]]}, here.siti)
    assert sent.status == 201, sent
    return sent.body["code"], upload.body["sha256"]


def attachments(connection: Connection, code: str) -> list[Row]:
    found = connection.execute(
        select(t.attachment).join(t.report, t.report.c.id == t.attachment.c.report_id).where(t.report.c.code == code)
    )
    return [dict(row) for row in found.mappings()]


async def test_a_photo_goes_along_to_the_emergency_and_to_a_part(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url) as here:
        code, digest = await filed(here)
        first = await here.arrives("sigapdes", f"{code}-1")
        dinsos = here.officer("DINSOS")
        done = await here.verb(code, "refer", dinsos, service="EM-MATERNAL", reason="Ibu hamil tidak bisa lewat")
        incident = await here.arrives("cc112", f"{done.body['report']}-1")
        parts = [{"service": "XX-OTHER", "description": PATH}, {"service": "VI-GOV", "description": PATH}]
        light, officials = (await here.verb(code, "split", dinsos, parts=parts)).body["parts"]
        village = await here.arrives("sigapdes", f"{officials['code']}-1")
        for record in (first, incident, village):
            assert digest in str(record), record
        ledger = here.stage.house.ledger
        rows = [
            await ledger.read(attachments, one) for one in (code, done.body["report"], light["code"], officials["code"])
        ]
        (blob,) = {row["blob"] for own in rows for row in own}
        assert [len(own) for own in rows] == [1, 1, 1, 1]
        assert blob == rows[0][0]["id"]
        assert len({row["wrapped"] for own in rows for row in own}) == 4, "each report opens it with its own key"
        # Erasing the first report takes its photo, and no other's.
        act = ledger.act(CITIZEN, "test")
        act.change(t.report, {"code": code}, wrapped=None)
        await ledger.commit(act)
        again = await here.verb(light["code"], "refer", here.coordinator, app="sigapdes", reason="desa")
        assert (again.status, again.body["app"]) == (200, "sigapdes"), again
        assert digest in str(await here.arrives("sigapdes", f"{light['code']}-1"))


async def test_a_photo_stays_where_words_stay(tmp_path: Path, database_url: str) -> None:
    """Not to where its reporter is asked before he is named, not of a child, and none that a patient sent."""
    async with hall(tmp_path, database_url, apps=()) as here:
        ledger = here.stage.house.ledger
        question = {"service": "IF-REQUEST", "description": "Salinan APBDes", "attributes": {"purpose": "tahu"}}
        code, _ = await filed(here, service="VI-FUND")
        assert (await here.verb(code, "split", here.coordinator, parts=[question])).status == 200
        (link,) = (await here.report(code, here.siti))["links"]
        assert await ledger.read(attachments, link["code"]) == []
        child = {"service": "CH-STUNT", "description": "Mohon dikunjungi", "attributes": {"relation": "neighbour"}}
        code, _ = await filed(here)
        (part,) = (await here.verb(code, "split", here.coordinator, parts=[child])).body["parts"]
        assert await ledger.read(attachments, part["code"]) == []
        code, _ = await filed(here, service="HE-SERVICE")
        (part,) = (
            await here.verb(code, "split", here.coordinator, parts=[{"service": "GV-SERVICE", "description": PATH}])
        ).body["parts"]
        assert await ledger.read(attachments, part["code"]) == []


async def test_no_photo_of_a_child_is_taken_at_any_door(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=("sigapdes",)) as here:
        child = {"service": "CH-STUNT", "attributes": {"relation": "neighbour"}}
        names = [await here.stage.upload(here.siti, photo()) for _ in range(2)]
        refused = await here.stage.file(AID | child | {"attachments": names[:1]}, here.siti)
        assert (refused.status, refused.body["errors"][0]["code"]) == (422, "attachment-of-a-child"), refused
        code = (await here.stage.file(AID | child, here.siti)).body["code"]
        later = await here.stage.ask("POST", f"/v1/reports/{code}/messages", here.siti, {"attachments": names[:1]})
        assert (later.status, later.body["type"]) == (422, "/problems/attachment-of-a-child")
        # One that came before anybody knew it is about a child goes no further.
        code, _ = await filed(here, service="XX-OTHER")
        done = await here.verb(
            code, "refer", here.coordinator, service="CH-STUNT", reason="gizi", description="Mohon dikunjungi",
            attributes={"relation": "neighbour"},
        )  # fmt: skip
        assert (done.status, done.body["app"]) == (200, "sigapdes"), done
        assert (await here.arrives("sigapdes", f"{code}-1")).memo["images"] == []
