"""The proof of a webhook: who sent it, and that it is fresh, before a byte of it is understood.

Comparisons take constant time. Times are compared with the app's clock, as far as it can be followed.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.sdk import Hook, Manifest, Secrets
from gateway.sdk.manifest import Scheme, Webhook
from gateway.sdk.secrets import SecretMissing

TRUSTED_SKEW: Final = timedelta(minutes=30)
_HMAC_KEY, _PUBLIC_KEY = "whsec_", "whpk_"


class HookRefused(Exception):
    """A webhook is not believed. `reason` is a code: `no_webhook`, `no_secret`, `unsigned`, `wrong_signature`,
    `stale`, `bad_timestamp`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def verify_hook(
    manifest: Manifest,
    secrets: Secrets,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    skew: timedelta | None = None,
) -> Hook:
    """Return the webhook as a connector gets it, or raise HookRefused.

    `body` is raw, as it came; `now` the gateway's time, `skew` by how much the app's clock is ahead of it. Of
    several signatures, or of several secrets while one is being replaced, one valid pair suffices. A scheme
    that proves no content (`manifest.webhook.hints_only`) lets hints through and nothing else.
    """
    webhook = manifest.webhook
    if webhook is None:
        raise HookRefused("no_webhook")
    given = {name.lower(): value for name, value in headers.items()}
    try:
        keys = secrets.all(webhook.secret)
    except SecretMissing:
        raise HookRefused("no_secret") from None
    app_now = now + skew if skew is not None and abs(skew) <= TRUSTED_SKEW else now
    if webhook.scheme is Scheme.HMAC:
        _hmac(webhook, keys, given, body, app_now)
    elif webhook.scheme is Scheme.STANDARD:
        _standard(webhook, keys, given, body, app_now)
    elif webhook.scheme is Scheme.BEARER:
        scheme, _, token = given.get("authorization", "").partition(" ")
        _token(token.strip() if scheme.lower() == "bearer" else "", keys)
    else:
        _token(given.get((webhook.signature_header or "").lower(), ""), keys)
    return Hook(headers=given, body=body, received_at=now)


def _token(token: str, keys: tuple[str, ...]) -> None:
    if not token:
        raise HookRefused("unsigned")
    if not _any_equal([token.encode()], [key.encode() for key in keys]):
        raise HookRefused("wrong_signature")


def _hmac(webhook: Webhook, keys: tuple[str, ...], headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    stamp = headers.get((webhook.timestamp_header or "").lower(), "")
    signatures = list(_listed(headers.get((webhook.signature_header or "").lower(), ""), webhook))
    if not stamp or not signatures:
        raise HookRefused("unsigned")
    text = stamp.encode() + b"." + body
    right = [hmac.digest(key.encode(), text, "sha256").hex().encode() for key in keys]
    if not _any_equal([signature.lower().encode() for signature in signatures], right):
        raise HookRefused("wrong_signature")
    _fresh(stamp, webhook.window_s, now)


def _listed(value: str, webhook: Webhook) -> Iterator[str]:
    for part in value.replace(",", " ").split():
        if part.startswith(webhook.signature_prefix):
            yield part.removeprefix(webhook.signature_prefix)


def _standard(webhook: Webhook, keys: tuple[str, ...], headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Check a webhook by the Standard Webhooks specification: `v1` (HMAC) and `v1a` (Ed25519) signatures."""
    name, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signatures = [part.partition(",") for part in headers.get("webhook-signature", "").split()]
    if not name or not stamp or not signatures:
        raise HookRefused("unsigned")
    text = f"{name}.{stamp}.".encode() + body
    valid = False
    for version, _, value in signatures:
        signature = _base64(value)
        for key in keys:
            if version == "v1a" and key.startswith(_PUBLIC_KEY):
                valid |= _signed(_base64(key.removeprefix(_PUBLIC_KEY)), signature, text)
            elif version == "v1" and not key.startswith(_PUBLIC_KEY):
                secret = _base64(key.removeprefix(_HMAC_KEY))
                valid |= bool(secret) and hmac.compare_digest(hmac.digest(secret, text, hashlib.sha256), signature)
    if not valid:
        raise HookRefused("wrong_signature")
    _fresh(stamp, webhook.window_s, now)


def _signed(key: bytes, signature: bytes, text: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


def _fresh(stamp: str, window_s: float, now: datetime) -> None:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise HookRefused("bad_timestamp")
    if abs(now.timestamp() - int(stamp)) > window_s:
        raise HookRefused("stale")


def _base64(text: str) -> bytes:
    """Decode standard Base64; nothing where it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _any_equal(given: list[bytes], right: list[bytes]) -> bool:
    """Compare every pair, so that time tells nothing about which one is near."""
    equal = False
    for one in given:
        for other in right:
            equal |= hmac.compare_digest(one, other)
    return equal
