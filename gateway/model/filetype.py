"""What kind of file some bytes are, told by the bytes alone: names and headers are only what somebody says."""

from typing import Final

import msgspec


class FileType(msgspec.Struct, frozen=True):
    """A kind of file: its IANA media type and the usual end of its name."""

    media_type: str
    suffix: str


JPEG: Final = FileType("image/jpeg", "jpg")
PNG: Final = FileType("image/png", "png")
WEBP: Final = FileType("image/webp", "webp")
PDF: Final = FileType("application/pdf", "pdf")
TEXT: Final = FileType("text/plain", "txt")
_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_OPEN: Final = "application/vnd.oasis.opendocument"
_HEADS: Final = ((b"\xff\xd8\xff", JPEG), (b"\x89PNG\r\n\x1a\n", PNG), (b"%PDF-", PDF))
_PACKED: Final = (
    (b"word/document.xml", FileType(f"{_OFFICE}.wordprocessingml.document", "docx")),
    (b"xl/workbook.xml", FileType(f"{_OFFICE}.spreadsheetml.sheet", "xlsx")),
    (b"ppt/presentation.xml", FileType(f"{_OFFICE}.presentationml.presentation", "pptx")),
    (f"mimetype{_OPEN}.text".encode(), FileType(f"{_OPEN}.text", "odt")),
    (f"mimetype{_OPEN}.spreadsheet".encode(), FileType(f"{_OPEN}.spreadsheet", "ods")),
)
_MACROS: Final = b"vbaProject.bin"
_CONTROLS: Final = frozenset(range(32)) - frozenset(b"\t\n\r\f")
_BOM: Final = "\ufeff"
_LONGEST_NAME: Final = 120
_SUFFIXES: Final = {"image/jpeg": {"jpg", "jpeg"}, "text/plain": {"txt", "csv"}}
"""Other usual ends of names."""


def sniff(content: bytes) -> FileType | None:
    """Return what kind of file this is, None for everything that is not among the kinds known here.

    Web pages, programs, archives and office files with macros are none of them.
    """
    for head, kind in _HEADS:
        if content.startswith(head):
            return kind
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return WEBP
    if content.startswith(b"PK\x03\x04"):
        if _MACROS in content:
            return None
        return next((kind for name, kind in _PACKED if name in content), None)
    return TEXT if _is_text(content) else None


def is_page(content: bytes) -> bool:
    """Tell whether this is a web page (or other markup): what a server says when it has no file to give."""
    return content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"


def named(name: str, kind: FileType) -> str:
    """Return a name for a file as people and their computers can use it: one part, nothing that cannot be seen, with
    the end that its kind has."""
    last = name.replace("\\", "/").rpartition("/")[2]
    seen = "".join(char for char in last if char.isprintable()).strip(" .")
    stem, dot, suffix = seen.rpartition(".")
    if dot and suffix.lower() in _SUFFIXES.get(kind.media_type, {kind.suffix}):
        return f"{stem[:_LONGEST_NAME] or 'dokumen'}.{suffix.lower()}"
    return f"{seen[:_LONGEST_NAME] or 'dokumen'}.{kind.suffix}"


def _is_text(content: bytes) -> bool:
    """Tell whether this is plain text: UTF-8 without controls, no markup and no script."""
    if not content or is_page(content) or content.startswith((b"#!", b"%!")):
        return False
    if not _CONTROLS.isdisjoint(content):
        return False
    try:
        return bool(content.decode().strip(_BOM + " \t\r\n\f"))
    except UnicodeDecodeError:
        return False
