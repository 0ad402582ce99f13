"""The maps of a manifest, asked one way: what an app's word means here, and how a service is called there."""

from gateway.model.status import Status
from gateway.sdk import Manifest


def status_of(manifest: Manifest, profile: str | None, word: str) -> Status | None:
    """Return our status for the app's word; None if no map knows it (which is an alert, never a guess)."""
    return manifest.statuses_of(profile).get(word)


def service_of(manifest: Manifest, word: str, profile: str | None = None) -> str | None:
    """Return the service of the catalogue for the app's category word; None if no map knows it."""
    return manifest.categories_of(profile).inward.get(word)


def category_of(manifest: Manifest, profile: str | None, service: str) -> str | None:
    """Return the app's category word for a service; None if the app has none for it."""
    return manifest.categories_of(profile).out.get(service)


def services(manifest: Manifest) -> frozenset[str]:
    """Return all services that an app has a category for, in any profile."""
    return frozenset(
        service for profile in (None, *manifest.profiles) for service in manifest.categories_of(profile).out
    )
