"""The files that a command carries: read from the private store for the attempt alone, and asked for again where one
that is only passed on was destroyed when its delivery was given up."""

from collections.abc import Sequence

import msgspec

from gateway.flows.delivery import queries
from gateway.kernel.ledger import Act, Claimed, Erased, Ledger, ReportKey
from gateway.kernel.ledger.act import Asked
from gateway.kernel.ledger.blobs import Blobs
from gateway.kernel.ledger.files import file_key
from gateway.kernel.ledger.progress import DESK, Happening, Step, advance, said
from gateway.kernel.ledger.reading import Row, Whole, case_ref, in_transit
from gateway.model.case import CaseEvent
from gateway.model.status import OPEN, Status
from gateway.sdk import Document

RULE = "transit"


class Missing(Exception):
    """A file that is only passed on is there no more; `role` is the question that it answered."""

    def __init__(self, role: str) -> None:
        super().__init__(role)
        self.role = role


class Loader:
    """Reads files for deliveries."""

    def __init__(self, ledger: Ledger, blobs: Blobs) -> None:
        self._ledger, self._blobs = ledger, blobs

    async def loaded(self, claimed: Claimed, key: ReportKey, wanted: Sequence[Document]) -> tuple[Document, ...]:
        """Return documents with their bytes. Raises Missing for one that is only passed on and was destroyed, and
        Erased."""
        plain = [document.digest for document in wanted if document.digest and document.role is None]
        report_id, case_id = claimed.row["report_id"], claimed.row["case_id"]
        rows = await self._ledger.read(queries.attachments, report_id, plain) if plain else []
        found = {row["digest"]: await self._content(key, row) for row in rows}
        passed = any(document.role is not None for document in wanted)
        held = {row["role"]: row for row in await self._ledger.read(in_transit, case_id)} if passed else {}
        loaded: list[Document] = []
        for document in wanted:
            if document.role is not None:
                loaded.append(await self._passed_on(key, document, held.get(document.role)))
            elif document.digest in found:
                loaded.append(msgspec.structs.replace(document, content=found[document.digest]))
        return tuple(loaded)

    async def _passed_on(self, key: ReportKey, document: Document, row: Row | None) -> Document:
        """Return a file that is only passed on; a person may have given another one since the delivery was made."""
        assert document.role is not None
        if row is None:
            raise Missing(document.role)
        try:
            content = await self._content(key, row)
        except Erased:
            raise Missing(document.role) from None
        return msgspec.structs.replace(document, content=content, digest=row["digest"], media_type=row["media_type"])

    async def _content(self, key: ReportKey, row: Row) -> bytes:
        return await self._blobs.read(row["blob"], file_key(self._ledger.vault, key, row))


def ask_again(
    act: Act, ledger: Ledger, whole: Whole, row: Row, known: Sequence[CaseEvent], role: str, title: str
) -> None:
    """Ask the reporter for the file that a held delivery waits for, unless that is asked already."""
    case = whole.case(row["case_id"])
    asked = any(ask["case_id"] == case["id"] and role in ask["fields"] for ask in whole.asks)
    if asked or case["status"] not in OPEN:
        return
    happening = Happening(
        event=said(act, case, known, None),
        kind="asked",
        by=DESK,
        silent=True,
        rule=RULE,
        asked=Asked(fields=(role,)),
    )
    advance(act, ledger.vault, whole, [Step(case_id=case["id"], happenings=[happening], known=known, heard=False)])
    report = whole.ref(ledger.vault)
    act.say(report, "document.needed", DESK, case=case_ref(case), status=Status.NEEDS_INFO, app=title)
