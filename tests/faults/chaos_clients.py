"""The clients of a campaign: they file reports and messages, retry until they are answered, and keep what they were
promised in a journal that is on the disk before they go on.
"""

import asyncio
import json
import os
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import msgspec

from tests.faults.checker import Ack
from tests.journeys.stage import DAMAGE, FLOOD

PERSON: Mapping[str, str] = {
    "name": "Andi Tenri",
    "phone": "0812-3456-7890",
    "email": "andi@contoh.id",
    "national_id": "7311014107850001",
}
BODIES: Mapping[str, Mapping[str, Any]] = {
    "cc112": FLOOD,
    "sigapdes": DAMAGE,
    "singgah_di_barru": {
        "service": "TO-FACILITY",
        "description": "Toilet rusak.",
        "place": {"village": "73.11.03.1003", "latitude": -4.4071, "longitude": 119.6052},
        "reporter": dict(PERSON),
        "attributes": {"destination": "Pantai Ujung Batu"},
    },
    "sipendting": {
        "service": "IN-ROAD",
        "description": "Jalan berlubang di depan pasar.",
        "place": {"village": "73.11.07.1001", "latitude": -4.285, "longitude": 119.62},
        "reporter": dict(PERSON),
    },
    "ppid": {
        "service": "IF-OBJECT",
        "description": "Permohonan tidak dijawab.",
        "place": {"village": "73.11.07.1001"},
        "reporter": dict(PERSON),
        "attributes": {"ticket": "PPID-2020-000123", "grounds": ["c"]},
    },
}
"""What is filed for each app; every body goes to one case in that app."""
TAKES_MESSAGES = frozenset(BODIES) - {"ppid"}
RETRIES = frozenset({409, 425, 429, 500, 502, 503, 504})
"""Answers after which a client sends the same again, under the same key."""
_PATIENCE_S = 5.0


class Journal:
    """The clients' journal: one JSON line for each 2xx, on the disk before anybody goes on."""

    def __init__(self, file: Path) -> None:
        self.acks: list[Ack] = []
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def keep(self, ack: Ack) -> None:
        """Write down what was promised."""
        os.write(self._file, msgspec.json.encode(ack) + b"\n")
        await asyncio.to_thread(os.fsync, self._file)
        self.acks.append(ack)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def read_journal(file: Path) -> list[Ack]:
    """Return what a journal holds; a torn last line was never relied on."""
    lines = file.read_bytes().splitlines(keepends=True)
    return [msgspec.json.decode(line, type=Ack) for line in lines if line.endswith(b"\n")]


class Clients:
    """A crowd of clients: `urls` are the doors to knock at, `token(n)` the account of client number n.

    Of the reports a share is sent twice at once under one key, and a share is followed by messages. `refused` holds
    answers that no retry helps against: there must be none.
    """

    def __init__(
        self,
        chance: random.Random,
        urls: Sequence[str],
        token: Callable[[int], str],
        journal: Journal,
        session: aiohttp.ClientSession,
        apps: Sequence[str],
    ) -> None:
        self.journal, self.refused = journal, list[str]()
        self.tries = 0
        self._chance, self._urls, self._token, self._session = chance, urls, token, session
        self._apps = apps
        self._left = 0
        self._number = 0

    async def file(self, reports: int, at_once: int, pause_s: float) -> None:
        """File so many reports, by so many clients at once that each rest up to `pause_s` seconds between two."""
        self._left = reports
        await asyncio.gather(*(self._client(number, pause_s) for number in range(at_once)))

    async def _client(self, number: int, pause_s: float) -> None:
        token = self._token(number)
        while self._left > 0:
            self._left -= 1
            self._number += 1
            await self._report(token, self._apps[self._number % len(self._apps)])
            await asyncio.sleep(self._chance.uniform(0.0, pause_s))

    def _key(self) -> str:
        return str(UUID(int=self._chance.getrandbits(128), version=4))

    async def _report(self, token: str, app: str) -> None:
        key = self._key()
        mark = f"#{key[:13]}"
        body = {**BODIES[app], "description": f"{BODIES[app]['description']} {mark}"}
        post = self._post("/v1/reports", token, key, body)
        if self._chance.random() < 0.25:  # an impatient client: the same once more, before the first was answered
            answers = list(await asyncio.gather(post, self._post("/v1/reports", token, key, body)))
        else:
            answers = [await post]
        codes = []
        for answer in answers:
            if answer is not None:
                codes.append(str(answer["code"]))
                await self.journal.keep(Ack(what="report", key=key, code=codes[-1], app=app, text=mark))
        if codes and app in TAKES_MESSAGES and self._chance.random() < 0.3:
            for _ in range(self._chance.randint(1, 2)):
                await self._message(token, codes[0], app)

    async def _message(self, token: str, code: str, app: str) -> None:
        key = self._key()
        mark = f"#{key[:13]}"
        body = {"text": f"Masih menunggu {mark}"}
        if await self._post(f"/v1/reports/{code}/messages", token, key, body) is not None:
            await self.journal.keep(Ack(what="message", key=key, code=code, app=app, text=mark))

    async def _post(self, path: str, token: str, key: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Send until it is answered; None if it was refused for good."""
        headers = {"Idempotency-Key": key, "Authorization": f"Bearer {token}"}
        wait = 0.1
        while True:
            self.tries += 1
            url = self._chance.choice(self._urls)
            try:
                async with self._session.post(
                    url + path, json=body, headers=headers, timeout=aiohttp.ClientTimeout(total=_PATIENCE_S)
                ) as answer:
                    if answer.status not in RETRIES:
                        text = await answer.text()
                        if answer.status != 201:
                            self.refused.append(f"{path}: {answer.status} {text}")
                            return None
                        found: dict[str, Any] = json.loads(text)
                        return found
            except (aiohttp.ClientError, TimeoutError, ConnectionError):
                pass
            wait = min(2.0, wait * 1.5)
            await asyncio.sleep(self._chance.uniform(0.0, wait))
