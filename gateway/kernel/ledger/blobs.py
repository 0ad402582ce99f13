"""Files: encrypted under keys of their own in `GATEWAY_DATA/blobs`, named by their row's id."""

import asyncio
import os
from pathlib import Path
from uuid import UUID

from gateway.kernel.ledger.vault import Erased, ReportKey


class Blobs:
    """The private store for attachments and documents. Nothing in it is readable without the row's key."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "blobs"

    async def write(self, blob: UUID, key: ReportKey, content: bytes) -> None:
        """Store a file durably, before the row that names it is committed."""
        await asyncio.to_thread(self._write, blob, key, content)

    async def read(self, blob: UUID, key: ReportKey) -> bytes:
        """Return a file; raises `Erased` if it is gone or its key was destroyed."""
        return await asyncio.to_thread(self._read, blob, key)

    async def destroy(self, blob: UUID) -> None:
        """Remove a file durably; nothing happens if it is gone already."""
        await asyncio.to_thread(self._destroy, blob)

    def _path(self, blob: UUID) -> Path:
        return self._folder / blob.hex[-2:] / blob.hex

    def _write(self, blob: UUID, key: ReportKey, content: bytes) -> None:
        path = self._path(blob)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = path.with_suffix(".part")
        with part.open("wb") as stream:
            stream.write(key.seal(f"blob:{blob.hex}", content))
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
        _sync(path.parent)

    def _destroy(self, blob: UUID) -> None:
        path = self._path(blob)
        try:
            path.unlink()
        except FileNotFoundError:
            return
        _sync(path.parent)

    def _read(self, blob: UUID, key: ReportKey) -> bytes:
        try:
            sealed = self._path(blob).read_bytes()
        except FileNotFoundError:
            raise Erased(blob.hex) from None
        return key.open(f"blob:{blob.hex}", sealed, bytes)


def _sync(folder: Path) -> None:
    held = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)
