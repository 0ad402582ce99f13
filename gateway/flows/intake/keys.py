"""Idempotency keys: the caller's own name for one request (draft-ietf-httpapi-idempotency-key-header)."""

import re
from typing import Final

from gateway.model.principal import Principal
from gateway.model.problem import Problem

_PRINTABLE: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\Z")
_STRONG: Final = re.compile(r"[0-9A-Za-z_+/=.:~-]{22,255}\Z")
_VARIETY: Final = 10


def read_key(header: str | None, principal: Principal) -> str:
    """Return the key of a request; raises `idempotency-key-missing` or `idempotency-key-weak`.

    A bare token and a quoted string (RFC 9651) are both taken. Without an account the key alone separates one
    phone from another, so it must be as hard to guess as a random UUID (122 bits).
    """
    if header is None or not header.strip():
        raise Problem("idempotency-key-missing")
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    fits = _PRINTABLE.fullmatch(key) is not None
    if not fits or (not principal.account and not hard_to_guess(key)):
        raise Problem("idempotency-key-weak" if fits else "idempotency-key-missing")
    return key


def hard_to_guess(name: str) -> bool:
    """Tell whether a name may hold 122 random bits: a UUID, or 22 characters and more that vary."""
    if _UUID.fullmatch(name):
        return len(set(name.replace("-", "").lower())) >= _VARIETY - 3
    return bool(_STRONG.fullmatch(name)) and len(set(name)) >= _VARIETY
