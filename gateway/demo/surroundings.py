"""The little world the demo sets up: folders, ports, and the environment that each of its processes gets.

Whatever is set outside (a `.env`, a production database) does not reach the demo's gateway: every setting is
given, and the processes run in the demo's own folder.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.demo.memory import Refused
from gateway.demo.processes import HOST
from gateway.sdk.manifest import ManifestError, read_manifest
from gateway.sdk.sandbox_setting import development_secret

APPS: Final = ("cc112", "singgah_di_barru", "sigapdes", "ppid", "sipendting")
"""The apps that play, in the order of their ports."""
_POLLS: Final = {"singgah_di_barru": "2", "sigapdes": "0.8", "ppid": "4", "sipendting": "1"}
"""Seconds between two polls, where the app's own interval is too long for a show."""
_SOURCE: Final = Path(__file__).resolve().parents[2]


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is. `data` is the gateway's own folder inside the demo's `folder`."""

    folder: Path
    config: Path
    connectors: tuple[Path, ...]
    ports: dict[str, int]

    @property
    def data(self) -> Path:
        """Database, keys, blobs, the travelling clock and the memories of the sandboxes."""
        return self.folder / "gateway"

    @property
    def gateway(self) -> str:
        """The gateway's address."""
        return f"http://{HOST}:{self.ports['gateway']}"

    def app(self, name: str) -> str:
        """Return a sandbox's address."""
        return f"http://{HOST}:{self.ports[name]}"

    def settings(self) -> dict[str, str]:
        """Return every setting of the demo's gateway, by environment name."""
        settings = {
            "GATEWAY_ENV": "development",
            "GATEWAY_HOST": HOST,
            "GATEWAY_PORT": str(self.ports["gateway"]),
            "GATEWAY_DATABASE_URL": f"sqlite:///{self.data / 'gateway.db'}",
            "GATEWAY_DATA": str(self.data),
            "GATEWAY_CONFIG": str(self.config),
            "GATEWAY_CONNECTORS": os.pathsep.join(map(str, self.connectors)),
        }
        for app in APPS:
            prefix = f"GATEWAY_{app.upper()}_"
            settings[f"{prefix}BASE_URL"] = self.app(app)
            if app in _POLLS:
                settings[f"{prefix}POLL_S"] = _POLLS[app]
            for secret in _secrets(app, self.connectors):
                settings[f"{prefix}{secret}"] = development_secret(app, secret)
        return settings

    def environ(self) -> dict[str, str]:
        """Return the environment of our processes: this one's, with the demo's settings for all of the gateway's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        return kept | self.settings() | {"PYTHONUNBUFFERED": "1"}

    def gateway_command(self, *arguments: str) -> list[str]:
        """Return a `gateway` command line, by the interpreter we run in."""
        return [sys.executable, "-m", "gateway", *arguments]

    def sandbox_command(self, app: str) -> list[str]:
        """Return the command line of one simulated app."""
        return sandbox_command(app, self.ports[app], self.data, self.gateway, self.connectors, self.config)


def sandbox_command(
    app: str, port: int, data: Path, gateway: str, connectors: Sequence[Path], config: Path
) -> list[str]:
    """Return the command line of one simulated app; `data` is a folder beside others' (or the gateway's own)."""
    return [
        *(sys.executable, "-m", "gateway.sdk.sandbox", app),
        *("--port", str(port), "--host", HOST, "--data", str(data), "--gateway", gateway),
        *("--connectors", os.pathsep.join(map(str, connectors))),
        *("--territory", str(config / "territory.csv")),
    ]


def find_config(environ: Mapping[str, str]) -> Path:
    """Return the folder of the configuration: as set, else here, else the one beside the source."""
    return _first("config", environ.get("GATEWAY_CONFIG", ""))[0]


def find_connectors(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the folders of connectors: as set, else here, else the one beside the source."""
    return _first("connectors", *environ.get("GATEWAY_CONNECTORS", "").split(os.pathsep))


def _first(name: str, *given: str) -> tuple[Path, ...]:
    if any(given):
        return tuple(Path(part).resolve() for part in given if part)
    for place in (Path.cwd() / name, _SOURCE / name):
        if place.is_dir():
            return (place.resolve(),)
    raise Refused(f"no folder {name}/ here; run this in the project's folder, or set GATEWAY_{name.upper()}")


def _secrets(app: str, connectors: Sequence[Path]) -> tuple[str, ...]:
    for folder in connectors:
        if (folder / app).is_dir():
            try:
                return tuple(read_manifest(folder / app).secrets)
            except ManifestError as error:
                raise Refused(str(error)) from error
    raise Refused(f"no connector {app} in {', '.join(map(str, connectors))}; the stories need it")
