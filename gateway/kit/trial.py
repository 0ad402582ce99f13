"""One rule tried on one connector: its own folder, its own time, everything logged."""

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.kernel.ledger import Ledger, migrate
from gateway.kit.moment import START, Loop, Time
from gateway.kit.room import Room, opened
from gateway.kit.subject import Subject
from gateway.sdk.clock import SystemClock
from gateway.sdk.entropy import SystemEntropy
from gateway.sdk.manifest import Manifest


class Template:
    """An empty ledger, migrated once; every room begins with a copy."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._made = folder, False

    async def copy(self, target: Path) -> str:
        """Put a fresh ledger into `target`; return its URL."""
        if not self._made:
            url = _url(self._folder)
            await migrate(url)
            ledger = await Ledger.open(url, self._folder / "data", SystemClock(), SystemEntropy())
            await ledger.close()
            self._made = True
        shutil.copytree(self._folder, target)
        return _url(target)


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.sqlite3'}"


class Trial:
    """What a rule's test is given: the connector's folder, and rooms to try it in.

    `log` holds every line that was logged so far, as dictionaries.
    """

    def __init__(
        self, subject: Subject, folder: Path, template: Template, loop: Loop, log: list[Mapping[str, Any]]
    ) -> None:
        self.subject, self.log = subject, log
        self._folder, self._template, self._loop = folder, template, loop
        self._rooms = 0

    @asynccontextmanager
    async def room(
        self,
        manifest: Manifest | None = None,
        *,
        start: datetime = START,
        limited: bool = False,
        secrets: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Room]:
        """Open a gateway's delivery and inbound flows, the simulated app, and the wire between them.

        `manifest` is another than the connector's own; unless `limited`, neither side keeps the app's limit. `secrets`
        are the gateway's (None: the right ones).
        """
        self._rooms += 1
        folder = self._folder / f"room-{self._rooms}"
        url = await self._template.copy(folder)
        time = Time(self._loop, start)
        if manifest is None:
            manifest = self.subject.manifest if limited else self.subject.unhurried
        environ = dict(self.subject.secrets if secrets is None else secrets)
        async with opened(self.subject, folder, url, time, manifest, environ, limited=limited) as room:
            yield room
