"""A report is taken in exactly once, whatever the network and the caller do; what cannot be taken says why."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from gateway.flows.intake.accept import fingerprint
from gateway.flows.intake.bodies import ReportBody
from gateway.flows.intake.check import Checker
from gateway.model.principal import Actor, Principal, Role
from tests.journeys.stage import DAMAGE, FLOOD, Stage, staged
from tests.pictures import photo


async def test_a_report_without_account_is_filed_and_tracked_with_its_secret(tmp_path: Path, database_url: str) -> None:
    async with staged(tmp_path, database_url, apps=()) as stage:
        filed = await stage.file(FLOOD)
        assert filed.status == 201
        assert filed.body["status"] == "received"
        assert filed.headers["Location"] == f"/v1/reports/{filed.body['code']}"
        assert [case["app"] for case in filed.body["cases"]] == ["gateway"], "no app is connected: the desk has it"
        code, secret = filed.body["code"], filed.body["secret"]
        seen = await stage.ask("GET", f"/v1/track/{code.lower()}", X_Report_Secret=secret)
        assert seen.status == 200
        assert seen.body["code"] == code
        other = secret[:-1] + ("y" if secret[-1] == "x" else "x")
        wrong = await stage.ask("GET", f"/v1/track/{code}", X_Report_Secret=other)
        unknown = await stage.ask("GET", "/v1/track/BRU-0000-0000", X_Report_Secret=secret)
        assert (wrong.status, unknown.status) == (404, 404)
        assert wrong.body["detail"] == unknown.body["detail"]


async def test_the_same_key_gives_the_same_answer_and_one_report(tmp_path: Path, database_url: str) -> None:
    async with staged(tmp_path, database_url, apps=()) as stage:
        citizen, key = stage.token("siti", "citizen"), str(uuid4())
        answers = await asyncio.gather(*(stage.file(FLOOD, citizen, key) for _ in range(32)))
        assert {answer.status for answer in answers} == {201}
        assert len({answer.body["code"] for answer in answers}) == 1
        assert len({str(answer.body) for answer in answers}) == 1
        assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
        spaced = await stage.ask("POST", "/v1/reports", citizen, raw=_spaced(FLOOD), idempotency_key=f'"{key}"')
        assert spaced.body == answers[0].body, "spacing and order of keys do not make another request"
        other = await stage.file(FLOOD | {"description": "Lain."}, citizen, key)
        assert (other.status, other.body["type"]) == (422, "/problems/idempotency-conflict")
        stranger = await stage.file(FLOOD, stage.token("budi", "citizen"), key)
        assert stranger.body["code"] != answers[0].body["code"], "a key belongs to its caller"
        mine = await stage.ask("GET", "/v1/reports", citizen)
        assert [report["code"] for report in mine.body["items"]] == [answers[0].body["code"]]


async def test_an_answer_lost_between_commit_and_caller_is_repeated(tmp_path: Path, database_url: str) -> None:
    async with staged(tmp_path, database_url, apps=()) as stage:
        key = str(uuid4())
        body = ReportBody(service="EM-FLOOD", description="Air naik.")
        house = stage.house
        draft = Checker(house.policy).draft(
            ReportBody(**{"service": "EM-FLOOD", "description": FLOOD["description"], **_parts()}), house.clock.now()
        )
        assert body.description != draft.content.description
        public = Principal(issuer="", subject="", roles=frozenset({Role.PUBLIC}))
        digest = fingerprint(_decoded(FLOOD))
        first = await house.intake.accept(public, Actor(kind="public", ref="p"), key, digest, draft, "id", None, ())
        again = await stage.file(FLOOD, key=key)
        assert again.status == 201
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.body["code"].encode() in first.body


async def test_a_clients_own_name_for_a_report_holds_for_ever(tmp_path: Path, database_url: str) -> None:
    async with staged(tmp_path, database_url, apps=()) as stage:
        citizen = stage.token("siti", "citizen")
        named = FLOOD | {"client_ref": "draft-17"}
        answers = await asyncio.gather(*(stage.file(named, citizen) for _ in range(8)))
        assert len({answer.body["code"] for answer in answers}) == 1, "eight keys, one name, one report"
        public = await stage.file(named)
        assert public.status == 400, "without account a name that can be guessed would open a stranger's report"
        assert public.body["errors"][0]["pointer"] == "#/client_ref"


async def test_keys_are_asked_for_and_weighed(tmp_path: Path, sqlite_url: str) -> None:
    async with staged(tmp_path, sqlite_url, apps=()) as stage:
        without = await stage.ask("POST", "/v1/reports", body=FLOOD)
        assert (without.status, without.body["type"]) == (400, "/problems/idempotency-key-missing")
        weak = await stage.file(FLOOD, key="1")
        assert (weak.status, weak.body["type"]) == (400, "/problems/idempotency-key-weak")
        assert (await stage.file(FLOOD, stage.token("siti", "citizen"), key="1")).status == 201


async def test_follow_up_links_both_reports(tmp_path: Path, database_url: str) -> None:
    async with staged(tmp_path, database_url, apps=()) as stage:
        siti, operator = stage.token("siti", "citizen"), stage.token("op", "operator", agency="KEC-BALUSU")
        first = (await stage.file(FLOOD, siti)).body
        followed = await stage.file(DAMAGE | {"follow_up_to": first["code"]}, operator)
        assert followed.status == 201
        coordinator = stage.token("co", "coordinator")
        seen = (await stage.ask("GET", f"/v1/reports/{followed.body['code']}", coordinator)).body
        assert [(link["kind"], link["code"]) for link in seen["links"]] == [("follow_up_to", first["code"])]
        mine = (await stage.ask("GET", f"/v1/reports/{first['code']}", siti)).body
        assert mine["links"] == [], "a citizen sees links between his own reports only"
        foreign = await stage.file(FLOOD | {"follow_up_to": first["code"]}, stage.token("budi", "citizen"))
        assert (foreign.status, foreign.body["type"]) == (422, "/problems/follow-up-unknown")
        by_secret = await stage.file(FLOOD | {"follow_up_to": first["code"]}, X_Report_Secret=first["secret"])
        assert by_secret.status == 201


async def test_photos_travel_apart_and_belong_to_their_uploader(tmp_path: Path, database_url: str) -> None:
    picture = photo()
    async with staged(tmp_path, database_url, apps=()) as stage:
        siti = stage.token("siti", "citizen")
        sent = await stage.ask("POST", "/v1/attachments", siti, raw=picture, Content_Type="image/jpeg")
        assert sent.status == 201
        assert picture not in b"".join(
            path.read_bytes() for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file()
        )
        stolen = await stage.file(FLOOD | {"attachments": [sent.body["id"]]}, stage.token("budi", "citizen"))
        assert (stolen.status, stolen.body["type"]) == (422, "/problems/attachment-unknown")
        key = str(uuid4())
        filed = await stage.file(FLOOD | {"attachments": [sent.body["id"]]}, siti, key)
        assert filed.status == 201
        repeated = await stage.file(FLOOD | {"attachments": [sent.body["id"]]}, siti, key)
        assert repeated.body == filed.body, "a repeat is answered although its file is part of a report by now"
        again = await stage.file(FLOOD | {"attachments": [sent.body["id"]]}, siti)
        assert again.status == 422, "a file is part of one report"
        lying = await stage.ask("POST", "/v1/attachments", siti, raw=b"<html>", Content_Type="image/png")
        assert lying.status == 415


async def test_identity_cannot_be_hidden_where_the_service_needs_it(tmp_path: Path, sqlite_url: str) -> None:
    async with staged(tmp_path, sqlite_url, apps=()) as stage:
        letter: dict[str, Any] = {
            "service": "VI-LETTER",
            "description": "Surat domisili.",
            "place": {"village": "73.11.07.1001"},
            "reporter": {"name": "Siti", "phone": "081234567890", "national_id": "7311074101900001"},
            "attributes": {"letter_type": "domisili", "purpose": "Melamar kerja"},
        }
        assert (await stage.file(letter)).status == 201
        hidden = await stage.file(letter | {"identity": "confidential"})
        assert (hidden.status, hidden.body["type"]) == (422, "/problems/identity-needed")
        nameless = await stage.file(letter | {"reporter": {}})
        assert {error["pointer"] for error in nameless.body["errors"]} == {
            "#/reporter/name",
            "#/reporter/phone",
            "#/reporter/national_id",
        }


FAR = (datetime.now(UTC) + timedelta(days=2)).isoformat()
BAD: dict[str, tuple[Any, int, str]] = {
    "unknown service": (FLOOD | {"service": "EM-NONE"}, 422, "unknown-service"),
    "village outside Barru": (FLOOD | {"place": {"village": "73.72.01.1001"}}, 422, "unknown-village"),
    "village in the other system": (FLOOD | {"place": {"village": "7310041003"}}, 422, "unknown-village"),
    "a district is no village": (FLOOD | {"place": {"village": "73.11.07"}}, 422, "unknown-village"),
    "point far away": (FLOOD | {"place": {"latitude": 0.0, "longitude": 0.0}}, 422, "outside-barru"),
    "text in a number": (FLOOD | {"place": {"latitude": "-4.2", "longitude": 119.6}}, 422, "wrong-type"),
    "half a point": (FLOOD | {"place": {"latitude": -4.2, "village": "73.11.07.1001"}}, 422, "missing-field"),
    "wrong type": (FLOOD | {"description": 5}, 422, "wrong-type"),
    "unknown field": (FLOOD | {"descripton": "x"}, 422, "unknown-field"),
    "unknown answer": (DAMAGE | {"attributes": DAMAGE["attributes"] | {"colour": "red"}}, 422, "unknown-field"),
    "text for a count": (DAMAGE | {"attributes": DAMAGE["attributes"] | {"people": "five"}}, 422, "wrong-type"),
    "not a choice": (DAMAGE | {"attributes": DAMAGE["attributes"] | {"disaster": "tsunami"}}, 422, "not-one-of"),
    "future": (FLOOD | {"occurred_at": FAR}, 422, "time-future"),
    "ancient": (FLOOD | {"occurred_at": "1990-01-01T00:00:00Z"}, 422, "time-ancient"),
    "year one": (FLOOD | {"occurred_at": "0001-01-01T00:00:00+14:00"}, 422, "bad-time"),
    "no time": (FLOOD | {"occurred_at": "kemarin"}, 422, "bad-time"),
    "phone": (FLOOD | {"reporter": {"phone": "abc"}}, 422, "bad-phone"),
    "nik": (FLOOD | {"reporter": {"national_id": "7311999999999999"}}, 422, "bad-nik"),
    "a megabyte": (FLOOD | {"description": "x" * 1_000_000}, 413, "too-large"),
    "20,000 characters": (FLOOD | {"description": "x" * 20_000}, 422, "too-long"),
    "empty": (FLOOD | {"description": "   "}, 422, "missing-field"),
    "a list": ([], 422, "wrong-type"),
    "nothing known": ({}, 422, "missing-field"),
}
RAW: dict[str, tuple[bytes, int, str]] = {
    "not JSON": (b"{", 400, "malformed-json"),
    "not UTF-8": (b'{"service": "\xff"}', 400, "malformed-json"),
    "NUL": (b'{"service": "EM-FLOOD", "description": "a\\u0000b"}', 422, "bad-text"),
    "lone surrogate": (b'{"service": "EM-FLOOD", "description": "\\ud800"}', 422, "bad-text"),
    "duplicate key": (b'{"service": "EM-FLOOD", "service": "EM-FIRE"}', 400, "duplicate-key"),
    "too deep": (b'{"attributes": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400, "too-deep"),
    "infinity": (b'{"service": "EM-FLOOD", "place": {"latitude": Infinity}}', 400, "bad-number"),
    "huge number": (b'{"service": "EM-FLOOD", "place": {"latitude": 1e999}}', 400, "bad-number"),
}


async def test_what_cannot_be_taken_says_where_and_why(tmp_path: Path, sqlite_url: str) -> None:
    async with staged(tmp_path, sqlite_url, apps=()) as stage:
        for name, (body, status, slug) in BAD.items():
            answer = await stage.file(body)
            assert (answer.status, answer.body["type"]) == (status, f"/problems/{slug}"), name
            assert answer.headers["Content-Type"] == "application/problem+json", name
        for name, (raw, status, slug) in RAW.items():
            answer = await stage.ask("POST", "/v1/reports", raw=raw, idempotency_key=str(uuid4()))
            assert (answer.status, answer.body["type"]) == (status, f"/problems/{slug}"), name
        assert await _count(stage) == 0, "nothing of it was taken in"


async def test_refusals_speak_both_languages(tmp_path: Path, sqlite_url: str) -> None:
    async with staged(tmp_path, sqlite_url, apps=()) as stage:
        indonesian = await stage.file(FLOOD | {"service": "X"})
        english = await stage.file(FLOOD | {"service": "X"}, Accept_Language="en-GB,en;q=0.9,id;q=0.1")
        assert indonesian.body["title"] == "Layanan tidak dikenal"
        assert english.body["title"] == "The service is not known"
        several = await stage.file(FLOOD | {"reporter": {"phone": "x", "national_id": "1"}})
        assert {error["code"] for error in several.body["errors"]} == {"bad-phone", "bad-nik"}, "all faults at once"


async def test_times_without_zone_are_of_barru_and_phones_become_international(tmp_path: Path, sqlite_url: str) -> None:
    async with staged(tmp_path, sqlite_url, apps=()) as stage:
        local = (datetime.now(UTC) + timedelta(hours=8) - timedelta(hours=2)).replace(tzinfo=None, microsecond=0)
        citizen = stage.token("siti", "citizen")
        filed = await stage.file(FLOOD | {"occurred_at": local.isoformat()}, citizen)
        seen = (await stage.ask("GET", f"/v1/reports/{filed.body['code']}", citizen)).body
        assert datetime.fromisoformat(seen["occurred_at"]) == (local - timedelta(hours=8)).replace(tzinfo=UTC)
        assert seen["reporter"]["phone"].startswith("+62")


async def test_danger_words_suggest_an_emergency_and_never_reroute(tmp_path: Path, sqlite_url: str) -> None:
    async with staged(tmp_path, sqlite_url, apps=()) as stage:
        body = {
            "service": "XX-OTHER",
            "description": "Ada kebakaran besar di pasar!",
            "place": {"village": "73.11.03.1001"},
        }
        filed = await stage.file(body)
        assert filed.status == 201
        assert filed.body["service"] == "XX-OTHER"
        assert "EM-FIRE" in {found["service"] for found in filed.body["suggestions"]}
        assert all("112" in found["text"] for found in filed.body["suggestions"])


async def test_many_without_account_are_slowed_but_emergencies_are_taken(tmp_path: Path, sqlite_url: str) -> None:
    other = {"service": "XX-OTHER", "description": "Lampu taman mati.", "place": {"village": "73.11.03.1001"}}
    async with staged(tmp_path, sqlite_url, apps=()) as stage:
        statuses = [(await stage.file(other)).status for _ in range(61)]
        assert set(statuses[:60]) == {201}
        assert statuses[60] == 429
        flood = await stage.file(FLOOD)
        assert flood.status == 201, "an emergency is never refused for its number"
        assert (await stage.file(other, stage.token("siti", "citizen"))).status == 201


async def test_the_catalogue_and_the_territory_are_public(tmp_path: Path, sqlite_url: str) -> None:
    async with staged(tmp_path, sqlite_url, apps=()) as stage:
        catalogue = (await stage.ask("GET", "/v1/services")).body
        assert len(catalogue["services"]) == 37
        damage = (await stage.ask("GET", "/v1/services/VI-DAMAGE", Accept_Language="en")).body
        assert damage["form"]["properties"]["people"]["type"] == "integer"
        near = (await stage.ask("GET", "/v1/territory?lat=-4.285&lon=119.62")).body
        assert near["ranked"]
        assert len(near["items"]) > 1, "a point gives candidates, never a silent choice"
        balusu = (await stage.ask("GET", "/v1/territory?name=balusu")).body
        assert {item["level"] for item in balusu["items"][:2]} == {"district", "desa"}
        assert (await stage.ask("GET", "/v1/territory?lat=1")).status == 400
        assert len((await stage.ask("GET", "/v1/territory")).body["items"]) == 63


async def _count(stage: Stage) -> int:
    found = await stage.ask("GET", "/v1/reports", stage.token("co", "coordinator"))
    return len(found.body["items"])


def _spaced(body: dict[str, Any]) -> bytes:
    import json

    return json.dumps(dict(reversed(body.items())), indent=3).encode()


def _decoded(body: dict[str, Any]) -> ReportBody:
    import msgspec

    return msgspec.convert(body, ReportBody)


def _parts() -> dict[str, Any]:
    decoded = _decoded(FLOOD)
    return {"place": decoded.place, "reporter": decoded.reporter}


pytestmark = pytest.mark.timeout(120)
