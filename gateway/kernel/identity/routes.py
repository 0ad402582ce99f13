"""What the embedded issuer publishes: its keys and its metadata."""

from typing import Any, Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from gateway.kernel.identity.issuer import DevelopmentIssuer

_PUBLIC: Final = {"Cache-Control": "public, max-age=60"}


def issuer_routes(issuer: DevelopmentIssuer) -> list[HTTPRouteHandler]:
    """Return the handlers of /oauth/jwks (RFC 7517) and /.well-known/openid-configuration (RFC 8414)."""

    @get("/oauth/jwks", summary="Keys that verify tokens", tags=["identity"])
    async def jwks() -> Response[dict[str, Any]]:
        """Return the public keys."""
        return Response(issuer.keys.jwks, headers=_PUBLIC, media_type="application/jwk-set+json")

    @get("/.well-known/openid-configuration", summary="The issuer's metadata", tags=["identity"])
    async def discovery() -> Response[dict[str, Any]]:
        """Return where the keys are."""
        return Response(issuer.discovery(), headers=_PUBLIC)

    return [jwks, discovery]
