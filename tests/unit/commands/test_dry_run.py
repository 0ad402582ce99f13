"""`gateway config dry-run`: what a changed map or rule would send elsewhere, told before it does, and nothing more."""

import asyncio
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.commands.dry_run.compare import Change, Filed, World, compare
from gateway.commands.dry_run.rehearse import world
from gateway.kernel.policy import PlanInput
from gateway.sdk.manifest import Categories
from tests.journeys.stage import DAMAGE, FLOOD, staged
from tests.sandboxes import CONNECTORS, ROOT

NOW = datetime(2026, 1, 28, 2, 0, tzinfo=UTC)
FLOODED = (
    '\n[[rule]]\nid = "flood-desk"\nreason = { id = "Uji", en = "Trial" }\n'
    'when = { services = ["EM-FLOOD"], villages = ["73.11.07.1001"], channels = ["api"] }\n'
    'then = { app = "gateway", fallback = "gateway", agency = "BPBD" }\n'
)
SEVERE = (
    '\n[[rule]]\nid = "damage-severe"\nreason = { id = "Uji", en = "Trial" }\n'
    'when = { services = ["VI-DAMAGE"], attributes = { severity = "berat", disaster = "banjir" } }\n'
    'then = { agency = "PUTR" }\n'
)


@pytest.fixture(scope="module")
def now() -> World:
    return world(ROOT / "config", [CONNECTORS])


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[str], Path]:
    """A copy of the configuration with lines added to its routing."""

    def make(lines: str) -> Path:
        folder = tmp_path / f"config-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(ROOT / "config", folder)
        with (folder / "routing.toml").open("a", encoding="utf-8") as routing:
            routing.write(lines)
        return folder

    return make


def filed(service: str, village: str | None = None, **more: object) -> Filed:
    draft = PlanInput(
        service=service, village=village, attributes={}, channel="api", text="", received_at=NOW, occurred_at=NOW
    )
    return Filed(code=f"{service} {village}", draft=msgspec.structs.replace(draft, **more), sent={})


def test_the_same_configuration_moves_nothing(now: World) -> None:
    every = [filed(service) for service in now.policy.services]
    outcome = compare(every, now, now)
    assert (outcome.compared, outcome.moved) == (len(every), ())


def test_a_changed_rule_moves_what_it_fits_and_nothing_else(now: World, changed: Callable[[str], Path]) -> None:
    new = world(changed(FLOODED), [CONNECTORS])
    reports = [filed("EM-FLOOD", "73.11.07.1001"), filed("EM-FLOOD", "73.11.05.2006"), filed("EM-FIRE")]
    outcome = compare(reports, new, now)
    assert outcome.compared == 3
    (moved,) = outcome.moved
    assert moved.code == "EM-FLOOD 73.11.07.1001"
    found = {change.what: (change.before, change.after) for change in moved.changes}
    assert found["app"] == ("cc112", "gateway")
    assert found["category"] == ("BANJIR", "")
    assert found["rule"] == ("routing:flood-takkalasi-relief", "routing:flood-desk")


def test_answers_decide_as_they_do_when_a_report_is_filed(now: World, changed: Callable[[str], Path]) -> None:
    new = world(changed(SEVERE), [CONNECTORS])
    reports = [filed("VI-DAMAGE", attributes={"severity": one, "disaster": "banjir"}) for one in ("berat", "ringan")]
    (moved,) = compare(reports, new, now).moved
    assert Change("agency", "BPBD", "PUTR") in moved.changes


def test_another_rule_to_the_same_place_is_no_move(now: World, changed: Callable[[str], Path]) -> None:
    same = FLOODED.replace('{ app = "gateway", fallback = "gateway", agency = "BPBD" }', '{ agency = "BPBD" }')
    new = world(changed(same.replace("villages", "districts").replace("73.11.07.1001", "73.11.05")), [CONNECTORS])
    report = filed("EM-FLOOD", "73.11.05.2006")
    before, after = now.destination(report.draft), new.destination(report.draft)
    assert before["rule"] != after["rule"]
    assert {k: v for k, v in before.items() if k not in {"rule", "support"}} == {
        k: v for k, v in after.items() if k not in {"rule", "support"}
    }


def test_a_changed_map_of_an_app_is_seen(now: World) -> None:
    sigapdes = now.manifests["sigapdes"]
    out = {service: word for service, word in sigapdes.categories.out.items() if service != "VI-DAMAGE"}
    without = msgspec.structs.replace(sigapdes, categories=Categories(out=out, inward=sigapdes.categories.inward))
    new = World(policy=now.policy, manifests={**now.manifests, "sigapdes": without})
    (moved,) = compare([filed("VI-DAMAGE"), filed("VI-LETTER")], new, now).moved
    assert Change("app", "sigapdes", now.policy.services["VI-DAMAGE"].fallback) in moved.changes
    out["VI-LETTER"] = "surat_baru"
    renamed = msgspec.structs.replace(sigapdes, categories=Categories(out=out, inward=sigapdes.categories.inward))
    new = World(policy=now.policy, manifests={**now.manifests, "sigapdes": renamed})
    (moved,) = compare([filed("VI-LETTER")], new, now).moved
    assert moved.changes == (Change("category", "surat", "surat_baru"),)


def test_a_service_that_is_gone_is_told(now: World) -> None:
    assert compare([filed("XX-NONE")], now, now).moved == ()
    outcome = compare([msgspec.structs.replace(filed("XX-NONE"), sent={"app": "cc112", "agency": "BPBD"})], now)
    assert outcome.moved[0].changes == (Change("app", "cc112", "not in the catalogue"),)


def test_a_report_born_in_an_app_is_not_sent_back_there(now: World) -> None:
    born = now.destination(filed("EM-FLOOD", exclude_app="cc112").draft)
    assert "app" not in born


@pytest.mark.timeout(180)
def test_the_last_reports_are_compared_and_nothing_of_them_is_told(
    tmp_path: Path, database_url: str, changed: Callable[[str], Path]
) -> None:
    async def play() -> list[str]:
        async with staged(tmp_path, database_url, apps=("cc112", "sigapdes")) as stage:
            citizen = stage.token("siti", "citizen")
            return [str((await stage.file(body, citizen)).body["code"]) for body in (FLOOD, DAMAGE, FLOOD)]

    codes = asyncio.run(play())
    environ = {
        "GATEWAY_DATABASE_URL": database_url,
        "GATEWAY_DATA": str(tmp_path / "data"),
        "GATEWAY_CONFIG": str(ROOT / "config"),
        "GATEWAY_CONNECTORS": str(CONNECTORS),
    }

    def dry_run(*arguments: str) -> Result:
        return CliRunner(env=environ).invoke(main, ["config", "dry-run", *arguments])

    same = dry_run()
    assert (same.exit_code, same.stdout) == (0, "0 of 3 reports would go elsewhere\n"), same.output

    other = str(changed(FLOODED + SEVERE))
    told = dry_run("--config", other)
    assert told.exit_code == 1
    assert f"VI-DAMAGE: 1 ({codes[1]})\n    agency: BPBD -> PUTR" in told.stdout
    assert "EM-FLOOD: 2 (" in told.stdout
    assert told.stdout.endswith("3 of 3 reports would go elsewhere\n")

    found = json.loads(dry_run("--config", other, "--last", "2", "--json").stdout)
    assert found["compared"] == 2
    assert [moved["code"] for moved in found["moved"]] == [codes[2], codes[1]]

    for words in (FLOOD["description"], "Andi Tenri", "3456", DAMAGE["description"], "Baso"):
        assert words not in told.output + json.dumps(found)

    broken = changed("[[rule]]\n")
    failed = dry_run("--config", str(broken))
    assert failed.exit_code == 2
    assert "routing.toml" in failed.output
