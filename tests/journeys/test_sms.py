"""Notices by text message: who gets which, what stands in them, and that each arrives whatever the service does."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import SettingsError, read_settings
from tests.journeys.hall import PATIENCE, Hall, hall
from tests.journeys.stage import FLOOD
from tests.sms import SECRET, Service, sms_service

PHONE = "+6281234567890"
OTHER: dict[str, Any] = {
    "service": "XX-OTHER",
    "description": "KENARI-URAIAN: bantuan beras tidak pernah sampai.",
    "place": {"village": "73.11.07.1001"},
    "reporter": {"name": "KENARI-NAMA", "phone": "0812-3456-7890"},
}


async def texts(here: Hall, service: Service, count: int, number: str = PHONE) -> list[str]:
    """Wait until so many messages have come to a number; return them."""

    async def look() -> list[str] | None:
        found = service.texts(number)
        return found if len(found) >= count else None

    found: list[str] = await here.stage.until(look, PATIENCE)
    assert len(found) == count
    return found


async def kinds(here: Hall, code: str, *wanted: str) -> list[Any]:
    """Wait until a report's stream has entries of these kinds (as many of each as it is named); return its hops."""

    async def look() -> Any:
        hops = [hop for hop in (await here.trace(code))["hops"] if hop["report"] == code]
        return hops if Counter(hop["kind"] for hop in hops) >= Counter(wanted) else None

    hops: list[Any] = await here.stage.until(look, PATIENCE)
    return hops


async def test_a_reporter_without_an_account_is_told(tmp_path: Path, database_url: str) -> None:
    async with sms_service() as (service, settings), hall(tmp_path, database_url, apps=(), **settings) as here:
        code = (await here.stage.file(OTHER)).body["code"]
        (first,) = await texts(here, service, 1)
        assert first.startswith(f"Laporan diterima: Lainnya / belum diklasifikasi. Kode: {code}. Simpan kode ini")
        done = await here.verb(code, "close", here.coordinator, outcome="resolved", text="KENARI-JAWABAN")
        assert done.status == 200, done
        assert (await texts(here, service, 2))[1] == f"Laporan {code}: Selesai ditangani."
        hops = await kinds(here, code, "sms.queued", "sms.sent", "sms.sent")
        sent = [hop for hop in hops if hop["kind"] == "sms.sent"]
        assert [(hop["app"], hop["direction"], hop["attempt"], hop["http"]) for hop in sent] == [
            ("sms", "out", 1, 202)
        ] * 2
        assert [hop["facts"]["notice"] for hop in sent] == ["report.received", "status.resolved"]
        assert PHONE[3:] not in str(hops)
        # Whoever has an account reads it there.
        mine = (await here.stage.file(OTHER | {"reporter": {"phone": "0812-9999-0000"}}, here.siti)).body["code"]
        await here.verb(mine, "close", here.coordinator, outcome="resolved", text="selesai")
        again = (await here.stage.file(OTHER)).body["code"]
        assert again in (await texts(here, service, 3))[2]
        assert service.texts("+6281299990000") == []


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("GV-INTEGRITY", {}),
        ("XX-OTHER", {"identity": "confidential"}),
    ],
)
async def test_a_shared_telephone_gives_nothing_away(
    tmp_path: Path, database_url: str, name: str, more: dict[str, Any]
) -> None:
    async with sms_service() as (service, settings), hall(tmp_path, database_url, apps=(), **settings) as here:
        code = (await here.stage.file(OTHER | {"service": name} | more)).body["code"]
        (first,) = await texts(here, service, 1)
        assert first == f"Kode Anda: {code}"
        done = await here.verb(code, "close", here.coordinator, outcome="resolved", text="KENARI-JAWABAN")
        assert done.status == 200, done
        assert (await texts(here, service, 2))[1] == f"Ada kabar tentang laporan Anda {code}, buka tautan Anda."


async def test_a_caller_of_112_can_follow_what_his_call_became(tmp_path: Path, database_url: str) -> None:
    page = "https://lapor.example/lacak"
    async with (
        sms_service() as (service, settings),
        hall(tmp_path, database_url, apps=("cc112",), GATEWAY_TRACK_URL=page, **settings) as here,
    ):
        code = await here.born(
            "cc112",
            call={"type": "informasi", "service": "IN-LIGHT"},
            caller={"name": "KENARI-NAMA", "msisdn": PHONE},
            narrative="KENARI-URAIAN: lampu jalan padam",
        )
        (first,) = await texts(here, service, 1)
        assert first.startswith(
            f"Panggilan 112 Anda dicatat sebagai laporan Penerangan jalan / lalu lintas, kode {code}."
        )
        link = next(word for word in first.split() if word.startswith(page))
        named, _, secret = link.removeprefix(f"{page}#").partition(":")
        assert named == code
        tracked = await here.stage.ask("GET", f"/v1/track/{code}", x_report_secret=secret)
        assert (tracked.status, tracked.body["service"]["code"]) == (200, "IN-LIGHT")
        assert "KENARI" not in first


async def test_whatever_the_service_does_a_message_arrives_once(tmp_path: Path, database_url: str) -> None:
    async with sms_service() as (service, settings), hall(tmp_path, database_url, apps=(), **settings) as here:
        service.faults.extend([(503, {"Retry-After": "1"}), "cut", (500, {})])
        code = (await here.stage.file(OTHER)).body["code"]
        hops = await kinds(here, code, "sms.sent")
        tried = [(hop["attempt"], hop["facts"].get("cause")) for hop in hops if hop["kind"] == "sms.retry"]
        assert tried == [(1, "http_503"), (2, "cut"), (3, "http_500")]
        assert len({call.id for call in service.calls}) == 1
        assert len(service.calls) == 4
        assert len(service.texts(PHONE)) == 1


async def test_a_message_that_is_refused_is_seen(tmp_path: Path, database_url: str) -> None:
    async with sms_service() as (service, settings), hall(tmp_path, database_url, apps=(), **settings) as here:
        service.faults.append((422, {}))
        code = (await here.stage.file(OTHER)).body["code"]
        (failed,) = [hop for hop in await kinds(here, code, "sms.failed") if hop["kind"] == "sms.failed"]
        assert (failed["outcome"], failed["facts"]) == ("rejected", {"notice": "report.received", "cause": "http_422"})
        other = (await here.stage.file(OTHER)).body["code"]
        assert other in (await texts(here, service, 1))[0]


async def test_a_wrong_secret_sends_nothing_and_tells_nobody(tmp_path: Path, sqlite_url: str) -> None:
    async with sms_service() as (service, settings):
        wrong = settings | {"GATEWAY_SMS_SECRET": "lain"}
        async with hall(tmp_path, sqlite_url, apps=(), **wrong) as here:
            code = (await here.stage.file(OTHER)).body["code"]
            hops = await kinds(here, code, "sms.retry")
            assert [hop["facts"]["cause"] for hop in hops if hop["kind"] == "sms.retry"] == ["http_401"]
        assert service.calls == []


async def test_without_a_service_development_shows_them(
    tmp_path: Path, sqlite_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with hall(tmp_path, sqlite_url, apps=()) as here:
        code = (await here.stage.file(FLOOD)).body["code"]
        file = tmp_path / "data" / "sms.jsonl"

        async def look() -> bool:
            return file.exists() and file.read_bytes().endswith(b"\n")

        await here.stage.until(look, PATIENCE)
        (shown,) = [json.loads(line) for line in file.read_text().splitlines()]
        assert (shown["to"], code in shown["text"]) == (PHONE, True)
        await kinds(here, code, "sms.sent")
    assert f"SMS {PHONE}: " in capfd.readouterr().err


async def test_no_personal_data_stands_outside_the_vault(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path / 'data' / 'gateway.db'}"
    async with sms_service() as (service, settings), hall(tmp_path, url, apps=(), **settings) as here:
        service.faults.append((500, {}))
        code = (await here.stage.file(OTHER)).body["code"]
        await kinds(here, code, "sms.retry", "sms.sent")
    told = capfd.readouterr()
    kept = "".join(path.read_bytes().decode("latin-1") for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert code in kept
    for canary in ("81234567890", "KENARI", SECRET):
        assert canary not in kept + told.out + told.err


def test_settings_of_text_messages(tmp_path: Path) -> None:
    production = {"GATEWAY_ENV": "production", "GATEWAY_OIDC_ISSUER": "https://id.example"}
    assert read_settings(production, None).texts is False
    assert read_settings({}, None).texts is True
    with pytest.raises(SettingsError, match="GATEWAY_SMS_SECRET"):
        read_settings({"GATEWAY_SMS_URL": "https://sms.example/kirim"}, None)
    with pytest.raises(SettingsError, match="GATEWAY_SMS_URL"):
        read_settings({"GATEWAY_SMS_URL": "ftp://sms.example", "GATEWAY_SMS_SECRET": "x"}, None)
    secret = tmp_path / "secret"
    secret.write_text("x" * 20)
    named = {"GATEWAY_SMS_URL": "https://sms.example/kirim", "GATEWAY_SMS_SECRET_FILE": str(secret)}
    assert read_settings(production | named, None).texts is True
