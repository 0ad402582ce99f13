"""The manifest is decoded strictly, and what is wrong is named with its place."""

from pathlib import Path

import msgspec
import pytest

from gateway.model.delivery import Command, Level
from gateway.model.status import Status
from gateway.sdk.manifest import ManifestError, Mode, Scheme, decode_manifest, read_manifest

HEAD = 'sdk = 1\nname = "cc112"\ntitle = "Call Center 112"\nowner = "DISKOMINFO-SP"\nsettle_s = 2\n'
WHOLE = (
    HEAD
    + """
mode = "shadow"
naive_timezone = "Asia/Makassar"
echoes_key = true
[levels]
open = "L3"
message = "L2"
[timeouts]
connect = 3
total = 15
[limits]
rate_per_s = 20
concurrency = 8
max_response_bytes = 2000000
[secrets]
API_KEY = "X-Api-Key"
WEBHOOK_SECRET = "HMAC key"
[webhook]
scheme = "hmac-timestamp-body"
secret = "WEBHOOK_SECRET"
timestamp_header = "x-112-timestamp"
signature_header = "x-112-signature"
signature_prefix = "sha256="
window_s = 300
[poll]
interval_s = 30
[statuses]
"NEW" = "received"
"CLOSED/handled" = "resolved"
[opening]
kinds = ["incident.created"]
[categories.out]
"EM-FIRE" = "KEBAKARAN"
[categories.in]
"KEBAKARAN" = "EM-FIRE"
[shares]
"reporter.name" = "Permenkominfo 10/2016"
"attributes.jenis_surat" = "Perda"
[verdicts]
"write 409" = "ambiguous"
[profiles.stunting.statuses]
"2" = "in_progress"
"""
)


def test_a_whole_manifest() -> None:
    manifest = decode_manifest(WHOLE)
    assert (manifest.mode, manifest.settle_s, str(manifest.zone)) == (Mode.SHADOW, 2.0, "Asia/Makassar")
    assert manifest.level(Command.OPEN) is Level.L3
    assert manifest.level(Command.MESSAGE) is Level.L2
    assert manifest.level(Command.WITHDRAW) is None
    assert manifest.webhook is not None
    assert (manifest.webhook.scheme, manifest.webhook.hints_only) == (Scheme.HMAC, False)
    assert manifest.categories.inward == {"KEBAKARAN": "EM-FIRE"}
    assert manifest.statuses_of("stunting") == {"2": Status.IN_PROGRESS}
    assert manifest.statuses_of("other") == manifest.statuses_of() == manifest.statuses
    assert manifest.categories_of("stunting") is manifest.categories
    assert manifest.shares_of("stunting") is manifest.shares_of() is manifest.shares


def test_the_least_manifest_has_sober_defaults() -> None:
    manifest = decode_manifest(HEAD)
    assert (manifest.mode, manifest.levels, manifest.shares, manifest.zone) == (Mode.LIVE, {}, {}, None)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("colour = 1", "unknown field `colour`"),
        ("[webhook]\ncolour = 1", "unknown field `colour` - at `$.webhook`"),
        ("[levels]\nopen = 'L4'", "$.levels.'open'"),
        ("[levels]\nfly = 'L1'", "'fly' - at `key` in `$.levels`"),
        ("[statuses]\nA = 'resolved'\n'B.c' = 'gone'", "$.statuses.'B.c'"),
        ("[profiles.p.statuses]\nA = 'resolved'\nB = 'gone'", "$.profiles.'p'.statuses.'B'"),
        ("[profiles.p]\ncolour = 1", "$.profiles.'p'"),
        ("[statuses]\nA = 'closed'", "$.statuses.'A': only the gateway says 'closed'"),
        ("[profiles.p.statuses]\nA = 'reopened'", "$.profiles.p.statuses.'A'"),
        ("[shares]\n'reporter.face' = 'x'", "'reporter.face' is no field that can be shared"),
        ("[shares]\n'reporter.name' = ' '", "'reporter.name' names no legal basis"),
        ("[shares]\n'attributes.' = 'x'", "no field that can be shared"),
        ("[profiles.p.shares]\nlinked = 'x'", "$.profiles.p.shares.'linked' is not among the manifest's own shares"),
        ("[profiles.p.shares]\nface = 'x'", "$.profiles.p.shares.'face' is no field that can be shared"),
        ("[verdicts]\n'write four' = 'rejected'", "must be like 'write 409'"),
        ("[verdicts]\n'write 409' = 'fine'", "$.verdicts.'write 409'"),
        ("[verdicts]\n'read 500' = 'ambiguous'", "cannot be ambiguous"),
        ("[secrets]\napi_key = 'x'", "$.secrets.api_key must be capital"),
        ("[webhook]\nscheme = 'bearer'\nsecret = 'NONE'", "'NONE' is not in [secrets]"),
        ("[webhook]\nscheme = 'hmac-timestamp-body'\nsecret = 'X'\n[secrets]\nX = 'x'", "$.webhook.timestamp_header"),
        ("[webhook]\nscheme = 'static-token'\nsecret = 'X'\n[secrets]\nX = 'x'", "$.webhook.signature_header"),
        ("[timeouts]\ntotal = 0", "$.timeouts.total must be more than zero"),
        ("[limits]\nrate_per_s = inf", "$.limits.rate_per_s"),
        ("[limits]\nconcurrency = '8'", "$.limits.concurrency"),
        ("[poll]\ninterval_s = -1", "$.poll.interval_s"),
        ("naive_timezone = 'Asia/Barru'", "'Asia/Barru' is no time zone"),
        ("mode = 'on'", "$.mode"),
        ("[levels", "not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(wrong: str, told: str) -> None:
    with pytest.raises(ManifestError) as raised:
        decode_manifest(HEAD + wrong, "connectors/cc112/connector.toml")
    assert str(raised.value).startswith("connectors/cc112/connector.toml: ")
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("sdk = 2", "$.sdk is 2"),
        ('name = "Cc112"', "$.name"),
        ('title = ""', "$.title is empty"),
        ("settle_s = -1", "$.settle_s"),
    ],
)
def test_wrong_heads(line: str, told: str) -> None:
    name = line.partition(" ")[0]
    text = "\n".join(line if given.startswith(name) else given for given in HEAD.splitlines())
    with pytest.raises(ManifestError, match=told.replace("$", r"\$")):
        decode_manifest(text)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ManifestError, match="settle_s"):
        decode_manifest(HEAD.replace("settle_s = 2\n", ""))


def test_folder_and_name_agree(tmp_path: Path) -> None:
    folder = tmp_path / "cc112"
    folder.mkdir()
    with pytest.raises(ManifestError, match="cannot be read"):
        read_manifest(folder)
    (folder / "connector.toml").write_text(HEAD)
    assert read_manifest(folder).name == "cc112"
    (folder / "connector.toml").write_text(HEAD.replace('"cc112"', '"ppid"'))
    with pytest.raises(ManifestError, match="'ppid', but its folder is 'cc112'"):
        read_manifest(folder)
    assert read_manifest(folder, named=False).name == "ppid"


def test_reading_a_manifest_runs_no_code_and_it_cannot_be_changed(tmp_path: Path) -> None:
    (tmp_path / "cc112").mkdir()
    (tmp_path / "cc112" / "connector.toml").write_text(WHOLE)
    (tmp_path / "cc112" / "connector.py").write_text("raise SystemExit('code was run')")
    manifest = read_manifest(tmp_path / "cc112")
    with pytest.raises(AttributeError):
        manifest.mode = Mode.LIVE  # type: ignore[misc]
    assert msgspec.json.encode(manifest)
