"""Sentences that people read, from config/notices.toml: filled in, in their language, and quiet where needed."""

import re
from collections.abc import Mapping
from typing import Final

from gateway.kernel.policy.shapes import NoticeEntry
from gateway.model.answers import CODES
from gateway.model.catalogue import Words
from gateway.model.status import Status

PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
VALUES: Final = frozenset({"agency", "app", "code", "date", "link", "news", "reason", "service", "stars"})
"""Every name that may stand in braces in a notice."""

REASONS: Final = (
    "service",
    "service_desk",
    "app_absent",
    "app_off",
    "app_shadow",
    "app_cannot",
    "born_there",
    "delivery_cancelled",
    "desk_referred",
    "reopened",
)
"""Every reason for where a case is, beside those of routing rules."""

REQUIRED: Final = frozenset(
    {
        *(f"status.{status}" for status in Status),
        *(f"reason.{reason}" for reason in REASONS),
        *(f"field.{code}" for code in CODES),
        *(f"report.{what}" for what in ("received", "claimed", "withdrawn", "linked")),
        *(f"case.{what}" for what in ("desk", "fallback", "opened")),
        *(f"delivery.{what}" for what in ("waiting", "forwarded", "delayed")),
        *(f"desk.{what}" for what in ("takes_over", "note", "assigned", "referred")),
        *(f"message.{what}" for what in ("app", "agency", "citizen", "asked", "not_carried", "attachment")),
        *(f"sms.{what}" for what in ("received", "news", "needs_info", "asked")),
        *(f"clock.{what}" for what in ("extended", "passed")),
        *(f"need.{what}" for what in ("name", "phone", "email", "national_id")),
        *(f"need.{what}" for what in ("village", "address", "landmark", "any")),
        *(f"report.{what}" for what in ("split", "split_apart", "part", "escalated", "answered")),
        *(f"report.{what}" for what in ("duplicate", "duplicate_resolved", "duplicate_ended")),
        *(f"report.{what}" for what in ("rated", "confirmed", "reopened", "sms_declined", "sms_wanted")),
        *(f"withdrawal.{what}" for what in ("carried", "not_carried", "emergency")),
        *(f"reopening.{what}" for what in ("carried", "not_carried")),
        *(f"document.{what}" for what in ("received", "refused", "failed", "needed", "destroyed")),
        "suggestion.call_112",
    }
)
"""Notices that programs name; a configuration without one of them is refused."""


class Notices:
    """The notices of a configuration. `names` gives agencies' short names by code, for the value `agency`."""

    def __init__(
        self, entries: Mapping[str, NoticeEntry], reasons: Mapping[str, Words], names: Mapping[str, str]
    ) -> None:
        self._entries = dict(entries)
        for reason, words in reasons.items():
            self._entries[f"reason.{reason}"] = NoticeEntry(id=words.id, en=words.en)
        self._names = names

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def by_sms(self, key: str) -> bool:
        """Tell whether a notice is told by text message too."""
        return key in self._entries and self._entries[key].sms

    def text(self, key: str, lang: str, /, *, sensitive: bool = False, **values: str) -> str:
        """Return a notice in a language (`en`, else Indonesian), with its {names} filled in.

        A `reason` that is the key of one, and an `agency` that is a code, are said in words; a name that was not
        given is shown as a dash; values a notice does not use are ignored. For a sensitive report the quiet text
        is taken, where there is one. Raises KeyError for a notice that does not exist.
        """
        entry = self._entries[key]
        text = entry.en if lang == "en" else entry.id
        if sensitive:
            quiet = entry.quiet_en if lang == "en" else entry.quiet_id
            text = text if quiet is None else quiet
        return text if "{" not in text else PLACEHOLDER.sub(lambda name: self._said(name[1], lang, values), text)

    def reason(self, reason: str, lang: str) -> str:
        """Return in words why a case is where it is: the key of a reason, or the name of a routing rule.

        A rule that a later configuration no longer has is named as it was recorded.
        """
        key = f"reason.{reason}"
        return self.text(key, lang) if key in self._entries else reason

    def _said(self, name: str, lang: str, values: Mapping[str, str]) -> str:
        value = str(values.get(name) or "–")
        if name == "reason":
            return self.reason(value, lang)
        return self._names.get(value, value) if name == "agency" else value
