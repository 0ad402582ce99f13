"""What people read: in their language, filled in, and quiet where a phone may be shared."""

from typing import Any

import pytest

from gateway.kernel.policy import Policy
from gateway.kernel.policy.notices import REQUIRED, VALUES
from gateway.model.status import Status


def test_in_both_languages(policy: Policy) -> None:
    assert policy.notices.text("status.resolved", "id") == "Selesai ditangani"
    assert policy.notices.text("status.resolved", "en") == "Resolved"
    assert policy.notices.text("status.resolved", "bug") == "Selesai ditangani"


def test_every_status_has_a_title(policy: Policy) -> None:
    for status in Status:
        for sensitive in (False, True):
            assert policy.status_title(status, "id", sensitive)
    assert policy.status_title("on_scene", "en") == "Responders on the scene"
    assert policy.status_title("on_scene", "en", True) == "Being worked on"


def test_names_are_filled_in(policy: Policy) -> None:
    text = policy.notices.text("case.desk", "en", agency="BPBD", reason="app_absent")
    assert text == "Handled by BPBD at the service desk. The app is not connected yet"
    text = policy.notices.text("case.desk", "id", agency="DISKOMINFO-SP", reason="routing:letter-loss")
    assert "Diskominfo-SP" in text
    assert text.endswith("Surat kehilangan: diteruskan ke kepolisian bila perlu")
    assert policy.notices.text("delivery.waiting", "en") == "Waiting to be passed on to –"
    assert policy.notices.text("status.closed", "en", app="x", reason="y") == "Report closed"


@pytest.mark.parametrize("value", ["{app}", "{app.__class__}", "%s", "\\1", "<b>", "{0}"])
def test_values_are_values(policy: Policy, value: str) -> None:
    assert policy.notices.text("delivery.forwarded", "en", app=value) == f"{value} has it"


def test_a_reason_that_is_gone_is_named_as_it_was(policy: Policy) -> None:
    assert policy.notices.reason("routing:long-ago", "id") == "routing:long-ago"


def test_an_unknown_notice_is_an_error(policy: Policy) -> None:
    assert "status.lost" not in policy.notices
    with pytest.raises(KeyError):
        policy.notices.text("status.lost", "id")


def test_quiet_texts_name_nothing_but_the_code(policy: Policy) -> None:
    """Rendered for a protected report, no notice gives away service, agency, app or reason."""
    told: dict[str, Any] = {name: f"<{name}>" for name in VALUES}
    for key in sorted(REQUIRED):
        for language in ("id", "en"):
            text = policy.notices.text(key, language, sensitive=True, **told)
            assert not [name for name in VALUES - {"code", "date"} if f"<{name}>" in text], key
    assert "<code>" in policy.notices.text("sms.received", "id", sensitive=True, **told)
    assert "<service>" in policy.notices.text("sms.received", "id", **told)
