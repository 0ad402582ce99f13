"""The fault proxy: the conformance kit's wire and its faults, here between the whole gateway and its apps."""

from gateway.kit.faults import (
    LOST,
    answers_when,
    arrives_late,
    cuts_before_headers,
    cuts_in_body,
    cuts_in_headers,
    hangs,
    hangs_up_unread,
    never_arrives,
    says,
    says_500,
    says_html,
    truncates_json,
)
from gateway.kit.wire import RESET, Fault, Gone, Passage, Proxy, Seen, answer_of, headers_of, read_message, request_of

__all__ = [
    "LOST",
    "RESET",
    "Fault",
    "Gone",
    "Passage",
    "Proxy",
    "Seen",
    "answer_of",
    "answers_when",
    "arrives_late",
    "cuts_before_headers",
    "cuts_in_body",
    "cuts_in_headers",
    "hangs",
    "hangs_up_unread",
    "headers_of",
    "never_arrives",
    "read_message",
    "request_of",
    "says",
    "says_500",
    "says_html",
    "truncates_json",
]
