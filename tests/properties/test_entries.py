"""Our canonical form is RFC 8785 as an independent implementation writes it, whatever an entry holds."""

import json

import msgspec
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.model.entry import VERSION, Entry, Hop, canonical
from gateway.model.principal import Actor

SAFE = 2**53 - 1
"""RFC 8785 writes numbers as ECMAScript does; beyond this an integer has no exact form."""
texts = st.text() | st.sampled_from(["", "\x00\x1f\x7f", '\b\t\n\f\r"\\/', "\u2028\u2029", "\U0001f30a\ufffe", "é"])
# Names in facts and commits are ours: ASCII. (RFC 8785 sorts other names by UTF-16 units, we by bytes.)
names = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)
numbers = st.integers(-SAFE, SAFE)
maybe = st.none() | texts

actors = st.builds(Actor, kind=texts, ref=texts, org=maybe)
hops = st.builds(
    Hop,
    direction=texts,
    app=texts,
    operation=texts,
    delivery=maybe,
    attempt=st.none() | numbers,
    outcome=maybe,
    http=st.none() | numbers,
    latency_ms=st.none() | numbers,
    request=maybe,
    response=maybe,
)
entries = st.builds(
    Entry,
    v=st.just(VERSION),
    id=texts,
    stream=texts,
    seq=numbers,
    at=texts,
    kind=texts,
    actor=actors,
    cause=texts,
    case=st.none() | numbers,
    status=maybe,
    word=maybe,
    event=maybe,
    rule=maybe,
    config=maybe,
    hop=st.none() | hops,
    commits=st.dictionaries(names, texts, max_size=4),
    facts=st.dictionaries(names, texts | numbers | st.booleans(), max_size=6),
)


@given(entries)
def test_the_canonical_form_is_rfc_8785(entry: Entry) -> None:
    body = canonical(entry)
    assert body == rfc8785.dumps(json.loads(body)), "written again by the other implementation it is the same"
    assert body == rfc8785.dumps(msgspec.to_builtins(entry)), "and so it is straight from the values"


@given(entries)
@example(Entry(v=1, id="", stream="", seq=1, at="", kind="", actor=Actor(kind="", ref=""), cause=""))
def test_an_entry_is_read_back_from_its_canonical_form(entry: Entry) -> None:
    body = canonical(entry)
    again = msgspec.json.decode(body, type=Entry)
    assert again == entry
    assert canonical(again) == body


@given(entries, st.sampled_from(["seq", "kind", "cause", "word", "facts", "actor"]), st.data())
def test_what_differs_in_any_field_has_another_form(entry: Entry, field: str, data: st.DataObject) -> None:
    other = msgspec.structs.replace(entry, **{field: getattr(data.draw(entries), field)})
    assert (canonical(entry) == canonical(other)) == (entry == other)
