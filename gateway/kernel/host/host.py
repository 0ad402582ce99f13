"""The host: everything the flows ask of apps, and the one place that calls connectors."""

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec

from gateway.kernel.host import call
from gateway.kernel.host.breaker import Leave
from gateway.kernel.host.documents import FOREIGN_HOST, own_link, request_for
from gateway.kernel.host.hooks import translate
from gateway.kernel.host.load import LoadFault
from gateway.kernel.host.loaded import LoadedConnector, build
from gateway.kernel.host.minimise import minimise, minimise_amendment
from gateway.kernel.host.outcome import Outcome
from gateway.kernel.host.registry import Registry
from gateway.kernel.host.translate import category_of, service_of, services, status_of
from gateway.kernel.host.verify import HookRefused, verify_hook
from gateway.model.delivery import Command, Level, Verdict
from gateway.model.status import Status
from gateway.sdk import (
    Amendment,
    Amends,
    Finds,
    Hook,
    Lists,
    Manifest,
    Polls,
    Reads,
    Receives,
    Submission,
    Submits,
    Sweeps,
)
from gateway.sdk.clock import Clock
from gateway.sdk.entropy import Entropy, SystemEntropy
from gateway.sdk.manifest import Mode

_ABILITIES: Final[Mapping[str, type]] = {
    "submit": Submits,
    "find": Finds,
    "receive": Receives,
    "poll": Polls,
    "amend": Amends,
    "read": Reads,
    "sweep": Sweeps,
    "catalogue": Lists,
}
_URGENT: Final = "P1"
SWEEP_S: Final = 600.0
"""Seconds that a sweep may take: it reads a whole day, at the pace that the app allows."""
_OFF_S: Final = 300.0
"""Seconds after which a delivery to an app that is off or in shadow looks again; the desk may move it before."""


class AppState(msgspec.Struct, frozen=True, kw_only=True):
    """What routing may know of an app: its mode, why it is not live, and the services it has a word for."""

    mode: str
    reason: str
    services: frozenset[str]


class Host:
    """Runs the connectors of a registry. `entropy` draws when an app that fails is tried again."""

    def __init__(self, registry: Registry, clock: Clock, entropy: Entropy | None = None) -> None:
        self._registry = registry
        self._clock = clock
        self._loaded: dict[str, LoadedConnector] = {}
        self._off = {name: reason for name, (_, reason) in registry.states().items()}
        entropy = entropy or SystemEntropy()
        for name in registry.names():
            try:
                self._loaded[name] = build(registry.get(name), clock, entropy)
            except LoadFault as fault:
                self._off[name] = str(fault)

    async def close(self) -> None:
        """Close the connections to all apps."""
        for loaded in self._loaded.values():
            await loaded.app.close()

    # -- what is known of an app --------------------------------------------------------------------------------

    def apps(self) -> list[str]:
        """Return the names of all apps in use (live or in shadow)."""
        return list(self._loaded)

    def get(self, app: str) -> LoadedConnector:
        """Return an app's connector in use. Raises KeyError."""
        return self._loaded[app]

    def manifest(self, app: str) -> Manifest:
        """Return an app's manifest, also of one that is off. Raises KeyError."""
        return self._registry.get(app).manifest

    def title(self, app: str) -> str:
        """Return the app's name for people. Raises KeyError."""
        return self.manifest(app).title

    def states(self) -> dict[str, AppState]:
        """Return what routing may know of every app that was found."""
        states: dict[str, AppState] = {}
        for name, reason in self._off.items():
            known = name in self._registry.names()
            states[name] = AppState(
                mode=self._loaded[name].manifest.mode.value if name in self._loaded else Mode.OFF.value,
                reason=reason,
                services=services(self.manifest(name)) if known else frozenset(),
            )
        return states

    def level(self, app: str, command: str) -> Level:
        """Return what the app can do about a repeated command; L0 also where it cannot carry it at all."""
        return self.manifest(app).level(Command(command)) or Level.L0

    def can(self, app: str, ability: str) -> bool:
        """Tell whether the app is in use and its connector has a method (`submit`, `find`, `read`, …)."""
        return app in self._loaded and isinstance(self._loaded[app].instance, _ABILITIES[ability])

    def ready(self, app: str) -> bool:
        """Tell whether anything may be asked of the app now, by this process: in use, not paused, not resting at its
        own wish, and a share of its limits is ours."""
        loaded = self._loaded.get(app)
        return loaded is not None and not loaded.health.paused and not loaded.app.resting() and loaded.app.places > 0

    def places(self, app: str) -> int:
        """Return how many requests to an app this process may have under way now."""
        return self._loaded[app].app.places if app in self._loaded else 0

    def leave(self, app: str, wanted: int, *, urgent: bool = False) -> Leave:
        """Take leave to carry, or look for, up to `wanted` deliveries of the app now; none unless it is `ready`.

        An app that fails gets one at a time, as a probe, which is given back (`unused`) if nothing was asked of it;
        what is `urgent` goes the first time however the app is.
        """
        if wanted < 1 or not self.ready(app):
            return Leave(number=0)
        leave = self._loaded[app].breaker.take(wanted)
        return leave if leave.number or not urgent else Leave(number=wanted, fresh=True)

    def unused(self, app: str) -> None:
        """Give a probe back: nothing was asked of the app."""
        if app in self._loaded:
            self._loaded[app].breaker.give_back()

    def waits(self, app: str) -> float:
        """Return for how many more seconds no delivery may go to the app (0.0: some may now, or it is not in use)."""
        loaded = self._loaded.get(app)
        return 0.0 if loaded is None else max(loaded.health.paused, loaded.app.resting(), loaded.breaker.wait())

    def status_of(self, app: str, profile: str | None, word: str) -> Status | None:
        """Return our status for the app's word; None if no map knows it."""
        return status_of(self.manifest(app), profile, word)

    def service_of(self, app: str, word: str, profile: str | None = None) -> str | None:
        """Return the service for the app's category word; None if no map knows it."""
        return service_of(self.manifest(app), word, profile)

    def prepare(self, app: str, profile: str | None, submission: Submission) -> tuple[Submission, tuple[str, ...]]:
        """Return a submission as the app may have it, with the app's category, and the names of what it holds.

        A service that the app has no word for keeps an empty category; sending it is refused.
        """
        manifest = self.manifest(app)
        category = category_of(manifest, profile, submission.service) or ""
        named = msgspec.structs.replace(submission, category=category, profile=profile)
        return minimise(named, manifest)

    # -- webhooks -----------------------------------------------------------------------------------------------

    def has_webhook(self, app: str) -> bool:
        """Tell whether the app is in use and calls back."""
        return app in self._loaded and self._loaded[app].manifest.webhook is not None

    def verify(self, app: str, headers: Mapping[str, str], body: bytes) -> Hook:
        """Return a webhook whose sender is proven. Raises HookRefused."""
        loaded = self._loaded.get(app)
        if loaded is None:
            raise HookRefused("no_webhook")
        now = self._clock.now()
        return verify_hook(loaded.manifest, loaded.app.secrets, headers, body, now, loaded.app.skew)

    def receive(self, app: str, hook: Hook) -> Outcome:
        """Translate a verified webhook; whatever the connector makes of its body, this returns an outcome."""
        return translate(self._loaded[app], hook)

    @staticmethod
    def digest(body: bytes) -> str:
        """Return the name under which a body that nobody understands is kept: its SHA-256 in hex."""
        return hashlib.sha256(body).hexdigest()

    # -- calls --------------------------------------------------------------------------------------------------

    async def submit(self, app: str, submission: Submission, deadline_s: float | None = None) -> Outcome:
        """Open a record in the app, within `deadline_s` seconds (default: the manifest's connect and total).

        The submission is reduced to what the app may have once more.
        """
        loaded = self._usable(app, writing=True)
        if isinstance(loaded, Outcome):
            return loaded
        instance = loaded.instance
        if not isinstance(instance, Submits):
            return Outcome(verdict=Verdict.REJECTED, cause="cannot")
        slim, _ = minimise(submission, loaded.manifest)
        if not slim.category and loaded.manifest.categories_of(slim.profile).out:
            return Outcome(verdict=Verdict.REJECTED, cause="no_category", field="service")
        urgent = slim.priority == _URGENT
        return await call.write(
            loaded, lambda: instance.submit(slim), deadline_s, key=slim.key, numbered=True, urgent=urgent
        )

    async def amend(
        self,
        app: str,
        reference: str,
        amendment: Amendment,
        deadline_s: float | None = None,
        *,
        profile: str | None = None,
    ) -> Outcome:
        """Carry a message or withdrawal to the record named `reference`, reduced to what the app may have of records
        of this profile."""
        loaded = self._usable(app, writing=True)
        if isinstance(loaded, Outcome):
            return loaded
        instance = loaded.instance
        if not isinstance(instance, Amends) or amendment.command not in loaded.manifest.levels:
            return Outcome(verdict=Verdict.REJECTED, cause="cannot")
        slim, _ = minimise_amendment(amendment, loaded.manifest, profile)
        return await call.write(
            loaded, lambda: instance.amend(reference, slim), deadline_s,
            key=slim.key, numbered=False, urgent=False,
        )  # fmt: skip

    async def find(self, app: str, key: str, deadline_s: float | None = None) -> Outcome:
        """Look a delivery's key up: accepted with the receipt, or absent."""
        loaded = self._usable(app)
        if isinstance(loaded, Outcome):
            return loaded
        instance = loaded.instance
        if not isinstance(instance, Finds):
            return Outcome(verdict=Verdict.REJECTED, cause="cannot")
        return await call.find(loaded, lambda: instance.find(key), deadline_s, key=key)

    async def poll(self, app: str, cursor: str | None, deadline_s: float | None = None) -> Outcome:
        """Ask the app for news after `cursor`."""
        loaded = self._usable(app)
        if isinstance(loaded, Outcome):
            return loaded
        instance = loaded.instance
        if not isinstance(instance, Polls):
            return Outcome(verdict=Verdict.REJECTED, cause="cannot")
        return await call.gather(loaded, lambda: instance.poll(cursor), deadline_s)

    async def document(self, app: str, url: str, limit: int, deadline_s: float | None = None) -> Outcome:
        """Fetch a file of at most `limit` bytes from the app's own host, with what the connector shows for it.

        A link that leads anywhere else is rejected, cause `foreign_host`, and nothing is asked of anybody.
        """
        loaded = self._usable(app)
        if isinstance(loaded, Outcome):
            return loaded
        link = own_link(loaded.app.base_url, url)
        if link is None:
            return Outcome(verdict=Verdict.REJECTED, cause=FOREIGN_HOST)
        return await call.fetch(loaded, lambda: request_for(loaded, link, limit), deadline_s)

    async def read(self, app: str, reference: str, after: str | None, deadline_s: float | None = None) -> Outcome:
        """Read one record of the app, after `after`."""
        loaded = self._usable(app)
        if isinstance(loaded, Outcome):
            return loaded
        instance = loaded.instance
        if not isinstance(instance, Reads):
            return Outcome(verdict=Verdict.REJECTED, cause="cannot")
        return await call.gather(loaded, lambda: instance.read(reference, after), deadline_s)

    async def sweep(self, app: str, day: date, deadline_s: float = SWEEP_S) -> Outcome:
        """List what changed in the app on a day of its own calendar."""
        loaded = self._usable(app)
        if isinstance(loaded, Outcome):
            return loaded
        instance = loaded.instance
        if not isinstance(instance, Sweeps):
            return Outcome(verdict=Verdict.REJECTED, cause="cannot")
        return await call.gather(loaded, lambda: instance.sweep(day), deadline_s)

    async def catalogue(self, app: str, deadline_s: float | None = None) -> Outcome:
        """List the app's own categories and words."""
        loaded = self._usable(app)
        if isinstance(loaded, Outcome):
            return loaded
        instance = loaded.instance
        if not isinstance(instance, Lists):
            return Outcome(verdict=Verdict.REJECTED, cause="cannot")
        return await call.entries(loaded, instance.catalogue, deadline_s)

    def _usable(self, app: str, *, writing: bool = False) -> LoadedConnector | Outcome:
        """Return the connector, or why nothing is asked of its app now; then nothing was sent."""
        loaded = self._loaded.get(app)
        if loaded is None:
            return Outcome(verdict=Verdict.RETRY, cause="off", after=_OFF_S)
        if pause := loaded.health.paused:
            return Outcome(verdict=Verdict.RETRY, cause="paused", after=pause)
        if writing and loaded.manifest.mode is not Mode.LIVE:
            return Outcome(verdict=Verdict.RETRY, cause="shadow", after=_OFF_S)
        return loaded
