"""What a connector is given: its app's manifest, secrets, clock and the one way out."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.sdk.clock import Clock
from gateway.sdk.manifest import Manifest, Mode
from gateway.sdk.secrets import Secrets

if TYPE_CHECKING:
    from gateway.sdk.http import Http


class App:
    """One app as its connector sees it. The HTTP client is made when it is first used."""

    def __init__(self, *, manifest: Manifest, base_url: str, secrets: Secrets, clock: Clock) -> None:
        self.manifest = manifest
        self.base_url = base_url
        self.secrets = secrets
        self.clock = clock
        self._login: Callable[[], Awaitable[None]] | None = None
        self._http: Http | None = None

    @property
    def http(self) -> "Http":
        """The client of this app; every request is paced, bounded, judged and recorded by it."""
        if self._http is None:
            from gateway.sdk.http import Http

            self._http = Http(
                self.base_url,
                clock=self.clock,
                limits=self.manifest.limits,
                timeouts=self.manifest.timeouts,
                verdicts=self.manifest.verdicts,
                redact=self.secrets.redact,
                login=self._login,
                writes=self.manifest.mode is Mode.LIVE,
            )
        return self._http

    def logs_in_with(self, login: Callable[[], Awaitable[None]]) -> None:
        """Name the connector's `login`; `http` calls it once when the app answers 401. Done by the host."""
        self._login = login
        if self._http is not None:
            self._http.login = login

    @property
    def skew(self) -> timedelta | None:
        """By how much the app's clock was last seen ahead of ours; None before its first answer."""
        return None if self._http is None else self._http.skew

    def resting(self) -> float:
        """Return for how many more seconds the app asked to be left alone (0.0: it does not)."""
        return 0.0 if self._http is None else self._http.pace.resting()

    @property
    def places(self) -> int:
        """How many requests to the app this process may have under way now (0: others speak to it)."""
        return self.manifest.limits.concurrency if self._http is None else self._http.pace.places

    async def close(self) -> None:
        """Close the connections to the app."""
        if self._http is not None:
            await self._http.close()
