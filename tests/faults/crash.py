"""Kills of a running gateway at named points and at random, and the count of what became of every report.

By hand: `python -m tests.faults.crash --kills 200 --seed 1 --json` prints one JSON object; `--database postgresql` does
it there. Counted is from outside: what citizens were told, what the apps have, what stands in the database when
everything has ended.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import structlog
from sqlalchemy import make_url

from gateway.issuer import development_token
from gateway.kernel.ledger import migrate
from gateway.sdk.clock import SystemClock
from tests.faults.crash_citizens import Citizen, Officers
from tests.faults.crash_judge import answered, files, hurry, judged, looked, open_ends, without_unique
from tests.faults.crash_points import AFTER, POINTS
from tests.faults.power_evidence import Books, read_books
from tests.faults.power_layer import Recording
from tests.faults.power_load import Say
from tests.faults.town import QUICK, Manifest, Town, town
from tests.journeys.stage import ROOT
from tests.processes import free_port
from tests.servers import postgres_server

CITIZENS: Final = 4
RANDOM: Final = "random"
"""The point of those that are killed at no point, but at any moment."""
PATIENCE_S: Final = 60.0
_LIFE_S: Final = 20.0
"""A gateway that has not passed its point by then is killed where it stands."""
BRISK: Final[dict[str, Manifest]] = {app: {**changes, "settle_s": 0.3} for app, changes in QUICK.items()}
"""A look-up comes before the next poll: both must happen."""
_DEAD: Final = timedelta(seconds=3)
"""No gateway of these is at anything for so long that is not dead."""
WORDS: Final = frozenset({"DISPATCHED", "kerusakan/2", "surat/3"})
"""Where the officers leave a record: each app's own words."""
_RANDOM_S: Final = 1.5
_PASSINGS: Final = 3
_LOOK_S: Final = 0.05


class Outcome(msgspec.Struct, kw_only=True):
    """What came of a campaign; one JSON object of the soak's transcript.

    `injected` counts the kills by point, `replayed` the answers that were lost with a gateway and given again by
    another, `interrupted` the deliveries that a kill left in the air.
    """

    campaign: str
    seed: int
    kills: int = 0
    reports: int = 0
    deliveries: int = 0
    replayed: int = 0
    interrupted: int = 0
    injected: Counter[str] = msgspec.field(default_factory=Counter)
    bugs_caught: list[str] = []
    faults: list[str] = []
    seconds: float = 0.0

    def good(self) -> bool:
        """Tell whether everything was as it must be, and anybody was killed at all."""
        return not self.faults and self.kills > 0


class Nursery:
    """Starts gateways (`crash_nursery`)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._turn = asyncio.Lock()

    async def start(self, **order: Any) -> int:
        """Start a gateway; return its process number."""
        return await self._asked(order)

    async def ended(self, pid: int) -> int:
        """Return how a gateway ended, when it has."""
        return await self._asked({"wait": pid})

    async def _asked(self, order: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._turn:
            self._process.stdin.write(msgspec.json.encode(order) + b"\n")
            await self._process.stdin.drain()
            return int(await self._process.stdout.readline())


@asynccontextmanager
async def nursery() -> AsyncIterator[Nursery]:
    """Open a nursery; whoever lives in it ends with it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.crash_nursery"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        yield Nursery(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        assert process.stdin is not None
        process.stdin.close()


class Siege:
    """One gateway after the other on the same data, among people and apps that stay."""

    def __init__(self, here: Town, place: Nursery, url: str, chance: random.Random, outcome: Outcome) -> None:
        self._here, self._place, self._url, self._chance, self.outcome = here, place, url, chance, outcome
        self._port = free_port()
        self.address = f"http://127.0.0.1:{self._port}"
        here.back.target = self.address
        self._told = here.folder / "passed"
        self._log = here.folder / "gateway.log"

    async def born(
        self, point: str | None = None, bug: str | None = None, **more: Any
    ) -> tuple[int, "asyncio.Task[int]"]:
        """Start a gateway that is to be killed at a point; return its process number, and how it will have ended."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        order: dict[str, Any] = {"argv": ["up", "--port", str(self._port)], "log": str(self._log), "bug": bug, **more}
        order["environ"] = environ | dict(self._here.settings(self._url).environ)
        self._told.unlink(missing_ok=True)
        if point in POINTS:
            order |= {
                "point": point,
                "times": 1 if point in AFTER else self._chance.randint(1, _PASSINGS),
                "told": str(self._told),
            }
        pid = await self._place.start(**order)
        return pid, asyncio.create_task(self._place.ended(pid))

    async def killed(self, point: str, bug: str | None = None) -> None:
        """Let a gateway live until it is killed, at a point or at random."""
        pid, ending = await self.born(point, bug)
        if point == RANDOM and self._chance.random() < 0.5:
            await self._listens(ending)
        patience = self._chance.uniform(0.0, _RANDOM_S) if point == RANDOM else _LIFE_S
        await asyncio.wait({ending}, timeout=patience)
        if not ending.done():
            os.kill(pid, signal.SIGKILL)
        if (status := await ending) != -signal.SIGKILL:
            raise AssertionError(f"a gateway ended by itself ({status}): {self._log.read_text()[-3000:]}")
        self.outcome.kills += 1
        self.outcome.injected[self._told.read_text() if self._told.exists() else RANDOM] += 1

    async def _listens(self, ending: "asyncio.Task[int]") -> None:
        while not ending.done():
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.close()
                return
            await asyncio.sleep(_LOOK_S)

    async def last(self, people: Awaitable[Any]) -> None:
        """Let a last gateway live in peace until everybody has had his say and everything is at its end."""
        pid, ending = await self.born()
        left: dict[str, int] = {}
        try:
            async with asyncio.timeout(PATIENCE_S):
                await people
                while (left := await looked(self._url, open_ends)) and not ending.done():
                    await looked(self._url, hurry)
                    await asyncio.sleep(_LOOK_S * 4)
        except TimeoutError:
            self.outcome.faults.append(f"after {PATIENCE_S:.0f} s there is still under way: {left}")
        if not ending.done():
            os.kill(pid, signal.SIGTERM)
        if (status := await ending) != 0:
            self.outcome.faults.append(f"the last gateway ended with {status}: {self._log.read_text()[-2000:]}")


async def campaign(
    folder: Path, url: str, kills: int, seed: int, bug: str | None = None, points: Sequence[str] = ()
) -> Outcome:
    """Kill so many gateways on one database, at these points (default: all, and at random); return what came of it."""
    chance, clock = random.Random(seed), SystemClock()
    began = clock.monotonic()
    outcome = Outcome(campaign=f"crash:{make_url(url).get_backend_name()}", seed=seed)
    async with contextlib.AsyncExitStack() as stack:
        here = await stack.enter_async_context(town(folder, manifests=BRISK))
        await migrate(url)
        if bug == "no_unique":
            await looked(url, without_unique)
        place = await stack.enter_async_context(nursery())
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)))
        siege = Siege(here, place, url, chance, outcome)
        journal = Recording(folder / "acks")
        stack.callback(journal.close)
        citizens = people_of(here, siege.address, session, journal.ack)
        stop, closing = asyncio.Event(), asyncio.Event()
        people = asyncio.gather(*(citizen.live(stop) for citizen in citizens))
        officers = asyncio.create_task(Officers(here, session, chance).live(closing))
        stack.push_async_callback(_ended, people, officers)
        kept: dict[str, str] = {}
        wanted = list(plan(points or (*POINTS, RANDOM), kills, chance))
        for point in chain(wanted, missed(wanted, outcome.injected)):
            await siege.killed(point, None if bug == "no_unique" else bug)
            kept = await looked(url, answered) | kept
            await looked(url, lambda connection: hurry(connection, timedelta(0)))
        stop.set()
        await siege.last(people)
        closing.set()
        await officers
        books = await looked(url, read_books)
        outcome.faults += judged(books, here, citizens, kept, await looked(url, files))
        _count(outcome, books, citizens)
    outcome.seconds = round(clock.monotonic() - began, 1)
    return outcome


async def _ended(*tasks: "asyncio.Future[Any]") -> None:
    """Let nobody go on where the siege itself was broken off."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def plan(points: Sequence[str], kills: int, chance: random.Random) -> Iterator[str]:
    """Return where each gateway is to be killed: every point in turn, in another order each time round."""
    left: list[str] = []
    for _ in range(kills):
        if not left:
            left = chance.sample(points, len(points))
            for later, earlier in AFTER.items():
                if later in left and earlier in left:
                    left.remove(later)
                    left.insert(left.index(earlier), later)
        yield left.pop()


def missed(wanted: Sequence[str], injected: Counter[str]) -> Iterator[str]:
    """Return, when all has been tried, the points that were never passed, each where it can be."""
    for point in sorted({point for point in wanted if not injected[point]}):
        if point in AFTER:
            yield AFTER[point]
        yield point


def people_of(here: Town, address: str, session: aiohttp.ClientSession, say: Say) -> list[Citizen]:
    """Return the citizens of a town, each with a token."""
    settings = here.settings("sqlite:///")
    names = [f"citizen-{number}" for number in range(CITIZENS)]
    return [
        Citizen(name, development_token(settings, name, ["citizen"], None, timedelta(hours=12)), address, session, say)
        for name in names
    ]


def _count(outcome: Outcome, books: Books, citizens: Sequence[Citizen]) -> None:
    outcome.reports, outcome.deliveries = len(books.reports), len(books.deliveries)
    outcome.replayed = sum(ack["repeated"] for citizen in citizens for ack in citizen.told)
    hops = [entry.hop for entries in books.entries.values() for entry in entries if entry.hop]
    outcome.interrupted = sum(hop.outcome == "lease_expired" for hop in hops)


PLANTED: Final = {"early": "intake:before_commit", "no_unique": "intake:after_commit"}
"""Mistakes that must be caught, and where a kill shows them."""


async def caught(folder: Path, url: str, bug: str, seed: int) -> list[str]:
    """Return what is found when a bug is planted; nothing found means that the checker is blind."""
    return (await campaign(folder, url, 3, seed, bug, [PLANTED[bug]])).faults


@contextmanager
def database(kind: str, folder: Path) -> Iterator[Callable[[str], str]]:
    """Open a place for databases of a kind; yields a function that makes one by name and returns its URL."""
    if kind == "sqlite":
        yield lambda name: f"sqlite:///{folder / name}.db"
        return
    with postgres_server() as server:
        yield lambda name: server.url(server.create(name))


async def run(kind: str, folder: Path, kills: int, seed: int) -> Outcome:
    """Run a campaign and both planted bugs on a kind of database."""
    with database(kind, folder) as made:
        for name in ("siege", *PLANTED):
            (folder / name).mkdir()
        outcome = await campaign(folder / "siege", made("siege"), kills, seed)
        for bug in PLANTED:
            if await caught(folder / bug, made(bug), bug, seed):
                outcome.bugs_caught.append(bug)
            else:
                outcome.faults.append(f"the planted bug {bug!r} was not caught")
    return outcome


def main() -> None:
    """Run a campaign and print what came of it; exit status 1 if anything is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.crash")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--json", action="store_true", help="print one JSON object (as without it)")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    folder = Path(tempfile.mkdtemp(prefix="gateway-crash-"))
    outcome = asyncio.run(run(given.database, folder, given.kills, given.seed))
    told: dict[str, Any] = msgspec.to_builtins(outcome) | {"good": outcome.good()}
    if outcome.good():
        shutil.rmtree(folder)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(told)).decode() + "\n")
    sys.exit(0 if outcome.good() else 1)


if __name__ == "__main__":
    main()
