"""A connector in use: its manifest, its object, what it was given, how its app is doing."""

import msgspec
import structlog

from gateway.kernel.host.breaker import Breaker
from gateway.kernel.host.call import place_of
from gateway.kernel.host.health import Health
from gateway.kernel.host.load import FOREIGN_FAULTS, LoadFault
from gateway.kernel.host.registry import FoundConnector
from gateway.sdk import App, Manifest
from gateway.sdk.clock import Clock
from gateway.sdk.entropy import Entropy

_log = structlog.get_logger()


class LoadedConnector(msgspec.Struct, frozen=True, kw_only=True):
    """A connector in use; `instance` has the abilities that its manifest promises."""

    name: str
    manifest: Manifest
    instance: object
    app: App
    health: Health
    breaker: Breaker


def build(found: FoundConnector, clock: Clock, entropy: Entropy) -> LoadedConnector:
    """Build a connector that was found. Raises LoadFault, for one that is off with the reason why."""
    if found.factory is None or found.base_url is None:
        raise LoadFault(found.reason)
    app = App(manifest=found.manifest, base_url=found.base_url, secrets=found.secrets, clock=clock)
    try:
        instance = found.factory(app)
    except FOREIGN_FAULTS as fault:
        reason = f"Connector(app) failed: {type(fault).__name__} at {place_of(fault)}"
        _log.error("connector.off", connector=found.name, cause=reason)
        raise LoadFault(reason) from fault
    login = getattr(instance, "login", None)
    if login is not None:
        app.logs_in_with(login)
    limits = found.manifest.limits
    return LoadedConnector(
        name=found.name,
        manifest=found.manifest,
        instance=instance,
        app=app,
        health=Health(app),
        breaker=Breaker(limits.concurrency, limits.probe_s, clock.monotonic, entropy.fraction),
    )
