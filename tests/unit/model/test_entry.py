"""The canonical form of an entry is frozen: proofs made today must verify in ten years."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.model.entry import VERSION, Entry, Hop, canonical, leaf_hash, stamp
from gateway.model.principal import GATEWAY, Actor

FULL = Entry(
    v=1,
    id="019bfb3e58b8720a9c0d4f8a1e2b3c4d",
    stream="BRU-7K3Q-9M2X",
    seq=7,
    at="2026-01-28T06:02:11.120Z",
    kind="delivery.accepted",
    actor=Actor(kind="operator", ref="mzxw6ytboi2a7q5d", org="BPBD"),
    cause="delivery:BRU-7K3Q-9M2X-1#2",
    case=1,
    status="in_progress",
    word='Ditangani \u2028\x7f\x00\x1f\b\t\n\f\r"\\/ é \U0001f30a',
    event="cc112:evt/44",
    rule="routing:flood",
    config="9f86d081884c7d65",
    hop=Hop(
        direction="out",
        app="cc112",
        operation="open",
        delivery="BRU-7K3Q-9M2X-1",
        attempt=2,
        outcome="accepted",
        http=201,
        latency_ms=184,
        request="aa" * 32,
        response="bb" * 32,
    ),
    commits={"text": "cc" * 32, "payload": "dd" * 32},
    facts={"priority": "P1", "emergency": True, "tries": 2, "balance": -5},
)
FULL_BYTES = (
    b'{"actor":{"kind":"operator","org":"BPBD","ref":"mzxw6ytboi2a7q5d"},"at":"2026-01-28T06:02:11.120Z",'
    b'"case":1,"cause":"delivery:BRU-7K3Q-9M2X-1#2","commits":{"payload":"' + b"dd" * 32 + b'","text":"'
    b"" + b"cc" * 32 + b'"},"config":"9f86d081884c7d65","event":"cc112:evt/44","facts":{"balance":-5,'
    b'"emergency":true,"priority":"P1","tries":2},"hop":{"app":"cc112","attempt":2,"delivery":"BRU-7K3Q-9M2X-1",'
    b'"direction":"out","http":201,"latency_ms":184,"operation":"open","outcome":"accepted","request":"'
    b"" + b"aa" * 32 + b'","response":"' + b"bb" * 32 + b'"},"id":"019bfb3e58b8720a9c0d4f8a1e2b3c4d",'
    b'"kind":"delivery.accepted","rule":"routing:flood","seq":7,"status":"in_progress","stream":"BRU-7K3Q-9M2X",'
    b'"v":1,"word":"Ditangani \xe2\x80\xa8\x7f\\u0000\\u001f\\b\\t\\n\\f\\r\\"\\\\/ \xc3\xa9 \xf0\x9f\x8c\x8a"}'
)
FULL_LEAF = "04c4074f0302481eff18b0b9d3a3b0db3040c9e8f65357e4e9f1b1e8d5320dc9"
BARE = Entry(
    v=1,
    id="019bfb3e58b8720a9c0d4f8a1e2b3c4e",
    stream="config",
    seq=1,
    at="2026-01-28T06:02:11.120Z",
    kind="config.loaded",
    actor=GATEWAY,
    cause="start",
)
BARE_BYTES = (
    b'{"actor":{"kind":"gateway","ref":"gateway"},"at":"2026-01-28T06:02:11.120Z","cause":"start",'
    b'"id":"019bfb3e58b8720a9c0d4f8a1e2b3c4e","kind":"config.loaded","seq":1,"stream":"config","v":1}'
)
BARE_LEAF = "d031cae9556e3ab77f4542c4cecb11d93338974a4e4126f8225f3f7dcdd7b257"


@pytest.mark.parametrize(
    ("entry", "body", "leaf"), [(FULL, FULL_BYTES, FULL_LEAF), (BARE, BARE_BYTES, BARE_LEAF)], ids=["full", "bare"]
)
def test_the_canonical_form_and_its_leaf_are_frozen(entry: Entry, body: bytes, leaf: str) -> None:
    assert canonical(entry) == body
    assert leaf_hash(body).hex() == leaf


def test_the_version_is_frozen_with_the_form() -> None:
    assert VERSION == 1


def test_a_leaf_is_hashed_apart_from_a_node() -> None:
    """RFC 6962 section 2.1: 0x00 before a leaf, so that no inner node can be passed off as one."""
    assert leaf_hash(b"") == hashlib.sha256(b"\x00").digest()
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 1, 28, 6, 2, 11, 120_999, tzinfo=UTC), "2026-01-28T06:02:11.120Z"),
        (datetime(2026, 1, 28, 6, 2, 11, tzinfo=UTC), "2026-01-28T06:02:11.000Z"),
        (datetime(2026, 1, 28, 14, 2, 11, tzinfo=timezone(timedelta(hours=8))), "2026-01-28T06:02:11.000Z"),
    ],
)
def test_a_stamp_is_utc_with_milliseconds(at: datetime, text: str) -> None:
    assert stamp(at) == text
