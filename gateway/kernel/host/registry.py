"""Which apps there are: found by their `connector.toml`, read strictly, and on, in shadow or off with a reason.

A connector that cannot be used never keeps the others, or the gateway, from starting.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

from gateway.kernel.host.load import LoadFault, load_connector
from gateway.model.delivery import Command
from gateway.sdk import Manifest, Secrets
from gateway.sdk.address import base_fault
from gateway.sdk.manifest import FILE, ManifestError, Mode, read_manifest
from gateway.sdk.tier import Tier, proven_tier

GROUP: Final = "gateway.connectors"
"""Entry point group of connectors that come installed; each names the package that holds `connector.toml`."""


class FoundConnector(msgspec.Struct, frozen=True, kw_only=True):
    """A connector as it was found. `mode` is how far it is used, `reason` why not further; `factory` is None
    unless it is used; `base_url` is where the operator says the app is."""

    name: str
    folder: Path
    manifest: Manifest
    mode: Mode
    reason: str
    factory: type | None
    base_url: str | None
    secrets: Secrets


class Registry:
    """All connectors that were found, by name."""

    def __init__(self, found: Mapping[str, FoundConnector], broken: Mapping[str, str]) -> None:
        self._found = dict(sorted(found.items()))
        self.broken = dict(broken)
        """Folders whose manifest cannot be read, with the reason."""

    @classmethod
    def discover(cls, folders: Sequence[Path], environ: Mapping[str, str]) -> "Registry":
        """Find every `<folder>/<app>/connector.toml` and every installed connector.

        The first of a name stays. `environ` holds each app's `GATEWAY_<APP>_BASE_URL` and secrets.
        """
        found: dict[str, FoundConnector] = {}
        broken: dict[str, str] = {}
        for folder, package in _places(folders):
            name = folder.name
            try:
                manifest = read_manifest(folder, named=package is None)
                name = manifest.name
                if name in found:
                    raise ManifestError(f"{folder / FILE}: {name} is already at {found[name].folder}")
            except ManifestError as error:
                broken[name if name not in found else f"{name} ({folder})"] = str(error)
                continue
            found[name] = _found(folder, package, manifest, environ)
        return cls(found, broken)

    def names(self) -> list[str]:
        """Return the names of all apps whose manifest can be read."""
        return list(self._found)

    def get(self, name: str) -> FoundConnector:
        """Return an app's connector. Raises KeyError."""
        return self._found[name]

    def states(self) -> dict[str, tuple[str, str]]:
        """Return mode and reason of every folder that was found, the broken ones as off."""
        states = {name: (found.mode.value, found.reason) for name, found in self._found.items()}
        return states | {name: (Mode.OFF.value, reason) for name, reason in self.broken.items()}

    def tiers(self, today: date) -> dict[str, Tier]:
        """Return what each connector that is live by its manifest has proven of its folder as it stands on a day."""
        return {
            name: proven_tier(found.folder, today)
            for name, found in self._found.items()
            if found.manifest.mode is Mode.LIVE
        }

    def describe(self) -> list[dict[str, str | None]]:
        """Return what `connector list` shows of each app."""
        rows: list[dict[str, str | None]] = []
        for name, (mode, reason) in self.states().items():
            found = self._found.get(name)
            level = found.manifest.level(Command.OPEN) if found else None
            rows.append(
                {
                    "name": name,
                    "title": found.manifest.title if found else name,
                    "owner": found.manifest.owner if found else None,
                    "level": level.name if level is not None else "-",
                    "mode": mode,
                    "tier": None,
                    "claimed": None,
                    "health": reason or "ready",
                }
            )
        return rows


def _places(folders: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
    for folder in folders:
        for file in sorted(folder.glob(f"*/{FILE}")):
            yield file.parent, None
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        spec = find_spec(point.value)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            if (Path(place) / FILE).exists():
                yield Path(place), point.value


def _found(folder: Path, package: str | None, manifest: Manifest, environ: Mapping[str, str]) -> FoundConnector:
    secrets = Secrets(manifest.name, manifest.secrets, environ)
    variable = f"GATEWAY_{manifest.name.upper()}_BASE_URL"
    base_url = environ.get(variable) or None
    factory: type | None = None
    reason = ""
    try:
        if manifest.mode is Mode.OFF:
            raise LoadFault(f"switched off in {FILE}")
        if base_url is None:
            raise LoadFault(f"set {variable}")
        if fault := base_fault(base_url):
            raise LoadFault(f"{variable}: {fault}")
        if missing := secrets.missing():
            raise LoadFault("; ".join(missing))
        factory = load_connector(folder, manifest, package)
    except LoadFault as off:
        reason = str(off)
    return FoundConnector(
        name=manifest.name,
        folder=folder,
        manifest=manifest,
        mode=Mode.OFF if factory is None else manifest.mode,
        reason=reason,
        factory=factory,
        base_url=base_url,
        secrets=secrets,
    )
