"""People around a gateway that is killed again and again: citizens who repeat until they are answered, and officers of
the apps who move what arrives. What a citizen was told is noted at once.
"""

import asyncio
import base64
import random
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import msgspec

from tests.faults.power_load import Say
from tests.faults.town import Town
from tests.journeys.stage import DAMAGE, FLOOD

LETTER: Final[dict[str, Any]] = {
    "service": "VI-LETTER",
    "description": "Melengkapi permohonan beasiswa",
    "place": {"village": "73.11.07.1001"},
    "reporter": {"name": "Andi Tenri", "phone": "0812-3456-7890", "national_id": "7311014107850001"},
    "attributes": {"letter_type": "domisili", "purpose": "Beasiswa"},
}
BODIES: Final = (FLOOD, DAMAGE, LETTER)
_PAUSE_S: Final = 0.03
_THINKS_S: Final = 0.3
"""A citizen's pause between two reports."""
_AWAY: Final = (aiohttp.ClientError, ConnectionError, TimeoutError)


class Citizen:
    """Files one report after the other, each under a key of its own."""

    def __init__(self, name: str, token: str, url: str, session: aiohttp.ClientSession, say: Say) -> None:
        """`say` notes what was told, at once and for good."""
        self._name, self._url, self._session, self._say = name, url, session, say
        self._headers = {"Authorization": f"Bearer {token}"}
        self.told: list[dict[str, Any]] = []
        """The answers, each with the key it answers and whether it was a repeat."""
        self.wrong: list[str] = []
        """Answers that a gateway must not give."""

    async def live(self, stop: asyncio.Event) -> None:
        """File until told to stop; the report in hand is seen through."""
        number = 0
        while not stop.is_set():
            number += 1
            await self._file(f"{self._name}-{number}", BODIES[number % len(BODIES)])
            await asyncio.sleep(_THINKS_S)

    async def _file(self, key: str, body: Mapping[str, Any]) -> None:
        while True:
            try:
                async with self._session.post(
                    f"{self._url}/v1/reports", json=body, headers=self._headers | {"Idempotency-Key": key}
                ) as answer:
                    text = await answer.text()
            except _AWAY:
                await asyncio.sleep(_PAUSE_S)
                continue
            if answer.status == 201:
                break
            if answer.status != 503:
                self.wrong.append(f"{key} was answered with {answer.status}: {text[:300]}")
                return
            await asyncio.sleep(_PAUSE_S)
        repeated = answer.headers.get("Idempotency-Replayed") == "true"
        told = {"what": "report", "key": key, "code": msgspec.json.decode(text)["code"], "repeated": repeated}
        self.told.append(told)
        self._say(**told)


class Officers:
    """Move the records of the apps, each once, and give letters out."""

    def __init__(self, town: Town, session: aiohttp.ClientSession, chance: random.Random) -> None:
        self._town, self._session, self._chance = town, session, chance
        self._moved: set[str] = set()

    async def live(self, stop: asyncio.Event) -> None:
        """Move what arrives until told to stop."""
        while not stop.is_set():
            for app in self._town.apps:
                waiting = [row for row in self._town.records(app) if row["reference"] not in self._moved]
                for row in self._chance.sample(waiting, min(2, len(waiting))):
                    self._moved.add(row["reference"])
                    await self._advance(app, row["reference"])
            await asyncio.sleep(_PAUSE_S)

    async def _advance(self, app: str, reference: str) -> None:
        wanted: dict[str, Any] = {"word": "DISPATCHED" if app == "cc112" else "2"}
        if reference.startswith("surat:"):
            paper = f"%PDF-1.4 surat {reference}".encode()
            sent = {"name": "surat.pdf", "media_type": "application/pdf", "data": base64.b64encode(paper).decode()}
            wanted = {"word": "3", "document": sent}
        address = f"{self._town.lines[app].target}/_sandbox/records/{reference}/advance"
        async with self._session.post(address, json=wanted) as answer:
            assert answer.status == 200, await answer.text()
