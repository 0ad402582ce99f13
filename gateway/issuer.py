"""The embedded issuer of development: its name, its keys in the data folder, and the tokens it gives."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from gateway.kernel.identity import DevelopmentIssuer, Keys
from gateway.sdk.clock import SystemClock
from gateway.sdk.entropy import SystemEntropy
from gateway.settings import Settings

ISSUER: Final = "http://gateway.localhost"
"""Name of the embedded issuer; a name, not an address, so that tokens survive a change of port."""


def embedded_issuer(settings: Settings) -> DevelopmentIssuer:
    """Return the issuer of the data folder (development only; its keys are made when first asked for)."""
    entropy = SystemEntropy()
    return DevelopmentIssuer(ISSUER, Keys.open(settings.data, entropy), SystemClock(), entropy)


def development_token(
    settings: Settings,
    subject: str,
    roles: Iterable[str],
    agency: str | None,
    lifetime: timedelta,
    extra: Iterable[str] = (),
) -> str:
    """Return an access token of the embedded issuer; refused by the commands in production."""
    return embedded_issuer(settings).token(
        subject, [*roles, *extra], agency, audience=settings.oidc_audience, lifetime=lifetime
    )
