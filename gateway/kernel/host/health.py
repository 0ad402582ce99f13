"""How an app is doing, as its calls show it: away or back, paused for its credential. One log line at each edge."""

from typing import Final

import structlog

from gateway.kernel.host.outcome import Outcome
from gateway.model.delivery import Verdict
from gateway.sdk import App
from gateway.sdk.exchange import LEFT_ALONE

PAUSE_S: Final = 60.0
"""How long an app that refuses our credential is left alone, unless the credential changes before."""
SKEW_ALERT_S: Final = 300.0
_log = structlog.get_logger()


class Health:
    """The state of one app within this process."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._name = app.manifest.name
        self._paused_until: float | None = None
        self._refused: bytes = b""
        self._away = False
        self._off_time = False

    @property
    def away(self) -> bool:
        """Tell whether the last call found nobody who could answer."""
        return self._away

    @property
    def paused(self) -> float:
        """Return for how many more seconds nothing is asked of the app, which refused our credential."""
        if self._paused_until is None:
            return 0.0
        if self._app.secrets.fingerprint() != self._refused:
            return 0.0  # somebody has set another credential: try it at once
        return max(0.0, self._paused_until - self._app.clock.monotonic())

    def note(self, outcome: Outcome) -> None:
        """Learn from what became of a call, and tell of changes once."""
        last = outcome.exchanges[-1] if outcome.exchanges else None
        if outcome.verdict is Verdict.UNAUTHORIZED:
            if self._paused_until is None:
                _log.error("connector.paused", connector=self._name, cause=outcome.cause)
            self._paused_until = self._app.clock.monotonic() + PAUSE_S
            self._refused = self._app.secrets.fingerprint()
            self._app.secrets.reread()
        elif self._paused_until is not None and last is not None and last.status is not None:
            self._paused_until = None
            _log.info("connector.resumed", connector=self._name, cause="credential accepted")
        if last is None or last.cause in {"cancelled", LEFT_ALONE}:
            return
        here = last.status is not None and last.status < 500 and outcome.verdict is not Verdict.BROKEN
        if self._away and here:
            _log.info("connector.back", connector=self._name, cause="answered")
        elif not self._away and not here:
            _log.warning("connector.away", connector=self._name, cause=outcome.cause)
        self._away = not here
        self._note_clock()

    def _note_clock(self) -> None:
        skew = self._app.skew
        off = skew is not None and abs(skew.total_seconds()) > SKEW_ALERT_S
        if off and not self._off_time and skew is not None:
            _log.warning("connector.clock", connector=self._name, cause="clock off", skew_s=round(skew.total_seconds()))
        self._off_time = off
