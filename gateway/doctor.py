"""`gateway doctor`: is everything there that a gateway needs? Looks, changes nothing, names the way out."""

from collections.abc import AsyncIterator

import msgspec

from gateway.app import disk_of
from gateway.flows.notify.provider import SHOWN
from gateway.kernel.coordination import redis_answers
from gateway.kernel.edge.disk import Space
from gateway.kernel.host import Registry
from gateway.kernel.ledger import EMPTY, database_fault, start_refusal
from gateway.kernel.ledger.election import workers
from gateway.kernel.policy import check
from gateway.sdk.clock import SystemClock
from gateway.settings import Settings


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `state` is `ok`, `note` (works without it) or `fault`."""

    what: str
    state: str
    detail: str


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Yield what is found, one thing after another."""
    registry = Registry.discover(settings.connectors, settings.environ)
    mistakes = check(settings.config, registry.names())
    yield Finding(
        what="configuration",
        state="fault" if mistakes else "ok",
        detail=f"{len(mistakes)} mistakes; run `gateway config check`" if mistakes else str(settings.config),
    )
    keys = settings.data / "keys" / "ledger.json"
    made = keys.exists()
    yield Finding(
        what="keys",
        state="ok" if made else "note",
        detail=str(keys) if made else f"{keys} is made at the first start; back it up apart from the database",
    )
    gap = await database_fault(settings.database_url)
    known = {None: ("ok", "at the newest version"), EMPTY: ("note", "empty; the first start fills it")}
    state, detail = known.get(gap, ("fault", f"{gap}; look at GATEWAY_DATABASE_URL, or run `gateway migrate`"))
    yield Finding(what="database", state=state, detail=detail)
    if gap is None:
        refusal = await start_refusal(settings.database_url, settings.data)
        state, detail = ("fault", refusal) if refusal else ("ok", f"{settings.data} belongs to the database")
        yield Finding(what="data folder", state=state, detail=detail)
    if gap is None and not settings.sqlite:
        standing = await workers(settings.database_url)
        detail = ", ".join(standing) or "none runs: what is accepted waits until one does (`gateway work`)"
        yield Finding(what="workers", state="ok" if standing else "note", detail=detail)
    yield _room(settings)
    if settings.redis_url is None:
        yield Finding(what="redis", state="note", detail="none: wake-ups and counters stay within the process")
    else:
        there = await redis_answers(settings.redis_url)
        yield Finding(what="redis", state="ok" if there else "note", detail="answers" if there else "does not answer")
    texts = ("ok", "signed messages go to the service") if settings.sms_url else ("note", "no GATEWAY_SMS_URL: none")
    if settings.sms_url is None and not settings.production:
        texts = ("note", f"no GATEWAY_SMS_URL: shown here and in {settings.data / SHOWN}")
    yield Finding(what="text messages", state=texts[0], detail=texts[1])
    for row in registry.describe():
        off = row["mode"] == "off"
        yield Finding(what=f"connector {row['name']}", state="note" if off else "ok", detail=str(row["health"]))


def _room(settings: Settings) -> Finding:
    """Look how much room is left for files and the embedded database."""
    words = {
        Space.AMPLE: ("ok", f"{settings.data} has room"),
        Space.LOW: ("fault", f"{settings.data} is nearly full: files are refused; make room, or move GATEWAY_DATA"),
        Space.FULL: ("fault", f"{settings.data} is full: only emergencies are taken; make room at once"),
    }
    state, detail = words[disk_of(settings, SystemClock()).space]
    return Finding(what="disk", state=state, detail=detail)
