"""Gateways to measure: processes of their own, with the settings of an installation."""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.architecture.source import ROOT
from tests.processes import free_port

APPS = Path(__file__).parent / "apps"
STARTING_S = 60


@dataclass(frozen=True)
class Installation:
    """One gateway's settings: a data folder of its own, connectors only if an app of `apps/` is given one service."""

    folder: Path
    database_url: str
    redis_url: str | None = None
    app: str | None = None
    app_url: str = "http://127.0.0.1:9"
    ports: list[int] = field(default_factory=list)

    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        made = {
            "GATEWAY_DATABASE_URL": self.database_url.replace("+asyncpg", ""),
            "GATEWAY_DATA": str(self.folder / "data"),
            "GATEWAY_CONFIG": str(self._config()),
            "GATEWAY_CONNECTORS": str(self._connectors()),
        }
        if self.redis_url is not None:
            made["GATEWAY_REDIS_URL"] = self.redis_url
        if self.app is not None:
            made[f"GATEWAY_{self.app.upper()}_BASE_URL"] = self.app_url
        return kept | made

    def _connectors(self) -> Path:
        folder = self.folder / "connectors"
        folder.mkdir(parents=True, exist_ok=True)
        if self.app is not None and not (folder / self.app).exists():
            shutil.copytree(APPS / self.app, folder / self.app, ignore=shutil.ignore_patterns("__pycache__"))
        return folder

    def _config(self) -> Path:
        if self.app is None:
            return ROOT / "config"
        folder = self.folder / "config"
        if not folder.exists():
            shutil.copytree(ROOT / "config", folder)
            routing = folder / "routing.toml"
            line = f'{self.app} = {{ title = "{self.app}", connector = "present", services = ["IN-LIGHT"] }}'
            routing.write_text(routing.read_text().replace("[apps]\n", f"[apps]\n{line}\n"))
        return folder

    def token(self) -> str:
        """Return a citizen's token."""
        made = subprocess.run(
            [sys.executable, "-m", "gateway", "token", "bench"],
            env=self.environ(),
            capture_output=True,
            text=True,
            check=True,
        )
        return made.stdout.strip()

    @contextmanager
    def running(self, command: str) -> Iterator["Running"]:
        """Run `serve`, `work` or `up`; where it listens, it is ready."""
        port = free_port()
        words = [sys.executable, "-m", "gateway", command]
        if command != "work":
            words += ["--port", str(port)]
        log = self.folder / f"{command}-{port}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as out:
            process = subprocess.Popen(words, env=self.environ(), stdout=out, stderr=out)
        try:
            found = Running(process, f"http://127.0.0.1:{port}", log)
            if command != "work":
                found.wait()
            yield found
        finally:
            process.terminate()
            process.wait(60)


@dataclass(frozen=True)
class Running:
    """A process of a gateway."""

    process: "subprocess.Popen[bytes]"
    url: str
    log: Path

    def wait(self) -> None:
        """Wait until it answers. Raises SystemExit with its last words if it does not."""
        for _ in range(STARTING_S * 10):
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=1) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.1)
        raise SystemExit(f"the gateway did not start:\n{self.log.read_text()[-2000:]}")

    @property
    def memory_mb(self) -> float:
        """Resident memory in MB (Linux)."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("VmRSS:", 1)[1].split()[0]) / 1024

    @property
    def cpu_s(self) -> float:
        """Processor seconds used up to now, its own and the kernel's for it (Linux)."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
