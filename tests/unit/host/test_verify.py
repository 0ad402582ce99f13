"""The proof of webhooks: each scheme with its own example, and everything that is not quite it refused."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.kernel.host import HookRefused, verify_hook
from gateway.sdk import Secrets
from gateway.sdk.manifest import Manifest, decode_manifest
from tests.unit.host.apps import HEAD

NOW = datetime(2026, 1, 28, 4, 0, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
BODY = b'{"event_id": "e1", "text": "\xe1\xa8\x94"}'


def manifest(lines: str) -> Manifest:
    """A manifest with a webhook."""
    return decode_manifest(
        HEAD.replace("{name}", "cc112") + f'[secrets]\nHOOK = "x"\n[webhook]\nsecret = "HOOK"\n{lines}'
    )


HMAC = manifest(
    'scheme = "hmac-timestamp-body"\ntimestamp_header = "X-112-Timestamp"\n'
    'signature_header = "x-112-signature"\nsignature_prefix = "sha256="\n'
)
STANDARD = manifest('scheme = "standard-webhooks"')
BEARER = manifest('scheme = "bearer"')
STATIC = manifest('scheme = "static-token"\nsignature_header = "X-Callback-Token"')


def secrets(value: str) -> Secrets:
    """The secret of the webhook."""
    return Secrets("cc112", ["HOOK"], {"GATEWAY_CC112_HOOK": value})


def sign(body: bytes = BODY, stamp: str = STAMP, key: str = "k1") -> dict[str, str]:
    """The headers that the 112 platform sends."""
    value = hmac.new(key.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-112-TIMESTAMP": stamp, "X-112-Signature": f"sha256={value}"}


def refusal(
    of: Manifest, key: str, headers: dict[str, str], body: bytes = BODY, skew: timedelta | None = None
) -> str | None:
    """Why a webhook is refused; None if it is not."""
    try:
        hook = verify_hook(of, secrets(key), headers, body, NOW, skew)
    except HookRefused as refused:
        return refused.reason
    assert (hook.body, hook.received_at) == (body, NOW)
    assert all(name == name.lower() for name in hook.headers)
    return None


def test_hmac() -> None:
    assert refusal(HMAC, "k1", sign()) is None
    assert refusal(HMAC, "k2", sign()) == "wrong_signature"
    assert refusal(HMAC, "k2\nk1", sign()) is None, "two secrets while one is replaced"
    assert refusal(HMAC, "k1", sign(), BODY + b" ") == "wrong_signature"
    assert refusal(HMAC, "k1", sign() | {"X-112-TIMESTAMP": str(int(STAMP) + 1)}) == "wrong_signature"
    assert refusal(HMAC, "k1", {}) == "unsigned"
    assert refusal(HMAC, "k1", {"x-112-timestamp": STAMP}) == "unsigned"
    assert refusal(HMAC, "k1", {"x-112-signature": sign()["X-112-Signature"]}) == "unsigned"
    bare = sign()["X-112-Signature"].removeprefix("sha256=")
    assert refusal(HMAC, "k1", sign() | {"X-112-Signature": bare}) == "unsigned"
    two = sign() | {"X-112-Signature": f"sha256={'0' * 64}, {sign()['X-112-Signature']}"}
    assert refusal(HMAC, "k1", two) is None
    assert refusal(HMAC, "k1", sign(stamp="soon")) == "bad_timestamp"
    assert refusal(HMAC, "k1", sign(stamp="9" * 400)) == "bad_timestamp"
    assert refusal(HMAC, "k1", sign() | {"X-112-Signature": "sha256=ä"}) == "wrong_signature"
    assert refusal(HMAC, "", sign(key="")) == "no_secret"


@pytest.mark.parametrize(
    ("age", "skew", "fresh"),
    [
        (299, 0, True),
        (301, 0, False),
        (-299, 0, True),
        (-301, 0, False),
        (15 * 60, -15 * 60, True),
        (0, -15 * 60, False),
        (29 * 60, -29 * 60, True),
        (40 * 60, -40 * 60, False),
        (0, -40 * 60, True),
    ],
)
def test_the_window_is_in_the_apps_time_as_far_as_that_can_be_followed(age: int, skew: int, fresh: bool) -> None:
    headers = sign(stamp=str(int(STAMP) - age))
    assert refusal(HMAC, "k1", headers, skew=timedelta(seconds=skew)) == (None if fresh else "stale")


@given(st.binary(), st.integers(0, 7), st.data())
def test_any_other_body_is_refused(body: bytes, bit: int, data: st.DataObject) -> None:
    headers = sign(body)
    assert refusal(HMAC, "k1", headers, body) is None
    changed = bytearray(body or b"\x00")
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << bit
    assert refusal(HMAC, "k1", headers, bytes(changed)) == "wrong_signature"


def test_standard_webhooks_by_the_example_of_the_specification() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    body, key = b'{"test": 2432232314}', "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    then = datetime.fromtimestamp(1614265330, UTC)
    assert verify_hook(STANDARD, secrets(key), headers, body, then).body == body
    assert verify_hook(STANDARD, secrets(key.removeprefix("whsec_")), headers, body, then).body == body
    assert refusal(STANDARD, key, headers, body) == "stale"
    assert refusal(STANDARD, key, headers, body + b"\n") == "wrong_signature"
    assert refusal(STANDARD, "whsec_not base64", headers, body) == "wrong_signature"
    assert refusal(STANDARD, key, {**headers, "webhook-id": "msg_other"}, body) == "wrong_signature"
    assert refusal(STANDARD, key, {k: v for k, v in headers.items() if k != "webhook-id"}, body) == "unsigned"
    several = headers | {"webhook-signature": "v1,AAAA v2,x " + headers["webhook-signature"] + " nonsense"}
    assert refusal(STANDARD, key, several, body) == "stale", "one valid signature of several suffices"


def test_standard_webhooks_with_ed25519() -> None:
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"a key").digest())
    public = "whpk_" + base64.b64encode(private.public_key().public_bytes_raw()).decode()
    signature = base64.b64encode(private.sign(f"msg_1.{STAMP}.".encode() + BODY)).decode()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": STAMP, "webhook-signature": f"v1a,{signature}"}
    assert refusal(STANDARD, public, headers) is None
    assert refusal(STANDARD, public, headers | {"webhook-signature": f"v1,{signature}"}) == "wrong_signature"
    assert refusal(STANDARD, public, headers, BODY + b"x") == "wrong_signature"
    assert refusal(STANDARD, "whpk_AAAA", headers) == "wrong_signature"
    forged = base64.b64encode(hmac.digest(private.public_key().public_bytes_raw(), b"", "sha256")).decode()
    assert refusal(STANDARD, public, headers | {"webhook-signature": f"v1,{forged}"}) == "wrong_signature"


def test_tokens() -> None:
    assert refusal(BEARER, "tok-1", {"Authorization": "Bearer tok-1"}) is None
    assert refusal(BEARER, "new\ntok-1", {"AUTHORIZATION": "bearer tok-1"}) is None
    assert refusal(BEARER, "tok-1", {"Authorization": "Bearer tok-2"}) == "wrong_signature"
    assert refusal(BEARER, "tok-1", {"Authorization": "Basic tok-1"}) == "unsigned"
    assert refusal(BEARER, "tok-1", {}) == "unsigned"
    assert refusal(STATIC, "tok-1", {"x-callback-token": "tok-1"}) is None
    assert refusal(STATIC, "tok-1", {"x-callback-token": "tok-12"}) == "wrong_signature"
    assert refusal(STATIC, "tok-1", {"x-callback-token": ""}) == "unsigned"
    assert STATIC.webhook is not None
    assert STATIC.webhook.hints_only


def test_an_app_without_webhook_sends_none() -> None:
    without = decode_manifest(HEAD.replace("{name}", "cc112"))
    assert refusal(without, "k1", sign()) == "no_webhook"
