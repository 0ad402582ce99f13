"""Finding connectors: by their folder, isolated from each other, off with a reason instead of a crash."""

import sys
from pathlib import Path

import pytest

from gateway.kernel.host import Host, Registry
from gateway.sdk import Submits
from tests.unit.host.apps import CONNECTOR, HEAD, MANIFEST, WIRE, environ, host, write
from tests.unit.sdk.rawapp import FixedClock


def reason(folder: Path, env: dict[str, str], name: str = "ppid") -> str:
    """Why an app is off."""
    registry = Registry.discover([folder], env)
    mode, why = registry.states()[name]
    assert mode == "off"
    assert Host(registry, FixedClock()).apps() == []
    return why


def test_a_connector_is_found_loaded_and_built(tmp_path: Path) -> None:
    write(tmp_path)
    made = host(tmp_path, environ())
    assert made.apps() == ["ppid"]
    loaded = made.get("ppid")
    assert isinstance(loaded.instance, Submits)
    assert (loaded.app.base_url, loaded.app.secrets["KEY"]) == ("http://127.0.0.1:9", "k-secret-1")
    state = made.states()["ppid"]
    assert (state.mode, state.reason, state.services) == ("live", "", frozenset({"IN-ROAD"}))
    assert made.title("ppid") == "App ppid"
    assert made.can("ppid", "read")
    assert not made.can("cc112", "read")


def test_off_and_why(tmp_path: Path) -> None:
    write(tmp_path)
    assert reason(tmp_path, {}) == "set GATEWAY_PPID_BASE_URL"
    assert reason(tmp_path, environ(url="ftp://x")) == ("GATEWAY_PPID_BASE_URL: it must begin with http:// or https://")
    assert "user or password" in reason(tmp_path, environ(url="http://me:pw@x/"))
    assert "pw" not in reason(tmp_path, environ(url="http://me:pw@x/"))
    assert reason(tmp_path, environ(KEY="")) == "set GATEWAY_PPID_KEY or GATEWAY_PPID_KEY_FILE"


@pytest.mark.parametrize(
    ("connector", "why"),
    [
        ("import nothing_like_it", "ModuleNotFoundError"),
        ("def x(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("Connector = 3", "no class named Connector"),
        (CONNECTOR.replace("async def find", "async def search"), "looks our key up, but the class has no method find"),
        (CONNECTOR.replace("async def poll", "async def ask"), "no method poll"),
        (CONNECTOR.replace("def receive", "def hear"), "no method receive"),
        (CONNECTOR.replace("async def amend", "async def add"), "no method amend"),
        (CONNECTOR.replace("async def read", "def read"), "read must be async"),
        (CONNECTOR.replace("def receive", "async def receive"), "receive must not be async"),
    ],
)
def test_code_that_does_not_fit_is_off(tmp_path: Path, connector: str, why: str) -> None:
    write(tmp_path, connector=connector)
    assert why in reason(tmp_path, environ())


def test_abilities_that_the_manifest_does_not_tell_are_off(tmp_path: Path) -> None:
    write(tmp_path, manifest=HEAD + '[secrets]\nKEY = "x"\n')
    why = reason(tmp_path, environ())
    for told in ("submit, but [levels] has no open", "poll, but there is no [poll]", "no [webhook]", "amend, but"):
        assert told in why


def test_a_static_token_needs_a_way_to_look(tmp_path: Path) -> None:
    manifest = MANIFEST.replace('"bearer"', '"static-token"\nsignature_header = "x-token"')
    write(tmp_path, manifest=manifest, connector=CONNECTOR.replace("async def read", "async def look"))
    assert "hints only" in reason(tmp_path, environ())


def test_a_constructor_that_fails_is_off(tmp_path: Path) -> None:
    write(tmp_path, connector=CONNECTOR.replace("self.app = app", "raise KeyError('x')"))
    made = host(tmp_path, environ())
    assert made.apps() == []
    assert made.states()["ppid"].mode == "off"
    assert "KeyError at connector.py:" in made.states()["ppid"].reason


def test_a_broken_manifest_takes_nobody_down(tmp_path: Path) -> None:
    write(tmp_path, "ppid", manifest=MANIFEST + "\n[colour]\n")
    write(tmp_path, "cc112")
    registry = Registry.discover([tmp_path], environ("cc112"))
    assert registry.names() == ["cc112"]
    assert "unknown field `colour`" in registry.states()["ppid"][1]
    rows = {row["name"]: row for row in registry.describe()}
    assert (rows["ppid"]["mode"], rows["cc112"]["mode"]) == ("off", "live")
    assert (rows["cc112"]["level"], rows["cc112"]["health"]) == ("L2", "ready")
    made = Host(registry, FixedClock())
    assert made.apps() == ["cc112"]
    assert made.states()["ppid"].mode == "off"


def test_switched_off_and_in_shadow(tmp_path: Path) -> None:
    write(tmp_path, "one", manifest='mode = "off"\n' + MANIFEST)
    write(tmp_path, "two", manifest='mode = "shadow"\n' + MANIFEST)
    made = host(tmp_path, environ("one") | environ("two"))
    assert made.apps() == ["two"]
    assert {name: state.mode for name, state in made.states().items()} == {"one": "off", "two": "shadow"}
    assert made.states()["one"].reason == "switched off in connector.toml"


def test_two_folders_of_one_name_do_not_mix(tmp_path: Path) -> None:
    write(tmp_path / "a", wire=WIRE + "\nWHO = 'a'\n", connector=CONNECTOR + "\nConnector.who = wire.WHO\n")
    write(tmp_path / "b", wire=WIRE + "\nWHO = 'b'\n", connector=CONNECTOR + "\nConnector.who = wire.WHO\n")
    for folder in ("a", "b", "a"):
        found = Registry.discover([tmp_path / folder], environ()).get("ppid")
        assert found.factory is not None
        assert found.factory.who == folder  # type: ignore[attr-defined]
    both = Registry.discover([tmp_path / "a", tmp_path / "b"], environ())
    assert both.get("ppid").folder == tmp_path / "a" / "ppid"
    assert [key for key in both.broken if key.startswith("ppid (")]


def test_the_same_folder_is_loaded_once(tmp_path: Path) -> None:
    write(tmp_path)
    first = Registry.discover([tmp_path], environ()).get("ppid").factory
    assert first is Registry.discover([tmp_path], environ()).get("ppid").factory
    assert first is not None
    assert first.__module__ == "connectors.ppid.connector"
    assert sys.modules["connectors.ppid.wire"].__file__ == str(tmp_path / "ppid" / "wire.py")


def test_an_installed_connector_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "barru_extra", manifest=MANIFEST.replace("{name}", "extra"))
    (tmp_path / "barru_extra" / "__init__.py").touch()
    info = tmp_path / "barru_extra-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: barru-extra\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gateway.connectors]\nextra = barru_extra\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry.discover([], environ("extra"))
    assert registry.states() == {"extra": ("live", "")}
    factory = registry.get("extra").factory
    assert factory is not None
    assert factory.__module__ == "barru_extra.connector"
    for name in [name for name in sys.modules if name.startswith("barru_extra")]:
        monkeypatch.delitem(sys.modules, name)


def test_no_folder_no_app(tmp_path: Path) -> None:
    registry = Registry.discover([tmp_path / "nowhere"], {})
    assert (registry.names(), registry.states(), registry.describe()) == ([], {}, [])
