"""The reporter's photos, where a report of his begins that an officer makes of another one of his."""

from typing import Final

from gateway.kernel.ledger import Ledger
from gateway.kernel.ledger.files import report_document
from gateway.kernel.ledger.reading import Whole, attached
from gateway.kernel.policy.matter import QUOTED_NOWHERE
from gateway.kernel.policy.opening import File
from gateway.model.catalogue import Kind, Privacy, Service

_WORDS_ONLY: Final = frozenset({Kind.INFORMATION, Kind.OBJECTION})
"""Kinds of which a photo of what happened somewhere is no part."""


async def pictures(ledger: Ledger, whole: Whole, service: Service) -> tuple[File, ...]:
    """Return the photos of a report that go along to one of `service`; its app gets them if it may have documents.

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
