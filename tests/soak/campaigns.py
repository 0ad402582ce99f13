"""What a soak runs: one line per campaign, as data. Each is a command of its own that prints one JSON object."""

import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import msgspec


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign.

    `module` runs with `arguments`, in which `{size}` and `{seed}` are filled in, and `environ` likewise; `unit` is
    what its target counts, by the name that the campaign's JSON gives it; `part` is the size of one part, `first`
    that of the very first, which a landing plays again. `once` are arguments that the first part has besides.
    `promises` are those of the page. With the first part each of `bugs` is planted once, by `--bug`. A campaign of
    tests (`module` is pytest) prints no JSON: its size counts.
    """

    name: str
    what: str
    promises: str
    module: str
    arguments: Sequence[str]
    unit: str
    target: int
    part: int
    first: int
    once: Sequence[str] = ()
    environ: Mapping[str, str] = {}
    bugs: Sequence[str] = ()

    @property
    def there(self) -> bool:
        """Whether the campaign's module exists."""
        names = [argument for argument in self.arguments if argument.endswith(".py")]
        module = names[0].removesuffix(".py").replace("/", ".") if names else self.module
        try:
            return find_spec(module) is not None
        except ModuleNotFoundError:
            return False

    def command(self, size: int, seed: int, *, first: bool = False, bug: str | None = None) -> list[str]:
        """Return the command line of one part, with a bug planted or none."""
        given = [*self.arguments, *(self.once if first else ()), *(("--bug", bug) if bug else ())]
        return [sys.executable, "-m", self.module, *(one.format(size=size, seed=seed) for one in given)]

    def settings(self, size: int) -> dict[str, str]:
        """Return what is added to the environment of one part."""
        return {name: value.format(size=size) for name, value in self.environ.items()}


_SIZED = ("--seed", "{seed}", "--json")
CAMPAIGNS: Sequence[Campaign] = (
    Campaign(
        name="chaos:sqlite",
        what="deliveries by real processes through bad weather, kills, frozen processes and jumping clocks, on SQLite",
        promises="P3 P4 P5 P8 P11 P13 P16 P18",
        module="tests.faults.chaos",
        arguments=("--database", "sqlite", "--deliveries", "{size}", *_SIZED),
        unit="deliveries",
        target=50_000,
        part=1_000,
        first=100,
        once=("--planted",),
    ),
    Campaign(
        name="chaos:postgresql",
        what="the same with two doors and two workers on PostgreSQL and Redis, which are restarted, flushed and killed",
        promises="P3 P4 P5 P8 P11 P13 P16 P18",
        module="tests.faults.chaos",
        arguments=("--database", "postgresql", "--deliveries", "{size}", *_SIZED),
        unit="deliveries",
        target=50_000,
        part=1_000,
        first=100,
        once=("--planted",),
    ),
    Campaign(
        name="crash:sqlite",
        what="kills of a running gateway at named points and at random, on SQLite",
        promises="P1 P13 P15",
        module="tests.faults.crash",
        arguments=("--database", "sqlite", "--kills", "{size}", *_SIZED),
        unit="kills",
        target=900,
        part=100,
        first=25,
    ),
    Campaign(
        name="crash:postgresql",
        what="the same on PostgreSQL",
        promises="P1 P13 P15",
        module="tests.faults.crash",
        arguments=("--database", "postgresql", "--kills", "{size}", *_SIZED),
        unit="kills",
        target=900,
        part=100,
        first=25,
    ),
    Campaign(
        name="kill",
        what="kill -9 of the gateway of a running demo, and now and then of the demo itself",
        promises="P1 P3",
        module="tests.faults.kill",
        arguments=("--kills", "{size}", "--seed", "{seed}"),
        unit="kills",
        target=200,
        part=10,
        first=5,
    ),
    Campaign(
        name="power:sqlite",
        what="power cuts: what SQLite had not synced is dropped or torn, and the ledger is opened again",
        promises="P2",
        module="tests.faults.power",
        arguments=("--cuts", "{size}", *_SIZED),
        unit="cuts",
        target=100,
        part=50,
        first=50,
    ),
    Campaign(
        name="power:postgresql",
        what="PostgreSQL is shut down at once under load and recovers from its log",
        promises="P2",
        module="tests.faults.power",
        arguments=("--database", "postgresql", "--cuts", "{size}", *_SIZED),
        unit="cuts",
        target=100,
        part=20,
        first=5,
    ),
    Campaign(
        name="outbox:postgresql",
        what="rows of the queue and the inbox that commit late, overtaken before the eyes of a worker",
        promises="P7",
        module="tests.faults.crash_outbox",
        arguments=("--interleavings", "{size}", *_SIZED),
        unit="interleavings",
        target=10_000,
        part=1_000,
        first=100,
    ),
    Campaign(
        name="simulator",
        what="a deterministic world of apps of every level in virtual time; the same seed gives the same history",
        promises="P3 P4 P5 P6 P8 P18 P19",
        module="tests.simulator",
        arguments=("--deliveries", "{size}", "--seed", "{seed}"),
        bugs=(
            *("resend at once", "look at once", "resend at L1", "no fence", "no lanes", "last word wins"),
            *("order of arrival", "said before kept", "nobody looks after"),
        ),
        unit="deliveries",
        target=1_000_000,
        part=10_000,
        first=300,
    ),
    Campaign(
        name="zombies",
        what="workers that slept through their leases wake up, on PostgreSQL",
        promises="P6",
        module="pytest",
        arguments=("tests/faults/test_many_zombies.py", "-q", "-p", "no:randomly", "--timeout", "0"),
        unit="zombies",
        target=1_000,
        part=100,
        first=12,
        environ={"GATEWAY_SOAK_ZOMBIES": "{size}"},
    ),
)
AMBIGUOUS = 10_000
"""Ambiguous answers that the campaigns of chaos together are to have."""
BUGS = ("P1", "P3", "P4", "P7", "P13", "P18")
"""The planted bugs that a soak must have caught."""
