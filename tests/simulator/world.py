"""The simulated world: gateways, apps and reporters for as long as it storms, and then until all is quiet.

One seed decides everything: what is reported when, which request meets which fault, when a process is killed or paused,
when the clock steps and when the database is away.
"""

import asyncio
import contextlib
import gc
import hashlib
import logging
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from datetime import timedelta
from random import Random
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import select

from gateway.flows.desk.who import Desk
from gateway.kernel.ledger import Keyring
from gateway.kernel.ledger import tables as t
from gateway.model.delivery import DeliveryState, Level
from gateway.model.principal import EVERYTHING, Actor
from tests.simulator.apps import LONG, QUICK, SimApp
from tests.simulator.check import Evidence, Testimony, Told
from tests.simulator.line import Weather, found
from tests.simulator.loop import Loop, Time
from tests.simulator.office import Office, rows_of
from tests.simulator.store import MemoryStore
from tests.simulator.wake import Patience

APPS: Final = {"nol": Level.L0, "satu": Level.L1, "dua": Level.L2, "tiga": Level.L3}
PROCESSES: Final = 2
KEYRING: Final = Keyring(instance="0" * 32, kek={1: b"k" * 32}, secret={1: b"s" * 32}, pseudonym=b"p" * 32)
STEPS_APART_S: Final = 60.0
"""Seconds between two steps of the clock: what is waited for by the clock is safe from one step, not from several."""
_PATIENCE: Final = 6.0
_PATIENCE_AT_LAST: Final = 20.0
_LONGEST_STORM_S: Final = 180.0
_UNDER_WAY: Final = frozenset({DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.UNSURE})
_PARKED: Final = frozenset({DeliveryState.HELD, DeliveryState.DEAD})
_OVER: Final = frozenset({DeliveryState.ACCEPTED, DeliveryState.CANCELLED})
PERSON: Final = Actor(kind="operator", ref="k4m2n6p7q3r5s7tv", org="PUPR")
_DESK: Final = Desk(scope=EVERYTHING, actor=PERSON, agency=None, by="PUPR")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is simulated: how many deliveries from which seed (at least so many are acknowledged), and how bad the
    weather is: shares of requests; how many virtual seconds pass between two blows of a kind, on average.

    Whoever still waits `longest_s` virtual seconds after the storm will wait for ever."""

    seed: int
    deliveries: int = 1000
    commands: float = 0.45
    questions: float = 0.25
    kill_every_s: float = 15.0
    pause_every_s: float = 20.0
    step_every_s: float = 20.0
    break_every_s: float = 6.0
    persons: bool = True
    longest_s: float = 3600.0


class World:
    """Everything that is simulated; `run` lets it happen."""

    def __init__(self, plan: Plan, loop: Loop) -> None:
        self.plan, self.loop = plan, loop
        self.random = Random(plan.seed)
        self.time = Time(loop)
        self.store = MemoryStore(Random(self.random.random()))
        self.weather = Weather(Random(self.random.random()))
        pace = QUICK if plan.seed % 2 else LONG
        self.apps = {
            name: SimApp(name, level, loop, self.time, Random(self.random.random()), pace)
            for name, level in APPS.items()
        }
        self._found = {name: found(app, self.weather, loop, self.time.true) for name, app in self.apps.items()}
        self.offices: list[Office] = []
        self._gone: list[Office] = []
        self.acked: list[str] = []
        """Keys of deliveries whose report was acknowledged, in the order in which it was."""
        self.filed = 0
        self.held_at_first: list[str] = []
        """Keys of deliveries that came to a person."""
        self.storm = False
        self.patience = Patience(_PATIENCE)
        self.persons_from = float("inf")
        self._calling = 0
        self._stepped = -STEPS_APART_S
        self._codes: list[tuple[str, bool]] = []
        self._cases: Counter[str] = Counter()

    # -- running -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Let it storm, then let it become quiet; a person deals with what was parked, and it becomes quiet again."""
        for _ in range(PROCESSES):
            self.boot()
        self._storms(True)
        blows = [
            asyncio.create_task(self._every(self.plan.kill_every_s, self._kill)),
            asyncio.create_task(self._every(self.plan.pause_every_s, self._pause)),
            asyncio.create_task(self._every(self.plan.step_every_s, self._step)),
            asyncio.create_task(self._every(self.plan.break_every_s, self._break)),
        ]
        callbacks = [asyncio.create_task(self._callbacks(app)) for app in self.apps.values() if app.hears]
        await self._reporters()
        await self._mostly_done()
        for blow in blows:
            blow.cancel()
        self._storms(False)
        for office in self.offices:
            office.process.go_on()
        await self.quiet()
        self.persons_from = self.loop.time()
        if self.plan.persons:
            await self._person()
            await self.quiet()
        for task in callbacks:
            task.cancel()

    def _storms(self, storm: bool) -> None:
        self.storm = storm
        self.patience.factor = _PATIENCE if storm else _PATIENCE_AT_LAST
        self.weather.commands = self.plan.commands if storm else 0.0
        self.weather.questions = self.plan.questions if storm else 0.0
        if not storm:
            self.store.broken = 0.0

    def boot(self) -> None:
        """Start a process."""
        name = f"gateway-{len(self.offices) + len(self._gone) + 1}"
        office = Office(
            name,
            self.loop,
            self.time,
            self.store,
            KEYRING,
            self._found,
            self.patience,
            seed=self.random.getrandbits(64),
        )
        office.open()
        self.offices.append(office)

    # -- what people and apps do -------------------------------------------------------------------------------

    async def _reporters(self) -> None:
        while len(self.acked) < self.plan.deliveries:
            filing = [self._file() for _ in range(self.random.randrange(1, 6))]
            adding = [self._add() for _ in range(self.random.randrange(0, 3)) if self._codes]
            for task in [*filing, *adding]:
                self.loop.create_task(self._ack(*task))
            await asyncio.sleep(self.random.expovariate(1.0))

    def _file(self) -> tuple[asyncio.Task[list[str]], bool]:
        chosen = self.random.sample(list(self.apps), self.random.choice((1, 1, 2, 3)))
        apps = [(app, self.random.choice((0, 1, 2, 3))) for app in chosen]
        emergency = self.random.random() < 0.1
        self.filed += sum(1 + messages for _, messages in apps)
        return self._door().file(apps, emergency), emergency

    def _add(self) -> tuple[asyncio.Task[list[str]], bool]:
        code, emergency = self.random.choice(self._codes)
        self.filed += self._cases[code]
        return self._door().add(code, emergency), emergency

    async def _ack(self, task: asyncio.Task[list[str]], emergency: bool) -> None:
        """Whoever reports hears of it, or gives up after a minute and has heard nothing."""
        await asyncio.wait([task], timeout=60)
        if not task.done() or task.cancelled() or task.exception() is not None:
            return
        keys = task.result()
        self.acked += keys
        code = keys[0].rpartition("-")[0]
        if not self._cases[code]:
            self._cases[code] = len(keys)
            self._codes.append((code, emergency))

    def _door(self) -> Office:
        """The load balancer knows which processes are there, not which are paused."""
        return self.random.choice(self.offices)

    async def _callbacks(self, app: SimApp) -> None:
        """Deliver an app's webhooks: in any order, some twice, each until it is answered."""
        while True:
            owed, app.owed = app.owed, []
            for reference, said in owed:
                body = app.callback(reference, said)
                for _ in range(2 if self.storm and self.random.random() < 0.3 else 1):
                    delay = self.random.expovariate(0.3) if self.storm else 0.1
                    self._calling += 1
                    self.loop.call_later(delay, self._call_back, app, body)
            await asyncio.sleep(0.2)

    def _call_back(self, app: SimApp, body: bytes) -> None:
        self.loop.create_task(self._called_back(app, body))

    async def _called_back(self, app: SimApp, body: bytes) -> None:
        while True:
            if not self.storm or self.random.random() > 0.15:
                task = self._door().hook(app.name, body)
                await asyncio.wait([task], timeout=10)
                if task.done() and not task.cancelled() and task.exception() is None:
                    self._calling -= 1
                    return
            self.weather.counts["webhook unanswered"] += 1
            await asyncio.sleep(self.random.uniform(1, 20))

    # -- blows -------------------------------------------------------------------------------------------------

    async def _every(self, seconds: float, blow: Any) -> None:
        while seconds:
            await asyncio.sleep(self.random.expovariate(1 / seconds))
            self.loop.create_task(blow())

    async def _kill(self) -> None:
        office = self.random.choice(self.offices)
        self.weather.counts["process killed"] += 1
        office.process.stop()
        self.offices.remove(office)
        self._gone.append(office)
        await asyncio.sleep(self.random.uniform(0.1, 2) if self.offices else 0)
        self.boot()

    async def _pause(self) -> None:
        office = self.random.choice(self.offices)
        self.weather.counts["process paused"] += 1
        office.process.stop()
        await asyncio.sleep(self.random.choice((0.5, 3.0, 8.0, 16.0, 25.0)) * self.random.uniform(0.8, 1.2))
        if office in self.offices:
            office.process.go_on()

    async def _step(self) -> None:
        """Put the machine's clock forward or back, but not twice within a minute."""
        if self.loop.time() - self._stepped < STEPS_APART_S:
            return
        self._stepped = self.loop.time()
        self.weather.counts["clock step"] += 1
        self.time.off += timedelta(seconds=self.random.choice((-900, -60, -2, 2, 60, 900, 900)))

    async def _break(self) -> None:
        self.store.broken = self.random.choice((0.05, 0.5))
        await asyncio.sleep(self.random.uniform(0.1, 2.0))
        self.store.broken = 0.0

    # -- the end -----------------------------------------------------------------------------------------------

    async def quiet(self) -> None:
        """Wait until nothing is under way any more, or nobody believes in it."""
        end = self.loop.time() + self.plan.longest_s
        while self.loop.time() < end:
            await asyncio.sleep(10.0)
            if self._is_quiet():
                return

    async def _mostly_done(self) -> None:
        """Let it storm until most of what was reported has come to rest, or could have."""
        end = self.loop.time() + _LONGEST_STORM_S
        while self.loop.time() < end:
            await asyncio.sleep(2.0)
            if self.under_way() < 0.1 * self.filed:
                return

    def _is_quiet(self) -> bool:
        """Tell whether nothing will happen any more but by a person."""
        if self._calling or any(app.owed or app.talking for app in self.apps.values()):
            return False
        if any(state in _UNDER_WAY for _, _, state in self._first_of_lanes()):
            return False
        read = {row["app"]: int(row["cursor"] or 0) for row in rows_of(self.store, t.cursor)}
        if any(read.get(app.name, 0) < len(app.changes) for app in self.apps.values() if not app.hears):
            return False
        known = {(row["app"], row["value"]) for row in rows_of(self.store, t.reference)}
        return not any(
            row["state"] == "new" or (row["state"] == "parked" and (row["app"], row["event_id"].split(":")[0]) in known)
            for row in rows_of(self.store, t.inbox)
        )

    def under_way(self) -> int:
        """Return how many deliveries have not come to rest."""
        return sum(state in _UNDER_WAY for _, _, state, _ in self._lanes())

    def _lanes(self) -> Sequence[Any]:
        """Return case, key, state and number of every delivery, lane by lane in order."""
        columns = (t.delivery.c.case_id, t.delivery.c.key, t.delivery.c.state, t.delivery.c.number)
        statement = select(*columns).order_by(t.delivery.c.case_id, t.delivery.c.number)
        return self.store.look(lambda connection: connection.execute(statement).all())

    def _first_of_lanes(self) -> Iterator[tuple[Any, str, str]]:
        """Yield of every lane the first delivery that is not over."""
        lane = None
        for case, key, state, _ in self._lanes():
            if case != lane and state not in _OVER:
                lane = case
                yield case, key, state

    async def _person(self) -> None:
        """Deal with what was parked as a person does: look in the app, then say that it arrived, or send it again."""
        await asyncio.sleep(60)  # what is still on the line has come to its end
        while True:
            stuck = {key for _, key, state in self._first_of_lanes() if state in _PARKED}
            if not stuck:
                return
            for row in [row for row in rows_of(self.store, t.delivery) if row["key"] in stuck]:
                self.held_at_first.append(row["key"])
                record = self.apps[row["app"]].of_key(row["key"])
                mover = self.offices[0].mover
                if record is not None:
                    moved = mover.resolve(_DESK, row["id"], "number", record.reference, "found")
                elif self.random.random() < 0.3:
                    moved = mover.cancel(_DESK, row["id"], "not worth it")
                else:
                    moved = mover.replay(_DESK, row["id"], "not there")
                await self.offices[0].process.start(moved)
            await self.quiet()

    # -- evidence ----------------------------------------------------------------------------------------------

    def evidence(self) -> Evidence:
        """Return what the checker may know."""
        codes = {row["id"]: row["code"] for row in rows_of(self.store, t.report)}
        references, events = defaultdict(list), defaultdict(list)
        for row in rows_of(self.store, t.reference):
            references[row["case_id"]].append(row["value"])
        for row in rows_of(self.store, t.event):
            events[row["case_id"]].append(row["event_id"])
        return Evidence(
            acked=self.acked,
            apps={
                name: Testimony(
                    level=app.level,
                    journal=app.journal,
                    records={record.reference: record.history for record in app.records.values()},
                )
                for name, app in self.apps.items()
            },
            written=self.weather.written,
            persons_from=self.persons_from,
            entries=[
                (row["body"], row["leaf"])
                for row in sorted(rows_of(self.store, t.entry), key=lambda row: (row["stream"], row["seq"]))
            ],
            heads={row["name"]: row["head"] for row in rows_of(self.store, t.stream)},
            cases=[
                Told(
                    code=codes[row["report_id"]],
                    app=row["app"],
                    number=row["number"],
                    status=row["status"],
                    word=row["word"],
                    references=references[row["id"]],
                    events=events[row["id"]],
                )
                for row in rows_of(self.store, t.cases)
            ],
            reports={row["code"]: row["status"] for row in rows_of(self.store, t.report)},
            deliveries={
                row["key"]: (row["app"], row["state"], row["attempt"]) for row in rows_of(self.store, t.delivery)
            },
            faults=dict(self.faults),
            hit=len(self.weather.hit),
        )

    def digest(self) -> str:
        """Return the SHA-256 of the whole history: what was acknowledged, what apps did, what was entered."""
        summary = hashlib.sha256()
        for row in rows_of(self.store, t.entry):
            summary.update(row["body"])
        journals = [list(app.journal) for app in self.apps.values()]
        summary.update(msgspec.json.encode([self.acked, journals, self.weather.written, sorted(self.faults.items())]))
        return summary.hexdigest()

    @property
    def faults(self) -> Counter[str]:
        """What was injected, by kind."""
        return self.weather.counts + self.store.faults


@contextlib.contextmanager
def played(plan: Plan, story: Callable[[World], Coroutine[Any, Any, None]] = World.run) -> Iterator[World]:
    """Play a world to its end, or a story in it; it can be looked at inside."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    collecting = gc.isenabled()
    gc.disable()
    loop = Loop()
    try:
        asyncio.set_event_loop(loop)
        world = World(plan, loop)
        loop.run_until_complete(story(world))
        yield world
        loop.run_until_complete(_bury(loop, world))
        world.store.drop()
    finally:
        asyncio.set_event_loop(None)
        loop.close()
        structlog.configure(**before)
        if collecting:
            gc.enable()


async def _bury(loop: Loop, world: World) -> None:
    """End every task, also of processes that were killed."""
    for office in [*world.offices, *world._gone]:
        office.process.go_on()
    with warnings.catch_warnings():
        while others := [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]:
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=5)
