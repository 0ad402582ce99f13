"""Uploads: what the bytes are decides, not what they are called; kept encrypted until a report names them."""

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from gateway.flows.intake import queries
from gateway.flows.intake.bodies import Uploaded
from gateway.kernel.ledger import Ledger
from gateway.kernel.ledger import tables as t
from gateway.kernel.ledger.blobs import Blobs
from gateway.kernel.policy.opening import File
from gateway.model.principal import GATEWAY, Principal
from gateway.model.problem import Fault, Problem, refused

LIMIT: Final = 5 * 1024 * 1024
_WAITING_LIMIT: Final = 60 * 1024 * 1024
_WAITING: Final = timedelta(hours=24)
_MAGIC: Final = (
    (b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "image/png", "png"),
    (b"%PDF-", "application/pdf", "pdf"),
)


class Files:
    """Takes files in and hands them to reports."""

    def __init__(self, ledger: Ledger, blobs: Blobs) -> None:
        self._ledger, self._blobs = ledger, blobs

    async def take(self, principal: Principal, content_type: str, content: bytes) -> Uploaded:
        """Keep a file for its uploader; it must be a JPEG, PNG or PDF and say so."""
        if not content:
            raise Problem("attachment-empty")
        if len(content) > LIMIT:
            raise Problem("attachment-too-large", limit="5 MB")
        media_type, suffix = next(
            ((media, ending) for magic, media, ending in _MAGIC if content.startswith(magic)), ("", "")
        )
        told = content_type.partition(";")[0].strip().lower()
        if not media_type or told not in {media_type, "application/octet-stream", ""}:
            raise Problem("attachment-type")
        since = self._ledger.clock.real() - _WAITING
        if await self._ledger.read(queries.uploaded, principal.key, since) + len(content) > _WAITING_LIMIT:
            raise Problem("attachment-quota")
        act = self._ledger.act(GATEWAY, "POST /v1/attachments")
        file_id, key, digest = act.new_id(), self._ledger.vault.new_key(), sha256(content).hexdigest()
        await self._blobs.write(file_id, key, content)
        act.insert(
            t.attachment,
            id=file_id,
            owner=principal.key,
            report_id=None,
            media_type=media_type,
            size=len(content),
            digest=digest,
            created_at=act.real,
            kek=self._ledger.vault.current,
            wrapped=self._ledger.vault.wrap(key, file_id.hex),
        )
        await self._ledger.commit(act)
        return Uploaded(id=f"{file_id.hex}.{suffix}", media_type=media_type, size=len(content), sha256=digest)

    async def chosen(self, principal: Principal, names: Sequence[str]) -> tuple[File, ...]:
        """Return the uploads a report names; each must be the caller's own and not yet part of another report."""
        if not names:
            return ()
        ids = [_id(name) for name in names]
        rows = {row["id"]: row for row in await self._ledger.read(queries.files, principal.key, [i for i in ids if i])}
        seen: set[UUID | None] = set()
        faults = []
        for index, file_id in enumerate(ids):
            if file_id not in rows or file_id in seen:
                faults.append(Fault(code="attachment-unknown", pointer=f"/attachments/{index}"))
            seen.add(file_id)
        if faults:
            raise refused(faults)
        return tuple(File(row=rows[i], name=name) for i, name in zip(ids, names, strict=True) if i is not None)


def _id(name: str) -> UUID | None:
    try:
        return UUID(hex=name.partition(".")[0])
    except ValueError:
        return None
