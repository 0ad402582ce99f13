"""Runs connectors: finds them, proves webhooks, minimises what leaves, paces, calls, and judges what came of it."""

from gateway.kernel.host.carries import carries
from gateway.kernel.host.host import AppState, Host
from gateway.kernel.host.loaded import LoadedConnector
from gateway.kernel.host.minimise import minimise, minimise_amendment
from gateway.kernel.host.outcome import Outcome
from gateway.kernel.host.registry import FoundConnector, Registry
from gateway.kernel.host.translate import category_of, service_of, services, status_of
from gateway.kernel.host.verify import HookRefused, verify_hook

__all__ = [
    "AppState",
    "FoundConnector",
    "HookRefused",
    "Host",
    "LoadedConnector",
    "Outcome",
    "Registry",
    "carries",
    "category_of",
    "minimise",
    "minimise_amendment",
    "service_of",
    "services",
    "status_of",
    "verify_hook",
]
