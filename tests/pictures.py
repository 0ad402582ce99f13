"""Pictures that tests send in, as cameras and phones make them."""

import io
from typing import Final

from PIL import Image

GPS: Final = 0x8825
ORIENTATION: Final = 0x0112
BARRU: Final = (4.4321, 119.6543)
"""Degrees south and east."""


def photo(
    width: int = 60,
    height: int = 40,
    *,
    kind: str = "JPEG",
    place: tuple[float, float] | None = None,
    orientation: int | None = None,
    marks: str = "",
    colour: tuple[int, int, int] = (120, 30, 30),
) -> bytes:
    """A picture whose upper left quarter is white; `place` in degrees south and east, `marks` in every text field."""
    picture = Image.new("RGB", (width, height), colour)
    picture.paste((255, 255, 255), (0, 0, width // 2, height // 2))
    exif = Image.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    if marks:
        exif[0x010E], exif[0x0110], exif[0x9286] = marks, marks, marks.encode()
    if place is not None:
        south, east = place
        exif.get_ifd(GPS).update({1: "S", 2: _degrees(south), 3: "E", 4: _degrees(east)})
    held = io.BytesIO()
    picture.save(held, kind, exif=exif.tobytes(), **({"comment": marks} if marks and kind == "JPEG" else {}))
    return held.getvalue()


def _degrees(value: float) -> tuple[float, float, float]:
    minutes, degrees = (value % 1) * 60, float(int(value))
    return degrees, float(int(minutes)), round((minutes % 1) * 60, 4)


def opened(content: bytes) -> Image.Image:
    """The picture, decoded."""
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture
