"""How the picture of a trace writes: times of Barru (WITA), pieces joined by dots, nothing that plays the terminal.

What apps say is untrusted: nothing unprintable reaches the terminal, and nothing is read as markup.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rich.text import Text

from gateway.flows.audit.words import Words

WITA: Final = ZoneInfo("Asia/Makassar")


def plain(value: object) -> str:
    """Return text that only prints: control, escape and direction characters become a replacement sign."""
    return "".join(char if char.isprintable() else "�" for char in str(value))


def moment(at: datetime, words: Words) -> str:
    """Return an instant in the time of Barru."""
    local = at.astimezone(WITA)
    return f"{local.day} {words.month(local.month)} {local.year} {local:%H:%M:%S} WITA"


def joined(parts: Iterable[tuple[str, str]]) -> Text:
    """Join (text, style) pieces with dots in between, leaving out empty ones."""
    line = Text()
    for text, style in parts:
        if text:
            line.append(" · " if line else "", "dim")
            line.append(plain(text), style)
    return line


def status_style(status: str) -> str:
    """Return the colour of a status."""
    match status:
        case "resolved" | "closed":
            return "green"
        case "rejected" | "cancelled":
            return "red"
        case "received":
            return "cyan"
        case _:
            return "yellow"
