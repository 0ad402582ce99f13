"""Files of reports: how they stand, and what is known about one beside its bytes."""

from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

UPLOADS_WAIT: Final = timedelta(hours=24)
"""How long an upload waits for a report that names it."""


class FileState(StrEnum):
    """Where a file stands.

    `upload` nobody has named it yet; `kept` part of a report; `transit` the answer to a question whose file is only
    passed on (an identity card), shown to nobody; `destroyed` key and content are gone.
    """

    UPLOAD = "upload"
    KEPT = "kept"
    TRANSIT = "transit"
    DESTROYED = "destroyed"


class DocumentState(StrEnum):
    """Where a document that an app named stands: `waiting` to be fetched, `kept`, `refused` because it may not be
    fetched, `failed` because it could not be had."""

    WAITING = "waiting"
    KEPT = "kept"
    REFUSED = "refused"
    FAILED = "failed"


class About(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known about a file: its name as people read it, and where a photo was taken (WGS 84 degrees)."""

    name: str
    latitude: float | None = None
    longitude: float | None = None


def upload_id(name: object) -> UUID | None:
    """Return the id in the name that an upload was answered with (`018f….jpg`; the end may be left out), else None."""
    if not isinstance(name, str):
        return None
    try:
        return UUID(hex=name.partition(".")[0])
    except ValueError:
        return None
