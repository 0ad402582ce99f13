"""Tokens made by hand, good and bad: what a signing library would refuse to make is made here."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER, AUDIENCE = "https://issuer.example", "barru-gateway"
NOW = 1_800_000_000
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value: int, size: int) -> str:
    return b64(value.to_bytes(size))


EC_KEY = ec.derive_private_key(7**90 % P256_ORDER, ec.SECP256R1())
EC_OTHER = ec.derive_private_key(11**70 % P256_ORDER, ec.SECP256R1())
EC_384 = ec.derive_private_key(13**90, ec.SECP384R1())
OKP_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
RSA_SMALL = rsa.generate_private_key(public_exponent=65537, key_size=1024)
Private = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def jwk(key: Private, kid: str, **more: Any) -> dict[str, Any]:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        public, size = key.public_key().public_numbers(), (key.key_size + 7) // 8
        name = {256: "P-256", 384: "P-384"}[key.key_size]
        shape = {"kty": "EC", "crv": name, "x": number(public.x, size), "y": number(public.y, size)}
    elif isinstance(key, rsa.RSAPrivateKey):
        modulus = key.public_key().public_numbers().n
        shape = {"kty": "RSA", "n": number(modulus, key.key_size // 8), "e": "AQAB"}
    else:
        raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        shape = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}
    return {**shape, "kid": kid, "use": "sig", **more}


JWKS = json.dumps(
    {
        "keys": [
            jwk(EC_KEY, "ec"),
            jwk(RSA_KEY, "rsa", alg="RS256"),
            jwk(OKP_KEY, "okp"),
            jwk(RSA_SMALL, "small"),
            jwk(EC_384, "p384"),
            jwk(EC_KEY, "sealing", use="enc"),
            {"kty": "oct", "kid": "shared", "k": b64(b"secret" * 8)},
            {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "off-curve"},
        ]
    }
).encode()


def signature(key: Private, message: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        size = (key.key_size + 7) // 8
        return r.to_bytes(size) + s.to_bytes(size)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(message)


def good_header(**changed: Any) -> dict[str, Any]:
    return {"alg": "ES256", "typ": "at+jwt", "kid": "ec", **changed}


def good_claims(**changed: Any) -> dict[str, Any]:
    claims = {
        "iss": ISSUER,
        "sub": "andi",
        "aud": AUDIENCE,
        "iat": NOW - 10,
        "exp": NOW + 300,
        "jti": "t-1",
        "client_id": "phone",
        "roles": ["citizen"],
        **changed,
    }
    return {name: value for name, value in claims.items() if value is not ...}


def raw_token(header: bytes, claims: bytes, key: Private = EC_KEY) -> str:
    message = f"{b64(header)}.{b64(claims)}".encode()
    return message.decode() + "." + b64(signature(key, message))


def token(header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None, key: Private = EC_KEY) -> str:
    return raw_token(
        json.dumps(good_header() if header is None else header).encode(),
        json.dumps(good_claims() if claims is None else claims).encode(),
        key,
    )


def with_hmac(algorithm: str, secret: bytes, kid: str) -> str:
    """A token signed with a public key used as a shared secret, the classic confusion."""
    header = b64(json.dumps(good_header(alg=algorithm, kid=kid)).encode())
    message = f"{header}.{b64(json.dumps(good_claims()).encode())}"
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[algorithm]
    return message + "." + b64(hmac.digest(secret, message.encode(), digest))


def attacks() -> Iterator[tuple[str, str, str]]:
    """Every attack as (name, reason it must be refused for, token). `*` is any reason."""
    yield from _algorithms()
    yield from _headers()
    yield from _claims()
    yield from _times()
    yield from _spellings()
    yield from _mutations()


def published(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, kid: str) -> dict[str, bytes]:
    """A public key in every form that somebody might use as a shared secret."""
    public, form = key.public_key(), serialization.PublicFormat.SubjectPublicKeyInfo
    return {
        "pem": public.public_bytes(serialization.Encoding.PEM, form),
        "der": public.public_bytes(serialization.Encoding.DER, form),
        "jwk": json.dumps(jwk(key, kid)).encode(),
    }


def _algorithms() -> Iterator[tuple[str, str, str]]:
    for name in ("none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "ES384", "ES512", "ES256K", "RS384",
                 "RS512", "PS256", "PS384", "Ed448", "es256", "ES256 ", "dir", "A128KW", "RSA-OAEP"):  # fmt: skip
        yield f"alg-{name}", "wrong-algorithm", token(good_header(alg=name))
        unsigned = ".".join(token(good_header(alg=name)).split(".")[:2]) + "."
        yield f"alg-{name}-unsigned", "malformed", unsigned
    odd: list[Any] = [None, 1, True, ["ES256"], {"a": 1}]
    for value in odd:
        yield f"alg-is-{value!r}", "*", token(good_header(alg=value))
    for algorithm in ("HS256", "HS384", "HS512"):
        for name, key in (("ec", EC_KEY), ("rsa", RSA_KEY)):
            for form, secret in published(key, name).items():
                yield f"{algorithm}-with-{form}-{name}", "wrong-algorithm", with_hmac(algorithm, secret, name)
        yield f"{algorithm}-shared", "wrong-algorithm", with_hmac(algorithm, b"secret" * 8, "shared")
    yield "rs256-header-ec-key", "wrong-algorithm", token(good_header(alg="RS256"))
    yield "es256-header-rsa-key", "wrong-algorithm", token(good_header(kid="rsa"), key=RSA_KEY)
    yield "eddsa-header-ec-key", "wrong-algorithm", token(good_header(alg="EdDSA"))
    yield "es256-header-okp-key", "wrong-algorithm", token(good_header(kid="okp"), key=OKP_KEY)
    yield "weak-rsa", "unknown-key", token(good_header(alg="RS256", kid="small"), key=RSA_SMALL)
    yield "other-curve", "unknown-key", token(good_header(kid="p384"), key=EC_384)
    yield "encryption-key", "unknown-key", token(good_header(kid="sealing"))
    yield "off-curve", "unknown-key", token(good_header(kid="off-curve"))
    yield "other-key", "bad-signature", token(key=EC_OTHER)
    yield "curve-confusion", "bad-signature", token(key=EC_384)
    message = token().rpartition(".")[0]
    der = EC_KEY.sign(message.encode(), ec.ECDSA(hashes.SHA256()))
    for form, raw in {
        "zero": b"\0" * 64,
        "short": b"\1",
        "long": b"\1" * 65,
        "top": b"\xff" * 64,
        "der": der,
    }.items():
        yield f"signature-{form}", "bad-signature", message + "." + b64(raw)


def _headers() -> Iterator[tuple[str, str, str]]:
    for kid in ("", "nobody", "EC", "ec ", "../../../../dev/null", "ec\x00", "' OR 1=1 --", "rsa", "shared", "x" * 300):
        yield f"kid-{kid[:12]!r}", "*", token(good_header(kid=kid))
    odd: list[Any] = [None, 0, ["ec"], {"ec": 1}, True]
    for value in odd:
        yield f"kid-is-{value!r}", "no-key-named", token(good_header(kid=value))
    yield "no-kid", "no-key-named", token({"alg": "ES256", "typ": "at+jwt"})
    forged = jwk(EC_OTHER, "ec")
    tricks: dict[str, Any] = {
        "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example/cert",
        "jwk": forged,
        "x5c": ["MIIB"],
        "crit": ["exp"],
        "b64": False,
        "zip": "DEF",
        "enc": "A128GCM",
        "epk": forged,
        "cty": "JWT",
        "url": "https://evil.example",
        "nonce": "1",
    }
    for name, trick in tricks.items():
        for key in (EC_KEY, EC_OTHER):
            own = "right" if key is EC_KEY else "forged"
            yield f"header-{name}-{own}", "unexpected-header", token(good_header(**{name: trick}), key=key)
    for crit in ([], ["b64"], ["unknown"], "b64", None):
        yield f"crit-{crit!r}", "unexpected-header", token(good_header(crit=crit, unknown=1, b64=True))
    kinds: list[Any] = [
        "JWT",
        "jwt",
        "id+jwt",
        "dpop+jwt",
        "logout+jwt",
        "at+jwt2",
        "",
        "application/jwt",
        None,
        1,
        ["at+jwt"],
    ]
    for kind in kinds:
        yield f"typ-{kind!r}", "wrong-type", token(good_header(typ=kind))
    yield "no-typ", "wrong-type", token({"alg": "ES256", "kid": "ec"})


def _claims() -> Iterator[tuple[str, str, str]]:
    evil = "https://evil.example"
    issuers: list[Any] = [evil, ISSUER + "/", ISSUER.upper(), ISSUER + ".evil.example", "", None, [ISSUER], 1, ...]
    for issuer in issuers:
        yield f"iss-{issuer!r}", "wrong-issuer", token(claims=good_claims(iss=issuer))
    audiences: list[Any] = [
        "other",
        AUDIENCE + "2",
        AUDIENCE.upper(),
        "",
        None,
        [],
        ["other"],
        [[AUDIENCE]],
        {AUDIENCE: 1},
        1,
        ...,
    ]
    for audience in audiences:
        yield f"aud-{audience!r}", "wrong-audience", token(claims=good_claims(aud=audience))
    for name in ("sub", "jti", "client_id"):
        nothings: list[Any] = [None, "", 1, ["a"], "x" * 300, "a\nb", "a\x00b", ...]
        for nothing in nothings:
            yield f"{name}-{nothing!r:.20}", "*", token(claims=good_claims(**{name: nothing}))
    for name in ("nonce", "at_hash", "c_hash", "s_hash"):
        yield f"id-token-{name}", "identity-token", token(claims=good_claims(**{name: "x"}))
    yield "id-token", "wrong-type", token(good_header(typ="JWT"), good_claims(aud="phone", nonce="n"))
    yield "bound", "bound-to-a-key", token(claims=good_claims(cnf={"jkt": "x"}))
    for roles in ("citizen", {"citizen": 1}, [1], [["citizen"]], None, 1):
        yield f"roles-{roles!r}", "malformed-roles", token(claims=good_claims(roles=roles))
    for agency in ("bpbd", "", "B" * 41, 1, ["BPBD"], "BPBD\n", "BPBD' OR '1"):
        yield f"agency-{agency!r:.12}", "malformed-agency", token(claims=good_claims(agency=agency))


def _times() -> Iterator[tuple[str, str, str]]:
    for expiry in (NOW, NOW - 1, NOW - 10**6, 0, -1):
        yield f"exp-{expiry}", "expired", token(claims=good_claims(exp=expiry))
    odd: list[Any] = [None, str(NOW), True, [NOW], {}]
    for name in ("exp", "iat", "nbf"):
        for value in odd:
            yield f"{name}-{value!r}", "malformed-time", token(claims=good_claims(**{name: value}))
    for name in ("iat", "nbf"):
        for ahead in (31, 299, 10**6):
            yield f"{name}-{ahead}", "not-yet", token(claims=good_claims(**{name: NOW + ahead}))
    for name in ("exp", "iat"):
        yield f"no-{name}", "malformed-time", token(claims=good_claims(**{name: ...}))
    yield "made-after-its-end", "not-yet", token(claims=good_claims(iat=NOW + 20, exp=NOW + 10))


def _spellings() -> Iterator[tuple[str, str, str]]:
    good = token()
    header, claims, sign = good.split(".")
    for name, text in {
        "empty": "",
        "dots": "..",
        "one": header,
        "two": f"{header}.{claims}",
        "four": f"{good}.{sign}",
        "jwe": f"{header}.{claims}.{sign}.{sign}.{sign}",
        "padded": f"{header}==.{claims}.{sign}",
        "padded-sign": f"{good}==",
        "space": f" {good}",
        "inner-space": good.replace(".", " .", 1),
        "newline": f"{good}\n",
        "plus": f"{header}.{claims}.{sign[:-2]}+/",
        "unicode": f"{header}.{claims}.{sign[:-1]}\u0661",
        "surrogate": f"{header}.{claims}.{sign[:-1]}\ud800",
        "nul": f"{header}.{claims}\x00.{sign}",
        "json": json.dumps({"payload": claims, "protected": header, "signature": sign}),
        "huge": f"{header}.{claims}.{'A' * 9000}",
        "huge-header": f"{'A' * 9000}.{claims}.{sign}",
        "megabyte": "A" * 1_000_000,
    }.items():
        yield f"spelling-{name}", "too-long" if len(text) > 8192 else "malformed", text
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    again = sign[:-1] + last[last.index(sign[-1]) | 1]
    yield "spelling-signature-twice", "malformed", f"{header}.{claims}.{again}"
    good_raw, head_raw = json.dumps(good_claims()).encode(), json.dumps(good_header()).encode()
    for name, raw in {
        "aud": good_raw.replace(b'"aud"', b'"aud": "other", "aud"'),
        "roles": good_raw[:-1] + b', "roles": ["admin"]}',
        "escaped": good_raw[:-1] + b', "r\\u006fles": ["admin"]}',
        "nested": good_raw[:-1] + b', "x": {"a": 1, "a": 2}}',
        "nan": good_raw.replace(str(NOW + 300).encode(), b"NaN"),
        "infinity": good_raw.replace(str(NOW + 300).encode(), b"Infinity"),
        "1e999": good_raw.replace(str(NOW + 300).encode(), b"1e999"),
        "many-digits": good_raw.replace(str(NOW + 300).encode(), b"9" * 5000),
        "utf-16": json.dumps(good_claims()).encode("utf-16"),
        "bom": b"\xef\xbb\xbf" + good_raw,
        "latin": good_raw.replace(b"andi", b"and\xff"),
        "half": good_raw.replace(b"andi", b"\\ud800"),
        "nul": good_raw.replace(b"andi", b"\\u0000"),
        "list": b"[" + good_raw + b"]",
        "text": b'"' + b64(good_raw).encode() + b'"',
        "deep": b'{"a":' * 200 + b"1" + b"}" * 200,
        "deeper": b"[" * 4000,
        "cut": good_raw[:-1],
        "more": good_raw + b"{}",
        "empty": b"{}",
        "nothing": b"null",
    }.items():
        yield f"claims-{name}", "*", raw_token(head_raw, raw)
    for name, raw in {
        "alg-none-first": head_raw.replace(b'"alg"', b'"alg": "none", "alg"'),
        "alg-none-last": head_raw[:-1] + b', "alg": "none"}',
        "kid-last": head_raw[:-1] + b', "kid": "rsa"}',
        "list": b"[" + head_raw + b"]",
        "null": b"null",
        "cut": head_raw[:-1],
    }.items():
        yield f"header-{name}", "malformed", raw_token(raw, good_raw)


def _mutations() -> Iterator[tuple[str, str, str]]:
    """One character changed, over the whole of a good token."""
    good = token()
    for index in range(0, len(good), 7):
        swapped = "B" if good[index] != "B" else "C"
        yield f"changed-{index}", "*", good[:index] + swapped + good[index + 1 :]
