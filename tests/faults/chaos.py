"""Real-process chaos: the gateway as processes, five apps on real sockets, bad weather on every line between them,
kills, frozen processes, restarted servers and jumping clocks; and clients that go on.

By hand: `python -m tests.faults.chaos --deliveries 300 --seed 1 --database sqlite` prints one JSON object.
"""

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import msgspec

from gateway.issuer import development_token
from gateway.sdk.clock import SystemClock, travel
from gateway.sdk.manifest import read_manifest
from tests.faults.chaos_bugs import BUGS
from tests.faults.chaos_clients import Clients, Journal, read_journal
from tests.faults.chaos_evidence import Reader, gathered
from tests.faults.chaos_fleet import Fleet, Store, change_doors, environ_for, store
from tests.faults.chaos_officers import Officers
from tests.faults.chaos_weather import SETTLE_S, TIMEOUT_S, Weather
from tests.faults.checker import Evidence, Finding, check
from tests.faults.town import Manifest, Town, town
from tests.journeys.stage import ROOT

APPS = ("cc112", "sigapdes", "singgah_di_barru", "sipendting", "ppid")
LEAST_SHARE = 0.3
"""Share of the deliveries that must have met a fault, else a campaign says too little."""
_QUICK: Manifest = {
    "settle_s": SETTLE_S,
    "timeouts.connect": 1.0,
    "timeouts.total": TIMEOUT_S,
    "limits.rate_per_s": 1000,
    "limits.concurrency": 16,
}
"""Short times instead of the apps' own, and no limit that lets a campaign wait."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a campaign does. `many`: on PostgreSQL and Redis, two doors and two workers; `bugs` are planted.

    `share` of the writes meet a fault, `reads` of the look-ups and polls; a blow falls every `every_s` seconds on
    average, first those in `blows`; the evidence is taken when nothing has moved for `patience_s` seconds.
    `calm`: nothing goes wrong at all.
    """

    reports: int
    seed: int
    many: bool = False
    share: float = 0.5
    reads: float = 0.01
    every_s: float = 2.0
    blows: tuple[str, ...] = ()
    at_once: int = 12
    pause_s: float = 0.2
    patience_s: float = 60.0
    calm: bool = False
    bugs: tuple[str, ...] = ()
    apps: tuple[str, ...] = APPS


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a campaign."""

    seed: int
    database: str
    reports: int
    messages: int
    deliveries: int
    faulted: int
    ambiguous: int
    parked: int
    tries: int
    faults: dict[str, int]
    findings: list[Finding]

    @property
    def kinds(self) -> Counter[str]:
        """How many findings there are of each kind."""
        return Counter(finding.kind for finding in self.findings)


async def campaign(folder: Path, plan: Plan) -> Outcome:
    """Run a campaign in an empty folder and return what came of it."""
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(store(folder)) if plan.many else None
        quick = {app: dict(_QUICK) for app in plan.apps}
        # The poll of 112 is left a safety net far behind its webhooks: what they tell must be enough.
        here = await stack.enter_async_context(town(folder, plan.apps, quick, poll_s=0.5, GATEWAY_CC112_POLL_S="600"))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        url = servers.url if servers else f"sqlite:///{folder / 'data' / 'gateway.db'}"
        environ = environ_for(folder, here.environ, url, servers.redis.url if servers else None)
        fleet = Fleet(folder, environ, many=plan.many, bugs=plan.bugs)
        stack.push_async_callback(fleet.stop)
        here.back.target = fleet.urls[0]
        await fleet.start()
        tending = asyncio.create_task(fleet.tend())
        stack.push_async_callback(_cancelled, tending)
        storm = Storm(plan, here, fleet, servers, session)
        journal = Journal(folder / "acknowledged.jsonl")
        stack.callback(journal.close)
        settings = here.settings(url)
        clients = Clients(
            random.Random(plan.seed),
            fleet.urls,
            lambda number: development_token(settings, f"warga-{number}", ("citizen",), None, timedelta(days=30)),
            journal,
            session,
            plan.apps,
        )
        async with storm.blowing():
            await clients.file(plan.reports, plan.at_once, plan.pause_s)
        tokens = [
            development_token(settings, f"{role}-1", (role,), None, timedelta(days=30))
            for role in ("auditor", "coordinator")
        ]
        reader = Reader(session, fleet.urls, *tokens)
        levels = {app: str(read_manifest(ROOT / "connectors" / app).levels["open"]) for app in plan.apps}  # type: ignore[index]
        acks = read_journal(folder / "acknowledged.jsonl")
        evidence = await gathered(acks, here.apps, folder, reader, storm.weather, levels, plan.patience_s)
        findings = check(evidence)
        findings += [Finding(kind="refused", subject="a client", detail=told) for told in clients.refused]
        findings += [Finding(kind="ended", subject="a process", detail=told) for told in fleet.ended()]
        (folder / "evidence.json").write_bytes(msgspec.json.encode(evidence))
        return _outcome(plan, evidence, storm, clients, findings)


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _outcome(plan: Plan, evidence: Evidence, storm: "Storm", clients: Clients, findings: Sequence[Finding]) -> Outcome:
    weather = storm.weather
    return Outcome(
        seed=plan.seed,
        database="postgresql" if plan.many else "sqlite",
        reports=len({ack.code for ack in evidence.acks}),
        messages=len({ack.key for ack in evidence.acks if ack.what == "message"}),
        deliveries=len(weather.seen),
        faulted=len(weather.hit),
        ambiguous=weather.doubts,
        parked=len(evidence.parked),
        tries=clients.tries,
        faults=dict(sorted(weather.faults.items())),
        findings=list(findings),
    )


class Storm:
    """Everything that goes wrong during a campaign; what was done is counted in the weather's `faults`."""

    def __init__(
        self, plan: Plan, here: Town, fleet: Fleet, servers: Store | None, session: aiohttp.ClientSession
    ) -> None:
        self._plan, self._here, self._fleet, self._servers = plan, here, fleet, servers
        self._chance = random.Random(plan.seed + 1)
        self._clock = SystemClock(here.folder / "data" / "clock")
        self.weather = Weather(random.Random(plan.seed + 2), self._clock, plan.share, plan.reads)
        self._officers = Officers(here, self.weather, session, random.Random(plan.seed + 3), plan.apps)
        self._blows: Mapping[str, tuple[Callable[[], Awaitable[None]], int]] = {
            "kill": (self._kill, 6),
            "freeze": (self._freeze, 3),
            "renew": (self._renew, 1),
            "clock_jump": (self._jump, 2),
            "line_down": (self._line_down, 2),
        }
        if servers is not None:
            self._blows = {
                **self._blows,
                "postgres_restart": (servers.restart_postgres, 2),
                "redis_flush": (servers.redis.flush, 1),
                "redis_kill": (self._kill_redis, 1),
            }

    @asynccontextmanager
    async def blowing(self) -> AsyncIterator[None]:
        """Let it blow meanwhile; afterwards all is calm, and nothing is held back any more."""
        for app, line in self._here.lines.items():
            self.weather.over(app, line)
        if self._plan.calm:
            self.weather.calm = True
            yield
            return
        self.weather.over_back(self._here.back)
        self._hooks(on=True)
        stop = asyncio.Event()
        doors = asyncio.create_task(change_doors(self._here.back, self._fleet.urls, self._chance))
        tasks = [asyncio.create_task(self._strike(stop)), asyncio.create_task(self._officers.work(stop))]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*tasks)
            for name in self._fleet.names:
                await self._fleet.answers(name)
            await self._officers.rush()
            self.weather.calm = True
            self._hooks(on=False)
            await _cancelled(doors)
            self._here.back.target = self._fleet.urls[0]

    def _hooks(self, *, on: bool) -> None:
        for app, sandbox in self._here.apps.items():
            if sandbox.hook is not None:
                self._here.quirk(app, duplicate_webhooks=on, reorder_webhooks=on)

    async def _strike(self, stop: asyncio.Event) -> None:
        first, deck = list(reversed(self._plan.blows)), list[str]()
        while first or not stop.is_set():
            await asyncio.sleep(self._chance.uniform(0.3, 1.7) * self._plan.every_s)
            if not deck:
                deck = [name for name, (_, cards) in self._blows.items() for _ in range(cards)]
                self._chance.shuffle(deck)
            name = first.pop() if first else deck.pop()
            await self._blows[name][0]()
            self.weather.faults[name] += 1

    def _one(self) -> str:
        return self._chance.choice(self._fleet.names)

    async def _kill(self) -> None:
        name = self._one()
        await self._fleet.kill(name)
        # Now and then the next blow falls while it starts; always would be for ever.
        if self._chance.random() < 0.7:
            await self._fleet.answers(name)

    async def _freeze(self) -> None:
        await self._fleet.freeze(self._one(), self._chance.uniform(0.3, 2.5))

    async def _renew(self) -> None:
        name = self._one()
        await self._fleet.renew(name)
        await self._fleet.answers(name)

    async def _line_down(self) -> None:
        line = self._here.lines[self._chance.choice(self._plan.apps)]
        async with line.down():
            await asyncio.sleep(self._chance.uniform(0.2, 0.8))

    async def _kill_redis(self) -> None:
        assert self._servers is not None
        await self._servers.redis.kill(self._chance.uniform(0.1, 1.5))

    async def _jump(self) -> None:
        """The travelling clock jumps ahead by up to a minute and a half, for gateway and apps alike."""
        self.weather.travelled()
        travel(self._here.folder / "data" / "clock", timedelta(seconds=self._chance.uniform(5, 90)))


def room(folder: Path, name: str) -> Path:
    """Make an empty folder for one campaign of several."""
    made = folder / name
    made.mkdir()
    return made


async def caught(folder: Path, plan: Plan, bug: str) -> bool:
    """Tell whether a small campaign reports a planted bug."""

    small = msgspec.structs.replace(
        plan, reports=40, bugs=(bug,), blows=("kill",), every_s=1.0, reads=0.0, patience_s=10.0, at_once=12
    )
    outcome = await campaign(room(folder, bug), small)
    return bool(BUGS[bug].told_by & set(outcome.kinds))


async def run(folder: Path, plan: Plan, *, planted: bool) -> dict[str, object]:
    """Run a campaign, and with `planted` a small one for each bug; return its line for the transcript."""
    began = asyncio.get_running_loop().time()

    outcome = await campaign(room(folder, "campaign"), plan)
    faults = [f"{finding.kind}: {finding.subject}: {finding.detail}" for finding in outcome.findings]
    if outcome.faulted < LEAST_SHARE * outcome.deliveries:
        faults.append(f"only {outcome.faulted} of {outcome.deliveries} deliveries met a fault")
    bugs = [bug for bug in BUGS if planted and await caught(folder, plan, bug)]
    if planted:
        faults += [f"the planted bug {bug} went unnoticed" for bug in BUGS if bug not in bugs]
    told = msgspec.to_builtins(outcome)
    counts = ("reports", "messages", "deliveries", "faulted", "ambiguous", "parked", "tries")
    return {
        "campaign": f"chaos:{outcome.database}",
        "seed": outcome.seed,
        **{name: told[name] for name in counts},
        "injected": outcome.faults,
        "bugs_caught": bugs,
        "faults": faults,
        "seconds": round(asyncio.get_running_loop().time() - began, 1),
        "good": not faults,
    }


def main() -> None:
    """Run one campaign and print what came of it; exit status 1 if anything is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos")
    parser.add_argument("--deliveries", type=int, default=300, help="reports to file; each is a delivery at least")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--planted", action="store_true", help="plant each bug too, in a small campaign of its own")
    parser.add_argument("--bugs", default="", help="plant these in the campaign itself: names with commas between")
    parser.add_argument("--every", type=float, default=3.0, help="seconds between two blows")
    parser.add_argument("--at-once", type=int, default=24)
    parser.add_argument("--json", action="store_true", help="print one JSON object (as without it)")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gateway-chaos-"))
    plan = Plan(
        reports=given.deliveries,
        seed=given.seed,
        many=given.database == "postgresql",
        every_s=given.every,
        at_once=given.at_once,
        bugs=tuple(name for name in given.bugs.split(",") if name),
    )
    told = asyncio.run(run(folder, plan, planted=given.planted))
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    if told["good"]:
        shutil.rmtree(folder)
    else:
        sys.stderr.write(f"look at {folder}\n")
    sys.exit(0 if told["good"] else 1)


if __name__ == "__main__":
    main()
