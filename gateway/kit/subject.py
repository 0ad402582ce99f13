"""What is tried: a connector's folder, read once, with everything the rules ask of it."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec

from gateway.kernel.host.load import LoadFault, load_connector
from gateway.kernel.policy import Policy
from gateway.kernel.policy.check import examine
from gateway.kernel.policy.shapes import Config
from gateway.kit.contract import ContractError, Sample, read_contract
from gateway.kit.hints import Hints, HintsError, Move, read_hints
from gateway.kit.rule import DoesNotApply, Failed, fail
from gateway.model.catalogue import Service
from gateway.model.delivery import Command, Level
from gateway.model.status import Status
from gateway.sdk.manifest import Manifest, ManifestError, read_manifest
from gateway.sdk.sandbox import Sandbox, read_sandbox
from gateway.sdk.sandbox_setting import development_secret

_UNHURRIED: Final = 10_000.0


def config_folder(given: Path | None = None) -> Path:
    """Return the folder of the configuration: the one given, `GATEWAY_CONFIG`, `config/` here, or the gateway's own."""
    if given is not None:
        return given
    if named := os.environ.get("GATEWAY_CONFIG"):
        return Path(named)
    here = Path("config")
    return here if here.is_dir() else Path(__file__).resolve().parents[2] / "config"


class Subject:
    """A connector's folder and the configuration it is tried under. Parts are read when a rule first asks for them; a
    part that cannot be read fails that rule."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.folder, self.config = folder.resolve(), config

    @property
    def name(self) -> str:
        """The app's name."""
        return self.folder.name

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest."""
        try:
            return read_manifest(self.folder)
        except ManifestError as error:
            fail(str(error).replace(str(self.folder) + os.sep, ""), "Mend connector.toml at the path named above.")

    @cached_property
    def hints(self) -> Hints:
        """What `kit.toml` tells."""
        try:
            return read_hints(self.folder)
        except HintsError as error:
            fail(str(error), "Mend kit.toml at the path named above.")

    @cached_property
    def contract(self) -> tuple[Sample, ...]:
        """The recorded exchanges, in their order."""
        try:
            return read_contract(self.folder)
        except ContractError as error:
            fail(str(error), "Mend the sample named above, or record it again.")

    @cached_property
    def connector(self) -> type:
        """The connector's class."""
        try:
            return load_connector(self.folder, self.manifest)
        except LoadFault as fault:
            fail(str(fault), "Mend connector.py, or the manifest that promises something else.")

    @cached_property
    def sandbox(self) -> type[Sandbox]:
        """The simulated app's class."""
        try:
            return read_sandbox(self.name, [self.folder.parent])
        except SystemExit as missing:
            fail(str(missing).replace(str(self.folder.parent) + os.sep, ""), "Write sandbox.py: the app, simulated.")

    @cached_property
    def _examined(self) -> tuple[Config, str]:
        config, digest, findings = examine(self.config)
        if findings:
            first = findings[0]
            fail(f"{first.file}: {first.path}: {first.message}", "Run `gateway config check`.")
        return config, digest

    @cached_property
    def policy(self) -> Policy:
        """The configuration: services, territory, rules."""
        return Policy(*self._examined)

    @cached_property
    def routed(self) -> Policy:
        """The same configuration as if every service of the app went to it, whatever is connected elsewhere."""
        config, digest = self._examined
        services = [
            msgspec.structs.replace(service, app=self.name, profile=self.profile(service), fallback="gateway")
            if service.code in self.outward
            else service
            for service in config.services
        ]
        return Policy(msgspec.structs.replace(config, services=services, rules=[]), digest)

    @property
    def secrets(self) -> dict[str, str]:
        """The environment that holds the app's secrets, with the values that simulated apps use."""
        prefix = f"GATEWAY_{self.name.upper()}_"
        return {prefix + name: development_secret(self.name, name) for name in self.manifest.secrets}

    @property
    def unhurried(self) -> Manifest:
        """The manifest without the app's limit: what is tried is not how fast."""
        limits = msgspec.structs.replace(self.manifest.limits, rate_per_s=_UNHURRIED)
        return msgspec.structs.replace(self.manifest, limits=limits)

    # -- what the manifest says, in the words of the rules ---------------------------------------------------------

    @property
    def level(self) -> Level:
        """The level of opening a record. Raises DoesNotApply where nothing is opened."""
        level = self.manifest.level(Command.OPEN)
        if level is None:
            raise DoesNotApply("[levels] has no open: nothing is sent to this app")
        return level

    @property
    def services(self) -> list[Service]:
        """The services of the catalogue that the manifest has a word for, in the manifest's order."""
        return [self.policy.services[code] for code in self.outward if code in self.policy.services]

    @property
    def outward(self) -> dict[str, str]:
        """Every service with the app's word for it, over all profiles."""
        maps = [self.manifest.categories_of(profile).out for profile in (None, *self.manifest.profiles)]
        return {service: word for one in maps for service, word in one.items()}

    @property
    def inward(self) -> dict[str, str]:
        """Every category of the app with the service it opens, over all profiles."""
        maps = [self.manifest.categories_of(profile).inward for profile in (None, *self.manifest.profiles)]
        return {word: service for one in maps for word, service in one.items()}

    @property
    def words(self) -> dict[str, Status]:
        """Every word of the app with the status it means, over all profiles."""
        maps = [self.manifest.statuses_of(profile) for profile in (None, *self.manifest.profiles)]
        return {word: status for one in maps for word, status in one.items()}

    def service(self, code: str | None = None) -> Service:
        """Return a service of the app by its code, or the one that everything is tried with first.

        That is the first that lets its reporter be known and asks for no document. Fails where there is none.
        """
        for service in self.services:
            if service.code == code or (code is None and service.code not in self.hints.documents):
                return service
        if code is None and self.services:
            return self.services[0]
        raise Failed(
            f"the app has no service {code}" if code else "no service of the catalogue leads to this app",
            "Add it to [categories.out], with a service that config/services.toml has.",
        )

    def profile(self, service: Service) -> str | None:
        """Return the profile in which a service's reports go to this app."""
        if service.app == self.name and (service.profile is None or service.profile in self.manifest.profiles):
            return service.profile
        own = [name for name in self.manifest.profiles if service.code in self.manifest.categories_of(name).out]
        return None if service.code in self.manifest.categories.out else next(iter(own), None)

    def shares(self, service: Service) -> Mapping[str, str]:
        """Return what the app may know of a service's reports."""
        return self.manifest.shares_of(self.profile(service))

    def move(self, word: str) -> Move:
        """Return how a record is brought to a word: as `kit.toml` says, else by the word itself."""
        return next((move for move in self.hints.moves if move.to == word), Move(to=word))

    def service_of_word(self, word: str) -> Service:
        """Return a service whose records can have a word: the move's own, else one whose category or profile begins
        like the word, else the first."""
        move = self.move(word)
        if move.service is not None:
            return self.service(move.service)
        beginning = word.partition("/")[0]
        for service in self.services:
            category = self.outward[service.code]
            if "/" in word and beginning in {category, category.partition("/")[0], self.profile(service)}:
                return service
        return self.service()
