"""A disk under SQLite whose power can be cut: a layer that writes down what SQLite asks of its files.

SQLite reaches its files through a table of functions, the VFS. Here a copy of the usual one is made the default, within
this process, through the very library that Python's `sqlite3` is linked to: nothing in the product knows of it. Each
write, truncation, sync, creation and deletion of a database, its journal or its write-ahead log goes into a recording,
in the order in which it was asked for; what callers were told goes there too (`Recording.ack`, from any process). From
one recording `power_disk` rebuilds what a disk may hold after any power cut.

The recording is the disk: a sync is written down before it returns, and the real one is spared.
"""

import _sqlite3
import ctypes
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import msgspec

_POINTER, _INT, _LONG = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_IO_ERROR: Final = 10
_OPEN_FLAGS: Final = 0x100 | 0x800 | 0x80000
"""SQLITE_OPEN_MAIN_DB, _MAIN_JOURNAL and _WAL: the files that must survive. The rest is rebuilt or temporary."""
_OPEN = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _POINTER, _INT, _POINTER)
_DELETE = ctypes.CFUNCTYPE(_INT, _POINTER, ctypes.c_char_p, _INT)
_WRITE = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _INT, _LONG)
_TRUNCATE = ctypes.CFUNCTYPE(_INT, _POINTER, _LONG)
_SYNC = ctypes.CFUNCTYPE(_INT, _POINTER, _INT)
_CLOSE = ctypes.CFUNCTYPE(_INT, _POINTER)
HEAD: Final = struct.Struct("<BIqI")
"""Before each event of a recording: its kind, its file, an offset, how many bytes follow."""


class What(IntEnum):
    """The kinds of events."""

    CREATE = 1
    OPEN = 2
    WRITE = 3
    TRUNCATE = 4
    SYNC = 5
    DELETE = 6
    ACK = 7


class Unreachable(RuntimeError):
    """The SQLite of this Python shows nobody its functions, so that no layer can be put under it."""


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, version 3."""

    _names = "Close Read Write Truncate Sync FileSize Lock Unlock CheckReservedLock FileControl SectorSize"
    _names += " DeviceCharacteristics ShmMap ShmLock ShmBarrier ShmUnmap Fetch Unfetch"
    _fields_ = [("version", _INT), *((f"x{name}", _POINTER) for name in _names.split())]


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, version 3."""

    _names = "Open Delete Access FullPathname DlOpen DlError DlSym DlClose Randomness Sleep CurrentTime GetLastError"
    _names += " CurrentTimeInt64 SetSystemCall GetSystemCall NextSystemCall"
    _fields_ = [
        *(("version", _INT), ("size", _INT), ("longest", _INT), ("next", _POINTER)),
        *(("name", ctypes.c_char_p), ("data", _POINTER)),
        *((f"x{name}", _POINTER) for name in _names.split()),
    ]


class Recording:
    """The file that events are appended to; several processes may."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def add(self, what: What, number: int = 0, offset: int = 0, data: bytes = b"") -> None:
        """Append an event, in one call, so that none is torn or in the wrong place."""
        os.writev(self._descriptor, [HEAD.pack(what, number, offset, len(data)), data])

    def ack(self, **told: Any) -> None:
        """Write down what somebody was told."""
        self.add(What.ACK, data=msgspec.json.encode(told))

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


class _Layer:
    """The functions that stand before SQLite's own."""

    def __init__(self, usual: _Vfs, recording: Recording) -> None:
        self._usual, self._recording = usual, recording
        self._names: dict[str, int] = {}
        self._count = 0
        self._open: dict[int, tuple[int, _Methods]] = {}
        self._tables: dict[int, _Methods] = {}
        self._kept: dict[str, Any] = {
            "xOpen": _OPEN(self._opened),
            "xDelete": _DELETE(self._deleted),
            "xWrite": _WRITE(self._written),
            "xTruncate": _TRUNCATE(self._truncated),
            "xSync": _SYNC(self._synced),
            "xClose": _CLOSE(self._closed),
        }
        self.vfs = _Vfs.from_buffer_copy(usual)
        self.vfs.name, self.vfs.next = b"gateway-power", None
        for name in ("xOpen", "xDelete"):
            setattr(self.vfs, name, ctypes.cast(self._kept[name], _POINTER))

    def _opened(self, vfs: int, name: int, file: int, flags: int, found: int) -> int:
        path = ctypes.string_at(name).decode() if name and flags & _OPEN_FLAGS else None
        fresh = path is not None and not Path(path).exists()
        status: int = _OPEN(self._usual.xOpen)(vfs, name, file, flags, found)
        if status or path is None:
            return status
        if fresh or path not in self._names:
            self._count += 1
            self._names[path] = self._count
        pointer = ctypes.cast(file, ctypes.POINTER(_POINTER))
        address = int(pointer[0] or 0)
        usual = _Methods.from_address(address)
        self._open[file] = (self._names[path], usual)
        pointer[0] = ctypes.addressof(self._table(address, usual))
        return self._told(What.CREATE if fresh else What.OPEN, self._names[path], data=path.encode())

    def _table(self, address: int, usual: _Methods) -> _Methods:
        """Return the functions for files that SQLite would treat as `usual`; made once, kept for good."""
        if address not in self._tables:
            made = _Methods.from_buffer_copy(usual)
            for name in ("xWrite", "xTruncate", "xSync", "xClose"):
                setattr(made, name, ctypes.cast(self._kept[name], _POINTER))
            self._tables[address] = made
        return self._tables[address]

    def _deleted(self, vfs: int, name: bytes, durable: int) -> int:
        status: int = _DELETE(self._usual.xDelete)(vfs, name, 0)
        number = self._names.pop(name.decode(), None)
        return status if number is None else status or self._told(What.DELETE, number, durable, name)

    def _written(self, file: int, data: int, size: int, offset: int) -> int:
        number, usual = self._open[file]
        told = self._told(What.WRITE, number, offset, ctypes.string_at(data, size))
        return told or int(_WRITE(usual.xWrite)(file, data, size, offset))

    def _truncated(self, file: int, size: int) -> int:
        number, usual = self._open[file]
        return self._told(What.TRUNCATE, number, size) or int(_TRUNCATE(usual.xTruncate)(file, size))

    def _synced(self, file: int, _flags: int) -> int:
        return self._told(What.SYNC, self._open[file][0])

    def _closed(self, file: int) -> int:
        _, usual = self._open.pop(file)
        return int(_CLOSE(usual.xClose)(file))

    def _told(self, what: What, number: int, offset: int = 0, data: bytes = b"") -> int:
        # An exception must not pass through SQLite, which would take it for success.
        try:
            self._recording.add(what, number, offset, data)
        except OSError:
            return _IO_ERROR
        return 0


_kept: list[_Layer] = []
"""Layers are never freed: SQLite may still hold a pointer into one."""


@contextmanager
def layer(recording: Recording) -> Iterator[None]:
    """Record every SQLite file that this process opens meanwhile; all must be closed at the end.

    Raises Unreachable where this Python hides its SQLite.
    """
    find, register, unregister = _functions()
    found = find(None)
    if not found:
        raise Unreachable("SQLite has no default VFS")
    made = _Layer(found.contents, recording)
    _kept.append(made)
    register(ctypes.byref(made.vfs), 1)
    try:
        yield
    finally:
        register(found, 1)
        unregister(ctypes.byref(made.vfs))


def _functions() -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
    try:
        find, register, unregister = (getattr(library, f"sqlite3_vfs_{n}") for n in ("find", "register", "unregister"))
    except AttributeError:
        raise Unreachable(
            "this Python was built with an SQLite that hides its functions: run the power cuts with one whose "
            "sqlite3 module uses the system's library (Debian's python3, or one built with pyenv)"
        ) from None
    find.restype, find.argtypes = ctypes.POINTER(_Vfs), [ctypes.c_char_p]
    return find, register, unregister
