"""Every level of a manifest refuses what it does not know, and says where: nothing is ever ignored in silence."""

import re
import tomllib

import msgspec
import pytest

from gateway.sdk import Manifest
from gateway.sdk.manifest import FILE, ManifestError, Scheme, decode_manifest
from tests.sandboxes import CONNECTORS
from tests.unit.sdk.test_manifest import HEAD

HOOK = "[secrets]\nX = 'x'\n[webhook]\nsecret = 'X'\n"
SECTIONS = {
    "": "$",
    "timeouts": "$.timeouts",
    "limits": "$.limits",
    "webhook": "$.webhook",
    "poll": "$.poll",
    "opening": "$.opening",
    "categories": "$.categories",
    "profiles.p": "$.profiles.'p'",
    "profiles.'a b'.categories": "$.profiles.'a b'.categories",
}
"""Every section whose keys are fixed, and how its place is written. The others are maps: their values are checked."""


def fault(text: str) -> str:
    with pytest.raises(ManifestError) as raised:
        decode_manifest(text)
    return str(raised.value)


@pytest.mark.parametrize(("section", "place"), SECTIONS.items(), ids=lambda one: one or "top")
def test_an_unknown_key_is_refused_at_every_level(section: str, place: str) -> None:
    text = f"{HEAD}[{section}]\ncolour = 1\n" if section else f"{HEAD}colour = 1\n"
    assert fault(text).endswith(f"unknown field `colour` - at `{place}`")


def test_no_section_is_forgotten() -> None:
    """A section that is added to the manifest must be added above, and must be strict."""

    def sections(kind: type, place: str) -> list[str]:
        found = [place]
        assert kind.__struct_config__.forbid_unknown_fields, place  # type: ignore[attr-defined]
        for field in msgspec.structs.fields(kind):
            for inner in (field.type, *getattr(field.type, "__args__", ())):
                if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                    key = ".*" if getattr(field.type, "__origin__", None) is dict else ""
                    found += sections(inner, f"{place}.{field.encode_name}{key}")
        return found

    known = {re.sub(r"\.'[^']*'", ".*", place) for place in SECTIONS.values()}
    assert set(sections(Manifest, "$")) == known


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        ("sdk = '1'", "$.sdk"),
        ("settle_s = 'soon'", "$.settle_s"),
        ("echoes_key = 1", "$.echoes_key"),
        ("[timeouts]\nconnect = 'fast'", "$.timeouts.connect"),
        ("[limits]\nmax_response_bytes = 1.5", "$.limits.max_response_bytes"),
        ("[secrets]\nA = 1", "$.secrets.'A'"),
        ("[webhook]\nscheme = 'md5'\nsecret = 'A'", "$.webhook.scheme"),
        ("[webhook]\nscheme = 'bearer'\nsecret = 'A'\nwindow_s = 'x'", "$.webhook.window_s"),
        ("[poll]\ninterval_s = 'often'", "$.poll.interval_s"),
        ("[statuses]\nA = 1", "$.statuses.'A'"),
        ("[opening]\nkinds = 'a'", "$.opening.kinds"),
        ("[opening]\nkinds = ['a', 1]", "$.opening.kinds[1]"),
        ("[categories.out]\nA = 1", "$.categories.out.'A'"),
        ("[categories.in]\n'B c' = 1", "$.categories.in.'B c'"),
        ("[shares]\n'reporter.name' = 1", "$.shares.'reporter.name'"),
        ("[profiles]\np = 1", "$.profiles.'p'"),
        ("[profiles.p.shares]\nlinked = 1", "$.profiles.'p'.shares.'linked'"),
        ("[profiles.p.categories.out]\nA = 1", "$.profiles.'p'.categories.out.'A'"),
    ],
)
def test_a_wrong_value_is_named_with_its_whole_place(lines: str, place: str) -> None:
    key = lines.partition(" ")[0]
    head = "".join(line for line in HEAD.splitlines(keepends=True) if not line.startswith(f"{key} "))
    assert fault(f"{head}{lines}\n").endswith(f"`{place}`")


@pytest.mark.parametrize("missing", ["sdk", "name", "title", "owner", "settle_s"])
def test_a_missing_key_is_named(missing: str) -> None:
    text = "".join(line for line in HEAD.splitlines(keepends=True) if not line.startswith(f"{missing} "))
    assert f"missing required field `{missing}` - at `$`" in fault(text)


def test_every_contradiction_is_told_at_once() -> None:
    told = fault(HEAD.replace("settle_s = 2", "settle_s = -1") + "[statuses]\nA = 'closed'\n[timeouts]\ntotal = 0\n")
    assert all(place in told for place in ("$.settle_s", "$.statuses.'A'", "$.timeouts.total"))


@pytest.mark.parametrize("scheme", Scheme)
def test_a_header_that_a_scheme_does_not_read_is_no_proof(scheme: Scheme) -> None:
    """Whoever names a signature's header under `bearer` believes that signatures are checked. They are not."""
    full = f"scheme = '{scheme.value}'\ntimestamp_header = 't'\nsignature_header = 's'\nsignature_prefix = 'v='\n"
    if scheme is Scheme.HMAC:
        assert decode_manifest(HEAD + HOOK + full).webhook
        return
    told = fault(HEAD + HOOK + full)
    assert f"$.webhook.timestamp_header means nothing to '{scheme.value}'" in told
    assert ("$.webhook.signature_header means nothing" in told) is (scheme is not Scheme.STATIC)


def test_the_manifests_of_this_repository_are_sound_and_a_misspelt_one_is_not() -> None:
    files = sorted(CONNECTORS.glob(f"*/{FILE}"))
    assert files
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert decode_manifest(text).name == file.parent.name
        for section in tomllib.loads(text):
            if f"[{section}]\n" in text and section in {"timeouts", "limits", "webhook", "poll", "opening"}:
                wrong = text.replace(f"[{section}]\n", f"[{section}]\nspelt_wrong = 1\n")
                assert f"`spelt_wrong` - at `$.{section}`" in fault(wrong), file
