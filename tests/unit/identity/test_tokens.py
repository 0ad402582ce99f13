"""Access tokens: good ones pass, a corpus of attacks does not, and the checks that matter most prove themselves."""

import asyncio
from typing import Any

import pytest

from gateway.kernel.identity import tokens
from gateway.kernel.identity.jwks import ALGORITHMS, VerifyingKey, parse_jwks
from gateway.kernel.identity.tokens import TokenRefused, TokenVerifier
from gateway.model.principal import Role
from tests.unit.edge.served import HandClock
from tests.unit.identity import forge
from tests.unit.identity.forge import good_claims, good_header, token

ATTACKS = list(forge.attacks())


class Fixed:
    """Keys that stay."""

    def __init__(self) -> None:
        self.keys = parse_jwks(forge.JWKS)
        self.generation = 1
        self.asked = 0

    async def find(self, kid: str) -> VerifyingKey | None:
        self.asked += 1
        return self.keys.get(kid)


def verifier(**options: Any) -> TokenVerifier:
    return TokenVerifier(forge.ISSUER, forge.AUDIENCE, Fixed(), HandClock(forge.NOW), **options)


async def refusal(text: str, **options: Any) -> str:
    with pytest.raises(TokenRefused) as refused:
        await verifier(**options).verify(text)
    return refused.value.reason


def test_the_corpus_is_large_and_its_names_differ() -> None:
    assert len(ATTACKS) >= 300
    assert len({name for name, _, _ in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize(("reason", "text"), [pytest.param(r, t, id=n) for n, r, t in ATTACKS])
async def test_an_attack_is_refused_for_its_reason(reason: str, text: str) -> None:
    found = await refusal(text)
    assert found == reason or reason == "*"


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (good_header(), forge.EC_KEY),
        (good_header(typ="application/at+JWT"), forge.EC_KEY),
        (good_header(x5t="abc"), forge.EC_KEY),
        (good_header(alg="RS256", kid="rsa"), forge.RSA_KEY),
        (good_header(alg="EdDSA", kid="okp"), forge.OKP_KEY),
        (good_header(alg="Ed25519", kid="okp"), forge.OKP_KEY),
    ],
)
async def test_a_good_token_says_who_calls(header: dict[str, Any], key: forge.Private) -> None:
    claims = good_claims(roles=["operator", "restricted", "chief"], agency="BPBD", aud=["x", forge.AUDIENCE])
    verified = await verifier().verify(token(header, claims, key))
    principal = verified.principal
    assert (principal.issuer, principal.subject, principal.client) == (forge.ISSUER, "andi", "phone")
    assert principal.roles == {Role.OPERATOR}
    assert principal.extra == {"restricted"}
    assert principal.agency == "BPBD"
    assert verified.expires == forge.NOW + 300
    assert principal.key == f"{forge.ISSUER}|andi"


async def test_a_token_cannot_say_that_it_has_no_account() -> None:
    principal = (await verifier().verify(token(claims=good_claims(roles=["public", "citizen"])))).principal
    assert principal.roles == {Role.CITIZEN}
    nobody = (await verifier().verify(token(claims=good_claims(roles=["public"])))).principal
    assert nobody.roles == frozenset()
    assert nobody.account
    assert not nobody.key.startswith("client|")
    assert (await verifier().verify(token(claims=good_claims(roles=...)))).principal.roles == frozenset()


async def test_times_have_edges() -> None:
    for claims in (good_claims(exp=forge.NOW + 1), good_claims(nbf=forge.NOW + 30), good_claims(iat=forge.NOW + 30.0)):
        await verifier().verify(token(claims=claims))
    assert await refusal(token(claims=good_claims(exp=forge.NOW))) == "expired"


async def test_an_older_issuer_may_say_jwt_if_that_is_configured() -> None:
    older = token(good_header(typ="JWT"), good_claims(jti=..., client_id=..., azp="web"))
    assert await refusal(older) == "wrong-type"
    options: dict[str, Any] = {"types": ("at+jwt", "JWT")}
    assert (await verifier(**options).verify(older)).principal.client == "web"
    assert await refusal(token(good_header(typ="JWT"), good_claims(nonce="n")), **options) == "identity-token"
    assert await refusal(token(good_header(typ="id+jwt")), **options) == "wrong-type"


async def test_a_remembered_token_still_ends_and_still_needs_its_keys() -> None:
    keys, clock = Fixed(), HandClock(forge.NOW)
    judge = TokenVerifier(forge.ISSUER, forge.AUDIENCE, keys, clock)
    good = token()
    first = await judge.verify(good)
    assert await judge.verify(good) is first
    assert keys.asked == 1
    clock.at += 299.9
    assert await judge.verify(good) is first
    clock.at += 0.1
    with pytest.raises(TokenRefused, match="expired"):
        await judge.verify(good)
    assert len(judge) == 0
    clock.at = forge.NOW
    await judge.verify(good)
    del keys.keys["ec"]
    keys.generation += 1
    with pytest.raises(TokenRefused, match="unknown-key"):
        await judge.verify(good)


async def test_the_memory_is_bounded_and_holds_no_bad_token() -> None:
    judge = verifier(kept=3)
    for index in range(10):
        await judge.verify(token(claims=good_claims(jti=f"t-{index}")))
        with pytest.raises(TokenRefused):
            await judge.verify(token(claims=good_claims(jti=f"t-{index}"), key=forge.EC_OTHER))
    assert len(judge) == 3


async def test_a_good_token_is_verified_once_and_then_remembered() -> None:
    judge, good = verifier(), token()
    first = await judge.verify(good)
    assert [await judge.verify(good) is first for _ in range(3)] == [True] * 3


async def test_many_at_once() -> None:
    judge = verifier()
    found = await asyncio.gather(*(judge.verify(token(claims=good_claims(sub=f"s{n}"))) for n in range(50)))
    assert [one.principal.subject for one in found] == [f"s{n}" for n in range(50)]


# The most important checks, taken out once: the corpus must notice.


async def accepted(judge: TokenVerifier) -> set[str]:
    passed = set()
    for name, _, text in ATTACKS:
        try:
            await judge.verify(text)
        except TokenRefused:
            continue
        passed.add(name)
    return passed


async def test_nothing_of_the_corpus_is_accepted() -> None:
    assert await accepted(verifier()) == set()


async def test_a_planted_hole_in_the_algorithms_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    more = ALGORITHMS | {"none", "HS256", "ES256 "}
    monkeypatch.setattr(tokens, "ALGORITHMS", more)
    keys = Fixed()
    keys.keys = {kid: VerifyingKey(key.kid, key.algorithms | more, key.native) for kid, key in keys.keys.items()}
    monkeypatch.setattr(
        "gateway.kernel.identity.tokens.jws.deserialize_compact", lambda text, *_, **__: _unchecked(text)
    )
    judge = TokenVerifier(forge.ISSUER, forge.AUDIENCE, keys, HandClock(forge.NOW))
    passed = await accepted(judge)
    assert "alg-none" in passed
    assert {name for name in passed if name.startswith("HS256-with-")}


def _unchecked(text: str) -> Any:
    class Signed:
        payload = tokens._decoded(text.split(".")[1])

    return Signed


async def test_a_planted_hole_in_the_audience_is_seen() -> None:
    judge = TokenVerifier(forge.ISSUER, "other", Fixed(), HandClock(forge.NOW))
    passed = await accepted(judge)
    assert {"aud-'other'", "aud-['other']"} <= passed


async def test_a_planted_hole_in_the_issuer_is_seen() -> None:
    judge = TokenVerifier("https://evil.example", forge.AUDIENCE, Fixed(), HandClock(forge.NOW))
    assert "iss-'https://evil.example'" in await accepted(judge)


async def test_a_planted_hole_in_the_header_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_HEADER", tokens._HEADER | {"jku", "jwk", "x5u"})
    passed = await accepted(verifier())
    assert {"header-jku-right", "header-jwk-right", "header-x5u-right"} <= passed
    assert not {name for name in passed if name.endswith("-forged")}
