"""Reports that hang together: split, duplicates, objections; and two reporters who never learn of each other."""

import itertools
from pathlib import Path
from typing import Any

from gateway.kernel.ledger import tables as t
from gateway.model.principal import GATEWAY
from tests.journeys.hall import PATIENCE, VILLAGE, Hall, hall
from tests.pictures import photo

NIK = "7311074101900001"
CALL: dict[str, Any] = {
    "category": "LONGSOR",
    "call": {"type": "normal", "msisdn": "+6285255000041"},
    "location": {"text": "Jalan Jangan Jangan", "kode_wilayah": VILLAGE},
    "narrative": "Jalan ambles, tidak bisa lewat.",
}
FUND: dict[str, Any] = {
    "service": "VI-FUND",
    "description": "KENARI-ADUAN: APBDes dirahasiakan.",
    "place": {"village": "73.11.05.2006", "address": "KENARI-ALAMAT"},
    "reporter": {"name": "KENARI-NAMA", "phone": "0812-3450-9876", "email": "kenari@example.org", "national_id": NIK},
}
REQUEST: dict[str, Any] = {
    "service": "IF-REQUEST",
    "description": "Salinan peraturan tarif retribusi pantai.",
    "place": {"address": "Jl. Sultan Hasanuddin 1"},
    "reporter": {
        "name": "Pemohon Lain",
        "phone": "0852-1111-2222",
        "email": "pemohon@example.org",
        "national_id": "7311014107850001",
    },
    "attributes": {"purpose": "Penelitian", "occupation": "student", "form_of_information": "soft_copy"},
}
PARTS: list[dict[str, Any]] = [
    {"service": "IF-REQUEST", "description": "Minta salinan APBDes 2026.", "attributes": {"purpose": "Pengawasan"}},
    {"service": "VI-GOV", "description": "Aparat tidak melayani.", "reason": "urusan camat"},
]


async def complete(here: Hall, token: str) -> dict[str, Any]:
    """A request for information with the photo of an identity card."""
    card = await here.stage.upload(token, photo())
    return REQUEST | {"attributes": REQUEST["attributes"] | {"identity_card": card}}


# -- split ---------------------------------------------------------------------------------------------------------


async def test_a_part_asks_for_what_it_lacks_and_is_delivered_when_it_is_there(
    tmp_path: Path, database_url: str
) -> None:
    async with hall(tmp_path, database_url, apps=("sigapdes",)) as here:
        filed = await here.stage.file(
            {
                "service": "XX-OTHER",
                "description": "Surat hilang waktu banjir, dan lampu jalan mati.",
                "place": {"village": VILLAGE},
                "reporter": {"name": "Siti Rahma", "phone": "0812-3456-7890"},
            }
        )
        code, secret = filed.body["code"], filed.body["secret"]
        sorter = here.officer("DISKOMINFO-SP")
        parts = [
            {
                "service": "VI-LETTER",
                "description": "Surat keterangan hilang",
                "attributes": {"letter_type": "kehilangan"},
            },
            {"service": "IN-LIGHT", "description": "Lampu jalan mati", "reason": "KENARI-ALASAN"},
        ]
        done = await here.verb(code, "split", sorter, parts=parts, reason="dua urusan")
        assert done.status == 200, done
        letter, light = done.body["parts"]
        assert (letter["app"], letter["status"]) == ("sigapdes", "needs_info")
        assert letter["missing"] == ["reporter.national_id", "purpose"]
        assert (light["app"], light["agency"], light["missing"]) == ("gateway", "DISHUB", [])
        again = await here.verb(code, "split", sorter, parts=parts[1:])
        assert (again.status, light["code"] in again.body["detail"]) == (409, True)

        # The reporter holds one secret; it opens the parts, and shows which they are.
        mine = await here.report(code, secret=secret)
        assert {link["code"] for link in mine["links"]} == {letter["code"], light["code"]}
        part = await here.report(letter["code"], secret=secret)
        assert (part["status"], part["due"]) == ("needs_info", [])  # clocks count from what is complete
        (ask,) = part["asks"]
        assert ([field["name"] for field in ask["fields"]], ask["opens"]) == (letter["missing"], True)
        assert (await here.report(light["code"], here.officer("DISHUB")))["reporter"]["name"] == "Siti Rahma"
        assert here.stage.apps["sigapdes"].store.records == {}

        path = f"/v1/reports/{letter['code']}/messages"
        first = await here.stage.ask("POST", path, None, {"answers": {"purpose": "Urus SIM"}}, X_Report_Secret=secret)
        assert (first.status, first.body["missing"]) == (201, ["reporter.national_id"]), first
        assert here.stage.apps["sigapdes"].store.records == {}
        nik = {"answers": {"reporter.national_id": "7311 0741 0190 0001"}}
        rest = await here.stage.ask("POST", path, None, nik, X_Report_Secret=secret)
        assert (rest.status, rest.body["carried"], rest.body["missing"]) == (201, ["sigapdes"], [])
        record = await here.arrives("sigapdes", f"{letter['code']}-1")
        assert (record.kind, record.row["nik"], record.row["jenis_surat"]) == ("surat", NIK, "kehilangan")
        assert "Urus SIM" in record.row["keperluan"]
        after = await here.report(letter["code"], secret=secret)
        assert (after["asks"], [due["state"] for due in after["due"]]) == ([], ["running"])
        assert NIK not in str(await here.told(letter["code"], secret=secret))

        # Somebody who claims a part has it for himself.
        ledger = here.stage.house.ledger
        act = ledger.act(GATEWAY, "test")
        act.change(t.report, {"code": light["code"]}, epoch=1)
        await ledger.commit(act)
        claimed = await here.stage.ask("GET", f"/v1/reports/{light['code']}", X_Report_Secret=secret)
        assert claimed.status == 404
        assert {link["code"] for link in (await here.report(code, secret=secret))["links"]} == {letter["code"]}

        trace = await here.trace(light["code"])
        assert {report["code"] for report in trace["reports"]} == {code, letter["code"], light["code"]}
        rules = {hop["rule"] for hop in trace["hops"] if hop["kind"] in {"link.made", "link.received", "report.split"}}
        assert rules == {"desk:split"}
        assert "KENARI-ALASAN" not in str(trace)
        assert NIK not in str(trace)


async def test_a_hidden_reporter_is_asked_before_a_part_names_him(tmp_path: Path, database_url: str) -> None:
    """Story 8: a village fund question is a complaint and a request for information."""
    async with hall(tmp_path, database_url, apps=("sigapdes",)) as here:
        filed = await here.stage.file(FUND, here.siti)
        code = filed.body["code"]
        dpmd, ppid = here.officer("DPMDPPKBPPPA"), here.officer("DISKOMINFO-SP")
        done = await here.verb(code, "split", dpmd, parts=PARTS[:1], reason="KENARI-ALASAN")
        (part,) = done.body["parts"]
        assert part["missing"] == [
            "reporter.name",
            "reporter.phone",
            "reporter.email",
            "reporter.national_id",
            "place.address",
            "occupation",
            "form_of_information",
            "identity_card",
        ]
        assert part["code"] is None, "an officer who handles the complaint could ask the other office who it was"
        again = await here.verb(code, "split", dpmd, parts=PARTS[:1])
        assert again.status == 409
        links = (await here.report(code, here.siti))["links"]
        (request,) = [link["code"] for link in links]
        assert request not in str(again.body)
        # Neither office reads anything that leads to the other, nor who the reporter is.
        for office, own, other in ((dpmd, code, request), (ppid, request, code)):
            seen = str([await here.report(own, office), await here.told(own, office)])
            for canary in (other, "KENARI-NAMA", "34509876", "kenari@example.org", NIK):
                assert canary not in seen, canary
            assert (await here.stage.ask("GET", f"/v1/reports/{other}", office)).status == 404
        assert "KENARI" not in str([await here.report(request, ppid), await here.told(request, ppid)])
        # His answer is his consent: for the request, and not for the complaint.
        answers = {
            "reporter.name": "Siti Rahma",
            "reporter.phone": "0812-3450-9876",
            "reporter.email": "kenari@example.org",
            "reporter.national_id": NIK,
            "place.address": "Jl. Merdeka 1",
            "occupation": "farmer",
            "form_of_information": "soft_copy",
            "identity_card": await here.stage.upload(here.siti, photo()),
        }
        path = f"/v1/reports/{request}/messages"
        answered = await here.stage.ask("POST", path, here.siti, {"answers": answers})
        assert (answered.status, answered.body["missing"]) == (201, []), answered
        assert (await here.report(request, here.siti))["status"] == "verified"
        assert (await here.report(request, ppid))["reporter"]["name"] == "Siti Rahma"
        complaint = await here.report(code, dpmd)
        assert (complaint["reporter"], "Siti Rahma" in str(complaint)) == (None, False)
        # What can be given to somebody hidden keeps him hidden.
        more = await here.verb(code, "split", dpmd, parts=PARTS[1:])
        (other,) = more.body["parts"]
        record = await here.arrives("sigapdes", f"{other['code']}-1")
        assert record.row["nama"] == "Dirahasiakan"


async def test_an_office_that_handles_both_is_not_told_that_they_belong_together(
    tmp_path: Path, database_url: str
) -> None:
    async with hall(tmp_path, database_url, apps=()) as here:
        hidden = {**FUND, "service": "GV-DIGITAL", "identity": "confidential"}
        code = (await here.stage.file(hidden, here.siti)).body["code"]
        office = here.officer("DISKOMINFO-SP")
        (part,) = (await here.verb(code, "split", office, parts=PARTS[:1])).body["parts"]
        assert (part["agency"], part["code"]) == ("DISKOMINFO-SP", None)
        (link,) = (await here.report(code, here.siti))["links"]
        assert (await here.report(link["code"], here.siti))["links"][0]["code"] == code
        for one in (code, link["code"]):
            assert (await here.report(one, office))["links"] == []
            assert (await here.report(one, here.coordinator))["links"]


async def test_what_named_roles_alone_may_see_is_not_hinted_at_by_a_part(tmp_path: Path, database_url: str) -> None:
    """A letter for somebody who was hurt at home: the village learns nothing of the emergency."""
    async with hall(tmp_path, database_url) as here:
        code = (await here.stage.file({**FUND, "service": "EM-DV"}, here.siti)).body["code"]
        number = await here.numbered(code, 1, here.siti)
        trusted = here.officer("DPMDPPKBPPPA", "restricted")
        letter = {"letter_type": "kehilangan", "purpose": "KTP hilang"}
        parts = [{"service": "VI-LETTER", "description": "Surat kehilangan", "attributes": letter}]
        assert (await here.verb(code, "split", here.officer("DPMDPPKBPPPA"), parts=parts)).status == 404
        (part,) = (await here.verb(code, "split", trusted, parts=parts)).body["parts"]
        assert part["missing"] == ["reporter.name", "reporter.phone", "reporter.national_id"]
        ((link),) = (await here.report(code, here.siti))["links"]
        answers = {"reporter.name": "Siti", "reporter.phone": "0812-3450-9876", "reporter.national_id": NIK}
        path = f"/v1/reports/{link['code']}/messages"
        answered = await here.stage.ask("POST", path, here.siti, {"answers": answers})
        assert answered.body["carried"] == ["sigapdes"], answered
        record = await here.arrives("sigapdes", f"{link['code']}-1")
        office = here.officer("DPMDPPKBPPPA")
        seen = str([record.row, await here.report(link["code"], office), await here.told(link["code"], office)])
        for canary in (code, number, "KENARI", "cc112"):
            assert canary not in seen, canary


async def test_a_split_is_made_whole_or_not_at_all(tmp_path: Path, sqlite_url: str) -> None:
    async with hall(tmp_path, sqlite_url, apps=()) as here:
        code = (await here.stage.file(FUND, here.siti)).body["code"]
        officer = here.officer("DPMDPPKBPPPA")
        for parts, pointer in (
            ([], "#/parts"),
            ([PARTS[0], {"service": "NO-SUCH", "description": "x"}], "#/parts/1/service"),
            ([PARTS[0], {"service": "EM-FIRE", "description": "x"}], "#/parts/1/service"),
            ([{**PARTS[0], "attributes": {"occupation": "raja"}}], "#/parts/0/attributes/occupation"),
        ):
            refused = await here.verb(code, "split", officer, parts=parts)
            assert (refused.status, refused.body["errors"][0]["pointer"]) == (422, pointer), refused
        assert (await here.verb(code, "split", here.officer("DLH"), parts=PARTS)).status == 404
        assert (await here.report(code, here.siti))["links"] == []


# -- duplicates ----------------------------------------------------------------------------------------------------


async def test_calls_about_one_thing_are_merged_and_all_hear_its_end(tmp_path: Path, database_url: str) -> None:
    """Story 6: two more calls about the road."""
    async with hall(tmp_path, database_url, apps=("cc112",)) as here:
        first, second = [await here.born("cc112", **CALL) for _ in range(2)]
        third = (await here.stage.file({**FUND, "service": "XX-OTHER"}, here.siti)).body["code"]
        merged = {"kind": "duplicate_of", "code": first, "reason": "sama"}
        assert (await here.verb(second, "link", here.coordinator, **merged)).status == 200
        done = await here.verb(third, "link", here.coordinator, **merged)
        assert done.body == {"report": third, "kind": "duplicate_of", "code": first, "status": "duplicate"}
        assert (await here.report(second, here.coordinator))["status"] == "received"  # its app goes on
        mine = await here.told(third, here.siti)
        assert "Hal ini sudah dilaporkan" in str(mine)
        assert (await here.stage.ask("GET", "/v1/desk/queue", here.officer("DISKOMINFO-SP"))).body["items"] == []
        number = (await here.report(first, here.coordinator))["cases"][0]["references"][0]["value"]
        here.move("cc112", number, "CLOSED", "KENARI-PENUTUP", closing={"outcome": "handled"})
        await here.stands(first, "resolved")

        async def heard() -> bool:
            rows = [row["title"] for code in (second, third) for row in await here.told(code, here.coordinator)]
            return rows.count("Hal yang juga Anda laporkan kini selesai ditangani") == 2

        await here.stage.until(heard, PATIENCE)
        mine = await here.told(third, here.siti)
        for canary in (first, second, number, "KENARI-PENUTUP"):
            assert canary not in str(mine), canary
        assert (await here.hop(third, "report.told"))["facts"] == {"ended": "resolved"}
        assert (await here.hop(third, "link.made"))["rule"] == "desk:link"


async def test_a_duplicate_of_a_duplicate_hears_the_end_of_the_first(tmp_path: Path, database_url: str) -> None:
    async with hall(tmp_path, database_url, apps=()) as here:
        body = {**FUND, "service": "XX-OTHER"}
        codes = [(await here.stage.file(body, here.stage.token(f"warga{n}", "citizen"))).body["code"] for n in range(3)]
        for one, other in itertools.pairwise(reversed(codes)):
            done = await here.verb(one, "link", here.coordinator, kind="duplicate_of", code=other, reason="sama")
            assert done.status == 200
        circle = await here.verb(codes[0], "link", here.coordinator, kind="duplicate_of", code=codes[2], reason="x")
        assert (circle.status, circle.body["type"]) == (409, "/problems/link-circle")
        assert "kini" not in str([await here.told(code, here.coordinator) for code in codes])
        closed = await here.verb(codes[0], "close", here.coordinator, outcome="rejected", text="Bukan wewenang")
        assert closed.status == 200

        async def heard() -> bool:
            told = [str(await here.told(code, here.coordinator)) for code in codes[1:]]
            return all("kini berakhir" in one for one in told)

        await here.stage.until(heard, PATIENCE)
        ends = [
            row["title"] for code in codes for row in await here.told(code, here.coordinator) if "kini" in row["title"]
        ]
        assert len(ends) == 2, "each was told once"


async def test_what_cannot_be_linked(tmp_path: Path, sqlite_url: str) -> None:
    async with hall(tmp_path, sqlite_url, apps=()) as here:
        body = {**FUND, "service": "XX-OTHER"}
        one, other = [(await here.stage.file(body, here.siti)).body["code"] for _ in range(2)]
        officer = here.officer("DISKOMINFO-SP")
        for kind, code, pointer in (
            ("split_from", other, "#/kind"),
            ("friend_of", other, "#/kind"),
            ("related_to", one, "#/code"),
            ("related_to", "BRU-0000-0000", "#/code"),
        ):
            refused = await here.verb(one, "link", officer, kind=kind, code=code, reason="x")
            assert (refused.status, refused.body["errors"][0]["pointer"]) == (422, pointer)
        assert (await here.verb(one, "link", officer, kind="related_to", code=other, reason="x")).status == 200
        twice = await here.verb(one, "link", officer, kind="related_to", code=other, reason="x")
        assert (twice.status, twice.body["type"]) == (409, "/problems/already-linked")
        stranger = here.officer("DLH")
        assert (await here.verb(one, "link", stranger, kind="related_to", code=other, reason="x")).status == 404
        violence = (await here.stage.file({**FUND, "service": "EM-DV"}, here.siti)).body["code"]
        hidden = await here.verb(one, "link", officer, kind="related_to", code=violence, reason="x")
        assert hidden.status == 422, "that there is such a report is told to nobody who may not see it"


# -- objection -----------------------------------------------------------------------------------------------------


async def test_an_objection_stands_in_the_trace_of_its_request(tmp_path: Path, database_url: str) -> None:
    """Story 8: no answer to a request, then the objection."""
    async with hall(tmp_path, database_url, apps=()) as here:
        request = (await here.stage.file(await complete(here, here.siti), here.siti)).body["code"]
        objection = REQUEST | {
            "service": "IF-OBJECT",
            "follow_up_to": request,
            "attributes": {"ticket": "PPID-2026-000123", "grounds": ["c"]},
        }
        filed = await here.stage.file(objection, here.siti)
        assert filed.status == 201, filed
        code = filed.body["code"]
        assert [due["clock"] for due in filed.body["due"]] == ["ppid_objection"]
        assert (await here.report(code, here.siti))["links"] == [
            {"kind": "objection_to", "direction": "to", "code": request}
        ]
        trace = await here.trace(request)
        assert {report["code"]: [due["clock"] for due in report["due"]] for report in trace["reports"]} == {
            request: ["ppid_request"],
            code: ["ppid_objection"],
        }
        # Another citizen objects to nothing of hers.
        other = here.stage.token("budi", "citizen")
        assert (await here.stage.file(objection, other)).status == 422


# -- two reporters -------------------------------------------------------------------------------------------------


async def test_two_linked_reporters_never_learn_of_each_other(tmp_path: Path, database_url: str) -> None:
    """Story 5: a hidden complaint about a levy, and a request for the tariff by somebody else."""
    async with hall(tmp_path, database_url, apps=()) as here:
        budi = here.stage.token("budi", "citizen")
        levy = await here.stage.file(
            {
                "service": "TO-PRICE",
                "description": "KENARI-PUNGLI di pantai",
                "reporter": {"name": "KENARI-SITI", "phone": "0812-0000-7771"},
                "attributes": {"destination": "KENARI-TUJUAN"},
            },
            here.siti,
        )
        request = await here.stage.file(
            await complete(here, budi)
            | {
                "description": "KENARI-TARIF peraturan",
                "reporter": REQUEST["reporter"] | {"name": "KENARI-BUDI"},
            },
            budi,
        )
        one, two = levy.body["code"], request.body["code"]
        inspector = here.officer("DISPARPORA")
        for kind in ("related_to", "follow_up_to", "duplicate_of"):
            linked = await here.verb(one, "link", inspector, kind=kind, code=two, reason="KENARI-KAITAN")
            assert linked.status == 200, linked
        await here.verb(two, "reply", here.coordinator, text="Salinan tersedia")
        closed = await here.verb(two, "close", here.coordinator, outcome="resolved", text="KENARI-JAWABAN")
        assert closed.status == 200

        async def over() -> bool:
            return "Ada kabar akhir untuk laporan Anda" in str(await here.told(one, here.siti))

        await here.stage.until(over, PATIENCE)
        for token, filed, own, other in (
            (here.siti, levy.body, "KENARI-SITI", ["KENARI-TARIF", "KENARI-BUDI", "KENARI-JAWABAN", two]),
            (budi, request.body, "KENARI-BUDI", ["KENARI-PUNGLI", "KENARI-SITI", "KENARI-TUJUAN", one]),
        ):
            seen = await everything(here, token, filed)
            assert own in seen, "the search works"
            for canary in [*other, "KENARI-KAITAN", "DISPARPORA-LAIN"]:
                assert canary not in seen, canary
        # The hidden one is not told to who handles the other, and what one office does is not in the other's record.
        assert "KENARI-SITI" not in str(await here.report(one, inspector))
        trace = await here.trace(one)
        assert {report["code"] for report in trace["reports"]} == {one, two}
        assert "KENARI" not in str(trace)


async def everything(here: Hall, token: str, filed: dict[str, Any]) -> str:
    """All that a citizen can get, by account and by secret, of his own and of nobody's report, in both languages."""
    code, secret = filed["code"], filed["secret"]
    seen: list[Any] = [filed]
    for language in ("id", "en"):
        for path in (
            "/v1/reports",
            f"/v1/reports?q={code}",
            f"/v1/reports/{code}",
            f"/v1/reports/{code}/timeline",
        ):
            answer = await here.stage.ask("GET", path, token, Accept_Language=language)
            assert answer.status == 200, answer
            seen.append(answer.body)
        for path in (f"/v1/reports/{code}", f"/v1/reports/{code}/timeline", f"/v1/track/{code}"):
            answer = await here.stage.ask("GET", path, X_Report_Secret=secret, Accept_Language=language)
            assert answer.status == 200, answer
            seen.append(answer.body)
        said = await here.stage.ask(
            "POST", f"/v1/reports/{code}/messages", token, {"text": "Ada kabar?"}, Accept_Language=language
        )
        assert said.status == 201, said
        seen.append(said.body)
    seen.append(await streamed(here, code, token))
    return str(seen)


async def streamed(here: Hall, code: str, token: str) -> str:
    """The first events of a report's stream."""
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{here.stage.url}/v1/reports/{code}/stream"
    async with here.stage.session.get(url, headers=headers) as answer:
        found = b""
        while found.count(b"\n\n") < 2 and b"\r\n\r\n" not in found:
            found += await answer.content.readany()
        return found.decode()
