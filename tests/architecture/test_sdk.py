"""The SDK is a product: its public names keep their signatures, are documented, and cost nobody a server."""

import ast
import difflib
import subprocess
import sys
from pathlib import Path

import gateway.sdk
from gateway.commands.sdk_names import Public, public_names
from tests.architecture.source import ROOT

SNAPSHOT = Path(__file__).parent / "sdk_signatures.txt"
SERVERS = ("litestar", "sqlalchemy", "alembic", "asyncpg", "redis", "pytest", "aiohttp.web", "uvicorn", "starlette")


def snapshot(names: list[Public]) -> str:
    """The signatures of all public names, as the snapshot keeps them."""
    return "\n\n".join(f"# {public.name} ({public.module})\n{public.signature}" for public in names) + "\n"


def test_every_public_name_keeps_its_signature() -> None:
    """Whoever changes one changes the snapshot with it, and says in the commit what app teams must do."""
    kept, found = SNAPSHOT.read_text(encoding="utf-8"), snapshot(public_names())
    changed = "\n".join(difflib.unified_diff(kept.splitlines(), found.splitlines(), "kept", "found", lineterm=""))
    hint = "\nIf this is meant: python -m tests.architecture.test_sdk"
    assert kept == found, changed + hint


def test_a_changed_signature_would_be_seen() -> None:
    """Checks the check: a renamed argument, another default, a lost name each change the snapshot's text."""
    kept = snapshot(public_names())
    for old, new in (
        ("async def find(self, key: str)", "async def find(self, ref: str)"),
        ("more: bool = False", "more: bool = True"),
        ("# Tally (gateway.sdk.types)", ""),
    ):
        assert old in kept
        assert kept.replace(old, new) != kept


def test_what_is_read_from_the_source_is_what_is_there() -> None:
    """The signatures come from source text; the names and arguments are those of the running objects."""
    for public in public_names():
        there = getattr(gateway.sdk, public.name)
        first = public.signature.splitlines()[0]
        if isinstance(there, type):
            assert first.startswith(f"class {public.name}")
            fields = getattr(there, "__struct_fields__", ())
            told = [line.strip().partition(":")[0] for line in public.signature.splitlines() if line.startswith("    ")]
            assert set(fields) <= set(told), public.name
        elif first.startswith("def "):
            tree = ast.parse(f"{first}: ...").body[0]
            assert isinstance(tree, ast.FunctionDef)
            assert [one.arg for one in tree.args.args] == list(there.__code__.co_varnames[: there.__code__.co_argcount])
    assert [public.name for public in public_names()] == sorted(gateway.sdk.__all__, key=gateway.sdk.__all__.index)


def test_every_public_name_says_what_it_is() -> None:
    assert [public.name for public in public_names() if len(public.text.strip()) < 20] == []


def loaded_by(statement: str) -> set[str]:
    """The modules in a fresh interpreter, started outside the repository, after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules, sep='\\n')"
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(told.stdout.split())


def test_importing_it_loads_no_server_and_no_client() -> None:
    loaded = loaded_by("import gateway.sdk")
    assert "gateway.sdk" in loaded
    assert sorted(loaded & {*SERVERS, "aiohttp", "gateway.kernel", "gateway.flows", "gateway.kit"}) == []


def test_the_way_out_loads_a_client_and_no_server() -> None:
    loaded = loaded_by("from gateway.sdk import Http")
    assert "aiohttp" in loaded
    assert sorted(loaded & {*SERVERS, "gateway.kernel"}) == []


def test_reading_a_manifest_imports_no_code_of_the_connector() -> None:
    code = "from pathlib import Path; from gateway.sdk.manifest import read_manifest; read_manifest(Path({folder!r}))"
    loaded = loaded_by(code.format(folder=str(ROOT / "connectors" / "cc112")))
    assert not {name for name in loaded if name.startswith(("connectors", "connector"))}
    assert "aiohttp" not in loaded


if __name__ == "__main__":
    SNAPSHOT.write_text(snapshot(public_names()), encoding="utf-8")
