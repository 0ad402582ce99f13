"""A sixth app: made outside the repository by one command, connected by one line of routing, and by nothing else.

Everything here is a process of its own, as the team of an app and the people who run the gateway start them.
"""

import difflib
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import sleep
from typing import Any, Final

import pytest

from gateway.sdk.manifest import read_manifest
from gateway.sdk.sandbox import development_secret
from gateway.sdk.tier import Tier
from tests.architecture.source import ROOT

NAME: Final = "bersih"
LINE: Final = f'{NAME} = {{ title = "Barru Bersih", connector = "present", services = ["EN-WASTE"] }}'
WASTE: Final[dict[str, Any]] = {
    "service": "EN-WASTE",
    "description": "Sampah menumpuk di belakang pasar Takkalasi",
    "place": {"village": "73.11.07.1001", "address": "Belakang pasar"},
    "reporter": {"name": "Andi Ramlah", "phone": "0812-4200-0112"},
}
BORN: Final = {"kategori": "lampu", "uraian": "Lampu jalan padam", "nama": "Rosmini", "telepon": "+6281342000311"}


class Town:
    """The gateway's commands, run outside the repository with the settings of one installation."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder, self.settings = folder, settings

    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        return kept | self.settings

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "gateway", *arguments]

    def run(self, *arguments: str) -> str:
        """Run a command to its good end; returns what it printed."""
        told = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environ(),
            capture_output=True,
            text=True,
            check=False,
            timeout=150,
        )
        assert told.returncode == 0, told.stdout + told.stderr
        return told.stdout

    @contextmanager
    def running(self, *arguments: str) -> Iterator[None]:
        """Keep a command running meanwhile."""
        with (
            (self.folder / f"{arguments[0]}.log").open("w") as log,
            subprocess.Popen(
                self.command(*arguments), cwd=self.folder, env=self.environ(), stdout=log, stderr=log
            ) as process,
        ):
            try:
                yield
            finally:
                process.terminate()
                process.wait(timeout=30)


def ask(method: str, url: str, body: Any = None, **headers: str) -> Any:
    """Make a request; returns the decoded answer, which must be a good one."""
    request = urllib.request.Request(
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"} | {name.replace("_", "-"): one for name, one in headers.items()},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


def until(look: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until something is there; returns it. Nobody listening yet is nothing yet."""
    for _ in range(int(seconds / 0.2)):
        try:
            if seen := look():
                return seen
        except (urllib.error.URLError, ConnectionError):
            pass
        sleep(0.2)
    pytest.fail(f"not within {seconds} s")


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("inbound", "auth", "database"), [("webhook", "hmac", "sqlite_url"), ("poll", "login", "postgres_url")]
)
def test_a_sixth_app_needs_one_command_and_one_line(
    tmp_path: Path,
    free_port: Callable[[], int],
    request: pytest.FixtureRequest,
    inbound: str,
    auth: str,
    database: str,
) -> None:
    team, config, app_port, port = tmp_path / "team", tmp_path / "config", free_port(), free_port()
    shutil.copytree(ROOT / "config", config)
    app, gateway = f"http://127.0.0.1:{app_port}", f"http://127.0.0.1:{port}"
    town = Town(
        tmp_path,
        GATEWAY_DATABASE_URL=request.getfixturevalue(database),
        GATEWAY_DATA=str(tmp_path / "data"),
        GATEWAY_CONFIG=str(config),
        GATEWAY_CONNECTORS=os.pathsep.join([str(ROOT / "connectors"), str(team)]),
        GATEWAY_BERSIH_BASE_URL=app,
        GATEWAY_BERSIH_POLL_S="0.5",
    )

    # The team of the app.
    made = ("--inbound", inbound, "--auth", auth, "--title", "Barru Bersih", "--into", str(team))
    told = town.run("connector", "new", NAME, *made)
    assert f"  {LINE}\n" in told
    proven = json.loads(town.run("connector", "check", str(team / NAME), "--json"))
    assert proven["ok"]
    assert Tier.of(proven["tier"]) >= Tier.SILVER

    # The people who run the gateway.
    routing = config / "routing.toml"
    before = routing.read_text(encoding="utf-8")
    routing.write_text(before.replace("[apps]\n", f"[apps]\n{LINE}\n"), encoding="utf-8")
    difference = difflib.ndiff(before.splitlines(), routing.read_text(encoding="utf-8").splitlines())
    assert [one for one in difference if not one.startswith("  ")] == [f"+ {LINE}"]
    assert town.run("config", "check") == f"{config} is sound\n"
    for name in read_manifest(team / NAME).secrets:
        town.settings[f"GATEWAY_BERSIH_{name}"] = development_secret(NAME, name)
    listed = {row["name"]: row for row in json.loads(town.run("connector", "list", "--json"))["connectors"]}
    assert len(listed) == 6
    assert listed[NAME]["health"] == "ready"

    with ExitStack() as stack:
        stack.enter_context(town.running("sandbox", NAME, "--port-base", str(app_port), "--gateway", gateway))
        stack.enter_context(town.running("up", "--port", str(port)))
        until(lambda: ask("GET", f"{gateway}/readyz"))
        until(lambda: ask("GET", f"{app}/_sandbox/quirks"))
        _travels(town, gateway, app)


def _travels(town: Town, gateway: str, app: str) -> None:
    """A report arrives and comes back, and one that began in the app arrives here."""
    mine = {"Authorization": f"Bearer {town.run('token', 'siti').strip()}"}
    filed = ask("POST", f"{gateway}/v1/reports", WASTE, Idempotency_Key="9d3b0c1e-3f7e-4c2a-9a52-6f1d7a0b54c3", **mine)
    code = filed["code"]
    assert [case["app"] for case in filed["cases"]] == [NAME]
    (record,) = until(lambda: ask("GET", f"{app}/_sandbox/records")["records"])
    assert record["key"] == f"{code}-1"
    assert record["fields"]["uraian"] == WASTE["description"]
    assert record["fields"]["nama"] == "Andi Ramlah"

    def moved(word: str, status: str) -> Any:
        """Let the app's officer give it a word, and wait for the status that its reporter sees."""
        ask("POST", f"{app}/_sandbox/records/{record['reference']}/advance", {"word": word, "note": "Diangkut"})

        def stands() -> Any:
            report = ask("GET", f"{gateway}/v1/reports/{code}", **mine)
            return report if report["status"] == status else None

        return until(stands)

    moved("diproses", "in_progress")
    assert moved("selesai", "resolved")["cases"][0]["references"] == [{"kind": "nomor", "value": record["reference"]}]

    trace = json.loads(town.run("audit", "trace", record["reference"], "--json"))
    assert trace["report"]["code"] == code
    assert trace["gaps"] == []
    words = [hop["word"] for hop in trace["hops"] if hop.get("word")]
    assert [word for at, word in enumerate(words) if word not in words[:at]] == ["baru", "diproses", "selesai"]

    born = ask("POST", f"{app}/_sandbox/records", {"fields": BORN})["reference"]

    def traced() -> Any:
        command = town.command("audit", "trace", born, "--json")
        found = subprocess.run(
            command, cwd=town.folder, env=town.environ(), capture_output=True, text=True, check=False, timeout=60
        )
        return json.loads(found.stdout) if found.returncode == 0 else None

    adopted = until(traced)
    assert adopted["report"]["service"] == "IN-LIGHT"
    assert adopted["report"]["code"] != code
