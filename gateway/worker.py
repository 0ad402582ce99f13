"""The loops: deliver, reconcile, poll, apply, watch, notify. One supervisor keeps them running.

Every worker delivers: its claims keep workers apart. All other loops are duties, which one worker at a time has.

This is one of the two places that catch everything: a loop that falls over is logged and started again, after a
pause that grows, because nothing that was accepted may wait for a person to notice.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import structlog

from gateway.duties import BELL, HOUSE, Duties, Loop
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
from gateway.kernel.ledger import Unavailable
from gateway.kernel.ledger.election import open_election

_PAUSE: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_CHANNELS: Final = (
    *("delivery", "transit", "overdue", "inbox", "reconcile", "watch", "sweep", "catalogue", BELL),
    *(DUPLICATES, TEXTS),
)
"""What loops wait for; rung so that they notice that they are to stop."""
_log = structlog.get_logger()


class Worker:
    """Runs the loops of all apps until it is stopped."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._stop, self._idle = asyncio.Event(), asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._duties: Duties | None = None
        self._holding: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start all loops on the running loop."""
        house, deliver = self._house, dict[str, Loop]()
        duties: dict[str, Mapping[str, Loop]] = {HOUSE: self._of_the_house()}
        for app in house.host.apps():
            duties[app] = self._of(app)
            for emergency in (True, False):
                deliverer = Deliverer(
                    app, emergency, house.ledger, house.host, house.wake, house.blobs, house.worker_name
                )
                deliver[f"deliver:{app}:{'emergency' if emergency else 'normal'}"] = deliverer.run
        election = open_election(house.settings.database_url, house.worker_name)
        self._duties = Duties(election, house.host, house.wake, duties, self._keep)
        self._holding = asyncio.create_task(self._keep("duties", self._hold), name="duties")
        self._tasks = [asyncio.create_task(self._keep(name, run), name=name) for name, run in deliver.items()]

    async def _hold(self, stop: asyncio.Event) -> None:
        """Have duties for as long as anything is in hand, also while this worker stops."""
        assert self._duties is not None, "made before the task"
        await self._duties.run(self._idle)

    def _of_the_house(self) -> dict[str, Loop]:
        """Return the loops that need no app."""
        house = self._house
        loops: dict[str, Loop] = {
            "watch": Watch(house.ledger, house.wake).run,
            "transit": Destroyer(house.ledger, house.blobs, house.wake).run,
            "overdue": Overdue(house.ledger, house.wake).run,
            "fanout": Fanout(house.ledger, house.wake).run,
        }
        if house.texts is not None:
            loops["notify"] = Sender(house.ledger, house.wake, house.texts).run
        return loops

    def _of(self, app: str) -> dict[str, Loop]:
        """Return the loops of an app that only read there."""
        house = self._house
        ledger, host, store, wake = house.ledger, house.host, house.store, house.wake
        applier = Applier(app, ledger, host, store, house.adopter, wake, house.settings.since(app))
        loops: dict[str, Loop] = {
            f"apply:{app}": applier.run,
            f"fetch:{app}": Fetcher(app, ledger, host, house.blobs, wake).run,
            f"reconcile:{app}": Reconciler(app, ledger, host, wake).run,
        }
        if (interval_s := self._interval(app)) is not None:
            loops[f"poll:{app}"] = Poller(app, ledger, host, store, wake, interval_s).run
        if host.can(app, "sweep"):
            loops[f"sweep:{app}"] = Sweeper(app, ledger, host, store, wake).run
        if host.can(app, "catalogue"):
            loops[f"catalogue:{app}"] = Lister(app, ledger, host, store, wake).run
        return loops

    def _interval(self, app: str) -> float | None:
        """Seconds between two polls: the manifest's, or what the operator sets; None if the app is not polled."""
        poll = self._house.host.manifest(app).poll
        given = self._house.settings.environ.get(f"GATEWAY_{app.upper()}_POLL_S")
        return None if poll is None else float(given or poll.interval_s)

    async def stop(self) -> None:
        """Stop taking up work, finish what is in hand, give up what others can have, return."""
        self._stop.set()
        self._ring()
        await asyncio.gather(*self._tasks)
        if self._duties is not None and self._holding is not None:
            await self._duties.ended()
            self._idle.set()
            self._ring()
            await self._holding

    def _ring(self) -> None:
        for channel in (*_CHANNELS, *(f"poll:{app}" for app in self._house.host.apps())):
            self._house.wake.ring(channel)

    async def _keep(self, name: str, run: Loop) -> None:
        """Run a loop, and again whenever it falls over, until this worker is to stop."""
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
                self._tell(name, fault, falls)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._stop.wait()

    def _tell(self, name: str, fault: Exception, falls: int) -> None:
        """Tell of the first fall with its trace; the same again only counts, and so does a database that is away, of
        which every loop would tell: an outage is one line."""
        if falls > 1 or isinstance(fault, Unavailable):
            _log.debug("loop.fell", loop=name, fault=type(fault).__name__, falls=falls)
        else:
            _log.exception("loop.fell", loop=name, fault=type(fault).__name__, falls=falls)
