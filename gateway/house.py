"""The floors put together from settings: everything a process needs, opened in order and closed in reverse."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import structlog

from gateway.flows.inbound.adopt import Adopter
from gateway.flows.inbound.receive import Inbound
from gateway.flows.inbound.store import Store
from gateway.flows.intake.accept import Intake
from gateway.flows.notify.provider import Provider, open_provider
from gateway.kernel.coordination import Wake, open_wake
from gateway.kernel.host import Host, Registry
from gateway.kernel.ledger import Ledger, migrate
from gateway.kernel.ledger.blobs import Blobs
from gateway.kernel.policy import ConfigError, Policy, unproven_routes
from gateway.kernel.policy.opening import Opener
from gateway.kernel.policy.texting import Texting
from gateway.sdk.clock import Clock, SystemClock
from gateway.sdk.entropy import Entropy, SystemEntropy
from gateway.sdk.manifest import Mode
from gateway.settings import Settings, sms_secrets

PATIENCE_S: Final = 60
"""For so many seconds a start waits for a database that is away or starting itself."""
_log = structlog.get_logger()


class House(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was opened."""

    settings: Settings
    clock: Clock
    entropy: Entropy
    ledger: Ledger
    policy: Policy
    host: Host
    wake: Wake
    blobs: Blobs
    opener: Opener
    intake: Intake
    inbound: Inbound
    store: Store
    adopter: Adopter
    texts: Provider | None

    @property
    def worker_name(self) -> str:
        """Name of this process in leases."""
        return f"{socket.gethostname()}:{os.getpid()}"


def _proven(settings: Settings, policy: Policy, registry: Registry, clock: Clock) -> None:
    """Refuse live routes through connectors that have proven too little; in development only tell of them."""
    proven = registry.tiers(clock.real().date())
    live = {app: tier for app, tier in proven.items() if registry.get(app).mode is Mode.LIVE}
    found = unproven_routes(policy, live)
    if found and settings.production:
        raise ConfigError(found)
    for one in found:
        app = one.path.removeprefix("apps.")
        _log.warning("connector.unproven", connector=app, found=live[app].word)


@asynccontextmanager
async def open_house(
    settings: Settings, clock: Clock | None = None, entropy: Entropy | None = None, *, migrated: bool = False
) -> AsyncIterator[House]:
    """Open the house; the database is brought to the newest version first unless `migrated` says it is."""
    clock = clock or SystemClock(settings.clock_file)
    entropy = entropy or SystemEntropy()
    policy = Policy.load(settings.config)
    registry = Registry.discover(settings.connectors, settings.environ)
    _proven(settings, policy, registry, clock)
    if not migrated:
        await migrate(settings.database_url, PATIENCE_S)
    ledger = await Ledger.open(settings.database_url, settings.data, clock, entropy)
    ledger.timekeeper = policy
    try:
        host = Host(registry, clock, entropy)
        if settings.texts:
            ledger.texter = Texting(policy, host.title, ledger.keyring.report_secret, settings.track_url)
        wake = open_wake(settings.redis_url)
        opener = Opener(ledger, policy, host)
        store = Store(ledger, wake)
        secrets = sms_secrets(settings.environ)
        texts = open_provider(settings.sms_url, secrets, clock, settings.data, settings.production)
        try:
            yield House(
                settings=settings,
                clock=clock,
                entropy=entropy,
                ledger=ledger,
                policy=policy,
                host=host,
                wake=wake,
                blobs=Blobs(settings.data),
                opener=opener,
                intake=Intake(ledger, policy, opener, wake),
                store=store,
                inbound=Inbound(ledger, host, store),
                adopter=Adopter(ledger, host, opener, wake),
                texts=texts,
            )
        finally:
            if texts is not None:
                await texts.close()
            await wake.close()
            await host.close()
    finally:
        await ledger.close()
