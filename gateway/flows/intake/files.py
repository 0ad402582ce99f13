"""Uploads: what the bytes are decides, not what they are called; kept encrypted until a report names them."""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final
from uuid import UUID

from gateway.flows.intake import queries
from gateway.flows.intake.bodies import Uploaded
from gateway.flows.intake.pictures import cleaned
from gateway.kernel.ledger import Ledger
from gateway.kernel.ledger.blobs import Blobs
from gateway.kernel.ledger.files import NewFile, upload
from gateway.kernel.policy.asking import file_faults
from gateway.kernel.policy.opening import File
from gateway.model.answers import Datatype
from gateway.model.catalogue import Field, Service
from gateway.model.file import UPLOADS_WAIT, About, upload_id
from gateway.model.filetype import JPEG, PDF, PNG, sniff
from gateway.model.principal import GATEWAY, Principal
from gateway.model.problem import Fault, Problem, pointer_to, refused

LIMIT: Final = 5 * 1024 * 1024
_WAITING_LIMIT: Final = 60 * 1024 * 1024
_ACCEPTED: Final = (JPEG, PNG, PDF)
_PICTURES: Final = (JPEG, PNG)


class Files:
    """Takes files in and hands them to reports."""

    def __init__(self, ledger: Ledger, blobs: Blobs) -> None:
        self._ledger, self._blobs = ledger, blobs
        # One picture at a time: decoded, a photo needs twenty times the memory that its file has.
        self._decoding = asyncio.Lock()

    async def take(self, principal: Principal, content_type: str, content: bytes) -> Uploaded:
        """Keep a file for its uploader; it must be a JPEG, PNG or PDF and say so. A photo is kept without what its
        camera wrote beside the picture; where it was taken is told to the uploader."""
        if not content:
            raise Problem("attachment-empty")
        if len(content) > LIMIT:
            raise Problem("attachment-too-large", limit="5 MB")
        kind = sniff(content)
        told = content_type.partition(";")[0].strip().lower()
        if kind not in _ACCEPTED or told not in {kind.media_type, "application/octet-stream", ""}:
            raise Problem("attachment-type")
        latitude = longitude = None
        if kind in _PICTURES:
            async with self._decoding:
                picture = await asyncio.to_thread(cleaned, content, kind.media_type, LIMIT)
            content, latitude, longitude = picture.content, picture.latitude, picture.longitude
        since = self._ledger.clock.real() - UPLOADS_WAIT
        if await self._ledger.read(queries.uploaded, principal.key, since) + len(content) > _WAITING_LIMIT:
            raise Problem("attachment-quota")
        act = self._ledger.act(GATEWAY, "POST /v1/attachments")
        file_id, key = act.new_id(), self._ledger.vault.new_key()
        name = f"{file_id.hex}.{kind.suffix}"
        file = NewFile(
            id=file_id,
            key=key,
            media_type=kind.media_type,
            size=len(content),
            digest=sha256(content).hexdigest(),
            about=About(name=name, latitude=latitude, longitude=longitude),
        )
        await self._blobs.write(file_id, key, content)
        upload(act, self._ledger.vault, file, principal.key)
        await self._ledger.commit(act)
        return Uploaded(
            id=name,
            media_type=file.media_type,
            size=file.size,
            sha256=file.digest,
            latitude=latitude,
            longitude=longitude,
        )

    async def chosen(
        self,
        principal: Principal,
        names: Sequence[str],
        service: Service | None = None,
        answers: Mapping[str, object] | None = None,
    ) -> tuple[File, ...]:
        """Return the uploads a report names: as `attachments`, and as answers to the questions of its service's form
        that take a file. Each must be the caller's own, not part of another report, and named once."""
        wanted: list[tuple[str, Field | None, str]] = [
            (f"/attachments/{index}", None, name) for index, name in enumerate(names)
        ]
        wanted += [
            (pointer_to("attributes", field.code), field, str((answers or {})[field.code]))
            for field in (service.fields if service is not None else ())
            if field.datatype is Datatype.FILE and (answers or {}).get(field.code) is not None
        ]
        if not wanted:
            return ()
        ids = [upload_id(name) for _, _, name in wanted]
        rows = {row["id"]: row for row in await self._ledger.read(queries.files, principal.key, [i for i in ids if i])}
        seen: set[UUID | None] = set()
        faults: list[Fault] = []
        found: list[File] = []
        for (pointer, field, name), file_id in zip(wanted, ids, strict=True):
            if file_id is None or file_id not in rows or file_id in seen:
                faults.append(Fault(code="attachment-unknown", pointer=pointer))
                continue
            seen.add(file_id)
            row = rows[file_id]
            faults += [] if field is None else list(file_faults(field, row["media_type"], row["size"], pointer))
            found.append(File(row=row, name=name, role=None if field is None else field.code))
        if faults:
            raise refused(faults)
        return tuple(found)
