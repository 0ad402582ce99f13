"""Whatever a manifest shares, nothing else leaves: a canary sits in every field."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.kernel.host import minimise, minimise_amendment
from gateway.model.report import Identity
from gateway.sdk import Amendment, Document, Linked, Person, PlaceCodes, Site, Submission
from gateway.sdk.manifest import SHARES, Profile, decode_manifest
from tests.unit.host.apps import HEAD

AT = datetime(2026, 1, 28, tzinfo=UTC)
WHOLE = Submission(
    key="BRU-0000-0000-1",
    code="BRU-0000-0000",
    service="IN-ROAD",
    category="jalan",
    profile=None,
    priority="P2",
    title="canary-description",
    text="canary-description",
    occurred_at=AT,
    received_at=AT,
    site=Site(
        codes=PlaceCodes(
            kemendagri="canary-village",
            compact="canary-village",
            bps="canary-village",
            bps_district="canary-village",
            village="canary-village",
            district="canary-village",
        ),
        latitude=-4.0515,
        longitude=119.0515,
        accuracy_m=5.0515,
        address="canary-address",
        landmark="canary-landmark",
    ),
    reporter=Person(name="canary-name", phone="canary-phone", email="canary-email", national_id="canary-nik"),
    attributes={"dalam": "canary-dalam", "luas": "canary-luas"},
    documents=(Document(name="canary-document", media_type="image/jpeg", content=b"canary"),),
    linked=(Linked(kind="follow_up_to", app="cc112", value="canary-linked", code="BRU-1111-1111"),),
)
CANARIES = {
    "description": "canary-description",
    "place.village": "canary-village",
    "place.point": "0515",
    "place.address": "canary-address",
    "place.landmark": "canary-landmark",
    "reporter.name": "canary-name",
    "reporter.phone": "canary-phone",
    "reporter.email": "canary-email",
    "reporter.national_id": "canary-nik",
    "attributes.dalam": "canary-dalam",
    "attributes.luas": "canary-luas",
    "documents": "canary-document",
    "linked": "canary-linked",
}
MANIFEST = decode_manifest(HEAD.replace("{name}", "ppid"))


def test_every_field_that_can_be_shared_has_a_canary() -> None:
    assert {name.partition(".")[0] if "attributes" in name else name for name in CANARIES} == SHARES


@given(st.sets(st.sampled_from(sorted({*CANARIES, "attributes"}))), st.sampled_from(Identity), st.booleans())
def test_only_what_is_shared_leaves(shares: set[str], identity: Identity, hidden: bool) -> None:
    manifest = msgspec.structs.replace(MANIFEST, shares=dict.fromkeys(shares, "basis"))
    whole = msgspec.structs.replace(WHOLE, reporter=msgspec.structs.replace(WHOLE.reporter, hidden=hidden))
    slim, told = minimise(whole, manifest, identity)
    sent = msgspec.json.encode(slim).decode()
    anonymous = hidden or identity is not Identity.OPEN
    allowed = {
        name
        for name in CANARIES
        if (name in shares or ("attributes" in shares and name.startswith("attributes.")))
        and not (anonymous and name.startswith("reporter."))
    }
    for name, canary in CANARIES.items():
        assert (canary in sent) == (name in allowed), name
    assert told == tuple(sorted(allowed))
    assert slim.reporter.hidden == anonymous
    assert (slim.key, slim.code, slim.occurred_at, slim.category) == (whole.key, whole.code, AT, "jalan")
    assert minimise(slim, manifest, identity) == (slim, told)


@given(st.sets(st.sampled_from(sorted(CANARIES))), st.sampled_from([None, "narrow", "wide", "unknown"]))
def test_a_profile_may_share_less(shares: set[str], profile: str | None) -> None:
    narrow = Profile(shares=dict.fromkeys(shares, "basis"))
    manifest = msgspec.structs.replace(
        MANIFEST,
        shares=dict.fromkeys({*SHARES}, "basis"),
        profiles={"narrow": narrow, "wide": Profile()},
    )
    slim, told = minimise(msgspec.structs.replace(WHOLE, profile=profile), manifest)
    assert told == tuple(sorted(shares if profile == "narrow" else CANARIES))
    sent = msgspec.json.encode(slim).decode()
    assert {name for name, canary in CANARIES.items() if canary in sent} == set(told)


def test_what_is_not_there_is_not_told() -> None:
    manifest = msgspec.structs.replace(MANIFEST, shares=dict.fromkeys(SHARES, "basis"))
    bare = msgspec.structs.replace(
        WHOLE, title="", text="x", site=Site(), reporter=Person(), attributes={}, documents=(), linked=()
    )
    assert minimise(bare, manifest)[1] == ("description",)


def test_a_message_keeps_its_words_and_only_shared_answers() -> None:
    amendment = Amendment(
        key="BRU-0000-0000-2", code="BRU-0000-0000", command="message", text="halo", at=AT,
        attributes={"a": 1, "b": 2}, documents=WHOLE.documents,
    )  # fmt: skip
    manifest = msgspec.structs.replace(MANIFEST, shares={"attributes.b": "basis"})
    slim, told = minimise_amendment(amendment, manifest)
    assert (slim.text, slim.attributes, slim.documents, told) == ("halo", {"b": 2}, (), ("attributes.b",))
    manifest = msgspec.structs.replace(MANIFEST, shares={"attributes": "basis", "documents": "basis"})
    assert minimise_amendment(amendment, manifest) == (amendment, ("attributes.a", "attributes.b", "documents"))
    # To a record of a profile that may have less, the rest goes no further either.
    narrow = msgspec.structs.replace(manifest, profiles={"narrow": Profile(shares={"attributes.a": "basis"})})
    slim, told = minimise_amendment(amendment, narrow, "narrow")
    assert (slim.attributes, slim.documents, told) == ({"a": 1}, (), ("attributes.a",))
