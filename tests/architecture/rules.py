"""The rules of the house for ``gateway/``: each takes a module and yields where it is broken."""

import ast
from collections.abc import Callable, Iterator

from tests.architecture.source import Module, Offence, dotted, imported, is_within, meanings

Rule = Callable[[Module], Iterator[Offence]]

MOST_LINES = 400
CLOCK = "gateway/sdk/clock.py"
ENTROPY = "gateway/sdk/entropy.py"
SUPERVISORS = frozenset({"gateway/app.py", "gateway/worker.py"})
LEDGER = ("gateway", "kernel", "ledger")
COORDINATION = ("gateway", "kernel", "coordination")
HTTP_CLIENT = "gateway/sdk/http.py"
HTTP_SERVER = "gateway/sdk/sandbox.py"
VAGUE = frozenset({"utils", "util", "helpers", "helper", "base", "common", "misc", "tools"})
OTHER_CLIENTS = ("httpx", "httpx2", "requests", "urllib3", "urllib.request", "http.client", "httpcore")
WALL_CLOCK = frozenset(
    {
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "time.time",
        "time.time_ns",
        "time.localtime",
        "time.ctime",
    }
)
TRANSACTION = frozenset({"commit", "begin", "begin_nested", "begin_twophase"})
CHANCE = frozenset({"os.urandom", "uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7"})


def is_short(module: Module) -> Iterator[Offence]:
    """No module over 400 lines."""
    lines = len(module.text.splitlines())
    if lines > MOST_LINES:
        yield Offence(MOST_LINES + 1, f"{lines} lines, at most {MOST_LINES}")


def is_named(module: Module) -> Iterator[Offence]:
    """No room or module named by what it is not about."""
    for part in (*module.package, module.path.stem):
        if part in VAGUE:
            yield Offence(1, f"'{part}' says nothing about what is in it")


def reads_no_clock(module: Module) -> Iterator[Offence]:
    """The wall clock is read in the clock alone; everybody else is given one."""
    if str(module.path) == CLOCK:
        return
    names = meanings(module)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name | ast.Attribute):
            name = dotted(node, names)
            if name in WALL_CLOCK:
                yield Offence(node.lineno, f"{name}: take a Clock")


def takes_no_chances(module: Module) -> Iterator[Offence]:
    """Randomness is drawn in one module; everybody else is given it. Comparing secrets is no randomness."""
    if str(module.path) == ENTROPY:
        return
    names = meanings(module)
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Name | ast.Attribute):
            continue
        name = dotted(node, names) or ""
        drawn = name.startswith(("random.", "secrets.")) and name != "secrets.compare_digest"
        if drawn or name in CHANCE:
            yield Offence(node.lineno, f"{name}: take an entropy")


def catches_by_name(module: Module) -> Iterator[Offence]:
    """No broad ``except`` outside the two supervisors; one of BaseException may clean up if it raises on."""
    if str(module.path) in SUPERVISORS:
        return
    names = {"Exception": "Exception", "BaseException": "BaseException", **meanings(module)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            caught = {"BaseException"} if node.type is None else named_exceptions(node.type)
            raises_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            if "Exception" in caught or ("BaseException" in caught and not raises_on):
                yield Offence(node.lineno, "catches everything: name what you expect")
        elif isinstance(node, ast.Call) and dotted(node.func, names) == "contextlib.suppress":
            suppressed = set().union(*(named_exceptions(arg) for arg in node.args))
            if suppressed & {"Exception", "BaseException"}:
                yield Offence(node.lineno, "suppresses everything: name what you expect")


def named_exceptions(node: ast.expr) -> set[str]:
    """The last names in an ``except`` clause: ``(OSError, builtins.Exception)`` gives both."""
    if isinstance(node, ast.Tuple):
        return set().union(*(named_exceptions(element) for element in node.elts))
    if isinstance(node, ast.Attribute):
        return {node.attr}
    return {node.id} if isinstance(node, ast.Name) else set()


def leaves_commits_to_the_ledger(module: Module) -> Iterator[Offence]:
    """Nobody begins or commits a transaction outside the ledger: acts are handed to it, `ledger.commit(act)`."""
    if module.package[:3] == LEDGER:
        return
    for node in ast.walk(module.tree):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in TRANSACTION and not _is_ledger(called.value):
            yield Offence(called.lineno, f".{called.attr}(): write by an act of the ledger")


def _is_ledger(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.lstrip("_") == "ledger"


def speaks_sql_in_its_place(module: Module) -> Iterator[Offence]:
    """SQLAlchemy in the ledger and in ``queries.py`` only; drivers and migrations in the ledger only."""
    if module.package[:3] == LEDGER:
        return
    for line, name in imported(module):
        if is_within(name, "sqlalchemy") and module.path.name != "queries.py":
            yield Offence(line, f"{name}: only the ledger and queries.py speak SQL")
        if any(is_within(name, driver) for driver in ("asyncpg", "alembic")):
            yield Offence(line, f"{name}: only the ledger knows the database")


def speaks_redis_in_its_place(module: Module) -> Iterator[Offence]:
    """Redis in coordination only: whatever is there may vanish."""
    for line, name in imported(module):
        if is_within(name, "redis") and module.package[:3] != COORDINATION:
            yield Offence(line, f"{name}: only coordination speaks Redis")


def goes_out_by_one_door(module: Module) -> Iterator[Offence]:
    """One HTTP client for all, with its guard against forged addresses; aiohttp's server serves sandboxes."""
    path = str(module.path)
    for line, name in imported(module):
        serves = is_within(name, "aiohttp.web")
        if is_within(name, "aiohttp") and path != (HTTP_SERVER if serves else HTTP_CLIENT):
            yield Offence(line, f"{name}: go out through gateway.sdk")
        if any(is_within(name, client) for client in OTHER_CLIENTS):
            yield Offence(line, f"{name}: go out through gateway.sdk")


def knows_no_app(module: Module) -> Iterator[Offence]:
    """Nothing of the gateway imports a connector: they are found by their connector.toml."""
    for line, name in imported(module):
        if is_within(name, "connectors"):
            yield Offence(line, f"{name}: connectors are found, not imported")


def keeps_annotations_real(module: Module) -> Iterator[Offence]:
    """Litestar reads annotations of handlers: modules that import it keep them evaluated."""
    found = list(imported(module))
    if any(is_within(name, "litestar") for _, name in found):
        for line, name in found:
            if name == "__future__.annotations":
                yield Offence(line, "annotations as strings in a module of routes")


def mocks_nothing(module: Module) -> Iterator[Offence]:
    """Neither rooms nor tests use mocks: apps are sandboxes, servers are real."""
    for line, name in imported(module):
        if is_within(name, "unittest.mock") or is_within(name, "mock") or is_within(name, "pytest_mock"):
            yield Offence(line, f"{name}: use the real thing")


GATEWAY_RULES: tuple[Rule, ...] = (
    is_short,
    is_named,
    reads_no_clock,
    takes_no_chances,
    catches_by_name,
    leaves_commits_to_the_ledger,
    speaks_sql_in_its_place,
    speaks_redis_in_its_place,
    goes_out_by_one_door,
    knows_no_app,
    keeps_annotations_real,
    mocks_nothing,
)
