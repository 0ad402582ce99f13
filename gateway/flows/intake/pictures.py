"""Photos as they are kept: upright, and without anything but the picture. Where one was taken is copied out before."""

import io
import struct
import zlib
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

import msgspec
from PIL import Image, ImageOps

from gateway.model.problem import Problem

PIXELS: Final = 40_000_000
"""Pixels a photo may have: four times what a good telephone makes of what fits into an upload."""
_FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG"}
_QUALITIES: Final = (90, 75, 60)
_UNREADABLE: Final = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
)
"""How a decoder of pictures fails on bytes that are none."""
_GPS: Final = 0x8825
Image.MAX_IMAGE_PIXELS = None  # the limit is ours, and is looked at before anything is decoded


class Picture(msgspec.Struct, frozen=True):
    """A cleaned picture, and where it was taken in WGS 84 degrees, where it says so."""

    content: bytes
    latitude: float | None
    longitude: float | None


def cleaned(content: bytes, media_type: str, limit: int) -> Picture:
    """Return a JPEG or PNG decoded and written anew: nothing that was hidden beside the picture is in it.

    What the new file may have is `limit` bytes; a photo is written more coarsely to fit. Raises Problem
    `attachment-damaged` for what cannot be decoded whole, and `attachment-too-large`.
    """
    kind = _FORMATS[media_type]
    try:
        with Image.open(io.BytesIO(content), formats=(kind,)) as opened:
            if opened.width * opened.height > PIXELS:
                raise Problem("attachment-too-large", limit=f"{PIXELS // 1_000_000} megapixel")
            place = _place(opened)
            opened.load()
            upright = ImageOps.exif_transpose(opened)
            written = _written(_bare(upright, kind), kind, limit)
    except _UNREADABLE:
        raise Problem("attachment-damaged") from None
    return Picture(written, *place)


def _bare(picture: Image.Image, kind: str) -> Image.Image:
    """Return the pixels alone, in a mode that the format has."""
    clear = "A" in picture.getbands() or "transparency" in picture.info
    mode = "L" if picture.mode in {"1", "L"} else "RGBA" if clear and kind == "PNG" else "RGB"
    bare = picture if picture.mode == mode else picture.convert(mode)
    bare.info.clear()
    return bare


def _written(picture: Image.Image, kind: str, limit: int) -> bytes:
    for quality in _QUALITIES if kind == "JPEG" else (0,):
        held = io.BytesIO()
        if kind == "JPEG":
            picture.save(held, "JPEG", quality=quality)
        else:
            picture.save(held, "PNG")
        if held.tell() <= limit:
            return held.getvalue()
    raise Problem("attachment-too-large", limit=f"{limit // (1024 * 1024)} MB")


def _place(picture: Image.Image) -> tuple[float | None, float | None]:
    """Return latitude and longitude from the Exif data of a picture; nonsense there says nothing."""
    try:
        gps: Mapping[int, Any] = picture.getexif().get_ifd(_GPS)
        latitude = _degrees(gps.get(2), gps.get(1), "NS", 90.0)
        longitude = _degrees(gps.get(4), gps.get(3), "EW", 180.0)
    except _UNREADABLE:
        return None, None
    return (None, None) if latitude is None or longitude is None else (latitude, longitude)


def _degrees(parts: Any, side: Any, sides: str, most: float) -> float | None:
    if not isinstance(parts, tuple) or len(parts) != 3 or not isinstance(side, str):
        return None
    letter = side.strip("\x00 ").upper()
    if len(letter) != 1 or letter not in sides:
        return None
    degrees, minutes, seconds = (float(part) for part in parts)
    found = degrees + minutes / 60 + seconds / 3600
    if not isfinite(found) or not 0 <= found <= most:
        return None
    return round(-found if letter == sides[1] else found, 6)
