"""The embedded issuer: makes access tokens for development, tests and the demo. Production refuses to start with it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from joserfc import jwt

from gateway.kernel.identity.keys import Keys
from gateway.sdk.clock import Clock
from gateway.sdk.entropy import Entropy

CLIENT: Final = "gateway-token"
"""The `client_id` of tokens made on the command line."""


class DevelopmentIssuer:
    """Makes tokens (RFC 9068) signed with the keys of the data folder. Times are real ones: tokens do not travel."""

    def __init__(self, url: str, keys: Keys, clock: Clock, entropy: Entropy) -> None:
        """`url` is the issuer's name, the address of the gateway itself, without a slash at the end."""
        self.url, self.keys = url, keys
        self._clock, self._entropy = clock, entropy

    def token(
        self,
        subject: str,
        roles: Iterable[str],
        agency: str | None = None,
        *,
        audience: str,
        lifetime: timedelta = timedelta(hours=12),
        client: str = CLIENT,
    ) -> str:
        """Return a signed access token. `roles` may hold extra permissions too (`restricted`)."""
        now = int(self._clock.real().timestamp())
        claims: dict[str, Any] = {
            "iss": self.url,
            "sub": subject,
            "aud": audience,
            "iat": now,
            "exp": now + int(lifetime.total_seconds()),
            "jti": self._entropy.bytes(16).hex(),
            "client_id": client,
            "roles": sorted(roles),
        }
        if agency is not None:
            claims["agency"] = agency
        key = self.keys.signing
        return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": key.kid}, claims, key, algorithms=["ES256"])

    def discovery(self) -> dict[str, Any]:
        """Return the issuer's metadata (RFC 8414)."""
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/oauth/jwks",
            "response_types_supported": [],
            "grant_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }
