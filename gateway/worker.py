"""The loops: deliver, reconcile, poll, apply, watch, notify. One supervisor keeps them running.

This is one of the two places that catch everything: a loop that falls over is logged and started again, after a
pause that grows, because nothing that was accepted may wait for a person to notice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from gateway.flows.delivery.deliver import Deliverer
from gateway.flows.delivery.reconcile import Reconciler
from gateway.flows.delivery.transit import Destroyer
from gateway.flows.delivery.watch import Watch
from gateway.flows.desk.fanout import CHANNEL as DUPLICATES
from gateway.flows.desk.fanout import Fanout
from gateway.flows.inbound.apply import Applier
from gateway.flows.inbound.drift import Lister
from gateway.flows.inbound.fetch import Fetcher, Overdue
from gateway.flows.inbound.poll import Poller
from gateway.flows.inbound.sweep import Sweeper
from gateway.flows.notify.send import CHANNEL as TEXTS
from gateway.flows.notify.send import Sender
from gateway.house import House

_PAUSE: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_CHANNELS: Final = (
    *("delivery", "transit", "overdue", "inbox", "reconcile", "watch", "sweep", "catalogue"),
    *(DUPLICATES, TEXTS),
)
"""What loops wait for; rung so that they notice that they are to stop."""
_log = structlog.get_logger()


class Worker:
    """Runs the loops of all apps until it is stopped."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start all loops on the running loop."""
        house = self._house
        loops: dict[str, Callable[[asyncio.Event], Awaitable[None]]] = {"watch": Watch(house.ledger, house.wake).run}
        loops["transit"] = Destroyer(house.ledger, house.blobs, house.wake).run
        loops["overdue"] = Overdue(house.ledger, house.wake).run
        loops["fanout"] = Fanout(house.ledger, house.wake).run
        if house.texts is not None:
            loops["notify"] = Sender(house.ledger, house.wake, house.texts).run
        for app in house.host.apps():
            since = house.settings.since(app)
            applier = Applier(app, house.ledger, house.host, house.store, house.adopter, house.wake, since)
            loops[f"apply:{app}"] = applier.run
            if (interval_s := self._interval(app)) is not None:
                poller = Poller(app, house.ledger, house.host, house.store, house.wake, interval_s)
                loops[f"poll:{app}"] = poller.run
            if house.host.can(app, "sweep"):
                loops[f"sweep:{app}"] = Sweeper(app, house.ledger, house.host, house.store, house.wake).run
            if house.host.can(app, "catalogue"):
                loops[f"catalogue:{app}"] = Lister(app, house.ledger, house.host, house.store, house.wake).run
            loops[f"fetch:{app}"] = Fetcher(app, house.ledger, house.host, house.blobs, house.wake).run
            loops[f"reconcile:{app}"] = Reconciler(app, house.ledger, house.host, house.wake).run
            for emergency in (True, False):
                deliverer = Deliverer(
                    app, emergency, house.ledger, house.host, house.wake, house.blobs, house.worker_name
                )
                loops[f"deliver:{app}:{'emergency' if emergency else 'normal'}"] = deliverer.run
        self._tasks = [asyncio.create_task(self._keep(name, run), name=name) for name, run in loops.items()]

    def _interval(self, app: str) -> float | None:
        """Seconds between two polls: the manifest's, or what the operator sets; None if the app is not polled."""
        poll = self._house.host.manifest(app).poll
        given = self._house.settings.environ.get(f"GATEWAY_{app.upper()}_POLL_S")
        return None if poll is None else float(given or poll.interval_s)

    async def stop(self) -> None:
        """Stop taking up work, finish what is in hand, return."""
        self._stop.set()
        for app in self._house.host.apps():
            self._house.wake.ring(f"poll:{app}")
        for channel in _CHANNELS:
            self._house.wake.ring(channel)
        await asyncio.gather(*self._tasks)

    async def _keep(self, name: str, run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        falls = 0
        while not self._stop.is_set():
            started = self._house.clock.monotonic()
            try:
                await run(self._stop)
                return
            except Exception as fault:
                if self._house.clock.monotonic() - started > 60:
                    falls = 0
                pause = _PAUSE[min(falls, len(_PAUSE) - 1)]
                falls += 1
                # The first fall is told with its trace; the same again only counts, so that an outage is one line.
                report = _log.exception if falls == 1 else _log.debug
                report("loop.fell", loop=name, fault=type(fault).__name__, falls=falls)
                await asyncio.wait([asyncio.create_task(self._stop.wait())], timeout=pause)
