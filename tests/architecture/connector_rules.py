"""The rules for ``connectors/<app>/``: a connector translates; retry, storage and pace are the gateway's."""

import ast
import re
import sys
from collections.abc import Iterator

from tests.architecture.rules import (
    Rule,
    catches_by_name,
    is_short,
    mocks_nothing,
    reads_no_clock,
    takes_no_chances,
)
from tests.architecture.source import Module, Offence, imported, is_within

MOST_LINES = 250
TRANSLATION = frozenset({"connector.py", "wire.py"})
"""The two files that are the connector; sandbox.py plays the app, test_*.py holds both to their contract."""

NOT_FOR_CONNECTORS = (
    *("sqlite3", "dbm", "socket", "ssl", "urllib.request", "http.client", "http.server", "subprocess"),
    *("multiprocessing", "threading", "importlib", "ctypes", "sched", "signal"),
)
SQL = re.compile(
    r"\s*(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM"
    r"|select\s.+\sfrom|insert\s+into|update\s+\S+\s+set|delete\s+from)\s",
    re.DOTALL,
)
"""In one case only: "Select a village from the list" is English."""

RETRY = re.compile(r"(^|_)(retry|retries|retrying|backoff|max_attempts|tries)($|_)", re.IGNORECASE)
RETRY_AFTER = re.compile(r"retry_?after", re.IGNORECASE)


def is_test(module: Module) -> bool:
    """True for the tests that a connector's folder holds."""
    return module.path.name.startswith("test_") or module.path.name == "conftest.py"


def is_translation(module: Module) -> bool:
    """True for connector.py and wire.py."""
    return module.path.name in TRANSLATION


def stands_on_the_sdk(module: Module) -> Iterator[Offence]:
    """A connector imports gateway.sdk, msgspec, the standard library without its doors, and itself; its tests
    also the conformance kit and pytest."""
    allowed = ["gateway.sdk", "msgspec", ".".join(module.package)]
    if is_test(module):
        allowed += ["gateway.kit", "pytest", "hypothesis", "aiohttp", "tests"]
    for line, name in imported(module):
        inside = name.partition(".")[0] in sys.stdlib_module_names
        door = any(is_within(name, closed) for closed in NOT_FOR_CONNECTORS) and is_translation(module)
        if door or not (inside or any(is_within(name, root) for root in allowed)):
            yield Offence(line, f"{name}: a connector stands on gateway.sdk alone")


def is_brief(module: Module) -> Iterator[Offence]:
    """connector.py and wire.py are at most 250 lines each."""
    lines = len(module.text.splitlines())
    if is_translation(module) and lines > MOST_LINES:
        yield Offence(MOST_LINES + 1, f"{lines} lines, at most {MOST_LINES}")


def never_sleeps(module: Module) -> Iterator[Offence]:
    """No sleeping, under any name: when to try is decided by the gateway."""
    if not is_translation(module):
        return
    for node in ast.walk(module.tree):
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if name in {"sleep", "call_later", "call_at"}:
            yield Offence(getattr(node, "lineno", 1), f"{name}: the gateway decides when")
    for line, name in imported(module):
        if name.rpartition(".")[2] == "sleep":
            yield Offence(line, f"{name}: the gateway decides when")


def never_retries(module: Module) -> Iterator[Offence]:
    """No endless loop, no call with its own ``except`` in a loop, nothing named after retrying."""
    if not is_translation(module):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and node.test.value:
            yield Offence(node.lineno, "an endless loop: say when it ends")
        if isinstance(node, ast.While | ast.For | ast.AsyncFor):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Try | ast.TryStar) and any(awaits(part) for part in inner.body):
                    yield Offence(inner.lineno, "a call in a loop that catches its failure: the gateway retries")
        if isinstance(node, ast.For) and is_fixed_range(node.iter) and any(awaits(part) for part in node.body):
            yield Offence(node.lineno, "a fixed number of calls in a loop: the gateway retries")
        for name in bound_names(node):
            if RETRY.search(name) and not RETRY_AFTER.search(name):
                yield Offence(getattr(node, "lineno", 1), f"'{name}': the gateway retries")


def is_fixed_range(node: ast.expr) -> bool:
    """True for ``range`` over constants: a count of tries, unlike the pages that an answer names."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "range"
        and all(isinstance(arg, ast.Constant) for arg in node.args)
    )


def bound_names(node: ast.AST) -> list[str]:
    """The identifiers that a node spells."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return [node.attr]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.alias):
        return node.name.split(".")
    return []


def awaits(node: ast.AST) -> bool:
    """True if something is awaited in a statement."""
    return any(isinstance(inner, ast.Await | ast.AsyncFor | ast.AsyncWith) for inner in ast.walk(node))


def writes_no_sql(module: Module) -> Iterator[Offence]:
    """No statement of SQL in a string."""
    if not is_translation(module):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
            yield Offence(node.lineno, "SQL: what a connector must remember is in its cursor")


CONNECTOR_RULES: tuple[Rule, ...] = (
    is_short,
    stands_on_the_sdk,
    is_brief,
    never_sleeps,
    never_retries,
    writes_no_sql,
    reads_no_clock,
    takes_no_chances,
    catches_by_name,
    mocks_nothing,
)
