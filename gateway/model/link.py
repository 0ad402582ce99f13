"""How reports hang together."""

from enum import StrEnum


class LinkKind(StrEnum):
    """Why one report points to another; read as "this report is a … the other"."""

    FOLLOW_UP_TO = "follow_up_to"
    ESCALATED_FROM = "escalated_from"
    SPLIT_FROM = "split_from"
    DUPLICATE_OF = "duplicate_of"
    RELATED_TO = "related_to"
    OBJECTION_TO = "objection_to"
