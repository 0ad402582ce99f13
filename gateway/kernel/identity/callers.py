"""From a request to its caller: a good token, no token, or a refusal. A bad token is never taken for none."""

import re
from typing import Any, Final

import structlog
from litestar.connection import ASGIConnection

from gateway.kernel.identity.tokens import TokenRefused, TokenVerifier
from gateway.model.principal import Principal, Role
from gateway.model.problem import Problem

Connection = ASGIConnection[Any, Any, Any, Any]

_CLIENT: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_REALM: Final = 'Bearer realm="gateway"'
CHALLENGE: Final = {"WWW-Authenticate": _REALM}
"""What a caller without a token is told (RFC 6750)."""
NARROW: Final = {"WWW-Authenticate": f'{_REALM}, error="insufficient_scope"'}
"""What a caller is told whose token does not go that far."""
NOBODY: Final = Principal(issuer="", subject="", roles=frozenset({Role.PUBLIC}))
"""The caller where nobody looks who calls: health, webhooks (their signature speaks), public documents."""

_log = structlog.get_logger()


class Callers:
    """Finds out who calls."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    async def principal_of(self, connection: Connection) -> Principal:
        """Return the caller.

        Without an Authorization header that is `PUBLIC`, with the program that X-Client-Id names. Raises Problem
        `token-refused` or `token-expired` for a bad token, `operator-without-agency`, `client-id`, `unavailable`.
        """
        authorizations: list[bytes] = []
        client = b""
        for name, value in connection.scope["headers"]:
            if name == b"authorization":
                authorizations.append(value)
            elif name == b"x-client-id":
                client = value
        if authorizations:
            return await self._bearer(authorizations)
        if client and _CLIENT.fullmatch(client) is None:
            raise Problem("client-id")
        return Principal(
            issuer="", subject="", roles=frozenset({Role.PUBLIC}), client=client.decode() if client else "public"
        )

    async def _bearer(self, headers: list[bytes]) -> Principal:
        scheme, _, token = headers[0].decode("latin-1").partition(" ")
        try:
            if len(headers) > 1 or scheme.lower() != "bearer":
                raise TokenRefused("no-bearer")
            verified = await self._verifier.verify(token.strip(" "))
        except TokenRefused as refused:
            _log.info("token.refused", reason=refused.reason)
            told = f'{_REALM}, error="invalid_token", error_description="{refused.reason}"'
            slug = "token-expired" if refused.reason == "expired" else "token-refused"
            raise Problem(slug, headers={"WWW-Authenticate": told}) from None
        principal = verified.principal
        if Role.OPERATOR in principal.roles and principal.agency is None:
            raise Problem("operator-without-agency", headers=NARROW)
        return principal
