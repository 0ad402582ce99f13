"""The text messages that the gateway would have sent: in development it keeps them in a file."""

from pathlib import Path
from typing import Final

import msgspec

from gateway.demo.verdict import Text
from gateway.demo.waiting import NotYet

FILE: Final = "sms.jsonl"


class Inbox:
    """All telephones of the stories."""

    def __init__(self, data: Path) -> None:
        self._file = data / FILE

    def all(self) -> list[Text]:
        """Return every message, oldest first; a torn last line comes later."""
        lines = self._file.read_bytes().splitlines(keepends=True) if self._file.is_file() else []
        return [msgspec.json.decode(line, type=Text) for line in lines if line.endswith(b"\n")]

    async def first(self, number: str, code: str) -> str:
        """Return the first message to a number (E.164) that tells a code. Raises NotYet."""
        for text in self.all():
            if text.to == number and code in text.text:
                return text.text
        raise NotYet(f"no text message to {number} about {code} yet")
