"""Access tokens verified: JSON Web Tokens (RFC 7519) as access tokens (RFC 9068), with the care RFC 8725 asks for.

Everything not expected is refused: another algorithm, another type, another issuer or audience, keys or addresses
of keys inside the token, extensions, names that stand twice, base64 that has a second spelling.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jws import JWSRegistry

from gateway.kernel.edge.body import read_json
from gateway.kernel.identity.jwks import ALGORITHMS, KeySource
from gateway.model.principal import Principal, Role
from gateway.model.problem import Problem
from gateway.sdk.clock import Clock

MAX_TOKEN: Final = 8_192
"""Characters that a token may have."""
AT_JWT: Final = "at+jwt"
EXTRAS: Final = frozenset({"restricted"})
"""Permissions that stand among a token's roles and are none: `restricted` lets an operator see restricted services."""

_SHAPE: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_HEADER: Final = frozenset({"alg", "typ", "kid", "x5t", "x5t#S256"})
"""What a header may say; the fingerprints are passed over. Everything else is a trick or an extension."""
_IDENTITY_TOKEN: Final = ("nonce", "at_hash", "c_hash", "s_hash")
_AGENCY: Final = re.compile(r"[A-Z0-9][A-Z0-9-]{0,39}")
_SKEW_S: Final = 30
_KEPT: Final = 4_096


class TokenRefused(Exception):
    """A token is not accepted. `reason` is a word for logs and programs, never a part of the token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Verified(msgspec.Struct, frozen=True):
    """What a good token says: who, and until when (Unix seconds); under which generation of keys it was checked."""

    principal: Principal
    expires: float
    generation: int


class _Algorithms(JWSRegistry):
    """The allow-list, once more at the place where signatures are checked.

    The library would warn of `EdDSA`, which is only an older name of what RFC 9864 calls `Ed25519`.
    """

    def get_alg(self, name: str) -> Any:
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


class TokenVerifier:
    """Verifies tokens of one issuer for one audience, and remembers the good ones by their digest."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        keys: KeySource,
        clock: Clock,
        *,
        types: Collection[str] = (AT_JWT,),
        kept: int = _KEPT,
    ) -> None:
        """`types` are the accepted `typ` values; an issuer that predates RFC 9068 may need `JWT` beside `at+jwt`."""
        self._issuer, self._audience, self._keys, self._clock = issuer, audience, keys, clock
        self._types = frozenset(name.lower() for name in types)
        self._registry = _Algorithms(algorithms=ALGORITHMS)
        self._known: dict[bytes, Verified] = {}
        self._kept = kept

    async def verify(self, token: str) -> Verified:
        """Return what a token says. Raises TokenRefused, or Problem `unavailable` if no keys can be had."""
        if len(token) > MAX_TOKEN:
            raise TokenRefused("too-long")
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None and known.generation == self._keys.generation:
            if self._now() >= known.expires:
                del self._known[digest]
                raise TokenRefused("expired")
            return known
        verified = await self._verify(token)
        if len(self._known) >= self._kept:
            del self._known[next(iter(self._known))]
        self._known[digest] = verified
        return verified

    def __len__(self) -> int:
        """How many tokens are remembered."""
        return len(self._known)

    def _now(self) -> float:
        return self._clock.real().timestamp()

    async def _verify(self, token: str) -> Verified:
        shape = _SHAPE.fullmatch(token)
        if shape is None:
            raise TokenRefused("malformed")
        header, _, _ = (_decoded(segment) for segment in shape.groups())
        kid, algorithm, kind = self._header(_object(header))
        key = await self._keys.find(kid)
        generation = self._keys.generation
        if key is None:
            raise TokenRefused("unknown-key")
        if algorithm not in key.algorithms:
            raise TokenRefused("wrong-algorithm")
        try:
            signed = jws.deserialize_compact(token, key.native, registry=self._registry)
        except (JoseError, ValueError):
            raise TokenRefused("bad-signature") from None
        return self._believed(_object(signed.payload), kind, generation)

    def _header(self, header: Mapping[str, Any]) -> tuple[str, str, str]:
        if not header.keys() <= _HEADER:
            raise TokenRefused("unexpected-header")
        algorithm, kind, kid = header.get("alg"), header.get("typ"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise TokenRefused("wrong-algorithm")
        kind = kind.lower().removeprefix("application/") if isinstance(kind, str) else ""
        if kind not in self._types:
            raise TokenRefused("wrong-type")
        if not isinstance(kid, str) or not 0 < len(kid) <= 200:
            raise TokenRefused("no-key-named")
        return kid, algorithm, kind

    def _believed(self, claims: Mapping[str, Any], kind: str, generation: int) -> Verified:
        if claims.get("iss") != self._issuer:
            raise TokenRefused("wrong-issuer")
        audience = claims.get("aud")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise TokenRefused("wrong-audience")
        expires = self._times(claims)
        if "cnf" in claims:
            raise TokenRefused("bound-to-a-key")  # whoever only carries it must not use it (RFC 7800)
        if any(name in claims for name in _IDENTITY_TOKEN):
            raise TokenRefused("identity-token")
        client = claims.get("client_id", claims.get("azp"))
        if kind == AT_JWT and not (_is_name(claims.get("jti")) and _is_name(claims.get("client_id"))):
            raise TokenRefused("incomplete")
        if not _is_name(claims.get("sub")) or not (client is None or _is_name(client)):
            raise TokenRefused("incomplete")
        return Verified(_principal(claims, self._issuer, client or "public"), expires, generation)

    def _times(self, claims: Mapping[str, Any]) -> float:
        """Check the times (NumericDate) and return the end. The end is strict; starts may be half a minute ahead."""
        now = self._now()
        expires, issued, begins = _time(claims.get("exp")), _time(claims.get("iat")), _time(claims.get("nbf", 0))
        if now >= expires:
            raise TokenRefused("expired")
        if issued > now + _SKEW_S or begins > now + _SKEW_S or issued > expires:
            raise TokenRefused("not-yet")
        return expires


def _decoded(segment: str) -> bytes:
    """Return the bytes of a base64url segment that has no second spelling."""
    try:
        raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        raise TokenRefused("malformed") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != segment.encode():
        raise TokenRefused("malformed")
    return raw


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = read_json(raw, MAX_TOKEN)
    except Problem:
        raise TokenRefused("malformed") from None
    if not isinstance(found, dict):
        raise TokenRefused("malformed")
    return found


def _time(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TokenRefused("malformed-time")
    return value


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255 and value.isprintable()


def _principal(claims: Mapping[str, Any], issuer: str, client: str) -> Principal:
    """Return the caller a token names. Roles nobody here knows are passed over, and so is `public`: having no
    account is not something a token can say."""
    named, agency = claims.get("roles", []), claims.get("agency")
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise TokenRefused("malformed-roles")
    if agency is not None and not (isinstance(agency, str) and _AGENCY.fullmatch(agency)):
        raise TokenRefused("malformed-agency")
    return Principal(
        issuer=issuer,
        subject=claims["sub"],
        roles=frozenset(role for role in Role if role in named and role is not Role.PUBLIC),
        agency=agency,
        client=client,
        extra=EXTRAS.intersection(named),
    )
