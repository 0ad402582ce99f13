"""What a connector brings can be stored, or is set aside by its id: nothing it holds may stop its neighbours."""

from datetime import UTC, datetime

import pytest

from gateway.kernel.host.news import sound
from gateway.sdk import Event, Look, News, Opening, Reference, Unreadable

AT = datetime(2026, 1, 28, tzinfo=UTC)
TICKET = (Reference("ticket_no", "112-1"),)
HALF = "Selesai \ud83d"


@pytest.mark.parametrize(
    "spoiled",
    [
        Event(id="e-2", references=TICKET, at=AT, kind="x", text=HALF),
        Event(id="e-2", references=TICKET, at=AT, kind="x", opening=Opening(category="BANJIR", text=HALF)),
        Event(id="e-2", references=TICKET, at=AT, kind="x", facts={"unit": HALF}),
        Unreadable(id="e-2", reason=HALF, raw=b"{}"),
        Unreadable(id="e-2", reason="broken\x00", raw=b"{}"),
    ],
)
def test_text_that_cannot_be_written_is_set_aside(spoiled: News) -> None:
    neighbours = [
        Event(id="e-1", references=TICKET, at=AT, kind="x", text="Air naik 😢"),
        Look(id="l", reference=TICKET[0]),
    ]
    found = sound([neighbours[0], spoiled, neighbours[1]])
    assert found is not None
    assert [found[0], found[2]] == neighbours
    assert isinstance(found[1], Unreadable)
    assert found[1].id == "e-2"
    found[1].reason.encode()
    assert "\x00" not in found[1].reason
