"""What a reporter may do with his report later: add files, take it back, rate it, open it again."""

import asyncio
import io
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from PIL import Image

from gateway.sdk.clock import travel
from tests.journeys.hall import PATIENCE, VILLAGE, Hall, hall
from tests.journeys.stage import FLOOD, ROOT, Answer

OTHER: dict[str, Any] = {
    "service": "XX-OTHER",
    "description": "Bantuan beras tidak pernah sampai di dusun kami.",
    "place": {"village": VILLAGE, "landmark": "dekat masjid"},
    "reporter": {"name": "Siti Rahma", "phone": "0812-3456-7890"},
}
AID = OTHER | {"service": "VI-AID"}
REASON = "KENARI-ALASAN: sudah beres"


async def does(here: Hall, code: str, what: str, token: str | None, /, secret: str = "", **body: Any) -> Answer:
    headers: dict[str, Any] = {"x_report_secret": secret} if secret else {}
    if key := body.pop("key", ""):
        headers["idempotency_key"] = key
    return await here.stage.ask("POST", f"/v1/reports/{code}/{what}", token, body, **headers)


def silence(here: Hall, app: str) -> None:
    """Let nothing be sent to an app for the rest of the test, as if it had asked for that."""
    here.stage.house.host.get(app).app.http.pace.rest(3600)


def photo(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(out, "JPEG")
    return out.getvalue()


def words_in(here: Hall, app: str) -> str:
    """All that an app was told, by its own account."""
    return "".join(
        path.read_bytes().decode("latin-1")
        for path in Path(here.stage.apps[app].store.folder).rglob("*")
        if path.is_file()
    )


@asynccontextmanager
async def obliging(folder: Path, database_url: str) -> AsyncIterator[Hall]:
    """A hall whose village app takes withdrawals: its connector writes them down as replies."""
    connectors = folder / "connectors"
    shutil.copytree(ROOT / "connectors" / "sigapdes", connectors / "sigapdes")
    manifest, code = connectors / "sigapdes" / "connector.toml", connectors / "sigapdes" / "connector.py"
    able = manifest.read_text().replace('message = "L2"', 'message = "L2"\nwithdraw = "L2"')
    manifest.write_text(able)
    taking = code.read_text().replace('amendment.command != "message" or kind', "kind")
    code.write_text(taking)
    assert 'withdraw = "L2"' in able
    assert 'command != "message"' not in taking
    async with hall(folder, database_url, apps=("sigapdes",), GATEWAY_CONNECTORS=str(connectors)) as here:
        yield here


# -- files ---------------------------------------------------------------------------------------------------------


async def test_a_photo_is_added_later(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=("sigapdes",)) as here:
        code = (await here.stage.file(AID, here.siti)).body["code"]
        number = await here.numbered(code, 1, here.siti)
        upload = await here.stage.ask("POST", "/v1/attachments", here.siti, raw=photo("red"), Content_Type="image/jpeg")
        assert upload.status == 201, upload
        body: dict[str, Any] = {"attachments": [upload.body["id"]], "text": "Foto terbaru", "key": "foto-satu"}
        first, again = [await does(here, code, "attachments", here.siti, **body) for _ in range(2)]
        assert (first.status, first.body["carried"], first.body["kept"]) == (201, ["sigapdes"], [])
        assert again.body == first.body

        async def there() -> bool:
            return "Foto terbaru" in words_in(here, "sigapdes")

        await here.stage.until(there, PATIENCE)
        hop = await here.hop(code, "attachment.added")
        assert hop["facts"]["media_type"] == "image/jpeg"
        assert number
        wrong: dict[str, Any]
        for wrong in ({"attachments": []}, {"attachments": ["tidak-ada"]}, {"text": "x"}, {"attachments": "x"}):
            refused = await does(here, code, "attachments", here.siti, **wrong)
            assert refused.status == 422, refused
        budi = here.stage.token("budi", "citizen")
        assert (await does(here, code, "attachments", budi, **body)).status == 404
        assert (await does(here, code, "attachments", None, **body)).status == 401


# -- withdrawal ----------------------------------------------------------------------------------------------------


async def test_what_has_not_left_is_stopped(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=("sigapdes",)) as here:
        silence(here, "sigapdes")
        filed = await here.stage.file(AID)
        code, secret = filed.body["code"], filed.body["secret"]
        said = await does(here, code, "messages", None, secret, text="KENARI-PESAN")
        assert said.status == 201
        done = await does(here, code, "withdrawal", None, secret, reason=REASON)
        assert done.status == 201, done
        ways = {name: done.body[name] for name in ("status", "cancelled", "carried", "refused")}
        assert ways == {"status": "cancelled", "cancelled": ["sigapdes"], "carried": [], "refused": []}
        seen = await here.report(code, secret=secret)
        assert (seen["status"], seen["withdrawn_at"]) == ("cancelled", done.body["at"])
        # Again, with a key or without: it is done already.
        for more in ({}, {"key": "x"}):
            again = await does(here, code, "withdrawal", None, secret, reason="lain", **more)
            assert (again.status, again.body) == (201, done.body)
        hops = [hop for hop in (await here.trace(code))["hops"] if hop["kind"].startswith("delivery.")]
        assert [(hop["kind"], hop["delivery"]) for hop in hops] == [
            ("delivery.queued", f"{code}-1"),
            ("delivery.queued", f"{code}-2"),
            ("delivery.cancelled", f"{code}-1"),
            ("delivery.cancelled", f"{code}-2"),
        ]
        told = await here.told(code, secret=secret)
        assert ("Laporan ditarik oleh pelapor", REASON) in [(row["title"], row.get("text")) for row in told]
        assert "KENARI" not in str(await here.trace(code))
        assert here.stage.apps["sigapdes"].store.records == {}
        queue = await here.stage.ask("GET", "/v1/desk/queue", here.coordinator)
        assert queue.body["items"] == []


async def test_a_withdrawal_reaches_an_app_that_takes_it(tmp_path: Path, database_url: str) -> None:
    async with obliging(tmp_path, database_url) as here:
        code = (await here.stage.file(AID, here.siti)).body["code"]
        number = await here.numbered(code, 1, here.siti)
        done = await does(here, code, "withdrawal", here.siti, reason=REASON)
        assert (done.body["carried"], done.body["cancelled"], done.body["refused"]) == (["sigapdes"], [], [])

        async def accepted() -> Any:
            hops = (await here.trace(code))["hops"]
            return [hop for hop in hops if hop["kind"] == "delivery.accepted" and hop["operation"] == "withdraw"]

        assert len(await here.stage.until(accepted, PATIENCE)) == 1
        assert REASON in words_in(here, "sigapdes")
        titles = [row["title"] for row in await here.told(code, here.siti)]
        assert "Penarikan laporan diteruskan ke Si-GAPDes" in titles
        # What becomes of the record its app says.
        assert (await here.report(code, here.siti))["status"] == "received"
        here.move("sigapdes", number, "3")
        await here.stands(code, "resolved", here.siti)


async def test_a_withdrawal_waits_for_what_is_on_its_way(tmp_path: Path, database_url: str) -> None:
    """The report may not be accepted yet when it is withdrawn: its app gets the one after the other."""
    async with obliging(tmp_path, database_url) as here:
        code = (await here.stage.file(AID, here.siti)).body["code"]
        await here.arrives("sigapdes", f"{code}-1")
        done = await does(here, code, "withdrawal", here.siti, reason=REASON)
        assert done.body["carried"] == ["sigapdes"]

        async def order() -> Any:
            hops = [hop for hop in (await here.trace(code))["hops"] if hop["kind"] == "delivery.accepted"]
            return [hop["operation"] for hop in hops] if len(hops) == 2 else None

        assert await here.stage.until(order, PATIENCE) == ["open", "withdraw"]


async def test_an_app_that_takes_none_is_named(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=("sigapdes",)) as here:
        code = (await here.stage.file(AID, here.siti)).body["code"]
        number = await here.numbered(code, 1, here.siti)
        done = await does(here, code, "withdrawal", here.siti, reason=REASON)
        assert (done.body["refused"], done.body["status"]) == (["sigapdes"], "received")
        told = [row["title"] for row in await here.told(code, here.siti)]
        assert any(title.startswith("Si-GAPDes tidak dapat menerima penarikan") for title in told)
        hop = await here.hop(code, "report.withdrawn")
        assert (hop["facts"], hop["rule"]) == ({"refused": "sigapdes"}, "withdrawal")
        here.move("sigapdes", number, "3")
        await here.stands(code, "resolved", here.siti)
        late = await does(here, code, "withdrawal", here.siti, reason=REASON)
        assert late.body["at"] == done.body["at"]
        assert "KENARI" not in words_in(here, "sigapdes")


async def test_an_emergency_is_not_stopped_but_112_is_told(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=("cc112",)) as here:
        code = (await here.stage.file(FLOOD, here.siti)).body["code"]
        await here.numbered(code, 1, here.siti)
        done = await does(here, code, "withdrawal", here.siti, reason="salah lihat")
        assert (done.body["refused"], done.body["cancelled"], done.body["carried"]) == (["cc112"], [], [])

        async def noted() -> bool:
            return "Pelapor menarik laporan ini: salah lihat" in words_in(here, "cc112")

        await here.stage.until(noted, PATIENCE)
        assert any("telepon 112" in row["title"] for row in await here.told(code, here.siti))


async def test_who_may_withdraw_and_when(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=()) as here:
        code = (await here.stage.file(OTHER, here.siti)).body["code"]
        officer = here.officer("DISKOMINFO-SP")
        for token, status in ((None, 401), (here.stage.token("budi", "citizen"), 404), (officer, 403)):
            assert (await does(here, code, "withdrawal", token)).status == status
        assert (await does(here, code, "withdrawal", here.siti, alasan="x")).status == 422
        closed = await here.verb(code, "close", officer, outcome="resolved", text="selesai")
        assert closed.status == 200
        refused = await does(here, code, "withdrawal", here.siti)
        assert (refused.status, refused.body["type"]) == (409, "/problems/withdrawal-impossible")
        other = (await here.stage.file(OTHER, here.siti)).body["code"]
        done = await does(here, other, "withdrawal", here.siti)
        assert (done.body["status"], done.body["cancelled"]) == ("cancelled", ["gateway"])


async def test_withdrawn_while_it_leaves_is_either_stopped_or_there(tmp_path: Path, database_url: str) -> None:
    """A worker takes reports up in the moment in which they are withdrawn: none is both stopped and sent."""
    async with hall(tmp_path, database_url, apps=("sigapdes",)) as here:
        codes = [(await here.stage.file(AID, here.siti)).body["code"] for _ in range(12)]
        done = await asyncio.gather(*(does(here, code, "withdrawal", here.siti, reason="x") for code in codes))
        assert {answer.status for answer in done} == {201}
        for code, answer in zip(codes, done, strict=True):
            if answer.body["refused"]:
                await here.arrives("sigapdes", f"{code}-1")
        sent = {record.key for record in here.stage.apps["sigapdes"].store.records.values()}
        stopped = {f"{code}-1" for code, answer in zip(codes, done, strict=True) if answer.body["cancelled"]}
        assert not sent & stopped
        assert len(sent | stopped) == len(codes)


# -- rating --------------------------------------------------------------------------------------------------------


async def test_who_is_content_closes_the_report(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=("sigapdes",)) as here:
        code = (await here.stage.file(AID, here.siti)).body["code"]
        early = await does(here, code, "rating", here.siti, stars=5)
        assert (early.status, early.body["type"]) == (409, "/problems/rating-too-early")
        number = await here.numbered(code, 1, here.siti)
        here.move("sigapdes", number, "3")
        await here.stands(code, "resolved", here.siti)
        for wrong in ({"stars": 0}, {"stars": 6}, {"stars": "5"}, {}, {"stars": 5, "bintang": 5}):
            assert (await does(here, code, "rating", here.siti, **wrong)).status == 422
        bad = await does(here, code, "rating", here.siti, stars=2, comment="KENARI-KOMENTAR")
        assert (bad.status, bad.body["status"], bad.body["stars"]) == (201, "resolved", 2)
        again = await does(here, code, "rating", here.siti, stars=2, comment="KENARI-KOMENTAR")
        assert again.body == bad.body
        good = await does(here, code, "rating", here.siti, stars=4)
        assert (good.body["status"], good.body["stars"]) == ("closed", 4)
        seen = await here.report(code, here.siti)
        assert (seen["status"], seen["stars"], seen["cases"][0]["status"]) == ("closed", 4, "closed")
        hops = [hop for hop in (await here.trace(code))["hops"] if hop["kind"] == "report.rated"]
        assert [(hop["facts"]["stars"], hop["facts"]["confirmed"]) for hop in hops] == [(2, False), (4, True)]
        assert "KENARI" not in str(await here.trace(code))
        titles = {row["title"]: row.get("text") for row in await here.told(code, here.siti)}
        assert titles["Penilaian dari pelapor: 2 dari 5"] == "KENARI-KOMENTAR"
        assert "Pelapor menyatakan selesai" in titles
        # What its app says later does not open what its reporter has closed.
        here.move("sigapdes", number, "2", "dicek lagi")

        async def heard() -> bool:
            return any(row.get("text") == "dicek lagi" for row in await here.told(code, here.siti))

        await here.stage.until(heard, PATIENCE)
        assert (await here.report(code, here.siti))["status"] == "closed"


# -- reopening -----------------------------------------------------------------------------------------------------


async def test_a_report_is_taken_up_again_where_it_was(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=("sigapdes",)) as here:
        code = (await here.stage.file(AID, here.siti)).body["code"]
        number = await here.numbered(code, 1, here.siti)
        early = await does(here, code, "reopening", here.siti, reason="x")
        assert (early.status, early.body["type"]) == (409, "/problems/reopening-impossible")
        here.move("sigapdes", number, "3")
        ended = await here.stands(code, "resolved", here.siti)
        assert {due["clock"]: due["state"] for due in ended["due"]}["complaint_14"] == "met"
        await does(here, code, "rating", here.siti, stars=5)
        for wrong in ({}, {"reason": ""}, {"reason": "  "}):
            assert (await does(here, code, "reopening", here.siti, **wrong)).status == 422
        done = await does(here, code, "reopening", here.siti, reason=REASON, key="lagi")
        assert done.status == 201, done
        assert (done.body["status"], done.body["carried"], done.body["desk"]) == ("reopened", ["sigapdes"], [])
        assert (await does(here, code, "reopening", here.siti, reason=REASON, key="lagi")).body == done.body
        assert (await does(here, code, "reopening", here.siti, reason=REASON)).status == 201
        clash = await does(here, code, "reopening", here.siti, reason="lain", key="lagi")
        assert clash.body["type"] == "/problems/idempotency-conflict"
        seen = await here.report(code, here.siti)
        assert {due["clock"]: due["state"] for due in seen["due"]}["complaint_14"] == "running"

        async def there() -> bool:
            return f"Pelapor membuka kembali laporan ini: {REASON}" in words_in(here, "sigapdes")

        await here.stage.until(there, PATIENCE)
        hop = await here.hop(code, "report.reopened")
        assert (hop["rule"], hop["facts"]) == ("reopening", {"ending": 1, "carried": "sigapdes"})

        # The app says again how the record stands, because something was written in it: that is no new end.
        async def echoed() -> Any:
            hops = (await here.trace(code))["hops"]
            return [hop for hop in hops if hop["kind"] == "case.event" and hop["word"] and hop["superseded"]]

        await here.stage.until(echoed, PATIENCE)
        assert (await here.report(code, here.siti))["status"] == "reopened"
        # A new end, rated on its own.
        here.move("sigapdes", number, "2")
        await here.stands(code, "in_progress", here.siti)
        here.move("sigapdes", number, "3")
        await here.stands(code, "resolved", here.siti)
        assert (await does(here, code, "rating", here.siti, stars=3)).body["status"] == "closed"
        endings = [hop["facts"]["ending"] for hop in (await here.trace(code))["hops"] if hop["kind"] == "report.rated"]
        assert endings == [1, 2]


async def test_the_desk_takes_over_what_no_app_can_be_told(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=("cc112",)) as here:
        code = (await here.stage.file(FLOOD, here.siti)).body["code"]
        number = await here.numbered(code, 1, here.siti)
        here.move("cc112", number, "CLOSED", closing={"outcome": "handled", "text": "selesai"})
        await here.stands(code, "resolved", here.siti)
        done = await does(here, code, "reopening", here.siti, reason="air naik lagi")
        assert (done.status, done.body["status"], done.body["carried"]) == (201, "reopened", [])
        cases = (await here.report(code, here.siti))["cases"]
        assert [(case["app"], case["status"]) for case in cases] == [("cc112", "resolved"), ("gateway", "reopened")]
        (item,) = (await here.stage.ask("GET", "/v1/desk/queue", here.coordinator)).body["items"]
        assert (item["report"], item["case"], item["reason"]) == (code, 2, "reopened")
        closed = await here.verb(code, "close", here.coordinator, case=2, outcome="resolved", text="aman")
        assert closed.body["status"] == "resolved", closed


async def test_a_desks_case_is_in_its_queue_again(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=()) as here:
        filed = await here.stage.file(OTHER)
        code, secret = filed.body["code"], filed.body["secret"]
        await here.verb(code, "close", here.coordinator, outcome="rejected", text="bukan wewenang")
        done = await does(here, code, "reopening", None, secret, reason=REASON)
        assert (done.body["status"], done.body["desk"]) == ("reopened", ["DISKOMINFO-SP"])
        (item,) = (await here.stage.ask("GET", "/v1/desk/queue", here.officer("DISKOMINFO-SP"))).body["items"]
        assert (item["report"], item["status"]) == (code, "reopened")
        replied = await here.verb(code, "reply", here.coordinator, text="kami cek")
        assert replied.body["status"] == "in_progress"
        again = await here.verb(code, "close", here.coordinator, outcome="resolved", text="sudah")
        assert again.body["status"] == "resolved"


async def test_the_time_to_reopen_runs_out(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=()) as here:
        clock = tmp_path / "data" / "clock"
        codes = [(await here.stage.file(OTHER, here.siti)).body["code"] for _ in range(2)]
        for code in codes:
            await here.verb(code, "close", here.coordinator, outcome="resolved", text="selesai")
        travel(clock, timedelta(days=29))
        await asyncio.sleep(0.3)  # the clock's file is looked at four times a second
        assert (await does(here, codes[0], "reopening", here.siti, reason="x")).status == 201
        travel(clock, timedelta(days=3))
        await asyncio.sleep(0.3)
        late = await does(here, codes[1], "reopening", here.siti, reason="x")
        assert (late.status, late.body["type"]) == (409, "/problems/reopening-too-late")
        assert "follow_up_to" in late.body["detail"]
