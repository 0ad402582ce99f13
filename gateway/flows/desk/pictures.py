"""The reporter's photos, where an officer makes another case of his report, or another report of his."""

from collections.abc import Sequence
from typing import Final

from gateway.kernel.ledger import Ledger
from gateway.kernel.ledger.files import report_document
from gateway.kernel.ledger.reading import Whole, attached
from gateway.kernel.policy.matter import QUOTED_NOWHERE
from gateway.kernel.policy.opening import File
from gateway.model.catalogue import Kind, Privacy, Service
from gateway.sdk import Document

_WORDS_ONLY: Final = frozenset({Kind.INFORMATION, Kind.OBJECTION})
"""Kinds of which a photo of what happened somewhere is no part."""


async def pictures(ledger: Ledger, whole: Whole, service: Service) -> tuple[File, ...]:
    """Return the photos of a report that go along to a case of `service`; its app gets them if it may have documents.

    None where the reporter's own words stay with those who handle them, none of a child, none where only words are
    asked for.
    """
    if whole.report["privacy"] in QUOTED_NOWHERE:
        return ()
    if service.privacy is Privacy.CHILD_HEALTH or service.kind in _WORDS_ONLY:
        return ()
    rows, key = await ledger.read(attached, whole.id), whole.key(ledger.vault)
    return tuple(
        File(row=row, name=report_document(index, row).name, origin=key) for index, row in enumerate(rows, start=1)
    )


def documents_of(files: Sequence[File]) -> tuple[Document, ...]:
    """Return photos as documents for an app."""
    return tuple(
        Document(name=file.name, media_type=file.row["media_type"], digest=file.row["digest"]) for file in files
    )
