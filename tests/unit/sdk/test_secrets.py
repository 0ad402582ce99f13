"""Secrets: by declared names, from the environment or a file that may change, never in a message."""

import os
from pathlib import Path

import pytest

from gateway.sdk import Secrets
from gateway.sdk.secrets import SecretMissing


def test_from_the_environment_by_declared_names_only() -> None:
    secrets = Secrets("singgah_di_barru", ["TOKEN"], {"GATEWAY_SINGGAH_DI_BARRU_TOKEN": "k1", "GATEWAY_X_Y": "z"})
    assert secrets["TOKEN"] == "k1"
    for name in ("Y", "OTHER"):
        with pytest.raises(SecretMissing):
            secrets[name]
    assert secrets.missing() == ()
    assert Secrets("a", ["B", "C"], {"GATEWAY_A_B": ""}).missing() == (
        "set GATEWAY_A_B or GATEWAY_A_B_FILE",
        "set GATEWAY_A_C or GATEWAY_A_C_FILE",
    )


def test_a_file_is_read_again_when_it_changes_and_may_be_gone_for_a_moment(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("one\n")
    secrets = Secrets("a", ["KEY"], {"GATEWAY_A_KEY_FILE": str(file)})
    assert secrets["KEY"] == "one"
    before = secrets.fingerprint()
    new = tmp_path / "key.new"
    new.write_text("two\n")
    os.utime(new, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    new.replace(file)
    assert secrets["KEY"] == "two", "the same size and time, but another file"
    assert secrets.fingerprint() != before
    file.unlink()
    assert secrets["KEY"] == "two"
    secrets.reread()
    with pytest.raises(SecretMissing, match="GATEWAY_A_KEY_FILE cannot be read"):
        secrets["KEY"]
    file.write_text("\n")
    with pytest.raises(SecretMissing, match="empty"):
        secrets["KEY"]


def test_several_values_while_one_is_replaced() -> None:
    assert Secrets("a", ["KEY"], {"GATEWAY_A_KEY": "new\n old \n\n"}).all("KEY") == ("new", "old")


def test_nothing_secret_is_told() -> None:
    secrets = Secrets("a", ["KEY", "GONE", "PIN"], {"GATEWAY_A_KEY": "p@ss w/rd\nolder-key", "GATEWAY_A_PIN": "12"})
    told = secrets.redact("GET /?k=p%40ss%20w%2Frd p%40ss+w%2Frd p@ss w/rd older-key in 12 s")
    assert told == "GET /?k=*** *** *** *** in 12 s"
    assert "p@ss" not in repr(secrets)
    with pytest.raises(SecretMissing) as raised:
        secrets["GONE"]
    assert "p@ss" not in str(raised.value)
