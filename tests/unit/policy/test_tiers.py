"""Live routes need silver: refused outside development, told of in it."""

import shutil
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.house import open_house
from gateway.kernel.host import Registry
from gateway.kernel.policy import ConfigError, Policy, unproven_routes
from gateway.sdk.tier import Tier
from gateway.settings import Settings, read_settings
from tests.sandboxes import MORNING

ROOT = Path(__file__).parents[3]
PRODUCTION = {"GATEWAY_ENV": "production", "GATEWAY_OIDC_ISSUER": "https://id.example"}


@pytest.fixture
def connectors(tmp_path: Path) -> Path:
    """The five connectors; what 112 has proven is no longer of its files."""
    copied = tmp_path / "connectors"
    shutil.copytree(ROOT / "connectors", copied, ignore=shutil.ignore_patterns("__pycache__"))
    with (copied / "cc112" / "wire.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    return copied


def settings(tmp_path: Path, connectors: Path, **more: str) -> Settings:
    environ = {
        "GATEWAY_DATABASE_URL": f"sqlite:///{tmp_path / 'gateway.db'}",
        "GATEWAY_DATA": str(tmp_path / "data"),
        "GATEWAY_CONFIG": str(ROOT / "config"),
        "GATEWAY_CONNECTORS": str(connectors),
        "GATEWAY_CC112_BASE_URL": "http://127.0.0.1:9",
        "GATEWAY_CC112_API_KEY": "x",
        "GATEWAY_CC112_WEBHOOK_SECRET": "y",
    }
    return read_settings(environ | more, None)


def checked(found: Settings, **more: str) -> Result:
    environ: dict[str, str | None] = {
        "GATEWAY_CONFIG": str(found.config),
        "GATEWAY_CONNECTORS": str(found.connectors[0]),
        "GATEWAY_DATA": str(found.data),
    }
    return CliRunner(env=environ | more).invoke(main, ["config", "check"])


def test_routes_are_those_of_catalogue_rules_and_fallbacks(policy: Policy) -> None:
    assert "EM-FIRE" in policy.routes_to("cc112")
    assert "IF-REQUEST" in policy.routes_to("ppid")
    assert policy.routes_to("nobody") == ()


@pytest.mark.parametrize(("tier", "refused"), [(tier, tier < Tier.SILVER) for tier in Tier])
def test_a_live_route_needs_silver(policy: Policy, tier: Tier, refused: bool) -> None:
    found = unproven_routes(policy, {"cc112": tier, "nobody": Tier.UNPROVEN})
    assert [one.path for one in found] == (["apps.cc112"] if refused else [])
    assert all("has proven nothing" in one.message or f"has proven {tier.word}" in one.message for one in found)


def test_what_is_proven_is_of_the_very_files_and_of_live_apps(connectors: Path) -> None:
    today = MORNING.date()
    manifest = connectors / "ppid" / "connector.toml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"live"', '"shadow"'), encoding="utf-8")
    tiers = Registry.discover([connectors], {}).tiers(today)
    assert tiers["cc112"] is Tier.UNPROVEN
    assert "ppid" not in tiers


def test_config_check_refuses_it_outside_development(tmp_path: Path, connectors: Path) -> None:
    told = checked(settings(tmp_path, connectors), **PRODUCTION)
    assert told.exit_code == 1
    assert "routing.toml: apps.cc112: reports go there (EM-FIRE, " in told.stdout
    assert "has proven nothing; a live route needs silver" in told.stdout


def test_config_check_tells_of_it_in_development(tmp_path: Path, connectors: Path) -> None:
    told = checked(settings(tmp_path, connectors), GATEWAY_ENV="development")
    assert told.exit_code == 0
    assert told.stderr.startswith("warning: routing.toml: apps.cc112: ")


def test_the_project_s_own_is_proven(tmp_path: Path) -> None:
    told = checked(settings(tmp_path, ROOT / "connectors"), **PRODUCTION)
    assert (told.exit_code, told.stderr) == (0, "")


async def test_nothing_starts_with_it_outside_development(tmp_path: Path, connectors: Path) -> None:
    with pytest.raises(ConfigError, match=r"apps\.cc112"):
        async with open_house(settings(tmp_path, connectors, **PRODUCTION)):
            pass
    assert not (tmp_path / "gateway.db").exists(), "it was refused before anything was touched"


async def test_it_starts_in_development_and_says_so(tmp_path: Path, connectors: Path) -> None:
    with structlog.testing.capture_logs() as log:
        async with open_house(settings(tmp_path, connectors)):
            pass
    told = [line for line in log if line["event"] == "connector.unproven"]
    assert [(line["connector"], line["found"], line["log_level"]) for line in told] == [
        ("cc112", "unproven", "warning")
    ]


async def test_an_app_that_is_not_in_use_hinders_nobody(tmp_path: Path, connectors: Path) -> None:
    async with open_house(settings(tmp_path, connectors, GATEWAY_CC112_BASE_URL="", **PRODUCTION)) as house:
        assert "cc112" not in house.host.apps()
