"""Says once that something is away, and once that it is back."""

import structlog

_log = structlog.get_logger("gateway.coordination")


class Outage:
    """Whether Redis is away for one use (`wake`, `counters`). Logs the edges only, never the address."""

    def __init__(self, use: str) -> None:
        self._use = use
        self.away = False

    def began(self, cause: BaseException) -> None:
        """Redis could not be used; the process goes on by itself."""
        if not self.away:
            self.away = True
            _log.warning("redis_away", use=self._use, cause=type(cause).__name__)

    def ended(self) -> None:
        """Redis could be used."""
        if self.away:
            self.away = False
            _log.info("redis_back", use=self._use)
