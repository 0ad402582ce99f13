"""A report comes into an account, with what was split off it; the old secret ends, and so do text messages."""

import asyncio
from pathlib import Path
from typing import Any

from tests.journeys.hall import PATIENCE, hall
from tests.journeys.test_citizen_rights import OTHER, does
from tests.sms import sms_service

PHONE = "+6281234567890"


async def test_a_claimed_report_is_its_owners_alone(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=()) as here:
        filed = await here.stage.file(OTHER)
        code, old = filed.body["code"], filed.body["secret"]
        budi = here.stage.token("budi", "citizen")
        assert (await does(here, code, "claim", None, old)).status == 401
        assert (await does(here, code, "claim", here.officer("DISKOMINFO-SP"), old)).status == 403
        assert (await does(here, code, "claim", here.siti)).status == 404
        assert (await does(here, code, "claim", here.siti, "s1.salah")).status == 404
        claimed = await does(here, code, "claim", here.siti, old)
        assert (claimed.status, claimed.body["code"], claimed.body["parts"]) == (201, code, [])
        new = claimed.body["secret"]
        assert new != old
        # The old secret opens nothing any more; a repeat whose answer was lost gets the same.
        assert (await here.stage.ask("GET", f"/v1/track/{code}", x_report_secret=old)).status == 404
        assert (await does(here, code, "withdrawal", None, old)).status == 404
        assert (await does(here, code, "claim", here.siti, old)).body == claimed.body
        assert (await here.stage.ask("GET", f"/v1/track/{code}", x_report_secret=new)).status == 200
        assert [item["code"] for item in (await here.stage.ask("GET", "/v1/reports", here.siti)).body["items"]] == [
            code
        ]
        # Nobody takes it out of the account, whatever he holds.
        stolen = await does(here, code, "claim", budi, new)
        assert (stolen.status, stolen.body["type"]) == (409, "/problems/claim-impossible")
        hop = await here.hop(code, "report.claimed")
        assert (hop["facts"], hop["rule"], hop["actor"]["kind"]) == ({"epoch": 1}, "claim", "citizen")
        assert "Laporan ditambahkan ke akun" in [row["title"] for row in await here.told(code, here.siti)]


async def test_two_who_claim_at_once_are_told_apart(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=()) as here:
        filed = await here.stage.file(OTHER)
        code, secret = filed.body["code"], filed.body["secret"]
        people = [here.stage.token(f"warga-{number}", "citizen") for number in range(4)]
        answers = await asyncio.gather(*(does(here, code, "claim", one, secret) for one in people))
        assert {answer.status for answer in answers} <= {201, 404, 409}
        assert [answer.status for answer in answers].count(201) == 1
        mine = [(await here.stage.ask("GET", "/v1/reports", one)).body["items"] for one in people]
        assert sorted(len(items) for items in mine) == [0, 0, 0, 1]


async def test_what_was_split_off_comes_along(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=()) as here:
        filed = await here.stage.file(OTHER)
        code, secret = filed.body["code"], filed.body["secret"]
        parts = [{"service": "IN-ROAD", "description": "Jalan rusak"}]
        split = await here.verb(code, "split", here.coordinator, parts=parts, reason="dua hal")
        assert split.status == 200, split
        part = split.body["parts"][0]["code"]
        assert (await here.stage.ask("GET", f"/v1/track/{part}", x_report_secret=secret)).status == 200
        claimed = await does(here, code, "claim", here.siti, secret)
        assert [one["code"] for one in claimed.body["parts"]] == [part]
        own = claimed.body["parts"][0]["secret"]
        for given, status in ((secret, 404), (own, 200)):
            assert (await here.stage.ask("GET", f"/v1/track/{part}", x_report_secret=given)).status == status
        mine = (await here.stage.ask("GET", "/v1/reports", here.siti)).body["items"]
        assert {item["code"] for item in mine} == {code, part}


async def test_who_wants_no_text_messages_gets_none(tmp_path: Path, database_url: str) -> None:
    async with sms_service() as (service, settings), hall(tmp_path, database_url, apps=(), **settings) as here:
        service.faults.append((503, {"Retry-After": "3"}))
        filed = await here.stage.file(OTHER)
        code, secret = filed.body["code"], filed.body["secret"]

        async def tried() -> bool:
            return bool(service.calls)

        await here.stage.until(tried, PATIENCE)
        declined = await does(here, code, "sms", None, secret, wanted=False)
        assert (declined.status, declined.body) == (201, {"code": code, "wanted": False})
        assert (await does(here, code, "sms", None, secret, wanted=False)).body == declined.body
        await here.verb(code, "close", here.coordinator, outcome="resolved", text="selesai")
        # Another report comes through: whatever was due before it has been dealt with.
        other = await here.stage.file(OTHER | {"reporter": {"phone": "0811-1111-1111"}})

        async def sent() -> list[str]:
            return service.texts("+6281111111111")

        await here.stage.until(sent, PATIENCE)
        assert service.texts(PHONE) == []
        wanted = await does(here, code, "sms", None, secret, wanted=True)
        assert wanted.body == {"code": code, "wanted": True}
        await does(here, code, "reopening", None, secret, reason="belum selesai")
        await here.verb(code, "close", here.coordinator, outcome="resolved", text="selesai")

        async def again() -> list[str]:
            return service.texts(PHONE)

        assert await here.stage.until(again, PATIENCE) == [f"Laporan {code}: Selesai ditangani."]
        # An account is told in the account; that it has the report is the last message.
        await does(here, other.body["code"], "claim", here.siti, other.body["secret"])
        await here.verb(other.body["code"], "close", here.coordinator, outcome="resolved", text="selesai")

        async def last() -> Any:
            texts = service.texts("+6281111111111")
            return texts if len(texts) == 2 else None

        assert (await here.stage.until(last, PATIENCE))[1].endswith("Laporan ditambahkan ke akun.")
        refused = await does(here, other.body["code"], "sms", here.siti, wanted=True)
        assert (refused.status, refused.body["type"]) == (409, "/problems/sms-impossible")
