"""The vault and the keyring: what is sealed opens with its key alone, and what is destroyed is gone."""

import asyncio
import hashlib
import hmac
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.kernel.ledger import Erased, Keyring, ReportKey, Vault
from gateway.kernel.ledger.blobs import Blobs
from gateway.kernel.ledger.keyring import load_keyring
from gateway.model.report import Content, Place, Reporter
from gateway.sdk.entropy import SeededEntropy, SystemEntropy

REPORT = UUID("019bfb3e-58b8-720a-9c0d-4f8a1e2b3c4d")
CONTENT = Content(
    description="Air naik \U0001f30a", place=Place(village="73.11.07.1001"), reporter=Reporter(name="Andi")
)


@pytest.fixture
def vault() -> Vault:
    return Vault({1: bytes(range(32))}, SystemEntropy().bytes)


def test_what_is_sealed_is_opened_again(vault: Vault) -> None:
    key = vault.new_key()
    assert key.open("content", key.seal("content", CONTENT), Content) == CONTENT
    assert key.open("text", key.seal("text", ""), str) == ""
    assert key.open("blob", key.seal("blob", b"\x00\xff"), bytes) == b"\x00\xff"


def test_the_sealed_form_is_aes_256_gcm_with_a_fresh_nonce(vault: Vault) -> None:
    key = vault.new_key()
    one, other = key.seal("text", "banjir"), key.seal("text", "banjir")
    assert one != other
    assert one[:12] != other[:12]
    assert AESGCM(key.raw[:32]).decrypt(one[:12], one[12:], b"text") == b'"banjir"'
    assert b"banjir" not in one


def test_another_key_another_purpose_or_a_changed_byte_opens_nothing(vault: Vault) -> None:
    key = vault.new_key()
    sealed = key.seal("content", "banjir")
    with pytest.raises(Erased):
        vault.new_key().open("content", sealed, str)
    with pytest.raises(Erased):
        key.open("text", sealed, str)
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(Erased):
            key.open("content", changed, str)
    with pytest.raises(Erased):
        key.open("content", sealed[:20], str)


def test_a_commitment_is_keyed_and_repeatable(vault: Vault) -> None:
    key = vault.new_key()
    assert key.commitment("banjir") == key.commitment("banjir") != key.commitment("Banjir")
    assert key.commitment("banjir") != vault.new_key().commitment("banjir"), "nobody can guess what was said"
    assert key.commitment("banjir") == hmac.new(key.raw[32:], b'"banjir"', hashlib.sha256).hexdigest()
    assert key.commitment(b"raw") == hmac.new(key.raw[32:], b"raw", hashlib.sha256).hexdigest()
    assert key.commitment({"b": 1, "a": 2}) == key.commitment({"a": 2, "b": 1})


def test_the_fingerprint_binds_the_commitment_key(vault: Vault) -> None:
    key = vault.new_key()
    assert key.fingerprint == hashlib.sha256(key.raw[32:]).hexdigest()
    other = ReportKey(key.raw[:32] + bytes(32), SystemEntropy().bytes)
    assert other.fingerprint != key.fingerprint


def test_a_wrapped_key_opens_in_its_own_row_alone(vault: Vault) -> None:
    key = vault.new_key()
    wrapped = vault.wrap(key, REPORT.hex)
    assert vault.unwrap(vault.current, wrapped, REPORT.hex).raw == key.raw
    assert key.raw not in wrapped
    with pytest.raises(Erased):
        vault.unwrap(vault.current, wrapped, UUID(int=1).hex)
    with pytest.raises(Erased):
        Vault({1: bytes(32)}, SystemEntropy().bytes).unwrap(1, wrapped, REPORT.hex)


@pytest.mark.parametrize("destroyed", [None, b""])
def test_a_destroyed_key_opens_nothing(vault: Vault, destroyed: bytes | None) -> None:
    with pytest.raises(Erased):
        vault.unwrap(vault.current, destroyed, REPORT.hex)


def test_older_wrapping_keys_still_open_and_the_newest_wraps() -> None:
    entropy = SystemEntropy()
    old = Vault({1: bytes(32)}, entropy.bytes)
    key = old.new_key()
    wrapped = old.wrap(key, "row")
    both = Vault({1: bytes(32), 2: bytes([1]) * 32}, entropy.bytes)
    assert both.current == 2
    assert both.unwrap(1, wrapped, "row").raw == key.raw
    assert both.unwrap(2, both.wrap(key, "row"), "row").raw == key.raw
    with pytest.raises(Erased):
        both.unwrap(2, wrapped, "row")


def test_erasing_a_report_erases_what_was_wrapped_under_it(vault: Vault) -> None:
    report, file = vault.new_key(), vault.new_key()
    wrapped = vault.rewrap_under(file, report, "file-1")
    assert vault.unwrap_under(wrapped, report, "file-1").raw == file.raw
    for broken, owner, by in (
        (wrapped, "file-2", report),
        (wrapped, "file-1", vault.new_key()),
        (None, "file-1", report),
    ):
        with pytest.raises(Erased):
            vault.unwrap_under(broken, by, owner)


def test_a_vault_without_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match="key-encryption key"):
        Vault({}, SystemEntropy().bytes)
    with pytest.raises(ValueError, match="64 bytes"):
        ReportKey(bytes(32), SystemEntropy().bytes)


def test_files_are_kept_encrypted_and_end_with_their_key(vault: Vault, tmp_path: Path) -> None:
    blobs, key = Blobs(tmp_path), vault.new_key()
    asyncio.run(blobs.write(REPORT, key, b"\xff\xd8 photo"))
    assert asyncio.run(blobs.read(REPORT, key)) == b"\xff\xd8 photo"
    (stored,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert b"photo" not in stored.read_bytes()
    with pytest.raises(Erased):
        asyncio.run(blobs.read(REPORT, vault.new_key()))
    with pytest.raises(Erased):
        asyncio.run(blobs.read(UUID(int=1), key))


def test_the_keyring_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    made = load_keyring(tmp_path, SystemEntropy())
    assert load_keyring(tmp_path, SystemEntropy()) == made
    file = tmp_path / "keys" / "ledger.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["ledger.json"], "no part is left behind"
    kept = [*made.kek.values(), *made.secret.values(), made.pseudonym]
    assert all(len(key) == 32 for key in kept)
    assert len(set(kept)) == 3


def test_first_starts_at_once_end_with_one_keyring(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: load_keyring(tmp_path, SystemEntropy()), range(64)))
    assert len({keyring.instance for keyring in made}) == 1
    assert len({keyring.pseudonym for keyring in made}) == 1


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"instance": "x"}', "\x00"])
def test_a_broken_keyring_is_never_replaced(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys" / "ledger.json"
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it is, it stops the start
        load_keyring(tmp_path, SystemEntropy())
    assert file.read_text() == content


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return load_keyring(tmp_path, SeededEntropy(7))


def test_a_secret_is_the_same_for_one_report_and_epoch_alone(keyring: Keyring) -> None:
    first = keyring.report_secret(REPORT, 1)
    assert first == keyring.report_secret(REPORT, 1), "a replayed answer repeats it"
    assert first.startswith("s1.")
    assert len(first) == 3 + 26
    assert len({first, keyring.report_secret(REPORT, 2), keyring.report_secret(UUID(int=1), 1)}) == 3


def test_a_claim_ends_the_secret(keyring: Keyring) -> None:
    first = keyring.report_secret(REPORT, 1)
    assert keyring.secret_matches(REPORT, 1, first)
    assert not keyring.secret_matches(REPORT, 2, first)
    assert not keyring.secret_matches(UUID(int=1), 1, first)


@pytest.mark.parametrize(
    "given", ["", "s1", "s1.", "s2.", "s999999999999.", "s٣.x", "\ud800", "\x00", "é" * 29, "x" * 10_000]
)
def test_odd_secrets_match_nothing(keyring: Keyring, given: str) -> None:
    assert not keyring.secret_matches(REPORT, 1, given)


def test_a_nearly_right_secret_matches_nothing(keyring: Keyring) -> None:
    right = keyring.report_secret(REPORT, 1)
    for place in range(len(right)):
        assert not keyring.secret_matches(REPORT, 1, right[:place] + "#" + right[place + 1 :])
    assert not keyring.secret_matches(REPORT, 1, right + "a")
    assert not keyring.secret_matches(REPORT, 1, right.upper())


def test_secrets_survive_a_new_secret_key(keyring: Keyring) -> None:
    first = keyring.report_secret(REPORT, 1)
    rotated = msgspec.structs.replace(keyring, secret=keyring.secret | {2: bytes(32)})
    assert rotated.report_secret(REPORT, 1).startswith("s2.")
    assert rotated.secret_matches(REPORT, 1, first)
    assert rotated.secret_matches(REPORT, 1, rotated.report_secret(REPORT, 1))


def test_people_are_named_by_a_stable_pseudonym(keyring: Keyring) -> None:
    name = keyring.pseudonym_of("https://login.barru.example|andi")
    assert name == keyring.pseudonym_of("https://login.barru.example|andi")
    assert name != keyring.pseudonym_of("https://login.barru.example|andj")
    assert len(name) == 16
    assert "andi" not in name


def test_the_keyring_is_json_that_a_backup_can_hold(tmp_path: Path, keyring: Keyring) -> None:
    kept = json.loads((tmp_path / "keys" / "ledger.json").read_text())
    assert sorted(kept) == ["instance", "kek", "pseudonym", "secret"]
    assert kept["instance"] == keyring.instance
