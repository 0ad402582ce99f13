"""The door for webhooks: proof first, then the inbox, then 202. Nothing is applied before it is kept."""

from collections.abc import Mapping
from typing import Final

import structlog

from gateway.flows.inbound.store import Store
from gateway.kernel.host import HookRefused, Host
from gateway.kernel.ledger import Ledger
from gateway.model.delivery import Verdict
from gateway.model.principal import app_actor
from gateway.model.problem import Problem
from gateway.sdk import Unreadable

_TELL_EVERY_S: Final = 10.0
_COME_AGAIN_S: Final = 30.0
_log = structlog.get_logger()


class Inbound:
    """Takes webhooks in."""

    def __init__(self, ledger: Ledger, host: Host, store: Store) -> None:
        self._ledger, self._host, self._store = ledger, host, store
        self._told: dict[tuple[str, str], float] = {}

    async def receive(self, app: str, headers: Mapping[str, str], body: bytes) -> int:
        """Verify a webhook and keep what it brings; return how much of it was new.

        Raises the problems `not-found` (no such app, or it sends none), `webhook-refused` (unsigned, wrong or stale),
        and `overloaded` while too much of the app's news waits already. A verified body that cannot be understood is
        kept in quarantine, not refused: the app would only send it again.
        """
        if not self._host.has_webhook(app):
            raise Problem("not-found")
        try:
            hook = self._host.verify(app, headers, body)
        except HookRefused as refused:
            await self._refused(app, refused.reason)
            raise Problem("webhook-refused", reason=refused.reason) from None
        if await self._store.full(app):
            raise Problem("overloaded", retry_after=_COME_AGAIN_S)
        outcome = self._host.receive(app, hook)
        if outcome.verdict is Verdict.ACCEPTED and outcome.batch is not None:
            return await self._store.keep(app, "webhook", outcome.batch.news)
        bad = Unreadable(id=self._host.digest(body), reason=outcome.cause or "unreadable", raw=body)
        return await self._store.keep(app, "webhook", [bad])

    async def _refused(self, app: str, reason: str) -> None:
        """Tell of a refused webhook, once in a while: a flood of forged ones must not become a flood of writes."""
        now = self._ledger.clock.monotonic()
        if now - self._told.get((app, reason), float("-inf")) < _TELL_EVERY_S:
            return
        self._told[app, reason] = now
        _log.warning("webhook.refused", connector=app, reason=reason)
        act = self._ledger.act(app_actor(app), "webhook")
        act.alarm("webhook_refused", f"{app}:{reason}", reason, app)
        await self._ledger.commit(act)
