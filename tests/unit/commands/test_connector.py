"""`gateway connector`: new ones work from the start, wherever they lie; list, check and pages tell the truth."""

import json
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.kit.check import check
from gateway.kit.new.make import NotMade, make_connector
from gateway.kit.rules import RULES
from gateway.sdk.manifest import read_manifest
from gateway.sdk.tier import Tier, proven_tier
from tests.sandboxes import CONNECTORS, ROOT
from tests.unit.commands.test_cli import environ_of

INBOUND = ("webhook", "poll")
AUTH = ("apikey", "bearer", "login", "hmac")
KINDS = list(product(INBOUND, AUTH))
HALF = [(INBOUND[place % 2], auth) for place, auth in enumerate(AUTH)]
"""Each way in and each proof once or twice: what they have in common is tried often enough elsewhere."""
SILVER = [rule for rule in RULES if rule.tier <= Tier.SILVER]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of connectors, one of each kind."""
    into = tmp_path_factory.mktemp("team")
    for inbound, auth in KINDS:
        make_connector(f"app_{inbound}_{auth}", into, inbound=inbound, auth=auth)  # type: ignore[arg-type]
    return into


def run(*arguments: str, **environ: str) -> Result:
    """Run a command in this process; `environ` are settings."""
    return CliRunner(env=environ).invoke(main, list(arguments))


def python(folder: Path, *arguments: str, **environ: str) -> str:
    """Run a module of this interpreter in a folder; returns what it printed, having ended well."""
    told = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environ_of(folder, **environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


@pytest.mark.timeout(300)
def test_new_ones_pass_their_own_tests_outside_the_repository(made: Path) -> None:
    told = python(made, "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestDeprecationWarning", ".")
    assert " passed" in told
    assert int(told.rsplit(" passed")[0].split()[-1]) >= 10 * len(KINDS)


@pytest.mark.timeout(300)
def test_new_ones_keep_the_style_of_the_house(made: Path) -> None:
    config = str(ROOT / "pyproject.toml")
    python(ROOT, "ruff", "check", "--no-cache", "--config", config, str(made))
    python(ROOT, "ruff", "format", "--no-cache", "--check", "--config", config, str(made))
    strictly = ("mypy", "--strict", "--explicit-package-bases", "--follow-imports", "silent")
    python(made, *strictly, "--cache-dir", str(made / ".cache"), ".", MYPYPATH=str(ROOT))


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("inbound", "auth"), HALF)
def test_new_ones_are_silver_against_their_own_sandbox(made: Path, inbound: str, auth: str) -> None:
    """More than a new one claims: what comes with it is an example of everything that citizens' reports need."""
    report = check(made / f"app_{inbound}_{auth}", config=ROOT / "config", rules=SILVER)
    of_the_other_way = {"K17", "K18"} if inbound == "poll" else {"K19"}
    assert [(one.rule, one.detail) for one in report.results if one.verdict == "failed"] == []
    assert {one.rule for one in report.results if one.verdict != "passed"} == of_the_other_way
    assert report.tier == "silver"


def test_nothing_of_the_model_is_left_in_a_new_one(made: Path) -> None:
    for file in made.rglob("*"):
        if file.is_file() and file.suffix in {".py", ".toml", ".json", ".md"}:
            text = file.read_text(encoding="utf-8")
            assert "contoh" not in f"{file.name} {text}".lower(), file
            assert "#?" not in text, file
            assert "{proof}" not in text, file


def test_a_new_one_tells_what_to_do_and_is_declared_by_what_it_says(tmp_path: Path) -> None:
    team, config = tmp_path / "team", tmp_path / "config"
    told = run(
        "connector",
        "new",
        "laut",
        "--inbound",
        "poll",
        "--auth",
        "apikey",
        "--title",
        "Lapor Laut",
        "--into",
        str(team),
    )
    assert told.exit_code == 0, told.output
    assert read_manifest(team / "laut").title == "Lapor Laut"
    line = 'laut = { title = "Lapor Laut", connector = "present", services = ["EN-WASTE"] }'
    assert f"  {line}\n" in told.output
    shutil.copytree(ROOT / "config", config)
    settings = {"GATEWAY_CONFIG": str(config), "GATEWAY_CONNECTORS": f"{CONNECTORS}:{team}"}
    undeclared = run("config", "check", **settings)
    assert undeclared.exit_code == 1
    assert "apps.laut: the connector is there, but not declared here" in undeclared.output
    routing = config / "routing.toml"
    routing.write_text(routing.read_text("utf-8").replace("[apps]\n", f"[apps]\n{line}\n"), encoding="utf-8")
    declared = run("config", "check", **settings)
    assert (declared.exit_code, declared.stdout) == (0, f"{config} is sound\n")
    assert "warning: routing.toml: apps.laut: reports go there" in declared.stderr


def test_nothing_is_overwritten_and_names_are_names(tmp_path: Path) -> None:
    make_connector("laut", tmp_path, inbound="poll", auth="apikey")
    for name, title in (("laut", None), ("Laut", None), ("../laut", None), ("l", None), ("darat", 'A "b"')):
        with pytest.raises(NotMade):
            make_connector(name, tmp_path, inbound="webhook", auth="hmac", title=title)
    assert [folder.name for folder in tmp_path.iterdir()] == ["laut"]
    again = run("connector", "new", "laut", "--inbound", "poll", "--auth", "hmac", "--into", str(tmp_path))
    assert again.exit_code == 1
    assert "is there already" in again.output


def test_the_list_shows_what_is_proven_and_what_is_claimed(tmp_path: Path) -> None:
    make_connector("laut", tmp_path, inbound="poll", auth="apikey")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "connector.toml").write_text("sdk = 1\n")
    settings = {"GATEWAY_CONNECTORS": str(tmp_path), "GATEWAY_LAUT_BASE_URL": "http://127.0.0.1:9"}
    found = json.loads(run("connector", "list", "--json", **settings, GATEWAY_LAUT_API_KEY="k").output)
    laut, broken = found["connectors"]
    assert laut == {
        "name": "laut",
        "title": "Laut",
        "owner": "DISKOMINFO-SP",
        "level": "L2",
        "mode": "live",
        "tier": "unproven",
        "claimed": "bronze",
        "health": "ready",
    }
    assert (broken["name"], broken["mode"], broken["tier"]) == ("broken", "off", None)
    assert "Object missing required field" in broken["health"]
    shown = run("connector", "list", **settings).output
    assert "GATEWAY_LAUT_API_KEY" in shown
    assert "unproven" in shown


@pytest.mark.timeout(300)
def test_a_check_proves_a_tier_until_the_folder_changes(tmp_path: Path) -> None:
    make_connector("laut", tmp_path, inbound="webhook", auth="login")
    settings = {"GATEWAY_CONNECTORS": str(tmp_path), "GATEWAY_CONFIG": str(ROOT / "config")}
    passed = run("connector", "check", "laut", **settings)
    assert passed.exit_code == 0, passed.output
    assert ", claimed bronze (" in passed.output
    assert "there is no [poll]: the app is not asked for news" in passed.output
    assert 'kit.toml may say claimed = "' in passed.output
    assert proven_tier(tmp_path / "laut") >= Tier.BRONZE
    manifest = tmp_path / "laut" / "connector.toml"
    manifest.write_text(manifest.read_text().replace('"EN-WASTE" = "sampah"', '"EN-WASTE" = "kebersihan"'))
    assert proven_tier(tmp_path / "laut") is Tier.UNPROVEN
    failed = run("connector", "check", str(tmp_path / "laut"), "--json", "--no-keep", **settings)
    assert failed.exit_code == 1
    report = json.loads(failed.stdout)
    assert (report["tier"], report["claimed"], report["ok"]) == ("unproven", "bronze", False)
    by_rule = {result["rule"]: result for result in report["results"]}
    assert by_rule["K03"]["verdict"] == "failed"
    assert "EN-WASTE" in by_rule["K03"]["detail"]
    told = run("connector", "check", "laut", "--rule", "K03", "--rule", "K01", **settings)
    assert told.exit_code == 1
    assert "To be bronze:" in told.output
    assert "docs/connectors/rules/K03.md" in told.output
    assert "2 of " in told.output
    assert proven_tier(tmp_path / "laut") is Tier.UNPROVEN
    assert run("connector", "check", "laut", "--rule", "K01", **settings).exit_code == 0
    assert "there is no rule K99" in run("connector", "check", "laut", "--rule", "K99", **settings).output


def test_a_check_of_nobody_says_who_there_is() -> None:
    near = run("connector", "check", "sigapdess", GATEWAY_CONNECTORS=str(CONNECTORS))
    assert near.exit_code == 1
    assert "did you mean sigapdes?" in near.output
    assert "there are cc112, " in run("connector", "check", "zzz", GATEWAY_CONNECTORS=str(CONNECTORS)).output


def test_pages_follow_what_they_are_written_from(tmp_path: Path) -> None:
    team, pages = tmp_path / "team", tmp_path / "pages"
    make_connector("laut", team, inbound="poll", auth="apikey")
    settings = {"GATEWAY_CONNECTORS": str(team)}

    def docs(*more: str) -> Result:
        return run("connector", "docs", "--into", str(pages), *more, **settings)

    assert docs("--check").exit_code == 1
    assert docs().exit_code == 0
    (pages / "writing.md").write_text("by hand")
    assert docs("--check").exit_code == 0, docs("--check").output
    before = {file: file.read_bytes() for file in pages.rglob("*.md")}
    assert docs().output.endswith(" pages, 0 changed\n")
    assert {file: file.read_bytes() for file in pages.rglob("*.md")} == before
    assert {f"rules/{rule.id}.md" for rule in RULES} < {str(file.relative_to(pages)) for file in before}
    page = (pages / "laut.md").read_text(encoding="utf-8")
    assert "text longer than 2000 characters is refused" in page
    assert (pages / page.partition("[its README](")[2].partition(")")[0]).resolve() == team / "laut" / "README.md"
    assert "async def submit(self, submission: Submission) -> Receipt" in (pages / "sdk.md").read_text(encoding="utf-8")

    manifest, readme = team / "laut" / "connector.toml", team / "laut" / "README.md"
    manifest.write_text(manifest.read_text().replace("rate_per_s = 10", "rate_per_s = 7"))
    wrong = docs("--check")
    assert wrong.exit_code == 1
    assert f"{pages / 'laut.md'}: out of date" in wrong.output
    assert f"{readme}: its facts are out of date" in wrong.output
    assert docs().exit_code == 0
    assert "| limit | 7 requests a second" in readme.read_text(encoding="utf-8")
    (pages / "gone.md").write_text("x")
    assert f"{pages / 'gone.md'}: of nothing that is there" in docs("--check").output
    assert docs().exit_code == 0
    assert docs("--check").exit_code == 0
    assert not (pages / "gone.md").exists()
