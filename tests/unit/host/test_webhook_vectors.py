"""Webhook schemes against vectors that another program made (`openssl`), byte for byte; all near them is refused.

The Ed25519 key is that of RFC 8032, section 7.1, test 3; the `v1` secret and the form of the id are those of the
Standard Webhooks specification.
"""

from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from gateway.kernel.host import HookRefused, verify_hook
from gateway.sdk import Manifest, Secrets
from gateway.sdk.manifest import decode_manifest
from tests.unit.host.apps import HEAD

NOW = datetime(2026, 1, 28, 2, 15, 30, tzinfo=UTC)
STAMP = "1769566530"
BODY = '{"type":"laporan.selesai","id":"C-0001","catatan":"ᨔᨙᨒᨔᨕᨗ 🚮"}'.encode()


class Vector(NamedTuple):
    """A webhook that is to be believed."""

    webhook: str
    secret: str
    headers: dict[str, str]
    proof: str
    """The header that carries the proof."""


STANDARD = {"webhook-id": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", "webhook-timestamp": STAMP}
VECTORS = {
    "hmac": Vector(
        'scheme = "hmac-timestamp-body"\ntimestamp_header = "X-112-Timestamp"\n'
        'signature_header = "X-112-Signature"\nsignature_prefix = "sha256="',
        "sandbox-cc112-WEBHOOK_SECRET",
        {
            "X-112-Timestamp": STAMP,
            "X-112-Signature": "sha256=9f2ca8da1c885eccf0f374abda1d89a78905d7ebe98aed0b6076d1bd7ae41d27",
        },
        "X-112-Signature",
    ),
    "standard v1": Vector(
        'scheme = "standard-webhooks"',
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        STANDARD | {"webhook-signature": "v1,Qqn5iU2c3irfVGgVNvWqQs0o4vHdAJVVyqOTZXyfdI8="},
        "webhook-signature",
    ),
    "standard v1a": Vector(
        'scheme = "standard-webhooks"',
        "whpk_/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU=",
        STANDARD
        | {
            "webhook-signature": "v1a,aRIDfA+ssB4nZ+/T/iysWMU/rAh4vSHbhG4PwW9lOWGTRJ9NC13EI/H97radIOI7IqveadBEko5Ht"
            "uKZmEl5Dw=="
        },
        "webhook-signature",
    ),
    "bearer": Vector('scheme = "bearer"', "tok-7311", {"Authorization": "Bearer tok-7311"}, "Authorization"),
    "static": Vector(
        'scheme = "static-token"\nsignature_header = "X-Callback-Token"',
        "tok-7311",
        {"X-Callback-Token": "tok-7311"},
        "X-Callback-Token",
    ),
}
SIGNED = [name for name in VECTORS if name not in {"bearer", "static"}]


def manifest(vector: Vector) -> Manifest:
    head = HEAD.replace("{name}", "cc112")
    return decode_manifest(f'{head}[secrets]\nHOOK = "x"\n[webhook]\nsecret = "HOOK"\n{vector.webhook}\n')


def refusal(
    vector: Vector,
    headers: dict[str, str] | None = None,
    body: bytes = BODY,
    key: str | None = None,
    now: datetime = NOW,
) -> str | None:
    """Why a webhook is refused, None if it is believed."""
    secrets = Secrets("cc112", ["HOOK"], {"GATEWAY_CC112_HOOK": key or vector.secret})
    try:
        verify_hook(manifest(vector), secrets, vector.headers if headers is None else headers, body, now)
    except HookRefused as refused:
        return refused.reason
    return None


@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_is_believed_whatever_the_case_of_its_headers(name: str) -> None:
    vector = VECTORS[name]
    assert refusal(vector) is None
    assert refusal(vector, {header.upper(): value for header, value in vector.headers.items()}) is None
    assert refusal(vector, key=f"another-secret\n{vector.secret}\n") is None, "while a secret is being replaced"


@pytest.mark.parametrize("name", VECTORS)
def test_without_its_proof_or_with_another_secret_it_is_refused(name: str) -> None:
    vector = VECTORS[name]
    without = {header: value for header, value in vector.headers.items() if header != vector.proof}
    assert refusal(vector, without) == "unsigned"
    assert refusal(vector, {**vector.headers, vector.proof: ""}) == "unsigned"
    other = "whpk_" + "A" * 43 + "=" if vector.secret.startswith("whpk_") else "whsec_AAAA"
    assert refusal(vector, key=other) == "wrong_signature"


@pytest.mark.parametrize("name", SIGNED)
def test_every_byte_of_the_body_is_proven(name: str) -> None:
    vector = VECTORS[name]
    for place in range(len(BODY)):
        changed = BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :]
        assert refusal(vector, body=changed) == "wrong_signature", place
    assert refusal(vector, body=BODY.replace(b":", b": ")) == "wrong_signature", "serialised anew"


@pytest.mark.parametrize("name", SIGNED)
def test_every_character_of_the_signature_counts(name: str) -> None:
    vector = VECTORS[name]
    proof = vector.headers[vector.proof]
    start = max(proof.find("="), proof.find(",")) + 1 if name == "hmac" else proof.find(",") + 1
    for place in range(start, len(proof.rstrip("="))):
        # The last character before the padding of base64 carries bits that are of no signature: change its first ones.
        hexadecimal = "0" if proof[place] != "0" else "1"
        other = hexadecimal if name == "hmac" else ("q" if proof[place] in "ABCDEFGHIJKLMNOP" else "A")
        assert refusal(vector, {**vector.headers, vector.proof: proof[:place] + other + proof[place + 1 :]}) is not None


@pytest.mark.parametrize("name", SIGNED)
def test_the_time_is_proven_and_fresh(name: str) -> None:
    vector = VECTORS[name]
    header = next(header for header in vector.headers if "timestamp" in header.lower())
    assert refusal(vector, {**vector.headers, header: str(int(STAMP) + 1)}) == "wrong_signature"
    assert refusal(vector, now=datetime(2026, 1, 28, 2, 20, 30, tzinfo=UTC)) is None
    assert refusal(vector, now=datetime(2026, 1, 28, 2, 20, 31, tzinfo=UTC)) == "stale"
    assert refusal(vector, now=datetime(2026, 1, 28, 2, 10, 29, tzinfo=UTC)) == "stale"


@pytest.mark.parametrize("name", ["standard v1", "standard v1a"])
def test_one_valid_signature_of_several_suffices(name: str) -> None:
    vector = VECTORS[name]
    proof = vector.headers[vector.proof]
    wrong = proof[:6] + ("A" if proof[6] != "A" else "B") + proof[7:]
    for several in (f"{wrong} {proof}", f"{proof} {wrong}", f"v9,AAAA {proof} junk"):
        assert refusal(vector, {**vector.headers, vector.proof: several}) is None
    assert refusal(vector, {**vector.headers, vector.proof: f"{wrong} {wrong}"}) == "wrong_signature"


def test_one_kind_of_signature_is_never_taken_for_the_other() -> None:
    """A public key is public: used as the key of an HMAC it would let everybody sign."""
    v1, v1a = VECTORS["standard v1"], VECTORS["standard v1a"]
    assert refusal(v1a, v1.headers) == "wrong_signature"
    assert refusal(v1, v1a.headers) == "wrong_signature"
    assert refusal(v1, v1.headers, key=f"{v1.secret}\n{v1a.secret}") is None
    assert refusal(v1a, v1a.headers, key=f"{v1.secret}\n{v1a.secret}") is None


def test_only_a_proof_of_content_may_bring_more_than_hints() -> None:
    found = {name: manifest(vector).webhook for name, vector in VECTORS.items()}
    assert {name for name, webhook in found.items() if webhook and webhook.hints_only} == {"static"}
