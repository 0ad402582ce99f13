"""The issuer's keys: made once, private to their owner, named by thumbprint, rotated; and another issuer's, fetched."""

import asyncio
import base64
import hashlib
import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.kernel.identity import DevelopmentIssuer, Keys, KeysError, RemoteKeys, TokenRefused, TokenVerifier
from gateway.kernel.identity.jwks import KeySetRefused, parse_jwks
from gateway.model.principal import Role
from gateway.model.problem import Problem
from gateway.sdk.entropy import SeededEntropy, SystemEntropy
from gateway.sdk.errors import Retryable
from tests.unit.edge.served import HandClock
from tests.unit.identity import forge

URL = "http://127.0.0.1:8112"


def issuer(keys: Keys, clock: HandClock) -> DevelopmentIssuer:
    return DevelopmentIssuer(URL, keys, clock, SeededEntropy(5))


def test_keys_are_made_once_and_are_private(tmp_path: Path) -> None:
    first = Keys.open(tmp_path, SeededEntropy(1))
    file = tmp_path / "keys" / "issuer.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]
    again = Keys.open(tmp_path, SeededEntropy(2))
    assert again.jwks == first.jwks
    assert Keys.open(tmp_path / "other", SeededEntropy(1)).jwks == first.jwks, "the injected randomness decides"
    assert Keys.open(tmp_path / "third", SystemEntropy()).jwks != first.jwks


def test_a_key_is_named_by_its_thumbprint_and_published_without_its_secret(tmp_path: Path) -> None:
    (key,) = Keys.open(tmp_path, SeededEntropy(1)).jwks["keys"]
    assert "d" not in key
    named = json.dumps({name: key[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"), sort_keys=True)
    assert key["kid"] == base64.urlsafe_b64encode(hashlib.sha256(named.encode()).digest()).rstrip(b"=").decode()
    assert (key["use"], key["alg"]) == ("sig", "ES256")


def test_several_first_starts_at_once_agree(tmp_path: Path) -> None:
    found: list[str] = []
    ready = threading.Barrier(8)

    def start(seed: int) -> None:
        ready.wait()
        found.append(str(Keys.open(tmp_path, SeededEntropy(seed)).signing.kid))

    threads = [threading.Thread(target=start, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"keys":[]}', b'{"keys":[{"kty":"EC"}]}', b'{"keys":[{"kty":"oct"}]}']
)
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    Keys.open(tmp_path, SeededEntropy(1))
    (tmp_path / "keys" / "issuer.json").write_bytes(content)
    with pytest.raises(KeysError, match=r"issuer\.json"):
        Keys.open(tmp_path, SeededEntropy(1))


def test_a_file_that_others_can_read_or_without_the_secret_is_refused(tmp_path: Path) -> None:
    keys = Keys.open(tmp_path, SeededEntropy(1))
    file = tmp_path / "keys" / "issuer.json"
    file.chmod(0o644)
    with pytest.raises(KeysError, match="chmod 600"):
        Keys.open(tmp_path, SeededEntropy(1))
    file.chmod(0o600)
    file.write_text(json.dumps(keys.jwks))
    with pytest.raises(KeysError, match="no signing key"):
        Keys.open(tmp_path, SeededEntropy(1))


async def test_a_rotation_in_another_process_is_seen_and_old_tokens_stay_good(tmp_path: Path) -> None:
    clock = HandClock()
    here, there = Keys.open(tmp_path, SeededEntropy(1)), Keys.open(tmp_path, SeededEntropy(2))
    judge = TokenVerifier(URL, "g", here, clock)
    old = issuer(there, clock).token("andi", ["citizen"], audience="g")
    await judge.verify(old)
    for _ in range(2):
        there.rotate()
        await judge.verify(issuer(there, clock).token("andi", ["citizen"], audience="g"))
        await judge.verify(old)
    assert len(here.jwks["keys"]) == 3
    there.rotate()
    await judge.verify(issuer(there, clock).token("andi", ["citizen"], audience="g"))
    with pytest.raises(TokenRefused, match="unknown-key"):
        await judge.verify(old)


async def test_a_key_file_that_breaks_later_does_not_fell_a_request(tmp_path: Path) -> None:
    clock = HandClock()
    keys = Keys.open(tmp_path, SeededEntropy(1))
    judge = TokenVerifier(URL, "g", keys, clock)
    file = tmp_path / "keys" / "issuer.json"
    for breaking in (lambda: file.write_bytes(b"rubbish"), file.unlink):
        breaking()
        with pytest.raises(TokenRefused, match="unknown-key"):
            await judge.verify(forge.token())
        await judge.verify(issuer(keys, clock).token("andi", ["citizen"], audience="g"))


async def test_what_the_issuer_makes_is_what_the_verifier_believes(tmp_path: Path) -> None:
    clock, keys = HandClock(), Keys.open(tmp_path, SeededEntropy(1))
    maker, judge = issuer(keys, clock), TokenVerifier(URL, "barru-gateway", keys, clock)
    token = maker.token(
        "siti",
        ["operator", "restricted"],
        "BPBD",
        audience="barru-gateway",
        lifetime=timedelta(minutes=5),
        client="desk",
    )
    principal = (await judge.verify(token)).principal
    assert (principal.issuer, principal.subject, principal.agency, principal.client) == (URL, "siti", "BPBD", "desk")
    assert principal.roles == {Role.OPERATOR}
    assert principal.extra == {"restricted"}
    assert token != maker.token("siti", ["operator"], "BPBD", audience="barru-gateway")
    clock.at += 300
    with pytest.raises(TokenRefused, match="expired"):
        await judge.verify(token)
    assert maker.discovery()["jwks_uri"] == URL + "/oauth/jwks"


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":1}', b'{"keys":[],"keys":[]}', b"\xff", b"[" * 10**5]
)
def test_what_is_no_key_set_is_refused(raw: bytes) -> None:
    with pytest.raises(KeySetRefused):
        parse_jwks(raw)


def test_only_usable_keys_are_taken() -> None:
    keys = parse_jwks(forge.JWKS)
    assert keys.keys() == {"ec", "rsa", "okp"}
    assert keys["rsa"].algorithms == {"RS256"}
    entries: list[Any] = [
        1,
        {},
        forge.jwk(forge.EC_KEY, ""),
        forge.jwk(forge.EC_KEY, "ops", key_ops=["sign"]),
        forge.jwk(forge.EC_KEY, "alg", alg="RS256"),
        forge.jwk(forge.EC_KEY, "number", x=5),
        {"kty": "RSA", "kid": "endless", "n": "A" * 4 + "_" * 200_000, "e": "AQAB"},
        {"kty": "RSA", "kid": "broken", "n": "*", "e": "AQAB"},
        {"kty": "RSA", "kid": "empty"},
        forge.jwk(forge.EC_KEY, "twice"),
        forge.jwk(forge.EC_OTHER, "twice"),
    ]
    found = parse_jwks(json.dumps({"keys": entries}).encode())
    assert found.keys() == {"twice"}
    assert found["twice"].native.thumbprint() == parse_jwks(forge.JWKS)["ec"].native.thumbprint()


class Issuer:
    """Another issuer, as it answers on the network."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {"issuer": forge.ISSUER, "jwks_uri": forge.ISSUER + "/keys"}
        self.keys: dict[str, Any] = {"keys": [forge.jwk(forge.EC_KEY, "ec")]}
        self.asked: list[str] = []
        self.fault: Exception | None = None
        self.slow = asyncio.Event()
        self.slow.set()

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        await self.slow.wait()
        if self.fault is not None:
            raise self.fault
        return json.dumps(self.document if url.endswith("openid-configuration") else self.keys).encode()


DISCOVERY, KEYS = forge.ISSUER + "/.well-known/openid-configuration", forge.ISSUER + "/keys"


async def test_keys_are_fetched_once_for_many_and_again_after_an_hour() -> None:
    other, clock = Issuer(), HandClock()
    keys = RemoteKeys(forge.ISSUER, other.fetch, clock)
    found = await asyncio.gather(*(keys.find("ec") for _ in range(20)))
    assert all(found)
    assert other.asked == [DISCOVERY, KEYS]
    clock.at += 3599
    await keys.find("ec")
    assert len(other.asked) == 2
    clock.at += 1
    await keys.find("ec")
    assert other.asked[2:] == [KEYS]


async def test_made_up_names_do_not_hammer_the_issuer() -> None:
    other, clock = Issuer(), HandClock()
    keys = RemoteKeys(forge.ISSUER, other.fetch, clock)
    for number in range(50):
        assert await keys.find(f"made-up-{number}") is None
    assert len(other.asked) == 2
    clock.at += 30
    for number in range(50):
        assert await keys.find(f"made-up-{number}") is None
    assert len(other.asked) == 3


async def test_a_new_key_is_found_and_a_withdrawn_one_ends_remembered_tokens() -> None:
    other, clock = Issuer(), HandClock(forge.NOW)
    keys = RemoteKeys(forge.ISSUER, other.fetch, clock)
    judge = TokenVerifier(forge.ISSUER, forge.AUDIENCE, keys, clock)
    old = forge.token()
    await judge.verify(old)
    other.keys = {"keys": [forge.jwk(forge.EC_OTHER, "new")]}
    await judge.verify(old)
    clock.at += 30
    await judge.verify(forge.token(forge.good_header(kid="new"), key=forge.EC_OTHER))
    with pytest.raises(TokenRefused, match="unknown-key"):
        await judge.verify(old)
    other.keys = {"keys": [forge.jwk(forge.EC_KEY, "new")]}
    clock.at += 30
    await keys.find("nobody")
    with pytest.raises(TokenRefused, match="bad-signature"):
        await judge.verify(forge.token(forge.good_header(kid="new"), key=forge.EC_OTHER))


@pytest.mark.parametrize("fault", [OSError("away"), TimeoutError(), Retryable("503")])
async def test_an_issuer_that_is_away(fault: Exception) -> None:
    other, clock = Issuer(), HandClock()
    other.fault = fault
    keys = RemoteKeys(forge.ISSUER, other.fetch, clock)
    with pytest.raises(Problem) as refused:
        await keys.find("ec")
    assert refused.value.status == 503
    other.fault = None
    clock.at += 30
    assert await keys.find("ec")
    other.fault = fault
    clock.at += 3600
    assert await keys.find("ec"), "known keys stay good"
    asked = len(other.asked)
    assert await keys.find("ec")
    assert len(other.asked) == asked, "not asked again within 30 seconds"
    clock.at += 86_400
    with pytest.raises(Problem):
        await keys.find("ec")


async def test_nobody_with_a_known_key_waits_for_a_slow_issuer() -> None:
    other, clock = Issuer(), HandClock()
    keys = RemoteKeys(forge.ISSUER, other.fetch, clock)
    await keys.find("ec")
    clock.at += 3600
    other.slow.clear()
    first = asyncio.create_task(keys.find("ec"))
    await asyncio.sleep(0.01)
    assert await asyncio.wait_for(keys.find("ec"), 1)
    other.slow.set()
    assert await first


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example", "jwks_uri": KEYS},
        {"issuer": forge.ISSUER + "/", "jwks_uri": KEYS},
        {"issuer": forge.ISSUER},
        {"issuer": forge.ISSUER, "jwks_uri": 1},
        {"issuer": forge.ISSUER, "jwks_uri": "http://issuer.example/keys"},
        {"issuer": forge.ISSUER, "jwks_uri": "file:///etc/passwd"},
        [],
    ],
)
async def test_a_discovery_document_that_points_elsewhere(document: Any) -> None:
    other = Issuer()
    other.document = document
    with pytest.raises(Problem):
        await RemoteKeys(forge.ISSUER, other.fetch, HandClock()).find("ec")
    assert other.asked == [DISCOVERY]
