"""What crosses apps: a report referred, escalated, split, asked about; each move with who, why and which rule."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.flows.desk.answer import Officer
from gateway.flows.desk.who import Desk
from gateway.flows.tracking.bodies import MessageBody, MessageTaken
from gateway.flows.tracking.message import Messages
from gateway.kernel.coordination import LocalWake
from gateway.kernel.host import Host, Registry
from gateway.kernel.ledger import tables as t
from gateway.kernel.policy import Policy
from gateway.model.principal import EVERYTHING, Principal, Role, Scope
from gateway.model.problem import Problem
from tests.journeys.filed import CITIZEN, opened
from tests.journeys.hall import PATIENCE, VILLAGE, hall
from tests.journeys.stage import FLOOD

ROOT = Path(__file__).parents[2]

NIK = "7311074101900001"
OTHER: dict[str, Any] = {
    "service": "XX-OTHER",
    "description": "Bantuan beras tidak pernah sampai di dusun kami.",
    "place": {"village": VILLAGE, "landmark": "dekat masjid"},
    "reporter": {"name": "Siti Rahma", "phone": "0812-3456-7890"},
}
AID = OTHER | {"service": "VI-AID"}
FUND: dict[str, Any] = OTHER | {
    "service": "VI-FUND",
    "place": {"village": "73.11.05.2006"},
    "description": "APBDes dirahasiakan, proyek jalan tani tidak jelas.",
    "reporter": {"name": "KENARI-NAMA", "phone": "0812-3450-9876", "email": "kenari@example.org", "national_id": NIK},
}


# -- refer ---------------------------------------------------------------------------------------------------------


async def test_a_report_is_referred_from_the_desk_to_an_app(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=("sigapdes",)) as here:
        code = (await here.stage.file(OTHER, here.siti)).body["code"]
        sorter, dinsos = here.officer("DISKOMINFO-SP"), here.officer("DINSOS")
        assert (await here.stage.ask("GET", f"/v1/reports/{code}", dinsos)).status == 404
        done = await here.verb(code, "refer", sorter, service="VI-AID", reason="KENARI-ALASAN: ini bansos")
        assert done.status == 200, done
        assert done.body == {
            "report": code,
            "case": 2,
            "app": "sigapdes",
            "agency": "DINSOS",
            "status": "received",
            "reason": "desk_referred",
            "missing": [],
        }
        record = await here.arrives("sigapdes", f"{code}-1")
        assert (record.row["kategori"], record.row["nama"]) == ("bansos", "Siti Rahma")
        seen = await here.report(code, here.siti)
        assert [(case["app"], case["status"]) for case in seen["cases"]] == [
            ("gateway", "cancelled"),
            ("sigapdes", "received"),
        ]
        assert {due["clock"]: due["state"] for due in seen["due"]} == {"triage_3": "met", "complaint_14": "running"}
        told = await here.told(code, here.siti)
        assert "Diteruskan kepada Dinsos" in [row["title"] for row in told]
        assert "KENARI-ALASAN" not in str(told)
        assert "KENARI-ALASAN" in str(await here.told(code, dinsos))
        hop = await here.hop(code, "case.referred")
        assert (hop["case"], hop["rule"], hop["actor"]["org"]) == (1, "desk:refer", "DISKOMINFO-SP")
        assert hop["facts"] == {
            "to": "sigapdes",
            "agency": "DINSOS",
            "service": "VI-AID",
            "new_case": 2,
            "privacy": "personal",
        }
        opened = [hop for hop in (await here.trace(code))["hops"] if hop["kind"] == "case.opened"][-1]
        assert (opened["rule"], opened["app"]) == ("desk:refer", "sigapdes")
        assert "KENARI-ALASAN" not in str(await here.trace(code))
        # The desk has let go of it; the app's end is the report's end.
        assert (await here.stage.ask("GET", "/v1/desk/queue", sorter)).body["items"] == []
        number = await here.numbered(code, 2, here.siti)
        here.move("sigapdes", number, "3", "Sudah disalurkan")
        await here.stands(code, "resolved", here.siti)


async def test_what_is_there_is_not_referred_again(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=()) as here:
        code = (await here.stage.file(OTHER, here.siti)).body["code"]
        sorter = here.officer("DISKOMINFO-SP")
        first = await here.verb(code, "refer", sorter, agency="PUTR", reason="jalan")
        assert (first.status, first.body["app"], first.body["agency"]) == (200, "gateway", "PUTR")
        again = await here.verb(code, "refer", here.coordinator, case=2, agency="PUTR", reason="jalan")
        assert (again.status, again.body["type"]) == (409, "/problems/already-there")
        assert "PUTR" in again.body["detail"]
        assert "(2, status `received`)" in again.body["detail"]
        # An app that is not there is its own desk's case, with the reason.
        other = await here.verb(
            code, "refer", here.coordinator, case=2, app="sipendting", service="IN-LIGHT", reason="x"
        )
        assert (other.status, other.body["app"], other.body["agency"]) == (200, "gateway", "DISHUB")
        assert other.body["reason"] in {"app_absent", "app_off"}
        cases = (await here.report(code, here.siti))["cases"]
        assert [(case["agency"], case["status"]) for case in cases] == [
            ("DISKOMINFO-SP", "cancelled"),
            ("PUTR", "cancelled"),
            ("DISHUB", "received"),
        ]


async def test_who_may_refer_and_what_is_refused(tmp_path: Path, sqlite_url: str) -> None:
    async with hall(tmp_path, sqlite_url, apps=("sigapdes",)) as here:
        code = (await here.stage.file(OTHER, here.siti)).body["code"]
        sorter, stranger = here.officer("DISKOMINFO-SP"), here.officer("DLH")
        ask = {"agency": "PUTR", "reason": "x"}
        assert (await here.verb(code, "refer", stranger, **ask)).status == 404
        assert (await here.verb(code, "refer", here.siti, **ask)).status == 403
        assert (await here.stage.ask("POST", f"/v1/desk/reports/{code}/refer", None, ask)).status == 401
        for body, pointer in (
            ({"reason": "x"}, "#/app"),
            ({"agency": "PUTR"}, "#/reason"),
            ({"agency": "PUPR", "reason": "x"}, "#/agency"),
            ({"app": "lapor", "reason": "x"}, "#/app"),
            ({"service": "NO-SUCH", "reason": "x"}, "#/service"),
            ({"service": "VI-DAMAGE", "reason": "x", "attributes": {"people": "lima"}}, "#/attributes/people"),
            ({"service": "EM-FIRE", "agency": "BPBD", "reason": "x"}, "#/agency"),
        ):
            refused = await here.verb(code, "refer", sorter, **body)
            assert refused.status == 422, (body, refused)
            assert refused.body["errors"][0]["pointer"] == pointer
        assert len((await here.report(code, here.siti))["cases"]) == 1


async def test_a_hidden_reporter_stays_hidden_wherever_it_goes(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=("sigapdes",)) as here:
        body = FUND | {"service": "GV-INTEGRITY", "description": "Pungutan liar di kantor desa."}
        code = (await here.stage.file(body, here.siti)).body["code"]
        inspector = here.officer("INSPEKTORAT")
        # A service for named people only is not opened for him: he would have to say who he is.
        refused = await here.verb(code, "refer", inspector, service="VI-AID", reason="bansos")
        assert (refused.status, refused.body["type"]) == (409, "/problems/reporter-hidden")
        done = await here.verb(code, "refer", inspector, service="VI-GOV", reason="aparat desa")
        assert (done.status, done.body["app"]) == (200, "sigapdes"), done
        record = await here.arrives("sigapdes", f"{code}-1")
        assert record.row["nama"] == "Dirahasiakan"
        everything = "".join(
            path.read_bytes().decode("latin-1") for path in (tmp_path / "apps").rglob("*") if path.is_file()
        )
        assert "KENARI-NAMA" not in everything
        assert "34509876" not in everything
        assert NIK not in everything
        shown = await here.report(code, here.officer(done.body["agency"]))
        assert shown["reporter"] is None


async def test_a_referral_never_weakens_how_a_report_is_protected(tmp_path: Path, sqlite_url: str) -> None:
    async with hall(tmp_path, sqlite_url, apps=()) as here:
        code = (await here.stage.file(OTHER, here.siti)).body["code"]
        raised = await here.verb(code, "refer", here.coordinator, service="GV-INTEGRITY", reason="pungli")
        assert raised.status == 200
        assert (await here.hop(code, "case.referred"))["facts"]["privacy"] == "sensitive_reporter"
        assert (await here.report(code, here.officer("INSPEKTORAT")))["reporter"] is None
        back = await here.verb(code, "refer", here.coordinator, service="IN-ROAD", reason="jalan")
        assert back.status == 200
        assert (await here.report(code, here.officer("PUTR")))["reporter"] is None
        clash = await here.verb(code, "refer", here.coordinator, service="HE-SERVICE", reason="kesehatan")
        assert (clash.status, clash.body["type"]) == (409, "/problems/privacy-clash")
        # What a patient said stays with those who treat him; others are told in an officer's words.
        sick = (
            await here.stage.file(OTHER | {"service": "HE-SERVICE", "description": "KENARI-DIAGNOSA"}, here.siti)
        ).body["code"]
        bare = await here.verb(sick, "refer", here.coordinator, service="GV-SERVICE", reason="antre")
        assert (bare.status, bare.body["errors"][0]["code"]) == (422, "words-needed")
        said = await here.verb(
            sick, "refer", here.coordinator, service="GV-SERVICE", reason="antre", description="Antrean lama"
        )
        assert said.status == 200
        child = await here.verb(
            sick, "refer", here.coordinator, service="CH-STUNT", reason="gizi", description="Periksa"
        )
        assert child.status == 200, child
        facts = [hop["facts"] for hop in (await here.trace(sick))["hops"] if hop["kind"] == "case.referred"]
        assert facts[-1]["privacy"] == "child_health"


# -- an emergency --------------------------------------------------------------------------------------------------


async def test_a_complaint_becomes_an_emergency_and_runs_on(tmp_path: Path, database_url: str) -> None:
    """Story 6: the road is cut; a pregnant woman cannot pass."""
    async with hall(tmp_path, database_url) as here:
        filed = await here.stage.file(AID | {"description": "Jalan ke Jangan Jangan putus."})
        code, secret = filed.body["code"], filed.body["secret"]
        await here.arrives("sigapdes", f"{code}-1")
        number = await here.numbered(code, 1, here.coordinator)
        dinsos = here.officer("DINSOS")
        body = {"service": "EM-MATERNAL", "reason": "Ibu hamil tidak bisa lewat", "description": "Ibu hamil terjebak"}
        done = await here.verb(code, "refer", dinsos, **body)
        assert done.status == 200, done
        emergency = done.body["report"]
        assert emergency != code
        assert (done.body["app"], done.body["agency"]) == ("cc112", "DINKES")
        incident = await here.arrives("cc112", f"{emergency}-1")
        assert incident.row["category"] == "PERSALINAN"
        assert incident.row["caller"]["name"] == "Siti Rahma"
        assert f"Terkait (escalated_from): sigapdes {number}" in incident.row["narrative"]
        assert VILLAGE in str(incident.row["location"])
        again = await here.verb(code, "refer", dinsos, **body)
        assert (again.status, again.body["type"]) == (409, "/problems/already-there")
        assert emergency in again.body["detail"]
        # The reporter's secret opens both; each tells of the other.
        part = await here.report(emergency, secret=secret)
        assert {due["clock"] for due in part["due"]} >= {"acknowledge", "dispatch"}
        mine = await here.report(code, secret=secret)
        assert mine["links"] == [{"kind": "escalated_from", "direction": "from", "code": emergency}]
        assert mine["status"] == "received"
        assert any(emergency in row["title"] for row in await here.told(code, secret=secret))
        wrong = secret[:-1] + ("0" if secret[-1] != "0" else "1")
        for name, key in ((emergency, wrong), (code, wrong)):
            refused = await here.stage.ask("GET", f"/v1/reports/{name}", X_Report_Secret=key)
            assert refused.status == 404
        trace = await here.trace(code)
        assert {report["code"] for report in trace["reports"]} == {code, emergency}
        assert {hop["rule"] for hop in trace["hops"] if hop["kind"] in {"link.made", "link.received"}} == {"desk:refer"}
        await here.numbered(emergency, 1, here.coordinator)


# -- ask -----------------------------------------------------------------------------------------------------------


async def test_a_desk_asks_and_goes_on_with_the_answer(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=()) as here:
        code = (await here.stage.file(AID, here.siti)).body["code"]
        dinsos = here.officer("DINSOS")
        asked = await here.verb(
            code, "ask", dinsos, fields=["programme", "reporter.national_id"], text="Mohon lengkapi."
        )
        assert asked.status == 200, asked
        assert asked.body == {
            "report": code,
            "case": 1,
            "status": "needs_info",
            "fields": ["programme", "reporter.national_id"],
        }
        seen = await here.report(code, here.siti, Accept_Language="en")
        (ask,) = seen["asks"]
        assert [(field["name"], field["label"], field["datatype"]) for field in ask["fields"]] == [
            ("programme", "Programme", "choice"),
            ("reporter.national_id", "NIK (national identity number)", "nik"),
        ]
        assert (seen["status"], ask["by"], ask["opens"]) == ("needs_info", "DINSOS", False)
        assert "Mohon lengkapi." in ask["text"]
        path = f"/v1/reports/{code}/messages"
        for answers, pointer in (
            ({"programme": "beras"}, "#/answers/programme"),
            ({"reporter.national_id": "123"}, "#/answers/reporter.national_id"),
            ({"reporter.national_id": 7}, "#/answers/reporter.national_id"),
            ({"nama_ibu": "x"}, "#/answers/nama_ibu"),
        ):
            refused = await here.stage.ask("POST", path, here.siti, {"answers": answers})
            assert (refused.status, refused.body["errors"][0]["pointer"]) == (422, pointer), refused
        some = await here.stage.ask("POST", path, here.siti, {"answers": {"programme": "pkh"}})
        assert (some.status, some.body["missing"]) == (201, ["reporter.national_id"])
        assert (await here.report(code, here.siti))["status"] == "needs_info"
        rest = await here.stage.ask("POST", path, here.siti, {"answers": {"reporter.national_id": NIK}})
        assert (rest.status, rest.body["missing"]) == (201, [])
        after = await here.report(code, here.siti)
        assert (after["status"], after["asks"]) == ("in_progress", [])
        assert after["attributes"] == {"programme": "pkh"}
        assert after["reporter"]["national_id"] == "7311**********01"
        told = await here.told(code, dinsos)
        assert NIK not in str(told)
        assert any("NIK: ***" in row.get("text", "") for row in told)
        kinds = [hop["kind"] for hop in (await here.trace(code))["hops"]]
        assert [kind for kind in kinds if kind in {"case.asked", "report.completed", "case.answered"}] == [
            "case.asked",
            "report.completed",
            "report.completed",
            "case.answered",
        ]
        trace = str(await here.trace(code))
        assert NIK not in trace
        assert "Mohon lengkapi" not in trace


async def test_a_question_in_words_is_answered_in_words(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=("sigapdes",)) as here:
        code = (await here.stage.file(AID, here.siti)).body["code"]
        number = await here.numbered(code, 1, here.siti)
        asked = await here.verb(code, "ask", here.officer("DINSOS"), text="Sejak kapan?")
        assert (asked.status, asked.body["status"]) == (200, "needs_info")
        here.move("sigapdes", number, "2")

        async def heard() -> bool:
            return any(hop["word"] == "pengaduan/2" for hop in (await here.trace(code))["hops"])

        await here.stage.until(heard, PATIENCE)
        assert (await here.report(code, here.siti))["status"] == "needs_info", "nobody has answered yet"
        answer = await here.stage.ask("POST", f"/v1/reports/{code}/messages", here.siti, {"text": "Sejak Januari"})
        assert (answer.body["carried"], answer.body["missing"]) == (["sigapdes"], [])
        assert (await here.report(code, here.siti))["status"] == "in_progress", "as the app says"

        async def replied() -> bool:
            row = here.stage.apps["sigapdes"].store.records[number].row
            return "Sejak Januari" in [one["isi"] for one in row["tanggapan"]]

        await here.stage.until(replied, PATIENCE)
        # The app goes on as it will.
        here.move("sigapdes", number, "3", "Sudah")
        await here.stands(code, "resolved")
        late = await here.verb(code, "ask", here.officer("DINSOS"), text="Lagi?")
        assert (late.status, late.body["type"]) == (409, "/problems/case-conflict")


async def test_what_may_be_asked(tmp_path: Path, sqlite_url: str) -> None:
    async with hall(tmp_path, sqlite_url, apps=()) as here:
        code = (await here.stage.file(FUND, here.siti)).body["code"]
        officer = here.officer("DPMDPPKBPPPA")
        refused = await here.verb(code, "ask", officer, fields=["reporter.phone"])
        assert (refused.status, refused.body["type"]) == (409, "/problems/reporter-hidden")
        unknown = await here.verb(code, "ask", officer, fields=["shoe_size"])
        assert (unknown.status, unknown.body["errors"][0]["pointer"]) == (422, "#/fields/0")
        assert (await here.verb(code, "ask", officer)).body["type"] == "/problems/question-empty"
        assert (await here.verb(code, "ask", officer, fields=["budget_year"])).status == 200
        again = await here.verb(code, "ask", officer, fields=["budget_year"])
        assert again.body["type"] == "/problems/question-empty"
        assert (await here.verb(code, "ask", here.officer("DLH"), text="?")).status == 404


# -- assign --------------------------------------------------------------------------------------------------------


async def test_a_case_is_given_to_an_officer_and_to_another_agency(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=()) as here:
        code = (await here.stage.file(OTHER, here.siti)).body["code"]
        sorter = here.officer("DISKOMINFO-SP")
        mine = await here.verb(code, "assign", sorter, officer="me", note="KENARI-CATATAN")
        assert mine.status == 200, mine
        (item,) = (await here.stage.ask("GET", "/v1/desk/queue", sorter)).body["items"]
        hop = await here.hop(code, "case.assigned")
        assert item["owner"] == mine.body["owner"] == hop["actor"]["ref"]
        assert (hop["rule"], "KENARI-CATATAN" in str(hop)) == ("desk:assign", False)
        away = await here.verb(code, "assign", sorter, agency="PUTR")
        assert (away.body["agency"], away.body["owner"]) == ("PUTR", None)
        assert (await here.verb(code, "assign", sorter, officer="me")).status == 404
        assert len((await here.stage.ask("GET", "/v1/desk/queue", here.officer("PUTR"))).body["items"]) == 1
        assert "Diteruskan kepada PUTRPerkim" in [row["title"] for row in await here.told(code, here.siti)]
        assert (await here.verb(code, "assign", here.coordinator)).body["type"] == "/problems/assignment-empty"
        assert (await here.verb(code, "assign", here.coordinator, agency="PUPR")).status == 422


# -- together ------------------------------------------------------------------------------------------------------


async def test_the_other_app_is_told_the_first_ones_number(tmp_path: Path, database_url: str) -> None:
    """Story 1 by an officer's hand: an incident of 112 becomes a record of damage in the village."""
    async with hall(tmp_path, database_url) as here:
        code = (await here.stage.file(FLOOD | {"reporter": {"name": "Siti Rahma"}}, here.siti)).body["code"]
        ticket = await here.numbered(code, 1, here.siti)
        damage = {"head_of_family": "Baso Tahir", "people": 5, "disaster": "banjir"}
        body = {"service": "VI-DAMAGE", "reason": "dapur hanyut", "attributes": damage}
        done = await here.verb(code, "refer", here.officer("BPBD"), **body)
        assert (done.body["case"], done.body["missing"]) == (2, ["severity"]), done
        shown = await here.report(code, here.siti)
        assert (shown["status"], [case["status"] for case in shown["cases"]]) == (
            "needs_info",
            ["received", "needs_info"],
        )
        answer = await here.stage.ask(
            "POST", f"/v1/reports/{code}/messages", here.siti, {"answers": {"severity": "berat"}}
        )
        assert (answer.body["carried"], answer.body["missing"]) == (["sigapdes"], []), "an answer goes to who asked"
        record = await here.arrives("sigapdes", f"{code}-2")
        assert (record.row["nama_kk"], record.row["tingkat"], record.row["jumlah_jiwa"]) == ("Baso Tahir", "berat", 5)
        after = await here.report(code, here.siti)
        assert (after["attributes"], after["status"]) == ({}, "received"), "what was said there stays there"
        # Were the number known when it is made, it goes along.
        other = (await here.stage.file(FLOOD, here.siti)).body["code"]
        number = await here.numbered(other, 1, here.siti)
        whole = body | {"attributes": damage | {"severity": "ringan"}}
        assert (await here.verb(other, "refer", here.officer("BPBD"), **whole)).body["missing"] == []
        linked = await here.arrives("sigapdes", f"{other}-2")
        assert f"Terkait (related_to): cc112 {number}" in linked.row["keterangan"]
        shared = [hop for hop in (await here.trace(other))["hops"] if hop["kind"] == "data.disclosed"]
        assert [hop["app"] for hop in shared] == ["cc112", "sigapdes"]
        assert "linked" in shared[1]["facts"]["fields"]
        assert ticket != number
        # 112 goes on by itself.
        here.move("cc112", number, "VERIFIED")
        await here.stands(other, "verified")


async def test_a_hidden_reporter_stays_hidden_in_an_emergency(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url) as here:
        code = (await here.stage.file(FUND | {"service": "VI-GOV"}, here.siti)).body["code"]
        await here.numbered(code, 1, here.siti)
        done = await here.verb(code, "refer", here.officer("DPMDPPKBPPPA"), service="EM-UNREST", reason="rusuh")
        assert done.status == 200, done
        emergency = done.body["report"]
        incident = await here.arrives("cc112", f"{emergency}-1")
        assert incident.row["caller"] == {"withheld": True, "name": "Dirahasiakan"}
        assert "KENARI-NAMA" not in str(incident.row)
        shown = await here.report(emergency, here.siti)
        assert (shown["identity"], shown["links"][0]["kind"]) == ("confidential", "escalated_from")


async def test_two_officers_refer_at_once_and_one_case_comes_of_it(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=("sigapdes",)) as here:
        code = (await here.stage.file(OTHER, here.siti)).body["code"]
        calls = [
            here.verb(code, "refer", here.coordinator, case=1, service="VI-AID", reason=f"kali {n}") for n in range(5)
        ]
        answers = await asyncio.gather(*calls)
        assert sorted(answer.status for answer in answers) == [200, 409, 409, 409, 409]
        assert {answer.body["type"] for answer in answers if answer.status == 409} == {"/problems/already-there"}
        assert len((await here.report(code, here.siti))["cases"]) == 2
        emergencies = [
            here.verb(code, "refer", here.coordinator, case=2, service="EM-FIRE", reason="api") for _ in range(4)
        ]
        assert sorted(answer.status for answer in await asyncio.gather(*emergencies)) == [200, 409, 409, 409]
        parts = [{"service": "IN-LIGHT", "description": "Lampu mati"}]
        splits = [here.verb(code, "split", here.coordinator, parts=parts) for _ in range(4)]
        assert sorted(answer.status for answer in await asyncio.gather(*splits)) == [200, 409, 409, 409]
        assert len((await here.trace(code))["reports"]) == 3


async def test_an_answer_given_twice_at_once_makes_one_delivery(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=("sigapdes",)) as here:
        code = (await here.stage.file(OTHER, here.siti)).body["code"]
        letter = {"letter_type": "usaha", "purpose": "bank"}
        body = {"service": "VI-LETTER", "reason": "surat", "attributes": letter}
        assert (await here.verb(code, "refer", here.coordinator, **body)).body["missing"] == ["reporter.national_id"]
        path, answers = f"/v1/reports/{code}/messages", {"answers": {"reporter.national_id": NIK}}
        said = await asyncio.gather(*(here.stage.ask("POST", path, here.siti, answers) for _ in range(4)))
        # Whoever comes second finds nothing asked any more: his words are kept as words.
        assert {answer.status for answer in said} == {201}
        record = await here.arrives("sigapdes", f"{code}-1")
        assert record.row["nik"] == NIK
        assert len([one for one in here.stage.apps["sigapdes"].store.records.values() if one.kind == "surat"]) == 1
        kinds = [hop["kind"] for hop in (await here.trace(code))["hops"]]
        assert kinds.count("case.answered") == 1
        assert NIK not in str(await here.told(code, here.siti))

        async def quiet() -> bool:
            waiting = await here.stage.ask("GET", "/v1/desk/deliveries?state=queued&state=sending", here.coordinator)
            return not waiting.body["items"]

        await here.stage.until(quiet, PATIENCE)
        (row,) = [one.row for one in here.stage.apps["sigapdes"].store.records.values()]
        assert row["tanggapan"], "what came too late was carried as words"
        assert NIK not in str(row["tanggapan"])


async def test_a_profile_that_may_not_have_peoples_words_gets_none(sqlite_url: str, tmp_path: Path) -> None:
    """What is written about a child goes no further, whoever wrote it and whenever."""
    folder = tmp_path / "connectors" / "cc112"
    shutil.copytree(ROOT / "connectors" / "cc112", folder)
    with (folder / "connector.toml").open("a") as manifest:
        manifest.write('\n[profiles.quiet.shares]\n"place.village" = "where"\n')
    environ = {"GATEWAY_CC112_BASE_URL": "http://127.0.0.1:9", "GATEWAY_CC112_API_KEY": "k"}
    environ["GATEWAY_CC112_WEBHOOK_SECRET"] = "s"
    async with opened(sqlite_url, tmp_path) as books:
        host = Host(Registry.discover([tmp_path / "connectors"], environ), books.clock)
        code = await books.file("CH-STUNT", privacy="child_health", emergency=False)
        officer = Officer(books.ledger, host, LocalWake())
        desk = Desk(scope=EVERYTHING, actor=CITIZEN, agency=None, by="BPBD")
        messages = Messages(books.ledger, Policy.load(ROOT / "config"), host, LocalWake())
        who = Principal(issuer="issuer", subject="andi", roles=frozenset({Role.CITIZEN}))

        async def says() -> tuple[list[str], list[str]]:
            said = MessageBody(text="KENARI")
            taken = await messages.take(who, Scope(code=code), CITIZEN, code, said, None, lambda text: [])
            answer = msgspec.json.decode(taken, type=MessageTaken)
            return answer.carried, answer.kept

        assert await says() == (["cc112"], [])
        assert (await officer.reply(desk, code, None, "Baik", None)).carried == "cc112"
        act = books.ledger.act(CITIZEN, "test")
        act.change(t.cases, {"id": (await books.whole(code)).cases[0]["id"]}, profile="quiet")
        await books.ledger.commit(act)
        assert await says() == ([], ["cc112"])
        with pytest.raises(Problem) as refused:
            await officer.reply(desk, code, None, "KENARI", None)
        assert refused.value.slug == "case-in-app"
        await host.close()
