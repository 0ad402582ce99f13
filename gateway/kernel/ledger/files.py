"""What acts do with files: an upload is kept, becomes part of a report, or is destroyed; an app's document is announced
and, once it was fetched, received.

A file has a key of its own. What belongs to a report has that key wrapped again by the report's, so that erasing the
report erases its files; destroying a file destroys its key, and its blob is removed before.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.act import Act
from gateway.kernel.ledger.parts import CaseRef, ReportRef
from gateway.kernel.ledger.vault import ReportKey, Vault
from gateway.model.entry import Hop
from gateway.model.file import About, DocumentState, FileState
from gateway.sdk.types import Document


class NewFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file whose bytes are in the blob store, before an act makes its row. `digest` is SHA-256 in hex."""

    id: UUID
    key: ReportKey
    media_type: str
    size: int
    digest: str
    about: About


def upload(act: Act, vault: Vault, file: NewFile, owner: str) -> None:
    """Keep a file for its uploader until he names it."""
    wrapped = vault.wrap(file.key, file.id.hex)
    act.insert(t.attachment, owner=owner, state=FileState.UPLOAD, wrapped=wrapped, **_facts(act, vault, file))


def receive(act: Act, vault: Vault, report: ReportRef, case: CaseRef, file: NewFile, hop: Hop | None = None) -> None:
    """Make a document that an app handed out part of its report; `hop` is how it was fetched."""
    act.insert(
        t.attachment,
        owner=f"app:{case.app}",
        report_id=report.id,
        case_id=case.id,
        app=case.app,
        state=FileState.KEPT,
        wrapped=vault.rewrap_under(file.key, report.key, file.id.hex),
        **_facts(act, vault, file),
    )
    act.record(
        report.code,
        "document.received",
        case=case.number,
        hop=hop,
        commits={"file": report.key.commitment(file.digest)},
        facts={"media_type": file.media_type, "size": file.size},
    )


def attach(act: Act, vault: Vault, report: ReportRef, row: Mapping[str, Any]) -> None:
    """Make an upload part of a report: from now on the report's key alone opens it."""
    _attach(act, vault, report, row, FileState.KEPT, {})


def share(act: Act, vault: Vault, report: ReportRef, row: Mapping[str, Any], origin: ReportKey) -> None:
    """Make a photo of one report (`origin`: its key) part of another of the same reporter too: the same bytes, whose
    key each of the two reports wraps for itself, so that erasing one leaves the other's."""
    file_id = act.new_id()
    key = vault.unwrap_under(row["wrapped"], origin, row["id"].hex)
    again = {name: row[name] for name in ("owner", "media_type", "size", "digest", "created_at", "sealed", "blob")}
    act.insert(
        t.attachment,
        id=file_id,
        report_id=report.id,
        state=FileState.KEPT,
        kek=vault.current,
        wrapped=vault.rewrap_under(key, report.key, file_id.hex),
        **again,
    )
    facts = {"media_type": row["media_type"], "size": row["size"]}
    act.record(report.code, "attachment.added", commits={"file": report.key.commitment(row["digest"])}, facts=facts)


def hold(act: Act, vault: Vault, report: ReportRef, case: CaseRef, row: Mapping[str, Any], role: str) -> None:
    """Make an upload the answer to a question of a case's form that is only passed on to the case's app."""
    _attach(act, vault, report, row, FileState.TRANSIT, {"role": role, "case_id": case.id})


def _attach(
    act: Act, vault: Vault, report: ReportRef, row: Mapping[str, Any], state: FileState, more: dict[str, Any]
) -> None:
    name = row["id"].hex
    wrapped = vault.rewrap_under(vault.unwrap(row["kek"], row["wrapped"], name), report.key, name)
    where = {"id": row["id"], "report_id": None, "state": FileState.UPLOAD}
    act.change(t.attachment, where, report_id=report.id, wrapped=wrapped, state=state, **more)
    facts = {"media_type": row["media_type"], "size": row["size"]}
    if "role" in more:
        facts["role"] = more["role"]
    act.record(report.code, "attachment.added", commits={"file": report.key.commitment(row["digest"])}, facts=facts)


def destroy(act: Act, report: ReportRef, case_number: int | None, row: Mapping[str, Any], why: str) -> None:
    """Destroy the key of a file of a report, whose blob is gone already; what remains is that it was there.

    The row keeps the commitment of the digest, so that the same file is known if an app hands it back.
    """
    _destroyed(act, row, report.key.commitment(row["digest"]))
    act.record(
        report.code,
        "document.destroyed",
        case=case_number,
        rule="transit",
        commits={"file": report.key.commitment(row["digest"])},
        facts={"role": row["role"] or "", "why": why},
    )


def discard(act: Act, row: Mapping[str, Any]) -> None:
    """Destroy the key of an upload that nobody named in time, whose blob is gone already."""
    _destroyed(act, row, "")


def _destroyed(act: Act, row: Mapping[str, Any], digest: str) -> None:
    where = {"id": row["id"], "state": row["state"]}
    values = {"digest": digest, "wrapped": None, "sealed": None, "destroyed_at": act.real}
    act.change(t.attachment, where, state=FileState.DESTROYED, **values)


def announce(act: Act, report: ReportRef, case: CaseRef, documents: Iterable[Document]) -> None:
    """Queue documents that an app named in a case to be fetched; one that is known already stays as it is."""
    for document in documents:
        act.announced.append(
            {
                "id": act.new_id(),
                "report_id": report.id,
                "case_id": case.id,
                "app": case.app,
                "mark": report.key.commitment([document.url, document.digest, document.name, document.content]),
                "state": DocumentState.WAITING,
                "tries": 0,
                "made_at": act.real,
                "due_at": act.real,
                "cause": None,
                "attachment_id": None,
                "sealed": report.key.seal("document", document),
            }
        )


def report_document(index: int, row: Mapping[str, Any]) -> Document:
    """Return the reporter's own file number `index` (from 1) of a report as a document for apps."""
    suffix = str(row["media_type"]).rpartition("/")[2]
    return Document(name=f"lampiran-{index}.{suffix}", media_type=row["media_type"], digest=row["digest"])


def transit_document(row: Mapping[str, Any]) -> Document:
    """Return a file that is only passed on as a document for its app. Its name says nothing of its owner."""
    suffix = str(row["media_type"]).rpartition("/")[2]
    return Document(
        name=f"{row['role']}.{suffix}", media_type=row["media_type"], digest=row["digest"], role=row["role"]
    )


def file_key(vault: Vault, report_key: ReportKey, row: Mapping[str, Any]) -> ReportKey:
    """Unwrap the key of a file of a report. Raises `Erased`."""
    return vault.unwrap_under(row["wrapped"], report_key, row["id"].hex)


def about(vault: Vault, report_key: ReportKey, row: Mapping[str, Any]) -> About:
    """Return what is known about a file of a report. Raises `Erased`."""
    return file_key(vault, report_key, row).open("about", row["sealed"], About)


def _facts(act: Act, vault: Vault, file: NewFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "blob": file.id,
        "media_type": file.media_type,
        "size": file.size,
        "digest": file.digest,
        "created_at": act.real,
        "kek": vault.current,
        "sealed": file.key.seal("about", file.about),
    }
