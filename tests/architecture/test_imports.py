"""Imports go down the floors, and whoever writes a connector loads no server with the SDK."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

LINT = "import sys, importlinter.cli as c; sys.exit(c.lint_imports(config_filename=sys.argv[1]))"
HEAVY = ("litestar", "sqlalchemy", "alembic", "redis", "pytest", "aiohttp.web", "uvicorn", "gateway.kernel")


def lint(folder: Path, config: Path) -> subprocess.CompletedProcess[str]:
    """Import-linter on the ``gateway`` package of a folder."""
    command = [sys.executable, "-c", LINT, str(config)]
    env = {"PYTHONPATH": str(folder), "PATH": "", "IMPORT_LINTER_NO_CACHE": "1"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_the_contracts_hold(tmp_path: Path) -> None:
    result = lint(ROOT, ROOT / "pyproject.toml")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("importer", "imports"),
    [
        ("sdk.http", "kernel.ledger.act"),
        ("model.report", "sdk.clock"),
        ("kernel.ledger.act", "flows.intake.accept"),
        ("kernel.ledger.act", "kernel.coordination.wake"),
        ("kernel.edge.problems", "kernel.policy.plan"),
        ("kernel.host.registry", "kernel.identity.access"),
        ("flows.intake.accept", "flows.desk.reply"),
        ("flows.intake.accept", "faces.console.pages"),
        ("faces.console.pages", "faces.open311.pages"),
        ("flows.desk.reply", "settings"),
        ("kit.checks", "demo.stories"),
        ("kernel.newroom.thing", None),
        ("newfloor.thing", None),
    ],
)
def test_a_forbidden_import_is_caught(tmp_path: Path, importer: str, imports: str | None) -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert len(config["tool"]["importlinter"]["contracts"]) >= 4
    for name in ("model.report", "sdk.clock", "kernel.ledger.act", importer, imports):
        if name is not None:
            place = tmp_path.joinpath("gateway", *name.split(".")).with_suffix(".py")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
            for parent in place.relative_to(tmp_path).parents:
                if parent != Path():
                    (tmp_path / parent / "__init__.py").touch()
    assert lint(tmp_path, ROOT / "pyproject.toml").returncode == 0 or imports is None
    if imports is not None:
        target = tmp_path.joinpath("gateway", *importer.split(".")).with_suffix(".py")
        target.write_text(f"import gateway.{imports}\n")
    result = lint(tmp_path, ROOT / "pyproject.toml")
    assert result.returncode == 1, result.stdout + result.stderr


def loaded_by(statement: str) -> set[str]:
    """The modules in a fresh interpreter after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules, sep='\\n')"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return set(result.stdout.split())


def test_the_sdk_loads_no_server() -> None:
    loaded = loaded_by("import gateway.sdk")
    assert "gateway.sdk" in loaded
    assert sorted(loaded & set(HEAVY)) == []


def test_a_heavy_import_would_be_seen() -> None:
    assert "sqlalchemy" in loaded_by("import gateway.sdk, sqlalchemy")
